# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The doctor sees what is there and what is not, over DDS and on disk, and changes nothing."""

import os
import subprocess
import sys

from geometry_msgs.msg import TransformStamped
from segformer_ros.cli import doctor as doctor_command
from segformer_ros.cli.support.ros_environment import PROFILE_VARIABLES
from segformer_ros.common.errors import ERROR
from segformer_ros.common.errors import OK
from segformer_ros.common.errors import WARN
from segformer_ros.ros.doctor import machine as doctor_machine
from segformer_ros.ros.doctor.check_result import CheckResult
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from support.costmap_robot import color_parameters
from support.doctor_command import doctor
from support.doctor_command import doctor_process
from support.doctor_command import of
from support.doctor_command import results_of
from support.ros_graph import NodeProcess
from support.ros_graph import Peer
from support.ros_graph import wait_until
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.tiny_model import color_image
from tf2_msgs.msg import TFMessage


CAMERA_8K = '''
import rclpy, time
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("camera_8k")
publisher = node.create_publisher(Image, "/image", qos_profile_sensor_data)
message = Image(height=4320, width=7680, encoding="rgb8", step=23040, data=bytes(4320 * 23040))
while True:
    publisher.publish(message)
    print("sent", flush=True)
    time.sleep(0.2)
'''


def test_running_node_with_a_simulated_camera_is_well(domain, tmp_path, color_model):
    camera = {'rate': 10.0, 'width': 96, 'height': 72}
    with NodeProcess(domain, tmp_path, {
            'model': color_model, 'threads': 1, 'ground_frame': 'base_link',
            # No cost profile knows the classes of this network, which is an ERROR of its own.
            'costmap': 'false'}), \
            NodeProcess(domain, tmp_path, camera, module='segformer_ros.cli.simulated_camera',
                        arguments=['-r', 'image_raw:=image']), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        peer.masks.wait()
        status, results = doctor_process(domain, '--seconds', '5')
    graph = [result for result in results if result.subject in (
        'node', 'model', 'image', 'camera_info', 'tf', 'time')]
    assert [result for result in graph if result.level != OK] == []
    assert of(results, 'node')[0].text == '/segformer is active'
    # What the node has is looked at, not the default.
    assert color_model in of(results, 'model')[0].text
    rate, size = of(results, 'image')
    assert 1.0 < float(rate.text.split(' Hz')[0].split()[-1]) < 15.0
    assert 'reliable, volatile' in rate.text
    assert size.text == "96 x 72 rgb8 in frame 'camera_optical_frame'"
    # How old images are is the machine's business.
    assert of(results, 'stamp')[0].text.startswith('/image: ')
    assert {result.text for result in of(results, 'tf')} == {
        'base_link from camera_optical_frame', 'odom from camera_optical_frame'}
    assert any(result.text.startswith('watchdog: ') for result in of(results, 'node says'))
    assert status in (0, 1)  # this machine may lack memory or disk


def test_nothing_running_is_told_with_remedies(domain):
    status, results = doctor_process(domain, '--seconds', '0.2', '--model', 'no_such_model')
    assert status == 2
    node, = of(results, 'node')
    assert (node.level, 'does not run' in node.text) == (WARN, True)
    image, = of(results, 'image')
    assert (image.level, image.text) == (ERROR, 'nobody publishes /image')
    assert of(results, 'model')[0].level == ERROR
    assert all(result.remedy for result in results if result.level != OK)


def test_wrong_camera_info_looping_frames_and_a_depth_image_are_told(domain):
    with Peer(domain) as peer:
        image = peer.publisher(Image, '/image', 5, wait_for_subscriber=False)
        info = peer.publisher(CameraInfo, '/camera_info', 5, wait_for_subscriber=False)
        frames = peer.publisher(TFMessage, '/tf', 5, wait_for_subscriber=False)

        def tick():
            message = Image(height=2, width=2, step=8, encoding='32FC1', data=bytes(16))
            message.header.frame_id = 'camera'
            message.header.stamp = peer.node.get_clock().now().to_msg()
            message.header.stamp.sec += 100
            image.publish(message)
            info.publish(CameraInfo(width=2, height=2, distortion_model='plumb_bob'))
            edges = []
            for parent, child in (('a', 'camera'), ('camera', 'b'), ('c', 'b')):
                edge = TransformStamped(child_frame_id=child)
                edge.header.stamp, edge.header.frame_id = message.header.stamp, parent
                edge.transform.rotation.w = 1.0
                edges.append(edge)
            frames.publish(TFMessage(transforms=edges))
        peer.node.create_timer(0.1, tick)
        status, results = doctor(domain, '--seconds', '5', '--model', 'segformer_sim')
    assert status == 2
    assert any(result.level == ERROR and "got '32FC1'" in result.text
               and 'holds measurements' in result.remedy for result in of(results, 'image'))
    assert any('ahead of this clock' in result.text for result in of(results, 'stamp'))
    assert of(results, 'camera_info')[0].level == WARN
    assert 'calibrat' in of(results, 'camera_info')[0].remedy.lower()
    assert any('Frame b has two parents' in result.text for result in of(results, 'tf'))
    assert of(results, 'model')[0].level == OK


def test_topic_of_another_type_is_told(domain):
    with Peer(domain) as peer:
        peer.publisher(CameraInfo, '/image', 5, wait_for_subscriber=False)
        _, results = doctor(domain, '--seconds', '0.5')
    assert of(results, 'image')[0].text == (
        '/image carries sensor_msgs/msg/CameraInfo; expected sensor_msgs/msg/Image')


def test_an_inactive_node_is_told_with_the_command(domain, tmp_path, color_model):
    with NodeProcess(domain, tmp_path, {'model': color_model, 'autostart': 'false'}), \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('unconfigured')
        _, results = doctor(domain, '--seconds', '0.2')
    node, = of(results, 'node')
    assert node.remedy == 'ros2 lifecycle set /segformer configure'


def test_names_with_depth_in_a_driver_are_pictures_and_no_costmap_needs_no_places(
        domain, tmp_path, color_model):
    parameters = {'model': color_model, 'threads': 1, 'costmap': 'false'}
    with NodeProcess(domain, tmp_path, parameters,
                     arguments=['-r', 'image:=/oak_depthai/rgb/image_raw']), \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        image = peer.publisher(Image, '/oak_depthai/rgb/image_raw', 5)
        peer.node.create_timer(0.1, lambda: image.publish(rgb_message(color_image(['red']))))
        _, results = doctor(domain, '--seconds', '5')
    assert all(result.level == OK for result in of(results, 'image')), results
    assert of(results, 'image')[0].text.startswith('/oak_depthai/rgb/image_raw: ')
    info, = of(results, 'camera_info')
    assert info == CheckResult(OK, 'camera_info',
                               'nobody publishes /camera_info (costmap is false: not needed)')
    frames, = of(results, 'tf')
    assert (frames.level, frames.remedy) == (OK, '')
    assert frames.text.startswith('no transform on /tf')


def test_depth_that_the_costmap_reads_is_no_picture_and_a_missing_camera_info_is_a_warning(
        domain, tmp_path):
    parameters = color_parameters(tmp_path, depth_transport='raw')
    with NodeProcess(domain, tmp_path, parameters, arguments=[
            '-r', 'image:=/depth_camera/image_raw',
            '-r', 'depth:=/depth_camera/depth/image_raw']), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        _, results = doctor(domain, '--seconds', '0.2')
    assert [result.text for result in of(results, 'image')] == [
        'nobody publishes /depth_camera/image_raw']
    assert of(results, 'camera_info')[0].level == WARN
    assert of(results, 'tf')[0].level == WARN


def stop_polygons_of(domain, **parameters):
    """Return what the doctor says while a node has the parameters of a collision monitor."""
    with Peer(domain, 'collision_monitor') as monitor:
        for name, value in parameters.items():
            monitor.node.declare_parameter(name.replace('__', '.'), value)
        return doctor(domain, '--seconds', '0.2', '--speed', '0.6')[1]


def test_a_stop_polygon_that_ends_too_near_is_told_with_what_is_needed(domain):
    results = stop_polygons_of(
        domain, polygons=['short', 'long', 'humble', 'slow', 'broken', 'huge'],
        short__action_type='stop', short__points='[[0.6, 0.3], [0.6, -0.3], [-0.3, -0.3], '
        '[-0.3, 0.3]]',
        long__action_type='stop', long__points='[[1.1, 0.3], [1.1, -0.3], [-0.3, -0.3], '
        '[-0.3, 0.3]]',
        humble__action_type='stop', humble__points=[0.6, 0.3, 0.6, -0.3, -0.3, -0.3, -0.3, 0.3],
        slow__action_type='slowdown', slow__points='[[0.6, 0.3], [0.6, -0.3], [-0.3, -0.3]]',
        broken__action_type='stop', broken__points='[[',
        huge__action_type='stop', huge__points='[[1' + '0' * 400 + ', 0], [0, 1], [1, 1]]')
    humble, long, short = of(results, 'stop polygon')
    assert (humble.level, long.level, short.level) == (WARN, OK, WARN)
    # Bumper 0.3, 0.8 s at 0.6 m/s, 0.18 m of braking at 1 m/s2, 0.1 m to spare.
    assert short.text.startswith('short reaches 0.60 m ahead, 1.06 m are needed at 0.60 m/s')
    assert 'Move its front to 1.06 m' in short.remedy


def test_only_node_of_the_kind_is_found_in_its_namespace_under_another_name(
        domain, tmp_path, color_model):
    with NodeProcess(domain, tmp_path, {'model': color_model, 'autostart': 'false'},
                     arguments=['-r', '__ns:=/robot_1', '-r', '__node:=eyes']), \
            Peer(domain) as peer:
        wait_until(lambda: peer.node.count_publishers('/diagnostics'), 'the node')
        _, found = doctor(domain, '--seconds', '0.2')
        _, named = doctor(domain, '--seconds', '0.2', '--node', '/segformer')
    assert of(found, 'node')[0].text.startswith('/robot_1/eyes is unconfigured')
    node, = of(named, 'node')
    assert ('does not run' in node.text, '--node /robot_1/eyes' in node.remedy) == (True, True)


def test_what_does_not_fit_the_node_s_own_subscriptions_is_told_and_what_fits_is_not(
        domain, tmp_path):
    with NodeProcess(domain, tmp_path, color_parameters(tmp_path)), \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        static = peer.publisher(TFMessage, '/tf_static', 5, wait_for_subscriber=False)
        peer.publisher(TFMessage, '/tf', 5)
        image = peer.publisher(Image, '/image', 5)
        peer.publisher(Image, '/camera_info', 5, wait_for_subscriber=False)
        other = Peer(domain)
        try:
            other.publisher(CameraInfo, '/image', 5, wait_for_subscriber=False)
            edge = TransformStamped(child_frame_id='camera')
            edge.header.frame_id, edge.transform.rotation.w = 'base_link', 1.0

            def tick():
                image.publish(rgb_message(color_image(['red'])))
                static.publish(TFMessage(transforms=[edge]))
            peer.node.create_timer(0.1, tick)
            _, results = doctor(domain, '--seconds', '3')
            name = other.node.get_name()
        finally:
            other.__exit__()
    told = {result.text: result for result in of(results, 'topics')}
    wrong, = [result for text, result in told.items() if text.startswith('/image: ')]
    assert (wrong.level, wrong.text) == (
        ERROR, f'/image: /{name} publishes sensor_msgs/msg/CameraInfo; the node listens to '
        'sensor_msgs/msg/Image')
    info, = [result for text, result in told.items() if text.startswith('/camera_info: ')]
    assert (info.level, 'sensor_msgs/msg/Image' in info.text) == (WARN, True)
    latched, = [result for text, result in told.items() if text.startswith('/tf_static: ')]
    assert (latched.level, 'transient local' in latched.remedy) == (WARN, True)
    assert 'reliable, volatile' in latched.text
    assert len(told) == 3, told


def test_large_images_that_the_default_transport_loses_are_told_with_the_profile(domain):
    camera = subprocess.Popen(
        [sys.executable, '-c', CAMERA_8K], stdout=subprocess.PIPE, env=dict(
            {name: value for name, value in os.environ.items() if name not in PROFILE_VARIABLES},
            ROS_DOMAIN_ID=str(domain)))
    try:
        assert camera.stdout.readline() == b'sent\n'
        _, results = doctor(domain, '--seconds', '3')
    finally:
        camera.kill()
        camera.wait()
    image = of(results, 'image')[0]
    assert image.level != OK, results
    assert 'config/fastdds.xml' in image.remedy


def test_cache_and_memory_are_judged_as_the_running_node_has_them(tmp_path, monkeypatch, capsys):
    cache = tmp_path / 'engines of the node'
    cache.mkdir()
    os.chmod(str(cache), 0o777)
    monkeypatch.setattr(doctor_command, '_observe_graph',
                        lambda options: ([], {'engine_cache': str(cache)}, True))
    monkeypatch.setattr(doctor_machine.memory, 'available_memory', lambda: 400 * 2 ** 20)
    assert doctor_command.main(['--json']) == 2
    results = results_of(capsys.readouterr().out)
    assert of(results, 'cache')[0].text == f'{cache} is writable for others'
    assert of(results, 'memory')[0].level == WARN


def test_wrong_command_line_has_a_status_of_its_own():
    done = subprocess.run([sys.executable, '-m', 'segformer_ros.cli.doctor', '--seconds', 'x'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 64
