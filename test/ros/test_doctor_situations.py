# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the doctor says of the situations in docs/reliability.md, over real DDS."""

import importlib.util
import time

from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from segformer_ros.common.errors import ERROR
from segformer_ros.common.errors import OK
from segformer_ros.common.errors import WARN
from segformer_ros.ros.doctor import graph
from segformer_ros.ros.doctor import topics
from segformer_ros.ros.doctor.check_result import CheckResult
from segformer_ros.ros.doctor.topic_counter import TopicObservation
from segformer_ros.ros.io import image_types
from segformer_ros.segmentation.images.compressed import encode_jpeg
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import LATCHED
from support.costmap_robot import look_with_depth
from support.doctor_command import doctor
from support.doctor_command import of
from support.ros_graph import NodeProcess
from support.ros_graph import Peer
from support.ros_graph import wait_until
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.tiny_model import color_image
from tf2_msgs.msg import TFMessage

JPEG = bytes(encode_jpeg(np.full((48, 64, 3), 99, np.uint8), 90))
HAS_PYAV = importlib.util.find_spec('av') is not None
FFMPEG = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'


def transform(parent, child):
    edge = TransformStamped(child_frame_id=child)
    edge.header.frame_id, edge.transform.rotation.w = parent, 1.0
    return edge


def told(results, subject, words):
    """Return the one result of a subject whose text or remedy has some words."""
    found = [each for each in of(results, subject) if words in f'{each.text} {each.remedy}']
    assert len(found) == 1, results
    return found[0]


def test_transforms_and_cameras_of_a_namespace_are_looked_at_there(domain, tmp_path):
    arguments = ['-r', '__ns:=/robot1', '-r', '/tf:=tf', '-r', '/tf_static:=tf_static',
                 '-r', '/diagnostics:=diagnostics']
    with NodeProcess(domain, tmp_path, color_parameters(tmp_path), arguments), \
            Peer(domain) as peer:
        image = peer.publisher(Image, '/robot1/image', 5)
        fixed = peer.publisher(TFMessage, '/robot1/tf_static', LATCHED)
        moving = peer.publisher(TFMessage, '/robot1/tf', 5)

        def tick():
            stamp = peer.node.get_clock().now().to_msg()
            message = rgb_message(color_image(['red']), 'eye')
            message.header.stamp = stamp
            image.publish(message)
            fixed.publish(TFMessage(transforms=[transform('base_link', 'eye')]))
            edge = transform('odom', 'base_link')
            edge.header.stamp = stamp
            moving.publish(TFMessage(transforms=[edge]))
        peer.node.create_timer(0.1, tick)
        _, results = doctor(domain, '--seconds', '4')
    assert of(results, 'node')[0].text == '/robot1/segformer is active'
    assert told(results, 'image', 'Hz from').text.startswith('/robot1/image: ')
    assert {each.text for each in of(results, 'tf')} == {'base_link from eye', 'odom from eye'}
    assert all(each.level == OK for each in of(results, 'tf'))
    # On /robot1/diagnostics.
    assert told(results, 'node says', 'watchdog: ').level == OK
    assert told(results, 'camera_info', 'nobody publishes /robot1/camera_info').level == WARN


def test_camera_info_that_was_latched_once_is_there(domain):
    info = CameraInfo(width=64, height=48, distortion_model='plumb_bob', d=[0.0] * 5,
                      k=[50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0],
                      p=[50.0, 0.0, 32.0, 0.0, 0.0, 50.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    with Peer(domain) as peer:
        publisher = peer.publisher(CameraInfo, '/camera_info', LATCHED, wait_for_subscriber=False)
        publisher.publish(info)
        _, results = doctor(domain, '--seconds', '0.5')
    assert of(results, 'camera_info') == [CheckResult(
        OK, 'camera_info', '/camera_info: latched, 64 x 48 plumb_bob')]


def depth_png():
    return CompressedImage(format='16UC1; png compressed ', data=JPEG)


def jpeg_as_pixels():
    return Image(height=48, width=64, encoding='rgb8', step=192,
                 data=JPEG + bytes(64 * 48 * 3 - len(JPEG)))


def packet():
    return CompressedImage(format='h264', data=b'\0\0\0\1' + bytes(64))


@pytest.mark.parametrize('make, topic, words', [
    (depth_png, '/image/compressed', 'holds measurements'),
    pytest.param(packet, '/image/compressed', 'image_transport republish',
                 marks=pytest.mark.skipif(HAS_PYAV, reason='PyAV decodes it')),
    (jpeg_as_pixels, '/image', 'JPEG')])
def test_images_that_the_node_would_refuse_are_told_with_its_reason(domain, make, topic, words):
    with Peer(domain) as peer:
        message = make()
        publisher = peer.publisher(type(message), topic, 5, wait_for_subscriber=False)
        peer.node.create_timer(0.1, lambda: publisher.publish(message))
        status, results = doctor(domain, '--seconds', '2', '--image', topic)
    assert status == 2
    assert told(results, 'image', words).level == ERROR


def test_stamps_that_stand_still_are_told(domain):
    message = rgb_message(color_image(['red']))
    message.header.stamp = Time(sec=1700000000)
    with Peer(domain) as peer:
        publisher = peer.publisher(Image, '/image', 5, wait_for_subscriber=False)
        peer.node.create_timer(0.1, lambda: publisher.publish(message))
        _, results = doctor(domain, '--seconds', '3')
    frozen = told(results, 'stamp', 'stamps stand still')
    assert (frozen.level, 'header.stamp' in frozen.remedy) == (WARN, True)


@pytest.mark.parametrize('runs', [False, True])
def test_a_clock_that_stands_still_is_told_and_one_that_runs_is_not(
        domain, tmp_path, color_model, runs):
    parameters = {'model': color_model, 'use_sim_time': 'true', 'costmap': 'false'}
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        clock = peer.publisher(Clock, '/clock', 5)
        started = time.monotonic()

        def tick():
            now = time.monotonic() - started if runs else 0.0
            clock.publish(Clock(clock=Time(sec=100 + int(now), nanosec=int(now % 1.0 * 1e9))))
        peer.node.create_timer(0.1, tick)
        _, results = doctor(domain, '--seconds', '3')
    result, = of(results, 'time')
    assert (result.level, result.text.startswith('/clock stands still')) == (
        (OK, False) if runs else (ERROR, True))


def test_node_that_ends_while_it_is_looked_at_is_told_as_such(domain, monkeypatch):
    # It was discovered, and is gone when it is asked.
    monkeypatch.setattr(graph.GraphObserver, '_sees_target', lambda self: True)
    monkeypatch.setattr(graph, 'ANSWER', 0.5)
    _, results = doctor(domain, '--seconds', '0.5', '--image', '/front/image')
    told(results, 'node', 'does not answer')
    assert 'ros' not in [each.subject for each in results], results
    assert [each for each in results if '/front/image' in each.text], results


def test_two_nodes_of_one_name_are_told(domain, tmp_path, color_model):
    parameters = {'model': color_model, 'autostart': 'false'}
    with NodeProcess(domain, tmp_path, parameters), Peer(domain, 'segformer') as namesake:
        wait_until(lambda: namesake.node.get_node_names().count('segformer') == 2, 'both')
        _, results = doctor(domain, '--seconds', '1')
    assert told(results, 'node', '2 nodes are named /segformer').level == WARN


def test_a_reader_that_asks_for_what_the_node_does_not_offer_is_told(
        domain, tmp_path, color_model):
    parameters = {'model': color_model, 'costmap': 'false'}
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain) as peer, \
            Peer(domain, 'viewer') as viewer:
        peer.wait_for_state('active')
        viewer.node.create_subscription(
            Image, '/segformer/mask', lambda message: None,
            QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        viewer.node.create_subscription(Image, '/segformer/overlay', lambda message: None, 1)
        _, results = doctor(domain, '--seconds', '1')
    wrong = [each for each in results if '/viewer' in each.text]
    assert [each.text for each in wrong] == [
        '/segformer/mask: /viewer asks for reliable, transient local; the node offers reliable, '
        'volatile, so nothing comes there']


def test_depth_of_another_frame_is_told_in_the_words_of_the_node(domain, tmp_path):
    parameters = color_parameters(tmp_path, depth_transport='raw')
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain) as robot:
        robot.depth = robot.node.create_publisher(Image, '/depth', 10)
        grids = robot.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        robot.wait_for_state('active')
        grids.wait()
        timer = robot.node.create_timer(0.2, lambda: look_with_depth(robot, 'depth_optical'))
        _, results = doctor(domain, '--seconds', '4')
        timer.cancel()
    assert told(results, 'node says', 'Depth is not registered to the image').level >= WARN


def test_a_video_in_the_place_of_pictures_is_told_with_the_republisher():
    video = TopicObservation('/cam', image_types.RAW, (('driver', FFMPEG, ''),), 0, 0.0, None,
                             None)
    beside = TopicObservation('/cam', image_types.RAW, (), 0, 0.0, None, None, (FFMPEG,))
    for topic, source in ((video, '/cam'), (beside, '/cam/ffmpeg')):
        result, = topics.check_images(topic, False)
        assert result.level == ERROR and f'in/ffmpeg:={source} ' in result.remedy
    reader = graph.Endpoint('/segformer', image_types.RAW, False, False)
    packets = graph.Endpoint('/driver', FFMPEG, True, False)
    observed = graph.GraphObservation(
        '/segformer', True, True, 'active', {}, (), {}, None, 0, (), 0, {},
        (graph.SubscriptionObservation('/cam', (reader,), (packets,)),))
    result, = topics.check_subscriptions(observed)
    assert result.level == ERROR and 'image_transport republish' in result.remedy


@pytest.mark.parametrize('images, words', [
    ([(0.0, None)], 'images 0.5 s old and 0.2 s apart'),
    ([(10.0, 0.1)], 'images 0.5 s old and 0.1 s apart'),
    ([(10.0, 0.1), (2.0, 1.5)], 'images 1.5 s old and 0.5 s apart')])
def test_a_stop_polygon_is_judged_by_the_oldest_and_the_rarest_images(images, words):
    cameras = tuple(graph.CameraObservation(TopicObservation(
        '/image', image_types.RAW, (), 9, rate, None, age), None) for rate, age in images)
    observed = graph.GraphObservation(
        '/segformer', True, True, 'active', {}, cameras, {}, None, 0, (),
        0, {'stop': '[[1, 1], [1, -1], [-1, 0]]'})
    result, = topics.check_stop_polygons(observed, 0.5)
    assert words in result.text


def test_a_stop_polygon_is_judged_by_what_a_slow_network_makes_of_fast_images():
    image = TopicObservation('/image', image_types.RAW, (), 9, 30.0, None, 0.05)
    said = {'camera front': (0, '', {'output rate [Hz]': '1.25', 'input rate [Hz]': '30.00'}),
            'camera rear': (0, '', {'output rate [Hz]': '0.00'}),
            'costmap': (0, '', {'front: mask age [s]': '1.40', 'rear: mask age [s]': 'unknown'}),
            'other': (0, '', {'output rate [Hz]': 'nan', 'mask age [s]': 'inf'})}
    observed = graph.GraphObservation(
        '/segformer', True, True, 'active', {}, (graph.CameraObservation(image, None),), said,
        None, 0, (), 0, {'stop': '[[1.1, 1], [1.1, -1], [-1, 0]]'})
    result, = topics.check_stop_polygons(observed, 0.4)
    assert 'images 1.4 s old and 0.8 s apart' in result.text and result.level == WARN
    # Bumper 0.3, 2.3 s at 0.4 m/s, 0.08 m of braking at 1 m/s2, 0.1 m to spare.
    assert '1.40 m are needed' in result.text
    # Without them it would do.
    result, = topics.check_stop_polygons(observed._replace(diagnostics={}), 0.4)
    assert result.level == OK


@pytest.mark.skipif(not HAS_PYAV, reason='PyAV is not installed')
def test_packets_that_the_node_decodes_are_told_with_their_rate(domain, tmp_path, color_model):
    messages = pytest.importorskip('ffmpeg_image_transport_msgs.msg',
                                   reason='ffmpeg_image_transport_msgs is not installed')
    parameters = {'model': color_model, 'image_transport': 'ffmpeg'}
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        publisher = peer.publisher(messages.FFMPEGPacket, '/image/ffmpeg', QoSProfile(depth=30))
        packet = messages.FFMPEGPacket(encoding='libx264', data=b'\0\0\0\1' + bytes(64))
        timer = peer.node.create_timer(0.1, lambda: publisher.publish(packet))
        _, results = doctor(domain, '--seconds', '3')
        timer.cancel()
    assert told(results, 'image', 'libx264, decoded by PyAV').level == OK
    assert told(results, 'image', '/image/ffmpeg: ').level == OK


def test_monitor_of_the_node_s_namespace_is_the_one_that_is_judged(domain, tmp_path, color_model):
    with NodeProcess(domain, tmp_path, {'model': color_model, 'autostart': 'false'},
                     ['-r', '__ns:=/robot1']), Peer(domain, 'collision_monitor') as peer:
        own = Node('collision_monitor', context=peer.context, namespace='/robot1')
        peer.add_node(own)
        for node, name in ((peer.node, 'other'), (own, 'near')):
            for field, value in (('polygons', [name]), (f'{name}.action_type', 'stop'),
                                 (f'{name}.points', '[[0.1, 0.3], [0.1, -0.3], [-0.3, 0.3]]')):
                node.declare_parameter(field, value)
        deadline = time.monotonic() + 60.0
        found = []
        # The doctor sees a node once it is discovered, which takes a busy machine its time.
        while not found and time.monotonic() < deadline:
            _, results = doctor(domain, '--seconds', '0.5', '--node', '/robot1/segformer')
            found = [each for each in results if each.subject == 'stop polygon']
        own.destroy_node()
    result, = of(results, 'stop polygon')
    assert result.text.startswith('near reaches 0.10 m ahead')
