# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The robot drives forward, at its speed, on free ground; people walk their ways."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import numpy as np
import pytest

from segformer_ros.simulation.render.ground_truth import NONE
from segformer_ros.simulation.render.ground_truth import obstacle_classes
from segformer_ros.simulation.textures.bank import PERSON
from segformer_ros.simulation.world.people import walker_pose
from segformer_ros.simulation.world.people import walker_primitives
from segformer_ros.simulation.world.trajectory import camera_mount
from segformer_ros.simulation.world.trajectory import Trajectory
from segformer_ros.simulation.world.world import World

KINDS = ['indoor', 'outdoor', 'aerial']


def is_rigid(pose):
    turn = pose[:3, :3]
    return np.allclose(turn.dot(turn.T), np.eye(3)) and np.linalg.det(turn) > 0.99


@pytest.mark.parametrize('kind', KINDS)
def test_robot_covers_its_speed_times_the_time(kind):
    trajectory = Trajectory(World(kind, 2), speed=1.0)
    places = np.array([trajectory.base_pose(t)[:2, 3] for t in np.arange(0, 20.01, 0.05)])
    driven = np.hypot(*np.diff(places, axis=0).T).sum()
    # Open routes are given by their length along the street, so that bends add to it.
    assert 19.9 < driven < 26.0


@pytest.mark.parametrize('kind', KINDS)
def test_robot_looks_where_it_goes(kind):
    trajectory = Trajectory(World(kind, 2), speed=1.0)
    for time in (1.0, 7.0, 13.0):
        pose = trajectory.base_pose(time)
        ahead = trajectory.base_pose(time + 0.02)[:2, 3] - pose[:2, 3]
        assert is_rigid(pose)
        assert np.dot(ahead / np.linalg.norm(ahead), pose[:2, 0]) > 0.999


@settings(max_examples=15, deadline=None)
@given(kind=strategies.sampled_from(['indoor', 'outdoor']),
       seed=strategies.integers(0, 10 ** 6))
def test_the_way_is_free_of_everything_but_people(kind, seed):
    world = World(kind, seed)
    trajectory = Trajectory(world, speed=1.0)
    places = np.array([trajectory.base_pose(t)[:2, 3]
                       for t in np.linspace(0, world.route_length, 80)])
    for side in (-0.25, 0.0, 0.25):
        found = obstacle_classes(world, places[:, 0] + side, places[:, 1] + side, 0.0)
        assert set(np.unique(found)) <= {NONE, PERSON}


@given(pitch=strategies.floats(-0.3, 1.5), yaw=strategies.floats(-3, 3))
@settings(max_examples=40, deadline=None)
def test_mount_follows_rep_103(pitch, yaw):
    mount = camera_mount(1.1, pitch, yaw)
    assert is_rigid(mount)
    view, right = mount[:3, 2], mount[:3, 0]
    assert view[2] == pytest.approx(-np.sin(pitch))
    assert np.allclose(view[:2], np.cos(pitch) * np.array([np.cos(yaw), np.sin(yaw)]))
    # Without roll the image's rows are level, and right is clockwise of the view.
    assert right[2] == pytest.approx(0.0, abs=1e-12)
    assert np.allclose(right[:2], [np.sin(yaw), -np.cos(yaw)])
    assert mount[2, 3] == 1.1


def test_camera_of_a_drone_looks_down_from_its_height():
    pose = Trajectory(World('aerial', 1), height=9.0).camera_pose(2.0)
    assert pose[2, 3] == pytest.approx(9.0)
    assert pose[2, 2] == pytest.approx(-1.0)


def test_people_walk_at_their_speed_between_their_points():
    world = World('outdoor', 9)
    walker = next(w for w in world.walkers if w.speed > 0)
    length = np.hypot(walker.end[0] - walker.start[0], walker.end[1] - walker.start[1])
    for time in np.arange(0.0, 30.0, 0.7):
        x, y, _, _ = walker_pose(walker, time)
        later = walker_pose(walker, time + 0.01)
        assert np.hypot(later[0] - x, later[1] - y) <= walker.speed * 0.01 + 1e-9
        along = np.hypot(x - walker.start[0], y - walker.start[1])
        rest = np.hypot(x - walker.end[0], y - walker.end[1])
        assert along + rest == pytest.approx(length)


def test_a_person_stands_on_the_ground_and_is_as_tall_as_told():
    world = World('outdoor', 9)
    for walker in world.walkers:
        parts = walker_primitives(walker, 3.3)
        top = max(p.center[2] + p.half[2] for p in parts)
        assert top == pytest.approx(walker.height, rel=0.05)
        assert min(p.center[2] - p.half[2] for p in parts) == pytest.approx(0.0, abs=0.08)
