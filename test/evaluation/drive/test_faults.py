# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""When a robot stood in a fault, and when it went on."""

import pytest
from segformer_ros.evaluation.drive import faults


def watched(moving, begins=3.0, ends=7.0, until=12.0):
    """Return the figures of a robot that moves when ``moving(time)`` says so."""
    watch = faults.FaultWatch()
    for step in range(int(until / 0.05)):
        time = 0.05 * step
        watch.add(time, 0.4 if moving(time) else 0.0, 0.0, begins <= time < ends)
    watch.end()
    return watch.figures


def test_it_tells_how_soon_the_robot_stood_and_went_on():
    found, = watched(lambda time: time < 5.0 or time > 7.5)
    assert found.stood_after == pytest.approx(2.0, abs=0.06)
    assert found.went_on_after == pytest.approx(0.5, abs=0.11)


def test_a_robot_that_starts_again_within_the_fault_did_not_stand_before():
    found, = watched(lambda time: time < 4.0 or 5.0 < time < 6.0 or time > 8.0)
    assert found.stood_after == pytest.approx(3.0, abs=0.06)


def test_a_robot_that_never_stands_or_never_goes_on_has_no_time():
    found, = watched(lambda time: True)
    assert found.stood_after is None and found.went_on_after == pytest.approx(0.0, abs=0.06)
    found, = watched(lambda time: time < 4.0)
    assert found.stood_after == pytest.approx(1.0, abs=0.06) and found.went_on_after is None


def test_a_robot_that_stands_when_a_fault_begins_stood_at_once_whatever_the_last_one_took():
    watch = faults.FaultWatch()
    for step in range(100):
        time = 0.1 * step
        moves = time < 1.05 or 2.45 < time < 4.05 or time > 7.95
        watch.add(time, 0.4 if moves else 0.0, 0.0, time < 1.95 or 4.95 < time < 6.95)
    first, second = watch.figures
    assert first == pytest.approx((1.1, 0.5))
    assert second == pytest.approx((0.0, 1.0))


def test_turning_is_moving():
    watch = faults.FaultWatch()
    for step in range(100):
        watch.add(0.05 * step, 0.0, 0.5, 1.0 <= 0.05 * step < 3.0)
    assert watch.figures == [(None, 0.0)]


def test_a_fault_that_is_not_over_with_the_goal_does_not_count():
    assert watched(lambda time: time < 4.0, until=6.0) == []
    watch = faults.FaultWatch()
    watch.add(0.0, 0.0, 0.0, True)
    watch.end()
    # Nor does it leak into the next goal.
    watch.add(1.0, 0.4, 0.0, False)
    assert watch.figures == []


def test_faults_are_on_for_their_time():
    fault = faults.FAULTS['tf_gap']
    assert [fault.is_on(passed) for passed in (2.99, 3.0, 6.99, 7.0)] == [
        False, True, True, False]
    assert fault.pose and not fault.images
    assert not any(faults.FAULTS['none'].is_on(passed) for passed in (0.0, 3.0, 100.0))
    assert faults.FAULTS['stall'].lasts == 2.0 and faults.FAULTS['stall'].images
    assert faults.FAULTS['restart'].node and faults.FAULTS['slow'].period == 0.5
