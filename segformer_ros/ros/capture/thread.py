# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The thread that judges, encodes and writes frames, so that no mask waits for it."""

import contextlib
import os
from typing import Callable, Optional

from segformer_ros.capture.frame import CandidateFrame
from segformer_ros.ros.io.stoppable_thread import StoppableThread

NICENESS = 10
"""Of the thread: the network goes first where both want a core."""


class CaptureThread(StoppableThread):
    """
    Handle one frame at a time; one more may wait.

    :param handle: called with each frame that is taken; must not raise
    :param on_end: called by the thread when it ends, also long after somebody waited for that
    """

    def __init__(self, handle: Callable[[CandidateFrame], None],
                 on_end: Callable[[], None]) -> None:
        super().__init__('capture')
        self._handle = handle
        self._on_end = on_end
        self._waiting: Optional[CandidateFrame] = None

    def offer(self, frame: CandidateFrame) -> bool:
        """
        Leave a frame, unless another one waits; what was asked for takes another's place.

        :return: whether it was taken
        """
        with self._changed:
            if self._waiting is not None and (self._waiting.asked or not frame.asked):
                return False
            self._waiting = frame
            self._changed.notify()
        return True

    def _run(self) -> None:
        # On Linux this is the thread's own, not the process's.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        try:
            self._work()
        finally:
            self._on_end()

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                frame, self._waiting = self._waiting, None
            if frame is not None:
                self._handle(frame)
            # Its image is a megabyte; the next frame may be hours away.
            del frame
