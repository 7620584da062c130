# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A simulated robot that Nav2 steers by our costmap; no map, no simulator, no GPU.

Needs Nav2: sudo apt install ros-$ROS_DISTRO-navigation2 ros-$ROS_DISTRO-nav2-bringup

ros2 launch segformer_ros nav2_demo.launch.py world:=indoor seed:=7 rviz:=true
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

# Executables of Nav2 that bear the name of their package without nav2_, and the topics that lead
# a command from the controller past the smoother and the monitor to the robot. The smoother
# speaks on cmd_vel_smoothed, where the parameters of nav2_bringup let the monitor listen.
TO_SMOOTHER = [('cmd_vel', 'cmd_vel_nav')]
SERVERS = (('nav2_controller', 'controller_server', TO_SMOOTHER),
           ('nav2_planner', 'planner_server', []),
           ('nav2_behaviors', 'behavior_server', TO_SMOOTHER),
           ('nav2_bt_navigator', 'bt_navigator', []),
           ('nav2_waypoint_follower', 'waypoint_follower', []),
           ('nav2_velocity_smoother', 'velocity_smoother', TO_SMOOTHER),
           ('nav2_collision_monitor', 'collision_monitor', []))

DISTRO = os.environ.get('ROS_DISTRO', '')
# Releases in which Nav2 sends Twist unless told otherwise; none is set in a plain environment.
UNSTAMPED = ('', 'humble', 'iron', 'jazzy')

ARGUMENTS = [
    DeclareLaunchArgument('world', default_value='indoor', choices=['indoor', 'outdoor'],
                          description='Kind of world; its costs are taken too.'),
    DeclareLaunchArgument('seed', default_value='7', description='Of the world.'),
    DeclareLaunchArgument('people', default_value='false', choices=['true', 'false'],
                          description='Whether anybody walks about.'),
    DeclareLaunchArgument('model', default_value='segformer_sim',
                          description='Name or path of the model.'),
    DeclareLaunchArgument('stamped', default_value='false' if DISTRO in UNSTAMPED else 'true',
                          choices=['true', 'false'], description='Commands are TwistStamped, '
                          'which is the default of Nav2 from Kilted on. Not on Humble.'),
    DeclareLaunchArgument('params_file', default_value=PathJoinSubstitution(
        [FindPackageShare('segformer_ros'), 'config', 'nav2_demo.yaml']),
        description='Parameters of Nav2, over those that nav2_bringup ships.'),
    DeclareLaunchArgument('rviz', default_value='false', choices=['true', 'false'],
                          description='Open RViz with the goal tool.'),
]


def check_arguments(context):
    """Refuse arguments that do nothing."""
    launch_arguments.check(sys.argv, context.argv, os.path.dirname(os.path.abspath(__file__)),
                           ['nav2_demo.launch.py'], [argument.name for argument in ARGUMENTS])


def generate_launch_description():
    """Return what is to be started."""
    sim_time = {'use_sim_time': True}
    nav2 = [PathJoinSubstitution(
        [FindPackageShare('nav2_bringup'), 'params', 'nav2_params.yaml']),
        LaunchConfiguration('params_file')]
    if DISTRO == 'humble':
        nav2.append(PathJoinSubstitution(
            [FindPackageShare('segformer_ros'), 'config', 'nav2_humble.yaml']))
    # Humble has no such switch, and passes over it.
    nav2.append(dict(sim_time, enable_stamped_cmd_vel=LaunchConfiguration('stamped')))
    rviz_config = PathJoinSubstitution(
        [FindPackageShare('segformer_ros'), 'config', 'nav2_demo.rviz'])
    robot = Node(
        package='segformer_ros', executable='simulated_camera', namespace='camera',
        output='screen', remappings=[('cmd_vel', '/cmd_vel'), ('odom', '/odom'),
                                     ('robot_description', '/robot_description')],
        parameters=[{'world': LaunchConfiguration('world'), 'seed': LaunchConfiguration('seed'),
                     'people': LaunchConfiguration('people'), 'width': 320, 'height': 240,
                     'pose_source': 'cmd_vel', 'publish_clock': True,
                     'enable_stamped_cmd_vel': LaunchConfiguration('stamped')}])
    # Nav2's costmaps of 14 m have to fit into the grid.
    node = Node(
        package='segformer_ros', executable='segformer', name='segformer', output='screen',
        remappings=[('image', '/camera/image_raw'), ('camera_info', '/camera/camera_info')],
        parameters=[{'model': LaunchConfiguration('model'), 'ground_frame': 'base_link',
                     'cost_profile': LaunchConfiguration('world'), 'costmap_rate': 5.0,
                     'grid.size': 16.0, 'use_sim_time': True}])
    servers = [Node(package=package, executable=name, name=name, output='screen',
                    parameters=nav2, remappings=remappings)
               for package, name, remappings in SERVERS]
    manager = Node(
        package='nav2_lifecycle_manager', executable='lifecycle_manager',
        name='lifecycle_manager_navigation', output='screen',
        parameters=[dict(sim_time, autostart=True,
                         node_names=[name for _, name, _ in SERVERS])])
    rviz = Node(package='rviz2', executable='rviz2', name='segformer_rviz', output='screen',
                arguments=['-d', rviz_config], parameters=[sim_time],
                condition=IfCondition(LaunchConfiguration('rviz')))
    return LaunchDescription(ARGUMENTS + [OpaqueFunction(function=check_arguments), robot, node]
                             + servers + [manager, rviz])
