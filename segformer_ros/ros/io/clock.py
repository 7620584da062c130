# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node's clock in seconds, and whether it went back."""

from typing import Callable, Optional

from builtin_interfaces.msg import Time
from rclpy.clock import Clock
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.timer import Timer
from segformer_ros.common.time import NANOSECONDS


class NodeClock:
    """
    Reads the clock that stamps are compared with.

    :param node: its clock is the machine's, or that of /clock with ``use_sim_time``
    """

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()
        self._last: Optional[float] = None

    def stamp(self) -> Time:
        """Return now as a message."""
        return self._clock.now().to_msg()

    def seconds(self) -> float:
        """Return now; 0 with simulated time before its first message."""
        return float(self._clock.now().nanoseconds) / NANOSECONDS

    def went_back(self, tolerance: float) -> bool:
        """
        Tell whether the clock went back since the last call.

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
