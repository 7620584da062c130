# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publishers and subscriptions that honour ``qos_overrides``, as every ROS node's shall."""

import copy
import difflib
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSPolicyKind
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.ros.io.topics import type_name_of

try:
    from rclpy.event_handler import PublisherEventCallbacks
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:
    from rclpy.qos_event import PublisherEventCallbacks  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

PREFIX = 'qos_overrides.'
SUBSCRIPTION, PUBLISHER = 'subscription', 'publisher'
LATER = {'sensor_msgs/msg/CameraInfo': 'latched', 'tf2_msgs/msg/TFMessage': 'volatile'}
"""Types whose topics may get a second subscription later: its name in ``qos_overrides``."""
OF_ROS = ('/clock', '/parameter_events', '/rosout')
"""Topics of which rclpy takes no overrides; files that other nodes share have some."""
OF_OTHERS = (('/tf', PUBLISHER), ('/tf_static', PUBLISHER), ('/diagnostics', SUBSCRIPTION))
"""What other nodes do with topics that each of them shares."""
POLICIES = [name.lower() for name in QoSPolicyKind.__members__ if name != 'INVALID']


def overrides_of(node: Node) -> Dict[str, Parameter]:
    """Return what the parameter file and the command line set."""
    # Not public in rclpy, though the same in Humble, Jazzy and Kilted.
    return dict(getattr(node, '_parameter_overrides', {}))


def subscribe(node: Node, message_type: Any, name: str, callback: Callable[[Any], None],
              profile: QoSProfile, second: str = '', is_paired: bool = False) -> Subscription:
    """
    Subscribe to a topic.

    :param name: relative, private or full
    :param profile: without overrides
    :param second: of a further subscription with another QoS: its name in ``qos_overrides``.
        A publisher that it does not match is not a fault, since the first one may match
    :param is_paired: a second one takes what this one does not match
    :raises ConfigurationError: an override cannot be used
    """
    profile = copy.copy(profile)
    events = SubscriptionEventCallbacks(use_default_callbacks=not (second or is_paired))
    kind = SUBSCRIPTION + ('_' + second if second else '')
    return _create(node, name, kind, lambda options: node.create_subscription(
        message_type, name, callback, profile, event_callbacks=events,
        qos_overriding_options=options), second or None)


def advertise(node: Node, message_type: Any, name: str, profile: QoSProfile) -> Publisher:
    """
    Create a publisher without rclpy's default event handlers.

    Of these each publisher has up to two, and rclpy looks at every one whenever it wakes: with
    them an image that comes costs milliseconds before its callback runs. All that they do is
    warn of a subscriber with another QoS or type; the subscriber's own process does so, too.

    :param name: relative, private or full
    :param profile: without overrides
    :raises ConfigurationError: an override cannot be used
    """
    profile = copy.copy(profile)
    events = PublisherEventCallbacks(use_default_callbacks=False)
    return _create(node, name, PUBLISHER, lambda options: node.create_publisher(
        message_type, name, profile, event_callbacks=events, qos_overriding_options=options))


def idle_overrides(node: Node) -> List[str]:
    """
    Return a sentence for each topic of ``qos_overrides`` that the node does not have.

    :param node: with all its publishers and subscriptions
    """
    topics: Dict[str, List[str]] = {}  # the kinds of each
    for kind, entities in ((SUBSCRIPTION, node.subscriptions), (PUBLISHER, node.publishers)):
        for each in entities:
            if each.topic_name in OF_ROS:
                continue
            kinds = topics.setdefault(each.topic_name, [])
            kinds.append(kind)
            second = LATER.get(type_name_of(each.msg_type))
            if kind == SUBSCRIPTION and second:
                kinds.append(f'{kind}_{second}')
    idle: Dict[Tuple[str, str], List[str]] = {}
    for key in overrides_of(node):
        parts = key[len(PREFIX):].split('.')
        topic, kind = parts[0], '.'.join(parts[1:-1])
        if key.startswith(PREFIX) and topic not in OF_ROS and not (
                kind in topics.get(topic, ()) and parts[-1] in POLICIES):
            idle.setdefault((topic, kind), []).append(key)
    # A file may be for all nodes: what is like nothing of this one is another's.
    found = []
    for (topic, kind), keys in idle.items():
        meant = topic if topic in topics else _near_topic(node, topic, topics)
        if meant and (topic, kind) not in OF_OTHERS:
            found.append(f"Without effect: {', '.join(keys)}. "
                         f'{_expected(topics, topic, kind, meant)}')
    return found


def _near_topic(node: Node, topic: str, topics: Iterable[str]) -> str:
    """Return the topic that one means, or nothing; compared without the namespace."""
    prefix = node.get_namespace().rstrip('/') + '/'
    by_name = {each[len(prefix):] if each.startswith(prefix) else each: each for each in topics}
    name = topic[len(prefix):] if topic.startswith(prefix) else topic
    found = difflib.get_close_matches(name.lstrip('/'), list(by_name), 1, 0.75)
    return by_name[found[0]] if found else ''


def _expected(topics: Dict[str, List[str]], topic: str, kind: str, meant: str) -> str:
    if kind in topics.get(topic, ()):
        return f"The last part is one of {', '.join(POLICIES)}."
    near = difflib.get_close_matches(kind, topics[meant], 1, 0.0)[0]
    names = {each: ', '.join(sorted(name for name in topics if each in topics[name]))
             for each in (SUBSCRIPTION, PUBLISHER)}
    wanted = kind.partition('_')[0]
    lists = [f'the {each} of {text}' for each, text in names.items()
             if text and (each == wanted or wanted not in names or not names[wanted])]
    return f'Meant: {PREFIX}{meant}.{near}? The node takes overrides of ' \
           f"{' and of '.join(lists)}."


def _create(node: Node, name: str, kind: str, create: Callable[[QoSOverridingOptions], Any],
            entity_id: Optional[str] = None) -> Any:
    full = f'{PREFIX}{node.resolve_topic_name(name)}.{kind}.'
    given = {each: value.value for each, value in overrides_of(node).items()
             if each.startswith(full)}
    policies: List[QoSPolicyKind] = []
    for each in given:
        policy = each[len(full):]
        # rclpy declares them in small letters, and would pass others over.
        if policy not in POLICIES:
            raise ConfigurationError('Unknown policy in qos_overrides', got=each,
                                     expected='one of ' + ', '.join(POLICIES))
        policies.append(QoSPolicyKind[policy.upper()])
    # Declared where they are given alone: all of them would be 150 parameters more.
    options = QoSOverridingOptions(policies, entity_id=entity_id)
    if not policies:
        return create(options)
    try:
        return create(options)
    except Exception as error:  # rclpy raises whatever it comes across
        raise ConfigurationError(
            'QoS override cannot be used', got=str(given),
            expected='values as of ros2 topic info --verbose, in small letters',
            remedy=f'Correct the parameter file; rclpy says: {error}') from error
