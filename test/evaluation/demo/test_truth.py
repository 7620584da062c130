# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The true costmap of a simulated world, against what rays from the camera meet."""

import numpy as np
import pytest
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.evaluation.demo.truth import grid_pair
from segformer_ros.evaluation.demo.truth import HeardGrid
from segformer_ros.evaluation.demo.truth import true_grid
from segformer_ros.model.classes import load_class_table
from segformer_ros.simulation.render.ground_truth import NONE
from segformer_ros.simulation.world.trajectory import Trajectory
from segformer_ros.simulation.world.world import World
import surfaces

CLASSES = load_class_table('ade20k')


def heard_at(world, image=0):
    pose = Trajectory(world).base_pose(image / 2.5)
    geometry = GridGeometry(round(pose[0, 3]) - 5.0, round(pose[1, 3]) - 5.0, 0.05, 200, 200)
    return HeardGrid(np.zeros((200, 200), np.int8), geometry, pose, image)


@pytest.mark.parametrize('kind', ['indoor', 'outdoor'])
def test_costs_are_those_of_the_first_surface_below_each_cell(kind):
    world, costs = World(kind, 20260), load_cost_table(kind, CLASSES)
    heard = heard_at(world)
    truth = true_grid(world, costs, heard, 0.0)
    xs, ys = heard.geometry.centers()
    random = np.random.RandomState(3)
    rows, columns = random.randint(0, 200, 300), random.randint(0, 200, 300)
    found = set()
    for row, column in zip(rows, columns):
        # From the height of a robot straight down: an obstacle lower than that is met first.
        start = np.array([xs[column], ys[row], 1.2])
        distance, classes = surfaces.first_surfaces(world, start, np.array([[0.0, 0.0, -1.0]]))
        if classes[0] == NONE:
            continue  # outside the room
        expected = costs.occupancy_of(CLASSES.names[classes[0]])
        met = 1.2 - float(distance[0])
        found.add(int(truth[row, column]))
        if abs(met) < 1e-3 and truth[row, column] != 100:
            assert truth[row, column] == expected
        elif 0.06 < met < 1.1 and expected == 100:
            assert truth[row, column] == 100
    assert {0, 100} <= found


def test_the_robot_is_put_in_cells_of_the_grid_and_time_is_that_of_its_image():
    world, costs = World('indoor', 20260), load_cost_table('indoor', CLASSES)
    heard = heard_at(world, image=10)
    pair = grid_pair(world, costs, heard, 2.5)
    place = Trajectory(world).base_pose(4.0)
    assert pair.robot.x * 0.05 + heard.geometry.origin_x == pytest.approx(place[0, 3])
    assert pair.robot.y * 0.05 + heard.geometry.origin_y == pytest.approx(place[1, 3])
    assert np.cos(pair.robot.yaw) == pytest.approx(place[0, 0])
    assert np.array_equal(pair.truth, true_grid(world, costs, heard, 4.0))
    # People have moved since.
    assert not np.array_equal(pair.truth, true_grid(world, costs, heard, 0.0))
