# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One thread owns the backend, and serves the newest frames until it is stopped."""

import threading

import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.live_segmenter import BackendProvider
from segformer_ros.ros.node.scheduler import Frame
from segformer_ros.segmentation.segmenter import Segmenter
from support.ros_graph import wait_until
from support.slow_backend import ListProvider
from support.slow_backend import SPEC
from support.slow_backend import SteppedBackend

IMAGE = np.zeros((8, 8, 3), np.uint8)


class Served:
    """What the worker handed over, in order."""

    def __init__(self):
        self.frames = []
        self.segmenters = []

    def __call__(self, camera, frame, turn):
        found = turn.segmenter()
        found.segment(IMAGE)
        self.frames.append((camera, frame.message))
        self.segmenters.append(found)


def make_worker(provider, serve, cameras=('a',), max_rate=0.0):
    return InferenceThread(cameras, provider,
                           lambda choice: Segmenter(SPEC, choice.backend), serve, max_rate)


def start(worker):
    worker.begin()
    assert worker.wait_until_open(10.0)


def test_backend_is_opened_used_and_closed_in_one_thread_that_is_not_the_callers():
    backend, served = SteppedBackend(), Served()
    worker = make_worker(ListProvider(backend), served)
    start(worker)
    worker.offer('a', Frame(1, 0.0))
    wait_until(lambda: served.frames, 'a served frame')
    assert worker.stop(10.0)
    assert len(backend.threads) == 1
    assert threading.get_ident() not in backend.threads
    assert backend.closed == 1


def test_frames_that_come_during_an_inference_are_dropped_but_for_the_newest():
    gate, served = threading.Event(), Served()
    backend = SteppedBackend(gate)
    worker = make_worker(ListProvider(backend), served)
    start(worker)
    assert worker.offer('a', Frame(0, 0.0)) is False
    assert backend.running.wait(10.0)
    assert [worker.offer('a', Frame(n, 0.0)) for n in (1, 2, 3)] == [False, True, True]
    gate.set()
    wait_until(lambda: len(served.frames) == 2, 'two served frames')
    assert served.frames == [('a', 0), ('a', 3)]
    assert worker.stop(10.0)


def test_stop_lets_the_frame_in_work_finish_and_leaves_the_others():
    gate, served = threading.Event(), Served()
    backend = SteppedBackend(gate)
    worker = make_worker(ListProvider(backend), served)
    start(worker)
    worker.offer('a', Frame(0, 0.0))
    assert backend.running.wait(10.0)
    worker.offer('a', Frame(1, 0.0))
    assert worker.stop(0.05) is False
    assert backend.closed == 0
    gate.set()
    assert worker.stop(10.0)
    assert served.frames == [('a', 0)]
    assert backend.closed == 1


def test_a_better_backend_takes_over_between_two_frames():
    first, second, served = SteppedBackend(), SteppedBackend(), Served()
    provider = ListProvider(first)
    worker = make_worker(provider, served)
    start(worker)
    for number in range(4):
        if number == 2:
            provider.backends.append(second)
        worker.offer('a', Frame(number, 0.0))
        wait_until(lambda count=number + 1: len(served.frames) == count, 'the next frame')
    assert worker.choice.backend is second
    segmenters = served.segmenters
    assert segmenters[0] is segmenters[1] is not segmenters[2] is segmenters[3]
    assert worker.stop(10.0)
    assert (first.closed, second.closed) == (1, 1)


class RefusingProvider(BackendProvider):
    """Has no backend."""

    closed = False

    def current(self):
        """Refuse."""
        raise BackendError('No backend here')

    def close(self):
        """Remember the call."""
        self.closed = True


def test_start_raises_what_the_provider_raised_and_leaves_no_thread():
    before = set(threading.enumerate())
    provider = RefusingProvider()
    worker = make_worker(provider, Served())
    with pytest.raises(BackendError, match='No backend here'):
        start(worker)
    assert provider.closed
    # Threads of earlier tests may end meanwhile.
    assert set(threading.enumerate()) <= before


def test_start_raises_when_the_network_does_not_fit_its_specification():
    worker = InferenceThread(
        ['a'], ListProvider(SteppedBackend()),
        lambda choice: Segmenter(SPEC._replace(input_name='other'), choice.backend), Served(), 0.0)
    with pytest.raises(Exception, match='Inputs of the model do not fit'):
        start(worker)


class ImprovingProvider(ListProvider):
    """Has a better backend after some steps, and one to fall back to."""

    def __init__(self, first, *steps, **options):
        super().__init__(first)
        self._steps = list(steps)
        self._rest = options.get('rest')
        self.reasons = []

    @property
    def is_busy(self):
        """Tell whether steps are left."""
        return bool(self._steps)

    def advance(self):
        """Take one of them: None does nothing, a backend takes over."""
        step = self._steps.pop(0)
        if step is not None:
            self.backends.append(step)
        return step is not None

    def recover(self, reason):
        """Take the rest, once."""
        self.reasons.append(reason)
        if self._rest is None:
            return False
        self.backends.append(self._rest)
        self._rest = None
        return True


def test_a_better_backend_is_prepared_and_taken_over_while_no_image_comes():
    first, second = SteppedBackend(), SteppedBackend()
    provider = ImprovingProvider(first, None, None, second)
    worker = make_worker(provider, Served())
    start(worker)
    wait_until(lambda: worker.choice.backend is second, 'the better backend')
    assert not provider.is_busy
    assert worker.stop(10.0)
    assert len(first.threads | second.threads) == 1


def serve_with_recovery(results):
    def serve(camera, frame, turn):
        segmenter = turn.segmenter()
        try:
            segmenter.segment(IMAGE)
        except BackendError as error:
            try:
                segmenter = turn.recover(segmenter, error)
                segmenter.segment(IMAGE)
            except BackendError as last:
                results.append(str(last))
                return
        results.append(segmenter.backend)
    return serve


def test_a_backend_that_fails_gives_way_within_the_frame():
    first, rest, results = SteppedBackend(failures=['it broke']), SteppedBackend(), []
    provider = ImprovingProvider(first, rest=rest)
    worker = make_worker(provider, serve_with_recovery(results))
    start(worker)
    worker.offer('a', Frame(0, 0.0))
    wait_until(lambda: results, 'a result')
    assert results == [rest]
    assert 'it broke' in provider.reasons[0]
    assert worker.stop(10.0)


def test_a_failure_with_nothing_to_fall_back_to_is_the_frames_own():
    results = []
    worker = make_worker(ImprovingProvider(SteppedBackend(failures=['it broke'])),
                         serve_with_recovery(results))
    start(worker)
    worker.offer('a', Frame(0, 0.0))
    worker_results = wait_until(lambda: results, 'a result')
    assert 'it broke' in worker_results[0]
    assert worker.stop(10.0)


def test_a_worker_that_was_given_up_claims_nothing_and_gives_its_frames_back_once():
    gate, claims = threading.Event(), []

    def serve(camera, frame, turn):
        turn.segmenter().segment(IMAGE)
        claims.append(turn.claim())

    backend = SteppedBackend(gate)
    worker = make_worker(ListProvider(backend), serve, cameras=('a', 'b'))
    start(worker)
    worker.offer('a', Frame(0, 0.0))
    assert backend.running.wait(10.0)
    worker.offer('a', Frame(1, 0.0))
    worker.offer('b', Frame(2, 0.0))
    assert sorted(worker.abandon()) == ['a', 'a', 'b']
    gate.set()
    assert worker.stop(10.0)
    assert claims == [False]
    assert backend.closed == 1


def test_a_frame_that_was_claimed_is_not_given_back():
    claimed, go_on = threading.Event(), threading.Event()

    def serve(camera, frame, turn):
        assert turn.claim()
        claimed.set()
        assert go_on.wait(10.0)
        assert turn.claim()

    worker = make_worker(ListProvider(SteppedBackend()), serve)
    start(worker)
    worker.offer('a', Frame(0, 0.0))
    assert claimed.wait(10.0)
    assert worker.abandon() == []
    go_on.set()
    assert worker.stop(10.0)


def test_rate_limit_can_be_lifted_while_a_frame_waits():
    served = Served()
    worker = make_worker(ListProvider(SteppedBackend()), served, max_rate=0.01)
    start(worker)
    for number in (0, 1):
        worker.offer('a', Frame(number, 0.0))
        if number == 0:
            wait_until(lambda: served.frames, 'the first frame')
    assert served.frames == [('a', 0)]
    worker.set_max_rate(0.0)
    wait_until(lambda: len(served.frames) == 2, 'the second frame')
    assert worker.stop(10.0)
