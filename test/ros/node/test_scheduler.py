# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Cameras are served fairly, with their newest frames, at most as often as allowed."""

from collections import namedtuple
from random import Random

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest
from segformer_ros.ros.node.inference_thread import HOLD_SHARE
from segformer_ros.ros.node.scheduler import Scheduler

# What the scheduler reads of a job, and what tells one from another.
Job = namedtuple('Job', 'message arrived')


def frame(number):
    return Job(number, float(number))


def test_nothing_waits_at_first():
    scheduler = Scheduler(['a'])
    assert scheduler.take(0.0, 0.0) is None
    assert scheduler.wait_time(0.0, 0.0) is None


def test_only_the_newest_frame_is_served_and_the_older_ones_are_told():
    scheduler = Scheduler(['a'])
    assert [scheduler.offer('a', frame(n)) for n in range(3)] == [False, True, True]
    assert scheduler.take(0.0, 0.0) == ('a', frame(2))
    assert scheduler.take(0.0, 0.0) is None
    assert scheduler.offer('a', frame(3)) is False


def test_a_camera_whose_frames_come_just_after_anothers_is_not_starved():
    scheduler = Scheduler(['early', 'late'])
    served = []
    for step in range(10):
        scheduler.offer('early', frame(2 * step))
        scheduler.offer('late', frame(2 * step + 1))
        served.append(scheduler.take(float(step), 0.0)[0])
    assert served == ['early', 'late'] * 5


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from('abc'), max_size=4), min_size=1, max_size=60))
def test_no_camera_waits_longer_than_every_other_one_takes(rounds):
    """A waiting camera is served within as many rounds as there are cameras."""
    scheduler = Scheduler('abc')
    waits = {}
    for offers in rounds:
        for camera in offers:
            scheduler.offer(camera, frame(0))
            waits.setdefault(camera, 0)
        job = scheduler.take(0.0, 0.0)
        assert (job is None) == (not waits)
        if job is not None:
            del waits[job[0]]
            waits = {camera: rounds + 1 for camera, rounds in waits.items()}
            assert all(rounds < 3 for rounds in waits.values())


@pytest.mark.parametrize('rate, camera_rate, expected', [
    (10.0, 30.0, 10.0), (20.0, 30.0, 20.0), (7.0, 30.0, 7.0), (50.0, 30.0, 30.0),
    (0.0, 30.0, 30.0)])
def test_mean_rate_is_the_lower_of_limit_and_camera(rate, camera_rate, expected):
    seconds = 20
    arrivals = [(n / camera_rate, 'a') for n in range(int(seconds * camera_rate))]
    served = len(serve(arrivals, 0.0, 0.0, max_rate=rate, until=seconds))
    assert served / seconds == pytest.approx(expected, rel=0.03)


def test_limit_holds_each_camera_by_itself():
    scheduler = Scheduler(['a', 'b'])
    for camera in 'ab':
        scheduler.offer(camera, frame(0))
    assert {scheduler.take(0.0, 1.0)[0], scheduler.take(0.0, 1.0)[0]} == {'a', 'b'}
    scheduler.offer('a', frame(1))
    assert scheduler.take(0.5, 1.0) is None
    assert scheduler.wait_time(0.5, 1.0) == pytest.approx(0.5)
    assert scheduler.take(1.0, 1.0) == ('a', frame(1))


def test_a_pause_is_not_made_up_for():
    scheduler = Scheduler(['a'])
    served = 0
    scheduler.offer('a', frame(0))
    assert scheduler.take(0.0, 10.0)
    for step in range(10):
        scheduler.offer('a', frame(step))
        served += scheduler.take(100.0 + 0.01 * step, 10.0) is not None
    assert served == 1


def test_lifting_the_limit_takes_effect_at_once():
    scheduler = Scheduler(['a'])
    scheduler.offer('a', frame(0))
    scheduler.take(0.0, 0.1)
    scheduler.offer('a', frame(1))
    assert scheduler.take(0.1, 0.1) is None
    assert scheduler.take(0.1, 0.0) == ('a', frame(1))


def test_clear_forgets_what_waits_and_counts_it():
    scheduler = Scheduler(['a', 'b'])
    scheduler.offer('a', frame(0))
    assert scheduler.clear() == ['a']
    assert scheduler.take(0.0, 0.0) is None


def serve(arrivals, service, hold_time, cameras='a', max_rate=0.0, until=20.0):
    """
    Run the worker's loop on simulated time; return the camera and age of each frame's start.

    :param arrivals: (moment, camera)
    """
    scheduler = Scheduler(cameras)
    waiting, starts, now = sorted(arrivals), [], 0.0
    while now < until:
        while waiting and waiting[0][0] <= now:
            moment, camera = waiting.pop(0)
            scheduler.offer(camera, Job(None, moment))
        job = scheduler.take(now, max_rate, hold_time)
        if job is not None:
            starts.append((job[0], now - job[1].arrived))
            now += service
            continue
        wait = scheduler.wait_time(now, max_rate, hold_time)
        moments = [moment for moment, _ in waiting[:1]] + (
            [] if wait is None else [now + max(wait, 1e-6)])
        now = min(moments) if moments else until
    return starts


@pytest.mark.parametrize('share', [0.1, HOLD_SHARE])
@pytest.mark.parametrize('rate, service', [
    (5.0, 0.09), (30.0, 0.085), (30.0, 0.071), (200.0, 0.085), (7.0, 0.3)])
def test_frame_is_held_for_a_newer_one_that_is_about_to_come(rate, service, share):
    """No frame starts older than the period less the hold_time, for a tenth of the frames."""
    arrivals = [(n / rate, 'a') for n in range(int(20 * rate))]
    hold_time = share * service
    held = serve(arrivals, service, hold_time)[6:]
    without = serve(arrivals, service, 0.0)[6:]
    oldest = max(age for _, age in held)
    assert oldest <= 1.0 / rate - min(hold_time, 0.25 / rate) + 1e-9
    assert len(held) >= 0.9 * len(without)
    assert sum(age for _, age in held) / len(held) <= \
        sum(age for _, age in without) / len(without) + 1e-9


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10 ** 6), st.floats(0.01, 0.3), st.sampled_from([0.1, HOLD_SHARE]))
def test_hold_time_costs_little_whatever_the_cameras_do(seed, service, share):
    """Arrivals of no pattern at all: a wait that was in vain is short, and nobody starves."""
    random = Random(seed)
    arrivals = [(random.uniform(0.0, 20.0), random.choice('ab')) for _ in range(400)]
    starts = serve(arrivals, service, share * service, 'ab')
    without = serve(arrivals, service, 0.0, 'ab')
    assert len(starts) >= 0.85 * len(without)
    assert abs(sum(1 if camera == 'a' else -1 for camera, _ in starts)) <= \
        0.1 * len(starts) + abs(sum(1 if camera == 'a' else -1 for camera, _ in without))


def test_camera_that_stops_is_waited_for_a_little_longer_than_its_period():
    arrivals = [(0.1 * n, 'a') for n in range(10)]
    scheduler = Scheduler('a')
    for moment, camera in arrivals:
        scheduler.offer(camera, Job(moment, moment))
    assert scheduler.take(0.995, 0.0, 0.01) is None
    assert scheduler.wait_time(0.995, 0.0, 0.01) == pytest.approx(0.0075)
    assert scheduler.take(1.0026, 0.0, 0.01)[1].arrived == arrivals[-1][0]


def regular(*moments):
    scheduler = Scheduler('a')
    for moment in moments:
        scheduler.offer('a', Job(moment, moment))
    return scheduler


TENTHS = [0.1 * number for number in range(10)]


@pytest.mark.parametrize('arrivals, now, is_held', [
    # Five intervals have to be known.
    (TENTHS[:5], 0.495, False), (TENTHS[:6], 0.595, True),
    # One lost frame, or two that came at once, change no period.
    ([0.0, 0.1, 0.2, 0.4, 0.5, 0.6], 0.695, True), ([0.0, 0.1, 0.2, 0.2, 0.3, 0.4], 0.495, True),
    # Three lost ones do.
    ([0.0, 0.2, 0.4, 0.6, 0.7, 0.8], 0.895, False),
    # The sixth interval from the end does not count: with it the median would be 0.2 s.
    ([0.0, 0.5, 0.6, 0.7, 0.8, 1.1, 1.4], 1.495, True),
    ([0.0, 0.5, 0.6, 0.7, 0.8, 1.1, 1.4], 1.595, False)])
def test_a_cameras_period_is_the_median_of_its_last_five_intervals(arrivals, now, is_held):
    scheduler = regular(*arrivals)
    assert (scheduler.take(now, 0.0, 0.01) is None) == is_held


@pytest.mark.parametrize('hold_time, first, last', [
    # From the hold time before the next frame is due to a quarter of it afterwards.
    (0.02, 0.98, 1.005), (0.004, 0.996, 1.001),
    # At most a quarter of the period.
    (0.025, 0.975, 1.00625), (0.08, 0.975, 1.00625)])
def test_a_frame_is_held_from_just_before_to_just_after_its_successor_is_due(hold_time, first,
                                                                             last):
    for now, held_for in ((first - 1e-4, None), (first + 1e-4, last - first - 1e-4),
                          (last - 1e-4, 1e-4), (last + 1e-4, None)):
        scheduler = regular(*TENTHS)
        assert scheduler.wait_time(now, 0.0, hold_time) == pytest.approx(held_for or 0.0,
                                                                         abs=1e-9)
        assert (scheduler.take(now, 0.0, hold_time) is None) == (held_for is not None)
    # Without a hold time nothing is held.
    assert regular(*TENTHS).take(1.0, 0.0) is not None


@pytest.mark.parametrize('taken, wait', [(0.1, 0.1), (0.15, 0.05), (0.19, 0.01), (0.21, 0.1),
                                         (7.0, 0.1)])
def test_the_next_frame_is_due_by_the_beat_unless_a_whole_beat_was_missed(taken, wait):
    scheduler = regular(0.0)
    assert scheduler.take(0.0, 10.0)
    for _ in range(2):
        scheduler.offer('a', frame(1))
        if scheduler.wait_time(taken, 10.0) == 0.0:
            assert scheduler.take(taken, 10.0)
    assert scheduler.take(taken + wait - 1e-4, 10.0) is None
    assert scheduler.wait_time(taken, 10.0) == pytest.approx(wait)
    assert scheduler.take(taken + wait + 1e-4, 10.0)


def test_all_that_waits_can_be_taken_at_once():
    scheduler = Scheduler('abc')
    scheduler.offer('c', frame(1))
    scheduler.offer('a', frame(2))
    assert scheduler.take_all() == [('a', frame(2)), ('c', frame(1))]
    assert scheduler.take_all() == [] and scheduler.clear() == []
    assert scheduler.take(0.0, 0.0) is None


def test_of_limited_cameras_the_wait_is_that_of_the_first():
    scheduler = Scheduler('ab')
    for camera, now in (('a', 0.0), ('b', 0.03)):
        scheduler.offer(camera, frame(0))
        assert scheduler.take(now, 10.0)[0] == camera
    scheduler.offer('b', frame(1))
    assert scheduler.wait_time(0.05, 10.0) == pytest.approx(0.08)
    scheduler.offer('a', frame(1))
    assert scheduler.wait_time(0.05, 10.0) == pytest.approx(0.05)
    assert scheduler.take(0.2, 10.0)[0] == 'a'
