# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What measurements in simulated worlds share: their camera, depth as networks give it, seeds."""

from typing import List, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.simulation.render import renderer


def pinhole(size_wh: Tuple[int, int], focal: float) -> Tuple[renderer.Renderer, CameraModel]:
    """
    Return a renderer and the camera model of the same camera, which looks through its middle.

    :param size_wh: pixels
    :param focal: pixels
    """
    width, height = size_wh
    cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
    model = CameraModel(Calibration(width, height, 'none', (), (
        focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0)))
    return renderer.Renderer(renderer.pinhole_rays(width, height, focal, focal, cx, cy)), model


def like_a_network(depth: arrays.Float32, kind: str, noise: float,
                   random: np.random.RandomState) -> arrays.Float32:
    """
    Return depth as a network gives it: smooth relative errors, any scale, any shift.

    :param kind: ``scaled`` or ``inverse``
    :param noise: standard deviation of the relative error, smooth over a quarter of the picture
    """
    coarse = random.standard_normal((4, 5)).astype(np.float32)
    field = cv2.resize(coarse, (depth.shape[1], depth.shape[0]), interpolation=cv2.INTER_CUBIC)
    field *= np.float32(noise / max(float(field.std()), 1e-6))
    with np.errstate(divide='ignore', invalid='ignore'):
        values = (np.float32(1.0) / depth if kind == costmap_settings.INVERSE else depth)
        values = values * (np.float32(1.0) + field)
    scale = np.float32(np.exp(random.uniform(-3.0, 6.0)))
    middle = float(np.nanmedian(values[np.isfinite(values)]))
    shift = np.float32(random.uniform(-0.5, 0.5) * middle)
    return np.asarray(scale * (values + shift), np.float32)


def seeds_of(text: str) -> List[int]:
    """Return the seeds of ``0-19`` or ``3``."""
    first, _, last = text.partition('-')
    return list(range(int(first), int(last or first) + 1))
