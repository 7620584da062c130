# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The watch on the mount: a floor of noise that is seen from a known place, and whole drives."""

import math

import mount_watch
import numpy as np
import pytest
from segformer_ros.calibration import watch as calibration_watch
from segformer_ros.costmap.geometry import transforms
from segformer_ros.segmentation.load_model import load_model
from support import noise_floor
from support.noise_floor import DEGREE
from support.noise_floor import TOLD


def watched(true, told=TOLD, pairs=10, noise=0.0, bumped=None, turn=0.02):
    """Return the watch after a drive of so many pairs of images, and its last estimate."""
    watch = calibration_watch.MountWatch(noise_floor.camera(), noise_floor.IS_GROUND)
    floor = noise_floor.floor_picture()
    random = np.random.RandomState(2)
    place = says = np.eye(4)
    for index in range(pairs + 1):
        is_bumped = bumped is not None and index >= 8
        image, mask = noise_floor.seen(floor, place, bumped if is_bumped else true)
        pose = transforms.CameraPose(says, told.matrix())
        assert watch.wants(10.0 + 0.4 * index, pose)
        watch.add(calibration_watch.WatchedFrame(10.0 + 0.4 * index, image, mask, pose))
        place = place.dot(transforms.planar_pose(0.15, 0.0, turn))
        off = 1.0 + noise * random.randn(2)
        says = says.dot(transforms.planar_pose(0.15 * off[0], 0.0, turn * off[1]))
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


@pytest.mark.parametrize('pairs', [15, 20, 28, 40])
def test_a_bump_that_lasts_is_told_right_all_along(pairs):
    error = watched(TOLD, pairs=pairs, bumped=TOLD._replace(pitch=TOLD.pitch - DEGREE))
    assert math.degrees(error.pitch) == pytest.approx(-1.0, abs=0.15)
    assert error.height == pytest.approx(0.0, abs=0.012)


def test_a_load_that_changes_the_height_is_found_after_some_seconds():
    loaded = TOLD._replace(height=TOLD.height - 0.05)
    assert watched(TOLD, pairs=60, bumped=loaded).height == pytest.approx(-0.05, abs=0.015)


@pytest.mark.parametrize('turn, is_told', [(0.1, True), (0.3, True), (-0.3, True), (0.6, False)])
def test_a_bend_is_looked_at_and_a_turn_on_the_spot_is_not(turn, is_told):
    error = watched(TOLD._replace(pitch=TOLD.pitch + DEGREE), turn=turn)
    assert (error is not None) == is_told
    if error is not None:
        assert math.degrees(error.pitch) == pytest.approx(1.0, abs=0.2)


def test_too_few_pairs_say_nothing():
    assert watched(TOLD, pairs=3) is None
    assert watched(TOLD, pairs=4) is not None


@pytest.mark.parametrize('speed', [0.3, 1.0, 3.5, 6.0])
def test_images_that_are_used_share_ground_at_every_speed(speed):
    watch = calibration_watch.MountWatch(noise_floor.camera(), noise_floor.IS_GROUND)
    image, mask = noise_floor.seen(noise_floor.floor_picture(), np.eye(4), TOLD)
    used = []
    for index in range(60):
        stamp, x = 10.0 + 0.05 * index, 0.05 * index * speed
        pose = transforms.CameraPose(transforms.planar_pose(x, 0.0, 0.0), TOLD.matrix())
        if watch.wants(stamp, pose):
            watch.add(calibration_watch.WatchedFrame(stamp, image, mask, pose))
            used.append(x)
    steps = np.diff(used)
    assert len(steps) > 3 and steps.max() < 1.0


def test_a_robot_that_stands_is_not_looked_at():
    watch = calibration_watch.MountWatch(noise_floor.camera(), noise_floor.IS_GROUND)
    image, mask = noise_floor.seen(noise_floor.floor_picture(), np.eye(4), TOLD)
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
    result = mount_watch.watch_drive(kind, mount_watch.render_drive(
        kind, seed, 26.0, TOLD, labels_of=lambda picture: segmenter.segment(
            picture.image, with_confidence=False).mask), bump=20.0, apply=True)
    warned = [each.time for each in result.estimates if each.is_off]
    assert warned and 20.0 < warned[0] <= 23.0
    # It goes on to say so, and corrects most of it.
    last = result.estimates[-1]
    assert last.is_off
    assert math.degrees(last.correction.pitch) == pytest.approx(1.0, abs=0.4)
