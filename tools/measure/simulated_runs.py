# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What measurements in simulated worlds share: their camera, and seeds on the command line."""

from typing import List, Tuple

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


def seeds_of(text: str) -> List[int]:
    """Return the seeds of ``0-19`` or ``3``."""
    first, _, last = text.partition('-')
    return list(range(int(first), int(last or first) + 1))
