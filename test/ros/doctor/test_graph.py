# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Depth images are known by their names."""

import pytest
from segformer_ros.ros.doctor import graph
from segformer_ros.ros.doctor.graph import pictures


@pytest.mark.parametrize('topics, depths, expected', [
    (['/oak_depthai/rgb/image_raw'], 0, ['/oak_depthai/rgb/image_raw']),
    (['/camera/aligned_depth_to_color/image_raw', '/camera/color/image_raw'], 1,
     ['/camera/color/image_raw']),
    (['/depth_camera/depth/image_raw', '/depth_camera/rgb/image_raw'], 1,
     ['/depth_camera/rgb/image_raw']),
    (['/camera/depth/image_raw/compressedDepth', '/camera/rgb/image_raw/compressed'], 1,
     ['/camera/rgb/image_raw/compressed']),
    (['/front/depth', '/front/image', '/rear/depth', '/rear/image'], 2,
     ['/front/image', '/rear/image']),
    # Two cameras may read one depth image.
    (['/depth', '/front/image', '/rear/image'], 2, ['/front/image', '/rear/image'])])
def test_depth_images_are_told_by_whole_words(topics, depths, expected):
    assert pictures(topics, depths) == expected


def test_an_image_goes_with_the_camera_info_of_its_own_camera():
    infos = ['/front/camera_info', '/left/camera_info']
    assert [graph._beside(f'/{camera}/image_raw/compressed', infos)
            for camera in ('front', 'left')] == infos
