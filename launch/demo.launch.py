# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Show the whole job in a simulated world; no camera and no robot needed.

ros2 launch segformer_ros demo.launch.py output:=demo_output
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


ARGUMENTS = [
    DeclareLaunchArgument('output', default_value='demo_output',
                          description='Folder for pictures, animation and summary.json.'),
    DeclareLaunchArgument('frames', default_value='24', description='Images of each world.'),
    DeclareLaunchArgument('model', default_value='segformer_sim',
                          description='Name or path of the model.'),
    DeclareLaunchArgument('rviz', default_value='false', choices=['true', 'false'],
                          description='Open RViz with the overlay, the costmap and the clouds.'),
]


def check_arguments(context):
    """Refuse arguments that do nothing."""
    launch_arguments.check(sys.argv, context.argv, os.path.dirname(os.path.abspath(__file__)),
                           ['demo.launch.py'], [argument.name for argument in ARGUMENTS])


def generate_launch_description():
    """Return what is to be started."""
    # The demo takes a domain of its own unless told otherwise; here others shall see it.
    domain = {'ROS_DOMAIN_ID': os.environ.get('ROS_DOMAIN_ID', '0')}
    rviz_config = PathJoinSubstitution(
        [FindPackageShare('segformer_ros'), 'config', 'segformer.rviz'])
    return LaunchDescription(ARGUMENTS + [
        OpaqueFunction(function=check_arguments),
        Node(package='segformer_ros', executable='demo', output='screen',
             arguments=['--output', LaunchConfiguration('output'),
                        '--frames', LaunchConfiguration('frames'),
                        '--model', LaunchConfiguration('model')],
             additional_env=domain),
        Node(package='rviz2', executable='rviz2', name='segformer_rviz', output='screen',
             arguments=['-d', rviz_config], additional_env=domain,
             condition=IfCondition(LaunchConfiguration('rviz'))),
    ])
