# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Remember that SIGINT or SIGTERM came; imports nothing that takes long."""

import os
import signal
import time
from types import FrameType
from typing import Optional

SAME_REQUEST = 1.0
"""
Seconds in which another SIGINT or SIGTERM is the same request: Ctrl-C reaches the whole group of
processes, and ``ros2 launch`` without a terminal on its input passes it on once more.
"""


class StopRequest:
    """
    Set by the first SIGINT or SIGTERM; one that comes a second later ends the process at once.

    Made before anything else: a KeyboardInterrupt in the middle of an import can be lost, since
    Python ignores exceptions in the callbacks of its import locks.

    rclpy's own handlers invalidate the context first, after which nothing can be published
    any more, not even that nothing is seen.
    """

    def __init__(self) -> None:
        self.requested = False
        self._ignored_until = 0.0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Optional[FrameType]) -> None:
        now = time.monotonic()
        if not self.requested:
            self.requested = True
            self._ignored_until = now + SAME_REQUEST
        elif now >= self._ignored_until:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
