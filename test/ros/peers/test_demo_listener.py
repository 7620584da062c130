# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Messages that share a stamp come back as one set."""

from builtin_interfaces.msg import Time
from segformer_ros.ros.io.topics import MASK
from segformer_ros.ros.peers.demo_listener import Channel
from segformer_ros.ros.peers.demo_listener import Recorder
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from support.ros_graph import Peer
from support.ros_graph import wait_until


def image(second):
    return Image(header=Header(stamp=Time(sec=second)))


def recorder(peer, keep=16):
    sets = []
    channels = {'mask': Channel(MASK, '/mask', Image), 'truth': Channel(MASK, '/truth', Image)}
    return Recorder(peer.node, channels, sets.append, keep), sets


def test_sets_complete_whatever_the_order_of_arrival(domain):
    with Peer(domain) as peer:
        record, sets = recorder(peer)
        publishers = {name: peer.publisher(Image, '/' + name, MASK.profile())
                      for name in ('mask', 'truth')}
        for name, second in (('mask', 1), ('truth', 2), ('truth', 1), ('mask', 3), ('mask', 2)):
            publishers[name].publish(image(second))
        wait_until(lambda: sum(record.counts.values()) == 5, 'five messages')
    assert sorted(each['mask'].header.stamp.sec for each in sets) == [1, 2]
    assert all(each['mask'].header == each['truth'].header for each in sets)


def test_incomplete_sets_do_not_pile_up(domain):
    with Peer(domain) as peer:
        record, sets = recorder(peer, keep=3)
        for second in range(10):
            record.add('mask', image(second))
        for second in range(10):
            record.add('truth', image(second))
    # 7, 8 and 9 were the three kept; each truth of an older stamp then pushed one of them out,
    # the oldest first, and so all of them before their truth came.
    assert sets == []
    assert record.counts == {'mask': 10, 'truth': 10}
