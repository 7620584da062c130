# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Play a recording into the node with ``ros2 bag play --clock`` and measure.

ros2 launch segformer_ros replay_evaluation.launch.py bag:=my_bag image:=/camera/image_raw
"""

import os
import sys

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import IncludeLaunchDescription
from launch.actions import OpaqueFunction
from launch.actions import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare
from segformer_ros.cli.support import launch_arguments

SHARE = FindPackageShare('segformer_ros')

ARGUMENTS = [
    DeclareLaunchArgument('bag', description='Recording to play: folder or file.'),
    DeclareLaunchArgument('image', default_value='/camera/image_raw',
                          description='Topic of the recorded images, without /compressed.'),
    DeclareLaunchArgument('image_transport', default_value='raw', choices=['raw', 'compressed'],
                          description='compressed: images are on <image>/compressed.'),
    DeclareLaunchArgument('camera_info', default_value='/camera/camera_info',
                          description='Topic of the recorded CameraInfo.'),
    DeclareLaunchArgument('params_file',
                          default_value=PathJoinSubstitution([SHARE, 'config', 'segformer.yaml']),
                          description='YAML file of the parameters of the node.'),
    DeclareLaunchArgument('model', default_value='',
                          description='Name or path of the model; empty: as in params_file.'),
    DeclareLaunchArgument('backend', default_value='',
                          description='Runtime of the network; empty: as in params_file.'),
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node.'),
    DeclareLaunchArgument('output', default_value='replay_evaluation',
                          description='Folder for replay.md and replay.json.'),
    DeclareLaunchArgument('rate', default_value='1.0', description='Times the speed of life.'),
    DeclareLaunchArgument('player', default_value='rosbag2', choices=['rosbag2', 'package'],
                          description='rosbag2: ros2 bag play; package: the player of this '
                          'package.'),
    DeclareLaunchArgument('fail_over', default_value='',
                          description='Bounds with spaces between them, such as '
                          '"drops=0 latency_p95_ms=80".'),
]


def start_measurement(context):
    """
    Return the process that plays and measures.

    It starts the player itself, once the node is active: images that are played before that
    are nobody's.
    """
    def given(name):
        return LaunchConfiguration(name).perform(context)

    launch_arguments.check(sys.argv, context.argv, os.path.dirname(os.path.abspath(__file__)),
                           ['replay_evaluation.launch.py'],
                           [argument.name for argument in ARGUMENTS])
    topic = given('image')
    if given('image_transport') == 'compressed':
        topic += '/compressed'
    node = '/'.join([''] + [part for part in given('namespace').split('/') if part]
                    + ['segformer'])
    arguments = [given('bag'), '--running', '--node', node, '--topic', topic,
                 '--rate', given('rate'), '--player', given('player'),
                 '--output', given('output')]
    for bound in given('fail_over').split():
        arguments += ['--fail-over', bound]
    return [Node(package='segformer_ros', executable='replay_evaluation', output='screen',
                 arguments=arguments, on_exit=end)]


def end(event, context):
    """
    Return what ends the launch once the measurement is over.

    :raises RuntimeError: it failed, or a bound does not hold; only this makes ros2 launch fail
    """
    if event.returncode != 0:
        raise RuntimeError(f'replay_evaluation ended with exit status {event.returncode}')
    return [Shutdown(reason='the replay is over')]


def generate_launch_description():
    """Return what is to be started."""
    passed_on = ['image', 'image_transport', 'camera_info', 'params_file', 'model', 'backend',
                 'namespace']
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([SHARE, 'launch', 'segformer.launch.py'])),
        launch_arguments=[(name, LaunchConfiguration(name)) for name in passed_on] + [
            ('use_sim_time', 'true'), ('autostart', 'true'), ('respawn', 'false')])
    return LaunchDescription(ARGUMENTS + [node, OpaqueFunction(function=start_measurement)])
