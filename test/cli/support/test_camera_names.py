# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Cameras are called by what sets their topics apart, as the node takes it."""

import pytest
from segformer_ros.cli.support.camera_names import camera_names
from segformer_ros.ros.parameters.row import CAMERA_NAME


def test_one_camera_has_no_name():
    assert camera_names(['/front/image_raw']) == [''] and camera_names([]) == []


@pytest.mark.parametrize(('topics', 'names'), [
    (['/front/image_raw', '/rear/image_raw'], ['front', 'rear']),
    (['/robot/front/image_raw/compressed', '/robot/rear/image_raw'], ['front', 'rear']),
    (['/one/color/image_raw', '/two/color/image_raw'], ['one', 'two']),
    (['/camera/left', '/camera/right'], ['left', 'right']),
    (['/image_raw', '/rear/image_raw'], ['image_raw', 'rear_image_raw']),
    (['/front/image_raw', '/front/left/image_raw'], ['front', 'front_left']),
    (['/1/image_raw', '/2/image_raw'], ['camera_1', 'camera_2']),
    (['/a/b_c/x', '/a_b/c/x'], ['a_b_c', 'a_b_c_2']),
    (['/vorn\u00e4/image', '/h-i/image'], ['vorn', 'h_i']),
])
def test_names_are_what_sets_topics_apart_and_the_node_takes_them(topics, names):
    assert camera_names(topics) == names
    assert all(CAMERA_NAME.fullmatch(name) for name in names)
