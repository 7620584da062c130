# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The labelled view: what every projection takes.

All projectors have the same shape: ``project(view, costs, grid)`` takes a :class:`LabelledView`,
the costs of its classes and the grid that is to be filled, and returns a ``Projection`` in the
cells of that grid. It raises a TransformError where no ground within range is in view.
"""

from typing import NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.model.classes import UNLABELED


class LabelledView(NamedTuple):
    """
    The labels of one image, and where its camera was.

    ``labels`` (H * W + 1,) uint8 from :func:`prepared_labels`; ``confidences`` (H * W,) uint8
    0..255, None for full confidence; ``depth`` (H, W) float32 metres along the optical axis, with
    0, NaN or inf where nothing was measured, None where there is no depth camera.
    """

    labels: arrays.UInt8
    confidences: Optional[arrays.UInt8]
    camera: CameraModel
    pose: CameraPose
    depth: Optional[arrays.Float32] = None

    @property
    def foot(self) -> Tuple[float, float]:
        """Return x, y of the camera in the ground frame, metres."""
        return (float(self.pose.ground_from_camera[0, 3]),
                float(self.pose.ground_from_camera[1, 3]))

    @property
    def height(self) -> float:
        """Return the height of the camera above the ground, metres."""
        return float(self.pose.ground_from_camera[2, 3])

    def confidence_at(self, pixels: arrays.Array) -> arrays.Float32:
        """Return (N,) float32 0..1 at in-view pixels; 1 where no confidence is known."""
        if self.confidences is None:
            return np.ones(len(pixels), np.float32)
        return self.confidences[pixels] * np.float32(1.0 / 255.0)

    def flat_depth(self) -> arrays.Float32:
        """
        Return the depth image as (H * W,) float32, contiguous.

        :raises InvalidInputError: there is none, or one of another size than the mask's
        """
        width, height = self.camera.size_wh
        if self.depth is None or self.depth.shape != (height, width):
            raise InvalidInputError(
                'Depth image and mask differ in size',
                got='none' if self.depth is None else '{1} x {0}'.format(*self.depth.shape),
                expected=f'{width} x {height}',
                remedy='Use depth registered to the colour camera (depth_image_proc register).')
        # A view of another array stays one when it is flattened; kernels take an address.
        return np.ascontiguousarray(self.depth, np.float32).reshape(-1)


def thinned_pixels(size_wh: Tuple[int, int], columns: int) -> arrays.Index:
    """
    Return the pixels that a smaller picture shows, (h, w) indices of the flattened mask.

    :param size_wh: of the mask
    :param columns: of the smaller picture; never more than the mask has. Rows follow
    """
    width, height = size_wh
    columns = min(columns, width)
    rows = max(1, round(height * columns / float(width)))
    u = ((np.arange(columns) + 0.5) * width / columns).astype(np.intp)
    v = ((np.arange(rows) + 0.5) * height / rows).astype(np.intp)
    return v[:, None] * width + u


class PlaneSamples:
    """
    Pixels of one camera, spread evenly, and where their rays meet the plane of the ground.

    Nothing is computed again while camera and mount stay. After :meth:`look` there are ``pixels``
    (h, w), indices of the flattened mask; ``depth`` (h, w) float64, metres along the optical axis
    to the plane, NaN where it is not met within reach; and ``aside`` (h, w) float64, metres from
    the camera's foot for each metre of depth.

    :param reach: metres from the camera's foot
    """

    # Across the picture: what is learnt of them is smooth, or a share.
    _COLUMNS = 160

    def __init__(self, reach: float) -> None:
        self._reach = reach
        self._camera: Optional[CameraModel] = None
        self._mount: Optional[arrays.Float64] = None
        self._directions: arrays.Float32 = np.zeros((0, 0, 3), np.float32)
        self.pixels: arrays.Index = np.zeros((0, 0), np.intp)
        self.depth: arrays.Float64 = np.zeros((0, 0))
        self.aside: arrays.Float64 = np.zeros((0, 0))

    def look(self, view: LabelledView) -> None:
        """Take camera and mount of a view."""
        camera, mount = view.camera, view.pose.ground_from_camera
        if camera is not self._camera:
            self.pixels = thinned_pixels(camera.size_wh, self._COLUMNS)
            rays = camera.rays().reshape(-1, 3)[self.pixels]
            with np.errstate(invalid='ignore', divide='ignore'):
                self._directions = np.where(rays[..., 2:] > 0.0, rays / rays[..., 2:], np.nan)
            self._camera, self._mount = camera, None
        if self._mount is not None and np.array_equal(mount, self._mount):
            return
        local = self._directions.dot(mount[:3, :3].T.astype(np.float32)).astype(np.float64)
        self.aside = np.hypot(local[..., 0], local[..., 1])
        with np.errstate(invalid='ignore', divide='ignore'):
            depth = -view.height / local[..., 2]
            is_met = (local[..., 2] < 0.0) & (depth * self.aside <= self._reach)
            self.depth = np.where(is_met, depth, np.nan)
        self._mount = mount.copy()


def prepared_labels(mask: arrays.UInt8, confidence: Optional[arrays.UInt8],
                    ego_mask: Optional[arrays.UInt8], min_confidence: int) -> arrays.UInt8:
    """
    Return the flattened mask with unseen pixels as UNLABELED, and one UNLABELED appended.

    The last element stands for everything outside the image, so that lookups need no branch.

    :param mask: (H, W) class ids
    :param confidence: (H, W) 0..255 or None
    :param ego_mask: (H, W), 255 on the robot's own body and 0 elsewhere, or None
    :param min_confidence: below it a pixel counts as unseen
    """
    labels = np.full(mask.size + 1, UNLABELED, np.uint8)
    image = labels[:-1].reshape(mask.shape)
    if ego_mask is None:
        image[...] = mask
    else:
        # UNLABELED has all bits set: "or" writes it without a branch.
        np.bitwise_or(mask, ego_mask, out=image)
    if confidence is not None and min_confidence > 0:
        unsure = (confidence < min_confidence).view(np.uint8)
        image |= np.negative(unsure)
    return labels
