# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which inputs of the node its parameters leave unread."""

from typing import Dict

from segformer_ros.costmap.geometry import camera_poses
from segformer_ros.ros.io import topics
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.ros.parameters.node import prefixed

REMAPPED = (topics.IMAGE, topics.CAMERA_INFO_IN, topics.DEPTH_IN)
"""Inputs of a camera, each with a parameter of its name with ``_topic``."""
ENCODED = (('image_transport', 'compressed', topics.IMAGE_COMPRESSED),
           ('image_transport', 'ffmpeg', topics.IMAGE_PACKETS),
           ('depth_transport', 'compressed', topics.DEPTH_IN_COMPRESSED))
"""Parameter, value, and the input that is read with it."""


def unread_inputs(parameters: NodeParameters) -> Dict[str, str]:
    """
    Return what would have each input read that is not read, by its name before it is remapped.

    :param parameters: of the node
    """
    cameras = parameters.cameras
    used = {topics.input_name(camera.name, topic) for camera in cameras
            for topic in REMAPPED if not getattr(camera, f'{topic.name}_topic')
            and (topic is not topics.DEPTH_IN or camera.depth_transport != 'none')}
    offered = {topics.input_name(name, topic) for topic in REMAPPED
               for name in ['', *(camera.name for camera in cameras)]}
    inputs = ', '.join(sorted(used)) or '(none)'
    unread = dict.fromkeys(
        offered - used, 'the parameters cameras, image_topic, camera_info_topic, depth_topic and '
        f'depth_transport say what is read. Remap one of {inputs}, or change these.')
    for camera in cameras:
        for parameter, value, topic in ENCODED:
            if getattr(camera, parameter) != value:
                unread[topics.input_name(camera.name, topic)] = \
                    f'set {prefixed(camera.name, parameter)}: {value}.'
    if parameters.costmap.height_source != camera_poses.RANGE:
        unread[topics.RANGE_IN.name] = f'set height_source: {camera_poses.RANGE}.'
    if not parameters.costmap.imu_topic:
        unread[topics.IMU_IN.name] = 'set imu.topic to the topic of the IMU.'
    if not parameters.capture.lidar_topic:
        unread[topics.LIDAR_IN.name] = 'set capture.lidar_topic to the topic of the lidar.'
    return unread
