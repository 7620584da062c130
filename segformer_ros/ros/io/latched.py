# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Hear publishers that latch and such that do not, without a warning at either."""

from typing import Any, Callable, List, Optional

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.qos import ReliabilityPolicy
from rclpy.subscription import Subscription
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io.topics import Topic


class LatchedSubscription:
    """
    A subscription that any publisher matches, and a second one while a publisher latches.

    What was latched before comes to subscriptions alone that ask for it; at each publisher that
    does not latch, rclpy and rclcpp warn of one that asks. So the second one is made when
    the graph has a publisher for it, and goes with the last of these.

    :param node: owns the subscriptions
    :param volatile: row of the first one
    :param latched: row of the second one; ``latched`` in ``qos_overrides``
    :raises ConfigurationError: an override cannot be used
    """

    def __init__(self, node: Node, message_type: Any, name: str,
                 callback: Callable[[Any], None], volatile: Topic, latched: Topic) -> None:
        self._node = node
        self._type = message_type
        self._name = node.resolve_topic_name(name)
        self._callback = callback
        self._latched = latched
        self._second: Optional[Subscription] = None
        self._refused = False
        self._first = endpoints.subscribe(node, message_type, name, callback, volatile.profile())
        self.look()

    def look(self) -> None:
        """Look at the publishers; to be called now and then by the executor's thread."""
        wanted = any(self._latches(each)
                     for each in self._node.get_publishers_info_by_topic(self._name))
        if wanted and self._second is None and not self._refused:
            try:
                self._second = endpoints.subscribe(
                    self._node, self._type, self._name, self._callback, self._latched.profile(),
                    'latched')
            except ConfigurationError as error:
                # The first one goes on. Asked for again, the override would be as wrong.
                self._refused = True
                self._node.get_logger().error(str(error))
        elif not wanted and self._second is not None:
            self._node.destroy_subscription(self._second)
            self._second = None

    def destroy(self) -> None:
        """Take no more messages."""
        subscriptions: List[Optional[Subscription]] = [self._first, self._second]
        for each in subscriptions:
            if each is not None:
                self._node.destroy_subscription(each)
        self._second = None

    def _latches(self, publisher: Any) -> bool:
        profile = publisher.qos_profile
        return profile.durability == DurabilityPolicy.TRANSIENT_LOCAL and \
            profile.reliability == ReliabilityPolicy.RELIABLE
