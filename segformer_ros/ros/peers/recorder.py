# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Collect messages of several topics by the stamp that they share."""

import collections
import functools
from typing import Any, Callable, Dict, Mapping, NamedTuple

from rclpy.node import Node
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.ros.io.topics import Topic


class Channel(NamedTuple):
    """One topic to record under its absolute name; the topic's own QoS is used."""

    topic: Topic
    name: str
    message_type: Any


class Recorder:
    """
    Sets of messages with one stamp.

    A set is handed over as soon as every channel has contributed. Of incomplete sets only the
    newest are kept: a frame that the node superseded never completes.

    :param node: subscriptions are made on it, in the order of the channels
    :param channels: by the key that the message has in its set
    :param on_set: called with each complete set, in order of completion
    :param keep: incomplete sets
    """

    def __init__(self, node: Node, channels: Mapping[str, Channel],
                 on_set: Callable[[Dict[str, Any]], None], keep: int = 16) -> None:
        self._keys = tuple(channels)
        self._on_set = on_set
        self._keep = keep
        self._sets: 'collections.OrderedDict[int, Dict[str, Any]]' = collections.OrderedDict()
        self.counts: Dict[str, int] = dict.fromkeys(channels, 0)
        """Messages received by key."""
        for key, channel in channels.items():
            node.create_subscription(channel.message_type, channel.name,
                                     functools.partial(self.add, key),
                                     channel.topic._replace(depth=10).profile())

    def add(self, key: str, message: Any) -> None:
        """Take one message of a channel."""
        self.counts[key] += 1
        stamp_ns = stamp_to_nanoseconds(message.header.stamp)
        messages = self._sets.setdefault(stamp_ns, {})
        messages[key] = message
        if len(messages) == len(self._keys):
            del self._sets[stamp_ns]
            self._on_set(messages)
        while len(self._sets) > self._keep:
            self._sets.popitem(last=False)
