# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A mask with a registered depth image: measured places instead of the flat-ground assumption.

Height decides what stands up, class what the ground costs. Ground that is measured above the
tolerance is an obstacle whatever its class (a table top that looks like floor), and so is what
lies below it (a step down, a pit). What is measured level is ground though its class has to stand
up, except for classes that are lethal although flat; its own cost is not known then, and it gets
the mean of the ground in the image. Classes that are neither ground nor obstacle stay ignored;
pixels without a class stand up by their height alone.
"""

from typing import Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap import observation
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.projection.cells import obstacle_evidence
from segformer_ros.costmap.projection.cells import to_odom
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.measured_height import ground_costs
from segformer_ros.costmap.projection.measured_height import sort_by_height
from segformer_ros.costmap.projection.scan_table import azimuth
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.costmap.settings import ProjectionSettings
from segformer_ros.model.classes import UNLABELED

# Metres; nearer than any depth camera measures.
_NEAREST = 0.05
# Cells without a measurement that still count as unbroken ground.
_LARGEST_GAP = 4.0


class DepthProjector:
    """
    Projects the masks of one camera with their depth images.

    :param projection: ``max_range`` is used
    :param settings: height gates and counts
    :param ego_mask: (H, W) uint8, 255 where the camera sees its own robot
    """

    def __init__(self, projection: ProjectionSettings, settings: DepthSettings,
                 ego_mask: Optional[arrays.UInt8] = None) -> None:
        self.projection = projection
        self.settings = settings
        self.ego_mask = ego_mask
        self._camera: Optional[CameraModel] = None
        self._pixels: arrays.Index = np.zeros(0, np.intp)
        self._directions: arrays.Float32 = np.zeros((3, 0), np.float32)

    def project(self, view: LabelledView, costs: cost_table.CostTable, grid: CostGrid
                ) -> observation.Projection:
        """
        Project one view with its depth image; see :mod:`labelled_view`.

        :raises InvalidInputError: depth and mask differ in size
        """
        geometry = grid.geometry
        depth = view.flat_depth()
        self._prepare(view.camera)
        distance = depth[self._pixels]
        with np.errstate(invalid='ignore'):
            valid = (distance > _NEAREST) & (distance < np.inf)
        pixels, distance = self._pixels[valid], distance[valid].astype(np.float32)
        rows = view.pose.ground_from_camera[:3].tolist()
        local = self._directions[:, valid] * distance
        x, y, z = (row[0] * local[0] + row[1] * local[1] + row[2] * local[2] + row[3]
                   for row in rows)
        out = np.hypot(x - np.float32(rows[0][3]), y - np.float32(rows[1][3]))
        cells, inside = geometry.indices(*to_odom(view.pose.odom_from_ground, x, y))
        shown = view.labels[pixels]
        kinds = sort_by_height(z, out, shown, costs, self.settings)
        inside &= out <= self.projection.max_range
        sure = view.confidence_at(pixels)
        blocked = _blocked_cells(np.flatnonzero(kinds.obstacle & inside), cells, x, y, shown, sure,
                                 costs, geometry, self.settings.min_points)
        seen = np.flatnonzero(kinds.ground & inside)
        labels = np.where(kinds.misnamed[seen], np.uint8(UNLABELED), shown[seen])
        clear = _clear_points(cells[seen], x[seen], y[seen], labels, sure[seen],
                              blocked, view, geometry, self.projection.max_range)
        return observation.Projection(
            _observation(cells[seen], ground_costs(shown[seen], kinds.misnamed[seen], costs),
                         sure[seen], blocked, view, costs, geometry),
            blocked, clear)

    def _prepare(self, camera: CameraModel) -> None:
        if camera is self._camera:
            return
        width, height = camera.size_wh
        stride = int(np.ceil(np.sqrt(width * height / float(self.settings.max_points))))
        stride = max(1, stride)
        half = stride // 2
        index = np.arange(width * height).reshape(height, width)[half::stride, half::stride]
        index = index.reshape(-1)
        rays = camera.rays().reshape(-1, 3)[index]
        usable = rays[:, 2] > 0.0
        if self.ego_mask is not None:
            usable &= self.ego_mask.reshape(-1)[index] == 0
        self._pixels = index[usable]
        self._directions = np.ascontiguousarray((rays[usable] / rays[usable, 2:]).T)
        self._camera = camera


def _blocked_cells(points: arrays.Index, cells: arrays.Index, x: arrays.Float32, y: arrays.Float32,
                   shown: arrays.UInt8, sure: arrays.Float32, costs: cost_table.CostTable,
                   geometry: observation.GridGeometry, min_points: int) -> observation.Obstacles:
    """Return one obstacle point per cell that holds enough of them."""
    count = geometry.width * geometry.height
    cells, x, y, sure = cells[points], x[points], y[points], sure[points]
    hits = np.bincount(cells, minlength=count)
    places = np.flatnonzero(hits >= min_points)
    number = np.maximum(hits[places], 1)
    # Any of a cell's points may name it; one that moves is preferred, since it fades sooner.
    name = np.zeros(count, np.uint8)
    name[cells] = shown[points]
    moving = costs.dynamic[shown[points]]
    name[cells[moving]] = shown[points][moving]
    means = [(np.bincount(cells, weights=values, minlength=count)[places] / number).astype(
        np.float32) for values in (x, y, sure)]
    return observation.Obstacles(means[0], means[1], name[places], means[2], means[2],
                                 np.ones(len(places), np.bool_))


def _observation(cells: arrays.Index, values: arrays.Float32, sure: arrays.Float32,
                 blocked: observation.Obstacles, view: LabelledView, costs: cost_table.CostTable,
                 geometry: observation.GridGeometry) -> observation.Observation:
    count = geometry.width * geometry.height
    number = np.bincount(cells, minlength=count)
    places = np.flatnonzero(number)
    mean_cost = np.bincount(cells, weights=values, minlength=count)[places]
    mean_sure = np.bincount(cells, weights=sure, minlength=count)[places]
    number = number[places]
    return observation.Observation(
        observation.Evidence(places, (mean_sure / number).astype(np.float32)),
        (mean_cost / number).astype(np.float32),
        *obstacle_evidence(blocked, view.pose, costs, geometry))


def _clear_points(cells: arrays.Index, x: arrays.Float32, y: arrays.Float32, shown: arrays.UInt8,
                  sure: arrays.Float32, blocked: observation.Obstacles, view: LabelledView,
                  geometry: observation.GridGeometry,
                  max_range: float) -> observation.GroundPoints:
    """Return the farthest unbroken ground of every bin of azimuth, as wide as a far cell is."""
    first = np.unique(cells, return_index=True)[1]
    x, y, shown, sure = x[first], y[first], shown[first], sure[first]
    foot = np.array(view.foot, np.float32)
    step = geometry.resolution / max_range
    bins, out = _polar(x - foot[0], y - foot[1], step)
    wall_bins, wall_out = _polar(blocked.x - foot[0], blocked.y - foot[1], step)
    nearest = np.full(int(np.ceil(8.0 / step)) + 2, np.inf)
    # A cell blocks every bin that it covers, not only that of its middle.
    covered = np.ceil(geometry.resolution / (np.maximum(wall_out, geometry.resolution) * step))
    widest = int(covered.max()) if len(covered) else 0
    for offset in range(-widest, widest + 1):
        wide = covered >= abs(offset)
        np.minimum.at(nearest, np.clip(wall_bins[wide] + offset, 0, len(nearest) - 1),
                      wall_out[wide])
    before = np.flatnonzero(out < nearest[bins])
    order = before[np.lexsort((out[before], bins[before]))]
    if not len(order):
        return observation.GroundPoints(x[:0], y[:0], shown[:0], sure[:0])
    bins, out = bins[order], out[order]
    starts = np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))
    gap = np.append(False, (bins[1:] == bins[:-1])
                    & (np.diff(out) > _LARGEST_GAP * geometry.resolution))
    place = np.arange(len(bins))
    # The last one of a bin before its first gap, or before the next bin.
    stop = np.minimum.reduceat(np.where(gap, place, len(bins)), starts)
    last = order[np.minimum(stop, np.append(starts[1:], len(bins))) - 1]
    return observation.GroundPoints(x[last], y[last], shown[last], sure[last])


def _polar(x: arrays.Float32, y: arrays.Float32,
           step: float) -> Tuple[arrays.Index, arrays.Float32]:
    around = np.nan_to_num(azimuth(x, y))
    return ((around + 4.0) / step).astype(np.intp), np.hypot(x, y)
