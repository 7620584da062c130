# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publishers that cost the executor nothing."""

from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from segformer_ros.ros.topics import Topic

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:
    from rclpy.qos_event import PublisherEventCallbacks  # Humble


def create_output(node: Node, message_type: Any, name: str, topic: Topic) -> Publisher:
    """
    Create the publisher of an output without rclpy's default event handlers.

    Of these each publisher has up to two, and rclpy looks at every one whenever it wakes: with
    them an image that comes costs milliseconds before its callback runs. All that they do is
    warn of a subscriber with another QoS or type; the subscriber's own process does so, too.

    :param name: relative or private
    :param topic: its row, for the QoS
    """
    return node.create_publisher(
        message_type, name, topic.profile(),
        event_callbacks=PublisherEventCallbacks(use_default_callbacks=False))
