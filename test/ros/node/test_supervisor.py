# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The time that a backend had, and that in which its process stood still."""

import threading
import time

import numpy as np
import pytest
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
