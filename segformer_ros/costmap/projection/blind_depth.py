# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Metric depth images that measure nothing of the ground in reach.

Where the plane says that ground within range is in view, a depth camera that works measures that
ground, or what stands before it. One that is covered, off or blinded by the sun measures nothing
there, and neither does one whose millimetres are taken for metres.
"""

from typing import Optional

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import thinned_pixels

# Samples across the picture: a share needs no more.
_COLUMNS = 160
# Metres; nearer than any depth camera measures.
_NEAREST = 0.05
# Of the samples that look at ground in reach. A camera that works measures most of them, and a
# tenth on black or wet floor or in the sun; specks of noise in a blind one are some per mille.
_LEAST_SHARE = 0.01
# Of the picture: of less ground in view nothing is concluded, since a camera that looks up sees
# sky above it.
_LEAST_GROUND = 0.01


class BlindDepthError(InvalidInputError):
    """A depth image measures nothing of the ground in reach; the image is of use."""


class BlindDepthCheck:
    """
    Checks the depth images of one camera.

    :param max_range: metres from the camera's foot
    :param ego_mask: (H, W) uint8, 255 where the camera sees its own robot
    """

    def __init__(self, max_range: float, ego_mask: Optional[arrays.UInt8] = None) -> None:
        self._max_range = max_range
        self._ego_mask = ego_mask
        self._camera: Optional[CameraModel] = None
        self._pixels: arrays.Index = np.zeros(0, np.intp)
        self._directions: arrays.Float32 = np.zeros((3, 0), np.float32)
        self._samples = 0

    def check(self, view: LabelledView) -> None:
        """
        Check that a view's depth image measures some of what is in reach.

        :param view: with depth in metres
        :raises BlindDepthError: it does not
        :raises InvalidInputError: depth and mask differ in size
        """
        depth = view.flat_depth()
        self._prepare(view.camera)
        rows = view.pose.ground_from_camera[:3, :3].astype(np.float32)
        aside_x, aside_y, down = rows.dot(self._directions)
        aside = np.hypot(aside_x, aside_y)
        distance = depth[self._pixels]
        with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
            of_plane = np.float32(-view.height) / down
            looks = (of_plane > 0.0) & (of_plane * aside <= self._max_range)
            measured = looks & (distance > 0.0) & np.isfinite(distance)
            reached = measured & (distance > _NEAREST) & (distance * aside <= self._max_range)
        ground, found = np.count_nonzero(looks), np.count_nonzero(reached)
        if ground >= _LEAST_GROUND * self._samples and found < _LEAST_SHARE * ground:
            raise BlindDepthError(
                'Depth image measures nothing in reach',
                got=f'{found:,} of {ground:,} samples of ground within projection.max_range '
                    f'measured within it, {np.count_nonzero(measured):,} above 0',
                expected=f'{100.0 * _LEAST_SHARE:g} % or more of them',
                remedy='Look for a depth camera that is covered, off or blinded, or for '
                       'millimetres in a 32FC1 image, which holds metres.')

    def _prepare(self, camera: CameraModel) -> None:
        if camera is self._camera:
            return
        pixels = thinned_pixels(camera.size_wh, _COLUMNS).reshape(-1)
        rays = camera.rays().reshape(-1, 3)[pixels]
        usable = rays[:, 2] > 0.0
        if self._ego_mask is not None:
            usable &= self._ego_mask.reshape(-1)[pixels] == 0
        self._samples = len(pixels)
        self._pixels = pixels[usable]
        self._directions = np.ascontiguousarray((rays[usable] / rays[usable, 2:]).T, np.float32)
        self._camera = camera
