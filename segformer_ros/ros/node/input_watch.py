# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Log when the images of a camera stay away, and who publishes their topic."""

from typing import Any, List, NamedTuple, Sequence

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from segformer_ros.ros.io import image_types

REPEAT = 60.0
"""Seconds between two lines on the same silence."""
LONGEST_STEP = 1.0
"""Seconds of silence that one look counts at most: with more the process stood still itself."""
MOST_NAMED = 4
"""Publishers, or other topics, that one line names."""


class Publisher(NamedTuple):
    """One publisher of a topic: full name of its node, type and QoS."""

    node: str
    type_name: str
    qos: QoSProfile

    def __str__(self) -> str:
        """Return ``/driver (sensor_msgs/msg/Image, best effort, volatile)``."""
        policies = _words(self.qos.reliability), _words(self.qos.durability)
        return f'{self.node} ({self.type_name}, {", ".join(policies)})'


class InputWatch:
    """
    Watch one image topic; all methods belong to the executor's thread.

    :param node: that subscribes
    :param camera: name, empty for the only one
    :param topic: resolved name
    :param type_name: such as ``sensor_msgs/msg/Image``
    :param is_named: whether the camera's parameter ``image_topic`` names the topic
    """

    def __init__(self, node: Node, camera: str, topic: str, type_name: str,
                 is_named: bool = False) -> None:
        self._node = node
        self._prefix = f'{camera}: ' if camera else ''
        # A remapping does nothing where the parameter names the topic.
        self._way = ('' if is_named else f"remap {camera + '/' if camera else ''}image or ") + (
            f'set {camera}.image_topic' if camera else 'set image_topic')
        self._transport = f'{camera}.image_transport' if camera else 'image_transport'
        self._topic = topic
        self._type_name = type_name
        self._looked_at = 0.0
        self._silence = 0.0
        self._tell_at = 0.0
        self._told = False
        self._received = 0
        self.reason = ''
        """Why no image comes, while that is so; for diagnostics."""

    def begin(self, now: float, received: int) -> None:
        """Wait for images from now on; parameters as of :meth:`check`."""
        self._looked_at, self._received = now, received
        self._silence, self._told, self.reason = 0.0, False, ''

    def check(self, now: float, limit: float, received: int) -> None:
        """
        Warn where there was no image for too long.

        :param now: seconds of a clock that never goes back
        :param limit: seconds without an image that are worth a line
        :param received: images that came so far
        """
        if received != self._received:
            if self._told:
                self._node.get_logger().info(f'{self._prefix}Images come on {self._topic}.')
            self.begin(now, received)
            return
        self._silence += min(now - self._looked_at, LONGEST_STEP)
        self._looked_at = now
        if self._silence <= limit:
            return
        self.reason = self._reason()
        if self._told and self._silence < self._tell_at:
            return
        self._told, self._tell_at = True, self._silence + REPEAT
        self._node.get_logger().warning(
            f'{self._prefix}No image for {self._silence:.1f} s on {self._topic} '
            f'({self._type_name}): {self.reason}')

    def _reason(self) -> str:
        publishers = self._publishers(self._topic)
        if not publishers:
            beside = image_types.video_topic(self._topic)
            videos = [each.type_name for each in self._publishers(beside)]
            if videos:
                return 'nobody publishes it. ' + image_types.remedy_for(beside, videos)
            return (f'nobody publishes it. {self._elsewhere()}Start the camera driver, or '
                    f'{self._way} to its topic.')
        found = (f"{len(publishers)} publisher{'s' if len(publishers) > 1 else ''}: "
                 f'{_listed([str(each) for each in publishers])}. ')
        offered = [each.qos for each in publishers if each.type_name == self._type_name]
        if offered:
            wanted = self._unmet(offered)
            if wanted:
                return found + (f'The node wants {wanted}, which none of them offers: change '
                                f'qos_overrides.{self._topic}.subscription of the node.')
            return found + ('Look whether the driver is triggered and which network it uses; '
                            'large images over Fast DDS need config/fastdds.xml on both sides.')
        return found + image_types.remedy_for(
            self._topic, [each.type_name for each in publishers], self._way, self._transport)

    def _publishers(self, topic: str) -> List[Publisher]:
        return [Publisher(_full_name(info), info.topic_type, info.qos_profile)
                for info in self._node.get_publishers_info_by_topic(topic)]

    def _unmet(self, offered: Sequence[QoSProfile]) -> str:
        """Return what the node's subscription asks for and no publisher of its type offers."""
        own = [info.qos_profile for info in
               self._node.get_subscriptions_info_by_topic(self._topic)
               if _full_name(info) == self._node.get_fully_qualified_name()]
        for policy, value in (('reliability', ReliabilityPolicy.RELIABLE),
                              ('durability', DurabilityPolicy.TRANSIENT_LOCAL)):
            if own and all(getattr(each, policy) == value for each in own) and all(
                    getattr(each, policy) != value for each in offered):
                return _words(value)
        return ''

    def _elsewhere(self) -> str:
        """Return which topics carry images of the wanted type, but for the node's own."""
        own = self._node.get_fully_qualified_name() + '/'
        names = sorted(name for name, types in self._node.get_topic_names_and_types()
                       if self._type_name in types and name != self._topic
                       and not name.startswith(own) and self._node.count_publishers(name))
        return f'Images are published on {_listed(names)}. ' if names else ''


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_NAMED
    return ', '.join(texts[:MOST_NAMED]) + (f' and {more} more' if more > 0 else '')


def _words(policy: Any) -> str:
    return str(policy.name).lower().replace('_', ' ')


def _full_name(info: Any) -> str:
    # An endpoint may be discovered before its node is.
    if info.node_name == '_NODE_NAME_UNKNOWN_':
        return 'a node not known yet'
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
