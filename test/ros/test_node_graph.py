# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The graph around a node: latched and volatile publishers, overrides, namespaces, namesakes."""

import io

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
import pytest
from rcl_interfaces.srv import DescribeParameters
from rcl_interfaces.srv import GetParameters
from rcl_interfaces.srv import ListParameters
from rcl_interfaces.srv import SetParameters
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.parameter import Parameter
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.ros_graph import NodeProcess
from support.ros_graph import Peer
from support.ros_graph import wait_until
from tf2_msgs.msg import TFMessage
import yaml

WARN = b'\x01'


def node_entry(message):
    return next((each for each in message.status if each.name.endswith('segformer: node')), None)


def look_until_known(robot, **arguments):
    """Look until the grid of the robot's node is known."""
    grids = robot.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
    robot.look_until(lambda: grids.messages and GridView(grids.messages[-1]).known() > 500,
                     'a known grid', **arguments)


def test_camera_info_that_was_latched_before_the_node_came_is_enough(domain, tmp_path):
    with CostmapRobot(domain) as robot:
        publisher = robot.node.create_publisher(CameraInfo, '/camera_info', LATCHED)
        publisher.publish(robot.info)
        robot.info = None
        with NodeProcess(domain, tmp_path, color_parameters(tmp_path)) as node:
            robot.wait_for_state('active')
            look_until_known(robot)
            # Switched off and on: the one message comes again.
            assert robot.change_state('deactivate') and robot.change_state('activate')
            look_until_known(robot)
            assert 'incompatible' not in node.log()


@pytest.mark.parametrize('reliability', [
    ReliabilityPolicy.BEST_EFFORT, pytest.param(ReliabilityPolicy.RELIABLE,
                                                marks=pytest.mark.slow)])
def test_a_driver_whose_camera_info_is_not_latched_has_no_reason_to_warn(
        domain, tmp_path, reliability):
    mismatches = []
    with Peer(domain) as driver:
        publisher = driver.node.create_publisher(
            CameraInfo, '/camera_info', QoSProfile(depth=1, reliability=reliability),
            event_callbacks=PublisherEventCallbacks(incompatible_qos=mismatches.append))
        with NodeProcess(domain, tmp_path, color_parameters(tmp_path)) as node, \
                CostmapRobot(domain) as robot:
            robot.node.destroy_publisher(robot._info)
            robot._info = publisher
            robot.wait_for_state('active')
            look_until_known(robot)
            assert publisher.get_subscription_count() == 1
            assert 'incompatible' not in node.log()
    assert mismatches == []


def test_a_wrong_override_of_the_latched_subscription_is_told_once_and_the_node_goes_on(
        domain, tmp_path):
    name = 'qos_overrides./camera_info.subscription_latched.reliability'
    with CostmapRobot(domain) as robot:
        publisher = robot.node.create_publisher(CameraInfo, '/camera_info', LATCHED)
        parameters = color_parameters(tmp_path, **{name: 'perhaps'})
        with NodeProcess(domain, tmp_path, parameters) as node:
            node.wait_for_log('QoS override cannot be used: .*subscription_latched')
            look_until_known(robot)
            assert node.log().count('QoS override cannot be used') == 1
        robot.node.destroy_publisher(publisher)


def test_static_transforms_of_a_publisher_that_does_not_latch_are_used_and_told(
        domain, tmp_path):
    with NodeProcess(domain, tmp_path, color_parameters(tmp_path)) as node, \
            CostmapRobot(domain) as robot:
        robot.node.destroy_publisher(robot.fixed)
        robot.fixed = robot.node.create_publisher(
            TFMessage, '/tf_static', QoSProfile(depth=1))
        robot.wait_for_state('active')
        look_until_known(robot)
        line = node.wait_for_log('/tf_static is not latched by /peer_[0-9]+: .*transient_local')
        assert line
        assert node.log().count('is not latched') == 1
        # rclpy would say that nothing is received, and it is.
        assert 'incompatible' not in node.log()


def test_a_node_in_a_namespace_takes_the_transforms_of_its_namespace(domain, tmp_path):
    arguments = ['-r', '__ns:=/robot1', '-r', '/tf:=tf', '-r', '/tf_static:=tf_static']
    with NodeProcess(domain, tmp_path, color_parameters(tmp_path), arguments), \
            Peer(domain) as peer:
        for topic in ('tf', 'tf_static', 'image', 'camera_info'):
            wait_until(lambda topic=topic: peer.node.count_subscribers('/robot1/' + topic),
                       'a subscriber of /robot1/' + topic)
            assert peer.node.count_subscribers('/' + topic) == 0


def test_two_nodes_of_one_name_are_told(domain, tmp_path):
    parameters = color_parameters(tmp_path)
    with NodeProcess(domain, tmp_path, parameters) as first, Peer(domain) as peer:
        diagnostics = peer.subscribe(DiagnosticArray, '/diagnostics')
        diagnostics.wait(lambda each: node_entry(each) and 'active' in node_entry(each).message)
        assert 'nodes are named' not in first.log()
        with NodeProcess(domain, tmp_path, dict(parameters, autostart='false')):
            status = node_entry(diagnostics.wait(lambda each: node_entry(each) and (
                '2 nodes are named /segformer' in node_entry(each).message)))
            assert status.level == WARN
            first.wait_for_log('2 nodes are named /segformer')


OVERRIDES = {
    'qos_overrides./image.subscription.reliability': 'reliable',
    'qos_overrides./image.subscription.depth': '3',
    'qos_overrides./depth.subscription.depth': '7',
    'qos_overrides./camera_info.subscription.reliability': 'reliable',
    'qos_overrides./tf.subscription.reliability': 'best_effort',
    'qos_overrides./tf_static.subscription.depth': '5',
    'qos_overrides./segformer/mask.publisher.reliability': 'best_effort',
    'qos_overrides./segformer/costmap.publisher.durability': 'volatile',
    'qos_overrides./segformer/obstacle_points.publisher.reliability': 'best_effort',
    'qos_overrides./diagnostics.publisher.reliability': 'best_effort'}


def test_qos_overrides_hold_for_subscriptions_and_publishers_of_every_kind(domain, tmp_path):
    parameters = color_parameters(tmp_path, depth_transport='raw', **OVERRIDES)
    with NodeProcess(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        for name, value in OVERRIDES.items():
            topic, kind, policy = name[len('qos_overrides.'):].split('.')
            if policy == 'depth':  # not told to others; rclpy took it, as the parameter shows
                assert robot.parameter(name) == int(value)
                continue
            find = robot.node.get_publishers_info_by_topic if kind == 'publisher' else \
                robot.node.get_subscriptions_info_by_topic

            def found(find=find, topic=topic, policy=policy):
                return [getattr(each.qos_profile, policy) for each in find(topic)
                        if each.node_name == 'segformer']
            wait_until(found, 'an endpoint of ' + topic)
            wanted = (ReliabilityPolicy if policy == 'reliability' else DurabilityPolicy)[
                value.upper()]
            assert wanted in found(), name
        assert 'Unknown parameter' not in node.log()


@pytest.mark.parametrize('name, value', [
    ('qos_overrides./segformer/mask.publisher.reliability', 'perhaps'),
    pytest.param('qos_overrides./segformer/mask.publisher.speed', '3', marks=pytest.mark.slow),
    ('qos_overrides./segformer/mask.publisher.Depth', '3')])
def test_a_wrong_override_is_refused_with_its_name(domain, tmp_path, name, value):
    with NodeProcess(domain, tmp_path, color_parameters(tmp_path, **{name: value})) as node:
        node.wait_for_log('Cannot configure: .*' + name.replace('.', '[.]'))


OF_NO_TOPIC = {
    '/imge.subscription': 'Meant: qos_overrides./image.subscription?',
    '/image.subscriber': 'Meant: qos_overrides./image.subscription?',
    '/image.publisher': 'Meant: qos_overrides./image.subscription?',
    'image.subscription': 'Meant: qos_overrides./image.subscription?',
    '/segformer/msk.publisher': 'Meant: qos_overrides./segformer/mask.publisher?',
    '/image.subscription_latched': 'Meant: ',
    '/tf_static.subscription_latched': 'Meant: '}


def test_an_override_of_no_topic_is_told_once_with_those_that_take_some(domain, tmp_path):
    right = {f'qos_overrides.{each}.depth': '3' for each in (
        '/image.subscription', '/camera_info.subscription_latched', '/tf.subscription',
        '/tf_static.subscription_volatile', '/segformer/mask.publisher',
        '/segformer/costmap.publisher', '/diagnostics.publisher',
        # As nodes of rclcpp dump them: a file may be for all nodes.
        '/parameter_events.publisher', '/clock.subscription', '/rosout.publisher',
        '/scan.subscription', '/tf.publisher', '/tf_static.publisher',
        '/diagnostics.subscription')}
    wrong = {f'qos_overrides.{each}.depth': '3' for each in OF_NO_TOPIC}
    # Of a topic that has one, but of no policy.
    unknown = [f'qos_overrides./camera_info.subscription_latched.{each}'
               for each in ('deepth', 'Depth')]
    parameters = color_parameters(tmp_path, **dict(right, **wrong), **dict.fromkeys(unknown, '3'))
    with NodeProcess(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        for name, meant in OF_NO_TOPIC.items():
            line = node.wait_for_log(
                f'WARN.*Without effect: qos_overrides.{name}[.]depth[.] .*').group()
            assert meant in line
            assert '/image' in line or 'publisher' in name
        line = node.wait_for_log(
            f'WARN.*Without effect: .*{unknown[0].rpartition(".")[0]}[.](deepth|Depth)[.] .*'
        ).group()
        assert all(name in line for name in unknown)
        assert 'one of durability,' in line and 'depth' in line and 'invalid' not in line
        assert robot.change_state('deactivate') and robot.change_state('activate')
        assert node.log().count('Without effect') == len(OF_NO_TOPIC) + 1


def test_what_param_dump_wrote_is_loaded_again_without_a_refusal(domain, tmp_path):
    parameters = color_parameters(tmp_path, **{
        'qos_overrides./image.subscription.depth': '3'})
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        names = robot.call(ListParameters, '/segformer/list_parameters',
                           ListParameters.Request()).result.names
        assert len(names) > 60
        values = robot.call(GetParameters, '/segformer/get_parameters',
                            GetParameters.Request(names=names)).values
        # As ros2 param dump writes and ros2 param load reads.
        text = yaml.safe_dump({name: _plain(parameter_value_to_python(value))
                               for name, value in zip(names, values)})
        loaded = yaml.safe_load(io.StringIO(text))
        request = SetParameters.Request(parameters=[
            Parameter(name, value=value).to_parameter_msg() for name, value in loaded.items()])
        results = robot.call(SetParameters, '/segformer/set_parameters', request).results
        refused = {name: result.reason for name, result in zip(loaded, results)
                   if not result.successful}
        assert refused == {}
        assert robot.state() == 'active'
        # Another value of what is read at start is refused as before, and nothing is set.
        descriptions = robot.call(
            DescribeParameters, '/segformer/describe_parameters',
            DescribeParameters.Request(names=names)).descriptors
        fixed = [each.name for each in descriptions if each.read_only]
        assert fixed
        assert robot.parameter('autostart') is True
        assert 'read-only' in robot.set_parameters(autostart=False)
        assert 'is read by configure' in robot.set_parameters(model='another.onnx')


def _plain(value):
    return list(value) if hasattr(value, '__iter__') and not isinstance(value, str) else value
