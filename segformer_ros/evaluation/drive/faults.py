# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Faults of a drive, and whether the robot stood in time and went on."""

from typing import Dict, List, NamedTuple, Optional

SPEED, TURN_RATE = 0.03, 0.05
"""Metres and radians per second up to which a robot stands."""


class Fault(NamedTuple):
    """
    What goes wrong on the way to each goal.

    ``begins`` and ``lasts`` seconds after the goal was set; what is missing meanwhile: ``images``,
    the robot's ``pose``, or the whole ``node``, which starts afresh. For the whole drive:
    ``pitch`` degrees by which the camera looks higher than its transform says, ``period`` seconds
    between images, None for the usual, and whether the world's ``people`` walk.
    """

    begins: float = 0.0
    lasts: float = 0.0
    images: bool = False
    pose: bool = False
    node: bool = False
    pitch: float = 0.0
    period: Optional[float] = None
    people: bool = False

    def is_on(self, passed: float) -> bool:
        """Return whether it is on, so many seconds after the goal was set."""
        return self.begins <= passed < self.begins + self.lasts


FAULTS: Dict[str, Fault] = {
    'none': Fault(),
    'stall': Fault(3.0, 2.0, images=True),
    # Long enough to see whether the robot stands.
    'silence': Fault(3.0, 4.0, images=True),
    'tf_gap': Fault(3.0, 4.0, pose=True),
    'restart': Fault(3.0, 4.0, node=True),
    'mount': Fault(pitch=1.0),
    'slow': Fault(period=0.5),
    'people': Fault(people=True)}
"""By the name that the command line takes."""


class FaultFigures(NamedTuple):
    """
    One fault that was over before the goal was.

    ``stood_after`` seconds from its beginning until the robot stood for the rest of it, None where
    it moved at the end; ``went_on_after`` seconds from its end until the robot moved, None where
    it never did.
    """

    stood_after: Optional[float]
    went_on_after: Optional[float]


class FaultWatch:
    """Takes samples in order of time."""

    def __init__(self) -> None:
        self.figures: List[FaultFigures] = []
        """Of the faults that came to their end."""
        self._began: Optional[float] = None
        self._ended: Optional[float] = None
        self._stood_after: Optional[float] = None

    def add(self, time: float, speed: float, turn_rate: float, is_on: bool) -> None:
        """
        Take one sample.

        :param time: seconds
        :param speed: metres per second
        :param turn_rate: radians per second
        :param is_on: whether the fault is on
        """
        moves = abs(speed) > SPEED or abs(turn_rate) > TURN_RATE
        if is_on:
            if self._began is None:
                self._began, self._ended, self._stood_after = time, None, None
            if moves:
                self._stood_after = None
            elif self._stood_after is None:
                self._stood_after = time - self._began
            return
        if self._began is None:
            return
        if self._ended is None:
            self._ended = time
        if moves:
            self._close(time - self._ended)

    def end(self) -> None:
        """Take note that the goal is over: a fault that is still on does not count."""
        if self._ended is not None:
            self._close(None)
        self._began = None

    def _close(self, went_on_after: Optional[float]) -> None:
        self.figures.append(FaultFigures(self._stood_after, went_on_after))
        self._began = self._ended = None
