# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Points as PointCloud2 wants them: packed records, x, y, z first, nothing that is not finite.

A cloud without points still has its fields: Nav2's costmap node aborts on one that has none.
"""

from typing import NamedTuple, Tuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.observation import GroundPoints
from segformer_ros.costmap.observation import Obstacles

POINT_STEP = 20


class PointField(NamedTuple):
    """One row of PointCloud2.fields; ``datatype`` is sensor_msgs/PointField's constant."""

    name: str
    offset: int
    datatype: int


POINT_FIELDS: Tuple[PointField, ...] = (
    PointField('x', 0, 7), PointField('y', 4, 7), PointField('z', 8, 7),
    PointField('label', 12, 4), PointField('cost', 14, 2), PointField('confidence', 16, 7))
"""FLOAT32 is 7, UINT16 is 4, UINT8 is 2. StaticLayer and ObstacleLayer need FLOAT32 x, y, z."""

LABELLED_STEP = 24
LABELLED_FIELDS: Tuple[PointField, ...] = (
    PointField('x', 0, 7), PointField('y', 4, 7), PointField('z', 8, 7), PointField('rgb', 12, 7),
    PointField('label', 16, 4), PointField('cost', 18, 2), PointField('confidence', 20, 7))
"""PCL's layout: the bits of ``rgb`` are a whole number 0x00RRGGBB, though its type is FLOAT32."""
UNKNOWN_COST = 255
"""Of a labelled point that is neither ground nor obstacle; Nav2's NO_INFORMATION."""

_TYPES = {7: '<f4', 4: '<u2', 2: 'u1'}


def _dtype(fields: Tuple[PointField, ...], step: int) -> 'np.dtype[np.void]':
    return np.dtype({
        'names': [field.name for field in fields],
        'formats': [_TYPES[field.datatype] for field in fields],
        'offsets': [field.offset for field in fields], 'itemsize': step})


POINT_DTYPE = _dtype(POINT_FIELDS, POINT_STEP)
LABELLED_DTYPE = _dtype(LABELLED_FIELDS, LABELLED_STEP)


def obstacle_cloud(obstacles: Obstacles, costs: CostTable, z: float) -> arrays.Structured:
    """
    Return obstacle points as records in the ground frame.

    :param z: metres, above the height gates of Nav2's consumers
    :return: (N,) of POINT_DTYPE; ``tobytes`` gives PointCloud2.data
    """
    cloud = _cloud(obstacles.x, obstacles.y, obstacles.labels, obstacles.confidences, costs)
    cloud['z'] = z
    # Depth and nadir views also mark what no class calls an obstacle.
    cloud['cost'] = 100
    return cloud


def ground_cloud(points: GroundPoints, costs: CostTable) -> arrays.Structured:
    """Return ground points as records in the ground frame, at z = 0; (N,) of POINT_DTYPE."""
    return _cloud(points.x, points.y, points.labels, points.confidences, costs)


def organized_cloud(points: arrays.Float32) -> arrays.Float32:
    """
    Return points of a picture as rows for an organised PointCloud2 with x, y, z alone.

    :param points: (H, W, 3) metres; NaN where a pixel has no point
    :return: the same, contiguous; 12 bytes a point, ``row_step`` 12 * W, ``is_dense`` false
    """
    return np.ascontiguousarray(points, dtype='<f4')


def moved_cloud(cloud: arrays.Structured, target_from_source: arrays.Float64) -> arrays.Structured:
    """
    Return a cloud in another frame.

    :param cloud: (N,) of POINT_DTYPE
    :param target_from_source: (4, 4)
    """
    moved = cloud.copy()
    for axis, row in zip('xyz', target_from_source[:3].tolist()):
        moved[axis] = row[0] * cloud['x'] + row[1] * cloud['y'] + row[2] * cloud['z'] + row[3]
    return moved


def _cloud(x: arrays.Float32, y: arrays.Float32, labels: arrays.UInt8, confidences: arrays.Float32,
           costs: CostTable) -> arrays.Structured:
    cloud = np.zeros(len(x), POINT_DTYPE)
    cloud['x'], cloud['y'] = x, y
    cloud['label'] = labels
    cloud['cost'] = costs.costs[labels]
    cloud['confidence'] = confidences
    return cloud
