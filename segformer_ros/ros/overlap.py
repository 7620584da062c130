# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Use the CPU while a GPU runs the network, in one thread.

A frame is served in steps: prepare and begin the run, wait for it, publish. Between beginning
and waiting the thread finishes the frame before and prepares the one after. A frame waits for
the steps of one other frame at most.
"""

from typing import Iterator
from typing import Optional

_DONE = object()


class Steps:
    """
    A frame that is being served.

    :param steps: stops before its run is begun, after that, and after it has ended; None where
        the frame is done with already
    """

    def __init__(self, steps: Optional[Iterator[None]]) -> None:
        self._steps = steps

    @property
    def ended(self) -> bool:
        """Tell whether nothing is left to do, because all is done or something failed."""
        return self._steps is None

    def step(self) -> None:
        """Go on to the next stop."""
        if self._steps is not None and next(self._steps, _DONE) is _DONE:
            self._steps = None

    def finish(self) -> None:
        """Go on to the end."""
        while not self.ended:
            self.step()


def overlap(running: Optional[Steps], following: Optional[Steps]) -> Optional[Steps]:
    """
    Finish the frame whose network runs, beside the one that follows it.

    :param running: stopped behind the beginning of its run
    :param following: not stepped yet
    :return: ``following`` where its network runs now, else None
    """
    if following is not None:
        following.step()  # prepares it while the network runs
    if running is not None:
        running.step()  # waits for the network
    if following is not None:
        following.step()  # begins its run, beside which the other one is published
    if running is not None:
        running.finish()
    return None if following is None or following.ended else following
