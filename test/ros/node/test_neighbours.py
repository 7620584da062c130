# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Image topics of another type are told with their remedy, once."""

from types import SimpleNamespace

import pytest
from rclpy.qos import DurabilityPolicy
from segformer_ros.ros.node.neighbours import Neighbours
from std_msgs.msg import String
from support.ros_graph import Peer
from support.ros_graph import wait_until

FFMPEG = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'


class Graph:
    """A node's view of publishers whose message types are not installed here."""

    def __init__(self, **types):
        self.types = {'/' + topic.replace('__', '/'): kinds for topic, kinds in types.items()}
        self.lines = []

    def get_publishers_info_by_topic(self, topic):
        return [SimpleNamespace(topic_type=kind, qos_profile=SimpleNamespace(
            durability=DurabilityPolicy.VOLATILE)) for kind in self.types.get(topic, ())]

    def get_name(self):
        return 'segformer'

    def get_namespace(self):
        return '/'

    def get_fully_qualified_name(self):
        return '/segformer'

    def get_node_names_and_namespaces(self):
        return [('segformer', '/'), ('segformer', '/robot2')]

    def get_logger(self):
        return SimpleNamespace(warning=self.lines.append)


@pytest.mark.parametrize('types, topic, source', [
    ({'cam__ffmpeg': [FFMPEG]}, '/cam/ffmpeg', '/cam/ffmpeg'),
    ({'cam__ffmpeg': [FFMPEG]}, '/cam', '/cam/ffmpeg'),
    ({'cam__ffmpeg': [FFMPEG]}, '/cam/compressed', '/cam/ffmpeg'),
    ({'cam': ['foxglove_msgs/msg/CompressedVideo']}, '/cam', '/cam')])
def test_packets_of_a_video_name_the_republisher_once(types, topic, source):
    graph = Graph(**types)
    neighbours = Neighbours(graph)
    for _ in range(3):
        neighbours.look([topic], False)
    line, = graph.lines
    assert line == neighbours.trouble
    assert 'image_transport republish' in line and f'in/ffmpeg:={source} ' in line
    graph.types = {}
    neighbours.look([topic], False)
    assert neighbours.trouble == ''


@pytest.mark.parametrize('types', [
    {}, {'cam': ['sensor_msgs/msg/Image']}, {'cam': ['sensor_msgs/msg/CompressedImage']},
    {'cam': ['sensor_msgs/msg/Image'], 'cam__ffmpeg': [FFMPEG]}])
def test_pictures_and_silence_are_no_trouble(types):
    graph = Graph(**types)
    neighbours = Neighbours(graph)
    neighbours.look(['/cam'], False)
    assert (neighbours.trouble, graph.lines) == ('', [])


def test_a_topic_of_another_type_is_told_over_real_dds(domain):
    with Peer(domain) as looking, Peer(domain) as sending:
        neighbours = Neighbours(looking.node)
        neighbours.look(['/image'], True)
        assert neighbours.trouble == ''
        publisher = sending.node.create_publisher(String, '/image', 1)

        def told():
            neighbours.look(['/image'], True)
            return neighbours.trouble
        assert wait_until(told, 'the type').startswith(
            '/image is of type std_msgs/msg/String; expected one of sensor_msgs/msg/Image')
        sending.node.destroy_publisher(publisher)
        wait_until(lambda: not told(), 'the topic to go')
