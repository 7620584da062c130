# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A CameraInfo message as numbers, and whether an image topic is a rectified one."""

from typing import Any
from typing import Tuple

from segformer_ros.costmap.camera_model import Calibration

# image_pipeline's names of rectified topics.
_RECTIFIED = ('image_rect', 'image_rect_color')


def calibration_of(info: Any) -> Calibration:
    """
    Return a CameraInfo message as numbers.

    :param info: any object with the fields of ``sensor_msgs/CameraInfo``, of ROS 2, or of ROS 1
        with its capital letters
    """
    def numbers(name: str) -> Tuple[float, ...]:
        values = getattr(info, name) if hasattr(info, name) else getattr(info, name.upper())
        return tuple(float(value) for value in values)

    return Calibration(
        int(info.width), int(info.height), str(info.distortion_model), numbers('d'),
        numbers('k'), numbers('r'), numbers('p'), int(info.binning_x), int(info.binning_y),
        int(info.roi.x_offset), int(info.roi.y_offset), int(info.roi.width),
        int(info.roi.height))


def is_rectified(topic: str) -> bool:
    """
    Tell whether a topic carries rectified images by the names that image_pipeline uses.

    :param topic: of the images, with or without ``/compressed``
    """
    if topic.endswith('/compressed'):
        topic = topic[:-len('/compressed')]
    return topic.rsplit('/', 1)[-1] in _RECTIFIED
