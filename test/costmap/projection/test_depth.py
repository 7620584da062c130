# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Masks with depth images, compared with the scene that they show."""

import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.projection.depth import DepthProjector
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import prepared_labels
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.costmap.settings import ProjectionSettings
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import UNLABELED
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import Patch
from support.plane_scene import PINHOLE
from support.plane_scene import Scene
from support.still_grid import StillGrid

FLOOR, RUG, TABLE, PERSON, LAMP = range(5)
COSTS = CostTable('test', ClassTable(
    'test', ['floor', 'rug', 'table', 'person', 'lamp'], np.zeros((5, 3)),
    [False, False, False, True, False]), [0, 20, 100, 100, -1])
CAMERA = camera_model(PINHOLE)
MOUNT = mount_pose(0.8, 0.35, x=0.1)
GEOMETRY = GridGeometry(-5.0, -5.0, 0.05, 200, 200)


def project(view, odom_from_ground=None, labels=None, ego_mask=None, depth=None):
    pose = CameraPose(np.eye(4) if odom_from_ground is None else odom_from_ground, MOUNT)
    projector = DepthProjector(ProjectionSettings(), DepthSettings(), ego_mask)
    labels = view.labels if labels is None else labels
    depth = view.depth.astype(np.float32) if depth is None else depth
    return projector.project(
        LabelledView(prepared_labels(labels, None, ego_mask, 0), None, CAMERA, pose, depth), COSTS,
        StillGrid(GEOMETRY))


def centers(cells):
    xs, ys = GEOMETRY.centers()
    return xs[cells % GEOMETRY.width], ys[cells // GEOMETRY.width]


@pytest.mark.smoke
def test_ground_and_boxes_are_where_depth_says():
    pose = planar_pose(0.4, -0.3, 0.5)
    scene = Scene(FLOOR, (Patch(1.0, 0.0, 2.5, 2.0, RUG),),
                  (Box(3.0, 1.5, 0.4, 0.4, TABLE, height=0.6),
                   Box(2.5, 0.2, 0.2, 0.2, PERSON, height=1.7)), LAMP)
    found = project(scene.render(PINHOLE, pose.dot(MOUNT)), pose).observation
    x, y = centers(found.ground.cells)
    truth = COSTS.costs[scene.ground_labels(x, y)]
    assert len(x) > 500 and np.mean(np.abs(truth - found.ground_costs) < 1) > 0.95
    box_x, box_y = centers(found.static.cells)
    assert len(box_x) > 10 and np.maximum(np.abs(box_x - 3.0), np.abs(box_y - 1.5)).max() < 0.27
    person_x, person_y = centers(found.dynamic.cells)
    assert len(person_x) > 3
    assert np.maximum(np.abs(person_x - 2.5), np.abs(person_y - 0.2)).max() < 0.17


def test_a_table_top_hanging_in_the_air_is_found_where_it_hangs():
    # The flat-ground assumption would put its front edge behind the table.
    scene = Scene(FLOOR, (), (Box(2.0, 0.0, 0.8, 0.8, TABLE, height=0.05, bottom=0.6),), LAMP)
    x, y = centers(project(scene.render(PINHOLE, MOUNT)).observation.static.cells)
    assert len(x) > 50 and np.maximum(np.abs(x - 2.0), np.abs(y)).max() < 0.47


def test_height_counts_where_the_class_says_floor_or_nothing():
    scene = Scene(FLOOR, (), (Box(2.0, 0.0, 0.4, 0.4, FLOOR, height=0.4),), LAMP)
    view = scene.render(PINHOLE, MOUNT)
    for labels in (view.labels, np.full((240, 320), UNLABELED, np.uint8)):
        found = project(view, labels=labels).observation
        x, y = centers(found.static.cells)
        assert len(x) > 10 and np.maximum(np.abs(x - 2.0), np.abs(y)).max() < 0.27


def test_what_is_passed_under_or_ignored_is_no_obstacle():
    scene = Scene(FLOOR, (), (Box(3.0, 0.0, 0.4, 0.4, LAMP, height=0.4),), LAMP)
    assert not len(project(scene.render(PINHOLE, MOUNT)).observation.static.cells)
    steep = Scene(FLOOR, (), (Box(3.0, 0.0, 0.4, 0.4, TABLE, height=0.3, bottom=2.1),), LAMP)
    assert not len(project(steep.render(PINHOLE, MOUNT)).observation.static.cells)


def test_a_step_down_is_an_obstacle():
    view = Scene(FLOOR, (), (), LAMP).render(PINHOLE, MOUNT)
    # Beyond 2 m the floor drops by 30 cm: depth grows in proportion.
    ahead = MOUNT[:3, :3].dot(PINHOLE.rays().reshape(-1, 3).T)
    with np.errstate(divide='ignore', invalid='ignore'):
        flat, low = -0.8 / ahead[2], -1.1 / ahead[2]
        beyond = flat * ahead[0] > 1.9
    depth = np.where(beyond, low, flat).reshape(240, 320).astype(np.float32)
    depth[depth < 0] = 0
    found = project(view, depth=depth).observation
    x, _ = centers(found.static.cells)
    assert len(x) > 100 and x.min() > 2.0
    ground_x, _ = centers(found.ground.cells)
    assert ground_x.max() < 2.1


def test_missing_depth_says_nothing():
    view = Scene(FLOOR, (), (), LAMP).render(PINHOLE, MOUNT)
    for nothing in (0.0, np.nan, np.inf):
        depth = view.depth.astype(np.float32)
        depth[:, 160:] = nothing
        found = project(view, depth=depth)
        _, y = centers(found.observation.ground.cells)
        assert y.min() > -0.05
        assert np.isfinite(found.ground_points.x).all()
    found = project(view, depth=np.zeros((240, 320), np.float32))
    assert not len(found.observation.ground.cells) and not len(found.obstacles.x)
    assert not len(found.ground_points.x)


def test_single_flying_pixels_are_no_obstacle():
    view = Scene(FLOOR, (), (), LAMP).render(PINHOLE, MOUNT)
    depth = view.depth.astype(np.float32)
    depth[100, 50] *= 0.6
    depth[140, 200] *= 0.6
    assert not len(project(view, depth=depth).observation.static.cells)


def test_clear_points_stop_before_obstacles_and_at_holes_in_the_depth():
    scene = Scene(FLOOR, (), (Box(2.5, 0.0, 0.3, 0.8, TABLE, height=0.15),), LAMP)
    view = scene.render(PINHOLE, MOUNT)
    found = project(view).ground_points
    ahead = np.abs(found.y) < 0.2
    assert ahead.sum() > 3 and found.x[ahead].max() < 2.4
    depth = view.depth.astype(np.float32)
    depth[100:140] = np.nan
    found = project(view, depth=depth).ground_points
    row = MOUNT[:3, :3].dot([0.0, (140 - 119.5) / 250.0, 1.0])
    edge = 0.1 + 0.8 * row[0] / -row[2]
    assert found.x.max() < edge + 0.1


def test_the_robots_own_body_is_left_out():
    scene = Scene(FLOOR, (), (Box(0.9, 0.0, 0.2, 0.6, UNLABELED, height=0.3),), LAMP)
    view = scene.render(PINHOLE, MOUNT)
    body = np.where(view.labels == UNLABELED, np.uint8(255), np.uint8(0))
    assert len(project(view).observation.static.cells) > 5
    assert not len(project(view, ego_mask=body).observation.static.cells)


def test_large_images_are_thinned_to_the_points_that_are_allowed():
    projector = DepthProjector(ProjectionSettings(), DepthSettings(max_points=5000))
    projector._prepare(CAMERA)
    assert 2500 < len(projector._pixels) <= 5000


def test_depth_of_another_size_is_refused():
    view = Scene(FLOOR, (), (), LAMP).render(PINHOLE, MOUNT)
    for shape, told in (((120, 160), '160 x 120'), ((320, 240), '240 x 320')):
        with pytest.raises(InvalidInputError, match=f'{told}; expected 320 x 240.*registered'):
            project(view, depth=np.ones(shape, np.float32))


# A table is nothing that can lie flat; a pool is.
SURE_OF_POOLS = CostTable('pools', ClassTable(
    'pools', ['floor', 'rug', 'table', 'person', 'pool'], np.zeros((5, 3)),
    [False, False, False, True, False]), [0, 20, 100, 100, 100], ['pool'])


def cells_of_patch(label, costs):
    """Return what a patch of the floor that a network calls something else becomes."""
    view = Scene(FLOOR, (Patch(1.5, -0.5, 2.5, 0.5, RUG),), (), LAMP).render(PINHOLE, MOUNT)
    labels = np.where(view.labels == RUG, np.uint8(label), view.labels)
    pose = CameraPose(np.eye(4), MOUNT)
    return DepthProjector(ProjectionSettings(), DepthSettings()).project(
        LabelledView(prepared_labels(labels, None, None, 0), None, CAMERA, pose,
                     view.depth.astype(np.float32)), costs, StillGrid(GEOMETRY))


def test_level_floor_that_a_network_calls_a_table_is_ground():
    found = cells_of_patch(TABLE, SURE_OF_POOLS)
    assert not len(found.obstacles.x) and not len(found.observation.static.cells)
    x, y = centers(found.observation.ground.cells)
    patch = (x > 1.6) & (x < 2.4) & (np.abs(y) < 0.4)
    assert patch.sum() > 200
    # Its own cost is not known: it gets the mean of the image's ground, which is bare floor.
    assert (found.observation.ground_costs[patch] == 0).all()
    # It is clear across the patch, where it was blocked before.
    reach = {}
    for name, costs in (('listed', SURE_OF_POOLS), ('before', COSTS)):
        points = cells_of_patch(TABLE, costs).ground_points
        reach[name] = points.x[np.abs(points.y) < 0.2 * points.x].max()
    assert reach['listed'] > 3.5 and 1.3 < reach['before'] < 1.6


def test_level_ground_without_any_ground_label_is_passable_and_not_preferred():
    view = Scene(FLOOR, (), (), LAMP).render(PINHOLE, MOUNT)
    labels = np.full((240, 320), TABLE, np.uint8)
    pose = CameraPose(np.eye(4), MOUNT)
    found = DepthProjector(ProjectionSettings(), DepthSettings()).project(
        LabelledView(prepared_labels(labels, None, None, 0), None, CAMERA, pose,
                     view.depth.astype(np.float32)), SURE_OF_POOLS, StillGrid(GEOMETRY))
    assert len(found.observation.ground.cells) > 500
    assert set(found.observation.ground_costs.tolist()) == {50.0}
    assert set(found.ground_points.labels.tolist()) == {UNLABELED}


def test_a_pool_is_lethal_although_it_is_level():
    x, y = centers(cells_of_patch(4, SURE_OF_POOLS).observation.static.cells)
    assert len(x) > 200 and np.maximum(np.abs(x - 2.0), np.abs(y)).max() < 0.56


def test_a_table_stands_whatever_the_list_says():
    scene = Scene(FLOOR, (), (Box(2.0, 0.0, 0.4, 0.4, TABLE, height=0.4),), LAMP)
    view = scene.render(PINHOLE, MOUNT)
    found = {}
    for name, costs in (('listed', SURE_OF_POOLS), ('before', COSTS)):
        found[name] = DepthProjector(ProjectionSettings(), DepthSettings()).project(
            LabelledView(prepared_labels(view.labels, None, None, 0), None, CAMERA,
                         CameraPose(np.eye(4), MOUNT), view.depth.astype(np.float32)), costs,
            StillGrid(GEOMETRY)).observation.static.cells
    assert len(found['listed']) > 20
    assert found['listed'].tolist() == found['before'].tolist()
