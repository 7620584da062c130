# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Metric depth that measures nothing of the ground in reach, and depth that only looks so."""

import re

import numpy as np
import pytest

from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.model.classes import ClassTable
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import PINHOLE
from support.plane_scene import Scene

FLOOR, WALL, SKY = range(3)
COSTS = CostTable('test', ClassTable('test', ['floor', 'wall', 'sky'], np.zeros((3, 3)),
                                     [False] * 3), [0, 100, -1])
CAMERA = camera_model(PINHOLE)
MOUNT = mount_pose(0.8, 0.35)
SCENE = Scene(FLOOR, (), (Box(2.0, 0.0, 0.3, 0.6, WALL, height=0.5),), SKY)
VIEW = SCENE.render(PINHOLE, MOUNT)
TRUE = VIEW.depth.astype(np.float32)


def process(depth, mount=MOUNT, labels=VIEW.labels, ego_mask=None, max_range=5.0):
    settings = CostmapSettings()
    stage = CostmapPipeline(settings._replace(
        projection=settings.projection._replace(max_range=max_range)), COSTS)
    if ego_mask is not None:
        stage.set_ego_mask('front', ego_mask)
    result = stage.process('front', CameraView(
        labels, None, CAMERA, CameraPose(np.eye(4), mount), 10.0, depth))
    return result, stage.occupancy(10.0).values


def with_valid(share):
    """Return depth that was measured in a share of the pixels, anywhere in the picture."""
    valid = np.random.RandomState(0).uniform(0.0, 1.0, TRUE.shape) < share
    return np.where(valid, TRUE, np.float32(0.0))


@pytest.mark.smoke
@pytest.mark.parametrize('depth, words', [
    (np.zeros_like(TRUE), 'got 0 of .* 0 above 0'),
    (np.full_like(TRUE, np.nan), 'got 0 of .* 0 above 0'),
    (np.full_like(TRUE, np.inf), 'got 0 of .* 0 above 0'),
    (1000.0 * TRUE, 'got 0 of .*millimetres in a 32FC1')])
def test_a_blind_depth_camera_leaves_the_labels_to_mark_and_clears_nothing(depth, words):
    result, values = process(depth)
    assert 'Depth image measures nothing in reach' in result.depth_refusal
    assert re.search(words, result.depth_refusal), result.depth_refusal
    flat, flat_values = process(None)
    assert not flat.depth_refusal
    assert len(result.obstacle_points) > 10 and not len(result.ground_points)
    assert result.obstacle_points.tobytes() == flat.obstacle_points.tobytes()
    assert ((values == 100) == (flat_values == 100)).all() and (values == 100).any()
    assert not ((values >= 0) & (values < 100)).any()


def test_millimetres_are_told_by_how_many_are_above_0():
    refusal = process(1000.0 * TRUE)[0].depth_refusal
    ground, above = re.search('got 0 of ([0-9,]+) .*, ([0-9,]+) above 0', refusal).groups()
    assert ground == above and int(ground.replace(',', '')) > 10000


def test_a_hundredth_of_the_ground_in_reach_is_enough_and_less_is_not():
    assert 'expected 1 % or more' in process(with_valid(0.007))[0].depth_refusal
    result, values = process(with_valid(0.014))
    assert not result.depth_refusal
    assert len(result.ground_points) and (values == 0).any()


def test_a_wall_close_by_is_seen_though_no_ground_is():
    result, values = process(np.full_like(TRUE, 0.3), labels=np.full_like(VIEW.labels, WALL))
    assert not result.depth_refusal and (values == 100).any()


def test_a_camera_that_looks_above_the_ground_in_reach_may_measure_nothing():
    labels = np.full_like(VIEW.labels, SKY)
    assert not process(np.zeros_like(TRUE), mount_pose(0.8, -0.6), labels)[0].depth_refusal


@pytest.mark.parametrize('pitch, is_refused', [(-0.3, False), (-0.28, False), (-0.25, True)])
def test_a_strip_of_ground_at_the_lower_edge_says_nothing(pitch, is_refused):
    # The lowest row meets the ground at 5 m with -0.287.
    labels = np.full_like(VIEW.labels, SKY)
    result, _ = process(np.zeros_like(TRUE), mount_pose(0.8, pitch), labels)
    assert bool(result.depth_refusal) == is_refused


def test_ground_out_of_range_is_not_asked_for():
    # A quarter of the ground in view lies within 1.2 m: a fiftieth of that is half a percent of
    # the whole.
    assert not process(with_valid(0.02), max_range=1.2)[0].depth_refusal


def test_the_robots_own_body_is_no_measured_ground():
    body = np.zeros((240, 320), np.uint8)
    body[180:] = 255
    depth = np.zeros_like(TRUE)
    depth[180:] = TRUE[180:]
    assert not process(depth)[0].depth_refusal
    assert process(depth, ego_mask=body)[0].depth_refusal


def test_a_blind_depth_camera_gives_no_labelled_points_and_flat_places_of_labels():
    stage = CostmapPipeline(CostmapSettings(), COSTS)
    pose = CameraPose(np.eye(4), MOUNT)
    image = np.zeros((240, 320, 3), np.uint8)
    lookup = np.arange(256).astype(np.uint8)
    bundles = []
    for depth in (np.zeros_like(TRUE), None):
        view = CameraView(VIEW.labels, None, CAMERA, pose, 10.0, depth)
        assert stage.labelled_points('front', view, image) is None
        bundles.append(stage.semantic_layer('front', view, lookup))
    assert bundles[0].points.tobytes() == bundles[1].points.tobytes()
