# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node's clock in seconds, and whether it went back, stands still or never began."""

import collections
import statistics
import threading
import time
from typing import Callable, Deque, Optional

from builtin_interfaces.msg import Time
from rclpy.clock import Clock
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.timer import Timer
from segformer_ros.common.time import NANOSECONDS

LEAST_STANDING = 1.0
"""Seconds without a step of the clock that say nothing: simulators publish ten steps a second."""
USUAL_STEPS = 3.0
"""A clock stands still after so many times its usual step: slow simulations take long ones."""
NO_TIME = ('use_sim_time is set and no time comes on /clock: start the simulator or '
           'ros2 bag play --clock, or set use_sim_time: false')
STEPS_KEPT = 9
"""Steps whose median is the usual one, so that four pauses among them do not change it."""


class StandstillWatch:
    """
    Tells for how long a clock has stood still, by a steady one.

    A slow clock is not a fault, however slow: its own steps are the measure.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Optional[float] = None
        self._stepped = 0.0
        self._steps: Deque[float] = collections.deque(maxlen=STEPS_KEPT)

    def look(self, clock: float, now: float) -> float:
        """
        Return the seconds for which the clock has stood still; 0 while it runs.

        :param clock: its time now, seconds
        :param now: seconds of a steady clock
        """
        with self._lock:
            if clock != self._last:
                if self._last is not None:
                    self._steps.append(now - self._stepped)
                self._last, self._stepped = clock, now
                return 0.0
            usual = statistics.median(self._steps) if self._steps else 0.0
            still = now - self._stepped
            return still if still > max(LEAST_STANDING, USUAL_STEPS * usual) else 0.0


class NodeClock:
    """
    Reads the clock that stamps are compared with.

    :param node: its clock is the machine's, or that of /clock with ``use_sim_time``
    """

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()
        self._last: Optional[float] = None
        self._watch = StandstillWatch()

    def stamp(self) -> Time:
        """Return now as a message."""
        return self._clock.now().to_msg()

    def seconds(self) -> float:
        """Return now; 0 with simulated time before its first message."""
        return float(self._clock.now().nanoseconds) / NANOSECONDS

    def standing(self) -> float:
        """Return the seconds for which simulated time has stood still; 0 while it runs."""
        # rclpy types the clock without what every node's has.
        if not getattr(self._clock, 'ros_time_is_active', False):
            return 0.0
        return self._watch.look(self.seconds(), time.monotonic())

    def fault(self) -> str:
        """Return what has been wrong with simulated time for more than a moment, or nothing."""
        standing = self.standing()
        if not standing:
            return ''
        if self.seconds() == 0.0:
            return NO_TIME
        return (f'/clock stands still for {standing:.1f} s: the simulation is paused, or who '
                'publishes /clock has ended')

    def went_back(self, tolerance: float) -> bool:
        """
        Return whether the clock went back since the last call.

        :param tolerance: seconds that do not count
        """
        now = self.seconds()
        back = self._last is not None and now < self._last - tolerance
        self._last = now
        return back


def create_steady_timer(node: Node, period: float, callback: Callable[[], None]) -> Timer:
    """
    Return a timer of the machine's steady clock.

    :param period: seconds
    """
    return node.create_timer(period, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
