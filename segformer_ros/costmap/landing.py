# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where a drone can land: the largest disc of ground that is wholly seen and wholly free."""

import math
from typing import NamedTuple, Optional, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.observation import GridGeometry

# Distances run between cell centres; a blocked cell begins up to half a diagonal nearer, and
# the disc's own centre is exact.
_HALF_DIAGONAL = math.sqrt(0.5)
# The grid holds this many times the height on its side: a view of 90 degrees, and some margin.
_HEIGHTS = 2.5
# A site that was told gives way to one with so many times its radius, as long as nobody is above
# it: whoever sinks towards a site must not be sent to another one.
_MUCH_LARGER = 1.5
# A grid has settings of its own bounds, whatever the height.
_SCALED = ('size', 'resolution', 'block')


class LandingSite(NamedTuple):
    """
    A free disc in the grid's frame, metres; ``cost`` is the mean of its cells, 0..98.

    ``z`` is the height of the ground in that frame, where it is known.
    """

    x: float
    y: float
    radius: float
    cost: float
    z: float = 0.0


def find_landing_site(occupancy: arrays.Int8, geometry: GridGeometry,
                      settings: costmap_settings.LandingSettings, near: Tuple[float, float],
                      moving: Optional[arrays.Bool] = None, held: Optional[LandingSite] = None
                      ) -> Optional[LandingSite]:
    """
    Return the largest landable disc, or None where no disc is large enough.

    Unknown cells and what lies outside the grid are not landable. Of discs that are equally
    large to within a cell, the one nearest to a point is taken, so that the answer keeps still.
    A disc that was told before keeps its middle until it is too small; or another one is much
    larger, and the point not above this one.

    :param occupancy: (height, width) int8 from CostGrid.to_occupancy
    :param geometry: of that grid
    :param near: x, y in the grid's frame, for example below the drone
    :param moving: (height, width) where people, animals and vehicles stand; None for nowhere
    :param held: the answer before this one
    """
    blocked = (occupancy < 0) | (occupancy > settings.max_cost)
    # What lies outside the grid is not landable, but nothing moves there as far as is known.
    radius = _distances(blocked, 1, geometry.resolution) - settings.clearance
    if moving is not None and settings.moving_clearance > settings.clearance and moving.any():
        radius = np.minimum(radius, _distances(moving, 0, geometry.resolution)
                            - settings.moving_clearance)
    largest = float(radius.max())
    if largest < settings.min_radius:
        return None
    xs, ys = geometry.centers()
    kept = -math.inf
    if held is not None:
        cells, inside = geometry.indices(np.array([held.x]), np.array([held.y]))
        row, column = divmod(int(cells[0]), geometry.width)
        if inside[0]:
            # The middle of the disc is not that of a cell.
            kept = float(radius[row, column]) - math.hypot(held.x - float(xs[column]),
                                                           held.y - float(ys[row]))
    if held is not None and kept >= settings.min_radius and (
            largest <= _MUCH_LARGER * kept
            or math.hypot(near[0] - held.x, near[1] - held.y) < kept):
        x, y, reach = held.x, held.y, kept
    else:
        rows, columns = np.nonzero(
            radius >= max(largest - geometry.resolution, settings.min_radius))
        best = int(np.argmin((xs[columns] - near[0]) ** 2 + (ys[rows] - near[1]) ** 2))
        x, y = float(xs[columns[best]]), float(ys[rows[best]])
        reach = float(radius[rows[best], columns[best]])
    inside = (xs[None, :] - x) ** 2 + (ys[:, None] - y) ** 2 <= reach ** 2
    # A disc of less than a cell may hold no cell's middle.
    cost = float(occupancy[inside].mean()) if inside.any() else 0.0
    return LandingSite(x, y, reach, cost)


def _distances(blocked: arrays.Bool, beyond: int, resolution: float) -> arrays.Float32:
    """
    Return how far each cell's middle is at least from all that is blocked, metres.

    :param beyond: 1 where what lies outside the grid is blocked
    """
    free = cv2.copyMakeBorder((~blocked).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT,
                              value=1 - beyond)
    distance = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return (distance - _HALF_DIAGONAL) * resolution


def grid_for_height(base: costmap_settings.GridSettings, height: float,
                    current: costmap_settings.GridSettings) -> costmap_settings.GridSettings:
    """
    Return the grid that suits a height: as many cells as ``base``, larger by powers of two.

    It changes only when the height has left the present size by a quarter, since a new grid
    starts empty. It grows no farther than the bounds of its settings: above that height it
    holds the middle of the view.

    :param base: grid on the ground
    :param height: of the camera above the ground, metres
    :param current: grid in use
    """
    needed = _HEIGHTS * height
    if 0.5 * current.size / 1.25 <= needed <= current.size or (
            current.size == base.size and needed <= base.size):
        return current
    room = min(costmap_settings.bounds_of(f'grid.{name}')[1] / getattr(base, name)
               for name in _SCALED)
    steps = min(math.ceil(math.log(max(needed, 1e-3) / base.size, 2.0)),
                math.floor(math.log(room, 2.0)))
    scale = 2.0 ** max(0, steps)
    return base._replace(**{name: getattr(base, name) * scale for name in _SCALED})
