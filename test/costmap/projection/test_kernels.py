# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The compiled projections give the bits of their numpy twins, or are not used."""

import logging

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from segformer_ros.common.compiled import library
from segformer_ros.common.errors import TransformError
from segformer_ros.common.private_files import CACHE_VARIABLE
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.observation import Evidence
from segformer_ros.costmap.observation import Observation
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.projection import kernel_build
from segformer_ros.costmap.projection import scan_table
from segformer_ros.costmap.projection.depth import DepthProjector
from segformer_ros.costmap.projection.flat_ground import GroundProjector
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import prepared_labels
from segformer_ros.model.classes import load_class_table

ADE20K = load_class_table('ade20k')
COSTS = load_cost_table('indoor', ADE20K)
FLOOR, WALL, PERSON, SKY = (ADE20K.id_of(name) for name in ('floor', 'wall', 'person', 'sky'))
LENSES = {
    'none': ('none', ()),
    'plumb_bob': ('plumb_bob', (-0.28, 0.07, 1e-3, -2e-3, 0.0)),
    'radial alone': ('plumb_bob', (-0.3, 0.1, 0.0, 0.0, 0.02)),
    # Its polynomial turns back inside the picture's corners.
    'turning back': ('plumb_bob', (-0.5, 0.0, 0.0, 0.0, 0.0)),
    'rational': ('rational_polynomial', (0.5, 0.1, 1e-3, 2e-3, 0.01, 0.8, 0.2, 0.02)),
    'prism': ('rational_polynomial', (-0.1, 0.02, 0.0, 1e-3, 0.0, 0.0, 0.0, 0.0,
                                      2e-3, -1e-3, 1e-3, 3e-3)),
    'equidistant': ('equidistant', (0.02, -0.01, 1e-3, 0.0))}


def camera_of(lens, width=83, height=61, turned=False):
    model, coefficients = LENSES[lens]
    turn = transforms.turn(0.02, -0.01, 0.03).reshape(-1).tolist() if turned else ()
    return CameraModel(Calibration(width, height, model, coefficients,
                                   (55.0, 0.0, 40.3, 0.0, 56.5, 31.1, 0.0, 0.0, 1.0), turn))


def picture(random, width=83, height=61):
    """Return a mask of floor below a ragged edge, walls and people above it, and holes."""
    edge = np.clip(np.cumsum(random.normal(0, 2, width)) + 0.4 * height, 0, height)
    rows = np.arange(height)[:, None]
    mask = np.where(rows < edge, WALL, FLOOR).astype(np.uint8)
    mask[rows < 0.5 * edge] = SKY
    for _ in range(4):
        x, y = random.randint(0, width), random.randint(0, height)
        mask[y:y + 14, x:x + 8] = random.choice([WALL, PERSON, FLOOR])
    mask[random.random_sample(mask.shape) < 0.03] = 255
    return mask


def bits(projector, view, grid):
    """Return all that a projection gives, as bytes."""
    # A mount's first mask is walked, later ones are read from a table.
    walked = projector.scan(view, COSTS)
    table = projector.table(view.camera, view.pose.ground_from_camera)
    projection = projector.project(view, COSTS, grid)
    seen = projection.observation
    return [np.asarray(each).tobytes() for part in (
        walked.table[7:10], walked[1:], table[7:], projector.scan(view, COSTS)[1:], seen.ground,
        (seen.ground_costs,), seen.static, seen.dynamic, projection.obstacles,
        projection.ground_points)
        for each in part]


@settings(deadline=None, max_examples=60,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lens=st.sampled_from(sorted(LENSES)), turned=st.booleans(), seed=st.integers(0, 2**31),
       height=st.floats(0.15, 3.0), pitch=st.floats(0.0, 1.4), roll=st.floats(-0.5, 0.5),
       yaw=st.floats(-3.2, 3.2), min_run=st.integers(1, 6), max_gap=st.integers(0, 6),
       sure=st.booleans(), ego=st.booleans())
def test_every_lens_and_pose_gives_the_bits_of_numpy(
        projection_kernels, lens, turned, seed, height, pitch, roll, yaw, min_run, max_gap, sure,
        ego):
    random = np.random.RandomState(seed)
    camera, mask = camera_of(lens, turned=turned), picture(random)
    confidence = None if sure else random.randint(0, 256, mask.shape).astype(np.uint8)
    ego_mask = None
    if ego:
        ego_mask = np.zeros_like(mask)
        ego_mask[-9:, 20:50] = 255
    limits = costmap_settings.ProjectionSettings(min_run=min_run, max_gap=max_gap)
    view = LabelledView(
        prepared_labels(mask, confidence, ego_mask, 30),
        None if confidence is None else confidence.reshape(-1), camera,
        transforms.CameraPose(transforms.planar_pose(0.4, -1.1, yaw),
                              transforms.mount_pose(height, pitch, roll, 0.2, -0.1)))
    grid = CostGrid(costmap_settings.GridSettings(6.0, 0.05, 1.0),
                    costmap_settings.FusionSettings())
    try:
        expected = bits(GroundProjector(limits, ego_mask), view, grid)
    except TransformError:
        with pytest.raises(TransformError):
            bits(GroundProjector(limits, ego_mask, projection_kernels), view, grid)
        return
    assert bits(GroundProjector(limits, ego_mask, projection_kernels), view, grid) == expected


@settings(deadline=None, max_examples=30,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lens=st.sampled_from(sorted(LENSES)), seed=st.integers(0, 2**31),
       kind=st.sampled_from(['metric', 'inverse']), height=st.floats(0.2, 2.0),
       pitch=st.floats(0.0, 1.4), yaw=st.floats(-3.2, 3.2), sure=st.booleans(),
       max_points=st.sampled_from([100, 1000, 80000]))
def test_depth_gives_the_bits_of_numpy(
        projection_kernels, lens, seed, kind, height, pitch, yaw, sure, max_points):
    random = np.random.RandomState(seed)
    mask = picture(random)
    confidence = None if sure else random.randint(0, 256, mask.size).astype(np.uint8)
    depth = random.uniform(0.0, 8.0, mask.shape).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf, 0.0, -1.0, 3e38, 1e-30):
        depth[random.random_sample(mask.shape) < 0.02] = value
    # As level as the ground itself, so that the tolerance decides.
    mount = transforms.mount_pose(height, pitch, 0.02)
    camera = camera_of(lens)
    rays = camera.rays()
    with np.errstate(invalid='ignore', divide='ignore'):
        plane = -height * rays[..., 2] / rays.dot(mount[2, :3].astype(np.float32))
    level = np.isfinite(plane) & (plane > 0) & (random.random_sample(mask.shape) < 0.5)
    depth[level] = plane[level] * random.uniform(0.97, 1.03, mask.shape)[level]
    view = LabelledView(prepared_labels(mask, None, None, 0), confidence, camera,
                        transforms.CameraPose(transforms.planar_pose(0.4, -1.1, yaw), mount),
                        depth)
    grid = CostGrid(costmap_settings.GridSettings(6.0, 0.05, 1.0),
                    costmap_settings.FusionSettings())
    limits = costmap_settings.DepthSettings(kind=kind, min_points=1, max_points=max_points)
    found, expected = ([np.asarray(each).tobytes() for part in (
        seen.observation.ground, (seen.observation.ground_costs,), seen.observation.static,
        seen.observation.dynamic, seen.obstacles, seen.ground_points) for each in part]
        for seen in (DepthProjector(costmap_settings.ProjectionSettings(), limits, None,
                                    kernels).project(view, COSTS, grid)
                     for kernels in (projection_kernels, None)))
    assert found == expected


@settings(deadline=None, max_examples=60,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), threshold=st.floats(0.05, 1.0), free_limit=st.floats(-3.0, 0.0),
       decay_time=st.floats(0.2, 3.0), forget_time=st.floats(3.0, 9.0),
       size=st.sampled_from([2.0, 3.1, 16.0]))
def test_a_grid_holds_the_same_with_and_without_kernels(
        projection_kernels, seed, threshold, free_limit, decay_time, forget_time, size):
    random = np.random.RandomState(seed)
    fusion = costmap_settings.FusionSettings(
        mark_threshold=threshold, free_limit=free_limit, static_decay_time=decay_time,
        dynamic_decay_time=0.5 * decay_time, forget_time=forget_time, cost_gain=0.7)
    grids = [CostGrid(costmap_settings.GridSettings(size, 0.1, 0.5), fusion, kernels)
             for kernels in (projection_kernels, None)]
    cells = grids[0].geometry.width * grids[0].geometry.height
    stamp, shown = 10.0, set()
    for _ in range(8):
        stamp += random.exponential(0.5 * decay_time)
        ground, static, dynamic = (
            Evidence(each, random.random_sample(len(each)).astype(np.float32))
            for each in (np.flatnonzero(random.random_sample(cells) < share)
                         for share in (0.5, 0.1, 0.05)))
        seen = Observation(ground, random.uniform(0.0, 98.0, len(ground.cells)).astype(np.float32),
                           static, dynamic)
        later = stamp + random.exponential(forget_time)
        for grid in grids:
            grid.fuse(seen, stamp)
        for now in (stamp, later):
            values = [grid.to_occupancy(now) for grid in grids]
            assert values[0].dtype == values[1].dtype and np.array_equal(*values)
            shown |= set(np.unique(values[0]).tolist())
        stamp = later
        # What is shown later follows from all that is held.
        for one, other in zip(*[vars(grid).values() for grid in grids]):
            if isinstance(one, np.ndarray):
                assert one.dtype == other.dtype and np.array_equal(one, other)
        assert grids[0].oldest_age(stamp) == grids[1].oldest_age(stamp)
    assert len(shown) > 20 and 100 in shown


@pytest.mark.parametrize('lens', sorted(LENSES))
def test_a_drive_fills_the_same_grid_with_and_without_kernels(projection_kernels, lens):
    random = np.random.RandomState(4)
    camera = camera_of(lens)
    stages = [CostmapPipeline(costmap_settings.CostmapSettings(), COSTS, compiled)
              for compiled in (True, False)]
    known = 0
    for step in range(6):
        mask = picture(random)
        confidence = random.randint(100, 256, mask.shape).astype(np.uint8)
        pose = transforms.CameraPose(
            transforms.planar_pose(0.1 * step, 0.02 * step, 0.1 * step),
            transforms.mount_pose(0.5, 0.4 + 0.02 * (step % 3), 0.01 * step))
        view = CameraView(mask, confidence, camera, pose, 1.0 + 0.2 * step)
        found, expected = (stage.process('front', view) for stage in stages)
        assert found.obstacle_points.tobytes() == expected.obstacle_points.tobytes()
        assert found.ground_points.tobytes() == expected.ground_points.tobytes()
        grids = [stage.occupancy(view.stamp).values for stage in stages]
        assert np.array_equal(*grids)
        known = int((grids[0] >= 0).sum())
    # The drive marks something, or this would compare nothing with nothing.
    assert known > 500
    assert (grids[0] == 100).sum() > 5


@pytest.mark.parametrize('view_of', [
    lambda values: np.rot90(np.rot90(values, 2).copy(), 2),
    lambda values: np.stack([values, values[::-1]], axis=2)[..., 0],
    lambda values: np.repeat(values, 2, axis=1)[:, ::2]],
    ids=['upside down', 'channel', 'every other'])
def test_views_of_other_arrays_count_as_what_they_show(projection_kernels, view_of):
    """Of an array that is turned or has gaps the first address says nothing of the rest."""
    random = np.random.RandomState(6)
    mask, camera = picture(random), camera_of('plumb_bob')
    confidence = random.randint(0, 256, mask.shape).astype(np.uint8)
    depth = random.uniform(0.3, 4.0, mask.shape).astype(np.float32)
    pose = transforms.CameraPose(np.eye(4), transforms.mount_pose(0.6, 0.5))
    assert projection_kernels is not None
    assert not view_of(depth).flags.c_contiguous
    for has_depth in (False, True):
        found = [CostmapPipeline(costmap_settings.CostmapSettings(), COSTS, compiled).process(
            'front', CameraView(change(mask), change(confidence), camera, pose, 1.0,
                                change(depth) if has_depth else None))
                 for compiled in (True, False) for change in (np.copy, view_of)]
        assert len(found[0].obstacle_points) > 10
        assert len({each.obstacle_points.tobytes() for each in found}) == 1
        assert len({each.ground_points.tobytes() for each in found}) == 1


@pytest.mark.parametrize('compiled', [True, False])
def test_a_camera_a_thousand_times_max_range_high_sees_no_ground(compiled):
    camera = CameraModel(Calibration(640, 480, 'none', (), (
        500.0, 0.0, 319.5, 0.0, 500.0, 239.5, 0.0, 0.0, 1.0), ()))
    stage = CostmapPipeline(costmap_settings.CostmapSettings(), COSTS, compiled)
    mask = np.full((480, 640), FLOOR, np.uint8)
    for height in (4.0, 4000.0, 6000.0):
        mount = transforms.mount_pose(height, 0.5 * np.pi)
        view = CameraView(mask, None, camera, transforms.CameraPose(np.eye(4), mount), 1.0)
        if height < 1000.0:
            stage.process('front', view)
        else:
            with pytest.raises(TransformError, match='Camera sees no ground'):
                stage.process('front', view)


@pytest.mark.parametrize('focal_length', [6e4, 1e6, 1e9])
def test_no_focal_length_lays_more_samples_than_a_picture_has_rows(focal_length):
    camera = CameraModel(Calibration(24, 18, 'none', (), (
        focal_length, 0.0, 11.5, 0.0, focal_length, 8.5, 0.0, 0.0, 1.0), ()))
    projector = GroundProjector(costmap_settings.ProjectionSettings(), None)
    try:
        table = projector.table(camera, transforms.mount_pose(1.0, 1.4))
    except TransformError:
        return  # between two samples lies nothing that is told
    assert table.pixels.shape[1] <= 32768


def test_what_is_not_in_view_lies_behind_the_labels_of_huge_masks():
    # Their number is odd, and above what float32 counts.
    width, height = 5793, 5795
    camera = CameraModel(Calibration(width, height, 'none', (), (
        5000.0, 0.0, 2896.0, 0.0, 5000.0, 2897.0, 0.0, 0.0, 1.0), ()))
    points = np.array([0.0, 9.0], np.float32)
    found = scan_table.pixel_indices(camera, transforms.inverse(
        transforms.mount_pose(1.0, 0.5 * np.pi)), points, np.zeros(2, np.float32))
    assert found[1] == width * height
    assert 0 <= found[0] < width * height


def test_a_fisheye_lens_is_left_to_numpy(projection_kernels):
    fisheye, webcam = camera_of('equidistant'), camera_of('plumb_bob')
    arguments = (np.ones((2, 3), np.float32), np.ones(4, np.float32), np.zeros(3), None)
    assert projection_kernels.lay_samples(fisheye, *arguments) is None
    assert projection_kernels.lay_samples(webcam, *arguments) is not None


@pytest.mark.once
@pytest.mark.parametrize('right, wrong', [
    # One of each kernel; those of the others are slow, since each is compiled.
    ('float u = rintf(xd * lens->fx + lens->cx)', 'float u = floorf(xd * lens->fx + lens->cx)'),
    ('weights[found] = weight * sure', 'weights[found] = weight * sure * 1.0000002f'),
    ('time < grid.forgotten ? 1.0f :', ''),
    ('view.tolerance + view.slope * out[i]', 'view.tolerance'), *[
        pytest.param(*each, marks=pytest.mark.slow) for each in (
            ('beside ? 0.5f *', 'beside ? 0.6f *'),
            ('ground < read->min_run;', 'ground < 0;'),
            ('(hidden == NULL || !hidden[pixel])', '1'),
            ('bin->ranges[far] : 0.0f', 'bin->ranges[bin->count - 1] : 0.0f'),
            ('own[b].sample - own[nearer].sample > edge_rows', '0'),
            ('times[low + i] < oldest ? 0.0f : before[i]', 'before[i]'),
            ('ground_times[low + i] >= known_from', '1'))]])
def test_kernels_that_compute_something_else_are_not_used(
        projection_kernels, monkeypatch, tmp_path, caplog, right, wrong):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.delenv(library.OFF_VARIABLE, raising=False)
    monkeypatch.setattr(library, 'FLAGS', tuple(
        '-O1' if flag == '-O3' else flag for flag in library.FLAGS))
    with open(kernel_build.SOURCE) as stream:
        source = stream.read()
    assert source.count(right) == 1
    path = tmp_path / 'projection.c'
    path.write_text(source.replace(right, wrong))
    monkeypatch.setattr(kernel_build, 'SOURCE', str(path))
    caplog.set_level(logging.INFO)
    kernels, origin = kernel_build.load_kernels.__wrapped__()
    assert kernels is None
    assert 'give other results than numpy' in origin
    assert caplog.records[-1].getMessage().startswith('Costmap kernels: numpy: ')
