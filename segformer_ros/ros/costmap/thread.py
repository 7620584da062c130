# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap's thread: masks wait there for their poses, and grids go out at their rate."""

import time
from typing import Callable, Dict, Generic, List, Optional, Sequence, TypeVar

from segformer_ros.ros.io.stoppable_thread import StoppableThread

Job = TypeVar('Job')

RETRY = 0.005
"""Seconds between two looks for a pose that has not come yet."""


class CostmapThread(StoppableThread, Generic[Job]):
    """
    A thread beside the inference thread, so that masks never wait for the costmap.

    Of each camera one frame is worked on and the newest other one waits. Ticks begin with
    :meth:`resume`.

    :param cameras: names
    :param attempt: called with a camera, its frame and whether this is the last try; returns
        whether the frame is done; must not raise
    :param tick: called at the grid's rate; must not raise
    """

    def __init__(self, cameras: Sequence[str], attempt: Callable[[str, Job, bool], bool],
                 tick: Callable[[], None]) -> None:
        super().__init__('costmap')
        self._attempt = attempt
        self._tick = tick
        self._waiting: 'Dict[str, Optional[Job]]' = dict.fromkeys(cameras)
        self._active: 'Dict[str, Optional[Job]]' = dict.fromkeys(cameras)
        self._deadlines: Dict[str, float] = {}
        self._period = 1.0
        self._hold_time = 0.0
        self._next_tick: Optional[float] = None

    def set_pace(self, rate: float, hold_time: float) -> None:
        """
        Change the rate of the ticks and how long a frame may wait for its pose.

        :param rate: per second
        :param hold_time: seconds
        """
        with self._changed:
            self._period = 1.0 / rate
            self._hold_time = hold_time
            if self._next_tick is not None:
                self._next_tick = min(self._next_tick, time.monotonic() + self._period)
            self._changed.notify()

    def resume(self) -> None:
        """Begin to tick."""
        with self._changed:
            self._next_tick = time.monotonic()
            self._changed.notify()

    def pause(self) -> None:
        """Stop ticking."""
        with self._changed:
            self._next_tick = None

    def forget(self) -> None:
        """Forget the frames that wait."""
        with self._changed:
            for camera in self._waiting:
                self._waiting[camera] = self._active[camera] = None

    def offer(self, camera: str, job: Job) -> bool:
        """
        Leave the newest frame of a camera.

        :return: whether an older frame had to make way
        """
        with self._changed:
            replaced = self._waiting[camera] is not None
            self._waiting[camera] = job
            self._changed.notify()
        return replaced

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._stopping and not self._is_due():
                    self._changed.wait(self._wait_time())
                if self._stopping:
                    return
                cameras = self._take()
                ticks = self._take_tick()
            for camera in cameras:
                self._try(camera)
            if ticks:
                self._tick()

    def _try(self, camera: str) -> None:
        with self._changed:
            job = self._active[camera]
            last = time.monotonic() >= self._deadlines[camera]
        if job is not None and self._attempt(camera, job, last):
            with self._changed:
                if self._active[camera] is job:
                    self._active[camera] = None

    def _is_due(self) -> bool:
        free = any(self._waiting[camera] is not None and self._active[camera] is None
                   for camera in self._waiting)
        return free or (self._next_tick is not None and time.monotonic() >= self._next_tick)

    def _wait_time(self) -> Optional[float]:
        times = []
        if any(job is not None for job in self._active.values()):
            times.append(RETRY)
        if self._next_tick is not None:
            times.append(max(0.0, self._next_tick - time.monotonic()))
        return min(times) if times else None

    def _take(self) -> List[str]:
        for camera, job in self._waiting.items():
            if job is not None and self._active[camera] is None:
                self._active[camera] = job
                self._waiting[camera] = None
                self._deadlines[camera] = time.monotonic() + self._hold_time
        return [camera for camera, job in self._active.items() if job is not None]

    def _take_tick(self) -> bool:
        now = time.monotonic()
        if self._next_tick is None or now < self._next_tick:
            return False
        # Counted from the time that was due; not made up for after a pause.
        due = self._next_tick + self._period
        self._next_tick = due if due > now else now + self._period
        return True
