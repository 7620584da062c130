# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Open another network beside the one that serves, and check it on frames that were served."""

import threading
import time
from typing import Any, Callable, List, NamedTuple, Optional

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import errors
from segformer_ros.common.text import plain
from segformer_ros.ros.costmap.tables import Tables
from segformer_ros.ros.node.camera import FrameJob
from segformer_ros.ros.node.camera import ServedFrame
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.live_segmenter import Model
from segformer_ros.segmentation import segmenter as segmentation_api

CHECKED_FRAMES = 3
"""Live frames of which the other network must give a mask."""
FRAMES_TIMEOUT = 15.0
"""Seconds for that many frames, once the network is open."""
LEAST_SHARE = 0.01
"""Of the pixels, what a class must have to count as seen."""
CLOSE_TIMEOUT = 10.0
"""Seconds that a network which is not taken may take to close."""
_STEP = 0.05


class Candidate(NamedTuple):
    """Another network: its files, what the costmap makes of its classes, its thread."""

    model: Model
    tables: Tables
    thread: InferenceThread


class ModelValidation:
    """
    Make and check a candidate in a thread of its own, while another network serves.

    :param make: finds the files and returns the candidate, its thread not started
    :param examine: called with the open candidate; raises where the parameters refuse it
    :param classes: names of the classes of the network that serves
    :param open_timeout: seconds that opening may take; 0 does not limit them
    :param on_end: called in that thread when :attr:`error` or :attr:`candidate` is known
    """

    def __init__(self, make: Callable[[], Candidate], examine: Callable[[Candidate], None],
                 classes: List[str], open_timeout: float, on_end: Callable[[], None]) -> None:
        self._make = make
        self._examine = examine
        self._classes = classes
        self._open_timeout = open_timeout
        self._on_end = on_end
        self._changed = threading.Condition()
        self._offered = 0
        self._is_checking = False
        self._is_cancelled = False
        self._results: List[_Result] = []
        self._failure: Optional[Exception] = None
        self.candidate: Optional[Candidate] = None
        self.error: Optional[Exception] = None
        """Why the candidate is refused."""
        self.summary = ''
        """What the check has shown."""
        self.hanging: Optional[InferenceThread] = None
        """The thread of a refused candidate, where it does not end."""
        # Daemon: a runtime that hangs for ever must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='model validation', daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def offer(self, frame: ServedFrame) -> None:
        """Take a frame to check the candidate on; free once there are enough."""
        with self._changed:
            if not self._is_checking or self._offered >= CHECKED_FRAMES or self.candidate is None:
                return
            self._offered += 1
            thread = self.candidate.thread
        if thread.offer(frame.camera, _ValidationJob(frame, self._record)):
            with self._changed:
                self._offered -= 1  # an older one of this camera had to make way

    def cancel(self) -> None:
        """End it as soon as it can; the candidate is refused."""
        with self._changed:
            self._is_cancelled = True
            self._changed.notify()

    def close(self) -> None:
        """Close the candidate, which is not taken, and wait for that."""
        self.cancel()
        self._thread.join(2.0 * CLOSE_TIMEOUT)
        self._close_candidate()

    def _run(self) -> None:
        try:
            self._try()
        except Exception as error:  # told to whoever asked for the network
            self.error = error
            self._close_candidate()
        finally:
            self._on_end()

    def _close_candidate(self) -> None:
        if self.candidate is None:
            return
        thread = self.candidate.thread
        thread.abandon()
        self.hanging = None if thread.stop(CLOSE_TIMEOUT) else thread

    def _try(self) -> None:
        self.candidate = candidate = self._make()
        candidate.thread.start()
        self._wait_until_open(candidate.thread)
        self._examine(candidate)
        deadline = time.monotonic() + FRAMES_TIMEOUT
        with self._changed:
            self._is_checking = True
            while len(self._results) < CHECKED_FRAMES and self._failure is None:
                self._check_cancelled()
                left = deadline - time.monotonic()
                if left <= 0.0:
                    raise errors.BackendError(
                        'No mask of enough live frames', got=f'{len(self._results)} masks',
                        expected=f'{CHECKED_FRAMES} within {FRAMES_TIMEOUT:.0f} s',
                        remedy='The network is checked on what the cameras see: let images come.')
                self._changed.wait(left)
            self._is_checking = False
        if self._failure is not None:
            raise self._failure
        self.summary = self._judge(list(candidate.model.classes.names))

    def _wait_until_open(self, thread: InferenceThread) -> None:
        began = time.monotonic()
        while not thread.wait_until_open(_STEP):
            with self._changed:
                self._check_cancelled()
            if 0.0 < self._open_timeout < time.monotonic() - began:
                raise errors.BackendError(
                    'The network was not open in time', got='no answer',
                    expected=f'one within {self._open_timeout:.1f} s',
                    remedy='Raise open_timeout if this machine needs longer.')

    def _check_cancelled(self) -> None:
        if self._is_cancelled:
            raise errors.BackendError('The network was not loaded',
                                      got='a node that stopped meanwhile')

    def _record(self, result: 'Optional[_Result]', error: Optional[Exception]) -> None:
        with self._changed:
            if result is not None:
                self._results.append(result)
            self._failure = self._failure or error
            self._changed.notify()

    def _judge(self, classes: List[str]) -> str:
        """
        Return what the masks have in common with those that were published.

        :raises ModelError: they cannot be those of a network that sees the same
        """
        for result in self._results:
            if result.mask.shape != result.served.shape:
                raise errors.ModelError('The network gives masks of another size',
                                        got=result.mask.shape, expected=result.served.shape)
        seen = _seen([result.mask for result in self._results])
        served = _seen([result.served for result in self._results])
        if len(seen) <= 1 < len(served):
            name = classes[int(seen[0])] if len(seen) and seen[0] < len(classes) else 'nothing'
            raise errors.ModelError(
                'The network sees one class everywhere', got=repr(name),
                expected=f'more than one, as the one that serves sees {len(served)} in the same '
                f'{len(self._results)} frames',
                remedy='Check mean, std and color_order of its specification, and threshold.')
        text = f'checked on {len(self._results)} live frames, {len(seen)} classes seen'
        if classes == self._classes:
            agreement = np.mean([np.mean(result.mask == result.served)
                                 for result in self._results])
            text += f', {agreement:.1%} of the pixels as before'
        return text


class _Result(NamedTuple):
    """Two masks of one frame: the candidate's, and the one that was published."""

    mask: arrays.UInt8
    served: arrays.UInt8


class _ValidationJob(FrameJob):
    """
    A frame on its way through the candidate; what comes of it is not published.

    :param frame: with the mask that was
    :param record: takes the result, or the error
    """

    def __init__(self, frame: ServedFrame,
                 record: Callable[[Optional[_Result], Optional[Exception]], None]) -> None:
        self.arrived = time.monotonic()
        self._frame = frame
        self._record = record

    def prepare(self, segmenter: segmentation_api.Segmenter) -> segmentation_api.Prepared:
        """Make the network's input of it."""
        segmenter.settings = self._frame.settings
        return segmenter.prepare(self._frame.image, self._frame.rotate,
                                 segmenter.has_confidence)

    def segment(self, segmenter: segmentation_api.Segmenter) -> segmentation_api.Segmentation:
        """Return the result of another backend, after the first one failed."""
        segmenter.settings = self._frame.settings
        return segmenter.segment(self._frame.image, self._frame.rotate,
                                 segmenter.has_confidence)

    def publish(self, segmentation: segmentation_api.Segmentation) -> None:
        """Keep the mask."""
        self._record(_Result(segmentation.mask, self._frame.mask), None)

    def fail(self, error: Exception) -> None:
        """Keep why there is none."""
        if not isinstance(error, errors.SegformerRosError):
            error = errors.BackendError('The network gives no mask',
                                        got=f'{type(error).__name__}: {plain(error)}')
        self._record(None, error)


def _seen(masks: List[arrays.UInt8]) -> Any:
    counts = np.sum([np.bincount(mask.ravel(), minlength=256) for mask in masks], axis=0)
    return np.flatnonzero(counts >= LEAST_SHARE * counts.sum())
