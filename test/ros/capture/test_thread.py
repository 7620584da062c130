# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whoever offers a frame never waits, whatever the disk does."""

import os
import threading
import time

import numpy as np
from segformer_ros.capture.blur import BlurredClasses
from segformer_ros.capture.frame import CandidateFrame
from segformer_ros.capture.recorder import pictures_of
from segformer_ros.ros.capture.thread import CaptureThread
from segformer_ros.ros.capture.thread import NICENESS
from support.ros_graph import wait_until

IMAGE, MASK = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)


def frame(number, asked=False):
    return CandidateFrame('', '', number, IMAGE, MASK, None, 0, None, asked=asked)


def test_one_frame_is_in_work_one_waits_and_others_are_left_out():
    free, began, handled, niceness = threading.Event(), threading.Event(), [], []

    def handle(each):
        niceness.append(os.getpriority(os.PRIO_PROCESS, 0))
        handled.append((each.stamp_ns, threading.current_thread().name))
        began.set()
        assert free.wait(60.0)

    thread = CaptureThread(handle, lambda: None)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread.start()
    try:
        assert thread.offer(frame(0))
        assert began.wait(60.0)
        taken = [thread.offer(frame(number)) for number in range(1, 5)]
        assert taken == [True, False, False, False]
        # What somebody asked for takes the place of what nobody did, and of nothing else.
        assert thread.offer(frame(5, asked=True))
        assert not thread.offer(frame(6, asked=True))
        assert [stamp for stamp, _ in handled] == [0]
        free.set()
        wait_until(lambda: len(handled) == 2, 'the frame that waited')
        assert handled == [(0, 'capture'), (5, 'capture')]
    finally:
        free.set()
        assert thread.stop(60.0)
    assert niceness == [NICENESS] * 2
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_frame_that_waits_is_left_when_the_thread_is_stopped():
    began, free, handled = threading.Event(), threading.Event(), []

    def handle(each):
        handled.append(each.stamp_ns)
        began.set()
        assert free.wait(60.0)

    ended = threading.Event()
    thread = CaptureThread(handle, ended.set)
    thread.start()
    thread.offer(frame(0))
    assert began.wait(60.0)
    thread.offer(frame(1))
    # Whoever gave up waiting is told later.
    assert not thread.stop(0.0) and not ended.is_set()
    stopper = threading.Thread(target=thread.stop, args=(60.0,))
    stopper.start()
    free.set()
    stopper.join(60.0)
    assert not thread.is_alive and ended.is_set()
    assert handled in ([0], [0, 1])


def test_offering_costs_a_hundredth_of_what_is_done_with_a_frame_at_most():
    """Processor time of the thread that offers beside that of encoding the same frame."""
    image = np.random.RandomState(1).randint(0, 255, (480, 640, 3)).astype(np.uint8)
    full = frame(0)._replace(image=image, mask=image[:, :, 0].copy(),
                             confidence=image[:, :, 1].copy())
    thread = CaptureThread(lambda each: None, lambda: None)
    thread.start()
    try:
        started = time.thread_time()
        for number in range(200):
            thread.offer(full._replace(stamp_ns=number))
        offering = (time.thread_time() - started) / 200
    finally:
        assert thread.stop(60.0)
    started = time.thread_time()
    for _ in range(5):
        pictures_of(full, BlurredClasses())
    encoding = (time.thread_time() - started) / 5
    assert 0.0 < offering < 0.01 * encoding, (offering, encoding)
