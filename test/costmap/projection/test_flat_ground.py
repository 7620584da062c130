# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Masks on flat ground, compared with the scene that they show."""

import re

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.projection.cells import cells_between
from segformer_ros.costmap.projection.cells import held_before
from segformer_ros.costmap.projection.flat_ground import GroundProjector
from segformer_ros.costmap.projection.flat_ground import range_weights
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import prepared_labels
from segformer_ros.costmap.settings import FusionSettings
from segformer_ros.costmap.settings import GridSettings
from segformer_ros.costmap.settings import ProjectionSettings
from segformer_ros.model.classes import ClassTable
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import Patch
from support.plane_scene import PINHOLE
from support.plane_scene import Scene
from support.still_grid import StillGrid

FLOOR, RUG, GRASS, WALL, PERSON, SKY = range(6)
COSTS = CostTable('test', ClassTable(
    'test', ['floor', 'rug', 'grass', 'wall', 'person', 'sky'], np.zeros((6, 3)),
    [False, False, False, False, True, False]), [0, 20, 60, 100, 100, -1])
CAMERA = camera_model(PINHOLE)
SETTINGS = ProjectionSettings()
MOUNT = mount_pose(0.8, 0.35, x=0.1)
GEOMETRY = GridGeometry(-5.0, -5.0, 0.05, 200, 200)
PATCHES = (Patch(1.2, -0.6, 2.0, 0.3, RUG), Patch(2.5, 0.0, 4.0, 1.5, GRASS))
BOXES = (Box(3.0, -0.8, 0.4, 0.4, WALL, 0.4), Box(2.3, 0.9, 0.2, 0.3, PERSON, height=1.8))


def project(labels, mount=MOUNT, odom_from_ground=None, geometry=GEOMETRY, confidence=None,
            ego_mask=None, limits=SETTINGS):
    pose = CameraPose(np.eye(4) if odom_from_ground is None else odom_from_ground, mount)
    view = LabelledView(prepared_labels(labels, confidence, ego_mask, limits.min_confidence),
                        None if confidence is None else confidence.reshape(-1), CAMERA, pose)
    return GroundProjector(limits, ego_mask).project(view, COSTS, StillGrid(geometry))


def centers(geometry, cells):
    xs, ys = geometry.centers()
    return xs[cells % geometry.width], ys[cells // geometry.width]


def moved(scene, x, y, yaw):
    """Return the scene as it is seen from odom, the robot being at x, y, yaw."""
    c, s = np.cos(yaw), np.sin(yaw)
    boxes = tuple(box._replace(x=x + c * box.x - s * box.y, y=y + s * box.x + c * box.y,
                               yaw=box.yaw + yaw) for box in scene.boxes)
    return scene._replace(boxes=boxes)


@pytest.mark.smoke
@settings(deadline=None, max_examples=12)
@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0), st.floats(-3.1, 3.1), st.floats(-0.1, 0.1),
       st.floats(0.25, 0.5))
def test_every_ground_cell_has_the_cost_of_the_ground_under_it(x, y, yaw, roll, pitch):
    odom_from_ground = planar_pose(x, y, yaw)
    mount = mount_pose(0.8, pitch, roll, 0.1)
    scene = Scene(FLOOR, PATCHES, (), SKY)
    view = scene.render(PINHOLE, odom_from_ground.dot(mount))
    observation = project(view.labels, mount, odom_from_ground).observation
    found_x, found_y = centers(GEOMETRY, observation.ground.cells)
    truth = COSTS.costs[scene.ground_labels(found_x, found_y)]
    # Cells on the edge of a patch may go either way.
    assert len(truth) > 500
    assert np.mean(truth == observation.ground_costs) > 0.95
    assert not len(observation.static.cells) and not len(observation.dynamic.cells)


@settings(deadline=None, max_examples=12)
@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0), st.floats(-3.1, 3.1))
def test_turning_and_moving_the_world_moves_what_is_found(x, y, yaw):
    scene = Scene(FLOOR, (), BOXES, SKY)
    here = project(scene.render(PINHOLE, MOUNT).labels)
    there_pose = planar_pose(x, y, yaw)
    labels = moved(scene, x, y, yaw).render(PINHOLE, there_pose.dot(MOUNT)).labels
    there = project(labels, odom_from_ground=there_pose)
    # In the robot's own frame nothing has changed, up to pixels that sit on an outline.
    assert abs(len(there.obstacles.x) - len(here.obstacles.x)) <= 2
    if len(there.obstacles.x) == len(here.obstacles.x):
        off = np.hypot(there.obstacles.x - here.obstacles.x,
                       there.obstacles.y - here.obstacles.y)
        assert np.percentile(off, 90) < 0.05
    # In the grid each cell has moved with the robot, to within the cells' own size.
    before_x, before_y = centers(GEOMETRY, here.observation.static.cells)
    after_x, after_y = centers(GEOMETRY, there.observation.static.cells)
    c, s = np.cos(yaw), np.sin(yaw)
    went_x, went_y = x + c * before_x - s * before_y, y + s * before_x + c * before_y
    between = np.hypot(went_x[:, None] - after_x, went_y[:, None] - after_y)
    assert between.min(axis=1).max() < 0.12 and between.min(axis=0).max() < 0.12


def test_obstacles_keep_what_they_are_called_and_whether_they_move():
    scene = Scene(FLOOR, (), BOXES, SKY)
    found = project(scene.render(PINHOLE, MOUNT).labels)
    assert set(found.obstacles.labels.tolist()) == {WALL, PERSON}
    wall_x, wall_y = centers(GEOMETRY, found.observation.static.cells)
    person_x, person_y = centers(GEOMETRY, found.observation.dynamic.cells)
    assert np.hypot(wall_x - 3.0, wall_y + 0.8).max() < 0.4
    assert np.hypot(person_x - 2.3, person_y - 0.9).max() < 0.3


def test_what_lies_behind_an_obstacle_is_not_seen():
    scene = Scene(FLOOR, (), (Box(2.0, 0.0, 0.1, 0.8, WALL, height=0.15),), SKY)
    found = project(scene.render(PINHOLE, MOUNT).labels).observation
    x, y = centers(GEOMETRY, found.ground.cells)
    behind = (x > 2.15) & (np.abs(y) < 0.3)
    beside = (x > 2.15) & (np.abs(y) > 1.0)
    assert not behind.any() and beside.sum() > 50


def test_no_cell_lies_beyond_max_range_or_outside_the_picture():
    found = project(np.full((240, 320), FLOOR, np.uint8)).observation
    x, y = centers(GEOMETRY, found.ground.cells)
    assert np.hypot(x - 0.1, y).max() <= SETTINGS.max_range + 0.05
    local = np.stack([x, y, np.zeros(len(x)), np.ones(len(x))])
    seen = np.linalg.inv(MOUNT).dot(local)
    u = 250.0 * seen[0] / seen[2] + 159.5
    v = 250.0 * seen[1] / seen[2] + 119.5
    assert (seen[2] > 0).all()
    assert u.min() >= -0.51 and u.max() <= 319.51 and v.min() >= -0.51 and v.max() <= 239.51
    # And all that is in the picture and in range is there.
    all_x, all_y = (part.reshape(-1) for part in np.meshgrid(*GEOMETRY.centers()))
    seen = np.linalg.inv(MOUNT).dot(np.stack([all_x, all_y, 0 * all_x, 1 + 0 * all_x]))
    with np.errstate(divide='ignore'):
        u = 250.0 * seen[0] / seen[2] + 159.5
        v = 250.0 * seen[1] / seen[2] + 119.5
    inside = ((seen[2] > 0) & (u > 2) & (u < 317) & (v > 2) & (v < 237)
              & (np.hypot(all_x - 0.1, all_y) < SETTINGS.max_range - 0.1))
    missing = set(np.flatnonzero(inside)) - set(found.ground.cells)
    assert not missing


@settings(deadline=None, max_examples=25)
@given(st.floats(0.6, 4.5), st.floats(-0.45, 0.45), st.floats(0.3, 1.5), st.floats(0.2, 0.7),
       st.floats(-0.2, 0.2))
def test_a_point_on_the_ground_comes_back_from_its_pixel(ahead, share, height, pitch, roll):
    mount = mount_pose(height, pitch, roll)
    point = np.array([ahead, share * ahead, 0.0, 1.0])
    local = np.linalg.inv(mount).dot(point)
    u, v = CAMERA.project(*[np.array([value]) for value in local[:3]])
    ray = mount[:3, :3].dot(CAMERA.unproject(u[0], v[0]))
    if np.isnan(ray).any() or ray[2] >= 0:
        return
    back = mount[:3, 3] - ray * mount[2, 3] / ray[2]
    np.testing.assert_allclose(back, point[:3], atol=1e-6)


def test_confidence_and_range_weigh():
    labels = np.full((240, 320), FLOOR, np.uint8)
    labels[:100] = WALL
    confidence = np.full((240, 320), 255, np.uint8)
    confidence[:, :160] = 51
    found = project(labels, confidence=confidence)
    left = found.obstacles.y > 0.15
    right = found.obstacles.y < -0.05
    np.testing.assert_allclose(found.obstacles.confidences[left], 0.2, atol=0.01)
    np.testing.assert_allclose(found.obstacles.confidences[right], 1.0, atol=0.01)
    assert found.obstacles.weights[left].max() < found.obstacles.weights[right].min()
    ground_x, ground_y = centers(GEOMETRY, found.observation.ground.cells)
    near = (ground_x < 1.5) & (np.abs(ground_y) > 0.1)
    np.testing.assert_allclose(found.observation.ground.weights[near],
                               np.where(ground_y[near] > 0, 0.2 ** 3, 1.0), atol=0.003)


@pytest.mark.parametrize('power, weight', [(0.0, 1.0), (1.0, 0.6), (3.0, 0.216)])
def test_confidence_counts_by_its_power_for_what_stays_and_as_it_is_for_what_moves(power, weight):
    confidence = np.full((240, 320), 153, np.uint8)
    limits = SETTINGS._replace(confidence_power=power)
    for thing, expected in ((WALL, weight), (PERSON, 0.6)):
        labels = np.full((240, 320), FLOOR, np.uint8)
        labels[:150] = thing
        found = project(labels, confidence=confidence, limits=limits)
        np.testing.assert_allclose(found.obstacles.confidences, 0.6, atol=0.005)
        # So near that range costs nothing.
        np.testing.assert_allclose(found.obstacles.weights, expected, atol=0.005)
        near = np.hypot(*centers(GEOMETRY, found.observation.ground.cells)) < 1.0
        np.testing.assert_allclose(found.observation.ground.weights[near], weight, atol=0.005)


def test_the_inside_of_an_obstacle_speaks_for_its_unsure_foot_and_a_stain_stays_unsure():
    labels = np.full((240, 320), FLOOR, np.uint8)
    confidence = np.full((240, 320), 255, np.uint8)
    # A wall whose lowest rows are unsure, and a stain of floor that is nowhere sure.
    labels[:120] = WALL
    confidence[114:122] = 77
    labels[150:156, 150:170] = WALL
    confidence[148:158, 148:172] = 77
    found = project(labels, confidence=confidence).obstacles
    stain = np.hypot(found.x, found.y) < found.x.max() * 0.8
    assert 5 < stain.sum() < 0.3 * len(stain)
    np.testing.assert_allclose(found.confidences[~stain], 1.0, atol=0.01)
    np.testing.assert_allclose(found.confidences[stain], 77 / 255.0, atol=0.01)


def test_pixels_below_the_least_confidence_are_not_seen():
    labels = np.full((240, 320), FLOOR, np.uint8)
    confidence = np.full((240, 320), 200, np.uint8)
    confidence[:, 160:] = 99
    limits = SETTINGS._replace(min_confidence=100)
    found = project(labels, confidence=confidence, limits=limits).observation
    _, y = centers(GEOMETRY, found.ground.cells)
    assert len(y) > 500 and y.min() > -0.05


def test_the_robots_body_is_neither_ground_nor_obstacle():
    labels = np.full((240, 320), FLOOR, np.uint8)
    labels[150:, 100:220] = WALL
    body = np.where(labels == WALL, np.uint8(255), np.uint8(0))
    found = project(labels, ego_mask=body)
    assert not len(found.obstacles.x)
    bare = project(labels)
    assert len(bare.obstacles.x) > 50
    assert len(found.observation.ground.cells) > 500


def test_clear_points_lie_before_obstacles_and_cover_every_direction():
    scene = Scene(FLOOR, (), (Box(2.5, 0.0, 0.2, 1.0, WALL),), SKY)
    found = project(scene.render(PINHOLE, MOUNT).labels)
    x, y = found.ground_points.x - 0.1, found.ground_points.y
    in_front = np.abs(y / x) < 0.15
    assert x[in_front].max() < 2.35 and x[in_front].min() > 2.2
    beside = np.abs(y / x) > 0.3
    assert np.hypot(x, y)[beside].max() > 4.8
    # Neighbouring lines are no farther apart than a cell, so that no cell stays uncleared.
    apart = np.abs(np.diff(np.sort(np.arctan2(y, x))))
    assert apart.max() * SETTINGS.max_range < 1.5 * GEOMETRY.resolution


@pytest.mark.parametrize('pitch, reach', [
    # As far as the picture's lower corners, and all around below a camera that looks down.
    (0.35, np.arctan2(160 / 250, np.cos(0.35) - 120 / 250 * np.sin(0.35))), (np.pi / 2, np.pi)])
def test_free_ground_is_cleared_as_far_to_the_left_as_to_the_right(pitch, reach):
    # The picture is its own mirror image, and cells are so fine that each direction has a point.
    found = project(np.full((240, 320), FLOOR, np.uint8), mount_pose(0.8, pitch, x=0.1),
                    geometry=GridGeometry(-0.1, -0.1, 0.001, 200, 200)).ground_points
    angles = np.sort(np.arctan2(found.y, found.x - 0.1))
    np.testing.assert_allclose(angles, -angles[::-1], atol=1e-4)
    assert angles[-1] == pytest.approx(reach, abs=0.01)
    # No direction has two.
    assert len(angles) > 200 and np.diff(angles).min() > 5e-4


def strip_cells(geometry, mount, radius):
    """Return the cells of the ground that lie below the view and before the bumper, slowly."""
    found = set()
    camera_from_ground = np.linalg.inv(mount)
    xs, ys = geometry.centers()
    for cell in range(geometry.width * geometry.height):
        x, y = xs[cell % geometry.width], ys[cell // geometry.width]
        if not 0.0 < x - mount[0, 3] < 1.2 or np.hypot(x, y) < radius:
            continue
        right, down, deep = camera_from_ground[:3, :3].dot([x, y, 0.0]) + camera_from_ground[:3, 3]
        # Below the picture's last row, and not beside the point where that row ends.
        across = (x - mount[0, 3], y)
        corner = mount[:3, :3].dot([160.0 / 250.0, 120.0 / 250.0, 1.0])
        if (deep <= 0.0 or down / deep > 119.5 / 250.0) and (
                abs(across[1] / across[0]) < abs(corner[1] / corner[0])):
            found.add(cell)
    return found


def test_what_fills_the_lowest_row_may_stand_anywhere_between_bumper_and_view():
    for label, radius in ((WALL, 0.3), (PERSON, 0.3), (WALL, 0.5)):
        found = project(np.full((240, 320), label, np.uint8),
                        limits=SETTINGS._replace(robot_radius=radius))
        expected = strip_cells(GEOMETRY, MOUNT, radius)
        # It was seen nowhere: it fades as soon as what moves.
        marked = set(found.observation.dynamic.cells.tolist())
        assert not len(found.observation.static.cells)
        assert len(expected) > 80 and len(expected & marked) > 0.9 * len(expected)
        near = {cell + step for cell in expected for step in (-201, -200, -199, -1, 0, 1, 199,
                                                              200, 201)}
        assert len(marked - near) <= 0.02 * len(marked)
        told = set(GEOMETRY.indices(found.obstacles.x, found.obstacles.y)[0].tolist())
        assert marked <= told
        assert np.hypot(found.obstacles.x, found.obstacles.y).min() >= radius
        assert not len(found.ground_points.x)


def fill_view_before(label, ground):
    """Return what a picture full of one class gives where the grid remembers some ground."""
    view = LabelledView(prepared_labels(np.full((240, 320), label, np.uint8), None, None, 0), None,
                        CAMERA, CameraPose(np.eye(4), MOUNT))
    return GroundProjector(SETTINGS).project(view, COSTS, StillGrid(GEOMETRY, None, ground))


def test_what_stays_is_not_marked_on_ground_that_was_seen_free():
    strip = strip_cells(GEOMETRY, MOUNT, SETTINGS.robot_radius)
    xs, _ = centers(GEOMETRY, np.arange(200 * 200))
    near = np.asarray(xs < 0.6).reshape(200, 200)
    all_over = fill_view_before(WALL, np.ones((200, 200), np.bool_))
    bare = fill_view_before(WALL, None)
    # The foot was never seen and the strip was free: it stands where the view begins.
    assert not len(all_over.observation.static.cells)
    x, y = centers(GEOMETRY, all_over.observation.dynamic.cells)
    reach = np.hypot(x - MOUNT[0, 3], y)
    assert len(x) > 20 and reach.min() > 0.75 and reach.max() < 1.0
    # Where a part was not seen, that part alone.
    partly = fill_view_before(WALL, near)
    marked = set(partly.observation.dynamic.cells.tolist())
    unseen = {cell for cell in strip if xs[cell] >= 0.6}
    assert len(unseen) > 40 and len(marked & unseen) > 0.9 * len(unseen)
    assert min(xs[cell] for cell in marked) > 0.6 and not len(partly.observation.static.cells)
    # The cloud, by which a robot stops, tells of the whole strip; and a person may have walked.
    for found in (all_over, partly):
        np.testing.assert_array_equal(np.sort(found.obstacles.x[~found.obstacles.foot_seen])[:50],
                                      np.sort(bare.obstacles.x[~bare.obstacles.foot_seen])[:50])
    person = fill_view_before(PERSON, np.ones((200, 200), np.bool_)).observation.dynamic.cells
    assert len(strip & set(person.tolist())) > 0.9 * len(strip)


def test_what_appears_below_the_view_is_told_all_over_the_strip_for_as_long_as_it_is_seen():
    grid = CostGrid(GridSettings(), FusionSettings())
    projector = GroundProjector(SETTINGS)
    strip = {(round(x, 3), round(y, 3)) for x, y in zip(*centers(GEOMETRY, np.array(sorted(
        strip_cells(GEOMETRY, MOUNT, SETTINGS.robot_radius)))))}

    def look(label, x, stamp):
        view = LabelledView(prepared_labels(np.full((240, 320), label, np.uint8), None, None, 0),
                            None, CAMERA, CameraPose(planar_pose(x, 0.0, 0.0), MOUNT))
        found = projector.project(view, COSTS, grid)
        grid.fuse(found.observation, stamp)
        return found

    for step in range(9):
        look(FLOOR, -1.6 + 0.2 * step, 10.0 + 0.1 * step)
    for step in range(8):
        found = look(WALL, 0.0, 11.0 + 0.1 * step)
        cells, _ = grid.geometry.indices(found.obstacles.x, found.obstacles.y)
        told = {(round(x, 3), round(y, 3)) for x, y in zip(*centers(grid.geometry, cells))}
        assert len(strip & told) > 0.9 * len(strip), step
        # The grid has it where it was not seen free: not before the view.
        xs, ys = grid.geometry.centers()
        rows, columns = np.nonzero(grid.lethal_cells())
        reach = np.hypot(xs[columns] - MOUNT[0, 3], ys[rows])
        assert len(rows) > 20 and reach.min() > 0.7
    # Gone again: ground is in view, and the guess fades.
    look(FLOOR, 0.0, 11.9)
    grid.advance(14.0)
    assert not grid.lethal_cells().any()


def test_ground_of_fewer_rows_than_min_run_before_an_obstacle_is_no_foot():
    labels = np.full((240, 320), WALL, np.uint8)
    for rows, guessed in ((0, True), (1, True), (8, False)):
        labels[240 - rows:] = FLOOR
        found = project(labels).observation
        assert (len(found.dynamic.cells) > 80) == guessed
        assert (len(found.static.cells) > 10) == (not guessed)


def test_without_an_obstacle_at_the_lower_edge_nothing_is_said_of_the_strip():
    scene = Scene(FLOOR, (), (Box(2.5, 0.0, 0.2, 1.0, WALL),), SKY)
    found = project(scene.render(PINHOLE, MOUNT).labels)
    assert len(found.obstacles.x) > 10 and found.obstacles.x.min() > 2.2
    assert not len(found.observation.dynamic.cells)


def test_a_foot_that_has_left_the_view_below_is_still_told_and_not_cleared():
    lethal = np.zeros((200, 200), np.bool_)
    foot, _ = GEOMETRY.indices(np.full(5, 0.55), np.linspace(-0.1, 0.1, 5))
    lethal.reshape(-1)[foot] = True
    labels = np.full((240, 320), FLOOR, np.uint8)
    view = LabelledView(prepared_labels(labels, None, None, 0), None, CAMERA,
                        CameraPose(np.eye(4), MOUNT))
    found = GroundProjector(SETTINGS).project(view, COSTS, StillGrid(GEOMETRY, lethal))
    assert len(found.obstacles.x) > 10
    assert np.abs(found.obstacles.x - 0.55).max() < 0.1
    assert np.abs(found.obstacles.y).max() < 0.2
    # No ray of ground runs over it, and all the others do.
    angles = np.arctan2(found.ground_points.y, found.ground_points.x - 0.1)
    blocked = np.arctan2(0.1, 0.45)
    assert np.abs(angles).min() > blocked and len(angles) > 20
    assert not len(found.observation.static.cells) and not len(found.observation.dynamic.cells)


def test_a_second_mark_behind_a_remembered_foot_is_left_out():
    labels = np.full((240, 320), WALL, np.uint8)
    pose = CameraPose(np.eye(4), MOUNT)
    projector = GroundProjector(SETTINGS)
    view = LabelledView(prepared_labels(labels, None, None, 0), None, CAMERA, pose)
    lethal = np.zeros((200, 200), np.bool_)
    bare = projector.project(view, COSTS, StillGrid(GEOMETRY, lethal))
    assert len(bare.observation.dynamic.cells) > 80
    foot, _ = GEOMETRY.indices(np.full(81, 0.45), np.linspace(-2.0, 2.0, 81))
    lethal.reshape(-1)[foot] = True
    known = projector.project(view, COSTS, StillGrid(GEOMETRY, lethal))
    assert not len(known.observation.static.cells)
    assert not len(known.observation.dynamic.cells)
    # The cloud says that something stands there, and where.
    assert len(known.obstacles.x) > 100
    np.testing.assert_allclose(known.obstacles.x, 0.45, atol=0.08)
    # A person may have come nearer since.
    labels[:] = PERSON
    view = LabelledView(prepared_labels(labels, None, None, 0), None, CAMERA, pose)
    moving = projector.project(view, COSTS, StillGrid(GEOMETRY, lethal))
    assert len(moving.observation.dynamic.cells) == len(bare.observation.dynamic.cells)


def test_points_are_held_where_an_obstacle_of_the_grid_stands_between_them_and_the_camera():
    # A wall 2 m before the camera, from 0.4 m to the right to 0.4 m to the left; seen from a robot
    # that stands at (1, -0.5) and looks along odom's y.
    robot, foot = planar_pose(1.0, -0.5, np.pi / 2), (0.1, 0.0)
    lethal = np.zeros((200, 200), np.bool_)
    wall, _ = GEOMETRY.indices(1.0 - np.linspace(-0.4, 0.4, 33), np.full(33, -0.5 + 2.125))
    lethal.reshape(-1)[wall] = True
    points = {(4.1, 0.0): True, (4.1, -0.6): True, (2.5, 0.3): True, (2.4, 0.0): True,
              # Before it, at the wall itself and just behind it, beside it, and behind the camera.
              (1.5, 0.0): False, (2.125, 0.0): False, (2.18, 0.0): False, (4.1, 1.2): False,
              (4.1, -1.2): False, (2.5, -0.7): False, (-2.0, 0.0): False}
    x, y = np.array(list(points), np.float32).T
    pose = CameraPose(robot, MOUNT)
    held = held_before(StillGrid(GEOMETRY, lethal), pose, foot, x, y)
    assert dict(zip(points, held.tolist())) == points
    assert not held_before(StillGrid(GEOMETRY), pose, foot, x, y).any()


def test_tables_are_kept_while_the_mount_stays_and_made_anew_when_it_moves():
    projector = GroundProjector(SETTINGS)
    first = projector.table(CAMERA, MOUNT)
    assert projector.table(CAMERA, MOUNT.copy()) is first
    tilted = projector.table(CAMERA, mount_pose(0.8, 0.351, x=0.1))
    assert tilted is not first
    other = CameraModel(CAMERA.calibration)
    assert projector.table(other, mount_pose(0.8, 0.351, x=0.1)) is not tilted


def test_the_work_is_that_of_the_view_not_of_the_grid():
    outline = np.array([[0.0, 0.0], [2.0, 1.0], [2.0, -1.0]])
    small = cells_between(GEOMETRY, np.eye(4), (0.0, 0.0), outline)
    large = cells_between(GridGeometry(-50.0, -50.0, 0.05, 2000, 2000), np.eye(4), (0.0, 0.0),
                          outline)
    assert len(small.cells) == len(large.cells) < 41 * 41 * 1.1


def test_a_view_outside_the_grid_gives_no_cells():
    far = GridGeometry(100.0, 100.0, 0.05, 200, 200)
    found = project(np.full((240, 320), FLOOR, np.uint8), geometry=far).observation
    assert not len(found.ground.cells) and not len(found.static.cells)


def test_range_weights_fall_where_a_pixel_outgrows_a_cell():
    distance = np.array([0.0, 2.0, 4.0, 8.0], np.float32)
    covered = (0.64 + distance.astype(float) ** 2) / (0.8 * 250.0)
    np.testing.assert_allclose(range_weights(distance, 0.8, CAMERA, 0.05),
                               np.minimum(0.05 / covered, 1.0), rtol=1e-5)


def range_error(distance, height, pitch_error=0.0, ground_step=0.0):
    """Return how far off a point on the ground is put, metres, by the formulas of docs/nav2.md."""
    return (abs(pitch_error) * (height * height + distance * distance)
            + abs(ground_step) * distance) / height


@pytest.mark.parametrize('distance', [1.0, 3.0, 5.0])
def test_the_error_formula_predicts_a_tilted_plane(distance):
    height, tilt = 0.5, np.radians(0.2)
    down = np.arctan2(height, distance)
    measured = height / np.tan(down - tilt)
    assert measured - distance == pytest.approx(range_error(distance, height, tilt), rel=0.06)
    # Ground 1 cm higher there: the ray meets it earlier.
    assert distance - (height - 0.01) / np.tan(down) == pytest.approx(
        range_error(distance, height, ground_step=0.01), rel=1e-6)


def ground_of(pixel_from_axis, height, down, focal=500.0):
    """Return how far ahead a pixel below the axis of a camera sees the ground."""
    return height / np.tan(down + np.arctan(pixel_from_axis / focal))


def test_the_advice_on_range_and_size_is_that_of_rays(project_root):
    with open(f'{project_root}/docs/nav2.md', encoding='utf-8') as stream:
        text = stream.read()
    section = text[text.index('### How far, and how fine'):text.index('## Puddles and mud')]
    rows = [[float(word) for word in re.findall(r'[0-9.]+', line)]
            for line in section.splitlines() if re.match(r'[|] [0-9]', line)]
    assert [row[0] for row in rows] == [0.3, 0.5, 0.8, 1.2, 1.6]
    label, degree = 4 * 640 / 384, np.radians(1.0)
    for height, farthest, along, across, half_along, half_across, size in rows:
        # A degree, half of it to each side, moves the ground by half a metre.
        down = np.arctan2(height, farthest)
        moved = height / np.tan(down - degree / 2) - height / np.tan(down + degree / 2)
        assert moved == pytest.approx(0.5, rel=0.06)
        for distance, length, width in ((farthest, along, across),
                                        (farthest / 2, half_along, half_across)):
            axis = np.arctan2(height, distance)
            assert length == pytest.approx(ground_of(-label / 2, height, axis)
                                           - ground_of(label / 2, height, axis), rel=0.08)
            assert width == pytest.approx(np.hypot(height, distance) * label / 500.0, abs=0.006)
        assert 0.0 <= size - 2 * (farthest + 0.75) < 0.2
