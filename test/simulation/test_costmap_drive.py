# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap of drives through the simulated world, compared with the world itself."""

import numpy as np
import pytest
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.frame import Occupancy
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.evaluation import costmap_drive
from segformer_ros.model.classes import load_class_table
from segformer_ros.simulation.ground_truth import NONE
from segformer_ros.simulation.ground_truth import obstacle_classes
from segformer_ros.simulation.renderer import pinhole_rays
from segformer_ros.simulation.renderer import Renderer
from segformer_ros.simulation.shapes import BOX
from segformer_ros.simulation.trajectory import Trajectory
from segformer_ros.simulation.world import World

ADE20K = load_class_table('ade20k')
COSTS = load_cost_table('indoor', ADE20K)


@pytest.fixture(scope='module')
def room():
    world = World('indoor', 0)
    world.walkers = []
    return world


def test_seen_feet_stand_in_the_picture_right_above_ground_in_each_column(room):
    way = Trajectory(room, 1.0, costmap_drive.CAMERA_HEIGHT, costmap_drive.CAMERA_PITCH)
    center = 0.5 * (costmap_drive.WIDTH - 1), 0.5 * (costmap_drive.HEIGHT - 1)
    picture = Renderer(pinhole_rays(640, 480, 500.0, 500.0, *center)).render(
        room, way.camera_pose(1.0), 1.0)
    feet = costmap_drive.seen_contacts(room, picture, COSTS)
    assert len(feet) > 100
    pose = picture.camera_to_world
    local = np.concatenate([feet, np.zeros((len(feet), 1))], axis=1) - pose[:3, 3]
    local = local.dot(pose[:3, :3])
    u = np.rint(500.0 * local[:, 0] / local[:, 2] + center[0]).astype(int)
    v = np.rint(500.0 * local[:, 1] / local[:, 2] + center[1]).astype(int)
    inside = (u >= 0) & (u < 640) & (v >= 12) & (v < 468)
    kinds = COSTS.kinds[picture.labels]
    # Within a few rows the picture changes from ground (1) to an obstacle (2).
    windows = np.stack([kinds[v[inside] + row, u[inside]] for row in range(-12, 12)], axis=1)
    assert np.mean((windows == 2).any(axis=1) & (windows == 1).any(axis=1)) > 0.95


def test_a_perfect_grid_counts_as_perfect_and_a_shifted_one_does_not(room):
    geometry = GridGeometry(-4.0, -4.0, 0.05, 160, 160)
    x, y = np.meshgrid(*geometry.centers())
    filled = obstacle_classes(room, x, y, 0.0, 0.05, 1.2) != NONE
    ground = costmap_drive.ground_classes(room, x, y)
    values = np.where(filled, 100, COSTS.costs[ground]).astype(np.int8)
    feet = np.stack([x[filled], y[filled]], axis=1)
    perfect = costmap_drive.DriveFigures(*costmap_drive.count(
        Occupancy(values, geometry), room, feet, COSTS))
    assert perfect.shares() == {'marked': 1.0, 'right': 1.0, 'far_off': 0.0, 'graded': 1.0}
    shifted = costmap_drive.DriveFigures(*costmap_drive.count(
        Occupancy(np.roll(values, 6, axis=1), geometry), room, feet, COSTS)).shares()
    assert shifted['right'] < 0.97 and shifted['far_off'] > 0.0
    empty = costmap_drive.DriveFigures(*costmap_drive.count(
        Occupancy(np.full_like(values, -1), geometry), room, feet, COSTS))
    assert empty.marked == 0 and empty.ground == 0 and empty.lethal == 0


def test_what_hangs_low_can_be_let_down_to_the_ground(room):
    world = World('indoor', 1)
    hanging = [shape for shape in world.primitives(0.0) if shape.kind == BOX and
               0.0 < shape.center[2] - shape.half[2] < 0.35]
    assert len(hanging) > 5
    before = world.primitives(0.0)
    world.let_down(0.35)
    after = world.primitives(0.0)
    assert len(after) == len(before)
    assert not [shape for shape in after if shape.kind == BOX and shape.rotation[2, 2] == 1.0 and
                1e-9 < shape.center[2] - shape.half[2] < 0.35]
    for one, other in zip(before, after):
        assert other.center[2] + other.half[2] == pytest.approx(one.center[2] + one.half[2])


@pytest.mark.slow
@pytest.mark.parametrize(('kind', 'seed', 'let_down'), [
    ('indoor', 0, 0.0),
    # The bed and the cabinet of this room are overhangs, which no mask tells from feet.
    ('indoor', 1, 0.35)])
def test_costs_and_contacts_of_a_drive_through_the_simulated_world(kind, seed, let_down):
    figures = costmap_drive.drive(kind, seed, load_cost_table(kind, ADE20K), let_down=let_down)
    shares = figures.shares()
    assert figures.contacts > 300 and figures.ground > 50000
    assert shares['marked'] >= 0.97
    assert shares['right'] >= 0.95
    assert figures.far_off == 0
    assert shares['graded'] >= 0.97
