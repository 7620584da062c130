# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The doctor sees what is there and what is not, over DDS and on disk, and changes nothing."""

import json
import os
import subprocess
import sys

from geometry_msgs.msg import TransformStamped
from segformer_ros.cli import doctor as doctor_command
from segformer_ros.ros.doctor import machine as doctor_machine
from segformer_ros.ros.doctor.check_result import CheckResult
from segformer_ros.ros.doctor.check_result import LEVEL_NAMES
from segformer_ros.ros.io.status import ERROR
from segformer_ros.ros.io.status import OK
from segformer_ros.ros.io.status import WARN
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from support.costmap_robot import color_parameters
from support.ros_graph import NodeProcess
from support.ros_graph import Peer
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.tiny_model import color_image
from tf2_msgs.msg import TFMessage


def results_of(output):
    """Return the results that the command wrote as JSON."""
    return [CheckResult(**dict(each, level=LEVEL_NAMES.index(each['level'])))
            for each in json.loads(output)['findings']]


def doctor(domain, *arguments):
    """Run the command; return its exit status and its results."""
    done = subprocess.run(
        [sys.executable, '-m', 'segformer_ros.cli.doctor', '--json'] + list(arguments),
        env=dict(os.environ, ROS_DOMAIN_ID=str(domain)), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, universal_newlines=True, timeout=120, check=False)
    assert 'Traceback' not in done.stderr, done.stderr
    return done.returncode, results_of(done.stdout)


def of(results, subject):
    found = [result for result in results if result.subject == subject]
    assert found, results
    return found


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
        status, results = doctor(domain, '--seconds', '10')
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
    status, results = doctor(domain, '--seconds', '0.2', '--model', 'no_such_model')
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
        status, results = doctor(domain, '--seconds', '10', '--model', 'segformer_sim')
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
        _, results = doctor(domain, '--seconds', '10')
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
        domain, polygons=['short', 'long', 'humble', 'slow', 'broken'],
        short__action_type='stop', short__points='[[0.6, 0.3], [0.6, -0.3], [-0.3, -0.3], '
        '[-0.3, 0.3]]',
        long__action_type='stop', long__points='[[1.1, 0.3], [1.1, -0.3], [-0.3, -0.3], '
        '[-0.3, 0.3]]',
        humble__action_type='stop', humble__points=[0.6, 0.3, 0.6, -0.3, -0.3, -0.3, -0.3, 0.3],
        slow__action_type='slowdown', slow__points='[[0.6, 0.3], [0.6, -0.3], [-0.3, -0.3]]',
        broken__action_type='stop', broken__points='[[')
    humble, long, short = of(results, 'stop polygon')
    assert (humble.level, long.level, short.level) == (WARN, OK, WARN)
    # Bumper 0.3, 0.8 s at 0.6 m/s, 0.18 m of braking at 1 m/s2, 0.1 m to spare.
    assert short.text.startswith('short reaches 0.60 m ahead, 1.06 m are needed at 0.60 m/s')
    assert 'Move its front to 1.06 m' in short.remedy


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
