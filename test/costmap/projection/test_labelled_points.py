# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Measured points with colour, label, cost and confidence, read back as PCL does."""

import struct

import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.points import LABELLED_FIELDS
from segformer_ros.costmap.points import LABELLED_STEP
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.settings import INVERSE
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import UNLABELED
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import PINHOLE
from support.plane_scene import Scene

FLOOR, WALL, SKY, POOL = range(4)
COSTS = CostTable('test', ClassTable('test', ['floor', 'wall', 'sky', 'pool'], np.zeros((4, 3)),
                                     [False] * 4), [7, 100, -1, 100], ['pool'])
CAMERA = camera_model(PINHOLE)
MOUNT = mount_pose(0.8, 0.35)
SCENE = Scene(FLOOR, (), (Box(2.0, 0.0, 0.5, 0.5, WALL, height=0.4),), SKY)
IMAGE = np.random.RandomState(0).randint(0, 256, (240, 320, 3)).astype(np.uint8)
FORMATS = {7: '<f', 4: '<H', 2: '<B'}


def points_of(labels, depth, kind='metric', width=320, confidence=None, ego_mask=None):
    settings = CostmapSettings(category_width=width)
    stage = CostmapPipeline(settings._replace(depth=settings.depth._replace(kind=kind)), COSTS)
    if ego_mask is not None:
        stage.set_ego_mask('front', ego_mask)
    return stage.labelled_points('front', CameraView(
        labels, confidence, CAMERA, CameraPose(np.eye(4), MOUNT), 10.0, depth), IMAGE)


def read(cloud, v, u):
    """Return the fields of one point as a subscriber reads its bytes."""
    data = cloud.tobytes()
    start = (v * cloud.shape[1] + u) * LABELLED_STEP
    return {field.name: struct.unpack_from(
        '<I' if field.name == 'rgb' else FORMATS[field.datatype], data, start + field.offset)[0]
        for field in LABELLED_FIELDS}


@pytest.mark.smoke
def test_every_pixel_has_its_point_colour_label_cost_and_confidence():
    view = SCENE.render(PINHOLE, MOUNT)
    labels = view.labels.copy()
    labels[200:, :100] = WALL
    labels[200:, 100:200] = POOL
    labels[200:, 200:250] = UNLABELED
    confidence = np.full((240, 320), 51, np.uint8)
    cloud = points_of(labels, view.depth.astype(np.float32), confidence=confidence)
    assert cloud.shape == (240, 320)
    # The floor called a wall costs what the floor costs; that called a pool is lethal.
    for v, u, cost in ((230, 300, 7), (230, 50, 7), (230, 150, 100), (230, 225, 255),
                       (120, 160, 100)):
        point = read(cloud, v, u)
        depth = view.depth[v, u]
        assert point['x'] == pytest.approx((u - 159.5) / 250.0 * depth, abs=1e-4)
        assert point['y'] == pytest.approx((v - 119.5) / 250.0 * depth, abs=1e-4)
        assert point['z'] == pytest.approx(depth, abs=1e-5)
        red, green, blue = IMAGE[v, u].tolist()
        assert point['rgb'] == red * 65536 + green * 256 + blue
        assert point['label'] == labels[v, u]
        assert point['cost'] == cost, (v, u)
        assert point['confidence'] == pytest.approx(0.2)


def test_what_is_not_measured_and_the_robot_itself_have_no_point():
    view = SCENE.render(PINHOLE, MOUNT)
    depth = view.depth.astype(np.float32)
    depth[:, :40], depth[:, 40:80], depth[:, 80:100] = 0.0, np.nan, np.inf
    body = np.zeros((240, 320), np.uint8)
    body[:, 300:] = 255
    cloud = points_of(view.labels, depth, ego_mask=body)
    for axis in 'xyz':
        known = np.isfinite(cloud[axis])
        assert not known[:, :100].any() and not known[:, 300:].any()
        assert known[200:, 100:300].all()
    assert (cloud['cost'][:, :100] == 255).all()


def test_a_smaller_cloud_shows_the_same_places():
    view = SCENE.render(PINHOLE, MOUNT)
    cloud = points_of(view.labels, view.depth.astype(np.float32), width=80)
    assert cloud.shape == (60, 80)
    whole = points_of(view.labels, view.depth.astype(np.float32))
    assert cloud[30, 40].tobytes() == whole[122, 162].tobytes()


def test_depth_of_unknown_scale_gives_metres_or_no_cloud():
    view = SCENE.render(PINHOLE, MOUNT)
    inverse = (3.0 / view.depth + 0.5).astype(np.float32)
    cloud = points_of(view.labels, inverse, INVERSE)
    near = view.depth < 4.0
    assert np.abs(cloud['z'][near] / view.depth[near] - 1.0).max() < 0.01
    assert points_of(np.full((240, 320), WALL, np.uint8), inverse, INVERSE) is None
    assert points_of(view.labels, None) is None


def test_an_image_of_another_size_is_refused():
    stage = CostmapPipeline(CostmapSettings(), COSTS)
    view = SCENE.render(PINHOLE, MOUNT)
    with pytest.raises(InvalidInputError, match='Image and mask differ in size'):
        stage.labelled_points('front', CameraView(
            view.labels, None, CAMERA, CameraPose(np.eye(4), MOUNT), 10.0,
            view.depth.astype(np.float32)), np.zeros((120, 160, 3), np.uint8))
