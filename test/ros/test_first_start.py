# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a new user meets: frames, topics that are silent or named otherwise, lifecycle managers."""

import re
import time

from builtin_interfaces.msg import Time
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from segformer_ros.ros.io.images import rgb8_image
from segformer_ros.ros.peers.simulated_camera import transform_message
from segformer_ros.segmentation.images.compressed import encode_png
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import RELIABLE_50
from support.ros_graph import NodeProcess
from support.ros_graph import Peer
from support.ros_graph import wait_until
from support.segformer_peer import SegformerPeer
from tf2_msgs.msg import TFMessage

SIMULATOR = 'segformer_ros.cli.simulated_camera'
PICTURE = np.full((24, 32, 3), 128, np.uint8)


def warnings_of(node):
    """Return the lines of a log that are warnings or worse."""
    return [line for line in node.log().split('\n') if re.match(r'\[(WARN|ERROR|FATAL)\]', line)]


def raw_picture():
    return rgb8_image(Header(stamp=Time(sec=1), frame_id='eye'), PICTURE)


def png_picture():
    return CompressedImage(header=Header(stamp=Time(sec=1), frame_id='eye'), format='png',
                           data=bytes(encode_png(PICTURE)))


def test_own_simulator_and_own_node_with_defaults_give_a_costmap(domain, tmp_path):
    with NodeProcess(domain, tmp_path, {'model': 'segformer_sim'},
                     ['-r', 'image:=image_raw']) as node, Peer(domain) as peer:
        node.wait_for_log('Listens to ')
        grids = peer.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        clouds = peer.subscribe(PointCloud2, '/segformer/ground_points', RELIABLE_50)
        with NodeProcess(domain, tmp_path, {'width': 320, 'height': 240}, module=SIMULATOR):
            grid = grids.wait(lambda message: GridView(message).known() > 100)
            assert grid.header.frame_id == 'odom'
            assert clouds.wait().header.frame_id == 'base_link'
        told = [line for line in warnings_of(node) if 'No image' not in line
                and 'vision_msgs' not in line]
        assert len(told) == 1, told
        assert 'No transform names base_footprint, so z = 0 of base_link counts' in told[0]
        assert 'set ground_frame' in told[0]


def test_base_footprint_that_comes_late_is_the_ground_from_then_on(domain, tmp_path):
    parameters = color_parameters(tmp_path, ground_frame='base_footprint',
                                  transform_tolerance=0.4)
    with NodeProcess(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
        robot.look_until(lambda: clouds.messages, 'a cloud of base_link')
        assert clouds.messages[0].header.frame_id == 'base_link'
        ground = np.eye(4)
        ground[2, 3] = -0.1

        def send_fixed():
            robot.fixed.publish(TFMessage(transforms=[
                transform_message(Time(), 'base_link', robot.frame_id, robot.mount),
                transform_message(Time(), 'base_link', 'base_footprint', ground)]))
        robot.send_fixed = send_fixed
        robot.look_until(lambda: clouds.messages[-1].header.frame_id == 'base_footprint',
                         'a cloud of base_footprint')
        node.wait_for_log('Frame base_footprint has come and is the ground from now on')
        assert node.log().count('No transform names base_footprint') == 1


@pytest.mark.parametrize('parameters, expected', [
    ({'ground_frame': 'chassis'},
     [r"Unknown frame: got 'chassis'", r"'front_optical' \(frame_id of the images\) in 'chassis' "
      r'\(ground_frame\)', r'waited 0\.3 s \(transform_tolerance\)']),
    pytest.param({'odom_frame': 'world'}, [
        r"Unknown frame: got 'world'", r"in 'world' \(odom_frame\)"], marks=pytest.mark.slow),
    # Nothing stands in for a frame that was meant for the grid as well.
    ({'ground_frame': 'base_footprint', 'odom_frame': 'base_link'},
     [r"got 'base_footprint'", r'\(ground_frame\)']),
])
def test_error_of_a_frame_names_the_parameter(domain, tmp_path, parameters, expected):
    parameters = color_parameters(tmp_path, transform_tolerance=0.3, **parameters)
    with NodeProcess(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        line = robot.look_until(
            lambda: re.search('Not in the costmap: .*', node.log()), 'a line on the frame')
        for pattern in expected:
            assert re.search(pattern, line.group(0)), (pattern, line.group(0))


def test_missing_camera_info_is_told_with_its_resolved_topic(domain, tmp_path):
    parameters = color_parameters(tmp_path)
    with NodeProcess(domain, tmp_path, parameters,
                     ['-r', 'camera_info:=/oak/rgb/camera_info']) as node, \
            CostmapRobot(domain) as robot:
        robot.look_until(lambda: re.search(
            'No CameraInfo was received: expected a message on /oak/rgb/camera_info. '
            'Remap camera_info or set camera_info_topic', node.log()), 'a line on CameraInfo')


class Silence:
    """A running node with a limit of one second, and the lines that it writes on silence."""

    def __init__(self, node):
        self.node = node

    def wait(self, after=0):
        """Return the next line on silence behind a position in the log."""
        return self.node.wait_for_log('No image for .*', after=after).group(0)


@pytest.fixture
def silent(domain, tmp_path, color_model):
    parameters = {'model': color_model, 'warn_after': 1.0, 'error_after': 1.0}
    with NodeProcess(domain, tmp_path, parameters,
                     ['-r', 'image:=/camera/image_raw']) as node:
        yield Silence(node)


def test_topic_that_nobody_publishes_is_told_with_those_that_carry_images(domain, silent):
    with Peer(domain) as peer:
        peer.publisher(Image, '/webcam/image_raw', 1, wait_for_subscriber=False)
        line = silent.wait()
        assert re.match(r'No image for 1\.\d s on /camera/image_raw \(sensor_msgs/msg/Image\): '
                        'nobody publishes it', line)
        # The other topic may have been discovered after that line; it is there for the next.
        assert 'remap image or set image_topic' in line
        assert '/segformer/' not in line


def test_images_elsewhere_are_named(domain, tmp_path, color_model):
    with Peer(domain) as peer:
        peer.publisher(Image, '/webcam/image_raw', 1, wait_for_subscriber=False)
        parameters = {'model': color_model, 'warn_after': 3.0, 'error_after': 3.0}
        with NodeProcess(domain, tmp_path, parameters) as node:
            line = node.wait_for_log('No image for .*').group(0)
            assert 'on /image (sensor_msgs/msg/Image): nobody publishes it. ' \
                'Images are published on /webcam/image_raw. ' in line


def test_publisher_of_another_type_is_told_with_the_transport_that_fits(domain, silent):
    with Peer(domain, 'webcam') as peer:
        peer.publisher(CompressedImage, '/camera/image_raw', qos_profile_sensor_data,
                       wait_for_subscriber=False)
        line = silent.wait()
        assert '1 publisher: /webcam (sensor_msgs/msg/CompressedImage, best effort, volatile). ' \
            in line
        assert 'set image_transport: compressed' in line


def test_images_that_stop_are_told_once_and_their_return_too(domain, silent):
    with SegformerPeer(domain) as peer, Peer(domain, 'webcam') as camera:
        publisher = camera.publisher(Image, '/camera/image_raw', 1)

        def masked():
            publisher.publish(raw_picture())
            return peer.masks.messages
        wait_until(masked, 'a mask')
        position = len(silent.node.log())
        line = silent.wait(position)
        assert '1 publisher: /webcam (sensor_msgs/msg/Image, reliable, volatile). ' in line
        assert 'config/fastdds.xml' in line
        # Two more looks than it takes to be told: the line does not repeat itself.
        time.sleep(3.0)
        assert silent.node.log()[position:].count('No image for') == 1
        position = len(silent.node.log())
        publisher.publish(raw_picture())
        silent.node.wait_for_log('Images come on /camera/image_raw', after=position)


def test_named_cameras_read_the_topics_of_their_parameters_and_the_log_names_all(
        domain, tmp_path):
    parameters = color_parameters(tmp_path, **{
        'cameras': "['front', 'left']",
        'front.image_topic': '/front/image_raw', 'front.camera_info_topic': '/front/info',
        'front.depth_topic': '/front/registered', 'front.depth_transport': 'compressed',
        'left.image_topic': '/left/image_raw', 'left.image_transport': 'compressed',
        'height_source': 'range'})
    with NodeProcess(domain, tmp_path, parameters) as node, Peer(domain) as peer:
        line = node.wait_for_log(r'Listens to (.*)\.').group(1)
        told = dict(re.match(r'(\S+) \((\S+)\)', word).groups() for word in line.split(', '))
        wait_until(lambda: peer.topics_of('segformer') == told,
                   lambda: f'{peer.topics_of("segformer")}; told: {told}')
        assert {'/front/image_raw', '/front/info', '/front/registered/compressedDepth',
                '/left/image_raw/compressed', '/left/camera_info', '/range', '/tf',
                '/tf_static'} <= set(told)
        for camera, kind, topic, picture in (
                ('front', Image, '/front/image_raw', raw_picture()),
                ('left', CompressedImage, '/left/image_raw/compressed', png_picture())):
            masks = peer.subscribe(Image, f'/segformer/{camera}/mask')
            publisher = peer.publisher(kind, topic, 1)
            wait_until(lambda publisher=publisher, picture=picture, masks=masks:
                       publisher.publish(picture) or masks.messages, f'a mask of {camera}')


def test_camera_info_of_a_named_topic_reaches_the_mask(domain, tmp_path, color_model):
    parameters = {'model': color_model, 'camera_info_topic': '/cam/info',
                  'image_topic': '/cam/picture'}
    with NodeProcess(domain, tmp_path, parameters), Peer(domain) as peer:
        infos = peer.subscribe(CameraInfo, '/segformer/camera_info')
        sender = peer.publisher(CameraInfo, '/cam/info', 1)
        images = peer.publisher(Image, '/cam/picture', 1)

        def answered():
            sender.publish(CameraInfo(width=32, height=24, distortion_model='plumb_bob'))
            images.publish(raw_picture())
            return infos.messages
        assert wait_until(answered, 'a CameraInfo of the mask')[0].width == 32


def test_remapping_that_does_nothing_is_told(domain, tmp_path, color_model):
    parameters = {'model': color_model, 'cameras': "['front']",
                  'front.depth_topic': '/front/depth'}
    with NodeProcess(domain, tmp_path, parameters, ['-r', 'image:=/camera/image_raw']) as node:
        node.wait_for_log('Remapping image to /camera/image_raw does nothing: .*Remap one of '
                          'front/camera_info, front/image, or')
        node.wait_for_log('depth_topic /front/depth does nothing: set depth_transport')
        node.wait_for_log(r'Listens to .*/front/image \(sensor_msgs/msg/Image\)')


def test_misspelt_remapping_is_told_with_the_nearest_name(domain, tmp_path, color_model):
    rules = ['-r', '/camera/imge:=/x', '-r', 'range:=/sonar', '-r', 'imu:=/imu/data',
             '-r', 'image/compressed:=/y', '-r', 'cmd_vel:=/cmd_vel_nav']
    with NodeProcess(domain, tmp_path, {'model': color_model}, rules) as node, Peer(domain):
        node.wait_for_log(
            'WARN.*Remapping /camera/imge to /x does nothing: .*Meant: image[?]')
        for text in ('range to /sonar does nothing: set height_source: range',
                     'imu to /imu/data does nothing: set imu.topic',
                     'image/compressed to /y does nothing: set image_transport: compressed'):
            assert text in node.log()
        assert 'cmd_vel' not in node.log()
        assert node.log().count('does nothing') == 4


def test_remapping_that_is_used_is_not_told(domain, tmp_path, color_model):
    with NodeProcess(domain, tmp_path, {'model': color_model}, [
            '-r', 'image:=/camera/image_raw', '-r', 'camera_info:=/camera/info']) as node:
        node.wait_for_log('Listens to /camera/image_raw|Listens to /camera/info')
        assert 'does nothing' not in node.log() and 'Without effect' not in node.log()


@pytest.mark.parametrize('parameters, text', [
    ({'image_topic': 'front camera'}, "Wrong value of image_topic: got 'front camera'; expected "
     'the name of a topic'),
    ({'cameras': "['front', 'left']", 'image_topic': '/cam'},
     "Wrong value of left.image_topic: got '/cam', which front.image_topic is too"),
])
def test_topics_that_cannot_be_used_are_refused_at_start(domain, tmp_path, color_model,
                                                         parameters, text):
    with NodeProcess(domain, tmp_path, dict(parameters, model=color_model)) as node:
        assert node.wait() == 2
        assert text in node.log()


def test_lifecycle_manager_that_meets_autostart_is_told_of_it(domain, tmp_path, color_model):
    with NodeProcess(domain, tmp_path, {'model': color_model}) as node, \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        assert not peer.change_state('configure')
        node.wait_for_log('Transition configure refused in state active: .*set autostart: false '
                          'where a lifecycle manager leads it')


def test_node_without_autostart_says_what_it_waits_for(domain, tmp_path, color_model):
    parameters = {'model': color_model, 'autostart': 'false'}
    with NodeProcess(domain, tmp_path, parameters, ['-r', '__ns:=/robot1']) as node:
        node.wait_for_log('autostart is false: .*"ros2 lifecycle set /robot1/segformer configure"')


def test_start_without_a_gpu_does_not_speak_of_drivers(domain, tmp_path, color_model):
    with NodeProcess(domain, tmp_path, {'model': color_model}) as node:
        node.wait_for_log('Listens to ')
        if 'no NVIDIA GPU' not in node.log():
            pytest.skip('this machine has an NVIDIA GPU')
        assert not re.search('CUDA|libcuda|docker', node.log())
