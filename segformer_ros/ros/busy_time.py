# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How long a backend has had for a piece of work."""

import time
from typing import Optional

from segformer_ros.ros.turn import Work

LONGEST_STEP = 1.0
"""Seconds between two looks, twice as many as usual; with more the process stood still."""
LOOKS_AFTER_STANDSTILL = 2
"""Looks in which a backend may answer that stood still as well."""


class BusyTime:
    """
    The time that passed for one piece of work while the process had a processor.

    A process that gets none does not look at the time either: a long step between two looks is
    not counted. Only a first one: where every step is long, the machine is merely slow, and
    what hangs on it must be found too.
    """

    def __init__(self) -> None:
        self._looked_at = time.monotonic()
        self._looks_left = 0
        self.work: Optional[Work] = None
        """What was under way at the last look."""
        self.seconds = 0.0
        """How long that has been seen under way."""

    @property
    def is_certain(self) -> bool:
        """Tell whether the process had a processor for long enough to judge its backend."""
        return self._looks_left == 0

    def look(self, work: Optional[Work], now: float) -> None:
        """
        Count the time since the last look.

        :param work: what is under way; None: nothing
        :param now: of ``time.monotonic()``
        """
        step = now - self._looked_at
        self._looked_at = now
        if self._looks_left:
            self._looks_left -= 1
        elif step > LONGEST_STEP:
            self._looks_left, step = LOOKS_AFTER_STANDSTILL, 0.0
        if work is not self.work:
            # It began after the last look at the earliest.
            self.work, self.seconds = work, 0.0
        elif work is not None:
            self.seconds += min(step, LONGEST_STEP)
