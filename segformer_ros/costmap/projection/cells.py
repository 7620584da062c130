# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the projections share: cells in view, obstacles as cells, marks before a point."""

from typing import Any, NamedTuple, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import observation
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.grid import CostGrid

GROWN_MARGIN = 2
"""Cells: one that marks grow by, and one for the rounding of a point on a cell's edge."""


class CellRectangle(NamedTuple):
    """
    A rectangle of cells of a grid, axis-aligned in odom.

    ``corner`` is its first cell and ``width`` the cells in a row of the grid. Cell (column, row)
    lies at ``column_x[column] + row_x[row]`` and ``column_y[column] + row_y[row]``: float32 metres
    relative to the camera's foot point, along the ground frame's axes.
    """

    corner: int
    width: int
    column_x: arrays.Float32
    row_x: arrays.Float32
    column_y: arrays.Float32
    row_y: arrays.Float32


class GroundCells(NamedTuple):
    """
    Cells of a grid near a camera, seen from its ground frame.

    ``cells`` (N,) intp; ``x``, ``y`` (N,) float32 metres relative to the camera's foot point,
    along the ground frame's axes.
    """

    cells: arrays.Index
    x: arrays.Float32
    y: arrays.Float32


def rectangle_between(geometry: observation.GridGeometry, odom_from_ground: arrays.Float64,
                      foot: Tuple[float, float], outline: arrays.Float64) -> CellRectangle:
    """
    Return the rectangle of cells around a part of the ground.

    The rectangle is axis-aligned in odom, so the work grows with what is in view, not with the
    grid. A ground frame that is tilted against odom is projected along odom's z.

    :param odom_from_ground: (4, 4)
    :param foot: x, y that the result is relative to, in the ground frame, metres
    :param outline: (N, 2) points of the ground frame that the rectangle must hold
    """
    turn = odom_from_ground[:2, :2]
    middle = turn.dot(np.array(foot)) + odom_from_ground[:2, 3]
    x, y = to_odom(odom_from_ground, outline[:, 0], outline[:, 1])
    low_x, high_x = _window(x, geometry.origin_x, geometry.resolution, geometry.width)
    low_y, high_y = _window(y, geometry.origin_y, geometry.resolution, geometry.height)
    centers_x, centers_y = geometry.centers()
    dx = centers_x[low_x:high_x] - middle[0]
    dy = centers_y[low_y:high_y] - middle[1]
    back = np.array([[turn[1, 1], -turn[0, 1]], [-turn[1, 0], turn[0, 0]]]) / (
        turn[0, 0] * turn[1, 1] - turn[0, 1] * turn[1, 0])
    return CellRectangle(
        low_y * geometry.width + low_x, geometry.width,
        (back[0, 0] * dx).astype(np.float32), (back[0, 1] * dy).astype(np.float32),
        (back[1, 0] * dx).astype(np.float32), (back[1, 1] * dy).astype(np.float32))


def cells_of(rectangle: CellRectangle) -> GroundCells:
    """Return the cells of a rectangle, row by row."""
    cells = (rectangle.corner + rectangle.width * np.arange(len(rectangle.row_x))[:, None]
             + np.arange(len(rectangle.column_x)))
    return GroundCells(cells.reshape(-1),
                       (rectangle.column_x + rectangle.row_x[:, None]).reshape(-1),
                       (rectangle.column_y + rectangle.row_y[:, None]).reshape(-1))


def cells_between(geometry: observation.GridGeometry, odom_from_ground: arrays.Float64,
                  foot: Tuple[float, float], outline: arrays.Float64) -> GroundCells:
    """Return the cells of :func:`rectangle_between`."""
    return cells_of(rectangle_between(geometry, odom_from_ground, foot, outline))


def obstacle_evidence(
        obstacles: observation.Obstacles, pose: CameraPose, costs: CostTable,
        geometry: observation.GridGeometry) -> Tuple[observation.Evidence, observation.Evidence]:
    """Return the cells of obstacle points: those that stay, and those that move."""
    x, y = to_odom(pose.odom_from_ground, obstacles.x, obstacles.y)
    cells, inside = geometry.indices(x, y)
    moving = costs.dynamic[obstacles.labels]
    return (observation.strongest(cells[inside & ~moving], obstacles.weights[inside & ~moving]),
            observation.strongest(cells[inside & moving], obstacles.weights[inside & moving]))


def held_before(grid: CostGrid, pose: CameraPose, foot: Tuple[float, float], x: arrays.Float32,
                y: arrays.Float32) -> arrays.Bool:
    """
    Return which points have an obstacle in the grid between them and the camera.

    When an obstacle leaves the view at the lower edge, what is still seen of it projects behind
    its foot. The grid knows the foot from before, and a second mark behind it would be false.

    :param grid: holds the obstacles
    :param foot: the camera's foot point in the ground frame, metres
    :param x: points in the ground frame, (N,) metres, one or more
    :param y: likewise
    """
    geometry = grid.geometry
    window = geometry.window(*to_odom(pose.odom_from_ground, np.append(x, foot[0]),
                                      np.append(y, foot[1])), margin=GROWN_MARGIN)
    lethal = grid.lethal_cells(0.0, window)
    if not lethal.any():
        return np.zeros(len(x), np.bool_)
    grown = grown_marks(lethal, window, geometry)
    distance = np.hypot(x - foot[0], y - foot[1])
    steps = max(2, int(np.ceil(2.0 * float(distance.max()) / geometry.resolution)))
    share = np.linspace(0.0, 1.0, steps)[None, :]
    cells, inside = geometry.indices(*to_odom(
        pose.odom_from_ground, foot[0] + share * (x - foot[0])[:, None],
        foot[1] + share * (y - foot[1])[:, None]))
    # The grown mark of the point itself is not an obstacle before it.
    nearer = (1.0 - share) * distance[:, None] > 3.0 * geometry.resolution
    return (grown[cells] & inside & nearer).any(axis=1)


def grown_marks(marked: arrays.Bool, window: observation.Window,
                geometry: observation.GridGeometry) -> arrays.Bool:
    """
    Return marks grown by a cell: a line of samples slips through those that touch at corners.

    :param marked: (rows, columns) of the window, with GROWN_MARGIN cells around what is asked for
    :return: by cell of the grid; false outside the window
    """
    grown = np.zeros((geometry.height, geometry.width), np.bool_)
    grown[window] = cv2.dilate(marked.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return grown.reshape(-1)


def to_odom(odom_from_ground: arrays.Float64, x: Any, y: Any
            ) -> Tuple[arrays.Float64, arrays.Float64]:
    """Return points of the ground plane in odom, seen along odom's z; metres in float64."""
    # Else numpy before 2 would stay with float32.
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    m = odom_from_ground
    return m[0, 0] * x + m[0, 1] * y + m[0, 3], m[1, 0] * x + m[1, 1] * y + m[1, 3]


def _window(points: arrays.Float64, origin: float, resolution: float, count: int
            ) -> Tuple[int, int]:
    low = int(np.floor((points.min() - origin) / resolution))
    high = int(np.ceil((points.max() - origin) / resolution)) + 1
    return min(max(low, 0), count), min(max(high, 0), count)
