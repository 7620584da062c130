# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A costmap against measured heights: points of a depth image or a lidar, and no label at all.

What stands, and where ground is level, is told by the points alone. Each image is judged by the
points of its own moment, as far as they are in the camera's view, in the grid and in its range.
"""

from typing import Dict, List, NamedTuple, Tuple

import cv2
import numpy as np

from segformer_ros.common import arrays
from segformer_ros.costmap.cost_table import LETHAL
from segformer_ros.costmap.cost_table import UNKNOWN
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.projection.measured_height import level_and_standing
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.evaluation.metrics.confusion import ratio

RANGES = (4.0, 8.0, 15.0)
"""Metres from the camera; each holds the ones before it."""
FREE = 0
# Radians; a cell at the default range is as wide.
_DIRECTION = 0.01


class HeightAgreement(NamedTuple):
    """
    Cells, counted.

    ``contacts``: the nearest cells that truly stand, in each direction; ``marked_1`` to
    ``marked_3``: those with a lethal cell within so many cells. ``marks``: lethal cells where the
    points tell anything; ``justified_1`` to ``justified_3``: those with a cell that truly stands
    within so many cells. ``ground``: cells that truly are level ground; of those ``ground_free``
    are known and not lethal and ``ground_blocked`` lethal. ``standing``: all cells that truly
    stand; of those ``standing_free`` are shown as ground.
    """

    contacts: int = 0
    marked_1: int = 0
    marked_2: int = 0
    marked_3: int = 0
    marks: int = 0
    justified_1: int = 0
    justified_2: int = 0
    justified_3: int = 0
    ground: int = 0
    ground_free: int = 0
    ground_blocked: int = 0
    standing: int = 0
    standing_free: int = 0

    def merge(self, other: 'HeightAgreement') -> 'HeightAgreement':
        """Return the sums of two counts."""
        return HeightAgreement(*[mine + theirs for mine, theirs in zip(self, other)])

    def shares(self) -> Dict[str, float]:
        """Return each part as a share of its whole, NaN where that is nothing."""
        wholes = {'marked': self.contacts, 'justified': self.marks, 'ground': self.ground,
                  'standing': self.standing}
        return {name: float(ratio(value, wholes[name.split('_')[0]]))
                for name, value in self._asdict().items() if '_' in name}


class HeightView(NamedTuple):
    """
    Measured points of one moment.

    ``points`` (N, 3) float metres in the ground frame, in view of the camera; ``foot`` x, y of
    the camera there; ``odom_from_ground`` (4, 4). ``min_points``: that a cell needs to stand.
    """

    points: arrays.Float64
    foot: Tuple[float, float]
    odom_from_ground: arrays.Float64
    min_points: int


def height_grid(view: HeightView, geometry: GridGeometry, settings: DepthSettings,
                max_range: float) -> Tuple[arrays.Int8, arrays.Index]:
    """
    Return what heights alone say of a grid's cells, and which cells are contacts.

    :param settings: tolerance of level ground and the height that is passed under
    :param max_range: metres from the camera's foot
    :return: (height, width) int8: LETHAL, FREE or UNKNOWN, and (M,) cells
    """
    x, y, z = view.points.T
    away = x - view.foot[0], y - view.foot[1]
    out = np.hypot(*away)
    matrix = view.odom_from_ground
    cells, inside = geometry.indices(matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 3],
                                     matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 3])
    inside &= out <= max_range
    level, stands = level_and_standing(z, out, settings)
    stands &= inside
    size = geometry.width * geometry.height
    standing = np.bincount(cells[stands], minlength=size) >= view.min_points
    grid = np.where(standing, LETHAL, np.where(
        np.bincount(cells[inside & level], minlength=size) > 0, FREE, UNKNOWN)).astype(np.int8)
    chosen = np.flatnonzero(stands & standing[cells])
    direction = np.floor(np.arctan2(away[1][chosen], away[0][chosen]) / _DIRECTION)
    order = chosen[np.lexsort((out[chosen], direction))]
    first = np.unique(np.sort(direction), return_index=True)[1]
    contacts = np.unique(cells[order[first]]) if len(order) else np.zeros(0, np.intp)
    return grid.reshape(geometry.height, geometry.width), contacts


def compare_with_heights(values: arrays.Int8, geometry: GridGeometry, view: HeightView,
                         settings: DepthSettings, max_range: float) -> List[HeightAgreement]:
    """
    Count one grid against measured heights, within each of :data:`RANGES`.

    :param values: (height, width) int8 of the costmap
    :param geometry: of its cells
    """
    true, contacts = height_grid(view, geometry, settings, max_range)
    standing, ground = true == LETHAL, true == FREE
    lethal, free = values == LETHAL, (values >= 0) & (values < LETHAL)
    to_mark, to_standing = distance_to(lethal), distance_to(standing)
    judged = lethal & ((true != UNKNOWN) | (to_standing <= 3))
    is_contact = np.isin(np.arange(values.size), contacts).reshape(values.shape)
    matrix = view.odom_from_ground
    middle = matrix[:2, :2].dot(np.array(view.foot)) + matrix[:2, 3]
    xs, ys = geometry.centers()
    out = np.hypot(xs[None, :] - middle[0], ys[:, None] - middle[1])

    def count(*flags: arrays.Bool) -> int:
        return int(np.count_nonzero(np.logical_and.reduce(flags)))
    found = []
    for limit in RANGES:
        near = out <= limit
        marked = [count(is_contact, near, to_mark <= reach) for reach in (1, 2, 3)]
        justified = [count(judged, near, to_standing <= reach) for reach in (1, 2, 3)]
        found.append(HeightAgreement(*(
            [count(is_contact, near)] + marked + [count(judged, near)] + justified
            + [count(ground, near), count(ground, near, free), count(ground, near, lethal),
               count(standing, near), count(standing, near, free)])))
    return found


def split_contacts(values: arrays.Int8, contacts: arrays.Index, reach: int = 2
                   ) -> Tuple[arrays.Index, arrays.Index]:
    """
    Return the contacts that a grid marks within some cells, and those that it misses.

    :param values: (height, width) int8 of the costmap
    :param contacts: (M,) cells, from :func:`height_grid`
    """
    marked = distance_to(values == LETHAL).reshape(-1)[contacts] <= reach
    return contacts[marked], contacts[~marked]


def distance_to(flags: arrays.Bool) -> arrays.Float32:
    """Return each cell's distance to the nearest flagged one, in king's moves; inf without one."""
    if not flags.any():
        return np.full(flags.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(1 - flags.astype(np.uint8), cv2.DIST_C, 3),
                      np.float32)
