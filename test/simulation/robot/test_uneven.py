# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Kerbs, ramps and slopes below the wheels, and an IMU that feels them."""

import math

import numpy as np
import pytest
from segformer_ros.simulation.robot import imu as simulated_imu
from segformer_ros.simulation.robot import robot as simulated
from segformer_ros.simulation.robot.uneven import FLAT
from segformer_ros.simulation.robot.uneven import Unevenness

EXACT = simulated_imu.ImuErrors(0.0, 0.0, 0.0, 0.0, 0.0)


def test_a_kerb_tips_the_body_back_and_then_forward():
    uneven = Unevenness(kerb_height=0.03)
    # The front wheels are up, both are, the rear ones alone are.
    assert uneven.tilt_and_lift(0.95)[0] == pytest.approx(-math.atan2(0.03, 0.4))
    assert uneven.tilt_and_lift(0.95)[1] == pytest.approx(0.015)
    assert uneven.tilt_and_lift(1.33) == pytest.approx((0.0, 0.03))
    assert uneven.tilt_and_lift(1.75)[0] == pytest.approx(math.atan2(0.03, 0.4))
    assert FLAT.tilt_and_lift(1.0) == (0.0, 0.0)


def test_on_a_long_slope_the_ground_rises_and_the_body_stands_on_it_as_before():
    uneven = Unevenness(slope=0.05)
    assert uneven.tilt_and_lift(12.0) == (0.0, 0.0)
    assert [uneven.inclination(way) for way in (8.9, 12.0, 18.0)] == [0.0, 0.05, 0.0]


class Nowhere:
    """Surroundings without a thing."""

    def distance(self, x, y, time):
        return 10.0


def test_the_robot_s_pose_and_its_imu_agree_on_a_kerb():
    drive = simulated.Drive(uneven=Unevenness(kerb_height=0.03), pitch=0.03)
    robot = simulated.Robot(Nowhere(), drive, simulated.Pose2D(0.0, 0.0, 0.4))
    imu = simulated_imu.SimulatedImu(EXACT)
    turned, most = 0.0, 0.0
    for step in range(200):
        robot.command(robot.time, 0.5, 0.0)
        robot.advance(0.02 * (step + 1))
        measured = imu.measure(robot.motion())
        x, y, z, w = measured.orientation
        # The body's x axis in the world, by its quaternion and by the pose.
        ahead = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)])
        assert ahead == pytest.approx(robot.pose()[:3, 0], abs=1e-9)
        turned += 0.02 * measured.turn_rate[1]
        most = max(most, abs(turned))
        assert turned == pytest.approx(-math.asin(ahead[2]), abs=1e-9)
        assert np.linalg.norm(measured.acceleration) == pytest.approx(
            math.hypot(9.80665, robot.motion().acceleration))
    assert most > 0.05 and robot.way == pytest.approx(2.0, abs=0.3)
