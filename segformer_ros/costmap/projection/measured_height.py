# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Ground or obstacle, where a height was measured: what stands is decided by it, not by the class.

A network that calls level floor a wall is wrong, and depth knows it. What is dangerous although
it is flat (water, steps that lead down, glass that depth looks through) keeps its class: the
cost profile's ``lethal_when_level`` says which classes these are.
"""

from typing import NamedTuple, Tuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.costmap.settings import METRIC
from segformer_ros.model.classes import UNLABELED


# Of level ground in an image that names no ground at all: passable, and not preferred.
_UNNAMED_COST = 50.0


class Sorted(NamedTuple):
    """
    What measured points are, (N,) bool each; a point that is neither is of no account.

    ``misnamed`` points are among ``ground``: level, and of a class that has to stand up. What
    ``stands`` up or lies below the plane does so whatever it is named.
    """

    ground: arrays.Bool
    obstacle: arrays.Bool
    misnamed: arrays.Bool
    stands: arrays.Bool


def level_and_standing(z: arrays.Array, distance: arrays.Array, settings: DepthSettings
                       ) -> Tuple[arrays.Bool, arrays.Bool]:
    """
    Return which points are level ground, and which stand up or lie below the plane.

    :param z: heights above the plane, metres, NaN where nothing was measured; (N,)
    :param distance: from the camera's foot point, metres; same shape
    """
    tolerance = settings.ground_tolerance + settings.tolerance_slope * distance
    with np.errstate(invalid='ignore'):
        level = np.abs(z) <= tolerance
        return level, ~level & (z <= settings.max_height)


def sort_by_height(z: arrays.Float32, distance: arrays.Float32, labels: arrays.UInt8,
                   costs: cost_table.CostTable, settings: DepthSettings) -> Sorted:
    """
    Sort measured points into ground and obstacles.

    :param z: heights above the plane, metres, NaN where nothing was measured; any shape
    :param distance: from the camera's foot point, metres; same shape
    :param labels: class ids; same shape
    """
    kinds = costs.kinds[labels]
    level, stands = level_and_standing(z, distance, settings)
    named = kinds == cost_table.OBSTACLE
    misnamed: arrays.Bool = np.zeros(level.shape, np.bool_)
    if settings.kind == METRIC:
        # An estimate does not overrule a label: depth networks smooth thin and low things away.
        misnamed = level & named & ~costs.lethal_when_level[labels]
    obstacle = np.where(level, named & ~misnamed, stands & (
        named | (kinds == cost_table.GROUND) | (labels == UNLABELED)))
    return Sorted(misnamed | (level & (kinds == cost_table.GROUND)), obstacle, misnamed,
                  stands)


def ground_costs(labels: arrays.UInt8, misnamed: arrays.Bool, costs: cost_table.CostTable
                 ) -> arrays.Float32:
    """
    Return the costs of ground, the mean of the others where its name cannot be right.

    :param labels: (N,) of points of ground
    :param misnamed: (N,) of the same
    """
    values = costs.costs[labels].astype(np.float32)
    if misnamed.any():
        named = values[~misnamed]
        values[misnamed] = named.mean() if len(named) else _UNNAMED_COST
    return values
