# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which camera is served next: newest frame only, the least recently served first."""

from collections import deque
from statistics import median
from typing import Deque, Dict, List, Optional, Sequence, Tuple, TYPE_CHECKING

if TYPE_CHECKING:
    from segformer_ros.ros.node.camera import FrameJob

INTERVALS = 5
"""Of the last so many the median is a camera's period: one lost frame or one burst is nothing."""
PERIOD_SHARE = 0.25
"""Of a period, the most that a frame is held; below 1, or a fast camera would never be served."""
LATE_SHARE = 0.25
"""Of the hold time, the most that the next frame may be late before the older one is served."""


class Scheduler:
    """
    One slot for each camera; holds no lock, the caller does.

    "Waited longest" would starve a camera whose frames come just after another's; the camera
    that was served least recently cannot be starved.

    A frame that will be superseded in a moment is held for its successor: nearly a camera period
    of age is saved for a little of the network's time.

    :param cameras: names; the order decides between cameras that were never served
    """

    def __init__(self, cameras: Sequence[str]) -> None:
        self._slots: Dict[str, 'Optional[FrameJob]'] = dict.fromkeys(cameras)
        self._due: Dict[str, float] = {camera: float('-inf') for camera in cameras}
        # From the least to the most recently served.
        self._order: List[str] = list(cameras)
        self._arrivals: Dict[str, Deque[float]] = {
            camera: deque(maxlen=INTERVALS + 1) for camera in cameras}

    def offer(self, camera: str, job: 'FrameJob') -> bool:
        """
        Put the newest frame into a camera's slot.

        :return: whether an older frame had to make way
        """
        replaced = self._slots[camera] is not None
        self._slots[camera] = job
        self._arrivals[camera].append(job.arrived)
        return replaced

    def take(self, now: float, max_rate: float,
             hold_time: float = 0.0) -> 'Optional[Tuple[str, FrameJob]]':
        """
        Return the next camera and its frame, and empty its slot.

        :param now: seconds, from the same clock at every call
        :param max_rate: frames per second of each camera; 0 for no limit
        :param hold_time: seconds for which a frame is held at most where a newer one is about to
            come
        :return: None where no frame waits, none is due or the next one is held
        """
        found = self._next(now, max_rate)
        if found is None or self._held_until(found[0], now, hold_time) > now:
            return None
        camera = found[0]
        self._slots[camera] = None
        self._order.remove(camera)
        self._order.append(camera)
        self._record_taken(camera, now, max_rate)
        return found

    def wait_time(self, now: float, max_rate: float, hold_time: float = 0.0) -> Optional[float]:
        """Return the seconds until ``take`` gives a frame; None where no frame waits."""
        found = self._next(now, max_rate)
        if found is not None:
            return self._held_until(found[0], now, hold_time) - now
        waiting = [self._due[name] for name, job in self._slots.items() if job is not None]
        return max(0.0, min(waiting) - now) if waiting else None

    def clear(self) -> List[str]:
        """Empty all slots and return the cameras whose slot held a frame."""
        held = [camera for camera, job in self._slots.items() if job is not None]
        for camera in self._slots:
            self._slots[camera] = None
        return held

    def take_all(self) -> 'List[Tuple[str, FrameJob]]':
        """Empty all slots and return what they held."""
        held = [(camera, job) for camera, job in self._slots.items() if job is not None]
        self.clear()
        return held

    def _next(self, now: float, max_rate: float) -> 'Optional[Tuple[str, FrameJob]]':
        """Return the frame that is due of the least recently served camera."""
        for camera in self._order:
            job = self._slots[camera]
            if job is not None and (max_rate <= 0 or self._due[camera] <= now):
                return camera, job
        return None

    def _held_until(self, camera: str, now: float, hold_time: float) -> float:
        """Return when a camera's frame may be served; ``now`` where nothing newer is near."""
        arrivals = self._arrivals[camera]
        if hold_time <= 0.0 or len(arrivals) <= INTERVALS:
            return now
        times = list(arrivals)
        period = median([after - before for before, after in zip(times, times[1:])])
        hold_time = min(hold_time, PERIOD_SHARE * period)
        expected = times[-1] + period
        latest = expected + LATE_SHARE * hold_time
        return latest if expected - hold_time < now < latest else now

    def _record_taken(self, camera: str, now: float, max_rate: float) -> None:
        if max_rate <= 0:
            self._due[camera] = float('-inf')
            return
        interval = 1.0 / max_rate
        # Counted from the time that was due, so that the mean rate is kept; not made up for
        # after a pause.
        late = now - self._due[camera]
        self._due[camera] = (self._due[camera] if late < interval else now) + interval
