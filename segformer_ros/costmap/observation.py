# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What one frame says about the grid, and where it says it: the projections' common result."""

from typing import NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays

Window = Tuple[slice, slice]
"""Rows and columns of a grid."""


class GridGeometry(NamedTuple):
    """
    Where a grid lies: the corner of cell (0, 0) in metres, the cell size, and the cell counts.

    Cell (mx, my) has the index ``my * width + mx`` and covers ``origin + resolution * [m, m+1)``.
    """

    origin_x: float
    origin_y: float
    resolution: float
    width: int
    height: int

    def indices(self, x: arrays.Float64, y: arrays.Float64) -> Tuple[arrays.Index, arrays.Bool]:
        """
        Return the cells that hold points.

        :param x: world coordinates, metres, any shape
        :param y: same shape
        :return: indices (0 for points outside), and whether a point is inside; same shape
        """
        mx = np.floor((x - self.origin_x) / self.resolution)
        my = np.floor((y - self.origin_y) / self.resolution)
        inside = (mx >= 0) & (mx < self.width) & (my >= 0) & (my < self.height)
        return np.where(inside, my * self.width + mx, 0).astype(np.intp), inside

    def window(self, x: arrays.Float64, y: arrays.Float64, margin: int = 0) -> Window:
        """
        Return the rows and columns of a rectangle of cells around points.

        :param x: world coordinates, metres, any shape, one or more
        :param y: same shape
        :param margin: cells beyond the outermost points
        """
        parts = []
        for points, origin, count in ((y, self.origin_y, self.height),
                                      (x, self.origin_x, self.width)):
            low = int((float(points.min()) - origin) // self.resolution) - margin
            high = int((float(points.max()) - origin) // self.resolution) + 1 + margin
            parts.append(slice(min(max(low, 0), count), min(max(high, 0), count)))
        return parts[0], parts[1]

    def centers(self) -> Tuple[arrays.Float64, arrays.Float64]:
        """Return the world x of all columns (width,) and the world y of all rows (height,)."""
        columns = np.arange(self.width, dtype=np.float64)
        rows = np.arange(self.height, dtype=np.float64)
        return (self.origin_x + self.resolution * (columns + 0.5),
                self.origin_y + self.resolution * (rows + 0.5))


class Evidence(NamedTuple):
    """Cells, each once, and how strongly they were seen: (N,) intp and (N,) float32, 0..1."""

    cells: arrays.Index
    weights: arrays.Float32


class Observation(NamedTuple):
    """
    One frame in cells of a grid.

    ``ground`` was seen free of obstacles, with ``ground_costs`` (N,) float32, 0..98; ``static``
    and ``dynamic`` hold obstacles that stay and that move. Obstacles win where both are given.
    """

    ground: Evidence
    ground_costs: arrays.Float32
    static: Evidence
    dynamic: Evidence


class Obstacles(NamedTuple):
    """
    Obstacle points on the ground, in the ground frame.

    ``x``, ``y`` (N,) float32 metres; ``labels`` (N,) uint8 class ids; ``confidences`` (N,)
    float32 0..1; ``weights`` (N,) float32 0..1, confidence times range weight; ``foot_seen``
    (N,) is false where only the upper part is in view: the foot lies nearer than x, y, or x, y is
    a place in the strip below the view where it may be.
    """

    x: arrays.Float32
    y: arrays.Float32
    labels: arrays.UInt8
    confidences: arrays.Float32
    weights: arrays.Float32
    foot_seen: arrays.Bool

    def only(self, chosen: arrays.Bool) -> 'Obstacles':
        """Return the points that a (N,) flag chooses."""
        return Obstacles(self.x[chosen], self.y[chosen], self.labels[chosen],
                         self.confidences[chosen], self.weights[chosen], self.foot_seen[chosen])


class GroundPoints(NamedTuple):
    """Points on the ground up to which nothing stands, in the ground frame; fields as above."""

    x: arrays.Float32
    y: arrays.Float32
    labels: arrays.UInt8
    confidences: arrays.Float32


class Projection(NamedTuple):
    """
    One frame: cells for the grid, points for the clouds.

    ``doubtful`` (N,) are cells in view that show neither ground nor an obstacle; None where the
    projection does not tell.
    """

    observation: Observation
    obstacles: Obstacles
    ground_points: GroundPoints
    doubtful: Optional[arrays.Index] = None


def nothing_seen() -> Projection:
    """Return a frame that says nothing about any cell."""
    none, places = np.zeros(0, np.float32), np.zeros(0, np.intp)
    labels, nowhere = np.zeros(0, np.uint8), Evidence(places, none)
    return Projection(Observation(nowhere, none, nowhere, nowhere),
                      Obstacles(none, none, labels, none, none, np.zeros(0, np.bool_)),
                      GroundPoints(none, none, labels, none))


def without_ground(projection: Projection) -> Projection:
    """Return a frame's obstacles alone: it marks, and clears nothing."""
    none = np.zeros(0, np.float32)
    return projection._replace(
        observation=projection.observation._replace(
            ground=Evidence(np.zeros(0, np.intp), none), ground_costs=none),
        ground_points=GroundPoints(none, none, np.zeros(0, np.uint8), none))


def first_of_each(numbers: arrays.Index, count: int) -> arrays.Index:
    """
    Return where each number stands first, by rising number.

    :param numbers: (N,) 0 to ``count`` - 1
    """
    first = np.full(count, -1, np.intp)
    # Of equal indices the last assignment stays: backwards, that is the first number.
    first[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1)
    return first[first >= 0]


def strongest(cells: arrays.Index, weights: arrays.Float32) -> Evidence:
    """
    Return each cell once, with its greatest weight.

    Near the robot dozens of rays meet in one cell; summed up, one frame would count dozenfold.
    """
    if not len(cells):
        return Evidence(np.zeros(0, np.intp), np.zeros(0, np.float32))
    order = np.argsort(cells, kind='mergesort')
    cells, weights = cells[order], weights[order]
    starts = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
    return Evidence(cells[starts], np.maximum.reduceat(weights, starts).astype(np.float32))
