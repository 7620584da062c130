# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Play a recording as it was, with /clock, where ``ros2 bag play`` is not installed."""

import importlib
import time
from typing import Any, Callable, Dict, Iterable, Mapping, NamedTuple, Optional, Set

from rclpy import qos
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import nanoseconds_to_stamp
from segformer_ros.evaluation.replay.recording import Stored
from segformer_ros.evaluation.sources.bag_reader import ros2_type_name
from segformer_ros.evaluation.sources.bag_scene import TF_STATIC

CLOCK, CLOCK_TYPE = '/clock', 'rosgraph_msgs/msg/Clock'
DEPTH = 10
# The clock runs on after the last message, so that what is in work ends in a time that passes.
LINGER_S = 1.0
# Whether playing was stopped is asked this often.
NOTICE_S = 0.2
# For all topics together: a subscriber that was stopped never acknowledges any.
ACK_TIMEOUT_S = 2.0


class Pace(NamedTuple):
    """``rate`` times real time; /clock ``clock_hz`` times a second, 0 publishes none."""

    rate: float = 1.0
    clock_hz: float = 100.0


class Played(NamedTuple):
    """``late`` is the largest delay with which a message left, seconds of real time."""

    messages: int
    late: float


class BagPlayer:
    """
    Publishes stored messages at their relative times, without deserialising them.

    :param node: publishes
    :param pace: of the messages and of /clock
    :param remaps: by recorded topics, the topics that they are published on instead
    :param is_stopped: asked again and again; where true playing ends
    """

    def __init__(self, node: Node, pace: Pace, remaps: Optional[Mapping[str, str]] = None,
                 is_stopped: Callable[[], bool] = lambda: False) -> None:
        self._node = node
        self._pace = pace
        self._remaps = remaps or {}
        self._is_stopped = is_stopped
        self._publishers: Dict[str, Publisher] = {}
        self._unknown: Set[str] = set()
        self._types: Dict[str, str] = {}  # by the topic that is published
        self._clock: Optional[Publisher] = None
        if pace.clock_hz > 0:
            self._types[CLOCK] = CLOCK_TYPE
            self._clock = node.create_publisher(Clock, CLOCK, DEPTH)
        self._started = 0.0
        self._first_ns = 0
        self._next_tick = 0.0

    def advertise(self, topic: str, type_name: str, is_latched: bool = False) -> None:
        """
        Create the publisher of a topic, or warn that its type is not installed.

        Reliable, which matches every subscriber. Static transforms are latched in any case.

        :param type_name: such as ``sensor_msgs/msg/Image``
        :param is_latched: as it was recorded
        :raises ConfigurationError: what is published there has another type
        """
        if topic in self._publishers or topic in self._unknown:
            return
        name = self._node.resolve_topic_name(self._remaps.get(topic, topic))
        if self._types.setdefault(name, type_name) != type_name:
            raise ConfigurationError(
                'Two types would be published on one topic', got=f'{type_name} on {name}',
                expected=self._types[name],
                remedy='Change --remap, or leave one out with --topics.')
        message_type = message_class(type_name)
        if message_type is None:
            self._unknown.add(topic)
            self._node.get_logger().warning(
                f'{topic} is not played: {type_name} is not installed.')
            return
        self._publishers[topic] = self._node.create_publisher(
            message_type, name, qos.QoSProfile(
                depth=DEPTH, reliability=qos.ReliabilityPolicy.RELIABLE,
                durability=qos.DurabilityPolicy.TRANSIENT_LOCAL if is_latched or topic == TF_STATIC
                else qos.DurabilityPolicy.VOLATILE))

    def play(self, messages: Iterable[Stored]) -> Played:
        """
        Publish until the messages end or playing is stopped; /clock starts with the first one.

        :param messages: in the order of time; the first one leaves at once
        """
        played, late = 0, 0.0
        for message in messages:
            self.advertise(message.topic, message.type_name)
            publisher = self._publishers.get(message.topic)
            if publisher is None:
                continue
            if not played:
                self._started = self._next_tick = time.monotonic()
                self._first_ns = message.time_ns
            due = self._started + (message.time_ns - self._first_ns) / (
                self._pace.rate * NANOSECONDS)
            if not self._wait(due):
                return Played(played, late)
            late = max(late, time.monotonic() - due)
            publisher.publish(message.data)
            played += 1
        return Played(played, late)

    def finish(self) -> None:
        """Let /clock run on for a moment, and wait until what was sent has arrived."""
        self._wait(time.monotonic() + LINGER_S)
        deadline = time.monotonic() + ACK_TIMEOUT_S
        for publisher in self._publishers.values():
            left = deadline - time.monotonic()
            if left <= 0.0 or self._is_stopped():
                return
            publisher.wait_for_all_acked(Duration(seconds=left))

    def pause(self, seconds: float) -> bool:
        """
        Wait without a clock.

        :return: whether playing is to go on
        """
        due = time.monotonic() + seconds
        while not self._is_stopped():
            left = due - time.monotonic()
            if left <= 0.0:
                return True
            time.sleep(min(left, NOTICE_S))
        return False

    def _wait(self, due: float) -> bool:
        """Publish /clock until a moment of the steady clock; False once playing is stopped."""
        while not self._is_stopped():
            now = time.monotonic()
            if self._clock is not None and now >= self._next_tick:
                self._publish_clock(self._clock, now)
                period = 1.0 / self._pace.clock_hz
                # Ticks that were missed are not made up for.
                self._next_tick = max(self._next_tick + period, now)
            if now >= due:
                return True
            time.sleep(min(due, self._next_tick if self._clock is not None else due,
                           now + NOTICE_S) - now)
        return False

    def _publish_clock(self, clock: Publisher, now: float) -> None:
        message = Clock()
        time_ns = self._first_ns + int((now - self._started) * self._pace.rate * NANOSECONDS)
        message.clock.sec, message.clock.nanosec = nanoseconds_to_stamp(time_ns)
        clock.publish(message)


def message_class(type_name: str) -> Optional[Any]:
    """
    Return the class of a message type, None where it is not installed.

    :param type_name: such as ``sensor_msgs/msg/Image``, or without ``/msg/``
    """
    package, _, name = ros2_type_name(type_name).partition('/msg/')
    try:
        return getattr(importlib.import_module(package + '.msg'), name, None)
    except ImportError:
        return None
