# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A mask on flat ground: which cells are ground, where obstacles stand, how far it is clear.

Cells look up their pixel (a gather), so the grid has no holes far away, where neighbouring
pixels lie several cells apart. Obstacles go the other way: the foot of each is looked for in
the mask and projected, so that a thin one is not missed between two cell centres.
"""

from typing import NamedTuple, Optional, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap import observation
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.projection import blind_strip
from segformer_ros.costmap.projection import cells
from segformer_ros.costmap.projection import contact_scan
from segformer_ros.costmap.projection import scan_table
from segformer_ros.costmap.projection.contact_scan import Scan
from segformer_ros.costmap.projection.kernels import ProjectionKernels
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.settings import ProjectionSettings
from segformer_ros.model.classes import UNLABELED

# Of the image's width: half of how far from its foot an obstacle's inside is looked for. Networks
# answer at a quarter of their input's width, here about an answer and a half.
_INSIDE_SHARE = 70
# Turning and shifting by less than this moves no sample by a tenth of a pixel.
_SAME_POSE = 1e-5


def range_weights(distance: arrays.Float32, height: float, camera: CameraModel, resolution: float
                  ) -> arrays.Float32:
    """
    Return how well a range is known, 0..1: cell size over what a pixel covers, at most 1.

    A pixel at the ground distance d covers (h^2 + d^2) / (h f) metres along the ray.

    :param distance: ground distances, metres
    :param height: of the camera, metres
    :param resolution: cell size, metres
    """
    covered = (height * height + distance * distance) / (height * camera.fy)
    return np.minimum(resolution / covered, 1.0).astype(np.float32)


class _Mount(NamedTuple):
    """A camera, the outline of its view, and its (4, 4) pose."""

    camera: CameraModel
    outline: scan_table.ViewRays
    ground_from_camera: arrays.Float64


class GroundProjector:
    """
    Projects the masks of one camera; keeps the tables of its mount while that does not move.

    :param settings: ranges and thresholds
    :param ego_mask: (H, W) uint8, 255 where the camera sees its own robot
    :param kernels: do the same faster
    """

    def __init__(self, settings: ProjectionSettings, ego_mask: Optional[arrays.UInt8] = None,
                 kernels: Optional[ProjectionKernels] = None) -> None:
        self.settings = settings
        self.ego_mask = ego_mask
        self._kernels = kernels
        self._mount: Optional[_Mount] = None
        self._table: Optional[scan_table.ScanTable] = None
        self._strip: Optional[blind_strip.BlindStrip] = None
        self._lines: Optional[blind_strip.StripLines] = None

    def table(self, camera: CameraModel, ground_from_camera: arrays.Float64
              ) -> scan_table.ScanTable:
        """Return the scan table of a mount, made anew only when camera or mount changed."""
        return self._laid(self._mount_of(camera, ground_from_camera)[0])

    def scan(self, view: LabelledView, costs: cost_table.CostTable) -> Scan:
        """Return the first obstacle in every direction; see :func:`contact_scan.scan`."""
        mount, stays = self._mount_of(view.camera, view.pose.ground_from_camera)
        if self._kernels is not None and not stays:
            # A table is worth its while where it is used again.
            bins = scan_table.lay_lines(*mount, self.settings)
            found = self._kernels.walk_bins(
                view.camera, bins.lines, bins.ranges, bins.begin, self.ego_mask,
                contact_scan.reading_of(view.labels, costs.kinds, self.settings))
            if found is not None:
                samples, shown = found
                return Scan(bins.table(samples), *shown)
        return contact_scan.scan(self._laid(mount), view.labels, costs.kinds, self.settings,
                                 self._kernels)

    def _mount_of(self, camera: CameraModel, ground_from_camera: arrays.Float64
                  ) -> Tuple[_Mount, bool]:
        """Return the mount that counts, and whether it is that of the last time."""
        mount = self._mount
        if mount is not None and camera is mount.camera:
            if np.abs(ground_from_camera - mount.ground_from_camera).max() <= _SAME_POSE:
                return mount, True
            outline = mount.outline
        else:
            outline = scan_table.view_rays(camera)
        self._mount = _Mount(camera, outline, ground_from_camera.copy())
        self._table = self._strip = self._lines = None
        return self._mount, False

    def _laid(self, mount: _Mount) -> scan_table.ScanTable:
        if self._table is None:
            self._table = scan_table.build_scan_table(*mount, self.settings, self.ego_mask,
                                                      self._kernels)
        return self._table

    def project(self, view: LabelledView, costs: cost_table.CostTable, grid: CostGrid
                ) -> observation.Projection:
        """Project one view; see :mod:`labelled_view`."""
        found = self.scan(view, costs)
        geometry = grid.geometry
        power = self.settings.confidence_power
        obstacles = _obstacles(found, view, costs, geometry.resolution, power)
        bins = np.flatnonzero(np.isfinite(found.contact))
        edge, strip = self._strip_of(found, view, costs, grid, obstacles)
        ground = _ground(found, _raised(view, power), costs, geometry, self._kernels)
        new = obstacles.foot_seen.copy()
        blind = (found.blind & (edge > 0.0))[bins]
        # Where the strip has no place for it, it stands where the view begins.
        at_edge = blind & (False if strip is None else ~strip.placed[bins])
        hidden = np.flatnonzero(~new & (~blind | at_edge))
        if len(hidden):
            new[hidden] = ~cells.held_before(
                grid, view.pose, found.table.foot, obstacles.x[hidden], obstacles.y[hidden])
        static, dynamic = cells.obstacle_evidence(obstacles.only(new & ~blind), view.pose, costs,
                                                  geometry)
        if strip is not None:
            # Guesses: they fade as fast as what moves, once it is no longer seen, and no later
            # image takes them for a foot.
            rest = new & at_edge
            guessed, inside = geometry.indices(*cells.to_odom(
                view.pose.odom_from_ground,
                np.append(strip.fill.x[strip.may_stand], obstacles.x[rest]),
                np.append(strip.fill.y[strip.may_stand], obstacles.y[rest])))
            weights = np.append(strip.fill.weights[strip.may_stand], obstacles.weights[rest])
            dynamic = observation.strongest(np.append(dynamic.cells, guessed[inside]),
                                            np.append(dynamic.weights, weights[inside]))
        return observation.Projection(
            observation.Observation(observation.Evidence(ground.cells, ground.weights),
                                    ground.costs, static, dynamic),
            obstacles if strip is None else _with_strip(obstacles, found, strip, edge),
            _clear_points(found, strip, view, geometry.resolution))

    def _strip_of(self, found: Scan, view: LabelledView, costs: cost_table.CostTable,
                  grid: CostGrid, obstacles: observation.Obstacles
                  ) -> Tuple[arrays.Float32, Optional[blind_strip.Strip]]:
        if self._strip is None:
            self._strip = blind_strip.lay_strip(found.table, view.camera.size_wh)
        holds_foot = blind_strip.stands_in(self._strip, view.pose, grid)
        if not holds_foot and not found.blind.any():
            return self._strip.edge, None
        if self._lines is None or self._lines.resolution != grid.geometry.resolution:
            self._lines = blind_strip.lay_lines(self._strip, found.table,
                                                grid.geometry.resolution,
                                                self.settings.robot_radius)
        bins = np.flatnonzero(np.isfinite(found.contact))
        labels = np.full(len(found.contact), UNLABELED, np.uint8)
        labels[bins] = obstacles.labels
        sure = np.zeros(len(found.contact), np.float32)
        sure[bins] = obstacles.confidences
        return self._strip.edge, blind_strip.look_into(
            self._strip, self._lines,
            blind_strip.StripView(found.blind, costs.dynamic[labels], labels, sure), view.pose,
            grid, holds_foot)


def _with_strip(obstacles: observation.Obstacles, found: Scan, strip: blind_strip.Strip,
                edge: arrays.Float32) -> observation.Obstacles:
    """Return the points of one image with those of the strip that it does not show."""
    table = found.table
    known = np.isfinite(strip.remembered)
    bins = np.flatnonzero(np.isfinite(found.contact))
    # What fills the view stands where the grid remembers its foot, not at the view's edge.
    rest = obstacles.only(~(known & found.blind & (edge > 0.0))[bins])
    held = np.flatnonzero(known)
    labels = np.full(len(known), UNLABELED, np.uint8)
    labels[bins] = np.where(found.blind[bins], obstacles.labels, UNLABELED)
    sure = np.ones(len(held), np.float32)
    remembered = observation.Obstacles(
        table.foot[0] + strip.remembered[held] * table.directions[held, 0],
        table.foot[1] + strip.remembered[held] * table.directions[held, 1],
        labels[held], sure, sure, np.zeros(len(held), np.bool_))
    parts = (rest, remembered, strip.fill)
    return observation.Obstacles(
        np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.confidences for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.foot_seen for part in parts]))


def _obstacles(found: Scan, view: LabelledView, costs: cost_table.CostTable, resolution: float,
               power: float) -> observation.Obstacles:
    table = found.table
    bins = np.flatnonzero(np.isfinite(found.contact))
    distance = found.contact[bins]
    deep = found.contact_depth[bins]
    labels = view.labels[deep]
    sure = np.maximum(np.maximum(view.confidence_at(found.contact_pixel[bins]),
                                 view.confidence_at(deep)), _sure_inside(view, costs, deep))
    weights = np.where(costs.dynamic[labels], sure, sure ** np.float32(power))
    weights *= range_weights(distance, table.height, view.camera, resolution)
    return observation.Obstacles(table.foot[0] + distance * table.directions[bins, 0],
                                 table.foot[1] + distance * table.directions[bins, 1],
                                 labels, sure, weights, found.foot_seen[bins])


def _sure_inside(view: LabelledView, costs: cost_table.CostTable, pixels: arrays.Int32
                 ) -> arrays.Float32:
    """
    Return the greatest confidence of obstacle pixels around some pixels, 0..1.

    Networks answer on a coarser grid than the image's. Between an answer of ground and one of an
    obstacle they are sure of neither, so the foot of a wall looks like a stain on the floor. The
    inside of the wall does not.
    """
    if view.confidences is None:
        return np.ones(len(pixels), np.float32)
    width, height = view.camera.size_wh
    step = max(1, width // _INSIDE_SHARE)
    offsets = np.array([-2 * step, -step, 0, step, 2 * step])
    rows = np.clip((pixels // width)[:, None] + offsets, 0, height - 1) * width
    columns = np.clip((pixels % width)[:, None] + offsets, 0, width - 1)
    around = (rows[:, :, None] + columns[:, None, :]).reshape(len(pixels), len(offsets) ** 2)
    is_obstacle = costs.kinds[view.labels[around]] == cost_table.OBSTACLE
    return (view.confidences[around] * is_obstacle).max(axis=1) * np.float32(1.0 / 255.0)


def _raised(view: LabelledView, power: float) -> LabelledView:
    """Return a view whose confidence is a power of the former, to the nearest of its 256 steps."""
    if view.confidences is None or power == 1.0:
        return view
    table = np.rint(255.0 * (np.arange(256) / 255.0) ** power).astype(np.uint8)
    return view._replace(confidences=np.asarray(cv2.LUT(view.confidences, table),
                                                np.uint8).reshape(-1))


class GroundCosts(NamedTuple):
    """Cells that show ground: (N,) intp, and float32 weights 0..1 and costs 0..98."""

    cells: arrays.Index
    weights: arrays.Float32
    costs: arrays.Float32


def _ground(found: Scan, view: LabelledView, costs: cost_table.CostTable,
            geometry: observation.GridGeometry, kernels: Optional[ProjectionKernels]
            ) -> GroundCosts:
    table = found.table
    # The foot point, and the farthest points seen: 0 where a bin sees nothing.
    edge = np.append(found.seen[:, None] * table.directions, np.zeros((1, 2)), axis=0)
    near = cells.rectangle_between(geometry, view.pose.odom_from_ground, table.foot,
                                   edge + np.array(table.foot))
    if kernels is not None:
        ahead_x, ahead_y = table.heading.tolist()
        shown = kernels.ground_cells(
            view.camera, (ahead_x, ahead_y, table.start, 1.0 / table.step), found.seen, near,
            table.foot, inverse(view.pose.ground_from_camera), table.height, geometry.resolution,
            view.labels, costs.kinds, costs.costs, view.confidences)
        if shown is not None:
            return GroundCosts(*shown)
    return ground_cells(found.table, found.seen, cells.cells_of(near), view, costs,
                        geometry.resolution)


def ground_cells(table: scan_table.ScanTable, seen: arrays.Float32, near: cells.GroundCells,
                 view: LabelledView, costs: cost_table.CostTable, resolution: float
                 ) -> GroundCosts:
    """
    Return the cells that show ground, up to where each bin of a table ends.

    :param seen: (A,) range up to which each bin is looked at, metres
    :param near: the cells that are asked
    :param resolution: cell size, metres
    """
    bins, inside = table.bins_of(near.x, near.y)
    limit = seen[bins]
    squared = near.x * near.x + near.y * near.y
    before = np.flatnonzero(inside & (squared < limit * limit))
    pixels = scan_table.pixel_indices(
        view.camera, inverse(view.pose.ground_from_camera),
        near.x[before] + np.float32(table.foot[0]), near.y[before] + np.float32(table.foot[1]))
    shown = view.labels[pixels]
    ground = np.flatnonzero(costs.kinds[shown] == cost_table.GROUND)
    weights = range_weights(np.sqrt(squared[before[ground]]), table.height, view.camera,
                            resolution) * view.confidence_at(pixels[ground])
    return GroundCosts(near.cells[before[ground]], weights,
                       costs.costs[shown[ground]].astype(np.float32))


def _clear_points(found: Scan, strip: Optional[blind_strip.Strip], view: LabelledView,
                  resolution: float) -> observation.GroundPoints:
    """Return one point per group of bins that is as wide as a cell is at the farthest range."""
    table = found.table
    farthest = max(float(table.ranges[-1]), resolution)
    group = max(1, int(resolution / farthest / table.step))
    starts = np.arange(0, len(found.clear), group)
    # The nearest clear range of a group: Nav2 clears everything on the line to the point.
    # What is remembered in the strip that no image shows is not to be cleared by its ray.
    clear = found.clear if strip is None else np.where(
        np.isfinite(strip.remembered), np.float32(0.0), found.clear)
    nearest = np.minimum.reduceat(clear, starts)
    starts, nearest = starts[nearest > 0.0], nearest[nearest > 0.0]
    middle = np.minimum(starts + group // 2, len(found.clear) - 1)
    pixels = np.minimum(found.clear_pixel[middle], len(view.labels) - 2)
    return observation.GroundPoints(
        table.foot[0] + nearest * table.directions[middle, 0],
        table.foot[1] + nearest * table.directions[middle, 1],
        view.labels[pixels], view.confidence_at(pixels))
