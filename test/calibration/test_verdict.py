# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A mount's error is told when it is sure, lasts, and costs a cell."""

import math

import numpy as np
import pytest
from segformer_ros.calibration import verdict as calibration_verdict
from segformer_ros.calibration.ground_motion import mount_of
from segformer_ros.calibration.watch import MountError
from segformer_ros.costmap.geometry.camera_poses import Mount
from segformer_ros.costmap.geometry.transforms import CameraPose

DEGREE = math.radians(1.0)
HEIGHT = 0.8


def error(pitch=0.0, height=0.0, deviation=0.1):
    return MountError(pitch * DEGREE, height, deviation * DEGREE, 0.005, 8, 200)


def judge(apply=False):
    return calibration_verdict.MountVerdict(5.0, 0.05, apply)


def told(one, steps, start=0.0):
    """Return the verdicts of estimates that come every 0.3 s."""
    results = []
    for index, each in enumerate(steps):
        one.update(start + 0.3 * index, HEIGHT, each)
        results.append(one.is_off)
    return results


def test_limits_cost_one_cell_at_the_farthest_range():
    limits = judge().limits(HEIGHT)
    # Where a ray to 5 m meets the ground with each error, by its triangle.
    below = math.atan2(HEIGHT, 5.0)
    assert HEIGHT / math.tan(below - limits.pitch) - 5.0 == pytest.approx(0.05, rel=0.02)
    assert (HEIGHT + limits.height) / math.tan(below) - 5.0 == pytest.approx(0.05)


@pytest.mark.parametrize('pitch, deviation, is_off', [
    (0.45, 0.1, True), (0.35, 0.1, False), (-0.45, 0.1, True), (1.0, 0.35, False),
    (1.2, 0.35, True)])
def test_what_is_sure_and_lasts_is_told(pitch, deviation, is_off):
    assert told(judge(), [error(pitch, deviation=deviation)] * 8)[-1] == is_off


def test_a_height_that_is_off_is_told_as_well():
    assert not told(judge(), [error(height=0.022)] * 8)[-1]
    assert told(judge(), [error(height=0.024)] * 8)[-1]


def test_a_moment_is_not_told():
    results = told(judge(), [error(1.0)] * 2 + [error()] + [error(1.0)] * 2)
    assert not any(results)
    assert told(judge(), [error(1.0)] * 3) == [False] * 2 + [True]


def test_a_verdict_ends_when_the_estimate_is_well_within():
    one = judge()
    assert told(one, [error(1.0)] * 6)[-1]
    assert told(one, [error(0.3)] * 6, 2.0)[-1]
    assert not told(one, [error(0.2)], 4.0)[-1]


def test_nothing_is_corrected_unless_it_is_asked_for():
    one = judge()
    assert told(one, [error(1.0)] * 6)[-1]
    assert one.correction == calibration_verdict.NONE
    pose = CameraPose(np.eye(4), Mount(HEIGHT, 0.3).matrix())
    assert one.correction.corrected(pose) is pose


def test_a_correction_is_bounded_and_goes_with_its_cause():
    one = judge(apply=True)
    told(one, [error(1.0, 0.02)] * 2)
    assert one.correction == calibration_verdict.NONE
    told(one, [error(1.0, 0.02)] * 6, 1.0)
    pose = CameraPose(np.eye(4), Mount(HEIGHT, 0.3, 0.02, 0.1, 0.2, 0.05).matrix())
    found = mount_of(one.correction.corrected(pose).ground_from_camera)
    assert found == pytest.approx(Mount(HEIGHT + 0.02, 0.3 + DEGREE, 0.02, 0.1, 0.2, 0.05))
    # Small changes are left alone, so that the tables of a fixed mount stay in use.
    told(one, [error(1.1, 0.02)], 3.0)
    assert one.correction.pitch == pytest.approx(DEGREE)
    told(one, [error(5.0, 0.2)], 3.3)
    assert one.correction.pitch == pytest.approx(3.0 * DEGREE)
    assert one.correction.height == pytest.approx(0.1 * HEIGHT)
    told(one, [error()], 3.6)
    assert one.correction == calibration_verdict.NONE


def test_errors_count_by_the_range_of_the_moment():
    one = judge()
    off = [error(0.9)] * 4
    assert told(one, off) == [False, False, True, True]
    one.measure_by(1.0, 0.2)
    assert told(one, off, 10.0)[-1] is False
