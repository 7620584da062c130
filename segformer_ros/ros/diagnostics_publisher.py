# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publish /diagnostics once a second, in every lifecycle state."""

import socket
from typing import Callable
from typing import Sequence

from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_msgs.msg import KeyValue
from rclpy.node import Node
from segformer_ros.ros import topics
from segformer_ros.ros.diagnostics import Status
from segformer_ros.ros.publishers import create_output
from segformer_ros.ros.timers import create_steady_timer

PERIOD = 1.0
"""Seconds; what diagnostic_aggregator expects."""


class DiagnosticsPublisher:
    """
    A timer that turns statuses into messages.

    :param node: owns timer and publisher; its name stands before every entry
    :param statuses: called each time, in the executor's thread
    """

    def __init__(self, node: Node, statuses: Callable[[], Sequence[Status]]) -> None:
        self._node = node
        self._statuses = statuses
        self._host = socket.gethostname()
        self._publisher = create_output(
            node, DiagnosticArray, topics.DIAGNOSTICS.name, topics.DIAGNOSTICS)
        self._timer = create_steady_timer(node, PERIOD, self.publish)

    def publish(self) -> None:
        """Publish the statuses of this moment."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [self._entry(status) for status in self._statuses()]
        self._publisher.publish(message)

    def destroy(self) -> None:
        """Publish for the last time and stop."""
        self.publish()
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)

    def _entry(self, status: Status) -> DiagnosticStatus:
        # The form of diagnostic_updater, by which aggregators group: "node: task".
        name = '{}: {}'.format(self._node.get_fully_qualified_name().lstrip('/'), status.name)
        return DiagnosticStatus(
            level=bytes([status.level]), name=name, message=status.message,
            hardware_id=self._host,
            values=[KeyValue(key=key, value=value) for key, value in status.values])
