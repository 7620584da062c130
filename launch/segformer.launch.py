# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Start the segformer node on a camera.

ros2 launch segformer_ros segformer.launch.py image:=/camera/image_raw
"""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def in_config(name):
    """Return the installed path of a file of config/."""
    return PathJoinSubstitution([FindPackageShare('segformer_ros'), 'config', name])


ARGUMENTS = [
    DeclareLaunchArgument('image', default_value='image',
                          description='Topic of the images; compressed ones are expected on '
                          '<image>/compressed.'),
    DeclareLaunchArgument('image_transport', default_value='', choices=['', 'raw', 'compressed'],
                          description='Which of the two is taken; empty: as in params_file.'),
    DeclareLaunchArgument('camera_info', default_value='camera_info',
                          description='Topic of the CameraInfo; masks do not need it.'),
    DeclareLaunchArgument('range', default_value='range',
                          description='Topic of a range finder that looks down, for drones.'),
    DeclareLaunchArgument('params_file', default_value=in_config('segformer.yaml'),
                          description='YAML file of the parameters.'),
    DeclareLaunchArgument('model', default_value='',
                          description='Name or path of the model; empty: as in params_file.'),
    DeclareLaunchArgument('backend', default_value='',
                          choices=['', 'auto', 'tensorrt', 'onnxruntime'],
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
                          description='Open RViz with the mask over the image.'),
]


def start_node(context):
    """Return the node's action, with what was given on the command line on top of the file."""
    def given(name):
        return LaunchConfiguration(name).perform(context)

    overrides = {name: given(name) == 'true' for name in ('use_sim_time', 'autostart')
                 if given(name)}
    overrides.update((name, given(name)) for name in ('model', 'backend', 'image_transport')
                     if given(name))
    environment = {}
    profile = given('fastdds_profile')
    # ros2 launch takes no empty values from a command line.
    if profile not in ('', 'none') and not any(os.environ.get(name) for name in PROFILE_VARIABLES):
        environment = dict.fromkeys(PROFILE_VARIABLES, profile)
    return [Node(
        package='segformer_ros', executable='segformer', name='segformer',
        namespace=given('namespace'), output='screen',
        parameters=[given('params_file'), overrides],
        remappings=[(name, given(name)) for name in ('image', 'camera_info', 'range')] + [
            ('/' + name, name) for name in ('tf', 'tf_static') if given('relative_tf') == 'true'],
        arguments=['--ros-args', '--log-level', given('log_level')],
        additional_env=environment, respawn=given('respawn') == 'true', respawn_delay=2.0)]


def generate_launch_description():
    """Return what is to be started."""
    return LaunchDescription(ARGUMENTS + [
        OpaqueFunction(function=start_node),
        Node(package='rviz2', executable='rviz2', name='segformer_rviz', output='screen',
             arguments=['-d', in_config('segformer.rviz')],
             parameters=[{'use_sim_time': LaunchConfiguration('use_sim_time')}],
             condition=IfCondition(LaunchConfiguration('rviz'))),
    ])
