# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""CameraInfo and poses as the manifest holds them."""

from typing import Any, Dict, Optional, Tuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.geometry.transforms import quaternion_of
from segformer_ros.ros.io.images import camera_info_like
from sensor_msgs.msg import CameraInfo


def camera_info_entry(info: Optional[CameraInfo], size_wh: Tuple[int, int],
                      rotate: int) -> Optional[Dict[str, Any]]:
    """
    Return intrinsics for the pixels of an image before it is turned upright.

    :param size_wh: of that image
    :param rotate: clockwise degrees by which the kept image is turned
    :return: None where there are none that can be used
    """
    if info is None:
        return None
    try:
        fitting = camera_info_like(info, info.header, size_wh)
    except InvalidInputError:
        return None
    numbers = {name: [float(each) for each in getattr(fitting, name)] for name in 'dkp'}
    if not all(np.isfinite(values).all() for values in numbers.values()):
        return None
    return dict({'width': int(fitting.width), 'height': int(fitting.height),
                 'distortion_model': str(fitting.distortion_model)}, rotate=rotate, **numbers)


def pose_entry(frame: str, child: str, frame_from_child: arrays.Float64) -> Dict[str, Any]:
    """
    Return a pose.

    :param frame_from_child: (4, 4), metres
    """
    return {'frame': frame, 'child': child,
            'translation': [float(each) for each in frame_from_child[:3, 3]],
            'rotation': list(quaternion_of(frame_from_child[:3, :3]))}
