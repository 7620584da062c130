# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One thread owns the backend, serves the newest frames, and overlaps them on a GPU."""

import threading

import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.ros.node import live_segmenter
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.live_segmenter import LiveSegmenter
from support.grey_gpu import Gpu
from support.ros_graph import wait_until
from support.slow_backend import ListSelector
from support.slow_backend import plain_status
from support.slow_backend import SPEC
from support.slow_backend import SteppedBackend

FRAMES = 5


class Record:
    """What became of the frames, in order."""

    def __init__(self):
        self.log = []
        self.masks = {}
        self.frames = []
        self.segmenters = []
        self.errors = []
        self.failed = []


class Job:
    """A frame of one grey level, as a camera makes it."""

    def __init__(self, record, level, camera='a'):
        self.arrived = 0.0
        self._record, self._level, self._camera = record, level, camera
        self._image = np.full((8, 8, 3), level, np.uint8)

    def prepare(self, segmenter):
        """Prepare it."""
        prepared = segmenter.prepare(self._image, with_confidence=False)
        self._record.log.append(('prepare', self._level))
        self._segmenter = segmenter
        return prepared

    def segment(self, segmenter):
        """Do all of it once more."""
        self._segmenter = segmenter
        return segmenter.segment(self._image, with_confidence=False)

    def publish(self, segmentation):
        """Keep the mask's classes."""
        self._record.log.append(('publish', self._level))
        self._record.masks[self._level] = set(segmentation.mask.ravel().tolist())
        self._record.segmenters.append(self._segmenter)
        self._record.frames.append((self._camera, self._level))

    def fail(self, error):
        """Keep the error."""
        self._record.errors.append(str(error))
        self._record.failed.append(self._level)


def make_thread(selector, cameras=('a',), max_rate=0.0):
    return InferenceThread(cameras, LiveSegmenter(selector), max_rate)


def start(thread):
    thread.start()
    assert thread.wait_until_open(10.0)


def test_backend_is_opened_used_and_closed_in_one_thread_that_is_not_the_callers():
    backend, record = SteppedBackend(), Record()
    thread = make_thread(ListSelector(backend))
    start(thread)
    thread.offer('a', Job(record, 1))
    wait_until(lambda: record.frames, 'a served frame')
    assert thread.stop(10.0)
    assert len(backend.threads) == 1
    assert threading.get_ident() not in backend.threads
    assert backend.closed == 1


def test_frames_that_come_during_an_inference_are_dropped_but_for_the_newest():
    gate, record = threading.Event(), Record()
    backend = SteppedBackend(gate)
    thread = make_thread(ListSelector(backend))
    start(thread)
    assert thread.offer('a', Job(record, 0)) is False
    assert backend.running.wait(10.0)
    assert [thread.offer('a', Job(record, n)) for n in (1, 2, 3)] == [False, True, True]
    gate.set()
    wait_until(lambda: len(record.frames) == 2, 'two served frames')
    assert record.frames == [('a', 0), ('a', 3)]
    assert thread.stop(10.0)


def test_stop_lets_the_frame_in_work_finish_and_leaves_the_others():
    gate, record = threading.Event(), Record()
    backend = SteppedBackend(gate)
    thread = make_thread(ListSelector(backend))
    start(thread)
    thread.offer('a', Job(record, 0))
    assert backend.running.wait(10.0)
    thread.offer('a', Job(record, 1))
    assert thread.stop(0.05) is False
    assert backend.closed == 0
    gate.set()
    assert thread.stop(10.0)
    assert record.frames == [('a', 0)]
    assert backend.closed == 1


def test_a_better_backend_takes_over_between_two_frames():
    first, second, record = SteppedBackend(), SteppedBackend(), Record()
    selector = ListSelector(first)
    thread = make_thread(selector)
    start(thread)
    for number in range(4):
        if number == 2:
            selector.backends.append(second)
            wait_until(lambda: thread.live.serving.backend is second, 'the better backend')
        thread.offer('a', Job(record, number))
        wait_until(lambda count=number + 1: len(record.frames) == count, 'the next frame')
    segmenters = record.segmenters
    assert segmenters[0] is segmenters[1] is not segmenters[2] is segmenters[3]
    assert thread.stop(10.0)
    assert (first.closed, second.closed) == (1, 1)


class RefusingSelector(ListSelector):
    """Has no backend."""

    closed = False

    def open(self):
        """Refuse."""
        raise BackendError('No backend here')

    def close(self):
        """Remember the call."""
        self.closed = True


def test_start_raises_what_the_selector_raised_and_leaves_no_thread():
    before = set(threading.enumerate())
    selector = RefusingSelector()
    with pytest.raises(BackendError, match='No backend here'):
        start(make_thread(selector))
    assert selector.closed
    # Threads of earlier tests may end meanwhile.
    assert set(threading.enumerate()) <= before


def test_start_raises_when_the_network_does_not_fit_its_specification():
    selector = ListSelector(SteppedBackend())
    selector.spec = SPEC._replace(input_name='other')
    with pytest.raises(Exception, match='Inputs of the model do not fit'):
        start(make_thread(selector))


class ImprovingSelector(ListSelector):
    """Has a better backend after some steps, and one to fall back to."""

    def __init__(self, first, *steps, **options):
        super().__init__(first)
        self._steps = list(steps)
        self._rest = options.get('rest')
        self.reasons = []

    @property
    def status(self):
        """Return whether steps are left."""
        return plain_status('the newest', preparing='the test' if self._steps else '')

    def poll(self):
        """Take one of them: None does nothing, a backend takes over."""
        step = self._steps.pop(0)
        if step is not None:
            self.backends.append(step)
        return super().poll()

    def fall_back(self, reason):
        """Take the rest."""
        self.reasons.append(reason)
        self.backends.append(self._rest)
        return self.open()


def test_a_better_backend_is_prepared_and_taken_over_while_no_image_comes():
    first, second = SteppedBackend(), SteppedBackend()
    thread = make_thread(ImprovingSelector(first, None, None, second))
    start(thread)
    wait_until(lambda: thread.live.serving.backend is second, 'the better backend')
    wait_until(lambda: not thread.live.is_improving, 'the end of the steps')
    assert thread.stop(10.0)
    assert len(first.threads | second.threads) == 1


def test_a_backend_that_fails_gives_way_within_the_frame():
    first = SteppedBackend(failures=['it broke'], name='tensorrt')
    rest, record = SteppedBackend(), Record()
    selector = ImprovingSelector(first, rest=rest)
    thread = make_thread(selector)
    start(thread)
    thread.offer('a', Job(record, 0))
    wait_until(lambda: record.segmenters, 'a result')
    assert [found.backend for found in record.segmenters] == [rest]
    assert 'it broke' in selector.reasons[0]
    assert not record.errors
    assert thread.stop(10.0)


def test_a_failure_with_nothing_to_fall_back_to_is_the_frames_own():
    record = Record()
    selector = ImprovingSelector(SteppedBackend(failures=['it broke']))
    thread = make_thread(selector)
    start(thread)
    thread.offer('a', Job(record, 0))
    wait_until(lambda: record.errors, 'an error')
    assert 'it broke' in record.errors[0]
    assert (record.frames, selector.reasons) == ([], [])
    assert thread.stop(10.0)


def test_a_thread_that_was_given_up_publishes_nothing_and_gives_its_frames_back_once():
    gate, record = threading.Event(), Record()
    backend = SteppedBackend(gate)
    thread = make_thread(ListSelector(backend), cameras=('a', 'b'))
    start(thread)
    thread.offer('a', Job(record, 0))
    assert backend.running.wait(10.0)
    thread.offer('a', Job(record, 1))
    thread.offer('b', Job(record, 2, 'b'))
    assert sorted(thread.abandon()) == ['a', 'a', 'b']
    gate.set()
    assert thread.stop(10.0)
    assert (record.frames, record.errors) == ([], [])
    assert backend.closed == 1


def test_a_frame_that_is_published_is_not_given_back():
    published, go_on, record = threading.Event(), threading.Event(), Record()

    class SlowJob(Job):
        def publish(self, segmentation):
            published.set()
            assert go_on.wait(10.0)
            super().publish(segmentation)

    thread = make_thread(ListSelector(SteppedBackend()))
    start(thread)
    thread.offer('a', SlowJob(record, 0))
    assert published.wait(10.0)
    assert thread.abandon() == []
    go_on.set()
    assert thread.stop(10.0)
    assert record.frames == [('a', 0)]


@pytest.mark.parametrize('error, failures', [
    (BackendError('no'), 1), (InvalidInputError('no'), 0), (ZeroDivisionError('ours'), 1)])
def test_a_frame_that_cannot_be_published_is_told_and_counts_unless_the_image_is_to_blame(
        error, failures):
    record = Record()

    class BadJob(Job):
        def publish(self, segmentation):
            raise error

    thread = make_thread(ListSelector(SteppedBackend()))
    start(thread)
    thread.offer('a', BadJob(record, 0))
    wait_until(lambda: record.errors, 'an error')
    assert thread.failures == failures
    thread.offer('a', Job(record, 1))
    wait_until(lambda: record.frames, 'the next frame')
    assert thread.failures == 0
    assert thread.stop(10.0)


def test_frames_that_fail_in_a_row_are_counted_from_the_first_one_on():
    record = Record()

    class BadJob(Job):
        def prepare(self, segmenter):
            raise ZeroDivisionError('ours')

    thread = make_thread(ListSelector(SteppedBackend()))
    start(thread)
    assert (thread.failures, thread.successes) == (0, 0)
    for count in (1, 2):
        thread.offer('a', BadJob(record, count))
        wait_until(lambda count=count: len(record.errors) == count, 'an error')
        assert (thread.failures, thread.successes) == (count, 0)
    assert thread.stop(10.0)


def test_rate_limit_can_be_lifted_while_a_frame_waits():
    record = Record()
    thread = make_thread(ListSelector(SteppedBackend()), max_rate=0.01)
    start(thread)
    for number in (0, 1):
        thread.offer('a', Job(record, number))
        if number == 0:
            wait_until(lambda: record.frames, 'the first frame')
    assert record.frames == [('a', 0)]
    thread.set_max_rate(0.0)
    wait_until(lambda: len(record.frames) == 2, 'the second frame')
    assert thread.stop(10.0)


@pytest.fixture
def run(monkeypatch):
    """Return a function that starts the thread of a selector, which is stopped afterwards."""
    # On a machine that is held up no frame shall be drained to look for a better backend.
    monkeypatch.setattr(live_segmenter, 'POLL_PERIOD', 1000.0)
    started = []

    def run_thread(selector):
        thread = make_thread(selector)
        started.append(thread)
        start(thread)
        return thread

    yield run_thread
    for thread in started:
        assert thread.stop(10.0)


def offers_the_next(record, threads, frames=FRAMES):
    """Return a function that leaves the frame after a level as soon as that one runs."""
    def offer(level):
        if level + 1 < frames:
            threads[0].offer('a', Job(record, level + 1))
    return offer


def test_next_frame_is_prepared_and_last_one_published_while_the_gpu_runs(run):
    record, threads = Record(), []
    threads.append(run(ListSelector(Gpu(record.log, offers_the_next(record, threads, 3)))))
    threads[0].offer('a', Job(record, 0))
    wait_until(lambda: len(record.masks) == 3, 'three masks')
    assert record.log == [
        ('prepare', 0), ('begin', 0),
        ('prepare', 1), ('end', 0), ('begin', 1), ('publish', 0),
        ('prepare', 2), ('end', 1), ('begin', 2), ('publish', 1),
        ('end', 2), ('publish', 2)]


def test_every_frame_gets_its_own_mask_though_the_next_run_has_begun(run):
    record, threads = Record(), []
    threads.append(run(ListSelector(Gpu(record.log, offers_the_next(record, threads)))))
    threads[0].offer('a', Job(record, 0))
    wait_until(lambda: len(record.masks) == FRAMES, 'all masks')
    assert record.masks == {level: {level} for level in range(FRAMES)}


def test_frame_with_none_behind_it_is_published_without_waiting_for_one(run):
    record = Record()
    thread = run(ListSelector(Gpu(record.log)))
    for level in range(2):
        thread.offer('a', Job(record, level))
        wait_until(lambda level=level: level in record.masks, 'its mask')
    assert [step for step, _ in record.log] == ['prepare', 'begin', 'end', 'publish'] * 2


def test_on_the_cpu_nothing_overlaps(run):
    record, gate = Record(), threading.Event()
    backend = SteppedBackend(gate)
    thread = run(ListSelector(backend))
    thread.offer('a', Job(record, 0))
    assert backend.running.wait(10.0)
    thread.offer('a', Job(record, 1))
    gate.set()
    wait_until(lambda: len(record.masks) == 2, 'two masks')
    assert record.log == [('prepare', 0), ('publish', 0), ('prepare', 1), ('publish', 1)]


def test_failed_run_loses_its_own_frame_alone(run):
    record, threads = Record(), []
    threads.append(run(ListSelector(
        Gpu(record.log, offers_the_next(record, threads), failing=(1, 2)))))
    threads[0].offer('a', Job(record, 0))
    wait_until(lambda: len(record.masks) + len(record.failed) == FRAMES, 'an end of each frame')
    assert record.failed == [1, 2]
    assert record.masks == {level: {level} for level in (0, 3, 4)}


def test_better_backend_takes_over_between_runs_and_the_old_one_ends_its_own(run, monkeypatch):
    monkeypatch.setattr(live_segmenter, 'POLL_PERIOD', 0.0)
    record, threads = Record(), []
    next_frame = offers_the_next(record, threads)

    def on_begin(level):
        if level == 1:
            selector.backends.append(Gpu(record.log, next_frame))
        next_frame(level)

    selector = ListSelector(Gpu(record.log, on_begin))
    threads.append(run(selector))
    threads[0].offer('a', Job(record, 0))
    wait_until(lambda: len(record.masks) == FRAMES, 'all masks')
    assert record.masks == {level: {level} for level in range(FRAMES)}
    assert threads[0].live.serving.backend is selector.backends[1]


def test_selector_is_left_alone_while_a_run_is_under_way(run):
    record, threads, polled = Record(), [], []

    class Selector(ListSelector):
        def poll(self):
            polled.append(record.log[-1:])
            return super().poll()

    threads.append(run(Selector(Gpu(record.log, offers_the_next(record, threads)))))
    threads[0].offer('a', Job(record, 0))
    wait_until(lambda: len(record.masks) == FRAMES, 'all masks')
    assert threads[0].stop(10.0)
    assert [] in polled
    assert all(last in ([], [('publish', FRAMES - 1)]) for last in polled), polled


def test_thread_given_up_with_two_frames_in_work_gives_both_back(run):
    record, gate, ending = Record(), threading.Event(), threading.Event()

    class Hanging(Gpu):
        def _end(self):
            ending.set()
            assert gate.wait(30.0)
            return super()._end()

    threads = []
    threads.append(run(ListSelector(Hanging(record.log, offers_the_next(record, threads, 2)))))
    threads[0].offer('a', Job(record, 0))
    assert ending.wait(10.0)
    assert threads[0].abandon() == ['a', 'a']
    gate.set()
    assert threads[0].stop(10.0)
    assert record.masks == {}


class SlowToDecode(Job):
    """A frame whose decoding a test lets go on."""

    def __init__(self, record, level):
        super().__init__(record, level)
        self.decoding, self.gate = threading.Event(), threading.Event()

    def prepare(self, segmenter):
        """Prepare it when the test says so."""
        self.decoding.set()
        assert self.gate.wait(30.0)
        return super().prepare(segmenter)


def test_backend_is_waited_for_while_it_runs_and_not_while_an_image_is_decoded():
    gate, record = threading.Event(), Record()
    backend = SteppedBackend(gate)
    thread = make_thread(ListSelector(backend))
    job = SlowToDecode(record, 1)
    start(thread)
    try:
        thread.offer('a', job)
        assert job.decoding.wait(10.0)
        assert thread.activity is None
        job.gate.set()
        assert backend.running.wait(10.0)
        assert thread.activity == ('a', True)
        gate.set()
        wait_until(lambda: record.frames, 'a served frame')
        assert thread.activity is None
    finally:
        job.gate.set()
        gate.set()
        assert thread.stop(10.0)


def test_held_thread_keeps_the_newest_frame_and_serves_it_when_let_go():
    backend, record = SteppedBackend(), Record()
    thread = make_thread(ListSelector(backend))
    start(thread)
    thread.hold()
    assert [thread.offer('a', Job(record, n)) for n in (1, 2)] == [False, True]
    assert not backend.running.wait(0.2)
    thread.resume()
    wait_until(lambda: record.frames, 'a served frame')
    assert record.frames == [('a', 2)]
    assert thread.stop(10.0)


def test_held_thread_can_be_stopped():
    thread = make_thread(ListSelector(SteppedBackend()))
    start(thread)
    thread.hold()
    assert thread.stop(10.0)


def test_retired_thread_finishes_its_frame_and_leaves_the_waiting_ones_to_its_successor():
    gate, record = threading.Event(), Record()
    backend = SteppedBackend(gate)
    thread = make_thread(ListSelector(backend), ('a', 'b'))
    successor = make_thread(ListSelector(SteppedBackend()), ('a', 'b'))
    for each in (thread, successor):
        start(each)
    successor.hold()
    thread.offer('a', Job(record, 0))
    assert backend.running.wait(10.0)
    thread.offer('a', Job(record, 1))
    thread.offer('b', Job(record, 2, 'b'))
    thread.retire(successor)
    assert not thread.wait_until_drained(0.1)
    gate.set()
    assert thread.wait_until_drained(10.0)
    assert record.frames == [('a', 0)]
    assert thread.stop(10.0) and backend.closed == 1
    assert record.frames == [('a', 0)]
    successor.resume()
    wait_until(lambda: len(record.frames) == 3, 'the frames that waited')
    assert sorted(record.frames[1:]) == [('a', 1), ('b', 2)]
    assert successor.stop(10.0)
