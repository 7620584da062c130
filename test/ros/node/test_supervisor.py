# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The time that a backend had, and that in which its process stood still."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.ros.node import supervisor as supervisor_module
from segformer_ros.ros.node.inference_thread import Activity
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.live_segmenter import LiveSegmenter
from segformer_ros.ros.node.supervisor import AbandonedThreads
from segformer_ros.ros.node.supervisor import BusyTime
from segformer_ros.ros.node.supervisor import Supervisor
from support.ros_graph import wait_until
from support.slow_backend import ListSelector
from support.slow_backend import SteppedBackend

PERIOD = 0.5


class Job:
    """A grey frame that keeps its number once it is served."""

    def __init__(self, served, number):
        self.arrived = 0.0
        self._served, self._number = served, number
        self._image = np.full((8, 8, 3), 9, np.uint8)

    def prepare(self, segmenter):
        """Prepare it."""
        return segmenter.prepare(self._image, with_confidence=False)

    def publish(self, segmentation):
        """Keep the number."""
        self._served.append(self._number)


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


def test_thread_that_is_handed_over_to_waits_until_the_one_before_is_drained():
    gate, served = threading.Event(), []
    backends = [SteppedBackend(gate), SteppedBackend()]
    threads = [InferenceThread(['a'], LiveSegmenter(ListSelector(backend)), 0.0)
               for backend in backends]
    watched = Supervisor(None, lambda fallback, predecessor: threads[0], None, None,
                         AbandonedThreads())
    for thread in threads:
        thread.start()
        assert thread.wait_until_open(10.0)
    watched.offer('a', Job(served, 0))
    assert backends[0].running.wait(10.0)
    watched.offer('a', Job(served, 1))
    assert watched.hand_over(threads[1]) is threads[0]
    assert watched.offer('a', Job(served, 2))  # the one that waited makes way
    assert not backends[1].running.wait(0.2)
    gate.set()
    assert threads[0].wait_until_drained(10.0)
    assert served == [0] and not backends[1].running.is_set()
    threads[1].resume()
    wait_until(lambda: len(served) == 2, 'the newest frame')
    assert served == [0, 2]
    assert watched.stop(10.0) and threads[0].stop(10.0)


class Scripted:
    """A thread that is in the state which a test gives it."""

    def __init__(self, fallback, predecessor):
        self.fallback, self.predecessor = fallback, predecessor
        self.successes = self.failures = 0
        self.failure = self.activity = None
        self.is_open = self.is_alive = self.ends = True
        self.is_started = self.is_abandoned = False
        self.opens_at = 0.0
        self.watch = None

    def wait_until_open(self, timeout):
        """Wait on the clock of the test; return whether it is open."""
        self.watch.now += timeout
        return self.watch.now >= self.opens_at

    def start(self):
        """Start."""
        self.is_started = True

    def stop(self, timeout):
        """Stop, or hang."""
        return self.ends

    def abandon(self):
        """Return the cameras whose frames are lost."""
        self.is_abandoned = True
        return ['front']

    def offer(self, camera, job):
        """Take a frame; none had to make way."""
        return False


class Watch:
    """A supervisor of scripted threads on a clock of its own, and what it told."""

    def __init__(self, monkeypatch, hang_timeout=5.0, open_timeout=60.0):
        self.now = 1000.0
        monkeypatch.setattr(supervisor_module.time, 'monotonic', lambda: self.now)
        self.lost, self.told, self.threads = [], [], []
        self.abandoned = AbandonedThreads()
        self.supervisor = Supervisor(
            SimpleNamespace(current=SimpleNamespace(hang_timeout=hang_timeout,
                                                    open_timeout=open_timeout)),
            self._make, lambda camera, why: self.lost.append((camera, why)), self.told.append,
            self.abandoned)

    def _make(self, fallback, predecessor):
        self.threads.append(Scripted(fallback, predecessor))
        self.threads[-1].watch = self
        return self.threads[-1]

    def check_after(self, seconds, step=0.5):
        """Check in steps; return whether the thread was replaced."""
        before, end = len(self.told), self.now + seconds
        while self.now < end - 1e-9:
            self.now = min(self.now + step, end)
            self.supervisor.check()
        return len(self.told) > before


def test_five_failures_in_a_row_open_the_backend_anew_and_four_do_not(monkeypatch):
    watch = Watch(monkeypatch)
    first = watch.supervisor.thread
    first.successes, first.failures = 7, 4
    assert not watch.check_after(3.0)
    first.failures = 5
    assert watch.check_after(0.5)
    thread = watch.supervisor.thread
    assert (thread.fallback, thread.predecessor, thread.is_started) == (False, first, True)
    assert first.is_abandoned and watch.lost[0][0] == 'front'
    state = watch.supervisor.state
    assert state.trouble == state.last == watch.told[-1]
    assert 'nothing for 5 frames in a row; it is opened anew' in state.trouble
    assert (state.replaced, state.abandoned, state.fallback) == (1, 0, False)
    # It serves, or fails again: only the first is the end of the trouble.
    thread.successes, thread.failures = 1, 1
    watch.check_after(0.5)
    assert watch.supervisor.state.trouble
    thread.failures = 0
    watch.check_after(0.5)
    assert watch.supervisor.state.trouble == '' and watch.supervisor.state.last


def test_attempts_are_made_at_once_then_after_1_2_4_seconds_and_so_on_up_to_a_minute(monkeypatch):
    watch = Watch(monkeypatch)
    watch.supervisor.thread.failure = 'no'
    moments = []
    while len(moments) < 9:
        if watch.check_after(0.25, 0.25):
            moments.append(watch.now)
            watch.supervisor.thread.failure = 'no'
    pauses = [after - before for before, after in zip(moments, moments[1:])]
    assert moments[0] == 1000.25
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert watch.told[0].startswith('The backend cannot be opened: no')
    # A success begins the pauses anew.
    thread = watch.supervisor.thread
    thread.failure, thread.successes = None, 1
    assert not watch.check_after(61.0)
    thread.failures = 5
    assert watch.check_after(0.5)
    watch.supervisor.thread.failure = 'no'
    assert not watch.check_after(0.9, 0.1) and watch.check_after(0.2, 0.1)


@pytest.mark.parametrize('after, fallback', [(599.0, True), (601.0, False)])
def test_a_second_fault_within_ten_minutes_brings_the_fallback_for_good(monkeypatch, after,
                                                                        fallback):
    watch = Watch(monkeypatch)
    watch.supervisor.thread.failures = 5
    assert watch.check_after(0.5)
    assert not watch.supervisor.thread.fallback
    watch.supervisor.thread.successes = 1
    assert not watch.check_after(after - 0.5)
    watch.supervisor.thread.failures = 5
    assert watch.check_after(0.5)
    assert watch.supervisor.thread.fallback is watch.supervisor.state.fallback is fallback
    assert ('the fallback is opened' in watch.told[-1]) is fallback
    watch.supervisor.thread.successes = 1
    assert not watch.check_after(700.0)
    watch.supervisor.thread.failures = 5
    assert watch.check_after(0.5)
    assert watch.supervisor.thread.fallback is fallback


@pytest.mark.parametrize('first, hang_timeout, open_timeout, found_after', [
    (False, 5.0, 60.0, 5.0), (True, 5.0, 60.0, 60.0), (False, 0.0, 60.0, None),
    (True, 5.0, 0.0, None)])
def test_a_hang_is_found_after_its_limit_and_0_turns_that_off(monkeypatch, first, hang_timeout,
                                                              open_timeout, found_after):
    watch = Watch(monkeypatch, hang_timeout, open_timeout)
    hanging = watch.supervisor.thread
    watch.check_after(1.0)
    hanging.activity = Activity('front', first)
    watch.check_after(0.5)  # seen at the end of this step
    if found_after is None:
        assert not watch.check_after(500.0)
        return
    assert not watch.check_after(found_after)
    assert watch.check_after(0.5)
    assert f'has not answered for {found_after + 0.5:.1f} s' in watch.told[-1]
    # It cannot be ended: nobody waits for it.
    assert hanging in watch.abandoned and watch.supervisor.thread.predecessor is None
    assert watch.supervisor.state.abandoned == 1
    hanging.is_alive = False
    watch.check_after(0.5)
    assert watch.supervisor.state.abandoned == 0 and watch.abandoned.total == 1


def test_with_four_threads_that_hang_the_end_of_the_process_is_asked_for(monkeypatch):
    watch = Watch(monkeypatch)
    for number in range(1, 5):
        assert not watch.abandoned.is_unrecoverable
        watch.supervisor.thread.activity = Activity('front', False)
        watch.check_after(30.0)
        assert len(watch.abandoned) == number
    assert watch.abandoned.is_unrecoverable
    assert 'as have 3 before it; the process ends' in watch.told[-1]
    assert len(watch.threads) == 4
    told = len(watch.told)
    assert not watch.check_after(100.0) and len(watch.told) == told
    # What hangs is not waited for at the end.
    assert watch.supervisor.stop(10.0)


def test_a_thread_that_does_not_stop_in_time_is_given_up(monkeypatch):
    watch = Watch(monkeypatch)
    watch.supervisor.thread.ends = False
    assert not watch.supervisor.stop(1.0)
    assert watch.supervisor.thread in watch.abandoned and watch.supervisor.thread.is_abandoned
    assert not watch.abandoned.is_unrecoverable
    watch.abandoned.ask_for_end()
    assert watch.abandoned.is_unrecoverable


def test_frames_make_way_while_no_backend_is_open(monkeypatch):
    watch = Watch(monkeypatch)
    assert watch.supervisor.offer('front', None) is False
    watch.supervisor.thread.failure = 'no'
    assert watch.supervisor.offer('front', None) is True


def test_start_waits_until_the_backend_is_open(monkeypatch):
    watch = Watch(monkeypatch)
    thread = watch.supervisor.thread
    thread.opens_at = 1003.0
    watch.supervisor.start(lambda: False)
    assert 1003.0 <= watch.now < 1003.5
    assert thread.is_started and not thread.is_abandoned and not watch.told
    assert watch.supervisor.thread is thread


@pytest.mark.parametrize('ends', [True, False])
def test_start_waits_no_longer_once_the_process_shall_stop(monkeypatch, ends):
    watch = Watch(monkeypatch)
    thread = watch.supervisor.thread
    thread.opens_at, thread.ends = 1030.0, ends
    with pytest.raises(BackendError, match='not open yet.*a request to stop'):
        watch.supervisor.start(lambda: watch.now > 1002.0)
    assert 1002.0 < watch.now < 1002.5
    assert thread.is_abandoned
    # One that ends after all need not be kept in mind.
    assert (thread in watch.abandoned) != ends


def test_start_opens_the_fallback_where_the_backend_hangs(monkeypatch):
    watch = Watch(monkeypatch, open_timeout=10.0)
    first = watch.supervisor.thread
    first.opens_at, first.activity = 1e9, Activity('opening', True)
    watch.supervisor.start(lambda: False)
    assert 1010.0 < watch.now < 1011.0
    assert first in watch.abandoned and first.is_abandoned
    thread = watch.supervisor.thread
    assert thread.fallback and thread.is_started and thread.predecessor is None
    assert 'was not open after 10.' in watch.told[0]
