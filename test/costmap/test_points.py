# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Cloud records, byte by byte."""

import struct

import numpy as np
import pytest

from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.observation import GroundPoints
from segformer_ros.costmap.observation import Obstacles
from segformer_ros.costmap.points import ground_cloud
from segformer_ros.costmap.points import moved_cloud
from segformer_ros.costmap.points import obstacle_cloud
from segformer_ros.costmap.points import organized_cloud
from segformer_ros.costmap.points import POINT_DTYPE
from segformer_ros.costmap.points import POINT_FIELDS
from segformer_ros.costmap.points import POINT_STEP
from segformer_ros.model.classes import ClassTable

COSTS = CostTable('test', ClassTable('test', ['floor', 'rug', 'wall'], np.zeros((3, 3)),
                                     [False] * 3), [0, 20, 100])


def floats(*values):
    return np.array(values, np.float32)


@pytest.mark.smoke
def test_records_have_the_layout_that_the_fields_say():
    cloud = obstacle_cloud(Obstacles(floats(1.5), floats(-2.5), np.array([2], np.uint8),
                                     floats(0.5), floats(0.25), np.ones(1, np.bool_)),
                           COSTS, 0.2)
    data = cloud.tobytes()
    assert len(data) == POINT_STEP == 20
    # sensor_msgs/PointField: UINT8 2, UINT16 4, FLOAT32 7.
    codes = {2: '<B', 4: '<H', 7: '<f'}
    values = {field.name: struct.unpack_from(codes[field.datatype], data, field.offset)[0]
              for field in POINT_FIELDS}
    assert values == {'x': 1.5, 'y': -2.5, 'z': pytest.approx(0.2), 'label': 2, 'cost': 100,
                      'confidence': 0.5}


def test_ground_points_lie_on_the_ground_with_their_cost():
    cloud = ground_cloud(GroundPoints(floats(1, 2), floats(3, 4), np.array([0, 1], np.uint8),
                                      floats(1, 1)), COSTS)
    assert cloud['z'].tolist() == [0.0, 0.0]
    assert cloud['cost'].tolist() == [0, 20]


def test_an_empty_cloud_still_has_its_fields():
    cloud = ground_cloud(GroundPoints(floats(), floats(), np.zeros(0, np.uint8), floats()), COSTS)
    assert cloud.dtype == POINT_DTYPE and cloud.tobytes() == b''
    assert [field.name for field in POINT_FIELDS][:3] == ['x', 'y', 'z']


def test_an_organized_cloud_is_packed_little_endian():
    points = np.arange(24, dtype=np.float32).reshape(2, 4, 3)[:, ::2]
    packed = organized_cloud(points)
    assert packed.flags.c_contiguous and packed.dtype == np.dtype('<f4')
    assert struct.unpack_from('<fff', packed.tobytes(), 12) == (6.0, 7.0, 8.0)


def test_a_moved_cloud_has_other_places_and_the_same_rest():
    points = GroundPoints(floats(1.0, -2.0), floats(0.5, 3.0), np.array([0, 1], np.uint8),
                          floats(0.25, 0.75))
    cloud = ground_cloud(points, COSTS)
    # A quarter turn to the left, a metre up.
    pose = np.array([[0.0, -1.0, 0.0, 10.0], [1.0, 0.0, 0.0, 20.0], [0.0, 0.0, 1.0, 1.0],
                     [0.0, 0.0, 0.0, 1.0]])
    moved = moved_cloud(cloud, pose)
    assert moved['x'].tolist() == [9.5, 7.0]
    assert moved['y'].tolist() == [21.0, 18.0]
    assert moved['z'].tolist() == [1.0, 1.0]
    for field in ('label', 'cost', 'confidence'):
        assert np.array_equal(moved[field], cloud[field])
    assert cloud['x'].tolist() == [1.0, -2.0]
    assert len(moved_cloud(cloud[:0], pose)) == 0
