# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Start the segformer node on a drone's camera that looks down.

ros2 launch segformer_ros drone.launch.py image:=/down/image_raw camera_info:=/down/camera_info
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('segformer_ros')

# The other arguments are those of segformer.launch.py.
ARGUMENTS = [
    DeclareLaunchArgument('image', default_value='image',
                          description='Topic of the images of the camera that looks down.'),
    DeclareLaunchArgument('camera_info', default_value='camera_info',
                          description='Topic of its CameraInfo; no landing site without it.'),
    DeclareLaunchArgument('range', default_value='range',
                          description='Topic of a range finder that looks down; read with '
                          'height_source: range.'),
    DeclareLaunchArgument('params_file',
                          default_value=PathJoinSubstitution([SHARE, 'config', 'drone.yaml']),
                          description='YAML file of the parameters.'),
]


def generate_launch_description():
    """Return what is to be started."""
    given = [(argument.name, LaunchConfiguration(argument.name)) for argument in ARGUMENTS]
    return LaunchDescription(ARGUMENTS + [IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([SHARE, 'launch', 'segformer.launch.py'])),
        launch_arguments=given)])
