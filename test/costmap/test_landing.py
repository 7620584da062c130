# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Landing sites: on small grids by hand, and over rendered land with houses, trees and water."""

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry.transforms import BODY_FROM_OPTICAL
from segformer_ros.costmap.geometry.transforms import pose_above_ground
from segformer_ros.costmap.geometry.transforms import turn
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.landing import find_landing_site
from segformer_ros.costmap.landing import grid_for_height
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.settings import FusionSettings
from segformer_ros.costmap.settings import GridSettings
from segformer_ros.costmap.settings import LandingSettings
from segformer_ros.costmap.settings import NADIR
from segformer_ros.costmap.settings import ProjectionSettings
from segformer_ros.model.classes import load_class_table
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import Patch
from support.plane_scene import PINHOLE
from support.plane_scene import Scene

ADE20K = load_class_table('ade20k')
COSTS = load_cost_table('landing', ADE20K)
LANDING = LandingSettings(min_radius=0.6, clearance=0.2)
SETTINGS = CostmapSettings(projection=ProjectionSettings(mode=NADIR, max_range=60.0),
                           landing=LANDING)
CAMERA = camera_model(PINHOLE)
GEOMETRY = GridGeometry(-2.0, -1.0, 0.1, 60, 40)
OPEN = LandingSettings(min_radius=0.3, clearance=0.0, max_cost=20)


def drone_pose(x, y, height, yaw=0.0, roll=0.0, pitch=0.0):
    """Return the pose of a camera below a drone, its image's top to the front."""
    odom_from_camera = np.eye(4)
    odom_from_camera[:3, :3] = turn(roll, pitch, yaw).dot(
        turn(0.0, np.pi / 2, 0.0)).dot(BODY_FROM_OPTICAL[:3, :3])
    odom_from_camera[:3, 3] = x, y, height
    return odom_from_camera


def test_the_largest_disc_stands_where_a_slow_search_finds_it():
    random = np.random.RandomState(5)
    for _ in range(5):
        occupancy = np.where(random.rand(40, 60) < 0.03, 100, 0).astype(np.int8)
        occupancy[random.rand(40, 60) < 0.01] = -1
        site = find_landing_site(occupancy, GEOMETRY, OPEN, (0.0, 0.0))
        blocked = np.argwhere(np.pad(occupancy, 1, 'constant', constant_values=-1) != 0) - 1
        rows, columns = np.mgrid[:40, :60]
        # From a cell's centre to the nearest point of each blocked cell's square.
        over = [np.maximum(np.abs(cells[..., None] - blocked[:, axis]) - 0.5, 0.0)
                for axis, cells in ((0, rows), (1, columns))]
        nearest = np.hypot(*over).min(axis=2) * 0.1
        cell, _ = GEOMETRY.indices(np.array([site.x]), np.array([site.y]))
        # Never larger than truly free, and at most one and a half cells short of the best.
        assert site.radius <= nearest.reshape(-1)[cell[0]] + 1e-4
        assert site.radius >= nearest.max() - 0.15


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10 ** 6), st.floats(0.0, 0.2), st.integers(0, 98))
def test_every_disc_holds_only_known_cells_of_low_cost(seed, share, max_cost):
    random = np.random.RandomState(seed)
    occupancy = random.randint(0, 99, (40, 60)).astype(np.int8)
    occupancy[random.rand(40, 60) > share] = 0
    occupancy[random.rand(40, 60) < 0.01] = random.choice([-1, 100])
    site = find_landing_site(occupancy, GEOMETRY, OPEN._replace(max_cost=max_cost), (0.0, 0.0))
    if site is None:
        return
    xs, ys = np.meshgrid(*GEOMETRY.centers())
    inside = np.hypot(xs - site.x, ys - site.y) <= site.radius
    assert inside.any()
    assert (occupancy[inside] >= 0).all() and (occupancy[inside] <= max_cost).all()
    assert site.cost == pytest.approx(occupancy[inside].mean())
    assert site.radius >= OPEN.min_radius
    # The grid's edge is unknown land.
    assert (np.array([site.x + 2.0, 4.0 - site.x, site.y + 1.0, 3.0 - site.y])
            >= site.radius).all()


def test_no_site_is_no_answer():
    for value in (-1, 21, 98, 100):
        assert find_landing_site(np.full((40, 60), value, np.int8), GEOMETRY, OPEN,
                                 (0.0, 0.0)) is None
    small = np.full((40, 60), -1, np.int8)
    small[10:14, 10:14] = 0
    assert find_landing_site(small, GEOMETRY, OPEN, (0.0, 0.0)) is None


def test_of_equal_sites_the_nearer_one_is_taken():
    occupancy = np.full((40, 60), 100, np.int8)
    occupancy[12:28, 4:20] = 0
    occupancy[12:28, 40:56] = 0
    left = find_landing_site(occupancy, GEOMETRY, OPEN, (-2.0, 1.0))
    right = find_landing_site(occupancy, GEOMETRY, OPEN, (4.0, 1.0))
    assert left.x < 0.0 and right.x > 2.0
    assert left.radius == pytest.approx(right.radius, abs=0.11)


def test_the_grid_grows_with_the_height_and_does_not_flutter():
    base = GridSettings()
    current = base
    sizes = []
    for height in [1, 3, 4.1, 3.9, 4.1, 8, 20, 30, 20, 16, 12, 3, 1]:
        current = grid_for_height(base, float(height), current)
        assert current.size >= 2.5 * height or height < 4.0
        assert current.size / current.resolution == pytest.approx(base.size / base.resolution)
        sizes.append(current.size)
    assert sizes == [10, 10, 20, 20, 20, 20, 80, 80, 80, 80, 40, 10, 10]


@pytest.mark.parametrize('height', [60.0, 70.0, 130.0, 1000.0])
def test_very_high_up_the_grid_keeps_the_largest_size_that_its_settings_allow(height):
    base = GridSettings()
    fitting = grid_for_height(base, height, base)
    CostGrid(fitting, FusionSettings())  # raises where a setting is out of bounds
    assert fitting.size == 160.0 and fitting.resolution == pytest.approx(0.8)
    assert grid_for_height(base, height, fitting) == fitting


def test_a_drone_high_above_its_largest_grid_is_served_and_comes_down_to_a_fine_one():
    stage = CostmapPipeline(SETTINGS, COSTS)
    grass = np.full((PINHOLE.height, PINHOLE.width), ADE20K.id_of('grass'), np.uint8)
    for stamp, height, side in ((10.0, 130.0, 160.0), (11.0, 131.0, 160.0), (12.0, 3.0, 10.0)):
        pose = pose_above_ground(drone_pose(0.0, 0.0, height), height)
        stage.process('down', CameraView(grass, None, CAMERA, pose, stamp))
        occupancy = stage.occupancy(stamp)
        assert occupancy.geometry.resolution * occupancy.geometry.width == pytest.approx(side)
        assert (occupancy.values == 0).any()


def test_the_site_lies_on_the_ground_and_is_told_only_while_somebody_looks():
    stage = CostmapPipeline(SETTINGS, COSTS)
    grass = np.full((PINHOLE.height, PINHOLE.width), ADE20K.id_of('grass'), np.uint8)
    # The odometry's zero lies 5 m below the ground: it says 13 m where there are 8.
    pose = pose_above_ground(drone_pose(0.0, 0.0, 13.0), 8.0)
    stage.process('down', CameraView(grass, None, CAMERA, pose, 10.0))
    assert stage.landing_site(10.0).z == pytest.approx(5.0)
    age = SETTINGS.landing.max_age
    assert stage.landing_site(10.0 + age - 0.01) is not None
    assert stage.landing_site(10.0 + age + 0.01) is None
    assert (stage.occupancy(10.0 + age + 0.01).values == 0).any()


def test_a_drone_above_grass_lands_below_itself_and_keeps_off_water():
    scene = Scene(ADE20K.id_of('grass'), (Patch(0.5, -20, 20, 20, ADE20K.id_of('water')),), (),
                  ADE20K.id_of('sky'))
    stage = CostmapPipeline(SETTINGS, COSTS)
    odom_from_camera = drone_pose(0.0, 0.0, 8.0)
    view = scene.render(PINHOLE, odom_from_camera)
    stage.process('down', CameraView(view.labels, None, CAMERA,
                                     pose_above_ground(odom_from_camera, 8.0), 10.0))
    site = stage.landing_site(10.0)
    assert site.x + site.radius <= 0.5
    assert site.radius > 1.2 and site.cost == 0


def test_a_disc_does_not_reach_under_a_crown():
    # The crown's near edge hangs 2 m up at x = 2; seen from 8 m it seems to begin at 2.67.
    crown = Box(3.5, 0.0, 3.0, 30.0, ADE20K.id_of('tree'), height=4.0, bottom=2.0)
    scene = Scene(ADE20K.id_of('grass'), (), (crown,), ADE20K.id_of('sky'))
    stage = CostmapPipeline(SETTINGS, COSTS)
    odom_from_camera = drone_pose(0.0, 0.0, 8.0)
    view = scene.render(PINHOLE, odom_from_camera)
    stage.process('down', CameraView(view.labels, None, CAMERA,
                                     pose_above_ground(odom_from_camera, 8.0), 10.0))
    site = stage.landing_site(10.0)
    assert site is not None and site.x + site.radius <= 2.0


def countryside(random):
    names = ['water', 'road', 'field', 'sidewalk', 'earth', 'river', 'dirt track']
    patches = []
    for name in [names[random.randint(len(names))] for _ in range(8)]:
        x, y = random.uniform(-25, 20, 2)
        patches.append(Patch(x, y, x + random.uniform(2, 12), y + random.uniform(2, 12),
                             ADE20K.id_of(name)))
    boxes = []
    for _ in range(random.randint(5, 45)):
        x, y = random.uniform(-20, 20, 2)
        kind = random.randint(4)
        if kind == 0:
            boxes.append(Box(x, y, random.uniform(3, 8), random.uniform(3, 8),
                             ADE20K.id_of('house'), random.uniform(0, 3), random.uniform(1, 2.5)))
        elif kind == 1:
            boxes.append(Box(x, y, 4.2, 1.8, ADE20K.id_of('car'), random.uniform(0, 3), 1.5))
        elif kind == 2:
            boxes.append(Box(x, y, 0.3, 0.3, ADE20K.id_of('tree'), height=1.0))
            boxes.append(Box(x, y, 2.5, 2.5, ADE20K.id_of('tree'), random.uniform(0, 3), 1.0,
                             bottom=1.0))
        else:
            boxes.append(Box(x, y, 0.5, 0.5, ADE20K.id_of('person'), height=1.7))
    return Scene(ADE20K.id_of('grass'), tuple(patches), tuple(boxes), ADE20K.id_of('sky'))


def truly_free(scene, x, y):
    """Return whether nothing stands on or hangs over points of cheap ground."""
    labels = scene.ground_labels(x, y)
    free = (COSTS.kinds[labels] == 1) & (COSTS.costs[labels] <= LANDING.max_cost)
    for box in scene.boxes:
        c, s = np.cos(box.yaw), np.sin(box.yaw)
        along = c * (x - box.x) + s * (y - box.y)
        across = -s * (x - box.x) + c * (y - box.y)
        free &= (np.abs(along) > 0.5 * box.length) | (np.abs(across) > 0.5 * box.width)
    return free


def largest_true_radius(scene, view, odom_from_camera):
    """Return the radius of the largest free disc within the picture's ground."""
    side = np.arange(-30.0, 30.0, 0.1)
    x, y = np.meshgrid(odom_from_camera[0, 3] + side, odom_from_camera[1, 3] + side)
    points = np.stack([x - odom_from_camera[0, 3], y - odom_from_camera[1, 3],
                       np.full(x.shape, -odom_from_camera[2, 3])], axis=-1)
    local = points.dot(odom_from_camera[:3, :3])
    with np.errstate(divide='ignore', invalid='ignore'):
        u = np.rint(PINHOLE.f * local[..., 0] / local[..., 2] + PINHOLE.cx)
        v = np.rint(PINHOLE.f * local[..., 1] / local[..., 2] + PINHOLE.cy)
    inside = ((local[..., 2] > 0) & (u >= 0) & (u < PINHOLE.width) & (v >= 0)
              & (v < PINHOLE.height))
    depth = np.where(inside, view.depth[np.where(inside, v, 0).astype(int),
                                        np.where(inside, u, 0).astype(int)], 0.0)
    seen = inside & (depth > 0.97 * local[..., 2])
    good = (seen & truly_free(scene, x, y)).astype(np.uint8)
    return float(cv2.distanceTransform(good, cv2.DIST_L2, 5).max()) * 0.1


def survey(count, seed):
    """Return how many sites were reported, wholly free, possible, and found where possible."""
    random = np.random.RandomState(seed)
    reported = free = possible = found = 0
    for _ in range(count):
        scene = countryside(random)
        height = random.uniform(5.0, 25.0)
        odom_from_camera = drone_pose(random.uniform(-5, 5), random.uniform(-5, 5), height,
                                      random.uniform(-3, 3), random.uniform(-0.2, 0.2),
                                      random.uniform(-0.2, 0.2))
        view = scene.render(PINHOLE, odom_from_camera)
        stage = CostmapPipeline(SETTINGS, COSTS)
        stage.process('down', CameraView(view.labels, None, CAMERA,
                                         pose_above_ground(odom_from_camera, height), 10.0))
        site = stage.landing_site(10.0)
        exists = largest_true_radius(scene, view, odom_from_camera) >= LANDING.min_radius
        possible += exists
        found += exists and site is not None
        if site is not None:
            reported += 1
            side = np.linspace(-site.radius, site.radius, 80)
            dx, dy = (part.reshape(-1) for part in np.meshgrid(side, side))
            disc = np.hypot(dx, dy) <= site.radius
            free += truly_free(scene, site.x + dx[disc], site.y + dy[disc]).all()
    return reported, free, possible, found


def check(reported, free, possible, found):
    assert free >= 0.99 * reported
    assert found >= 0.9 * possible


@pytest.mark.once
def test_sites_over_the_countryside_are_free_and_found():
    reported, free, possible, found = survey(20, 0)
    assert possible > 12
    check(reported, free, possible, found)


@pytest.mark.slow
def test_sites_over_much_countryside_are_free_and_found():
    check(*survey(600, 1))


def test_a_site_that_was_told_keeps_its_middle_until_it_is_too_small_or_another_much_larger():
    occupancy = np.full((40, 60), 100, np.int8)
    occupancy[10:30, 5:25] = 0
    occupancy[8:32, 33:57] = 0
    settings = OPEN._replace(min_radius=0.6)
    first = find_landing_site(occupancy[:, :30], GEOMETRY._replace(width=30), settings, (0., 0.))
    assert first.x < 0.6 and find_landing_site(occupancy, GEOMETRY, settings, (0., 0.)).x > 1.0
    held = find_landing_site(occupancy, GEOMETRY, settings, (4.0, 1.0), None, first)
    assert (held.x, held.y) == (first.x, first.y)
    assert held.radius == pytest.approx(first.radius, abs=1e-6)
    # Something stands at its side: smaller, in the same place, while it is large enough.
    occupancy[21:24, 5:9] = 100
    smaller = find_landing_site(occupancy, GEOMETRY, settings, (4.0, 1.0), None, first)
    assert (smaller.x, smaller.y) == (first.x, first.y)
    assert 0.6 <= smaller.radius < first.radius - 0.03
    occupancy[15:24, 9:12] = 100
    assert find_landing_site(occupancy, GEOMETRY, settings, (0., 0.), None, first).x > 1.0
    # A much larger one takes over.
    occupancy[:, :] = 0
    occupancy[:, 25:28] = 100
    occupancy[9:31, 4] = occupancy[9:31, 24] = occupancy[9, 4:25] = occupancy[30, 4:25] = 100
    taken = find_landing_site(occupancy, GEOMETRY, settings, (0., 0.), None,
                              first._replace(radius=9.0))
    assert taken.x > 0.8 and taken.radius > 1.5 * 0.9
    # Not while the drone is above the one that was told.
    above = find_landing_site(occupancy, GEOMETRY, settings, (first.x, first.y), None, first)
    assert (above.x, above.y) == (first.x, first.y) and above.radius < taken.radius / 1.5


def test_a_site_that_was_told_off_the_middle_of_a_cell_or_out_of_the_grid_is_no_trap():
    occupancy = np.zeros((40, 60), np.int8)
    best = find_landing_site(occupancy, GEOMETRY, OPEN, (0.0, 0.0))
    for held in (best._replace(x=best.x + 0.049, y=best.y - 0.03), best._replace(x=50.0)):
        site = find_landing_site(occupancy, GEOMETRY, OPEN, (0.0, 0.0), None, held)
        assert min(site.x + 2.0, 4.0 - site.x, site.y + 1.0, 3.0 - site.y) >= site.radius - 1e-6
        assert site.x == (held.x if held.x < 4.0 else best.x)


def test_a_disc_keeps_farther_away_from_who_moves_than_from_a_stone():
    occupancy = np.zeros((40, 60), np.int8)
    # A person at x = 3.05, y = 1.05.
    occupancy[20, 50] = 100
    moving = occupancy == 100
    for clearance in (0.0, 1.0, 1.5):
        settings = OPEN._replace(clearance=0.2, moving_clearance=clearance)
        site = find_landing_site(occupancy, GEOMETRY, settings, (0.0, 0.0), moving)
        away = np.hypot(site.x - 3.05, site.y - 1.05)
        assert away - site.radius >= max(0.2, clearance) - 0.05 * np.sqrt(2.0)
    # The grid's edge is unknown, and nothing moves there.
    assert find_landing_site(np.zeros((40, 60), np.int8), GEOMETRY,
                             OPEN._replace(moving_clearance=5.0), (0.0, 0.0),
                             np.zeros((40, 60), bool)) is not None


def test_people_that_are_seen_keep_the_site_away_until_they_are_forgotten():
    settings = SETTINGS._replace(landing=LANDING._replace(moving_clearance=2.5))
    scene = Scene(ADE20K.id_of('grass'), (), (Box(0.0, 0.0, 0.4, 0.4, ADE20K.id_of('person'),
                                                  height=0.1),), ADE20K.id_of('sky'))
    stage = CostmapPipeline(settings, COSTS)
    pose = drone_pose(0.0, 0.0, 8.0)
    view = scene.render(PINHOLE, pose)
    stage.process('down', CameraView(view.labels, None, CAMERA, pose_above_ground(pose, 8.0),
                                     10.0))
    site = stage.landing_site(10.0)
    assert site is not None and np.hypot(site.x, site.y) - site.radius > 2.5 - 0.3
    empty = scene._replace(boxes=()).render(PINHOLE, pose)
    for stamp in (10.5, 11.0, 12.0):
        stage.process('down', CameraView(empty.labels, None, CAMERA,
                                         pose_above_ground(pose, 8.0), stamp))
    stage.landing_site(12.0)
    assert stage.landing_site(12.0).radius > site.radius


GRASS = np.full((PINHOLE.height, PINHOLE.width), ADE20K.id_of('grass'), np.uint8)


def looked(stage, labels, stamp, height=8.0, x=0.0):
    stage.process('down', CameraView(labels, None, CAMERA,
                                     pose_above_ground(drone_pose(x, 0.0, height), height),
                                     stamp))


def test_a_site_is_gone_soon_when_images_come_and_show_nothing_that_is_known():
    stage = CostmapPipeline(SETTINGS, COSTS)
    blind = np.full_like(GRASS, 255)
    looked(stage, GRASS, 10.0)
    for step in range(1, 5):
        looked(stage, blind, 10.0 + 0.5 * step)
        assert stage.landing_site(10.0 + 0.5 * step) is not None
    for step in range(5, 10):
        looked(stage, blind, 10.0 + 0.5 * step)
    # From the first such image on: 10.5 s.
    age = SETTINGS.landing.max_age
    assert stage.landing_site(10.5 + age + 0.01) is None
    looked(stage, GRASS, 15.0)
    assert stage.landing_site(15.0) is not None


def test_now_and_then_an_image_without_labels_takes_no_site_away():
    stage = CostmapPipeline(SETTINGS, COSTS)
    for step in range(20):
        looked(stage, GRASS if step % 3 else np.full_like(GRASS, 255), 10.0 + 0.5 * step)
        if step:
            assert stage.landing_site(10.0 + 0.5 * step) is not None


def test_ground_that_left_the_view_is_remembered_though_other_ground_is_doubtful():
    stage = CostmapPipeline(SETTINGS, COSTS)
    looked(stage, GRASS, 10.0)
    # 6 m on, half of the old view is out of view.
    for step in range(12):
        looked(stage, np.full_like(GRASS, 255), 11.0 + 0.5 * step, x=6.0)
    occupancy = stage.occupancy(16.5)
    xs, ys = np.meshgrid(*occupancy.geometry.centers())
    known = occupancy.values == 0
    assert known[(np.abs(xs + 1.0) < 1.0) & (np.abs(ys) < 2.0)].all()
    assert not known[(np.abs(xs - 3.0) < 0.8) & (np.abs(ys) < 2.0)].any()


def test_what_the_drone_itself_hides_is_not_doubted():
    stage = CostmapPipeline(SETTINGS, COSTS)
    looked(stage, GRASS, 10.0)
    legs = np.zeros_like(GRASS)
    legs[100:140, 140:180] = 255
    stage.set_ego_mask('down', legs)
    for step in range(1, 20):
        looked(stage, GRASS, 10.0 + 0.5 * step)
    occupancy = stage.occupancy(19.5)
    cell, _ = occupancy.geometry.indices(np.array([0.0]), np.array([0.0]))
    assert occupancy.values.reshape(-1)[cell[0]] == 0


def test_a_drone_that_comes_down_keeps_what_it_saw_in_its_finer_grid():
    scene = Scene(ADE20K.id_of('grass'), (Patch(1.0, -3.0, 3.0, 2.0, ADE20K.id_of('path')),),
                  (Box(-2.0, 1.0, 1.0, 1.0, ADE20K.id_of('rock'), height=0.05),),
                  ADE20K.id_of('sky'))
    stage = CostmapPipeline(SETTINGS, COSTS)
    pose = drone_pose(0.0, 0.0, 6.0)
    looked(stage, scene.render(PINHOLE, pose).labels, 10.0, 6.0)
    before = stage.occupancy(10.0)
    assert before.geometry.resolution == pytest.approx(0.1)
    # Too low for the finer grid to see more than a spot.
    spot = np.full_like(GRASS, 255)
    looked(stage, spot, 10.5, 1.0)
    after = stage.occupancy(10.5)
    assert after.geometry.resolution == pytest.approx(0.05)
    xs, ys = np.meshgrid(*after.geometry.centers())
    cells, inside = before.geometry.indices(xs, ys)
    expected = np.where(inside, before.values.reshape(-1)[cells], -1)
    assert {0, 10, 100, -1} <= set(np.unique(expected))
    np.testing.assert_array_equal(after.values, expected)


def test_what_is_seen_from_too_low_is_not_used_and_the_site_stays_for_its_age_alone():
    settings = SETTINGS._replace(projection=SETTINGS.projection._replace(min_height=1.0))
    stage = CostmapPipeline(settings, COSTS)
    looked(stage, GRASS, 10.0, 1.2)
    told = stage.landing_site(10.0)
    assert told is None
    looked(stage, GRASS, 10.5, 4.0)
    told = stage.landing_site(10.5)
    car = np.full_like(GRASS, ADE20K.id_of('car'))
    for step in range(5):
        result = stage.process('down', CameraView(car, None, CAMERA, pose_above_ground(
            drone_pose(0.0, 0.0, 0.9), 0.9), 11.0 + 0.5 * step))
        assert not len(result.obstacle_points) and not len(result.ground_points)
        site = stage.landing_site(11.0 + 0.5 * step)
        assert (site.x, site.y) == pytest.approx((told.x, told.y))
    looked(stage, car, 13.4, 0.9)
    assert stage.landing_site(10.5 + settings.landing.max_age + 0.01) is None
    # A little higher the car is believed.
    looked(stage, GRASS, 14.0, 4.0)
    looked(stage, car, 14.1, 1.1)
    site = stage.landing_site(14.1)
    assert site is None or np.hypot(site.x, site.y) > 0.4
