# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images that stay away: who publishes the topic, and what to do about another type."""

from types import SimpleNamespace

import pytest
from rclpy.qos import DurabilityPolicy
from rclpy.qos import qos_profile_sensor_data
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from segformer_ros.ros.io import image_types
from segformer_ros.ros.node.input_watch import InputWatch
from sensor_msgs.msg import Image
from std_msgs.msg import String
from support.ros_graph import Peer
from support.ros_graph import wait_until

FFMPEG = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
LIMIT = 1.0


class Graph:
    """A node's view of publishers whose message types are not installed here."""

    def __init__(self, **types):
        self.types = {'/' + topic.replace('__', '/'): kinds for topic, kinds in types.items()}
        self.lines = []

    def get_publishers_info_by_topic(self, topic):
        qos = SimpleNamespace(reliability=ReliabilityPolicy.RELIABLE,
                              durability=DurabilityPolicy.VOLATILE)
        return [SimpleNamespace(node_name='driver', node_namespace='/', topic_type=kind,
                                qos_profile=qos) for kind in self.types.get(topic, ())]

    def get_subscriptions_info_by_topic(self, topic):
        return []

    def get_topic_names_and_types(self):
        return [(topic, kinds) for topic, kinds in self.types.items()]

    def count_publishers(self, topic):
        return len(self.types.get(topic, ()))

    def get_fully_qualified_name(self):
        return '/segformer'

    def get_logger(self):
        return SimpleNamespace(warning=self.lines.append, info=self.lines.append)


def silent_watch(graph, topic, type_name=image_types.RAW, seconds=3.0):
    """Return the watch of a topic on which nothing came for some seconds."""
    watch = InputWatch(graph, '', topic, type_name)
    watch.begin(0.0, 0)
    for step in range(1, int(seconds / 0.5) + 1):
        watch.check(0.5 * step, LIMIT, 0)
    return watch


@pytest.mark.parametrize('types, topic, type_name, source', [
    ({'cam__ffmpeg': [FFMPEG]}, '/cam/ffmpeg', image_types.RAW, '/cam/ffmpeg'),
    ({'cam__ffmpeg': [FFMPEG]}, '/cam', image_types.RAW, '/cam/ffmpeg'),
    ({'cam__ffmpeg': [FFMPEG]}, '/cam/compressed', image_types.ENCODED, '/cam/ffmpeg'),
    ({'cam': ['foxglove_msgs/msg/CompressedVideo']}, '/cam', image_types.RAW, '/cam')])
def test_packets_of_a_video_name_the_republisher_once(types, topic, type_name, source):
    graph = Graph(**types)
    watch = silent_watch(graph, topic, type_name)
    line, = graph.lines
    assert line.endswith(watch.reason)
    assert 'packets of a video' in line
    assert 'image_transport republish' in line and f'in/ffmpeg:={source} ' in line
    # Of the packets of image_transport the node has a decoder.
    assert ('Set image_transport: ffmpeg, with PyAV' in line) == ([FFMPEG] in types.values())
    watch.check(3.5, LIMIT, 1)
    assert watch.reason == ''


@pytest.mark.parametrize('found, wanted, remedy', [
    (image_types.ENCODED, image_types.RAW, 'set image_transport: compressed.'),
    (image_types.RAW, image_types.ENCODED, 'set image_transport: raw.'),
    ('std_msgs/msg/String', image_types.RAW, 'remap image or set image_topic to a topic of')])
def test_another_type_is_told_with_what_makes_it_fit(found, wanted, remedy):
    graph = Graph(cam=[found])
    silent_watch(graph, '/cam', wanted)
    line, = graph.lines
    assert f'/driver ({found}, reliable, volatile)' in line and remedy in line


@pytest.mark.parametrize('found, remedy', [
    (image_types.ENCODED, 'set front.image_transport: compressed.'),
    ('std_msgs/msg/String', 'remap front/image or set front.image_topic to')])
def test_the_remedy_names_the_parameters_of_the_camera(found, remedy):
    graph = Graph(cam=[found])
    watch = InputWatch(graph, 'front', '/cam', image_types.RAW)
    watch.begin(0.0, 0)
    watch.check(1.0, 0.5, 0)
    line, = graph.lines
    assert line.startswith('front: No image') and remedy in line


def test_no_remapping_is_advised_where_the_parameter_names_the_topic():
    graph = Graph()
    watch = InputWatch(graph, 'front', '/cam', image_types.RAW, is_named=True)
    watch.begin(0.0, 0)
    watch.check(1.0, 0.5, 0)
    line, = graph.lines
    assert 'or set front.image_topic to its topic' in line and 'remap' not in line


@pytest.mark.parametrize('wanted, offered, words', [
    (QoSProfile(depth=1), qos_profile_sensor_data, 'The node wants reliable, which none'),
    (QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL), QoSProfile(depth=1),
     'The node wants transient local, which none'),
    (qos_profile_sensor_data, QoSProfile(depth=1), 'Look whether the driver is triggered')])
def test_a_quality_of_service_that_nobody_offers_is_named_over_real_dds(
        domain, wanted, offered, words):
    with Peer(domain, 'looking') as looking, Peer(domain, 'driver') as sending:
        looking.node.create_subscription(Image, '/image', print, wanted)
        sending.node.create_publisher(Image, '/image', offered)
        watch = InputWatch(looking.node, '', '/image', image_types.RAW)
        watch.begin(0.0, 0)
        clock = iter(range(1, 10 ** 6))

        def reason():
            watch.check(next(clock), LIMIT, 0)
            return watch.reason
        wait_until(lambda: words in reason(), lambda: watch.reason)


def test_right_type_beside_a_video_is_not_blamed_on_its_type():
    graph = Graph(cam=[image_types.RAW], cam__ffmpeg=[FFMPEG])
    silent_watch(graph, '/cam')
    line, = graph.lines
    assert 'Look whether the driver is triggered' in line
    assert 'video' not in line and 'another type' not in line


def test_nothing_is_told_within_the_limit_and_one_line_a_minute_behind_it():
    graph = Graph()
    assert silent_watch(graph, '/cam', seconds=1.0).reason == ''
    assert graph.lines == []
    silent_watch(graph, '/cam', seconds=60.0)
    assert len(graph.lines) == 1
    graph.lines = []
    silent_watch(graph, '/cam', seconds=62.0)
    assert len(graph.lines) == 2


def test_time_in_which_the_process_itself_stood_still_is_no_silence_of_the_camera():
    graph = Graph(cam=[image_types.RAW])
    watch = silent_watch(graph, '/cam', seconds=0.5)
    watch.check(3600.0, 5.0, 0)
    assert (watch.reason, graph.lines) == ('', [])


def test_a_topic_of_another_type_is_told_over_real_dds(domain):
    with Peer(domain) as looking, Peer(domain, 'talker') as sending:
        watch = InputWatch(looking.node, '', '/image', image_types.RAW)
        watch.begin(0.0, 0)
        clock = iter(range(1, 10 ** 6))

        def reason():
            watch.check(next(clock), LIMIT, 0)
            return watch.reason
        wait_until(lambda: 'nobody publishes it' in reason(), 'the silence')
        publisher = sending.node.create_publisher(String, '/image', 1)
        told = wait_until(lambda: '/talker' in reason() and watch.reason, 'the type')
        assert 'another type' in told
        assert told.startswith('1 publisher: /talker (std_msgs/msg/String, reliable, volatile).')
        sending.node.destroy_publisher(publisher)
        wait_until(lambda: 'nobody publishes it' in reason(), 'the topic to go')
