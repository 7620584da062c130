# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A mask on flat ground: which cells are ground, where obstacles stand, how far it is clear.

Cells look up their pixel (a gather), so the grid has no holes far away, where neighbouring
pixels lie several cells apart. Obstacles go the other way: the foot of each is looked for in
the mask and projected, so that a thin one is not missed between two cell centres.
"""

from typing import Optional, Tuple, TYPE_CHECKING

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import observation
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.cost_table import GROUND
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.projection import cells
from segformer_ros.costmap.projection import scan_table
from segformer_ros.costmap.projection.contact_scan import Scan
from segformer_ros.costmap.projection.contact_scan import scan
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.settings import ProjectionSettings

if TYPE_CHECKING:
    Floats = arrays.Float32

# Turning and shifting by less than this moves no sample by a tenth of a pixel.
_SAME_POSE = 1e-5


def range_weights(distance: 'Floats', height: float, camera: CameraModel, resolution: float
                  ) -> 'Floats':
    """
    Return how well a range is known, 0..1: cell size over what a pixel covers, at most 1.

    A pixel at the ground distance d covers (h^2 + d^2) / (h f) metres along the ray.

    :param distance: ground distances, metres
    :param height: of the camera, metres
    :param resolution: cell size, metres
    """
    covered = (height * height + distance * distance) / (height * camera.fy)
    return np.minimum(resolution / covered, 1.0).astype(np.float32)


def range_error(distance: float, height: float, pitch_error: float = 0.0,
                ground_step: float = 0.0) -> float:
    """
    Return how far off a point on the ground is put, metres.

    Flat ground is assumed: a pitch error e (radians; ground tilt acts alike) shifts a point by
    e (h^2 + d^2) / h, and ground that lies s higher or lower there by s d / h.

    :param distance: true ground distance, metres
    :param height: of the camera, metres
    :param pitch_error: radians
    :param ground_step: metres
    """
    return (abs(pitch_error) * (height * height + distance * distance)
            + abs(ground_step) * distance) / height


class GroundProjector:
    """
    Projects the masks of one camera; keeps the tables of its mount while that does not move.

    :param settings: ranges and thresholds
    :param ego_mask: (H, W) uint8, 255 where the camera sees its own robot
    """

    def __init__(self, settings: ProjectionSettings,
                 ego_mask: Optional[arrays.UInt8] = None) -> None:
        self.settings = settings
        self.ego_mask = ego_mask
        self._camera: Optional[CameraModel] = None
        self._outline: Optional[scan_table.ViewRays] = None
        self._mount: Optional[arrays.Float64] = None
        self._table: Optional[scan_table.ScanTable] = None

    def table(self, camera: CameraModel, ground_from_camera: arrays.Float64
              ) -> scan_table.ScanTable:
        """Return the scan table of a mount, made anew only when camera or mount changed."""
        if self._outline is None or camera is not self._camera:
            self._camera, self._outline, self._table = camera, scan_table.view_rays(camera), None
        if (self._table is None or self._mount is None
                or np.abs(ground_from_camera - self._mount).max() > _SAME_POSE):
            self._table = scan_table.build_scan_table(
                camera, self._outline, ground_from_camera, self.settings, self.ego_mask)
            self._mount = ground_from_camera.copy()
        return self._table

    def scan(self, view: LabelledView, costs: CostTable) -> Scan:
        """Return the first obstacle in every direction; see :func:`contact_scan.scan`."""
        return scan(self.table(view.camera, view.pose.ground_from_camera), view.labels,
                    costs.kinds, self.settings)

    def project(self, view: LabelledView, costs: CostTable, grid: CostGrid
                ) -> observation.Projection:
        """Project one view; see :mod:`labelled_view`."""
        found = self.scan(view, costs)
        geometry = grid.geometry
        obstacles = _obstacles(found, view, geometry.resolution)
        ground, ground_costs = _ground(found, view, costs, geometry)
        new = obstacles.foot_seen.copy()
        if not new.all():
            hidden = np.flatnonzero(~new)
            new[hidden] = ~cells.held_before(
                grid.lethal_cells(), geometry, view.pose, found.table.foot, obstacles.x[hidden],
                obstacles.y[hidden])
        static, dynamic = cells.obstacle_evidence(obstacles.only(new), view.pose, costs, geometry)
        return observation.Projection(
            observation.Observation(ground, ground_costs, static, dynamic), obstacles,
            _clear_points(found, view, geometry.resolution))


def _obstacles(found: Scan, view: LabelledView, resolution: float) -> observation.Obstacles:
    table = found.table
    bins = np.flatnonzero(np.isfinite(found.contact))
    distance = found.contact[bins]
    deep = found.contact_depth[bins]
    # Confidence is lowest at the border itself; the obstacle's inside speaks for it.
    sure = np.maximum(view.confidence_at(found.contact_pixel[bins]), view.confidence_at(deep))
    weights = sure * range_weights(distance, table.height, view.camera, resolution)
    return observation.Obstacles(
        table.foot[0] + distance * table.directions[bins, 0],
        table.foot[1] + distance * table.directions[bins, 1],
        view.labels[deep], sure, weights, found.foot_seen[bins])


def _ground(found: Scan, view: LabelledView, costs: CostTable, geometry: observation.GridGeometry
            ) -> 'Tuple[observation.Evidence, Floats]':
    table = found.table
    # The foot point, and the farthest points seen: 0 where a bin sees nothing.
    edge = np.append(found.seen[:, None] * table.directions, np.zeros((1, 2)), axis=0)
    near = cells.cells_between(geometry, view.pose.odom_from_ground, table.foot,
                               edge + np.array(table.foot))
    bins, inside = table.bins_of(near.x, near.y)
    limit = found.seen[bins]
    squared = near.x * near.x + near.y * near.y
    before = np.flatnonzero(inside & (squared < limit * limit))
    pixels = scan_table.pixel_indices(
        view.camera, inverse(view.pose.ground_from_camera),
        near.x[before] + np.float32(table.foot[0]), near.y[before] + np.float32(table.foot[1]))
    shown = view.labels[pixels]
    ground = np.flatnonzero(costs.kinds[shown] == GROUND)
    weights = range_weights(np.sqrt(squared[before[ground]]), table.height, view.camera,
                            geometry.resolution) * view.confidence_at(pixels[ground])
    return (observation.Evidence(near.cells[before[ground]], weights),
            costs.costs[shown[ground]].astype(np.float32))


def _clear_points(found: Scan, view: LabelledView, resolution: float
                  ) -> observation.GroundPoints:
    """Return one point per group of bins that is as wide as a cell is at the farthest range."""
    table = found.table
    farthest = max(float(table.ranges[-1]), resolution)
    group = max(1, int(resolution / farthest / table.step))
    starts = np.arange(0, len(found.clear), group)
    # The nearest clear range of a group: Nav2 clears everything on the line to the point.
    nearest = np.minimum.reduceat(found.clear, starts)
    starts, nearest = starts[nearest > 0.0], nearest[nearest > 0.0]
    middle = np.minimum(starts + group // 2, len(found.clear) - 1)
    pixels = np.minimum(found.clear_pixel[middle], len(view.labels) - 2)
    return observation.GroundPoints(
        table.foot[0] + nearest * table.directions[middle, 0],
        table.foot[1] + nearest * table.directions[middle, 1],
        view.labels[pixels], view.confidence_at(pixels))
