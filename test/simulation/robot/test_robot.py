# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The simulated robot against closed formulas, and against a wall."""

import math

import numpy as np
import pytest
from segformer_ros.simulation.robot import robot as simulated
from segformer_ros.simulation.robot.surroundings import FARTHEST

DRIVE = simulated.Drive()


class Wall:
    """A wall at x = 2, and nothing else."""

    def distance(self, x, y, time):
        """Return the distance to it."""
        return min(max(2.0 - x, 0.0), FARTHEST)


class Nothing:
    """Open ground."""

    def distance(self, x, y, time):
        """Return the farthest distance."""
        return FARTHEST


def driven(robot, speed, turn_rate, seconds, every=0.1):
    """Command all the time, as a controller does."""
    until = robot.time + seconds
    while robot.time < until - 1e-9:
        robot.command(robot.time, speed, turn_rate)
        robot.advance(robot.time + every)
    return robot


def robot_at(surroundings, start=simulated.Pose2D(0.0, 0.0, 0.0), **changes):
    return simulated.Robot(surroundings, DRIVE._replace(**changes), start)


def test_it_speeds_up_and_brakes_as_its_limits_say():
    robot = driven(robot_at(Nothing(), acceleration=0.5), 2.0, 0.0, 3.0)
    # 1.2 s to 0.6 m/s, which is all it can do, then 1.8 s at that.
    assert robot.speed == pytest.approx(0.6)
    assert robot.place.x == pytest.approx(0.5 * 0.5 * 1.2 ** 2 + 0.6 * 1.8, abs=0.02)
    before = robot.place.x
    driven(robot, 0.0, 0.0, 2.0)
    assert robot.speed == 0.0
    assert robot.place.x - before == pytest.approx(0.6 ** 2 / 2.0, abs=0.02)


def test_a_steady_turn_is_a_circle():
    robot = driven(robot_at(Nothing(), acceleration=100.0, turn_acceleration=100.0), 0.5, 0.5,
                   math.pi, math.pi / 30.0)
    # A quarter of a circle of 1 m.
    assert robot.place.x == pytest.approx(1.0, abs=0.02)
    assert robot.place.y == pytest.approx(1.0, abs=0.02)
    assert robot.place.yaw == pytest.approx(0.5 * math.pi, abs=0.03)


def test_commands_act_after_the_latency_and_end_with_the_timeout():
    robot = robot_at(Nothing(), latency=0.4, timeout=0.3, deceleration=100.0)
    robot.command(0.0, 0.3, 0.0)
    robot.advance(0.39)
    assert robot.place.x == 0.0 and robot.speed == 0.0
    robot.advance(0.6)
    assert 0.1 < robot.speed <= 0.3
    robot.advance(0.75)
    assert robot.speed == 0.0
    robot.command(1.0, math.nan, 0.0)
    robot.advance(1.5)
    assert robot.speed == 0.0


def test_it_stops_at_a_wall_and_tells_of_one_contact():
    robot = driven(robot_at(Wall()), 0.5, 0.0, 8.0)
    assert robot.in_contact and robot.contacts == 1
    assert robot.place.x == pytest.approx(2.0 - DRIVE.radius, abs=0.02)
    assert robot.clearance == 0.0
    # It may turn there, and drive away.
    driven(robot, 0.0, 1.0, math.pi + 0.3)
    assert abs(robot.place.yaw) > 2.5
    driven(robot, 0.5, 0.0, 2.0)
    assert robot.place.x < 1.3 and not robot.in_contact and robot.contacts == 1


def test_a_robot_that_stays_away_touches_nothing_and_knows_by_how_much():
    robot = driven(robot_at(Wall()), 0.5, 0.0, 2.0)
    driven(robot, 0.0, 0.0, 2.0)
    assert not robot.in_contact and robot.contacts == 0
    assert robot.clearance == pytest.approx(2.0 - robot.place.x - DRIVE.radius, abs=1e-6)


class Passer:
    """Somebody 0.3 m wide who walks along the x axis from x = 3 on at 1 m/s."""

    def distance(self, x, y, time):
        """Return the distance to them."""
        return min(max(math.hypot(3.0 - time - x, y) - 0.3, 0.0), FARTHEST)


def test_somebody_who_walks_into_a_standing_robot_and_on_is_one_contact():
    robot, met = robot_at(Passer()), []
    for _ in range(300):
        driven(robot, 0.0, 0.0, 0.02, 0.02)
        met += [robot.time] if robot.in_contact else []
    assert robot.contacts == 1 and robot.clearance == 0.0
    # Bodies meet 0.55 m before and part 0.55 m behind the robot's middle.
    assert met[0] == pytest.approx(3.0 - 0.55, abs=0.05)
    assert met[-1] == pytest.approx(3.0 + 0.55, abs=0.06)
    assert robot.place == simulated.Pose2D(0.0, 0.0, 0.0)


def test_odometry_drifts_by_the_noise_and_not_without():
    still = driven(robot_at(Nothing()), 0.5, 0.3, 5.0)
    assert still.odometry == still.place
    ends = []
    for seed in range(60):
        robot = simulated.Robot(Nothing(), DRIVE._replace(noise=0.05),
                                simulated.Pose2D(0.0, 0.0, 0.0), seed)
        driven(robot, 0.5, 0.0, 4.0)
        ends.append(robot.odometry.x - robot.place.x)
    # 5 % of a metre after one metre, and as its root.
    expected = 0.05 * math.sqrt(robot.place.x)
    assert 0.7 * expected < np.std(ends) < 1.35 * expected
    assert abs(np.mean(ends)) < 0.5 * expected


def test_it_tips_forward_while_it_brakes_and_backward_while_it_speeds_up():
    robot = robot_at(Nothing(), pitch=math.radians(2.0), acceleration=0.5)
    driven(robot, 0.6, 0.0, 0.8)
    assert -math.radians(1.2) < robot.tilt < -math.radians(0.8)
    driven(robot, 0.6, 0.0, 2.0)
    assert abs(robot.tilt) < math.radians(0.05)
    driven(robot, 0.0, 0.0, 0.5)
    assert math.radians(1.8) < robot.tilt < math.radians(2.1)
    # Forward: its x axis points down.
    assert robot.pose()[2, 0] == pytest.approx(-math.sin(robot.tilt))


def test_a_reset_brings_it_back_to_the_start():
    robot = driven(robot_at(Wall(), noise=0.1), 0.5, 0.1, 8.0)
    robot.reset(robot.time)
    assert robot.place == robot.odometry == simulated.Pose2D(0.0, 0.0, 0.0)
    assert not robot.in_contact and robot.contacts == 0 and robot.speed == 0.0


@pytest.mark.parametrize('latency', [0.0, 0.3])
def test_after_a_reset_it_stands_until_it_is_told_again(latency):
    robot = driven(robot_at(Nothing(), latency=latency), 0.5, 0.4, 2.0)
    assert robot.speed > 0.4
    robot.reset(robot.time)
    robot.advance(robot.time + 2.0)
    assert robot.place == simulated.Pose2D(0.0, 0.0, 0.0) and robot.way == 0.0
    driven(robot, 0.5, 0.0, 2.0)
    assert robot.place.x > 0.3
