# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The points of a lidar: from a PointCloud2 message to metres."""

import math
from typing import Any, Optional

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError

CLOUD_SLOP_NS = 50000000
"""Nanoseconds between a cloud and its image at most: half a turn of a lidar."""
_POINT_TYPES = {7: 'f4', 8: 'f8'}


def points_of_cloud(message: Any, most: Optional[int] = None) -> arrays.Float64:
    """
    Return the points of a PointCloud2 message.

    :param message: with the fields of the ROS type
    :param most: points that are looked at; of more, every so manieth. None: all
    :return: (N, 3) metres; points that are not finite are left out
    :raises InvalidInputError: no x, y, z of FLOAT32 or FLOAT64, or data that do not fit
    """
    by_name = {field.name: field for field in message.fields}
    order = '>' if message.is_bigendian else '<'
    if any(axis not in by_name or by_name[axis].datatype not in _POINT_TYPES for axis in 'xyz'):
        raise InvalidInputError('Not a point cloud', got=', '.join(by_name) or 'no fields',
                                expected='x, y, z of FLOAT32 or FLOAT64')
    axes = [(by_name[axis].offset, np.dtype(order + _POINT_TYPES[by_name[axis].datatype]))
            for axis in 'xyz']
    if any(offset + kind.itemsize > message.point_step for offset, kind in axes):
        raise InvalidInputError(
            'Fields of the point cloud lie outside its points',
            got=f'x, y, z at {[offset for offset, _ in axes]} of {message.point_step} bytes',
            expected='fields within point_step')
    length = message.row_step * message.height
    data = np.asarray(message.data, np.uint8)
    if len(data) < length or message.row_step < message.width * message.point_step:
        raise InvalidInputError('Point cloud too short', got=f'{len(data)} bytes',
                                expected=f'{message.height} rows of {message.row_step} bytes')
    if not message.width or not message.height:
        return np.zeros((0, 3))
    rows = data[:length].reshape(message.height, message.row_step)
    rows = np.ascontiguousarray(rows[:, :message.width * message.point_step])
    records = rows.reshape(-1).view(np.dtype({
        'names': ['x', 'y', 'z'], 'offsets': [offset for offset, _ in axes],
        'formats': [kind for _, kind in axes], 'itemsize': message.point_step}))
    if most is not None:
        records = records[::max(1, math.ceil(len(records) / most))]
    points = np.stack([records[axis].astype(np.float64) for axis in 'xyz'], axis=1)
    return points[np.isfinite(points).all(axis=1)]
