# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A clock that stands still is told from one that is slow."""

import pytest
from segformer_ros.ros.io.clock import StandstillWatch


def looks(watch, moments, clock):
    """Return what a watch says at moments of the steady clock."""
    return [watch.look(clock(moment), moment) for moment in moments]


def every(period, length, start=0.0):
    return [start + period * step for step in range(int(length / period) + 1)]


@pytest.mark.parametrize('step', [0.001, 0.1, 1.0, 2.0, 10.0])
@pytest.mark.parametrize('rate', [0.01, 1.0, 20.0])
def test_a_clock_that_steps_evenly_runs_however_slow_it_is(step, rate):
    # The clock's message comes once in `step` steady seconds; it is looked at ten times a second.
    # The first step cannot be measured before it has ended.
    watch = StandstillWatch()
    said = looks(watch, every(0.1, 20.0 * step + 5.0), lambda now: rate * step * (
        1 + int(now / step + 1e-9)))
    assert max(said[int(10.0 * step) + 2:]) == 0.0


@pytest.mark.parametrize('step, patience', [(0.1, 1.0), (0.3, 1.0), (2.0, 6.0)])
def test_a_clock_that_stops_is_told_by_its_own_measure(step, patience):
    watch = StandstillWatch()
    stops = 12.0 * step
    said = [(now - stops, watch.look(min(int(now / step + 1e-9), 12), now))
            for now in every(0.05, stops + 3.0 * patience)]
    assert all(still == 0.0 for since, still in said if 2 * step < since < patience - 0.06)
    told = [(since, still) for since, still in said if since > patience + 0.06]
    assert told
    # All of the standstill counts, not what exceeds the patience.
    assert all(since - 0.06 <= still <= since + 0.06 for since, still in told)


def test_pauses_do_not_make_it_patient():
    watch, now, clock = StandstillWatch(), 0.0, 0.0
    for _ in range(4):
        for _ in range(9):
            now, clock = now + 0.1, clock + 0.1
            assert watch.look(clock, now) == 0.0
        now += 60.0
        assert watch.look(clock, now) == pytest.approx(60.0)
    now, clock = now + 0.1, clock + 0.1
    assert watch.look(clock, now) == 0.0
    assert watch.look(clock, now + 1.5) == pytest.approx(1.5)


def test_a_clock_that_never_began_stands_still():
    watch = StandstillWatch()
    assert looks(watch, [5.0, 5.9, 6.1, 9.0], lambda now: 0.0) == [
        0.0, 0.0, pytest.approx(1.1), pytest.approx(4.0)]
