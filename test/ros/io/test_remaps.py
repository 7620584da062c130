# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Remappings that do nothing are told with the nearest name, and no other is."""

import contextlib

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from segformer_ros.ros.io import remaps
from segformer_ros.ros.io import topics
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

NAMES = topics.all_names([''])


@contextlib.contextmanager
def node_with(domain, *rules, given=''):
    """Make a node as ours is with these rules; ``given`` is a topic that a parameter names."""
    command_line = ['segformer', '--ros-args']
    for rule in rules:
        command_line += ['-r', rule]
    context = Context()
    rclpy.init(args=command_line, context=context, domain_id=domain)
    node = Node('segformer', context=context)
    try:
        node.create_subscription(Image, given or 'image', print, 1)
        node.create_publisher(Image, '~/mask', 1)
        node.create_service(Trigger, '~/capture', print)
        yield node, remaps.rules_of(command_line)
    finally:
        node.destroy_node()
        context.try_shutdown()


def told(domain, *rules, **options):
    with node_with(domain, *rules, **options) as (node, found):
        return remaps.idle_rules(node, found, NAMES)


def test_rules_are_those_between_ros_args_and_the_next_double_dash():
    found = remaps.rules_of([
        '/bin/segformer', '-r', 'not:=this', '--ros-args', '-r', 'image:=/x', '-p', 'a:=b',
        '--remap', 'camera:~/mask:=/m', '--params-file', 'f.yaml', '-r', '__ns:=/robot',
        '-r', 'segformer:__node:=seg', '-r', 'rostopic:///tf:=tf', '--', '-r', 'nor:=that',
        '--ros-args', '-r', 'segformer:rosservice://~/capture:=/keep'])
    assert found == [('', 'image', '/x'), ('camera', '~/mask', '/m'), ('', '/tf', 'tf'),
                     ('segformer', '~/capture', '/keep')]


@pytest.mark.parametrize('rule, name, meant', [
    ('/camera/imge:=/x', '/camera/imge', 'image'), ('imge:=/x', '/imge', 'image'),
    ('image_raw:=/x', '/image_raw', 'image'),
    ('/camera/camera_inf:=/x', '/camera/camera_inf', 'camera_info'),
    ('camera_inf:=/x', '/camera_inf', 'camera_info'), ('mask:=/x', '/mask', '~/mask'),
    ('~/msk:=/x', '/segformer/msk', '~/mask'),
    ('~/captur:=/x', '/segformer/captur', '~/capture'),
    ('segformer:imge:=/x', '/imge', 'image'),
    ('image/comprssed:=/x', '/image/comprssed', 'image/compressed')])
def test_a_misspelt_name_is_told_with_the_nearest(domain, rule, name, meant):
    (text,) = told(domain, rule)
    written, target = rule.replace('segformer:', '').split(':=')
    assert text == (f'Remapping {written} to {target} does nothing: the node has no topic or '
                    f'service {name}. Meant: {meant}?')


def test_a_rule_the_wrong_way_round_is_told_as_such(domain):
    (text,) = told(domain, '/camera/image_raw:=image')
    assert text.endswith('A rule is FROM:=TO. Meant: image:=/camera/image_raw?')


def test_a_rule_for_this_node_by_name_is_told_though_nothing_is_near(domain):
    (text,) = told(domain, 'segformer:scan:=/x', 'scan:=/x', 'lidar:image_raw:=/x')
    assert text.endswith('the node has no topic or service /scan.')


@pytest.mark.parametrize('rule', [
    'image:=/camera/image_raw', '/image:=/x', 'rostopic://image:=/x', 'segformer:image:=/x',
    'camera:imge:=/x', '~/mask:=/mask', '/segformer/mask:=/mask', '~/capture:=/keep',
    '/tf:=tf', 'tf:=/robot/tf', '/rosout:=/log', '/diagnostics:=diagnostics', '/clock:=/sim',
    'segformer:/rosout:=/log', 'segformer:/clock:=/sim',
    '__node:=front', '__ns:=/robot', 'segformer:__node:=front', '~/get_parameters:=/ask',
    # Of other nodes of a launch file's group; nothing of ours is like them.
    '/camera/image:=/x', '/camera/camera_info:=/x', 'local_costmap/costmap:=/x',
    'seg_mask:=~/mask', '~/transition_event:=/x',
    'cmd_vel:=cmd_vel_nav', '/odom:=/odometry/filtered', 'scan:=/lidar/scan', 'joy:=/x',
    # Names of inputs that the parameters decide on; told elsewhere.
    'depth:=/front/depth', 'range:=/sonar', 'image/compressed:=/x', 'image:=image'])
def test_a_rule_that_works_or_is_another_s_is_not_told(domain, rule):
    assert told(domain, rule) == []


@pytest.mark.parametrize('namespace', ['/robot1', '/warehouse/robot_12'])
@pytest.mark.parametrize('rule', [
    'scan:=lidar/scan', 'map:=/map', 'odom:=wheel/odom', 'cmd_vel:=/x', 'joint_states:=/x',
    'gps/fix:=/x', 'goal_pose:=/x', '~/transition_event:=/x', 'camera/image:=/x'])
def test_a_rule_of_another_node_of_the_namespace_is_not_told(domain, namespace, rule):
    assert told(domain, '__ns:=' + namespace, rule) == []
    (text,) = told(domain, '__ns:=' + namespace, rule, 'camera/imge:=/x')
    assert 'Meant: image?' in text


def test_a_topic_that_a_parameter_names_may_be_remapped(domain):
    assert told(domain, '/cam/image:=/front/image', given='/cam/image') == []
    assert len(told(domain, '/cam/imge:=/front/image', given='/cam/image')) == 1


def test_names_are_those_of_the_namespace(domain):
    assert told(domain, '__ns:=/robot', '/robot/image:=/x', 'camera_info:=/y') == []
    (text,) = told(domain, '__ns:=/robot', '/image:=/x')
    assert 'no topic or service /image. Meant: image?' in text
