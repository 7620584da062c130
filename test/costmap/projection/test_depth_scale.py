# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Depth up to scale and shift, made metric by the ground, or refused with the reason."""

import depth_costmap
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.projection.depth_scale import DepthScaler
from segformer_ros.costmap.projection.depth_scale import UnscaledDepthError
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import prepared_labels
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.settings import INVERSE
from segformer_ros.costmap.settings import SCALED
from segformer_ros.model.classes import ClassTable
import simulated_runs
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import PINHOLE
from support.plane_scene import Scene

FLOOR, TABLE, SKY = range(3)
COSTS = CostTable('test', ClassTable('test', ['floor', 'table', 'sky'], np.zeros((3, 3)),
                                     [False] * 3), [0, 100, -1])
CAMERA = camera_model(PINHOLE)
MOUNT = mount_pose(0.8, 0.35)
# A table top 0.6 m up and a crate, before a wall.
ROOM = Scene(FLOOR, (), (Box(2.2, 0.3, 0.6, 0.6, TABLE, height=0.05, bottom=0.6),
                         Box(1.8, -0.6, 0.3, 0.3, TABLE, height=0.3),
                         Box(4.5, 0.0, 0.2, 9.0, TABLE, height=2.5)), SKY)


def view_of(values, labels=None, mount=MOUNT):
    scene = ROOM.render(PINHOLE, mount)
    labels = scene.labels if labels is None else labels
    return LabelledView(prepared_labels(labels, None, None, 0), None, CAMERA,
                        CameraPose(np.eye(4), mount), values)


def values_of(depth, kind, scale, shift):
    """Return what a network says of true depth: (d - shift) / scale, or of one over d."""
    with np.errstate(divide='ignore'):
        return (((1.0 / depth if kind == INVERSE else depth) - shift) / scale).astype(np.float32)


@pytest.fixture(scope='module')
def true_depth():
    return ROOM.render(PINHOLE, MOUNT).depth.astype(np.float32)


@pytest.mark.smoke
@pytest.mark.parametrize('kind, scale, shift', [
    (INVERSE, 1.0, 0.0), (INVERSE, 0.004, 0.11), (INVERSE, 37.0, -0.4), (SCALED, 1.0, 0.0),
    (SCALED, 0.001, 0.7), (SCALED, 250.0, -2.0)])
def test_any_scale_and_shift_become_metres(true_depth, kind, scale, shift):
    found = DepthScaler(kind, 5.0).to_meters(
        view_of(values_of(true_depth, kind, scale, shift)), COSTS)
    seen = np.isfinite(true_depth)
    assert np.abs(found.depth[seen] / true_depth[seen] - 1.0).max() < 2e-3
    assert abs(found.scale / scale - 1.0) < 2e-3 and abs(found.shift - shift) < 2e-3
    assert found.error < 1e-3


@pytest.mark.parametrize('kind', [INVERSE, SCALED])
def test_the_fit_is_that_of_plain_least_squares_where_nothing_is_wrong(true_depth, kind):
    random = np.random.RandomState(3)
    noise = 1.0 + 0.01 * random.standard_normal(true_depth.shape).astype(np.float32)
    values = values_of(true_depth, kind, 3.0, 0.2)
    values = ((values * 3.0 + 0.2) * noise - 0.2) / 3.0
    found = DepthScaler(kind, 5.0).to_meters(view_of(values.astype(np.float32)), COSTS)
    labels = ROOM.render(PINHOLE, MOUNT).labels
    ground = (labels == FLOOR) & np.isfinite(true_depth)
    target = (1.0 / true_depth if kind == INVERSE else true_depth)[ground].astype(float)
    rows = np.stack([values[ground] / target, 1.0 / target], axis=1)
    scale, shift = np.linalg.lstsq(rows, np.ones(len(rows)), rcond=None)[0]
    near, far = target.min(), target.max()
    for depth in (near, far):
        value = (depth - shift) / scale
        assert abs((found.scale * value + found.shift) / depth - 1.0) < 0.01


def test_table_tops_that_are_labelled_floor_do_not_bend_the_fit(true_depth):
    labels = np.where(ROOM.render(PINHOLE, MOUNT).labels == TABLE, np.uint8(FLOOR),
                      ROOM.render(PINHOLE, MOUNT).labels)
    # The wall is far off the plane, too, but farther away than ground is used.
    labels[true_depth > 4.0] = TABLE
    found = DepthScaler(INVERSE, 5.0).to_meters(
        view_of(values_of(true_depth, INVERSE, 0.3, 0.1), labels), COSTS)
    assert abs(found.scale / 0.3 - 1.0) < 0.01 and abs(found.shift - 0.1) < 0.005
    # The feet of the crate are a few centimetres off the plane, which the correction takes up.
    near = true_depth < 4.0
    assert np.abs(found.depth[near] / true_depth[near] - 1.0).max() < 0.05


def test_smooth_errors_are_taken_from_the_ground_around(true_depth):
    left, after = [], []
    for seed in range(6):
        random = np.random.RandomState(seed)
        values = simulated_runs.like_a_network(true_depth, INVERSE, 0.05, random)
        found = DepthScaler(INVERSE, 5.0).to_meters(view_of(values), COSTS)
        crate = (ROOM.render(PINHOLE, MOUNT).labels == TABLE) & (true_depth < 2.5)
        left.append(found.error)
        after.append(np.median(np.abs(found.depth[crate] / true_depth[crate] - 1.0)))
    # The errors are there (a median of 5 % x 0.67, less what scale and shift take up) and go.
    assert np.mean(left) > 0.01
    assert np.mean(after) < 0.025


@pytest.mark.parametrize('kind, other, words', [
    (INVERSE, SCALED, 'values that grow with distance.*Set depth.kind: scaled or metric'),
    (SCALED, INVERSE, 'values that shrink with distance.*Set depth.kind: inverse')])
def test_the_other_kind_is_refused_by_name(true_depth, kind, other, words):
    with pytest.raises(UnscaledDepthError, match=words):
        DepthScaler(kind, 5.0).to_meters(view_of(values_of(true_depth, other, 2.0, 0.1)), COSTS)


def test_too_little_ground_determines_nothing(true_depth):
    values = values_of(true_depth, INVERSE, 2.0, 0.1)
    labels = np.full((240, 320), TABLE, np.uint8)
    with pytest.raises(UnscaledDepthError, match='0 samples labelled as ground'):
        DepthScaler(INVERSE, 5.0).to_meters(view_of(values, labels), COSTS)
    # 160 of 19,200 samples are too few, 640 are enough.
    labels[-2:] = FLOOR
    with pytest.raises(UnscaledDepthError, match='160 samples'):
        DepthScaler(INVERSE, 5.0).to_meters(view_of(values, labels), COSTS)
    labels[-8:] = FLOOR
    with pytest.raises(UnscaledDepthError, match='ground from .* alone'):
        DepthScaler(INVERSE, 5.0).to_meters(view_of(values, labels), COSTS)
    labels = ROOM.render(PINHOLE, MOUNT).labels.copy()
    labels[:, 16:] = TABLE
    assert DepthScaler(INVERSE, 5.0).to_meters(view_of(values, labels), COSTS).error < 1e-3


def test_a_camera_that_looks_straight_down_determines_no_scale():
    mount = mount_pose(0.8, np.pi / 2)
    depth = np.full((240, 320), 0.8, np.float32)
    with pytest.raises(UnscaledDepthError, match='ground from 0.80 to 0.80 m alone.*tilt'):
        DepthScaler(INVERSE, 5.0).to_meters(
            view_of(values_of(depth, INVERSE, 2.0, 0.1), np.zeros((240, 320), np.uint8), mount),
            COSTS)


def test_values_that_say_nothing_are_refused(true_depth):
    with pytest.raises(UnscaledDepthError, match='one value all over the ground'):
        DepthScaler(INVERSE, 5.0).to_meters(view_of(np.ones((240, 320), np.float32)), COSTS)
    with pytest.raises(UnscaledDepthError, match='0 samples'):
        DepthScaler(INVERSE, 5.0).to_meters(view_of(np.full((240, 320), np.nan, np.float32)),
                                            COSTS)
    noise = np.random.RandomState(0).uniform(0.0, 1.0, (240, 320)).astype(np.float32)
    with pytest.raises(UnscaledDepthError):
        DepthScaler(INVERSE, 5.0).to_meters(view_of(noise), COSTS)


def test_ground_labels_off_the_plane_are_refused(true_depth):
    scene = ROOM.render(PINHOLE, MOUNT)
    # The mount is believed 12 degrees too steep: no scale and shift make a plane of it.
    values = values_of(true_depth, INVERSE, 2.0, 0.1)
    wrong = LabelledView(prepared_labels(scene.labels, None, None, 0), None, CAMERA,
                         CameraPose(np.eye(4), mount_pose(0.8, 0.35, roll=0.5)), values)
    with pytest.raises(UnscaledDepthError, match='expected'):
        DepthScaler(INVERSE, 5.0).to_meters(wrong, COSTS)


def test_depth_of_another_size_is_no_matter_of_scale():
    with pytest.raises(InvalidInputError, match='differ in size') as caught:
        DepthScaler(INVERSE, 5.0).to_meters(view_of(np.ones((120, 160), np.float32)), COSTS)
    assert not isinstance(caught.value, UnscaledDepthError)


def camera_view(values, labels, stamp):
    return CameraView(labels, None, CAMERA, CameraPose(np.eye(4), MOUNT), stamp, values)


def pipeline_for(kind):
    settings = CostmapSettings()
    return CostmapPipeline(settings._replace(depth=settings.depth._replace(kind=kind)), COSTS)


def value_at(occupancy, x, y):
    cell, _ = occupancy.geometry.indices(np.array([x]), np.array([y]))
    return int(occupancy.values.reshape(-1)[cell[0]])


def test_a_table_top_is_found_where_it_hangs_with_depth_of_unknown_scale(true_depth):
    labels = ROOM.render(PINHOLE, MOUNT).labels
    grids = {}
    for kind, values in (('flat', None), (INVERSE, values_of(true_depth, INVERSE, 40.0, -0.2))):
        pipeline = pipeline_for(INVERSE)
        result = pipeline.process('front', camera_view(values, labels, 10.0))
        assert not result.depth_refusal
        grids[kind] = pipeline.occupancy(10.0)
    # Its middle: the flat rule puts it far behind.
    assert value_at(grids[INVERSE], 2.2, 0.3) == 100
    assert value_at(grids['flat'], 2.2, 0.3) != 100


def test_refused_depth_marks_by_the_flat_rule_and_clears_nothing(true_depth):
    scene = ROOM.render(PINHOLE, MOUNT)
    pipeline = pipeline_for(INVERSE)
    good = camera_view(values_of(true_depth, INVERSE, 40.0, -0.2), scene.labels, 10.0)
    assert pipeline.process('front', good).depth_refusal == ''
    marked = pipeline.occupancy(10.0).values == 100
    wrong = values_of(true_depth, SCALED, 40.0, -0.2)
    for number in range(1, 20):
        result = pipeline.process('front', camera_view(wrong, scene.labels, 10.0 + 0.1 * number))
        assert 'Set depth.kind' in result.depth_refusal
        assert len(result.obstacle_points) > 20 and not len(result.ground_points)
    assert (pipeline.occupancy(11.9).values == 100)[marked].all()
    # The flat rule alone would have cleared below the table top.
    for number in range(20, 40):
        pipeline.process('front', camera_view(None, scene.labels, 10.0 + 0.1 * number))
    assert not (pipeline.occupancy(13.9).values == 100)[marked].all()


def test_an_estimate_does_not_overrule_a_label(true_depth):
    scene = ROOM.render(PINHOLE, MOUNT)
    labels = scene.labels.copy()
    patch = (scene.labels == FLOOR) & (np.arange(320) > 250)
    labels[patch] = TABLE
    costs = CostTable('listed', COSTS.classes, [0, 100, -1], [])
    lethal = {}
    for kind in ('metric', INVERSE):
        settings = CostmapSettings()
        pipeline = CostmapPipeline(settings._replace(
            depth=settings.depth._replace(kind=kind)), costs)
        values = true_depth if kind == 'metric' else values_of(true_depth, INVERSE, 2.0, 0.1)
        pipeline.process('front', camera_view(values, labels, 10.0))
        lethal[kind] = (pipeline.occupancy(10.0).values == 100).sum()
    assert lethal[INVERSE] > lethal['metric'] + 200


@pytest.mark.slow
def test_rooms_with_tables_beds_and_open_doors_are_seen_with_one_camera():
    found = depth_costmap.compare_rooms([1, 2], 4)
    assert found['inverse'].contacts > 120 and found['inverse'].floor > 20000
    for kind in ('inverse', 'scaled'):
        assert found[kind].found_share > 0.93
        assert found[kind].blocked_share < 0.02
        assert found[kind].refused == 0
    # What the flat rule misses is what depth is for; with true depth nothing is missed.
    assert 0.6 < found['flat'].found_share < 0.85
    assert found['metric'].found_share > 0.99


@pytest.mark.slow
def test_level_floor_that_is_called_a_wall_is_free_and_obstacles_stay():
    found = depth_costmap.level_in_rooms([1], 4)
    assert found['before'].blocked_share > 0.3
    assert found['after'].blocked_share < 0.01
    assert found['after'].found_share > 0.98 and found['after'].contacts > 60


@pytest.mark.slow
@pytest.mark.parametrize('room, before, after', [('room_depth_1', 0.08, 0.01),
                                                 ('room_depth_2', 0.45, 0.04)])
def test_level_floor_of_a_real_room_is_free_and_obstacles_stay(
        shared, project_root, room, before, after):
    found = depth_costmap.level_in_bag(
        shared(f'real/{room}'), shared('models/ade20k_mobilenetv2_segformer_io.onnx'),
        f'{project_root}/config/models/segformer_b0_ade20k.yaml')
    assert found['before'].blocked_share > before
    assert found['after'].blocked_share < after
    assert found['after'].found_share > 0.99 and found['after'].contacts > 500
