# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Another network is checked on frames that were served; what it cannot do is its refusal."""

import threading

import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.model.classes import load_class_table
from segformer_ros.ros.costmap.tables import Tables
from segformer_ros.ros.node import model_validation
from segformer_ros.ros.node.camera import ServedFrame
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.live_segmenter import LiveSegmenter
from segformer_ros.ros.node.live_segmenter import Model
from segformer_ros.segmentation.segmenter import ROTATIONS
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


class Validation:
    """A validation of one backend, with what it takes to drive it."""

    def __init__(self, backend, examine=lambda candidate: None, open_timeout=10.0, classes=None):
        self.backend = backend
        self.ended = threading.Event()
        self.thread = InferenceThread(['a'], LiveSegmenter(ListSelector(backend)), 0.0)
        candidate = model_validation.Candidate(
            Model('other.onnx', SPEC, CLASSES), Tables(None, None), self.thread)
        self.validation = model_validation.ModelValidation(
            lambda: candidate, examine, classes or list(CLASSES.names), open_timeout,
            self.ended.set)
        self.validation.start()

    def feed(self, frame):
        """Offer frames until it has ended."""
        def has_ended():
            self.validation.offer(frame)
            return self.ended.is_set()
        wait_until(has_ended, 'the end of the validation', 20.0)
        return self.validation


def test_network_that_passes_stays_open_and_tells_how_it_compares():
    found = Validation(Halves())
    validation = found.feed(served())
    assert validation.error is None
    assert validation.summary == 'checked on 3 live frames, 2 classes seen, ' \
        '100.0% of the pixels as before'
    assert found.thread.successes == 3 and found.backend.closed == 0
    validation.offer(served())  # no more than enough
    validation.close()
    assert found.thread.successes == 3 and found.backend.closed == 1


def test_share_of_equal_pixels_is_told_only_where_the_classes_are_the_same():
    validation = Validation(Halves(5)).feed(served(3))
    assert validation.summary.endswith('50.0% of the pixels as before')
    validation.close()
    validation = Validation(Halves(5), classes=['other']).feed(served(3))
    assert validation.summary.endswith('2 classes seen')
    validation.close()


@pytest.mark.parametrize('below, shown, refused', [
    (0, 3, True), (0, 0, False), (3, 0, False)])
def test_network_that_sees_one_class_where_the_other_sees_several_is_refused(
        below, shown, refused):
    found = Validation(Halves(below))
    validation = found.feed(served(shown))
    assert (validation.error is not None) == refused
    if refused:
        assert 'sees one class everywhere' in str(validation.error)
        assert repr(CLASSES.names[0]) in str(validation.error)
        assert found.backend.closed == 1
    validation.close()


@pytest.mark.parametrize('threshold, is_refused', [(0.0, False), (0.01, False), (0.5, True)])
def test_network_that_is_never_as_sure_as_the_threshold_is_refused(threshold, is_refused):
    # Its confidence is e / (e + 149) everywhere, some 0.018.
    found = Validation(Halves())
    validation = found.feed(served()._replace(settings=SegmenterSettings(threshold=threshold)))
    assert (validation.error is not None) == is_refused
    if is_refused:
        assert "one class everywhere: got 'nothing'" in str(validation.error)
    validation.close()


@pytest.mark.parametrize('rotate', ROTATIONS)
def test_candidate_sees_frames_upright_as_the_network_that_serves_does(rotate):
    shown = served()._replace(rotate=rotate, mask=np.rot90(mask(3), rotate // 90))
    validation = Validation(Halves()).feed(shown)
    assert validation.error is None
    assert validation.summary.endswith('2 classes seen, 100.0% of the pixels as before')
    validation.close()


def test_frames_that_made_way_for_newer_ones_are_not_waited_for():
    gate = threading.Event()
    found = Validation(Halves(gate=gate))

    def is_running():
        found.validation.offer(served())
        return found.backend.running.is_set()
    try:
        wait_until(is_running, 'the first run', 20.0)
        # A fast camera before a slow network: one is in work, one waits.
        for _ in range(10):
            found.validation.offer(served())
    finally:
        gate.set()
    validation = found.feed(served())
    assert validation.error is None and found.thread.successes == 3
    validation.close()


def test_failing_run_is_the_refusal_and_the_backend_is_closed():
    found = Validation(Halves(failures=[None, 'the device is lost']))
    validation = found.feed(served())
    assert 'the device is lost' in str(validation.error)
    assert found.backend.closed == 1 and not found.thread.is_alive and validation.hanging is None


def test_what_the_parameters_refuse_is_refused_before_any_frame():
    def examine(candidate):
        raise ConfigurationError('Parameter threshold needs a confidence')
    found = Validation(Halves(), examine)
    validation = found.feed(served())
    assert 'needs a confidence' in str(validation.error)
    assert found.thread.successes == 0 and found.backend.closed == 1


def test_no_frames_within_the_time_is_a_refusal(monkeypatch):
    monkeypatch.setattr(model_validation, 'FRAMES_TIMEOUT', 0.3)
    found = Validation(Halves())
    assert found.ended.wait(10.0)
    assert 'No mask of enough live frames: got 0 masks' in str(found.validation.error)
    assert found.backend.closed == 1


def test_backend_that_does_not_open_in_time_is_left_and_named(monkeypatch):
    monkeypatch.setattr(model_validation, 'CLOSE_TIMEOUT', 0.2)
    gate = threading.Event()

    class Slow(Halves):
        def _open(self):
            assert gate.wait(30.0)
            return super()._open()

    found = Validation(Slow(), open_timeout=0.3)
    try:
        assert found.ended.wait(10.0)
        assert 'not open in time' in str(found.validation.error)
        assert found.validation.hanging is found.thread
    finally:
        gate.set()
    wait_until(lambda: not found.thread.is_alive, 'the end of the thread')


def test_cancelled_validation_ends_at_once_and_closes_its_backend():
    found = Validation(Halves())
    wait_until(lambda: found.thread.is_open, 'the backend')
    found.validation.close()
    assert found.ended.is_set() and isinstance(found.validation.error, BackendError)
    assert found.backend.closed == 1


def test_fault_in_making_it_is_an_error_and_no_lost_thread():
    ended = threading.Event()

    def make():
        raise RuntimeError('unforeseen')
    validation = model_validation.ModelValidation(make, lambda candidate: None, [], 1.0, ended.set)
    validation.start()
    assert ended.wait(10.0)
    assert str(validation.error) == 'unforeseen'
    validation.close()
