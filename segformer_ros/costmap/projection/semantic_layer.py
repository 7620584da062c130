# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The bundle for ros-navigation/semantic_segmentation_layer, made from one ordinary camera.

That layer wants a mask of few categories, a confidence image and an organised cloud, all of one
size, and takes the cloud from a depth camera. Here the cloud is the mask's own projection onto
the ground: ground that is seen has a point, the foot of an obstacle has one, and everything else
(above an obstacle's foot, behind it, above the horizon) is NaN, which the layer skips. Where
there is a depth camera, its places are taken.
"""

from typing import NamedTuple, Optional, Tuple, TYPE_CHECKING

import numpy as np
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.projection.contact_scan import Scan
from segformer_ros.costmap.projection.scan_table import ScanTable

if TYPE_CHECKING:
    import numpy.typing as npt

# An obstacle's foot is this many of the bundle's pixels high.
_FOOT_PIXELS = 2.0


class SemanticLayerBundle(NamedTuple):
    """
    Three pictures of one size.

    ``mask`` (h, w) uint8 group ids, UNLABELED where there is none; ``confidence`` (h, w) uint8
    0..255; ``points`` (h, w, 3) float32 metres in the optical frame, NaN where there is none.
    """

    mask: 'npt.NDArray[np.uint8]'
    confidence: 'npt.NDArray[np.uint8]'
    points: 'npt.NDArray[np.float32]'


class SemanticLayerProjector:
    """
    Makes bundles of one size; keeps the places of its pixels while the mount does not move.

    :param width: of the bundle, pixels; the height follows from the mask's shape
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._table: Optional[ScanTable] = None
        self._camera: Optional[CameraModel] = None

    def project(self, labels: 'npt.NDArray[np.uint8]',
                confidences: 'Optional[npt.NDArray[np.uint8]]', camera: CameraModel,
                ground_from_camera: 'npt.NDArray[np.float64]', table: ScanTable, found: Scan,
                costs: cost_table.CostTable,
                lookup: 'npt.NDArray[np.uint8]') -> SemanticLayerBundle:
        """
        Make the bundle of one frame.

        :param labels: (H * W + 1,) from prepared_labels
        :param confidences: (H * W,) 0..255, or None for full confidence
        :param ground_from_camera: (4, 4), the pose that ``table`` was made for
        :param table: of the same camera
        :param found: what the frame shows
        :param costs: tells ground from obstacles
        :param lookup: (256,) class id to group id (model.classes.Grouping.lookup)
        """
        if table is not self._table or camera is not self._camera:
            self._place(camera, ground_from_camera, table)
        shown = labels[self._pixels]
        kinds = costs.kinds[shown]
        contact = found.contact[self._bins]
        with np.errstate(invalid='ignore'):
            floor = (kinds == cost_table.GROUND) & (self._reach < found.seen[self._bins])
            foot = (kinds
                    == cost_table.OBSTACLE) & (self._reach >= contact - 0.5 * self._covered) & (
                        self._reach < contact + _FOOT_PIXELS * self._covered)
        points = self._points.copy()
        points[~(floor | foot) | ~self._inside] = np.nan
        return SemanticLayerBundle(lookup[shown], _sureness(confidences, self._pixels), points)

    def measured(self, labels: 'npt.NDArray[np.uint8]',
                 confidences: 'Optional[npt.NDArray[np.uint8]]', depth: 'npt.NDArray[np.float32]',
                 camera: CameraModel, ground_from_camera: 'npt.NDArray[np.float64]',
                 limits: Tuple[float, float], costs: cost_table.CostTable,
                 lookup: 'npt.NDArray[np.uint8]') -> SemanticLayerBundle:
        """
        Make the bundle of one frame with a registered depth image.

        Ground and obstacles have their measured point, down to the last pixel.

        :param labels: (H * W + 1,) from prepared_labels
        :param confidences: (H * W,) 0..255, or None for full confidence
        :param depth: (H, W) float32 metres along the optical axis; 0, NaN or inf: none
        :param ground_from_camera: (4, 4)
        :param limits: metres from the camera's foot point, and above the ground, beyond which a
            point is left out
        :param costs: tells ground and obstacles from what is ignored
        :param lookup: (256,) class id to group id
        """
        pixels = _pixels_of(camera.size_wh, self.width)
        shown = labels[pixels]
        kinds = costs.kinds[shown]
        rays = camera.rays().reshape(-1, 3)[pixels]
        distance = depth.reshape(-1)[pixels].astype(np.float32)
        with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
            points = rays * (distance / rays[..., 2])[..., None]
            x, y, z = (points.dot(row.astype(np.float32)) for row in ground_from_camera[:3, :3])
            told = ((distance > 0.0) & (rays[..., 2] > 0.0) & np.isfinite(points).all(axis=-1)
                    & (np.hypot(x, y) <= limits[0])
                    & (z + np.float32(ground_from_camera[2, 3]) <= limits[1])
                    & ((kinds == cost_table.GROUND) | (kinds == cost_table.OBSTACLE)))
        points[~told] = np.nan
        return SemanticLayerBundle(lookup[shown], _sureness(confidences, pixels), points)

    def _place(self, camera: CameraModel, ground_from_camera: 'npt.NDArray[np.float64]',
               table: ScanTable) -> None:
        self._pixels = _pixels_of(camera.size_wh, self.width)
        rays = camera.rays().reshape(-1, 3)[self._pixels]
        down = -rays.dot(ground_from_camera[2, :3].astype(np.float32))
        with np.errstate(invalid='ignore', divide='ignore'):
            scale = np.where(down > 0.0, table.height / down, np.nan).astype(np.float32)
        self._points = rays * scale[..., None]
        x, y = (self._points.dot(ground_from_camera[row, :3].astype(np.float32))
                for row in (0, 1))
        self._bins, self._inside = table.bins_of(x, y)
        self._reach = np.hypot(x, y)
        self._inside &= self._reach <= table.ranges[-1]
        focal = camera.fy * len(self._pixels) / camera.size_wh[1]
        self._covered = (table.height ** 2 + self._reach ** 2) / (table.height * focal)
        self._table, self._camera = table, camera


def _pixels_of(size_wh: Tuple[int, int], bundle_width: int) -> 'npt.NDArray[np.intp]':
    """Return the pixels of the mask, (h, w) indices, that a bundle shows."""
    width, height = size_wh
    size = small_size(size_wh, bundle_width)
    columns = ((np.arange(size[0]) + 0.5) * width / size[0]).astype(np.intp)
    rows = ((np.arange(size[1]) + 0.5) * height / size[1]).astype(np.intp)
    return rows[:, None] * width + columns


def _sureness(confidences: 'Optional[npt.NDArray[np.uint8]]', pixels: 'npt.NDArray[np.intp]'
              ) -> 'npt.NDArray[np.uint8]':
    return np.full(pixels.shape, 255, np.uint8) if confidences is None else confidences[pixels]


def small_size(size_wh: Tuple[int, int], width: int) -> Tuple[int, int]:
    """Return the bundle's width and height for a mask; never larger than the mask."""
    width = min(width, size_wh[0])
    return width, max(1, round(size_wh[1] * width / float(size_wh[0])))
