# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The truth for a costmap, against plain membership tests."""

from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import numpy as np

from segformer_ros.simulation.render import ground_truth
from segformer_ros.simulation.shapes import ROOM
from segformer_ros.simulation.textures.bank import PERSON
from segformer_ros.simulation.textures.bank import WALL
from segformer_ros.simulation.world.world import World
from support import simulation_oracle as oracle


KINDS = strategies.sampled_from(['indoor', 'outdoor', 'aerial'])
SEEDS = strategies.integers(0, 10 ** 6)


@settings(max_examples=12, deadline=None)
@given(kind=KINDS, seed=SEEDS)
def test_ground_classes_equal_patch_by_patch_painting(kind, seed):
    world = World(kind, seed)
    random = np.random.RandomState(seed)
    x, y = random.uniform(-3.5, 3.5, (2, 40)) * (1 if kind == 'indoor' else 6)
    got = ground_truth.ground_classes(world, x, y)
    for index in range(len(x)):
        assert got[index] == oracle.ground_class(world, x[index], y[index])


@example(kind='outdoor', seed=5151, time=0.0)  # the foot of a round pole
@settings(max_examples=10, deadline=None)
@given(kind=KINDS, seed=SEEDS, time=strategies.floats(0, 100))
def test_obstacles_are_the_cells_whose_column_some_shape_fills(kind, seed, time):
    world = World(kind, seed)
    random = np.random.RandomState(seed)
    reach = 3.5 if kind == 'indoor' else 14.0
    x, y = random.uniform(-reach, reach, (2, 12))
    got = ground_truth.obstacle_classes(world, x, y, time, 0.05, 1.2)
    solid = [p for p in world.primitives(time) if p.kind != ROOM]
    for index in range(len(x)):
        surely, maybe = set(), set()
        for p in solid:
            if np.hypot(p.center[0] - x[index], p.center[1] - y[index]) > p.radius + 0.1:
                continue
            least = min(oracle.level(p, (x[index], y[index], z))
                        for z in np.arange(0.05, 1.2, 0.02))
            if least < 0.98:
                surely.add(world.materials[p.material].class_id)
            if least < 1.3:
                maybe.add(world.materials[p.material].class_id)
        if got[index] == ground_truth.NONE:
            assert not surely
        else:
            assert got[index] in maybe


def test_occupancy_is_laid_out_as_an_occupancy_grid():
    world = World('outdoor', 4)
    grid = ground_truth.occupancy(world, (-5.0, 2.0), 0.25, (40, 24))
    assert grid.ground.shape == grid.obstacles.shape == (40, 24)
    row, column = 33, 7
    x = np.array([-5.0 + (column + 0.5) * 0.25])
    y = np.array([2.0 + (row + 0.5) * 0.25])
    assert grid.ground[row, column] == ground_truth.ground_classes(world, x, y)[0]
    assert grid.obstacles[row, column] == ground_truth.obstacle_classes(world, x, y)[0]


def test_outside_a_room_is_wall_and_no_ground():
    world = World('indoor', 4)
    x, y = np.array([world.room[0] + 0.5]), np.array([0.0])
    assert ground_truth.ground_classes(world, x, y)[0] == ground_truth.NONE
    assert ground_truth.obstacle_classes(world, x, y)[0] == WALL


def test_people_on_the_camera_are_left_out_as_in_its_pictures():
    world = World('indoor', 6)
    assert world.walkers
    primitives = [p for p in world.primitives(5.0)
                  if world.materials[p.material].class_id == PERSON]
    x, y = primitives[0].center[:2]
    near = np.array([x]), np.array([y])
    assert ground_truth.obstacle_classes(world, near[0], near[1], 5.0)[0] == PERSON
    assert ground_truth.obstacle_classes(
        world, near[0], near[1], 5.0, seen_from=(x, y))[0] != PERSON
