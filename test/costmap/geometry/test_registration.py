# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Depth belongs to an image of its moment and its place, or it is refused."""

import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.geometry.registration import check_registered
from segformer_ros.costmap.geometry.registration import nearest_stamp
from segformer_ros.costmap.geometry.transforms import planar_pose

MS = 10 ** 6


@pytest.mark.parametrize('stamps, nearest', [
    ([], None), ([0], None), ([79 * MS], None), ([80 * MS], 80 * MS), ([120 * MS], 120 * MS),
    ([121 * MS], None), ([85 * MS, 103 * MS, 110 * MS], 103 * MS)])
def test_depth_within_20_ms_is_of_the_same_shot(stamps, nearest):
    assert nearest_stamp(stamps, 100 * MS) == nearest


def refuse():
    raise TransformError('Unknown frame')


@pytest.mark.parametrize('image, depth, lookup', [
    ('camera', 'camera', refuse), ('/camera', 'camera', refuse),
    ('color', 'aligned', lambda: np.eye(4)),
    ('color', 'aligned', lambda: planar_pose(0.0009, 0.0, 0.0009))])
def test_depth_of_the_same_place_is_taken(image, depth, lookup):
    check_registered(image, depth, lookup)


@pytest.mark.parametrize('image, depth, lookup, words', [
    ('color', 'depth', refuse, "depth in 'depth', which has no transform to the image"),
    ('color', '', lambda: np.eye(4), "depth in '', which has no transform"),
    ('color', 'depth', lambda: planar_pose(0.002, 0.0, 0.0), '2.0 mm and 0.00 degrees away'),
    ('color', 'depth', lambda: planar_pose(0.05, 0.0, 0.0), '50.0 mm and 0.00 degrees away'),
    ('color', 'depth', lambda: planar_pose(0.0, 0.0, np.radians(3.0)), '0.0 mm and 3.00 degr')])
def test_depth_of_another_place_is_refused_with_its_distance(image, depth, lookup, words):
    with pytest.raises(InvalidInputError, match=words):
        check_registered(image, depth, lookup)
