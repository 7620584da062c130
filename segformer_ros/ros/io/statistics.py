# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Counts, rates and percentiles of what a camera does."""

import collections
import threading
from typing import Deque, Dict, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common.text import plain
from segformer_ros.common.time import percentile
from segformer_ros.ros.io.logging import LONGEST_LINE

RATE_WINDOW = 5.0
"""Seconds over which rates are taken."""
FROZEN_AFTER = 5
"""Images in a row with one stamp that are a frozen stamp; a relay may send one or two twice."""
LATENCY_WINDOW = 256
"""Frames over which percentiles are taken."""


class Percentiles(NamedTuple):
    """Percentiles, in the unit of the samples."""

    p50: float
    p95: float


def percentiles(samples: Sequence[float]) -> Optional[Percentiles]:
    """Return the percentiles of samples in any order; None where there is none."""
    if not samples:
        return None
    ordered = sorted(samples)
    return Percentiles(percentile(ordered, 0.50), percentile(ordered, 0.95))


class CameraReport(NamedTuple):
    """
    What happened to one camera since it was activated, at one moment.

    Times are seconds; ``since_served`` counts from the last mask, or activation where that is
    later. ``frozen`` says that the stamps stand still, or nothing.
    """

    received: int
    published: int
    dropped: int
    rejected: int
    failed: int
    stamps_back: int
    input_rate: float
    output_rate: float
    since_received: Optional[float]
    since_served: float
    latency: Optional[Percentiles]
    stages: Dict[str, Percentiles]
    input_age: Optional[float]
    last_error: str
    erring: bool
    encoding: str
    size_wh: Tuple[int, int]
    frozen: str = ''


class CameraStatistics:
    """
    The figures of one camera; every method may be called from any thread.

    :param now: seconds of a clock that never goes back; all other times come from it too
    """

    def __init__(self, now: float) -> None:
        self._lock = threading.Lock()
        self._counts: Dict[str, int] = collections.Counter()
        self._arrivals: Deque[float] = collections.deque()
        self._servings: Deque[float] = collections.deque()
        self._stages: Dict[str, Deque[float]] = {}
        self._active_since = now
        self._last_served = float('-inf')
        self._last_stamp: Optional[int] = None
        self._same_stamps = 0
        self._input_age: Optional[float] = None
        self._last_error = ''
        self._erring = False
        self._encoding = ''
        self._size_wh = (0, 0)

    def record_activated(self, now: float) -> None:
        """Start to wait for masks anew."""
        with self._lock:
            self._active_since = now

    def record_arrival(self, now: float, stamp: int, age: Optional[float]) -> bool:
        """
        Count an input message.

        :param stamp: of its header, nanoseconds
        :param age: of its header by the node's clock, seconds; None where that is not known
        :return: whether the stamp went back (a bag that starts over, a reset simulation)
        """
        with self._lock:
            self._counts['received'] += 1
            _append(self._arrivals, now)
            self._input_age = age
            back = self._last_stamp is not None and stamp < self._last_stamp
            self._counts['stamps_back'] += back
            same = stamp == self._last_stamp and stamp != 0
            self._same_stamps = self._same_stamps + 1 if same else int(stamp != 0)
            self._last_stamp = stamp
            return back

    @property
    def received(self) -> int:
        """Return how many images came."""
        return self._counts['received']

    @property
    def frozen(self) -> str:
        """Return that the stamps of the images stand still, or nothing."""
        return '' if self._same_stamps < FROZEN_AFTER else (
            f'stamps stand still: {self._same_stamps} images in a row have the same one; '
            'correct header.stamp in the camera driver')

    def record_drop(self, count: int = 1) -> None:
        """Count frames that made way for newer ones, or came too late to be published."""
        with self._lock:
            self._counts['dropped'] += count

    def record_error(self, text: str, rejected: bool) -> None:
        """
        Count a frame that gave no mask: rejected input, or else a failure of ours.

        :param text: its first line is kept, as a log would have it
        """
        with self._lock:
            self._counts['rejected' if rejected else 'failed'] += 1
            self._last_error = plain(text.splitlines()[0], LONGEST_LINE)
            self._erring = True

    def record_served(self, now: float, encoding: str, size_wh: Tuple[int, int],
                      stages: Dict[str, float]) -> None:
        """
        Count a published mask.

        :param stages: seconds by stage; ``total`` is from arrival to the last publish
        """
        with self._lock:
            self._counts['published'] += 1
            _append(self._servings, now)
            self._last_served = now
            self._erring = False
            self._encoding = encoding
            self._size_wh = size_wh
            for stage, seconds in stages.items():
                self._stages.setdefault(
                    stage, collections.deque(maxlen=LATENCY_WINDOW)).append(seconds)

    def report(self, now: float) -> CameraReport:
        """Return all figures at one moment."""
        with self._lock:
            stages = {stage: found for stage, found in (
                (stage, percentiles(samples)) for stage, samples in self._stages.items())
                if found is not None}
            latency = stages.pop('total', None)
            return CameraReport(
                received=self._counts['received'], published=self._counts['published'],
                dropped=self._counts['dropped'], rejected=self._counts['rejected'],
                failed=self._counts['failed'], stamps_back=self._counts['stamps_back'],
                input_rate=_rate(self._arrivals, now), output_rate=_rate(self._servings, now),
                since_received=now - self._arrivals[-1] if self._arrivals else None,
                since_served=now - max(self._active_since, self._last_served),
                latency=latency, stages=stages, input_age=self._input_age,
                last_error=self._last_error, erring=self._erring,
                encoding=plain(self._encoding), size_wh=self._size_wh,
                frozen=self.frozen)


def _append(moments: Deque[float], now: float) -> None:
    moments.append(now)
    while now - moments[0] > RATE_WINDOW:
        moments.popleft()


def _rate(moments: Deque[float], now: float) -> float:
    recent = [moment for moment in moments if now - moment <= RATE_WINDOW]
    if len(recent) < 2:
        return 0.0
    intervals = len(recent) - 1
    span = recent[-1] - recent[0]
    # Once the next one is overdue the rate falls with every moment that it stays away.
    return intervals / max(span, now - recent[0] - span / intervals, 1e-9)
