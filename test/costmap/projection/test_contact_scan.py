# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where obstacles meet the ground, compared with a rendered plane with boxes."""

from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.cost_table import GROUND
from segformer_ros.costmap.cost_table import NOTHING
from segformer_ros.costmap.cost_table import OBSTACLE
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.projection.contact_scan import scan
from segformer_ros.costmap.projection.labelled_view import prepared_labels
from segformer_ros.costmap.projection.scan_table import azimuth
from segformer_ros.costmap.projection.scan_table import build_scan_table
from segformer_ros.costmap.projection.scan_table import direction_of
from segformer_ros.costmap.projection.scan_table import view_rays
from segformer_ros.costmap.settings import ProjectionSettings
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import PINHOLE
from support.plane_scene import Pinhole
from support.plane_scene import Scene

FLOOR, WALL, LAMP, UNSEEN = 0, 1, 2, 255
KINDS = np.full(256, NOTHING, np.uint8)
KINDS[FLOOR], KINDS[WALL] = GROUND, OBSTACLE
SETTINGS = ProjectionSettings()
CAMERA = camera_model(PINHOLE)


def table_of(mount, limits=SETTINGS, ego_mask=None, camera=CAMERA):
    return build_scan_table(camera, view_rays(camera), mount, limits, ego_mask)


def scan_of(labels, table, limits=SETTINGS):
    return scan(table, prepared_labels(labels, None, None, 0), KINDS, limits)


def points_of(found, table):
    hit = np.isfinite(found.contact)
    return np.array(table.foot) + found.contact[hit, None] * table.directions[hit]


def outline_distance(points, box):
    c, s = np.cos(box.yaw), np.sin(box.yaw)
    local = (points - [box.x, box.y]).dot(np.array([[c, -s], [s, c]]))
    over = np.abs(local) - [0.5 * box.length, 0.5 * box.width]
    outside = np.hypot(np.maximum(over[:, 0], 0), np.maximum(over[:, 1], 0))
    return np.where(over.max(axis=1) > 0, outside, -over.max(axis=1))


@settings(deadline=None, max_examples=200)
@given(st.floats(-10, 10), st.floats(-10, 10))
def test_azimuth_rises_with_the_angle_and_comes_back_as_direction(x, y):
    if np.hypot(x, y) < 1e-3:
        return
    around = azimuth(np.array([x]), np.array([y]))
    np.testing.assert_allclose(direction_of(around)[0], np.array([x, y]) / np.hypot(x, y),
                               atol=1e-9)


def test_azimuth_is_monotone_once_around():
    angles = np.linspace(-np.pi + 1e-6, np.pi - 1e-6, 2001)
    around = azimuth(np.cos(angles), np.sin(angles))
    assert (np.diff(around) > 0).all()
    assert around[0] == pytest.approx(-4.0, abs=1e-4)
    assert around[-1] == pytest.approx(4.0, abs=1e-4)
    assert azimuth(np.array([2.0]), np.array([1.0]))[0] == pytest.approx(0.5)


@settings(deadline=None, max_examples=40)
@given(st.floats(1.5, 3.5), st.floats(-0.7, 0.7), st.floats(0, 3.1), st.floats(0.2, 0.6),
       st.floats(-0.15, 0.15), st.floats(0.25, 0.5), st.floats(0.5, 1.2))
# Its foot lies below the picture in all bins but the outermost, by a row.
@example(1.5, -0.564453125, 0.265625, 0.47265625, 0.0, 0.25, 1.125)
def test_contacts_lie_on_the_outline_of_the_box(x, y, yaw, size, roll, pitch, height):
    box = Box(x, y, size, 0.5 * size, WALL, yaw)
    mount = mount_pose(height, pitch, roll, 0.1, -0.05, 0.1)
    scene = Scene(FLOOR, (), (box,), LAMP)
    table = table_of(mount)
    found = scan_of(scene.render(PINHOLE, mount).labels, table)
    points, truth = points_of(found, table), scene.contacts(PINHOLE, mount, 4.0)
    limit = contact_limit(np.hypot(x, y) + size, height)
    # Where the foot lies below the picture, what is seen above it projects behind it. The bin
    # beside such a one may be on the outline, and one row of ground is no witness.
    seen = found.foot_seen | ~np.isfinite(found.contact)
    seen = seen & np.append(seen[1:], True) & np.append(True, seen[:-1])
    off = outline_distance(points, box)[seen[np.isfinite(found.contact)]]
    assert len(off) == 0 or off.max() < limit
    if len(truth):
        between = np.hypot(*(truth[:, None] - points[None]).transpose(2, 0, 1))
        assert (between.min(axis=1) < limit + ranges_beside(truth, table)).all()


def contact_limit(distance, height):
    """
    Return how far a contact may lie off the outline.

    Along the ray: two rows behind its neighbour's and half a row of rounding, where a row
    covers (h^2 + d^2) / (h f). Across it: two bins of 1.5 pixels, d / f each.
    """
    return (2.5 * (height ** 2 + distance ** 2) / (height * PINHOLE.f)
            + 3.0 * distance / PINHOLE.f)


def ranges_beside(truth, table):
    """
    Return how far the true range changes within three bins of each true contact.

    A side may take the range that it has two bins farther, and the places of bins and pixels
    differ by less than another one. A side that is narrower may get no contact of its own.
    """
    away = truth - np.array(table.foot)
    bins, _ = table.bins_of(*away.astype(np.float32).T)
    distance = np.hypot(*away.T)
    beside = np.abs(bins[:, None] - bins) <= 3
    return (np.abs(distance[:, None] - distance) * beside).max(axis=1)


def test_nothing_is_known_behind_a_contact():
    scene = Scene(FLOOR, (), (Box(2.0, 0.0, 0.1, 0.6, WALL, height=0.2),), LAMP)
    mount = mount_pose(0.8, 0.35)
    # Over the low box the floor behind it is seen again.
    view = scene.render(PINHOLE, mount)
    table = table_of(mount)
    found = scan_of(view.labels, table)
    hit = np.isfinite(found.contact)
    assert hit.sum() > 20
    assert (found.seen[hit] == found.contact[hit]).all()
    assert (found.clear[hit] <= found.contact[hit]).all()
    assert np.abs(found.contact[hit] - 1.95 / table.directions[hit, 0]).max() < 0.06


def test_ignored_classes_make_no_contact_and_stop_the_clearing():
    mount = mount_pose(0.8, 0.35)
    scene = Scene(FLOOR, (), (Box(2.0, 0.0, 0.1, 8.0, LAMP, height=3.0),), LAMP)
    table = table_of(mount)
    found = scan_of(scene.render(PINHOLE, mount).labels, table)
    assert not np.isfinite(found.contact).any()
    middle = slice(len(found.clear) // 3, -len(found.clear) // 3)
    reach = found.clear[middle] * table.directions[middle, 0]
    assert np.abs(reach - 1.95).max() < 0.06


def test_clear_ground_reaches_to_max_range_where_nothing_stands():
    mount = mount_pose(0.8, 0.35)
    table = table_of(mount)
    found = scan_of(Scene(FLOOR, (), (), LAMP).render(PINHOLE, mount).labels, table)
    middle = slice(len(found.clear) // 4, -len(found.clear) // 4)
    np.testing.assert_allclose(found.clear[middle], SETTINGS.max_range, rtol=0.02)
    assert not np.isfinite(found.contact).any()


def test_an_obstacle_that_fills_the_view_stands_at_the_nearest_ground_in_view():
    mount = mount_pose(0.8, 0.35)
    table = table_of(mount)
    found = scan_of(np.full((240, 320), WALL, np.uint8), table)
    in_view = (table.pixels < 320 * 240).sum(axis=1) >= SETTINGS.min_run
    first = table.ranges[np.minimum(table.first, len(table.ranges) - 1)]
    np.testing.assert_allclose(found.contact[in_view], first[in_view])
    assert not found.foot_seen[in_view].any()
    assert (found.clear == 0).all()


@pytest.mark.parametrize('rows, seen', [(1, False), (3, True), (6, True)])
def test_runs_shorter_than_min_run_are_noise(rows, seen):
    mount = mount_pose(0.8, 0.35)
    labels = np.full((240, 320), FLOOR, np.uint8)
    labels[200:200 + rows, 100:220] = WALL
    table = table_of(mount)
    found = scan_of(labels, table)
    assert np.isfinite(found.contact).any() == seen


def test_a_narrow_unlabelled_border_belongs_half_to_the_ground():
    mount = mount_pose(0.8, 0.35)
    labels = np.full((240, 320), FLOOR, np.uint8)
    labels[:150] = WALL
    table = table_of(mount)
    sharp = scan_of(labels, table)
    labels[148:152] = UNSEEN
    blurred = scan_of(labels, table)
    middle = len(table.end) // 2
    assert blurred.contact[middle] == pytest.approx(sharp.contact[middle], abs=0.03)
    assert blurred.foot_seen[middle]


def test_behind_a_wide_unlabelled_hole_the_foot_was_not_seen():
    mount = mount_pose(0.8, 0.35)
    labels = np.full((240, 320), FLOOR, np.uint8)
    labels[:120] = WALL
    labels[120:150] = UNSEEN
    table = table_of(mount)
    found = scan_of(labels, table)
    middle = len(table.end) // 2
    assert np.isfinite(found.contact[middle]) and not found.foot_seen[middle]
    assert found.clear[middle] < found.contact[middle] - 0.3


def test_an_outline_along_a_bin_gives_no_contact_behind_the_thing():
    # Narrow boxes at many azimuths: some outline falls between two pixels in every picture.
    mount = mount_pose(0.8, 0.35)
    table = table_of(mount)
    for y in np.linspace(-0.6, 0.6, 13):
        box = Box(2.0, y, 0.1, 0.15, WALL, height=1.0)
        view = Scene(FLOOR, (), (box,), LAMP).render(PINHOLE, mount)
        points = points_of(scan_of(view.labels, table), table)
        assert len(points) > 5
        assert outline_distance(points, box).max() < 0.08


def test_the_robots_own_body_is_unknown_and_the_ground_begins_beyond_it():
    mount = mount_pose(0.8, 0.35)
    body = np.zeros((240, 320), np.uint8)
    body[190:, :] = 255
    table = table_of(mount, ego_mask=body)
    labels = np.full((240, 320), FLOOR, np.uint8)
    labels[190:] = WALL
    found = scan(table, prepared_labels(labels, None, body, 0), KINDS, SETTINGS)
    assert not np.isfinite(found.contact).any()
    middle = slice(len(found.clear) // 4, -len(found.clear) // 4)
    assert (found.clear[middle] > 4.5).all()


@pytest.mark.parametrize('pitch, words', [(-0.6, 'above the horizon'), (0.0, 'Camera sees no')])
def test_a_camera_that_sees_no_ground_in_range_is_named(pitch, words):
    limits = SETTINGS._replace(max_range=0.5)
    with pytest.raises(TransformError, match=words):
        table_of(mount_pose(0.8, pitch), limits)


@pytest.mark.parametrize('distortion', [
    ('plumb_bob', (-0.3, 0.1, 0.001, -0.001, 0.0)), ('equidistant', (0.0, 0.0, 0.0, 0.0))])
def test_distorted_pictures_give_the_same_contacts(distortion):
    camera = camera_model(PINHOLE, *distortion)
    mount = mount_pose(0.8, 0.35, 0.05)
    box = Box(2.2, 0.2, 0.4, 0.8, WALL, 0.3)
    rays = np.array(camera.rays(), np.float64)
    # What the lens does not see shows sky.
    dark = np.isnan(rays[..., 0])
    rays[dark] = 0.0, -1.0, 0.0
    view = Scene(FLOOR, (), (box,), LAMP).render(PINHOLE, mount, rays)
    table = table_of(mount, camera=camera)
    points = points_of(scan_of(view.labels, table), table)
    assert len(points) > 30
    assert outline_distance(points, box).max() < 0.06


def test_a_camera_that_looks_straight_down_scans_all_around():
    mount = mount_pose(2.0, np.pi / 2)
    boxes = tuple(Box(1.0 * np.cos(a), 1.0 * np.sin(a), 0.2, 0.2, WALL, a, height=0.05)
                  for a in np.arange(4) * np.pi / 2 + 0.3)
    pinhole = Pinhole(320, 320, 200.0, 159.5, 159.5)
    camera = camera_model(pinhole)
    view = Scene(FLOOR, (), boxes, LAMP).render(pinhole, mount)
    table = table_of(mount, camera=camera)
    points = points_of(scan_of(view.labels, table), table)
    for box in boxes:
        near = outline_distance(points, box)
        assert (near < 0.06).sum() > 5


def test_more_pixels_and_a_finer_grid_of_bins_come_together():
    sizes = []
    for scale in (1, 2):
        pinhole = Pinhole(320 * scale, 240 * scale, 250.0 * scale, 160 * scale - 0.5,
                          120 * scale - 0.5)
        sizes.append(table_of(mount_pose(0.8, 0.35), camera=camera_model(pinhole)).pixels.size)
    # Linear growth: four times the pixels, at most about four times the samples.
    assert 3.0 < sizes[1] / sizes[0] < 4.6
