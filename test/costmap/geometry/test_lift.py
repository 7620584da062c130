# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How far kerbs and ramps lift the body: against the heights of the wheels themselves."""

import math

import numpy as np
import pytest
from segformer_ros.costmap.geometry import lift
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.geometry.transforms import turn
from segformer_ros.simulation.robot.uneven import Unevenness

STEP = 0.01


def driven(ways, uneven, heading=0.0, off=0.0):
    """Return true lift and what is told, at each place of a drive; ``off`` radians of pitch."""
    told, true, estimate, before = [], [], lift.Lift(), ways[0]
    for number, way in enumerate(ways):
        pieces = np.linspace(before, way, 12)
        pitch = np.mean([uneven.tilt_and_lift(each)[0] for each in pieces]) + off
        told.append(estimate.move(10.0 + 0.1 * number, planar_pose(
            way * math.cos(heading), way * math.sin(heading), heading),
            turn(0.0, float(pitch), 0.0)))
        true.append(uneven.tilt_and_lift(way)[1])
        before = way
    return np.array(told), np.array(true)


@pytest.mark.parametrize('kerb, ramp', [(0.03, 0.0), (0.0, 0.06), (0.03, 0.06), (0.0, 0.0)])
def test_the_lift_is_that_of_the_wheels(kerb, ramp):
    told, true = driven(np.arange(0.0, 15.0, 0.05), Unevenness(kerb, ramp))
    assert np.abs(told - true).mean() <= 0.009
    assert np.percentile(np.abs(told - true), 95) <= 0.03
    # Without it all of the height would be missed.
    if kerb or ramp:
        assert np.abs(told - true).mean() < 0.5 * np.abs(true).mean()


def test_a_robot_that_turns_or_backs_up_is_told_the_same_height():
    uneven = Unevenness(0.0, 0.06)
    ahead = np.arange(0.0, 3.6, 0.05)
    ways = np.append(ahead, ahead[::-1])
    for heading in (0.0, 2.0):
        told, true = driven(ways, uneven, heading)
        assert told[len(ahead) - 1] == pytest.approx(true[len(ahead) - 1], abs=0.012)
        assert told[-1] == pytest.approx(0.0, abs=0.012)


def test_a_pitch_that_is_a_little_off_adds_up_over_the_last_metres_alone():
    told, _ = driven(np.arange(0.0, 60.0, 0.05), Unevenness(), off=math.radians(0.1))
    # The median lies half the way behind.
    expected = -math.tan(math.radians(0.1)) * 0.5 * lift.WAY
    assert told[-1] == pytest.approx(expected, rel=0.05)
    assert np.abs(told).max() < 0.007


def test_a_robot_that_stands_on_a_ramp_stays_lifted():
    uneven = Unevenness(0.0, 0.06)
    told, true = driven(np.append(np.arange(0.0, 3.61, 0.05), np.full(600, 3.6)), uneven)
    assert true[-1] == pytest.approx(0.06, abs=0.001)
    assert told[-1] == pytest.approx(0.06, abs=0.012)


def test_a_slope_is_no_lift():
    ways = np.arange(0.0, 20.0, 0.05)
    estimate = lift.Lift()
    told = [estimate.move(10.0 + 0.1 * number, planar_pose(way, 0.0, 0.0),
                          turn(0.0, -0.1 * (way > 5.0), 0.0)) for number, way in enumerate(ways)]
    assert max(told) <= lift.MOST_LIFT
    assert told[-1] == 0.0


def test_nothing_is_known_of_a_way_without_a_tilt_or_without_images():
    for gap, tilt in ((0.1, None), (lift.MOST_GAP + 0.1, turn(0.0, -0.1, 0.0))):
        estimate = lift.Lift()
        estimate.move(10.0, planar_pose(0.0, 0.0, 0.0), None)
        assert estimate.move(10.5, planar_pose(0.5, 0.0, 0.0), turn(0.0, -0.1, 0.0)) > 0.02
        assert estimate.move(10.5 + gap, planar_pose(0.9, 0.0, 0.0), tilt) == 0.0
        assert estimate.stamp == pytest.approx(10.5 + gap)
        # It goes on from there.
        assert estimate.move(10.6 + gap, planar_pose(1.0, 0.0, 0.0), np.eye(3)) == 0.0


def test_a_lifted_camera_sees_the_ground_farther_away():
    pose = CameraPose(np.eye(4), mount_pose(0.8, 0.35))
    up = lift.lifted(pose, 0.06)
    ray = np.array([0.0, 0.1, 1.0])
    met = []
    for each in (pose, up):
        direction = each.ground_from_camera[:3, :3].dot(ray)
        met.append(-each.ground_from_camera[2, 3] / direction[2] * direction[0])
    assert met[1] / met[0] == pytest.approx(0.86 / 0.8)
    assert pose.ground_from_camera[2, 3] == pytest.approx(0.8)
    assert lift.lifted(pose, 0.9 * lift.DEAD_BAND) is pose
