# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whether a measurement belongs to an image: taken at its moment, and seen from its place."""

from typing import Callable, Iterable, Optional

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError

DEPTH_SLOP_NS = 20000000
"""Nanoseconds between the stamps of one shot; drivers that register depth give equal ones."""
SAME_PLACE = 1e-3
"""Metres, and sine of an angle: a millimetre, and half a pixel at a focal length of 500."""


def nearest_stamp(stamps_ns: Iterable[int], wanted_ns: int, slop_ns: int = DEPTH_SLOP_NS
                  ) -> Optional[int]:
    """
    Return the stamp of the measurement that was taken with an image, None if there is none.

    :param stamps_ns: of the measurements, nanoseconds
    :param wanted_ns: of the image
    :param slop_ns: nanoseconds between the two at most; by default those of a depth image
    """
    nearest = min(stamps_ns, key=lambda stamp: abs(stamp - wanted_ns), default=None)
    return nearest if nearest is not None and abs(nearest - wanted_ns) <= slop_ns else None


def check_registered(image_frame: str, depth_frame: str,
                     image_from_depth: Callable[[], arrays.Float64]) -> None:
    """
    Check that depth is measured where the image is taken; an equal size is not enough.

    A frame of another name is the same place if TF says so.

    :param image_frame: frame_id of the image
    :param depth_frame: frame_id of its depth image
    :param image_from_depth: looks the (4, 4) transform up, or raises a TransformError
    :raises InvalidInputError: another place, an unnamed one, or one that TF does not know
    """
    if depth_frame.lstrip('/') == image_frame.lstrip('/'):
        return
    found = 'which has no transform to the image'
    if image_frame and depth_frame:
        try:
            apart = image_from_depth()
        except TransformError:
            pass
        else:
            if np.allclose(apart, np.eye(4), rtol=0.0, atol=SAME_PLACE):
                return
            found = '{:.1f} mm and {:.2f} degrees away'.format(
                1000.0 * float(np.linalg.norm(apart[:3, 3])),
                float(np.degrees(np.arccos(np.clip(
                    0.5 * (np.trace(apart[:3, :3]) - 1.0), -1.0, 1.0)))))
    raise InvalidInputError(
        'Depth is not registered to the image', got=f'depth in {depth_frame!r}, {found}',
        expected=f'depth in {image_frame!r}, the frame of the image',
        remedy="Take the driver's aligned depth (realsense2_camera: align_depth.enable), or "
        'register it with depth_image_proc, or set depth_transport: none.')
