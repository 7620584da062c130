# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The time that a backend had, and that in which its process stood still."""

import time

import pytest
from segformer_ros.ros.node.inference_thread import Activity
from segformer_ros.ros.node.supervisor import BusyTime

PERIOD = 0.5


class Watched:
    """A busy time that is looked at in steps."""

    def __init__(self, activity):
        self.busy = BusyTime()
        self._now = time.monotonic()
        self.busy.look(activity, self._now)

    def look(self, activity, *steps):
        """Look after each of these seconds; return what was counted and whether it is certain."""
        for step in steps:
            self._now += step
            self.busy.look(activity, self._now)
        return pytest.approx(self.busy.seconds), self.busy.is_certain


def test_regular_steps_count_in_full():
    activity = Activity('a', False)
    assert Watched(activity).look(activity, PERIOD, PERIOD, 0.9) == (1.9, True)


def test_other_work_starts_from_nothing_and_no_work_takes_no_time():
    watched = Watched(Activity('a', False))
    activity = Activity('a', False)
    assert watched.look(activity, PERIOD) == (0.0, True)
    assert watched.look(activity, PERIOD) == (PERIOD, True)
    assert watched.look(None, PERIOD, PERIOD) == (0.0, True)


@pytest.mark.parametrize('gap', [1.01, 3.0, 3600.0])
def test_standstill_does_not_count_and_the_backend_gets_two_regular_steps(gap):
    activity = Activity('a', False)
    watched = Watched(activity)
    watched.look(activity, PERIOD)
    assert watched.look(activity, gap) == (PERIOD, False)
    assert watched.look(activity, PERIOD) == (2 * PERIOD, False)
    assert watched.look(activity, PERIOD) == (3 * PERIOD, True)


def test_hang_is_found_where_every_step_is_long():
    activity = Activity('a', False)
    watched = Watched(activity)
    certain = [watched.look(activity, 2.0)[1] for _ in range(60)]
    assert sum(certain) == 20
    assert watched.busy.seconds == pytest.approx(40.0)
