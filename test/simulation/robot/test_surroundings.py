# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Distances to things, against places that are looked for point by point."""

import numpy as np
from segformer_ros.simulation.render import ground_truth
from segformer_ros.simulation.robot import surroundings
from segformer_ros.simulation.world.people import walker_pose
from segformer_ros.simulation.world.world import World


def slow_distance(world, x, y, heights):
    """Return the distance to the nearest of many points around that something fills."""
    radii = np.arange(0.0, 1.2, 0.01)
    angles = np.linspace(-np.pi, np.pi, 720, endpoint=False)
    px = x + radii[:, None] * np.cos(angles)
    py = y + radii[:, None] * np.sin(angles)
    filled = ground_truth.obstacle_classes(world, px, py, 0.0, *heights) != ground_truth.NONE
    met = filled.any(axis=1)
    return radii[met.argmax()] if met.any() else np.inf


def test_distances_are_those_of_the_world():
    world = World('indoor', 3)
    world.walkers = []
    around = surroundings.Surroundings(world)
    random = np.random.RandomState(1)
    seen = []
    for x, y in random.uniform(-3.0, 3.0, (40, 2)):
        found = around.distance(x, y, 0.0)
        slow = slow_distance(world, x, y, (surroundings.LOWEST, surroundings.HIGHEST))
        if slow < 1.1:
            assert abs(found - slow) < 0.04
            seen.append(slow)
        else:
            assert 1.05 < found <= surroundings.FARTHEST
    assert len(seen) > 10 and max(seen) > 0.3
    # Outside the room is no way.
    assert around.distance(world.room[0] + 0.5, 0.0, 0.0) == 0.0


def test_low_robots_fit_below_a_table():
    world = World('indoor', 3)
    world.walkers = []
    low = surroundings.Surroundings(world, (0.03, 0.3))
    high = surroundings.Surroundings(world)
    places = np.random.RandomState(2).uniform(-3.0, 3.0, (200, 2))
    assert all(low.distance(x, y, 0.0) >= high.distance(x, y, 0.0) - 0.03 for x, y in places)
    assert any(low.distance(x, y, 0.0) > 0.05 and high.distance(x, y, 0.0) == 0.0
               for x, y in places)


def test_people_are_where_they_are_at_that_time():
    world = next(world for world in (World('indoor', seed) for seed in range(20))
                 if any(walker.speed for walker in world.walkers))
    around = surroundings.Surroundings(world)
    walker = next(walker for walker in world.walkers if walker.speed)
    for time in (0.0, 4.0):
        x, y = walker_pose(walker, time)[:2]
        assert around.distance(x, y, time) == 0.0
        assert 0.0 <= around.distance_to_people(x + 0.5, y, time) <= 0.24
    x, y = walker_pose(walker, 0.0)[:2]
    later = next(time for time in np.arange(0.5, 30.0, 0.5)
                 if np.hypot(*(np.array(walker_pose(walker, time)[:2]) - (x, y))) > 1.0)
    assert around.distance_to_people(x, y, later) > 0.5
