# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A frame that may be kept, and why it is."""

from typing import NamedTuple, Optional

import cv2

from segformer_ros.common import arrays
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import Occupancy
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import Grouping

SERVICE, DEPTH, LIDAR, FLICKER, UNSURE, TRICKLE = (
    'service', 'depth', 'lidar', 'flicker', 'unsure', 'trickle')
REASONS = (SERVICE, DEPTH, LIDAR, FLICKER, UNSURE, TRICKLE)
"""Where several hold, the first one is written down."""
_TURN = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class NetworkIdentity(NamedTuple):
    """
    The network that made a mask.

    ``path``: of its ONNX file, of which the digest is taken. ``groups``: those of the costmap,
    None where there are none.
    """

    name: str
    path: str
    classes: ClassTable
    groups: Optional[Grouping] = None


class MeasuredView(NamedTuple):
    """
    What the costmap knows of a frame with a depth image, or with a cloud of a lidar.

    ``view`` holds the depth in metres, where there is one; ``ego_mask`` (H, W) is 255 where the
    camera sees its own robot, None where it does not; ``max_range`` in metres. ``grid``: the
    costmap with this frame in it, and ``points`` (N, 3) those of the lidar in the ground frame,
    metres; None where no lidar is compared.
    """

    view: CameraView
    costs: CostTable
    settings: DepthSettings
    max_range: float
    ego_mask: Optional[arrays.UInt8] = None
    grid: Optional[Occupancy] = None
    points: Optional[arrays.Float64] = None


class CandidateFrame(NamedTuple):
    """
    One image with what the network made of it, all as the camera is mounted.

    ``image`` (H, W, 3) RGB; ``mask`` (H, W) class ids; ``confidence`` (H, W) or None; ``rotate``
    clockwise degrees that turn them upright; ``info`` is the CameraInfo in whatever form the
    caller's ``surroundings`` take; ``cloud`` likewise that of a lidar whose points ``measured``
    does not hold yet. None of the arrays may change any more.
    """

    camera: str
    frame_id: str
    stamp_ns: int
    image: arrays.UInt8
    mask: arrays.UInt8
    confidence: Optional[arrays.UInt8]
    rotate: int
    network: NetworkIdentity
    info: object = None
    measured: Optional[MeasuredView] = None
    cloud: object = None
    asked: bool = False
    """Whether ``~/capture`` asked for it."""


def upright(image: arrays.UInt8, rotate: int) -> arrays.UInt8:
    """Return an image as the network saw it."""
    return cv2.rotate(image, _TURN[rotate]) if rotate else image  # type: ignore[return-value]
