# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publishers that cost the executor nothing."""

import socket
from typing import Any, Callable, Dict, Sequence

from diagnostic_msgs import msg as diagnostic_msgs
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import OccupancyGrid
from rclpy.node import Node
from rclpy.publisher import Publisher
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.clock import create_steady_timer
from segformer_ros.ros.io.label_info import label_info_type
from segformer_ros.ros.io.status import Status
from sensor_msgs import msg as sensor_msgs
from visualization_msgs.msg import Marker

TYPES = {
    'sensor_msgs/msg/Image': sensor_msgs.Image,
    'sensor_msgs/msg/CompressedImage': sensor_msgs.CompressedImage,
    'sensor_msgs/msg/CameraInfo': sensor_msgs.CameraInfo,
    'sensor_msgs/msg/PointCloud2': sensor_msgs.PointCloud2,
    'nav_msgs/msg/OccupancyGrid': OccupancyGrid, 'geometry_msgs/msg/PoseStamped': PoseStamped,
    'visualization_msgs/msg/Marker': Marker}
"""Of all outputs but LabelInfo, which not every installation has."""
PERIOD = 1.0
"""Seconds between two diagnostics; what diagnostic_aggregator expects."""


def create_output(node: Node, message_type: Any, name: str, topic: topics.Topic) -> Publisher:
    """
    Create the publisher of an output.

    :param name: relative or private
    :param topic: its row, for the QoS
    """
    return endpoints.advertise(node, message_type, name, topic.profile())


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
            node, diagnostic_msgs.DiagnosticArray, topics.DIAGNOSTICS.name, topics.DIAGNOSTICS)
        self._timer = create_steady_timer(node, PERIOD, self.publish)

    def publish(self) -> None:
        """Publish the statuses of this moment."""
        message = diagnostic_msgs.DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [self._entry(status) for status in self._statuses()]
        self._publisher.publish(message)

    def destroy(self) -> None:
        """Publish for the last time and stop."""
        self.publish()
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)

    def _entry(self, status: Status) -> diagnostic_msgs.DiagnosticStatus:
        # The form of diagnostic_updater, by which aggregators group: "node: task".
        name = f'{self._node.get_fully_qualified_name()}: {status.name}'.lstrip('/')
        return diagnostic_msgs.DiagnosticStatus(
            level=bytes([status.level]), name=name, message=status.message,
            hardware_id=self._host,
            values=[diagnostic_msgs.KeyValue(key=key, value=value)
                    for key, value in status.values])


class Publishers:
    """
    The publishers of some topics; a topic whose message type is not installed has none.

    :param node: owns them
    :param camera: name, empty for the only one and for topics of all cameras
    :param rows: the topics
    """

    def __init__(self, node: Node, camera: str, rows: Sequence[topics.Topic]) -> None:
        self._node = node
        self._camera = camera
        self._by_topic: Dict[topics.Topic, Publisher] = {}
        self.replace(rows)

    def replace(self, rows: Sequence[topics.Topic]) -> None:
        """Have the publishers of these topics and no others; those that stay are the same."""
        for row in [each for each in self._by_topic if each not in rows]:
            self._node.destroy_publisher(self._by_topic.pop(row))
        for row in rows:
            if row in self._by_topic:
                continue
            message_type = label_info_type() if row.type_name == topics.LABEL_INFO.type_name \
                else TYPES[row.type_name]
            if message_type is not None:
                self._by_topic[row] = create_output(
                    self._node, message_type, topics.output_name(self._camera, row), row)

    def has(self, topic: topics.Topic) -> bool:
        """Return whether a topic has a publisher."""
        return topic in self._by_topic

    def is_wanted(self, topic: topics.Topic) -> bool:
        """Return whether somebody subscribes; nobody can to a topic without a publisher."""
        return self.has(topic) and bool(self._by_topic[topic].get_subscription_count() > 0)

    def publish(self, topic: topics.Topic, message: Any) -> None:
        """Publish one message."""
        self._by_topic[topic].publish(message)

    def destroy(self) -> None:
        """Destroy the publishers; no other thread may publish any more."""
        for publisher in self._by_topic.values():
            self._node.destroy_publisher(publisher)
        self._by_topic = {}
