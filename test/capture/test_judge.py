# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which frames are worth labelling, against counts pixel by pixel."""

import itertools

import numpy as np
import pytest
from segformer_ros.capture import judge as judges
from segformer_ros.capture.frame import CandidateFrame
from segformer_ros.capture.frame import MeasuredView
from segformer_ros.capture.frame import NetworkIdentity
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.model.classes import ClassTable

SIZE = (120, 160)
CLASSES = ClassTable('two', ['floor', 'wall', 'sky'], [[0, 0, 0], [9, 9, 9], [99, 99, 99]],
                     [False] * 3)
NETWORK = NetworkIdentity('net', '/nowhere.onnx', CLASSES)
FLOOR, WALL, SKY = range(3)
OFF = judges.Thresholds(0.5, 0.0, 0.0, 0.0, 0.0, 0.0)
NOISE = np.random.RandomState(1)


def scene(shift=0, exposure=0, noise=2.0):
    """Return a picture with detail in every part, moved by pixels."""
    y, x = np.mgrid[:SIZE[0], :SIZE[1]].astype(float)
    x = x + shift
    grey = 120 + 50 * np.sin(x / 7.0) * np.cos(y / 9.0) + 20 * np.sin((x + y) / 3.0)
    grey = grey + exposure + NOISE.normal(0.0, noise, SIZE)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, 2)


def labels(changed=0.0):
    """Return a mask of floor below wall; a share of the picture's floor turns into sky."""
    mask = np.full(SIZE, WALL, np.uint8)
    mask[60:] = FLOOR
    columns = int(round(2.0 * changed * SIZE[1]))
    mask[60:, :columns] = SKY
    return mask


def frame(image, mask, stamp=0.0, confidence=None, **changes):
    return CandidateFrame('', 'optical', int(stamp * 1e9), image, mask, confidence, 0,
                          NETWORK)._replace(**changes)


def verdicts(judge, sequence, thresholds):
    found = []
    for now, each in enumerate(sequence):
        verdict = judge.judge(each, thresholds, float(now))
        if verdict is not None:
            judge.record_kept(each, verdict, float(now))
        found.append(verdict)
    return found


@pytest.mark.parametrize('share', [0.0, 0.25, 1.0])
def test_unsure_share_is_that_of_the_pixels_below_the_confidence(share):
    confidence = np.full(SIZE, 200, np.uint8)
    confidence[:int(share * SIZE[0])] = 100
    assert judges.unsure_share(confidence, 0.5) == pytest.approx(
        np.count_nonzero(confidence < 127.5) / confidence.size, abs=0.02)
    assert judges.unsure_share(confidence, 0.3) == 0.0


def test_unsure_frame_is_kept_once_until_the_view_changes():
    unsure = np.full(SIZE, 60, np.uint8)
    sure = np.full(SIZE, 250, np.uint8)
    found = verdicts(judges.CaptureJudge(), [
        frame(scene(), labels(), 0.0, sure), frame(scene(), labels(), 0.2, unsure),
        frame(scene(), labels(), 0.4, unsure), frame(scene(exposure=15), labels(), 0.6, unsure),
        frame(scene(shift=30), labels(), 0.8, unsure),
        frame(scene(shift=60), labels(), 1.0, sure)], OFF._replace(unsure_share=0.3))
    assert [each and each.reason for each in found] == [
        None, 'unsure', None, None, 'unsure', None]
    assert found[1].score == 1.0


def test_network_without_a_confidence_is_never_unsure():
    found = verdicts(judges.CaptureJudge(), [frame(scene(), labels())],
                     OFF._replace(unsure_share=0.0001))
    assert found == [None]


@pytest.mark.parametrize('changed', [0.0, 0.1, 0.4])
def test_flicker_is_the_share_of_changed_labels_where_the_view_stands_still(changed):
    before, now = (judges.coarse_view(each) for each in (
        frame(scene(), labels(), 1.0), frame(scene(exposure=12), labels(changed), 1.2)))
    true = np.count_nonzero(labels() != labels(changed)) / (SIZE[0] * SIZE[1])
    assert judges.flicker_share(before, now) == pytest.approx(true, rel=0.1, abs=0.001)


def test_two_networks_that_differ_do_not_flicker():
    thresholds, other = OFF._replace(flicker_share=0.05), NETWORK._replace(name='other')
    sequence = [frame(scene(), labels()), frame(scene(), labels(0.4), 0.2),
                frame(scene(), labels(), 0.4, network=other)]
    found = verdicts(judges.CaptureJudge(), sequence, thresholds)
    assert [each and each.reason for each in found] == [None, 'flicker', None]
    changed = [sequence[0], frame(scene(), labels(0.4), 0.2, network=other)]
    assert verdicts(judges.CaptureJudge(), changed, thresholds) == [None, None]
    # Of one network the same pictures do.
    found = verdicts(judges.CaptureJudge(), sequence[:1] + [
        frame(scene(), labels(0.4), 0.4)], thresholds)
    assert [each and each.reason for each in found] == [None, 'flicker']


@pytest.mark.parametrize('shift', [4, 10, 40])
def test_labels_that_change_with_the_view_are_no_flicker(shift):
    before, now = (judges.coarse_view(each) for each in (
        frame(scene(), labels(), 1.0), frame(scene(shift), labels(0.4), 1.2)))
    assert judges.flicker_share(before, now) is None


def test_view_of_which_a_quarter_changes_does_not_stand_still():
    moved = scene()
    moved[:, :40] = 255 - moved[:, :40]
    before, now = (judges.coarse_view(each) for each in (
        frame(scene(), labels(), 1.0), frame(moved, labels(0.4), 1.2)))
    assert judges.flicker_share(before, now) is None
    assert not judges.is_still(before, now)


def test_wavering_border_is_no_flicker():
    mask = labels()
    wavering = mask.copy()
    wavering[58:60] = FLOOR
    before, now = (judges.coarse_view(each) for each in (
        frame(scene(), mask, 1.0), frame(scene(), wavering, 1.2)))
    assert judges.flicker_share(before, now) == 0.0


@pytest.mark.parametrize('stamps', [(1.0, 2.5), (1.0, 1.0), (2.0, 1.0)])
def test_frames_far_apart_or_out_of_order_are_not_compared(stamps):
    before, now = (judges.coarse_view(frame(scene(), labels(part), stamp))
                   for stamp, part in zip(stamps, (0.0, 0.4)))
    assert judges.flicker_share(before, now) is None


def test_views_of_different_sizes_are_not_compared():
    small = frame(scene()[:60], labels()[:60], 1.2)
    before, now = (judges.coarse_view(each) for each in (
        frame(scene(), labels(), 1.0), small))
    assert judges.flicker_share(before, now) is None


def test_trickle_comes_after_a_pause_and_one_frame_has_one_reason():
    thresholds = OFF._replace(unsure_share=0.3, trickle_period=3.0)
    unsure = np.full(SIZE, 60, np.uint8)
    found = verdicts(judges.CaptureJudge(), [
        frame(scene(), labels(), 0.0), frame(scene(), labels(), 0.2),
        frame(scene(shift=20), labels(), 0.4, unsure), frame(scene(), labels(), 0.6),
        frame(scene(), labels(), 0.8), frame(scene(), labels(), 1.0),
        frame(scene(), labels(), 1.2, asked=True)], thresholds)
    assert [each and each.reason for each in found] == [
        'trickle', None, 'unsure', None, None, 'trickle', 'service']


def test_cameras_are_judged_apart():
    judge = judges.CaptureJudge()
    found = verdicts(judge, itertools.chain.from_iterable(
        (frame(scene(), labels(0.4 * number), 0.2 * number, camera='left'),
         frame(scene(), labels(), 0.2 * number, camera='right')) for number in range(2)),
        OFF._replace(flicker_share=0.1))
    assert [each and each.reason for each in found] == [None, None, 'flicker', None]


# A camera half a metre above level floor, with a wall across at two metres.
CAMERA = CameraModel(Calibration(SIZE[1], SIZE[0], 'plumb_bob', (0.0,) * 5,
                                 (120.0, 0.0, 79.5, 0.0, 120.0, 59.5, 0.0, 0.0, 1.0)))
MOUNT = mount_pose(0.5, 0.3)
COSTS = CostTable('two', CLASSES, [0, 100, -1], [])


def measured(wall_at=2.0):
    """Return depth and true labels, ray by ray."""
    rays = CAMERA.rays().reshape(SIZE + (3,)).astype(float)
    rays = rays / rays[..., 2:]
    depth = np.zeros(SIZE, np.float32)
    mask = np.full(SIZE, WALL, np.uint8)
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            direction = MOUNT[:3, :3].dot(rays[row, column])
            to_floor = -MOUNT[2, 3] / direction[2] if direction[2] < 0.0 else np.inf
            to_wall = wall_at / direction[0]
            depth[row, column] = min(to_floor, to_wall)
            mask[row, column] = FLOOR if to_floor < to_wall else WALL
    return depth, mask


def view(depth, mask, kind='metric', ego_mask=None):
    return MeasuredView(CameraView(mask, None, CAMERA, CameraPose(np.eye(4), MOUNT), 1.0, depth),
                        COSTS, DepthSettings(kind=kind), 5.0, ego_mask)


DEPTH, TRUE = measured()


def test_depth_that_agrees_with_the_labels_contradicts_next_to_nothing():
    # The wall's foot is as level as the floor, within the tolerance.
    assert 0.0 <= judges.contradicted_share(view(DEPTH, TRUE)) < 0.08


@pytest.mark.parametrize('named', [FLOOR, WALL])
def test_wrong_names_are_contradicted_in_proportion(named):
    mask = np.full(SIZE, named, np.uint8)
    wrong = np.count_nonzero(mask != TRUE) / mask.size
    assert judges.contradicted_share(view(DEPTH, mask)) == pytest.approx(wrong, abs=0.08)
    assert 0.3 < wrong < 0.7


def test_what_is_neither_ground_nor_obstacle_or_on_the_robot_is_not_judged():
    mask = TRUE.copy()
    mask[100:] = WALL
    plain = judges.contradicted_share(view(DEPTH, mask))
    ego_mask = np.zeros(SIZE, np.uint8)
    ego_mask[100:] = 255
    assert judges.contradicted_share(view(DEPTH, mask, ego_mask=ego_mask)) < plain / 2
    assert judges.contradicted_share(view(DEPTH, np.full(SIZE, SKY, np.uint8))) is None


@pytest.mark.parametrize('depth', [
    np.zeros(SIZE, np.float32), np.full(SIZE, np.nan, np.float32),
    np.full(SIZE, np.inf, np.float32), np.zeros((3, 3), np.float32), None])
def test_depth_that_measures_nothing_says_nothing(depth):
    assert judges.contradicted_share(view(depth, TRUE)) is None


def test_what_lies_beyond_the_range_of_the_costmap_is_not_judged():
    # The wall at two metres is named floor.
    wrong = view(DEPTH, np.full(SIZE, FLOOR, np.uint8))
    assert judges.contradicted_share(wrong._replace(max_range=1.0)) < 0.08
    assert judges.contradicted_share(wrong._replace(max_range=3.0)) > 0.3


def test_estimated_depth_contradicts_nothing():
    assert judges.contradicted_share(view(DEPTH, np.full(SIZE, WALL, np.uint8), 'scaled')) is None


def test_contradicted_frame_is_kept_with_its_share():
    wrong = np.full(SIZE, FLOOR, np.uint8)
    sequence = [frame(scene(), mask, number / 5.0, measured=view(DEPTH, mask))
                for number, mask in enumerate([TRUE, wrong, wrong])]
    found = verdicts(judges.CaptureJudge(), sequence, OFF._replace(depth_share=0.15))
    assert [each and each.reason for each in found] == [None, 'depth', None]
    assert 0.3 < found[1].score < 0.7
