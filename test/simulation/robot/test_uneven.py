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


@pytest.mark.parametrize('uneven, begins, every, edge, top', [
    (Unevenness(ramp_height=0.1), 2.5, 7.0, 0.8, 0.6),
    (Unevenness(kerb_height=0.03), 1.0, 3.0, 0.08, 0.5)])
def test_ramps_and_kerbs_are_as_long_and_as_high_as_they_are_said_to_be(
        uneven, begins, every, edge, top):
    most = uneven.ramp_height + uneven.kerb_height
    for turn in range(3):
        way = begins + every * turn
        parts = (-0.01, 0.0, 0.5 * edge, edge, edge + top, 1.5 * edge + top, 2.0 * edge + top)
        assert [uneven.height(way + part) for part in parts] == pytest.approx(
            [0.0, 0.0, 0.5 * most, most, most, 0.5 * most, 0.0])


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
        # What holds the body against gravity, and pushes it along the way.
        push = robot.motion().acceleration * np.array([math.cos(0.4), math.sin(0.4), 0.0])
        assert measured.acceleration == pytest.approx(
            robot.pose()[:3, :3].T.dot(push + [0.0, 0.0, 9.80665]), abs=1e-9)
    assert most > 0.05 and robot.way == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize('turn_rate', [0.8, -0.8])
def test_the_imu_feels_a_curve_as_the_places_of_the_robot_bend(turn_rate):
    robot = simulated.Robot(Nowhere(), simulated.Drive(), simulated.Pose2D(0.0, 0.0, 0.4))
    imu, places = simulated_imu.SimulatedImu(EXACT), []
    for step in range(120):
        robot.command(robot.time, 0.5, turn_rate)
        robot.advance(0.02 * (step + 1))
        places.append(robot.place)
        if step == 118:
            measured = imu.measure(robot.motion())
    before, now, after = (np.array([place.x, place.y]) for place in places[-3:])
    bend = (after - 2.0 * now + before) / 0.02 ** 2
    c, s = math.cos(places[-2].yaw), math.sin(places[-2].yaw)
    assert measured.acceleration == pytest.approx(
        [c * bend[0] + s * bend[1], c * bend[1] - s * bend[0], 9.80665], abs=0.01)
    assert abs(measured.acceleration[1]) == pytest.approx(0.4, abs=0.01)
    turned = places[-1].yaw - places[-2].yaw
    assert measured.turn_rate == pytest.approx([0.0, 0.0, turned / 0.02])


def test_on_a_slope_the_imu_alone_tells_that_the_nose_is_up():
    drive = simulated.Drive(uneven=Unevenness(slope=0.05))
    robot = simulated.Robot(Nowhere(), drive, simulated.Pose2D(0.0, 0.0, 0.0))
    while robot.way < 12.0:
        robot.command(robot.time, 0.6, 0.0)
        robot.advance(robot.time + 0.1)
    assert robot.pose()[:3, :3] == pytest.approx(np.eye(3))
    measured = simulated_imu.SimulatedImu(EXACT).measure(robot.motion())
    x, y, z, w = measured.orientation
    assert 2 * (x * z - y * w) == pytest.approx(math.sin(0.05))
    # Gravity pulls it back, as if it gathered speed.
    assert measured.acceleration == pytest.approx(
        [9.80665 * math.sin(0.05), 0.0, 9.80665 * math.cos(0.05)])
