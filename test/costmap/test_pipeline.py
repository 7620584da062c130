# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The whole stage: frames in, grid and clouds out, faults named."""

import numpy as np
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.settings import FusionSettings
from segformer_ros.costmap.settings import GridSettings
from segformer_ros.costmap.settings import NADIR
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import UNLABELED
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import Patch
from support.plane_scene import PINHOLE
from support.plane_scene import Scene

FLOOR, RUG, WALL, PERSON, SKY = range(5)
CLASSES = ClassTable('test', ['floor', 'rug', 'wall', 'person', 'sky'], np.zeros((5, 3)),
                     [False, False, False, True, False])
COSTS = CostTable('test', CLASSES, [0, 20, 100, 100, -1])
CAMERA = camera_model(PINHOLE)
MOUNT = mount_pose(0.8, 0.35)
SETTINGS = CostmapSettings()
FLOOR_ONLY = np.full((240, 320), FLOOR, np.uint8)


def frame(mask, stamp, odom_from_ground=None, mount=MOUNT, **others):
    pose = CameraPose(np.eye(4) if odom_from_ground is None else odom_from_ground, mount)
    return CameraView(mask, others.get('confidence'), CAMERA, pose, stamp, others.get('depth'))


def pipeline(settings=SETTINGS):
    return CostmapPipeline(settings, COSTS)


def value_at(occupancy, x, y):
    cell, inside = occupancy.geometry.indices(np.array([x]), np.array([y]))
    assert inside[0]
    return int(occupancy.values.reshape(-1)[cell[0]])


def values_around(occupancy, x, y, reach):
    xs, ys = occupancy.geometry.centers()
    return occupancy.values[np.ix_(np.abs(ys - y) <= reach, np.abs(xs - x) <= reach)]


@pytest.mark.smoke
def test_one_frame_gives_grid_and_clouds():
    scene = Scene(FLOOR, (Patch(1.0, 0.4, 2.0, 1.0, RUG),), (Box(2.0, -0.4, 0.4, 0.4, WALL),),
                  SKY)
    stage = pipeline()
    result = stage.process('front', frame(scene.render(PINHOLE, MOUNT).labels, 10.0))
    occupancy = stage.occupancy(10.0)
    assert occupancy.values.shape == (200, 200) and occupancy.values.dtype == np.int8
    assert value_at(occupancy, 1.5, 0.0) == 0
    assert value_at(occupancy, 1.5, 0.7) == 20
    assert (values_around(occupancy, 1.8, -0.4, 0.1) == 100).any()
    assert value_at(occupancy, 3.0, -0.6) == -1
    assert value_at(occupancy, -1.0, 0.0) == -1
    assert not result.cleared and result.timings.project > 0.0
    assert np.abs(result.obstacle_points['x'] - 1.8).min() < 0.03
    assert (result.obstacle_points['z'] == np.float32(SETTINGS.projection.obstacle_z)).all()
    assert len(result.ground_points) > 50 and (result.ground_points['z'] == 0).all()


def test_a_person_who_walks_through_leaves_no_trail():
    stage = pipeline()
    stamp = 10.0
    for step in range(25):
        person = Box(2.5, -1.2 + 0.1 * step, 0.3, 0.3, PERSON, height=1.7)
        view = Scene(FLOOR, (), (person,), SKY).render(PINHOLE, MOUNT)
        stage.process('front', frame(view.labels, stamp))
        occupancy = stage.occupancy(stamp)
        assert (values_around(occupancy, 2.4, person.y, 0.2) == 100).any()
        stamp += 0.1
    decay = SETTINGS.fusion.dynamic_decay_time
    gone = stage.occupancy(stamp - 0.1 + decay + 0.01)
    assert not (gone.values == 100).any()
    # The person was seen along the whole way, so this is not an empty claim.
    assert person.y > 1.0


def test_a_person_who_turns_to_leave_the_view_fades_and_a_wall_stays():
    boxes = (Box(2.0, 0.4, 0.3, 0.3, PERSON, height=1.7), Box(2.0, -0.5, 0.2, 0.6, WALL))
    view = Scene(FLOOR, (), boxes, SKY).render(PINHOLE, MOUNT)
    stage = pipeline()
    for step in range(5):
        stage.process('front', frame(view.labels, 10.0 + 0.1 * step))
    # The robot turns round: both are out of view from now on.
    away = planar_pose(0.0, 0.0, np.pi)
    for step in range(18):
        stage.process('front', frame(FLOOR_ONLY, 10.5 + 0.1 * step, away))
    occupancy = stage.occupancy(12.2)
    assert not (values_around(occupancy, 1.85, 0.4, 0.2) == 100).any()
    assert (values_around(occupancy, 1.9, -0.5, 0.2) == 100).any()
    still = SETTINGS.fusion.static_decay_time
    assert (values_around(stage.occupancy(10.4 + still - 0.1), 1.9, -0.5, 0.2) == 100).any()
    assert not (values_around(stage.occupancy(10.4 + still + 0.1), 1.9, -0.5, 0.2) == 100).any()


def test_several_cameras_fill_one_grid():
    stage = pipeline()
    stage.process('front', frame(FLOOR_ONLY, 10.0))
    stage.process('rear', frame(FLOOR_ONLY, 9.9, mount=mount_pose(0.8, 0.35, yaw=np.pi)))
    occupancy = stage.occupancy(10.1)
    assert value_at(occupancy, 2.0, 0.0) == 0 and value_at(occupancy, -2.0, 0.0) == 0
    assert value_at(occupancy, 0.0, 2.0) == -1


def test_without_odometry_the_grid_holds_the_newest_frame_of_each_camera_alone():
    near, far = (Scene(FLOOR, (), (Box(x, 0.0, 0.3, 0.6, WALL),), SKY).render(
        PINHOLE, MOUNT).labels for x in (1.6, 2.6))
    behind = mount_pose(0.8, 0.35, yaw=np.pi)
    stage = pipeline()
    for stamp, name, mask, mount in ((10.0, 'front', near, MOUNT), (10.1, 'rear', near, behind),
                                     (10.2, 'front', far, MOUNT), (10.15, 'rear', near, behind)):
        stage.process(name, frame(mask, stamp, mount=mount), keep=False)
    occupancy = stage.occupancy(10.3)
    assert (values_around(occupancy, 2.45, 0.0, 0.2) == 100).any()
    assert not (values_around(occupancy, 1.45, 0.0, 0.2) == 100).any()
    assert (values_around(occupancy, -1.45, 0.0, 0.2) == 100).any()
    stage.clear()
    stage.process('front', frame(far, 10.4), keep=False)
    assert not (values_around(stage.occupancy(10.4), -1.45, 0.0, 0.2) == 100).any()


def test_leaving_the_overhead_mode_restores_the_grid_that_was_asked_for():
    overhead = SETTINGS._replace(projection=SETTINGS.projection._replace(mode=NADIR))
    stage = pipeline(overhead)
    high = mount_pose(30.0, np.pi / 2)
    stage.process('front', frame(FLOOR_ONLY, 10.0, mount=high))
    assert stage.occupancy(10.0).geometry.resolution > SETTINGS.grid.resolution
    stage.apply(SETTINGS)
    geometry = stage.occupancy(10.1).geometry
    assert (geometry.resolution, geometry.width) == (SETTINGS.grid.resolution, 200)


def test_without_new_frames_everything_becomes_unknown_in_time():
    stage = pipeline()
    stage.process('front', frame(FLOOR_ONLY, 10.0))
    ages = []
    for now in np.arange(10.0, 45.0, 2.5):
        occupancy = stage.occupancy(now)
        ages.append(stage.oldest_age(now))
        assert (occupancy.values == -1).all() == (now > 10.0 + SETTINGS.fusion.forget_time)
    assert max(ages) <= SETTINGS.fusion.forget_time


def test_a_jump_back_in_time_clears_the_grid():
    wall = Scene(FLOOR, (), (Box(2.0, 0.0, 0.2, 1.0, WALL),), SKY).render(PINHOLE, MOUNT).labels
    stage = pipeline()
    stage.process('front', frame(wall, 500.0))
    result = stage.process('front', frame(FLOOR_ONLY, 3.0))
    assert result.cleared
    assert not (stage.occupancy(3.0).values == 100).any()
    assert value_at(stage.occupancy(3.0), 1.5, 0.0) == 0
    stage.process('front', frame(wall, 3.1))
    stage.process('front', frame(wall, 3.2))
    assert (stage.occupancy(3.2).values == 100).any()


def test_a_clock_that_goes_back_clears_the_grid_without_a_frame():
    stage = pipeline()
    stage.process('front', frame(FLOOR_ONLY, 500.0))
    assert (stage.occupancy(500.0).values != -1).any()
    assert (stage.occupancy(2.0).values == -1).all()
    assert stage.oldest_age(2.0) == 0.0


def test_clear_and_live_changes():
    stage = pipeline()
    stage.process('front', frame(FLOOR_ONLY, 10.0))
    # A profile change counts from the next frames on; what is known stays.
    stage.costs = CostTable('other', CLASSES, [90, 20, 100, 100, -1])
    assert value_at(stage.occupancy(10.0), 2.0, 0.0) == 0
    for step in range(20):
        stage.process('front', frame(FLOOR_ONLY, 10.1 + 0.1 * step))
    assert value_at(stage.occupancy(12.0), 2.0, 0.0) >= 88
    stage.apply(SETTINGS._replace(fusion=FusionSettings(forget_time=25.0)))
    assert value_at(stage.occupancy(12.0), 2.0, 0.0) >= 88
    with pytest.raises(ConfigurationError):
        stage.apply(SETTINGS._replace(fusion=FusionSettings(forget_time=-1.0)))
    stage.apply(SETTINGS._replace(grid=GridSettings(size=6.0)))
    assert stage.occupancy(12.0).values.shape == (120, 120)
    stage.process('front', frame(FLOOR_ONLY, 12.1))
    stage.clear()
    assert (stage.occupancy(12.1).values == -1).all()


def test_the_grid_follows_the_robot_and_keeps_what_it_saw():
    stage = pipeline()
    wall = Scene(FLOOR, (), (Box(4.0, 0.0, 0.2, 2.0, WALL),), SKY)
    stamp = 10.0
    origins = set()
    for step in range(16):
        pose = planar_pose(0.2 * step, 0.0, 0.0)
        stage.process('front', frame(wall.render(PINHOLE, pose.dot(MOUNT)).labels, stamp, pose))
        occupancy = stage.occupancy(stamp)
        origins.add(occupancy.geometry.origin_x)
        if step > 3:
            assert (values_around(occupancy, 3.9, 0.0, 0.1) == 100).any()
        stamp += 0.1
    assert len(origins) == 4 and all(abs(origin - round(origin)) < 1e-9 for origin in origins)


def test_a_tilted_ground_frame_is_seen_along_odoms_vertical():
    # A ramp of 10 degrees: distances on it are shortened by its cosine in the grid.
    ramp = np.eye(4)
    ramp[:3, :3] = mount_pose(1.0, -np.radians(10.0))[:3, :3].dot(
        np.linalg.inv(mount_pose(1.0, 0.0)[:3, :3]))
    scene = Scene(FLOOR, (), (Box(3.0, 0.0, 0.2, 4.0, WALL),), SKY)
    stage = pipeline()
    for step in range(3):
        stage.process('front', frame(scene.render(PINHOLE, MOUNT).labels, 10.0 + step, ramp))
    occupancy = stage.occupancy(12.0)
    assert (values_around(occupancy, 2.9 * np.cos(np.radians(10.0)), 0.0, 0.04) == 100).any()


def test_the_robots_own_body_is_unknown():
    mask = FLOOR_ONLY.copy()
    mask[180:] = WALL
    body = np.where(mask == WALL, np.uint8(255), np.uint8(0))
    stage = pipeline()
    stage.set_ego_mask('front', body)
    result = stage.process('front', frame(mask, 10.0))
    assert not len(result.obstacle_points)
    assert not (stage.occupancy(10.0).values == 100).any()
    assert value_at(stage.occupancy(10.0), 2.0, 0.0) == 0


def test_depth_takes_the_place_of_flat_ground():
    scene = Scene(FLOOR, (), (Box(2.0, 0.0, 0.6, 0.6, WALL, height=0.05, bottom=0.5),), SKY)
    view = scene.render(PINHOLE, MOUNT)
    stage = pipeline()
    stage.process('front', frame(view.labels, 10.0, depth=view.depth.astype(np.float32)))
    occupancy = stage.occupancy(10.0)
    marked = np.argwhere(occupancy.values == 100)
    xs, ys = occupancy.geometry.centers()
    assert len(marked) > 30
    assert np.abs(xs[marked[:, 1]] - 2.0).max() < 0.37
    assert np.abs(ys[marked[:, 0]]).max() < 0.37


def test_the_category_bundle_shows_ground_and_feet_alone():
    scene = Scene(FLOOR, (), (Box(2.0, 0.0, 0.2, 0.8, WALL, height=1.0),), SKY)
    lookup = np.full(256, UNLABELED, np.uint8)
    lookup[[FLOOR, RUG, WALL, PERSON]] = 0, 0, 2, 3
    settings = SETTINGS._replace(category_width=160)
    stage = pipeline(settings)
    shot = frame(scene.render(PINHOLE, MOUNT).labels, 10.0,
                 confidence=np.full((240, 320), 200, np.uint8))
    bundle = stage.semantic_layer('front', shot, lookup)
    assert bundle.mask.shape == bundle.confidence.shape == (120, 160)
    assert bundle.points.shape == (120, 160, 3) and bundle.points.dtype == np.float32
    assert set(np.unique(bundle.mask)) == {0, 2, UNLABELED}
    assert (bundle.confidence == 200).all()
    # In the robot's frame every point lies on the ground.
    shown = np.isfinite(bundle.points[..., 2])
    points = bundle.points[shown].astype(np.float64)
    ground = points.dot(MOUNT[:3, :3].T) + MOUNT[:3, 3]
    np.testing.assert_allclose(ground[:, 2], 0.0, atol=1e-4)
    feet = ground[bundle.mask[shown] == 2]
    assert len(feet) > 20 and np.abs(feet[:, 0] - 1.9).max() < 0.15
    floor = ground[bundle.mask[shown] == 0]
    assert np.mean(scene.ground_labels(floor[:, 0], floor[:, 1]) == FLOOR) == 1.0
    behind = (floor[:, 0] > 2.2) & (np.abs(floor[:, 1]) < 0.3)
    assert not behind.any()
    assert not shown[bundle.mask == UNLABELED].any()


def test_with_a_depth_image_the_bundle_has_the_measured_places():
    # A board that hangs half a metre up: flat ground would put its lower edge at 4 m.
    scene = Scene(FLOOR, (), (Box(2.0, 0.0, 0.2, 0.8, WALL, height=1.0, bottom=0.5),), SKY)
    view = scene.render(PINHOLE, MOUNT)
    depth = view.depth.astype(np.float32)
    depth[~np.isfinite(depth)] = 0.0
    lookup = np.full(256, UNLABELED, np.uint8)
    lookup[[FLOOR, WALL]] = 0, 2
    stage = pipeline(SETTINGS._replace(category_width=320))
    bundle = stage.semantic_layer('front', frame(view.labels, 10.0, depth=depth), lookup)
    shown = np.isfinite(bundle.points[..., 2])
    np.testing.assert_allclose(bundle.points[shown][:, 2], depth[shown], rtol=1e-6)
    rows, columns = np.nonzero(shown)
    np.testing.assert_allclose(bundle.points[shown][:, 0], (columns - PINHOLE.cx) / PINHOLE.f
                               * depth[shown], atol=1e-4)
    ground = bundle.points[shown].astype(np.float64).dot(MOUNT[:3, :3].T) + MOUNT[:3, 3]
    board = ground[bundle.mask[shown] == 2]
    assert len(board) > 1000 and board[:, 2].min() > 0.49
    assert board[:, 0].min() > 1.89 and board[:, 0].max() < 2.11
    assert not shown[(depth == 0.0) | (bundle.mask == UNLABELED)].any()
    farthest = np.hypot(ground[:, 0], ground[:, 1]).max()
    assert 4.5 < farthest <= SETTINGS.projection.max_range


def test_the_bundle_is_never_larger_than_the_mask():
    stage = pipeline(SETTINGS._replace(category_width=1000))
    bundle = stage.semantic_layer('front', frame(FLOOR_ONLY, 10.0), np.zeros(256, np.uint8))
    assert bundle.mask.shape == (240, 320)
    assert (bundle.confidence == 255).all()


@pytest.mark.parametrize('change, error, words', [
    ({'mask': np.zeros((120, 160), np.uint8)}, InvalidInputError, "Mask of camera 'front'"),
    ({'mask': np.zeros((240, 320), np.int32)}, InvalidInputError, 'int32.*uint8'),
    ({'confidence': np.zeros((240, 321), np.uint8)}, InvalidInputError, 'Confidence of camera'),
    ({'stamp': 0.0}, InvalidInputError, 'no time stamp'),
    ({'pose': CameraPose(np.eye(4), mount_pose(-0.1, 0.3))}, TransformError, 'not above'),
    ({'pose': CameraPose(np.eye(4), mount_pose(0.8, -0.7))}, TransformError, 'sees no ground'),
    # Half the view is 0.45 rad high: the ground begins at 4 m / tan(0.55), and at 21 heights.
    ({'pose': CameraPose(np.eye(4), mount_pose(4.0, 0.1))}, TransformError,
     r'nearest ground in view 6\.\d m.*Raise projection.max_range well above 6\.\d m'),
    ({'pose': CameraPose(np.eye(4), mount_pose(0.8, -0.4))}, TransformError,
     'nearest ground in view 1[5-9].*Check the pitch of the mount'),
    ({'pose': CameraPose(np.eye(4), mount_pose(0.8, -1.2))}, TransformError, 'looks up'),
    ({'depth': np.zeros((2, 2), np.float32)}, InvalidInputError, 'Depth image and mask differ')])
def test_bad_frames_are_refused_by_name_and_leave_the_grid_alone(change, error, words):
    stage = pipeline()
    stage.process('front', frame(FLOOR_ONLY, 10.0))
    before = stage.occupancy(10.1).values
    with pytest.raises(error, match=words):
        stage.process('front', frame(FLOOR_ONLY, 10.1)._replace(**change))
    np.testing.assert_array_equal(stage.occupancy(10.1).values, before)


def test_images_that_the_clock_does_not_believe_are_refused():
    stage = pipeline()
    with pytest.raises(InvalidInputError, match='ahead of the clock'):
        stage.process('front', frame(FLOOR_ONLY, 20.0), now=10.0)
    with pytest.raises(InvalidInputError, match='behind.*use_sim_time'):
        stage.process('front', frame(FLOOR_ONLY, 20.0), now=1000.0)
    stage.process('front', frame(FLOOR_ONLY, 20.0), now=20.1)
    assert (stage.occupancy(20.2).values != -1).any()
