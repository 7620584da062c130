# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which camera is served next: newest frame only, the least recently served first."""

from typing import Any
from typing import Dict
from typing import List
from typing import NamedTuple
from typing import Optional
from typing import Sequence
from typing import Tuple


class Frame(NamedTuple):
    """One input message and the moment it came, in seconds of ``time.monotonic``."""

    message: Any
    arrived: float


class Scheduler:
    """
    One slot for each camera; holds no lock, the caller does.

    "Waited longest" would starve a camera whose frames come just after another's; the camera
    whose turn lies furthest back cannot be starved.

    :param cameras: names; the order decides between cameras that were never served
    """

    def __init__(self, cameras: Sequence[str]) -> None:
        self._slots: Dict[str, Optional[Frame]] = dict.fromkeys(cameras)
        self._due: Dict[str, float] = {camera: float('-inf') for camera in cameras}
        # From the least to the most recently served.
        self._turns: List[str] = list(cameras)

    def offer(self, camera: str, frame: Frame) -> bool:
        """
        Put the newest frame into a camera's slot.

        :return: whether an older frame had to make way
        """
        replaced = self._slots[camera] is not None
        self._slots[camera] = frame
        return replaced

    def take(self, now: float, max_rate: float) -> Optional[Tuple[str, Frame]]:
        """
        Return the next camera and its frame, and empty its slot.

        :param now: seconds, from the same clock at every call
        :param max_rate: frames per second of each camera; 0 is no limit
        :return: None where no frame waits or none is due
        """
        for camera in self._turns:
            frame = self._slots[camera]
            if frame is None or (max_rate > 0 and self._due[camera] > now):
                continue
            self._slots[camera] = None
            self._turns.remove(camera)
            self._turns.append(camera)
            self._note_turn(camera, now, max_rate)
            return camera, frame
        return None

    def wait_time(self, now: float) -> Optional[float]:
        """Return the seconds until a waiting frame is due; None where no frame waits."""
        waiting = [self._due[camera] for camera in self._turns if self._slots[camera] is not None]
        return max(0.0, min(waiting) - now) if waiting else None

    def clear(self) -> List[str]:
        """Empty all slots and return the cameras whose slot held a frame."""
        held = [camera for camera, frame in self._slots.items() if frame is not None]
        for camera in self._slots:
            self._slots[camera] = None
        return held

    def _note_turn(self, camera: str, now: float, max_rate: float) -> None:
        if max_rate <= 0:
            self._due[camera] = float('-inf')
            return
        interval = 1.0 / max_rate
        # Counted from the time that was due, so that the mean rate is kept; not made up for
        # after a pause.
        late = now - self._due[camera]
        self._due[camera] = (self._due[camera] if late < interval else now) + interval
