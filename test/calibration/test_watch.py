# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The watch on the mount: a floor of noise that is seen from a known place, and whole drives."""

import math

import cv2
import mount_watch
import numpy as np
import pytest
from segformer_ros.calibration import watch as calibration_watch
from segformer_ros.calibration.ground_motion import Mount
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.segmentation.load_model import load_model

DEGREE = math.radians(1.0)
WIDTH, HEIGHT, FOCAL = 320, 240, 208.0
FLOOR, WALL = 1, 2
IS_GROUND = np.arange(256) == FLOOR
TOLD = Mount(0.8, 22.0 * DEGREE, 0.0, 0.0, 0.2)
# Metres of a pixel of the floor's picture.
TEXEL = 0.01


def floor_picture():
    random = np.random.RandomState(4)
    fine = random.randint(0, 255, (1500, 1500)).astype(np.float32)
    coarse = cv2.resize(random.randint(0, 255, (150, 150)).astype(np.float32), (1500, 1500))
    return np.clip(0.4 * cv2.GaussianBlur(fine, (0, 0), 1.5) + 0.6 * coarse, 0, 255).astype(
        np.uint8)


def seen(floor, world_from_base, mount):
    """Return image and mask of a pinhole, each pixel's ray met with the plane one by one."""
    c, s = math.cos(mount.pitch), math.sin(mount.pitch)
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    right = (u - 0.5 * (WIDTH - 1)) / FOCAL
    down = (v - 0.5 * (HEIGHT - 1)) / FOCAL
    # Ahead and up of a ray from a camera that looks below the horizon.
    ahead, up = c - s * down, -s - c * down
    with np.errstate(divide='ignore'):
        scale = np.where(up < -0.02, -mount.height / up, np.nan)
    x, y = mount.x + scale * ahead, -scale * right
    wx = world_from_base[0, 0] * x + world_from_base[0, 1] * y + world_from_base[0, 3]
    wy = world_from_base[1, 0] * x + world_from_base[1, 1] * y + world_from_base[1, 3]
    image = cv2.remap(floor, (wx / TEXEL + 300).astype(np.float32),
                      (wy / TEXEL + 750).astype(np.float32), cv2.INTER_LINEAR)
    mask = np.where(np.isfinite(scale) & (scale * ahead < 6.0), FLOOR, WALL).astype(np.uint8)
    return np.repeat(image[:, :, None], 3, axis=2), mask


def watched(true, told=TOLD, pairs=10, noise=0.0, bumped=None):
    """Return the watch after a drive of so many pairs of images, and its last estimate."""
    camera = CameraModel(Calibration(WIDTH, HEIGHT, 'none', (), (
        FOCAL, 0.0, 0.5 * (WIDTH - 1), 0.0, FOCAL, 0.5 * (HEIGHT - 1), 0.0, 0.0, 1.0)))
    watch = calibration_watch.MountWatch(camera, IS_GROUND)
    floor = floor_picture()
    random = np.random.RandomState(2)
    place = says = np.eye(4)
    for index in range(pairs + 1):
        image, mask = seen(floor, place, true if bumped is None or index < 8 else bumped)
        pose = transforms.CameraPose(says, told.matrix())
        assert watch.wants(10.0 + 0.4 * index, pose)
        watch.add(calibration_watch.WatchedFrame(10.0 + 0.4 * index, image, mask, pose))
        place = place.dot(transforms.planar_pose(0.15, 0.0, 0.02))
        off = 1.0 + noise * random.randn(2)
        says = says.dot(transforms.planar_pose(0.15 * off[0], 0.0, 0.02 * off[1]))
    return watch.error()


@pytest.mark.parametrize('pitch, height', [(0.0, 0.0), (1.0, 0.0), (-2.0, 0.0), (0.0, 0.05),
                                           (0.7, -0.04)])
def test_pitch_and_height_of_a_textured_floor_are_found(pitch, height):
    true = TOLD._replace(pitch=TOLD.pitch + pitch * DEGREE, height=TOLD.height + height)
    error = watched(true)
    assert math.degrees(error.pitch) == pytest.approx(pitch, abs=0.12)
    assert error.height == pytest.approx(height, abs=0.012)
    assert 0.09 < math.degrees(error.pitch_deviation) < 0.4
    assert 0.007 < error.height_deviation < 0.03
    assert (error.pairs, error.points > 100) == (calibration_watch.WINDOW, True)


def test_odometry_that_slips_stays_within_what_is_told():
    error = watched(TOLD, pairs=14, noise=0.03)
    assert abs(error.pitch) < 2.5 * error.pitch_deviation
    assert abs(error.height) < 2.5 * error.height_deviation


def test_the_pair_in_which_the_bump_falls_does_not_count():
    bumped = TOLD._replace(pitch=TOLD.pitch + DEGREE)
    error = watched(TOLD, pairs=14, bumped=bumped)
    assert math.degrees(error.pitch) == pytest.approx(1.0, abs=0.15)


def test_too_few_pairs_say_nothing():
    assert watched(TOLD, pairs=3) is None
    assert watched(TOLD, pairs=4) is not None


def test_a_robot_that_stands_is_not_looked_at():
    camera = CameraModel(Calibration(WIDTH, HEIGHT, 'none', (), (
        FOCAL, 0.0, 0.5 * (WIDTH - 1), 0.0, FOCAL, 0.5 * (HEIGHT - 1), 0.0, 0.0, 1.0)))
    watch = calibration_watch.MountWatch(camera, IS_GROUND)
    image, mask = seen(floor_picture(), np.eye(4), TOLD)
    pose = transforms.CameraPose(np.eye(4), TOLD.matrix())
    watch.add(calibration_watch.WatchedFrame(10.0, image, mask, pose))
    moved = pose._replace(odom_from_ground=transforms.planar_pose(0.15, 0.0, 0.0))
    assert not watch.wants(10.5, pose)
    assert watch.wants(10.5, moved)
    # More images say no more; and what went out of view is begun anew.
    assert not watch.wants(10.2, moved)
    assert watch.wants(12.5, pose)
    watch.forget()
    assert watch.wants(10.1, pose)


@pytest.mark.slow
@pytest.mark.parametrize('kind, seed', [('indoor', 0), ('outdoor', 1)])
def test_a_bump_of_one_degree_is_found_within_three_seconds(kind, seed):
    segmenter = load_model('segformer_sim')
    result = mount_watch.drive(
        kind, seed, 26.0, TOLD, bump=20.0, apply=True,
        labels_of=lambda picture: segmenter.segment(picture.image, with_confidence=False).mask)
    warned = [each.time for each in result.estimates if each.is_off]
    assert warned and 20.0 < warned[0] <= 23.0
    # It goes on to say so, and corrects most of it.
    last = result.estimates[-1]
    assert last.is_off
    assert math.degrees(last.correction.pitch) == pytest.approx(1.0, abs=0.4)
