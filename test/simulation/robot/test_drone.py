# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The simulated drone against closed formulas: speeds, wind, its camera, errors of its pose."""

import math

import numpy as np
import pytest
from segformer_ros.simulation.robot import drone as simulated

FRAME = simulated.Airframe()


def drone_at(place=(0.0, 0.0, 10.0), heading=0.0, air=simulated.CALM, errors=simulated.EXACT,
             seed=0):
    return simulated.Drone(np.array(place), heading, FRAME, air, errors, seed)


def flown(drone, velocity, seconds):
    """Command all the time, as a controller does; return the places."""
    places = []
    until = drone.time + seconds
    while drone.time < until - 1e-9:
        drone.command(np.array(velocity, float))
        drone.advance(drone.time + 0.05)
        places.append(drone.place.copy())
    return np.array(places)


def test_it_flies_as_fast_as_it_is_told_and_no_faster_than_it_can():
    for asked, expected in (((1.0, -0.5, 0.0), (1.0, -0.5, 0.0)),
                            ((0.0, 30.0, 0.0), (0.0, FRAME.speed, 0.0)),
                            ((0.0, 0.0, 9.0), (0.0, 0.0, FRAME.climb)),
                            ((0.0, 0.0, -9.0), (0.0, 0.0, -FRAME.sink))):
        drone = drone_at(place=(0.0, 0.0, 100.0))
        flown(drone, asked, 15.0)
        np.testing.assert_allclose(drone.velocity, expected, atol=0.03)


def test_it_leans_into_the_wind_as_much_as_the_drag_asks():
    drone = drone_at(air=simulated.Air(wind=4.0, gusts=0.0))
    places = flown(drone, (0.0, 0.0, 0.0), 20.0)
    # It was carried along, and stands still then.
    assert 0.05 < np.hypot(*places[-1, :2]) < 8.0
    assert np.abs(drone.velocity).max() < 0.02
    down = drone.camera_pose()[:3, 2]
    lean = math.acos(-down[2])
    assert lean == pytest.approx(math.atan(FRAME.drag * 4.0 / 9.80665), abs=2e-3)
    # The body's underside turns to where the wind goes: thrust points against it.
    assert np.dot(down[:2], places[40, :2]) > 0.0


@pytest.mark.parametrize('wind', [0.0, 4.0])
def test_what_its_loop_saved_up_while_it_turned_round_carries_it_no_more_than_1_m_s_too_far(wind):
    drone, speeds = drone_at(air=simulated.Air(wind, 0.0), seed=1), []
    flown(drone, (-FRAME.speed, 0.0, 0.0), 15.0)
    assert drone.velocity[0] == pytest.approx(-FRAME.speed, abs=0.05)
    for _ in range(300):
        flown(drone, (FRAME.speed, 0.0, 0.0), 0.05)
        speeds.append(drone.velocity[0])
    assert FRAME.speed < max(speeds) < FRAME.speed + 1.0
    assert speeds[-1] == pytest.approx(FRAME.speed, abs=0.05)


def test_gusts_push_it_about_and_stay_the_same_for_a_seed():
    air = simulated.Air(wind=3.0, gusts=1.0)
    first, again, other = (flown(drone_at(air=air, seed=seed), (0.0, 0.0, 0.0), 10.0)
                           for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first[100:] - other[100:]).max() > 0.1
    assert 0.05 < np.std(first[100:, 0]) + np.std(first[100:, 1]) < 3.0


def test_its_camera_looks_straight_down_with_the_top_of_the_image_to_the_front():
    pose = drone_at(heading=math.radians(30.0)).camera_pose()
    np.testing.assert_allclose(pose[:3, 2], [0.0, 0.0, -1.0], atol=1e-12)
    # Up in the image is minus y of an optical frame.
    np.testing.assert_allclose(-pose[:3, 1], [math.cos(math.radians(30.0)), 0.5, 0.0], atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    assert pose[2, 3] == pytest.approx(10.0 + FRAME.camera)


def test_the_told_pose_is_off_by_as_much_as_is_said():
    errors = simulated.PoseErrors(drift=0.2, noise=0.05, tilt=0.01, heading=0.03)
    drones = [drone_at(errors=errors, seed=seed) for seed in range(300)]
    off = [np.linalg.inv(drone.camera_pose()).dot(drone.told_pose()) for drone in drones]
    places = np.array([pose[:3, 3] for pose in off])
    assert np.std(places, axis=0) == pytest.approx(math.hypot(0.2, 0.05), rel=0.15)
    tilts = np.array([pose[:2, 2] for pose in off])
    assert np.std(tilts, axis=0) == pytest.approx(0.01, rel=0.15)
    headings = np.array([math.atan2(pose[1, 0], pose[0, 0]) for pose in off])
    assert np.std(headings) == pytest.approx(0.03, rel=0.15)
    # The drift wanders: it is another one after a while, and as large.
    before = [drone.told_pose()[:3, 3] - drone.camera_pose()[:3, 3] for drone in drones]
    for drone in drones:
        drone.place[2] = 1000.0
        drone.advance(60.0)
    after = [drone.told_pose()[:3, 3] - drone.camera_pose()[:3, 3] for drone in drones]
    assert abs(np.corrcoef(np.ravel(before), np.ravel(after))[0, 1]) < 0.2
    assert np.std(after) == pytest.approx(np.std(before), rel=0.15)


def test_it_stands_where_it_touched_the_ground():
    drone = drone_at(place=(1.0, 2.0, 0.5), air=simulated.Air(3.0, 1.0))
    flown(drone, (0.0, 0.0, -0.5), 3.0)
    assert drone.on_ground and drone.place[2] == 0.0
    there = drone.place.copy()
    flown(drone, (1.0, 1.0, 1.0), 1.0)
    np.testing.assert_array_equal(drone.place, there)
    assert drone.camera_pose()[2, 3] == pytest.approx(FRAME.camera)
