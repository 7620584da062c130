# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What goes into the costmap stage and what comes out, as plain numbers."""

from typing import NamedTuple
from typing import Optional
from typing import TYPE_CHECKING

import numpy as np

from segformer_ros.costmap.camera_model import CameraModel
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.poses import CameraPose

if TYPE_CHECKING:
    import numpy.typing as npt


class Frame(NamedTuple):
    """
    One image of one camera, as plain numbers.

    ``mask`` (H, W) uint8 class ids; ``confidence`` (H, W) uint8 or None; ``camera`` describes
    the mask's pixels and must be the same object until CameraInfo changes; ``stamp`` seconds;
    ``depth`` (H, W) float32 metres where a depth camera is used.
    """

    mask: 'npt.NDArray[np.uint8]'
    confidence: 'Optional[npt.NDArray[np.uint8]]'
    camera: CameraModel
    pose: CameraPose
    stamp: float
    depth: 'Optional[npt.NDArray[np.float32]]' = None


class StageTimings(NamedTuple):
    """Seconds of one frame: from pixels to cells, and into the grid (fading included)."""

    project: float
    fuse: float


class FrameResult(NamedTuple):
    """
    What one frame gives beside the grid: clouds in the ground frame, (N,) of POINT_DTYPE.

    ``cleared`` tells that the frame's stamp went back in time, so that the grid was cleared
    first.
    """

    obstacle_points: 'npt.NDArray[np.void]'
    ground_points: 'npt.NDArray[np.void]'
    cleared: bool
    timings: StageTimings


class Occupancy(NamedTuple):
    """The grid at a time; ``values`` (height, width) int8: -1, 0..98 or 100."""

    values: 'npt.NDArray[np.int8]'
    geometry: GridGeometry
