# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Timers that go on while simulated time stands still."""

from typing import Callable

from rclpy.clock import Clock
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.timer import Timer


def create_steady_timer(node: Node, period: float, callback: Callable[[], None]) -> Timer:
    """
    Return a timer of the machine's steady clock.

    :param period: seconds
    """
    return node.create_timer(period, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
