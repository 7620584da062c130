# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publishers that latch and such that do not are heard, and none has a reason to warn."""

import pytest
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.latched import LatchedSubscription
from sensor_msgs.msg import CameraInfo
from support.ros_graph import Inbox
from support.ros_graph import Peer
from support.ros_graph import wait_until

KINDS = {'sensor data': (ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
         'reliable': (ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
         'best effort, latched': (ReliabilityPolicy.BEST_EFFORT,
                                  DurabilityPolicy.TRANSIENT_LOCAL),
         'latched': (ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)}


class Publisher:
    """A driver's publisher of CameraInfo, and what its middleware says of other QoS."""

    def __init__(self, peer, kind):
        self.mismatches = []
        reliability, durability = KINDS[kind]
        self._publisher = peer.node.create_publisher(
            CameraInfo, '/camera_info',
            QoSProfile(depth=1, reliability=reliability, durability=durability),
            event_callbacks=PublisherEventCallbacks(incompatible_qos=self.mismatches.append))

    def publish(self, width):
        self._publisher.publish(CameraInfo(width=width))

    def count(self):
        """Return how many subscriptions it has found that it matches."""
        return self._publisher.get_subscription_count()


@pytest.fixture
def listener(domain):
    with Peer(domain) as peer:
        yield peer


def subscribe(listener):
    inbox = Inbox()
    return inbox, LatchedSubscription(listener.node, CameraInfo, 'camera_info', inbox,
                                      topics.CAMERA_INFO_IN, topics.CAMERA_INFO_LATCHED)


def own(listener):
    """Return the durability of each subscription of the listener, as the graph has it."""
    return sorted(each.qos_profile.durability.name
                  for each in listener.node.get_subscriptions_info_by_topic('/camera_info'))


@pytest.mark.parametrize('kind', list(KINDS))
def test_each_kind_of_publisher_is_heard_and_finds_no_subscription_that_it_does_not_match(
        domain, listener, kind):
    with Peer(domain) as driver:
        publisher = Publisher(driver, kind)
        wait_until(lambda: listener.node.count_publishers('/camera_info'), 'the publisher')
        inbox, both = subscribe(listener)
        wanted = 2 if kind == 'latched' else 1

        def found():
            both.look()
            return publisher.count() == wanted
        wait_until(found, lambda: f'{wanted} subscriptions, not {publisher.count()}')

        def heard():
            publisher.publish(7)
            return inbox.messages
        wait_until(heard, 'a message')
        both.look()
        assert len(own(listener)) == wanted
        assert publisher.mismatches == []
        both.destroy()
        wait_until(lambda: not own(listener), 'the subscriptions to go')


def test_what_was_latched_before_comes_once_and_the_second_one_goes_with_its_publisher(
        domain, listener):
    with Peer(domain) as first:
        latching = Publisher(first, 'latched')
        latching.publish(11)
        inbox, both = subscribe(listener)
        # The publisher may be discovered later than the subscription is made.
        wait_until(lambda: both.look() or inbox.messages, 'the latched message')
        assert inbox.messages[0].width == 11
    wait_until(lambda: both.look() or own(listener) == ['VOLATILE'],
               'the second subscription to go')
    with Peer(domain) as second:
        plain = Publisher(second, 'sensor data')
        before = len(inbox.messages)

        def heard():
            both.look()
            plain.publish(12)
            return len(inbox.messages) > before
        wait_until(heard, 'a message of the next driver')
        assert inbox.messages[-1].width == 12
        assert plain.mismatches == []
    both.destroy()
