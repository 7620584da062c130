# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Calibration, depth and reference grids as numbers."""

import math

import numpy as np
import pytest
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.geometry.camera_model import calibration_of
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.projection.depth_image import depth_of_message
from segformer_ros.evaluation.run.bag_costmap import sampled_grid


class Fields:
    """A message of any type."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


def occupancy(values, x, y, resolution, frame_id='odom', turn=0.0):
    values = np.array(values, np.int8)
    return Fields(header=Fields(frame_id=frame_id), data=values.reshape(-1), info=Fields(
        resolution=resolution, width=values.shape[1], height=values.shape[0],
        origin=Fields(position=Fields(x=x, y=y), orientation=Fields(
            x=0.0, y=0.0, z=math.sin(turn / 2), w=math.cos(turn / 2)))))


def test_reference_grid_is_sampled_at_the_centres_of_the_cells():
    message = occupancy([[0, 100], [50, -1]], 1.0, 2.0, 1.0)
    found = sampled_grid(message, GridGeometry(0.5, 2.0, 0.5, 6, 4), 'odom')
    assert found.tolist() == [[-1, 0, 0, 100, 100, -1], [-1, 0, 0, 100, 100, -1],
                              [-1, 50, 50, -1, -1, -1], [-1, 50, 50, -1, -1, -1]]


@pytest.mark.parametrize('changes, message', [
    ({'frame_id': 'map'}, r'another frame.*got map; expected odom'), ({'turn': 0.1}, 'turned')])
def test_reference_grid_that_cannot_be_laid_over_is_refused(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        sampled_grid(occupancy([[0]], 0.0, 0.0, 1.0, **changes), GridGeometry(0, 0, 1, 1, 1),
                     'odom')


def depth_message(values, encoding, is_bigendian=0, padding=0):
    rows = np.ascontiguousarray(values).view(np.uint8).reshape(values.shape[0], -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), mode='constant')
    return Fields(__msgtype__='sensor_msgs/msg/Image', encoding=encoding, width=values.shape[1],
                  height=values.shape[0], step=rows.shape[1], is_bigendian=is_bigendian,
                  data=rows.reshape(-1))


def test_depth_is_in_metres_whatever_its_form():
    millimetres = np.array([[1500, 0, 250]])
    for order, flag in (('<', 0), ('>', 1)):
        for padding in (0, 3):
            message = depth_message(millimetres.astype(order + 'u2'), '16UC1', flag, padding)
            np.testing.assert_allclose(depth_of_message(message), [[1.5, 0.0, 0.25]])
            message = depth_message((millimetres / 1000.0).astype(order + 'f4'), '32FC1', flag,
                                    padding)
            np.testing.assert_allclose(depth_of_message(message), [[1.5, 0.0, 0.25]])


def test_other_images_are_no_depth():
    with pytest.raises(InvalidInputError, match="'rgb8'; expected 16UC1 or 32FC1"):
        depth_of_message(depth_message(np.zeros((2, 2), np.uint16), 'rgb8'))
    short = depth_message(np.zeros((2, 2), np.uint16), '16UC1')
    short.data = short.data[:-1]
    with pytest.raises(InvalidInputError, match='too short'):
        depth_of_message(short)


def test_calibration_of_ros1_has_capital_letters():
    fields = {'width': 4, 'height': 3, 'distortion_model': 'plumb_bob', 'binning_x': 0,
              'binning_y': 0, 'roi': Fields(x_offset=1, y_offset=2, width=3, height=4)}
    values = {'d': np.arange(5.0), 'k': np.arange(9.0), 'r': np.eye(3).reshape(-1),
              'p': np.arange(12.0)}
    small = calibration_of(Fields(**dict(fields, **values)))
    capital = calibration_of(Fields(**dict(fields, **{
        name.upper(): numbers for name, numbers in values.items()})))
    assert small == capital
    assert (small.k[2], small.roi_y, small.width) == (2.0, 2, 4)
