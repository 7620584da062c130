# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""While a GPU runs one frame the thread prepares the next and publishes the last."""

import threading

import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.ros.node import inference_thread as worker_module
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.scheduler import Frame
from segformer_ros.segmentation.segmenter import Segmenter
from support.grey_gpu import Gpu
from support.ros_graph import wait_until
from support.slow_backend import ListProvider
from support.slow_backend import SPEC
from support.slow_backend import SteppedBackend

FRAMES = 5


class Server:
    """Serves as a camera does; remembers masks by frame, and what happened in which order."""

    def __init__(self):
        self.log = []
        self.masks = {}
        self.failed = []

    def __call__(self, camera, frame, turn):
        level = frame.message
        segmenter = turn.segmenter()
        image = np.full((8, 8, 3), level, np.uint8)
        prepared = segmenter.prepare(image, with_confidence=False)
        self.log.append(('prepare', level))
        yield
        segmenter.begin(prepared)
        yield
        try:
            segmenter.end()
        except BackendError:
            self.failed.append(level)
            return
        yield
        mask = segmenter.finish(prepared).mask
        self.log.append(('publish', level))
        if turn.claim():
            self.masks[level] = set(mask.ravel().tolist())


@pytest.fixture
def run(monkeypatch):
    """Return a function that starts a worker of a provider, which is stopped afterwards."""
    # On a machine that is held up no frame shall be drained to ask for a better backend.
    monkeypatch.setattr(worker_module, 'ASK_PERIOD', 1000.0)
    started = []

    def start(provider, server):
        worker = InferenceThread(['a'], provider,
                                 lambda choice: Segmenter(SPEC, choice.backend), server, 0.0)
        started.append(worker)
        worker.begin()
        assert worker.wait_until_open(10.0)
        return worker

    yield start
    for worker in started:
        assert worker.stop(10.0)


def offers_the_next(workers, frames=FRAMES):
    """Return a function that leaves the frame after a level as soon as that one runs."""
    def offer(level):
        if level + 1 < frames:
            workers[0].offer('a', Frame(level + 1, 0.0))
    return offer


def test_next_frame_is_prepared_and_last_one_published_while_the_gpu_runs(run):
    server, workers = Server(), []
    workers.append(run(ListProvider(Gpu(server.log, offers_the_next(workers, 3))), server))
    workers[0].offer('a', Frame(0, 0.0))
    wait_until(lambda: len(server.masks) == 3, 'three masks')
    assert server.log == [
        ('prepare', 0), ('begin', 0),
        ('prepare', 1), ('end', 0), ('begin', 1), ('publish', 0),
        ('prepare', 2), ('end', 1), ('begin', 2), ('publish', 1),
        ('end', 2), ('publish', 2)]


def test_every_frame_gets_its_own_mask_though_the_next_run_has_begun(run):
    server, workers = Server(), []
    workers.append(run(ListProvider(Gpu(server.log, offers_the_next(workers))), server))
    workers[0].offer('a', Frame(0, 0.0))
    wait_until(lambda: len(server.masks) == FRAMES, 'all masks')
    assert server.masks == {level: {level} for level in range(FRAMES)}


def test_frame_with_none_behind_it_is_published_without_waiting_for_one(run):
    server = Server()
    worker = run(ListProvider(Gpu(server.log)), server)
    for level in range(2):
        worker.offer('a', Frame(level, 0.0))
        wait_until(lambda level=level: level in server.masks, 'its mask')
    assert [step for step, _ in server.log] == ['prepare', 'begin', 'end', 'publish'] * 2


def test_on_the_cpu_nothing_overlaps(run):
    server, gate = Server(), threading.Event()
    backend = SteppedBackend(gate)
    worker = run(ListProvider(backend), server)
    worker.offer('a', Frame(0, 0.0))
    assert backend.running.wait(10.0)
    worker.offer('a', Frame(1, 0.0))
    gate.set()
    wait_until(lambda: len(server.masks) == 2, 'two masks')
    assert server.log == [('prepare', 0), ('publish', 0), ('prepare', 1), ('publish', 1)]


def test_failed_run_loses_its_own_frame_alone(run):
    server, workers = Server(), []
    workers.append(run(ListProvider(
        Gpu(server.log, offers_the_next(workers), failing=(1, 2))), server))
    workers[0].offer('a', Frame(0, 0.0))
    wait_until(lambda: len(server.masks) + len(server.failed) == FRAMES, 'an end of each frame')
    assert server.failed == [1, 2]
    assert server.masks == {level: {level} for level in (0, 3, 4)}


def test_better_backend_takes_over_between_runs_and_the_old_one_ends_its_own(run, monkeypatch):
    monkeypatch.setattr(worker_module, 'ASK_PERIOD', 0.0)
    server, workers = Server(), []
    next_frame = offers_the_next(workers)

    def on_begin(level):
        if level == 1:
            provider.backends.append(Gpu(server.log, next_frame))
        next_frame(level)

    provider = ListProvider(Gpu(server.log, on_begin))
    workers.append(run(provider, server))
    workers[0].offer('a', Frame(0, 0.0))
    wait_until(lambda: len(server.masks) == FRAMES, 'all masks')
    assert server.masks == {level: {level} for level in range(FRAMES)}
    assert workers[0].choice.backend is provider.backends[1]


def test_provider_is_left_alone_while_a_run_is_under_way(run):
    server, workers, asked = Server(), [], []

    class Provider(ListProvider):
        def current(self):
            asked.append(list(server.log[-1:]))
            return super().current()

    workers.append(run(Provider(Gpu(server.log, offers_the_next(workers))), server))
    workers[0].offer('a', Frame(0, 0.0))
    wait_until(lambda: len(server.masks) == FRAMES, 'all masks')
    assert asked == [[], []]  # when it was opened, and before the first frame


def test_worker_given_up_with_two_frames_in_work_gives_both_back(run):
    server, gate, ending = Server(), threading.Event(), threading.Event()

    class Hanging(Gpu):
        def _end(self):
            ending.set()
            assert gate.wait(30.0)
            return super()._end()

    workers = []
    workers.append(run(ListProvider(Hanging(server.log, offers_the_next(workers, 2))), server))
    workers[0].offer('a', Frame(0, 0.0))
    assert ending.wait(10.0)
    assert workers[0].abandon() == ['a', 'a']
    gate.set()
    assert workers[0].stop(10.0)
    assert server.masks == {}
