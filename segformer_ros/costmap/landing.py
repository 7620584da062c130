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
                      settings: costmap_settings.LandingSettings, near: Tuple[float, float]
                      ) -> Optional[LandingSite]:
    """
    Return the largest landable disc, or None where no disc is large enough.

    Unknown cells and what lies outside the grid are not landable. Of discs that are equally
    large to within a cell, the one nearest to a point is taken, so that the answer keeps still.

    :param occupancy: (height, width) int8 from CostGrid.to_occupancy
    :param geometry: of that grid
    :param near: x, y in the grid's frame, for example below the drone
    """
    landable = ((occupancy >= 0) & (occupancy <= settings.max_cost)).astype(np.uint8)
    framed = cv2.copyMakeBorder(landable, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    radius = (distance - _HALF_DIAGONAL) * geometry.resolution - settings.clearance
    largest = float(radius.max())
    if largest < settings.min_radius:
        return None
    rows, columns = np.nonzero(radius >= max(largest - geometry.resolution,
                                             settings.min_radius))
    xs, ys = geometry.centers()
    best = int(np.argmin((xs[columns] - near[0]) ** 2 + (ys[rows] - near[1]) ** 2))
    x, y = float(xs[columns[best]]), float(ys[rows[best]])
    inside = ((xs[None, :] - x) ** 2 + (ys[:, None] - y) ** 2
              <= radius[rows[best], columns[best]] ** 2)
    return LandingSite(x, y, float(radius[rows[best], columns[best]]),
                       float(occupancy[inside].mean()))


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
