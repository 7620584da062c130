# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a message of an IMU says, and what it leaves open."""

import pytest
from segformer_ros.ros.costmap.imu import sample_of
from sensor_msgs.msg import Imu


def message(quaternion=None, force=(0.0, 0.0, 9.81), covariances=(0.0, 0.0, 0.0)):
    """Return a message; without a quaternion its orientation is as nobody has set it."""
    found = Imu()
    if quaternion is not None:
        (found.orientation.x, found.orientation.y, found.orientation.z,
         found.orientation.w) = quaternion
    (found.linear_acceleration.x, found.linear_acceleration.y,
     found.linear_acceleration.z) = force
    for field, first in zip(('orientation_covariance', 'angular_velocity_covariance',
                             'linear_acceleration_covariance'), covariances):
        getattr(found, field)[0] = first
    return found


@pytest.mark.parametrize('sent, orientation', [
    # A driver of gyroscope and accelerometer alone that says nothing of orientation.
    (message(), None),
    (message((0.0, 0.0, 0.0, 0.0)), None),
    (message((0.0, 0.1, 0.0, 0.995), covariances=(-1.0, 0.0, 0.0)), None),
    (message((0.0, 0.1, 0.0, 0.995)), (0.0, 0.1, 0.0, 0.995)),
    # Of a message with nothing else, level is what it says.
    (message(force=(0.0, 0.0, 0.0)), (0.0, 0.0, 0.0, 1.0)),
    (message(covariances=(0.0, 0.0, -1.0)), (0.0, 0.0, 0.0, 1.0))])
def test_an_orientation_that_nobody_set_is_none(sent, orientation):
    assert sample_of(sent).orientation == (orientation and pytest.approx(orientation))


def test_what_is_marked_as_not_measured_is_none():
    sample = sample_of(message(covariances=(0.0, -1.0, -1.0)))
    assert (sample.turn_rate, sample.acceleration) == (None, None)
    assert sample_of(message()).acceleration == (0.0, 0.0, 9.81)
