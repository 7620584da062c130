# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The simulated robot over real DDS: it obeys, tells where it is, stops at things, resets."""

import functools
import itertools
import math
from xml.etree import ElementTree

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from segformer_ros.costmap.geometry.transforms import components_of
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.geometry.transforms import pose_matrix
from segformer_ros.ros.peers import simulated_robot
from segformer_ros.ros.peers.simulated_camera import DYNAMIC_QOS
from segformer_ros.ros.peers.simulated_camera import STATIC_QOS
from segformer_ros.ros.peers.simulated_camera import transform_message
from segformer_ros.simulation.world.trajectory import tilted
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from sensor_msgs.msg import Imu
from std_msgs.msg import Bool
from std_msgs.msg import String
from std_srvs.srv import Trigger
from support.ros_graph import NodeProcess
from support.ros_graph import Peer
from support.ros_graph import wait_until
from tf2_msgs.msg import TFMessage

MODULE = 'segformer_ros.cli.simulated_camera'
SMALL = {'width': 48, 'height': 36, 'rate': 2.0, 'people': False, 'seed': 5,
         'pose_source': 'cmd_vel', 'max_speed': 2.0, 'acceleration': 10.0}


def seconds(stamp):
    return stamp.sec + 1e-9 * stamp.nanosec


class Commander:
    """Sends a command again and again until something has come about."""

    def __init__(self, peer, kind=Twist):
        self.peer = peer
        self.kind = kind
        self.publisher = peer.node.create_publisher(kind, 'cmd_vel', 1)

    def until(self, condition, speed, turn_rate, what):
        """Command until a condition returns something; return that."""
        def commanded():
            message = self.kind()
            twist = message.twist if self.kind is TwistStamped else message
            twist.linear.x, twist.angular.z = speed, turn_rate
            self.publisher.publish(message)
            return condition()
        return wait_until(commanded, what)


@pytest.mark.parametrize('kind', [Twist, TwistStamped])
def test_it_obeys_and_says_where_it_is(domain, tmp_path, kind):
    parameters = dict(SMALL, enable_stamped_cmd_vel=kind is TwistStamped, publish_clock=True)
    with Peer(domain) as peer:
        odometry = peer.subscribe(Odometry, 'odom', simulated_robot.ODOMETRY.profile())
        clock = peer.subscribe(Clock, '/clock', 50)
        transforms = peer.subscribe(TFMessage, '/tf', DYNAMIC_QOS)
        images = peer.subscribe(Image, 'image_raw', 10)
        with NodeProcess(domain, tmp_path, parameters, module=MODULE):
            first = odometry.wait(lambda message: True)
            start = first.pose.pose.position
            commander = Commander(peer, kind)

            def gone():
                place = odometry.messages[-1].pose.pose.position
                return math.hypot(place.x - start.x, place.y - start.y) > 0.3
            commander.until(gone, 0.3, 0.0, 'a way of 0.3 m')
            images.wait(lambda message: seconds(message.header.stamp) > 1.0)
    told = {seconds(each.header.stamp): each for message in transforms.messages
            for each in message.transforms}
    compared = 0
    for message in odometry.messages:
        stamp = seconds(message.header.stamp)
        assert message.twist.twist.linear.x <= 0.3 + 1e-9
        if stamp in told:
            compared += 1
            assert told[stamp].transform.translation.x == message.pose.pose.position.x
    assert compared > 5
    # Along its heading, and by the simulated clock.
    end = odometry.messages[-1]
    yaw = 2.0 * math.atan2(first.pose.pose.orientation.z, first.pose.pose.orientation.w)
    moved = np.array([end.pose.pose.position.x - start.x, end.pose.pose.position.y - start.y])
    assert abs(moved.dot([-math.sin(yaw), math.cos(yaw)])) < 1e-6
    assert moved.dot([math.cos(yaw), math.sin(yaw)]) > 0.29
    times = [seconds(message.clock) for message in clock.messages]
    assert times == sorted(times) and np.diff(times).max() < 0.3
    assert all(seconds(message.header.stamp) in told for message in images.messages)


@pytest.mark.parametrize('stamped, remedy', [(True, 'false'), (False, 'true')])
def test_commands_of_the_other_type_are_told_with_the_parameter(
        domain, tmp_path, stamped, remedy):
    parameters = dict(SMALL, enable_stamped_cmd_vel=stamped)
    expected, other = ('TwistStamped', Twist) if stamped else ('Twist', TwistStamped)
    with Peer(domain) as peer, NodeProcess(domain, tmp_path, parameters, module=MODULE) as node:
        diagnostics = peer.subscribe(DiagnosticArray, '/diagnostics', 10)
        diagnostics.wait()
        # Nobody commands, which is nothing to tell.
        assert 'obeys' not in node.log()
        peer.node.create_publisher(other, 'cmd_vel', 1)
        line = node.wait_for_log('.*The robot obeys.*').group()
    assert f'obeys geometry_msgs/msg/{expected} on /cmd_vel; got' in line
    assert (f'got geometry_msgs/msg/{other.__name__}. '
            f'Set enable_stamped_cmd_vel to {remedy}.') in line


def test_it_stops_at_a_wall_says_so_and_starts_anew_by_the_service(domain, tmp_path):
    with Peer(domain) as peer:
        odometry = peer.subscribe(Odometry, 'odom', simulated_robot.ODOMETRY.profile())
        contact = peer.subscribe(Bool, 'contact', simulated_robot.CONTACT.profile())
        diagnostics = peer.subscribe(DiagnosticArray, '/diagnostics', 10)
        description = peer.subscribe(String, 'robot_description',
                                     simulated_robot.DESCRIPTION.profile())
        with NodeProcess(domain, tmp_path, SMALL, module=MODULE):
            start = odometry.wait(lambda message: True).pose.pose.position
            commander = Commander(peer)
            commander.until(lambda: contact.messages and contact.messages[-1].data, 2.0, 0.0,
                            'a contact')
            commander.until(
                lambda: any(status.level == b'\x02' for message in diagnostics.messages
                            for status in message.status), 2.0, 0.0, 'an error in diagnostics')
            there = odometry.messages[-1].pose.pose.position
            commander.until(lambda: len(odometry.messages) > 30, 2.0, 0.0, 'more odometry')
            still = odometry.messages[-1].pose.pose.position
            assert math.hypot(still.x - there.x, still.y - there.y) < 0.05
            assert math.hypot(still.x - start.x, still.y - start.y) > 0.3
            assert peer.call(Trigger, 'reset', Trigger.Request()).success
            wait_until(lambda: math.hypot(
                odometry.messages[-1].pose.pose.position.x - start.x,
                odometry.messages[-1].pose.pose.position.y - start.y) < 1e-6, 'the start again')
            wait_until(lambda: not contact.messages[-1].data, 'the end of the contact')
            body = ElementTree.fromstring(description.wait().data)
    assert [link.get('name') for link in body.iter('link')] == ['base_link']
    assert {shape.get('radius') for shape in body.iter('cylinder')} == {'0.25'}
    assert not list(body.iter('joint'))


def test_it_takes_its_pose_from_another_simulator(domain, tmp_path):
    with Peer(domain) as peer:
        images = peer.subscribe(Image, 'image_raw', 10)
        transforms = peer.subscribe(TFMessage, '/tf', DYNAMIC_QOS)
        publisher = peer.node.create_publisher(TFMessage, '/tf', DYNAMIC_QOS)
        with NodeProcess(domain, tmp_path, dict(SMALL, pose_source='tf', rate=20.0),
                         module=MODULE):
            sent = []

            def seen(x):
                def look():
                    stamp = peer.node.get_clock().now().to_msg()
                    sent.append(stamp)
                    publisher.publish(TFMessage(transforms=[transform_message(
                        stamp, 'odom', 'base_link', planar_pose(x, 0.0, 0.0))]))
                    return len(images.messages) > before + 2
                before = len(images.messages)
                wait_until(look, 'images')
                return bytes(images.messages[-1].data)
            # Another place shows another picture.
            assert seen(0.5) != seen(2.0)
        assert {seconds(message.header.stamp) for message in images.messages} <= \
            {seconds(stamp) for stamp in sent}
        # It does not speak over the one that moves it.
        own = [each for message in transforms.messages for each in message.transforms]
        assert len(own) <= len(sent)


def test_a_simulator_that_starts_over_is_followed_from_there_on(domain, tmp_path):
    with Peer(domain) as peer:
        images = peer.subscribe(Image, 'image_raw', 50)
        publisher = peer.node.create_publisher(TFMessage, '/tf', DYNAMIC_QOS)
        with NodeProcess(domain, tmp_path, dict(SMALL, pose_source='tf', rate=20.0),
                         module=MODULE):
            def seen(begin, times):
                stamp = simulated_robot.to_stamp(begin + 0.1 * next(times))
                publisher.publish(TFMessage(transforms=[transform_message(
                    stamp, 'odom', 'base_link', planar_pose(0.5, 0.0, 0.0))]))
                return sum(0.0 <= seconds(message.header.stamp) - begin < 90.0
                           for message in images.messages) > 2
            for begin in (100.0, 5.0):
                wait_until(functools.partial(seen, begin, itertools.count()),
                           f'images from {begin} s on')


def test_a_simulator_of_other_frames_is_told_with_both_names(domain, tmp_path):
    with Peer(domain) as peer:
        publisher = peer.node.create_publisher(TFMessage, '/tf', DYNAMIC_QOS)
        peer.node.create_timer(0.1, lambda: publisher.publish(TFMessage(transforms=[
            transform_message(peer.node.get_clock().now().to_msg(), 'odom', 'base_footprint',
                              planar_pose(0.5, 0.0, 0.0))])))
        with NodeProcess(domain, tmp_path, dict(SMALL, pose_source='tf'), module=MODULE) as node:
            line = node.wait_for_log('.*got odom to base_footprint; expected odom to base_link.*')
            assert 'WARN' in line.group() and 'Set base_frame' in line.group()


def test_a_transform_that_is_none_is_left_out_and_told(domain, tmp_path):
    good, unset = (transform_message(simulated_robot.to_stamp(9.0), 'odom', 'base_link',
                                     planar_pose(0.5, 0.0, 0.0)) for _ in range(2))
    unset.transform.rotation.z = unset.transform.rotation.w = 0.0
    with Peer(domain) as peer:
        images = peer.subscribe(Image, 'image_raw', 50)
        publisher = peer.node.create_publisher(TFMessage, '/tf', DYNAMIC_QOS)
        with NodeProcess(domain, tmp_path, dict(SMALL, pose_source='tf'), module=MODULE) as node:
            wait_until(publisher.get_subscription_count, 'the camera')
            publisher.publish(TFMessage(transforms=[unset, good]))
            images.wait()
            assert 'WARN' in node.wait_for_log('.*A rotation is not a quaternion.*').group()
            assert 'Traceback' not in node.log()


def test_a_camera_that_looks_higher_than_it_says_is_tilted_so():
    ahead = tilted(-math.radians(2.0))[:3, :3].dot([0.0, 0.0, 1.0])
    # y points down in an optical frame.
    np.testing.assert_allclose(ahead, [0.0, -math.sin(math.radians(2.0)),
                                       math.cos(math.radians(2.0))], atol=1e-12)


def test_two_cameras_look_ahead_and_behind_at_the_same_moment(domain, tmp_path):
    parameters = dict(SMALL, cameras=['front', 'rear'], camera_yaws=[0.0, 180.0],
                      publish_clock=True)
    with Peer(domain) as peer:
        transforms = peer.subscribe(TFMessage, '/tf', DYNAMIC_QOS)
        fixed = peer.subscribe(TFMessage, '/tf_static', STATIC_QOS)
        boxes = {(name, topic): peer.subscribe(kind, f'{name}/{topic}', 20)
                 for topic, kind in (('camera_info', CameraInfo), ('depth/image_raw', Image),
                                     ('labels', Image), ('image_raw', Image))
                 for name in ('front', 'rear')}
        with NodeProcess(domain, tmp_path, parameters, module=MODULE) as node:
            wait_until(lambda: all(len(box.messages) > 1 for box in boxes.values()),
                       lambda: node.log())
            mounts = {each.child_frame_id: each for each in fixed.wait().transforms}
    assert set(mounts) == {'front_camera_optical_frame', 'rear_camera_optical_frame'}
    assert {each.header.frame_id for each in mounts.values()} == {'base_link'}
    stamps = {key: {seconds(message.header.stamp) for message in box.messages}
              for key, box in boxes.items()}
    assert set.intersection(*stamps.values())
    told = {seconds(each.header.stamp) for message in transforms.messages
            for each in message.transforms}
    assert stamps['rear', 'image_raw'] <= told
    for name, sign in (('front', 1.0), ('rear', -1.0)):
        info = boxes[name, 'camera_info'].messages[0]
        frames = {message.header.frame_id for topic in ('camera_info', 'image_raw', 'labels')
                  for message in boxes[name, topic].messages}
        assert frames == {f'{name}_camera_optical_frame'}
        # The floor that it sees lies at height zero, before the robot or behind it.
        mount = mounts[f'{name}_camera_optical_frame'].transform
        base_from_optical = pose_matrix(*components_of(mount))
        stamp = min(stamps[name, 'labels'] & stamps[name, 'depth/image_raw'])
        labels, depth = (next(message for message in boxes[name, topic].messages
                              if seconds(message.header.stamp) == stamp)
                         for topic in ('labels', 'depth/image_raw'))
        floor = np.frombuffer(labels.data, np.uint8).reshape(info.height, info.width) == 3
        assert floor.mean() > 0.02
        v, u = np.nonzero(floor)
        z = np.frombuffer(depth.data, np.float32).reshape(info.height, info.width)[floor]
        points = np.stack([(u - info.k[2]) / info.k[0] * z, (v - info.k[5]) / info.k[4] * z, z])
        points = base_from_optical[:3, :3].dot(points) + base_from_optical[:3, 3:]
        assert np.abs(points[2]).max() < 2e-3
        assert (sign * points[0] > 0.0).all()


def test_cameras_without_yaws_or_frames_of_their_own_are_refused(domain, tmp_path):
    for wrong, text in (({'cameras': ['front', 'rear']}, 'camera_yaws'),
                        ({'cameras': ['front', 'front'], 'camera_yaws': [0.0, 1.0]}, 'each once'),
                        ({'camera_yaws': [0, 180]}, 'a list of numbers such as'),
                        ({'base_frame': "''"}, 'base_frame'),
                        ({'camera_frame': 'odom'}, 'camera_frame'),
                        ({'camera_yaws': '[.nan]'}, 'a list of numbers such as'),
                        ({'camera_yaws': '[-.inf]'}, 'a list of numbers such as')):
        with NodeProcess(domain, tmp_path, dict(SMALL, **wrong), module=MODULE) as node:
            assert node.wait() == 2
            assert text in node.log() and 'Traceback' not in node.log()


def test_limits_latency_and_timeout_are_those_of_its_parameters(domain, tmp_path):
    parameters = dict(SMALL, publish_clock=True, max_speed=0.4, acceleration=0.5,
                      deceleration=0.25, command_latency=0.5, command_timeout=0.3,
                      max_turn_rate=0.2)
    with Peer(domain) as peer:
        odometry = peer.subscribe(Odometry, 'odom', 500)
        with NodeProcess(domain, tmp_path, parameters, module=MODULE):
            odometry.wait(lambda message: True)
            commander = Commander(peer)
            commander.until(lambda: odometry.messages[-1].twist.twist.linear.x > 0.39, 5.0, 5.0,
                            'full speed')
            sent = seconds(odometry.messages[-1].header.stamp)
            wait_until(lambda: seconds(odometry.messages[-1].header.stamp) > sent + 3.0,
                       'the robot at rest')
    told = [(seconds(message.header.stamp), message.twist.twist.linear.x,
             message.twist.twist.angular.z) for message in odometry.messages]
    assert max(speed for _, speed, _ in told) <= 0.4 + 1e-9
    assert max(turn for _, _, turn in told) <= 0.2 + 1e-9
    changes = [(later[1] - first[1]) / (later[0] - first[0])
               for first, later in zip(told, told[1:])]
    assert max(changes) == pytest.approx(0.5, rel=0.01)
    assert min(changes) == pytest.approx(-0.25, rel=0.01)
    # It goes on for latency and timeout after the last command, and stands by itself then.
    braking = next(stamp for stamp, speed, _ in told if stamp > sent and speed < 0.39)
    assert 0.5 < braking - sent < 1.5
    assert told[-1][1] == 0.0


def test_odometry_with_noise_wanders_from_where_the_robot_truly_is(domain, tmp_path):
    parameters = dict(SMALL, publish_clock=True, odometry_noise=0.1, max_speed=0.5)
    with Peer(domain) as peer:
        odometry = peer.subscribe(Odometry, 'odom', 500)
        truth = peer.subscribe(Odometry, 'true_pose', 500)
        with NodeProcess(domain, tmp_path, parameters, module=MODULE):
            odometry.wait(lambda message: True)
            start = odometry.messages[0].pose.pose.position
            Commander(peer).until(lambda: math.hypot(
                odometry.messages[-1].pose.pose.position.x - start.x,
                odometry.messages[-1].pose.pose.position.y - start.y) > 0.4, 0.5, 0.0, 'a way')
    places = [{seconds(message.header.stamp): message.pose.pose.position
               for message in box.messages} for box in (odometry, truth)]
    off = [math.hypot(place.x - places[1][stamp].x, place.y - places[1][stamp].y)
           for stamp, place in places[0].items() if stamp in places[1]]
    assert off[0] == 0.0 and 0.005 < max(off) < 0.5


def test_a_soft_robot_dips_when_it_brakes_and_transforms_do_not_say_so(domain, tmp_path):
    parameters = dict(SMALL, publish_clock=True, max_speed=1.0, acceleration=1.0,
                      deceleration=1.0, pitch_on_braking=5.0, imu='orientation', imu_noise=0.0,
                      imu_bias=0.0)
    with Peer(domain) as peer:
        imu = peer.subscribe(Imu, 'imu', 500)
        transforms = peer.subscribe(TFMessage, '/tf', DYNAMIC_QOS)
        odometry = peer.subscribe(Odometry, 'odom', 500)
        with NodeProcess(domain, tmp_path, parameters, module=MODULE):
            odometry.wait(lambda message: True)
            Commander(peer).until(lambda: odometry.messages[-1].twist.twist.linear.x > 0.4, 1.0,
                                  0.0, 'speed')
            wait_until(lambda: odometry.messages[-1].twist.twist.linear.x == 0.0, 'rest')
    # asin(2 (w y - z x)) is the pitch; forward is positive.
    pitches = [math.asin(2.0 * (q.w * q.y - q.z * q.x))
               for q in (message.orientation for message in imu.messages)]
    assert min(pitches) < -math.radians(2.0) and math.radians(2.0) < max(pitches)
    assert max(map(abs, pitches)) <= math.radians(5.0) + 1e-6
    assert all(abs(each.transform.rotation.x) + abs(each.transform.rotation.y) < 1e-9
               for message in transforms.messages for each in message.transforms)
