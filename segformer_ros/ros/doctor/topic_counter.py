# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Count the messages of one topic, and keep the first and the newest."""

import time
from typing import Any, List, NamedTuple, Optional, Tuple

from rclpy import qos
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.ros.io.image_types import video_topic

BEST_EFFORT = qos.QoSProfile(depth=20, reliability=qos.ReliabilityPolicy.BEST_EFFORT)
# Latched publishers give what they sent before.
LATCHED = qos.QoSProfile(depth=100, durability=qos.DurabilityPolicy.TRANSIENT_LOCAL)
ENOUGH = 5
"""Messages with one stamp that are a frozen stamp, as in the node's own statistics."""


class TopicObservation(NamedTuple):
    """One topic: who publishes it, how, and what came while it was observed."""

    name: str
    wanted_type: str
    publishers: Tuple[Tuple[str, str, str], ...]
    """Node, type, and reliability with durability of each."""
    received: int
    rate: float
    newest: Optional[Any]
    age: Optional[float]
    """Seconds from the newest message's stamp to its arrival."""
    video: Tuple[str, ...] = ()
    """Types that are published where image_transport puts a video of this topic."""
    frozen: bool = False
    """Whether all messages had one stamp."""
    history: bool = False
    """Whether what came had been latched before."""


class TopicCounter:
    """
    Counts a topic's messages without decoding them; that would cost more than the node.

    :param node: subscribes
    :param name: full name
    """

    def __init__(self, node: Node, name: str, message_type: Any, type_name: str) -> None:
        self._node = node
        self._name = name
        self._type = message_type
        self._type_name = type_name
        self._arrivals: List[float] = []
        self._first: Optional[bytes] = None
        self._newest: Optional[bytes] = None
        self._clock = 0
        self._history = False
        self._subscribe(BEST_EFFORT)

    @property
    def received(self) -> int:
        """Return how many messages came."""
        return len(self._arrivals)

    def ask_for_history(self) -> bool:
        """
        Ask latched publishers for what they sent before, where nothing came.

        Not sooner: at publishers that do not latch, the middleware warns of who asks.

        :return: whether there is such a publisher
        """
        latching = any(info.qos_profile.durability == qos.DurabilityPolicy.TRANSIENT_LOCAL
                       for info in self._node.get_publishers_info_by_topic(self._name))
        if self.received or self._history or not latching:
            return False
        self._history = True
        self._subscribe(LATCHED)
        return True

    def observation(self) -> TopicObservation:
        """Return what came so far."""
        newest = None if self._newest is None else deserialize_message(self._newest, self._type)
        times = self._arrivals
        rate = (len(times) - 1) / (times[-1] - times[0]) \
            if len(times) > 1 and times[-1] > times[0] else 0.0
        publishers = tuple(
            (info.node_name, info.topic_type, '{}, {}'.format(
                info.qos_profile.reliability.name.lower().replace('_', ' '),
                info.qos_profile.durability.name.lower().replace('_', ' ')))
            for info in self._node.get_publishers_info_by_topic(self._name))
        age, frozen = None, False
        if newest is not None:
            stamp = stamp_to_nanoseconds(newest.header.stamp)
            if self._clock and not self._history:
                age = (self._clock - stamp) / NANOSECONDS
            if len(times) >= ENOUGH and self._first is not None:
                first = deserialize_message(self._first, self._type)
                frozen = stamp_to_nanoseconds(first.header.stamp) == stamp != 0
        video = () if publishers else tuple(
            info.topic_type
            for info in self._node.get_publishers_info_by_topic(video_topic(self._name)))
        return TopicObservation(self._name, self._type_name, publishers, len(times), rate,
                                newest, age, video, frozen, self._history)

    def _subscribe(self, profile: qos.QoSProfile) -> None:
        self._node.create_subscription(self._type, self._name, self._on_message, profile,
                                       raw=True)

    def _on_message(self, message: bytes) -> None:
        self._arrivals.append(time.monotonic())
        self._newest = message
        if self._first is None:
            self._first = message
        self._clock = self._node.get_clock().now().nanoseconds
