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

from typing import NamedTuple, Optional

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.projection.contact_scan import Scan
from segformer_ros.costmap.projection.flat_ground import GroundProjector
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import thinned_pixels
from segformer_ros.costmap.projection.measured_height import sort_by_height
from segformer_ros.costmap.projection.scan_table import ScanTable
from segformer_ros.costmap.settings import CostmapSettings

# An obstacle's foot is this many of the bundle's pixels high.
_FOOT_PIXELS = 2.0


class SemanticLayerBundle(NamedTuple):
    """
    Three pictures of one size.

    ``mask`` (h, w) uint8 group ids, UNLABELED where there is none; ``confidence`` (h, w) uint8
    0..255; ``points`` (h, w, 3) float32 metres in the optical frame, NaN where there is none.
    """

    mask: arrays.UInt8
    confidence: arrays.UInt8
    points: arrays.Float32


class SemanticLayerProjector:
    """
    Makes the bundles of one camera; keeps the places of its pixels while the mount does not move.

    :param settings: ``category_width``, the bundle's width in pixels; the height follows from the
        mask's shape. Of depth images what lies beyond ``max_range`` and ``max_height`` is left out
    :param ground: tells where obstacles stand without depth
    """

    def __init__(self, settings: CostmapSettings, ground: GroundProjector) -> None:
        self._settings = settings
        self._ground = ground
        self._table: Optional[ScanTable] = None
        self._camera: Optional[CameraModel] = None

    def project(self, view: LabelledView, costs: cost_table.CostTable,
                lookup: arrays.UInt8) -> SemanticLayerBundle:
        """
        Make the bundle of one view.

        With a depth image ground and obstacles have their measured point, down to the last pixel.

        :param costs: tells ground and obstacles from what is ignored
        :param lookup: (256,) class id to group id (model.classes.Grouping.lookup)
        :raises TransformError: no part of the ground within range is in view
        """
        if view.depth is not None:
            pixels = self._pixels_of(view.camera)
            shown = view.labels[pixels]
            points = self._measured(view, pixels, shown, costs)
        else:
            found = self._ground.scan(view, costs)
            if found.table is not self._table or view.camera is not self._camera:
                self._place(view, found.table)
            pixels = self._pixels
            shown = view.labels[pixels]
            points = self._on_ground(found, costs.kinds[shown])
        confidence = np.full(pixels.shape, 255, np.uint8) if view.confidences is None \
            else view.confidences[pixels]
        return SemanticLayerBundle(lookup[shown], confidence, points)

    def _on_ground(self, found: Scan, kinds: arrays.UInt8) -> arrays.Float32:
        contact = found.contact[self._bins]
        with np.errstate(invalid='ignore'):
            floor = (kinds == cost_table.GROUND) & (self._reach < found.seen[self._bins])
            foot = ((kinds == cost_table.OBSTACLE)
                    & (self._reach >= contact - 0.5 * self._covered)
                    & (self._reach < contact + _FOOT_PIXELS * self._covered))
        points = self._points.copy()
        points[~(floor | foot) | ~self._inside] = np.nan
        return points

    def _measured(self, view: LabelledView, pixels: arrays.Index, shown: arrays.UInt8,
                  costs: cost_table.CostTable) -> arrays.Float32:
        kinds = costs.kinds[shown]
        rays = view.camera.rays().reshape(-1, 3)[pixels]
        distance = view.flat_depth()[pixels].astype(np.float32)
        mount = view.pose.ground_from_camera
        with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
            points = rays * (distance / rays[..., 2])[..., None]
            x, y, z = (points.dot(row.astype(np.float32)) for row in mount[:3, :3])
            z = z + np.float32(mount[2, 3])
            out = np.hypot(x, y)
            # The layer goes by the class, and that of these is wrong.
            misnamed = sort_by_height(z, out, shown, costs, self._settings.depth).misnamed
            told = ((distance > 0.0) & (rays[..., 2] > 0.0) & np.isfinite(points).all(axis=-1)
                    & (out <= self._settings.projection.max_range)
                    & (z <= self._settings.depth.max_height) & ~misnamed
                    & ((kinds == cost_table.GROUND) | (kinds == cost_table.OBSTACLE)))
        points[~told] = np.nan
        return points

    def _place(self, view: LabelledView, table: ScanTable) -> None:
        camera, ground_from_camera = view.camera, view.pose.ground_from_camera
        self._pixels = self._pixels_of(camera)
        rays = camera.rays().reshape(-1, 3)[self._pixels]
        down = -rays.dot(ground_from_camera[2, :3].astype(np.float32))
        with np.errstate(invalid='ignore', divide='ignore'):
            scale = np.where(down > 0.0, table.height / down, np.nan).astype(np.float32)
        self._points = rays * scale[..., None]
        x, y = (self._points.dot(ground_from_camera[row, :3].astype(np.float32)) for row in (0, 1))
        self._bins, self._inside = table.bins_of(x, y)
        self._reach = np.hypot(x, y)
        self._inside &= self._reach <= table.ranges[-1]
        focal = camera.fy * len(self._pixels) / camera.size_wh[1]
        self._covered = (table.height ** 2 + self._reach ** 2) / (table.height * focal)
        self._table, self._camera = table, camera

    def _pixels_of(self, camera: CameraModel) -> arrays.Index:
        return thinned_pixels(camera.size_wh, self._settings.category_width)
