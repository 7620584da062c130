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

Where the plane says that ground within range is in view, a depth camera that works measures that
ground, or what stands before it. One that is covered, off or blinded by the sun measures nothing
there, and neither does one whose millimetres are taken for metres: such images are refused.
"""

from typing import Any, List, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap import cost_table
from segformer_ros.costmap import observation
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.projection.cells import obstacle_evidence
from segformer_ros.costmap.projection.cells import to_odom
from segformer_ros.costmap.projection.kernels import Measured
from segformer_ros.costmap.projection.kernels import ProjectionKernels
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import PlaneSamples
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
# Of the samples that look at ground in reach. A camera that works measures most of them, and a
# tenth on black or wet floor or in the sun; specks of noise in a blind one are some per mille.
_LEAST_SHARE = 0.01
# Of the picture: of less ground in view nothing is concluded, since a camera that looks up sees
# sky above it.
_LEAST_GROUND = 0.01


class DepthProjector:
    """
    Projects the masks of one camera with their depth images.

    :param projection: ``max_range`` is used
    :param settings: height gates and counts
    :param ego_mask: (H, W) uint8, 255 where the camera sees its own robot
    :param kernels: do the same faster
    """

    def __init__(self, projection: ProjectionSettings, settings: DepthSettings,
                 ego_mask: Optional[arrays.UInt8] = None,
                 kernels: Optional[ProjectionKernels] = None) -> None:
        self._kernels = kernels
        self.projection = projection
        self.settings = settings
        self.ego_mask = ego_mask
        self._camera: Optional[CameraModel] = None
        self._pixels: arrays.Int32 = np.zeros(0, np.int32)
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
        ground, obstacles = (sort_points if self._kernels is None else self._kernels.sort_points)(
            self._directions, self._pixels, depth, view, costs, geometry, _NEAREST,
            self.projection.max_range, self.settings)
        blocked = _blocked_cells(obstacles, costs, geometry, self.settings.min_points)
        return observation.Projection(
            _observation(ground, blocked, view, costs, geometry), blocked,
            _clear_points(ground, blocked, view, geometry, self.projection.max_range))

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
        self._pixels = index[usable].astype(np.int32)
        self._directions = np.ascontiguousarray((rays[usable] / rays[usable, 2:]).T)
        self._camera = camera


def sort_points(directions: arrays.Float32, pixels: arrays.Int32, depth: arrays.Float32,
                view: LabelledView, costs: cost_table.CostTable,
                geometry: observation.GridGeometry, nearest: float, max_range: float,
                settings: DepthSettings) -> Tuple[Measured, Measured]:
    """Return the ground and the obstacles of a view; see :meth:`ProjectionKernels.sort_points`."""
    distance = depth[pixels]
    with np.errstate(invalid='ignore'):
        valid = (distance > nearest) & (distance < np.inf)
    pixels, distance = pixels[valid], distance[valid]
    rows = view.pose.ground_from_camera[:3].tolist()
    local = directions[:, valid] * distance
    # What is too far for float32 is far out of range.
    with np.errstate(over='ignore', invalid='ignore'):
        x, y, z = (row[0] * local[0] + row[1] * local[1] + row[2] * local[2] + row[3]
                   for row in rows)
        aside_x, aside_y = x - np.float32(rows[0][3]), y - np.float32(rows[1][3])
        out = np.sqrt(aside_x * aside_x + aside_y * aside_y)
        cells, inside = geometry.indices(*to_odom(view.pose.odom_from_ground, x, y))
        inside &= out <= max_range
    shown = view.labels[pixels]
    sorted_points = sort_by_height(z, out, shown, costs, settings)
    sure = view.confidence_at(pixels)
    points: List[Any] = [cells, x, y, sure, shown, sorted_points.misnamed]
    ground, obstacles = (
        Measured(*[each[chosen] for each in points])
        for chosen in (np.flatnonzero(sorted_points.ground & inside),
                       np.flatnonzero(sorted_points.obstacle & inside)))
    return ground, obstacles


def _blocked_cells(points: Measured, costs: cost_table.CostTable,
                   geometry: observation.GridGeometry, min_points: int) -> observation.Obstacles:
    """Return one obstacle point per cell that holds enough of them."""
    count = geometry.width * geometry.height
    hits = np.bincount(points.cells, minlength=count)
    places = np.flatnonzero(hits >= min_points)
    number = np.maximum(hits[places], 1)
    # Any of a cell's points may name it; one that moves is preferred, since it fades sooner.
    name = np.zeros(count, np.uint8)
    name[points.cells] = points.labels
    moving = costs.dynamic[points.labels]
    name[points.cells[moving]] = points.labels[moving]
    means = [(np.bincount(points.cells, weights=values, minlength=count)[places] / number).astype(
        np.float32) for values in (points.x, points.y, points.sure)]
    return observation.Obstacles(means[0], means[1], name[places], means[2], means[2],
                                 np.ones(len(places), np.bool_))


def _observation(ground: Measured, blocked: observation.Obstacles, view: LabelledView,
                 costs: cost_table.CostTable, geometry: observation.GridGeometry
                 ) -> observation.Observation:
    count = geometry.width * geometry.height
    values = ground_costs(ground.labels, ground.misnamed, costs)
    number = np.bincount(ground.cells, minlength=count)
    places = np.flatnonzero(number)
    mean_cost = np.bincount(ground.cells, weights=values, minlength=count)[places]
    mean_sure = np.bincount(ground.cells, weights=ground.sure, minlength=count)[places]
    number = number[places]
    return observation.Observation(
        observation.Evidence(places, (mean_sure / number).astype(np.float32)),
        (mean_cost / number).astype(np.float32),
        *obstacle_evidence(blocked, view.pose, costs, geometry))


def _clear_points(ground: Measured, blocked: observation.Obstacles, view: LabelledView,
                  geometry: observation.GridGeometry,
                  max_range: float) -> observation.GroundPoints:
    """Return the farthest unbroken ground of every bin of azimuth, as wide as a far cell is."""
    first = observation.first_of_each(ground.cells, geometry.width * geometry.height)
    x, y, sure = ground.x[first], ground.y[first], ground.sure[first]
    shown = np.where(ground.misnamed[first], np.uint8(UNLABELED), ground.labels[first])
    foot = np.array(view.foot, np.float32)
    step = geometry.resolution / max_range
    bins, out = _polar(x - foot[0], y - foot[1], step)
    wall_bins, wall_out = _polar(blocked.x - foot[0], blocked.y - foot[1], step)
    nearest = np.full(int(np.ceil(8.0 / step)) + 2, np.inf)
    # A cell blocks every bin that it covers, not only that of its middle.
    covered = np.ceil(geometry.resolution / (np.maximum(wall_out, geometry.resolution) * step))
    widest = int(covered.max()) if len(covered) else 0
    # Of several that block a bin the nearest one is written last.
    far_first = np.argsort(-wall_out, kind='mergesort')
    wall_bins, wall_out, covered = wall_bins[far_first], wall_out[far_first], covered[far_first]
    for offset in range(-widest, widest + 1):
        wide = covered >= abs(offset)
        places = np.clip(wall_bins[wide] + offset, 0, len(nearest) - 1)
        own = np.full(len(nearest), np.inf)
        own[places] = wall_out[wide]
        np.minimum(nearest, own, out=nearest)
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
    around = azimuth(x, y)
    around[np.isnan(around)] = 0.0
    return ((around + 4.0) / step).astype(np.intp), np.hypot(x, y)


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
        self._samples = PlaneSamples(max_range)

    def check(self, view: LabelledView) -> None:
        """
        Check that a view's depth image measures some of what is in reach.

        :param view: with depth in metres
        :raises BlindDepthError: it does not
        :raises InvalidInputError: depth and mask differ in size
        """
        depth = view.flat_depth()
        self._samples.look(view)
        pixels = self._samples.pixels
        distance = depth[pixels]
        looks = np.isfinite(self._samples.depth)
        if self._ego_mask is not None:
            looks &= self._ego_mask.reshape(-1)[pixels] == 0
        with np.errstate(invalid='ignore', over='ignore'):
            measured = looks & (distance > 0.0) & np.isfinite(distance)
            reached = measured & (distance > _NEAREST) & (
                distance * self._samples.aside <= self._max_range)
        ground, found = np.count_nonzero(looks), np.count_nonzero(reached)
        if ground >= _LEAST_GROUND * pixels.size and found < _LEAST_SHARE * ground:
            raise BlindDepthError(
                'Depth image measures nothing in reach',
                got=f'{found:,} of {ground:,} samples of ground within projection.max_range '
                    f'measured within it, {np.count_nonzero(measured):,} above 0',
                expected=f'{100.0 * _LEAST_SHARE:g} % or more of them',
                remedy='Look for a depth camera that is covered, off or blinded, or for '
                       'millimetres in a 32FC1 image, which holds metres.')
