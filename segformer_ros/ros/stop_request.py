# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Remember that SIGINT or SIGTERM came; imports nothing that takes long."""

import signal
from types import FrameType
from typing import Optional


class StopRequest:
    """
    Set by the first SIGINT or SIGTERM; a second one ends the process at once.

    Made before anything else: a KeyboardInterrupt in the middle of an import can be lost, since
    Python ignores exceptions in the callbacks of its import locks.

    rclpy's own handlers invalidate the context first, after which nothing can be published
    any more, not even that nothing is seen.
    """

    def __init__(self) -> None:
        self.requested = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Optional[FrameType]) -> None:
        self.requested = True
        signal.signal(number, signal.SIG_DFL)
