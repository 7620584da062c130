# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publishers and subscriptions that honour ``qos_overrides``, as every ROS node's shall."""

import copy
from typing import Any, Callable, Dict, List, Optional

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSPolicyKind
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from segformer_ros.common.errors import ConfigurationError

try:
    from rclpy.event_handler import PublisherEventCallbacks
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:
    from rclpy.qos_event import PublisherEventCallbacks  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

PREFIX = 'qos_overrides.'


def overrides_of(node: Node) -> Dict[str, Parameter]:
    """Return what the parameter file and the command line set."""
    # Not public in rclpy, though the same in Humble, Jazzy and Kilted.
    return dict(getattr(node, '_parameter_overrides', {}))


def subscribe(node: Node, message_type: Any, name: str, callback: Callable[[Any], None],
              profile: QoSProfile, second: str = '') -> Subscription:
    """
    Subscribe to a topic.

    :param name: relative, private or full
    :param profile: without overrides
    :param second: of a further subscription with another QoS: its name in ``qos_overrides``.
        A publisher that it does not match is not a fault, since the first one may match
    :raises ConfigurationError: an override cannot be used
    """
    profile = copy.copy(profile)
    events = SubscriptionEventCallbacks(use_default_callbacks=not second)
    kind = 'subscription' + ('_' + second if second else '')
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
    return _create(node, name, 'publisher', lambda options: node.create_publisher(
        message_type, name, profile, event_callbacks=events, qos_overriding_options=options))


def _create(node: Node, name: str, kind: str, create: Callable[[QoSOverridingOptions], Any],
            entity_id: Optional[str] = None) -> Any:
    full = f'{PREFIX}{node.resolve_topic_name(name)}.{kind}.'
    given = {each: value.value for each, value in overrides_of(node).items()
             if each.startswith(full)}
    policies: List[QoSPolicyKind] = []
    for each in given:
        policy = QoSPolicyKind.__members__.get(each[len(full):].upper())
        if policy is None:
            raise ConfigurationError(
                'Unknown policy in qos_overrides', got=each, expected='one of ' + ', '.join(
                    known.lower() for known in QoSPolicyKind.__members__ if known != 'INVALID'))
        policies.append(policy)
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
