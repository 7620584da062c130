# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Start the segformer node on a camera, or on several.

ros2 launch segformer_ros segformer.launch.py image:=/camera/image_raw

ros2 launch segformer_ros segformer.launch.py cameras:=[front,left]
front.image:=/front/image_raw front.camera_info:=/front/camera_info left.image:=/left/image_raw
"""

import os
import sys

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare
from segformer_ros.cli.support import launch_arguments
from segformer_ros.common.errors import ConfigurationError

CAMERA_INPUTS = launch_arguments.CAMERA_INPUTS
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def in_config(name):
    """Return the installed path of a file of config/."""
    return PathJoinSubstitution([FindPackageShare('segformer_ros'), 'config', name])


ARGUMENTS = [
    DeclareLaunchArgument('image', default_value='image',
                          description='Topic of the images; compressed ones are expected on '
                          '<image>/compressed, packets of a video on <image>/ffmpeg.'),
    DeclareLaunchArgument('image_transport', default_value='',
                          choices=['', 'raw', 'compressed', 'ffmpeg'],
                          description='Which of these is taken; empty: as in params_file.'),
    DeclareLaunchArgument('camera_info', default_value='camera_info',
                          description='Topic of the CameraInfo; masks do not need it.'),
    DeclareLaunchArgument('depth', default_value='depth',
                          description='Topic of the registered depth image, read with '
                          'depth_transport.'),
    DeclareLaunchArgument('depth_transport', default_value='',
                          choices=['', 'none', 'raw', 'compressed'],
                          description='Whether and how depth is read; empty: as in params_file.'),
    DeclareLaunchArgument('cameras', default_value='',
                          description='Names of several cameras, such as [front,left]; their '
                          'topics are front.image:=..., front.camera_info:=... and '
                          'front.depth:=..., with front.image_transport and '
                          'front.depth_transport. Empty: as in params_file.'),
    DeclareLaunchArgument('range', default_value='range',
                          description='Topic of a range finder that looks down, for drones.'),
    DeclareLaunchArgument('params_file', default_value=in_config('segformer.yaml'),
                          description='YAML file of the parameters.'),
    DeclareLaunchArgument('model', default_value='',
                          description='Name or path of the model; empty: as in params_file.'),
    DeclareLaunchArgument('backend', default_value='',
                          choices=['', 'auto', 'tensorrt', 'onnxruntime', 'openvino'],
                          description='Runtime of the network; empty: as in params_file.'),
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node.'),
    DeclareLaunchArgument('relative_tf', default_value='false', choices=['true', 'false'],
                          description='Take tf and tf_static of the namespace in place of /tf '
                          'and /tf_static, as Nav2 does for robots with a namespace.'),
    DeclareLaunchArgument('use_sim_time', default_value='false', choices=['true', 'false'],
                          description='Take the time from /clock, for simulators and bags.'),
    DeclareLaunchArgument('autostart', default_value='', choices=['', 'true', 'false'],
                          description='Configure and activate at start; false leaves that to a '
                          'lifecycle manager; empty: as in params_file.'),
    DeclareLaunchArgument('log_level', default_value='info',
                          choices=['debug', 'info', 'warn', 'error', 'fatal'],
                          description='Least severity that is logged.'),
    DeclareLaunchArgument('respawn', default_value='true', choices=['true', 'false'],
                          description='Start the node again two seconds after it died.'),
    DeclareLaunchArgument('fastdds_profile', default_value=in_config('fastdds.xml'),
                          description='Fast DDS profile with room for images. Not used where '
                          'the environment names one already; none: that of Fast DDS.'),
    DeclareLaunchArgument('rviz', default_value='false', choices=['true', 'false'],
                          description='Open RViz with the overlay, the costmap and the clouds.'),
]


def start_node(context):
    """Return the node's action, with what was given on the command line on top of the file."""
    def given(name):
        return LaunchConfiguration(name).perform(context)

    cameras = launch_arguments.camera_names(given('cameras'))
    launch_arguments.check(sys.argv, context.argv, os.path.dirname(os.path.abspath(__file__)),
                           ['segformer.launch.py', 'drone.launch.py'],
                           [argument.name for argument in ARGUMENTS], cameras)
    overrides = {name: given(name) == 'true' for name in ('use_sim_time', 'autostart')
                 if given(name)}
    overrides.update((name, given(name)) for name in (
        'model', 'backend', 'image_transport', 'depth_transport') if given(name))
    overrides.update(launch_arguments.camera_topics(cameras, context.launch_configurations))
    changed = [name for name in CAMERA_INPUTS if given(name) != name]
    if cameras:
        overrides['cameras'] = cameras
        if changed:
            raise ConfigurationError(f'Argument {changed[0]} does nothing', got='cameras:=...',
                                     expected=f'{cameras[0]}.{changed[0]}:=...')
    else:
        # An argument counts more than the topic in the parameter file.
        overrides.update((f'{name}_topic', '') for name in changed)
    environment = {}
    profile = given('fastdds_profile')
    # ros2 launch takes no empty values from a command line.
    if profile not in ('', 'none') and not any(os.environ.get(name) for name in PROFILE_VARIABLES):
        environment = dict.fromkeys(
            PROFILE_VARIABLES, launch_arguments.file_given('fastdds_profile', profile))
    return [Node(
        package='segformer_ros', executable='segformer', name='segformer',
        namespace=given('namespace'), output='screen',
        parameters=[launch_arguments.file_given('params_file', given('params_file')), overrides],
        remappings=[(name, given(name)) for name in CAMERA_INPUTS + ('range',)]
        + tf_remappings(given('relative_tf')),
        arguments=['--ros-args', '--log-level', given('log_level')],
        additional_env=environment, respawn=given('respawn') == 'true', respawn_delay=2.0)]


def start_rviz(context):
    """Return RViz's action, in the node's namespace: the topics in its file are relative."""
    relative_tf = LaunchConfiguration('relative_tf').perform(context)
    return [Node(
        package='rviz2', executable='rviz2', name='segformer_rviz', output='screen',
        namespace=LaunchConfiguration('namespace'),
        # Humble's Camera display makes this name absolute.
        remappings=[('/segformer/camera_info', 'segformer/camera_info')]
        + tf_remappings(relative_tf),
        arguments=['-d', in_config('segformer.rviz')],
        parameters=[{'use_sim_time': LaunchConfiguration('use_sim_time')}],
        condition=IfCondition(LaunchConfiguration('rviz')))]


def tf_remappings(relative_tf):
    """Return the rules that bring TF into the namespace, as Nav2's launch files have it."""
    return [('/' + name, name) for name in ('tf', 'tf_static') if relative_tf == 'true']


def generate_launch_description():
    """Return what is to be started."""
    return LaunchDescription(ARGUMENTS + [
        OpaqueFunction(function=start_node),
        OpaqueFunction(function=start_rviz),
    ])
