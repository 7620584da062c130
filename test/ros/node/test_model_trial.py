# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Another network is checked on frames that were served; what it cannot do is its refusal."""

import threading

import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.model.classes import load_class_table
from segformer_ros.ros.costmap.server import Tables
from segformer_ros.ros.node import model_trial
from segformer_ros.ros.node.camera import ServedFrame
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.live_segmenter import LiveSegmenter
from segformer_ros.ros.node.live_segmenter import Model
from segformer_ros.segmentation.segmenter import SegmenterSettings
from support.ros_graph import wait_until
from support.slow_backend import ListSelector
from support.slow_backend import SPEC
from support.slow_backend import SteppedBackend

CLASSES = load_class_table('ade20k')


class Halves(SteppedBackend):
    """Class 0 above, another one below."""

    def __init__(self, below=3, **options):
        super().__init__(**options)
        self._below = below

    def _infer(self, inputs):
        outputs = super()._infer(inputs)
        outputs['logits'][:, 0, 2:] = 0.0
        outputs['logits'][:, self._below, 2:] = 1.0
        return outputs


def mask(below):
    values = np.zeros((16, 16), np.uint8)
    values[8:] = below
    return values


def served(below=3, shape=(16, 16)):
    image = np.zeros(shape + (3,), np.uint8)
    return ServedFrame('a', image, 0, SegmenterSettings(), mask(below)[:shape[0], :shape[1]])


class Trial:
    """A trial of one backend, with what it takes to drive it."""

    def __init__(self, backend, examine=lambda candidate: None, open_timeout=10.0, classes=None):
        self.backend = backend
        self.ended = threading.Event()
        self.thread = InferenceThread(['a'], LiveSegmenter(ListSelector(backend)), 0.0)
        candidate = model_trial.Candidate(
            Model('other.onnx', SPEC, CLASSES), Tables(None, None), self.thread)
        self.trial = model_trial.ModelTrial(
            lambda: candidate, examine, classes or list(CLASSES.names), open_timeout,
            self.ended.set)
        self.trial.start()

    def feed(self, frame):
        """Offer frames until it has ended."""
        def has_ended():
            self.trial.offer(frame)
            return self.ended.is_set()
        wait_until(has_ended, 'the end of the trial', 20.0)
        return self.trial


def test_network_that_passes_stays_open_and_tells_how_it_compares():
    found = Trial(Halves())
    trial = found.feed(served())
    assert trial.error is None
    assert trial.summary == 'checked on 3 live frames, 2 classes seen, ' \
        '100.0% of the pixels as before'
    assert found.thread.successes == 3 and found.backend.closed == 0
    trial.offer(served())  # no more than enough
    trial.close()
    assert found.thread.successes == 3 and found.backend.closed == 1


def test_share_of_equal_pixels_is_told_only_where_the_classes_are_the_same():
    trial = Trial(Halves(5)).feed(served(3))
    assert trial.summary.endswith('50.0% of the pixels as before')
    trial.close()
    trial = Trial(Halves(5), classes=['other']).feed(served(3))
    assert trial.summary.endswith('2 classes seen')
    trial.close()


@pytest.mark.parametrize('below, shown, refused', [
    (0, 3, True), (0, 0, False), (3, 0, False)])
def test_network_that_sees_one_class_where_the_other_sees_several_is_refused(
        below, shown, refused):
    found = Trial(Halves(below))
    trial = found.feed(served(shown))
    assert (trial.error is not None) == refused
    if refused:
        assert 'sees one class everywhere' in str(trial.error)
        assert repr(CLASSES.names[0]) in str(trial.error)
        assert found.backend.closed == 1
    trial.close()


def test_failing_run_is_the_refusal_and_the_backend_is_closed():
    found = Trial(Halves(failures=[None, 'the device is lost']))
    trial = found.feed(served())
    assert 'the device is lost' in str(trial.error)
    assert found.backend.closed == 1 and not found.thread.is_alive and trial.hanging is None


def test_what_the_parameters_refuse_is_refused_before_any_frame():
    def examine(candidate):
        raise ConfigurationError('Parameter threshold needs a confidence')
    found = Trial(Halves(), examine)
    trial = found.feed(served())
    assert 'needs a confidence' in str(trial.error)
    assert found.thread.successes == 0 and found.backend.closed == 1


def test_no_frames_within_the_time_is_a_refusal(monkeypatch):
    monkeypatch.setattr(model_trial, 'FRAMES_TIMEOUT', 0.3)
    found = Trial(Halves())
    assert found.ended.wait(10.0)
    assert 'No mask of enough live frames: got 0 masks' in str(found.trial.error)
    assert found.backend.closed == 1


def test_backend_that_does_not_open_in_time_is_left_and_named(monkeypatch):
    monkeypatch.setattr(model_trial, 'CLOSE_TIMEOUT', 0.2)
    gate = threading.Event()

    class Slow(Halves):
        def _open(self):
            assert gate.wait(30.0)
            return super()._open()

    found = Trial(Slow(), open_timeout=0.3)
    try:
        assert found.ended.wait(10.0)
        assert 'not open in time' in str(found.trial.error)
        assert found.trial.hanging is found.thread
    finally:
        gate.set()
    wait_until(lambda: not found.thread.is_alive, 'the end of the thread')


def test_cancelled_trial_ends_at_once_and_closes_its_backend():
    found = Trial(Halves())
    wait_until(lambda: found.thread.is_open, 'the backend')
    found.trial.close()
    assert found.ended.is_set() and isinstance(found.trial.error, BackendError)
    assert found.backend.closed == 1


def test_fault_in_making_it_is_an_error_and_no_lost_thread():
    ended = threading.Event()

    def make():
        raise RuntimeError('unforeseen')
    trial = model_trial.ModelTrial(make, lambda candidate: None, [], 1.0, ended.set)
    trial.start()
    assert ended.wait(10.0)
    assert str(trial.error) == 'unforeseen'
    trial.close()
