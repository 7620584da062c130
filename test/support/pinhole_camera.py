# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The camera of a scene on a plane, as the package has it."""

from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel


def camera_model(pinhole, distortion_model='none', coefficients=()):
    """
    Return the camera model of a pinhole.

    :param pinhole: of plane_scene
    """
    return CameraModel(Calibration(
        pinhole.width, pinhole.height, distortion_model, coefficients,
        (pinhole.f, 0, pinhole.cx, 0, pinhole.f, pinhole.cy, 0, 0, 1)))
