# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Masks for Nav2's costmap filters, made from the same grid.

Nav2 logs a warning for every mask that it receives, so values are coarse and a mask is only to
be published when it differs from the last one.
"""

from typing import NamedTuple, Optional

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.observation import GridGeometry

# Costs wander by some points as frames are averaged; a step of ten keeps still.
_STEP = 10


class FilterMask(NamedTuple):
    """A mask and where it lies; ``values`` (height, width) int8."""

    values: arrays.Int8
    geometry: GridGeometry

    def differs(self, other: 'Optional[FilterMask]') -> bool:
        """Return whether this mask says something that the other one does not."""
        return (other is None or self.geometry != other.geometry
                or not np.array_equal(self.values, other.values))


def keepout_mask(occupancy: arrays.Int8, geometry: GridGeometry, from_cost: int = 50
                 ) -> FilterMask:
    """
    Return a mask for KeepoutFilter: 100 where a robot must not drive.

    Unknown stays -1, which the filter skips.

    :param occupancy: (height, width) int8 from CostGrid.to_occupancy
    :param from_cost: 1..100, the least cost that is kept out of
    """
    values = np.where(occupancy >= from_cost, np.int8(cost_table.LETHAL), np.int8(0))
    values[occupancy == cost_table.UNKNOWN] = cost_table.UNKNOWN
    return FilterMask(values, geometry)


def speed_mask(occupancy: arrays.Int8, geometry: GridGeometry, slowest: float = 0.3
               ) -> FilterMask:
    """
    Return a mask for SpeedFilter with type 1, base 100 and multiplier -1: percent taken off.

    0 means no limit. Unknown is 0 too: the filter reports an error each cycle for -1. 100 is
    never used, since a limit of 0 % would mean none.

    :param occupancy: (height, width) int8 from CostGrid.to_occupancy
    :param slowest: 0.01..1, share of full speed that is left at the highest cost
    """
    cost = np.minimum(np.maximum(occupancy, 0), cost_table.HIGHEST_COST).astype(np.float32)
    steps = np.floor(cost * np.float32((1.0 - slowest) * 100.0 / cost_table.HIGHEST_COST / _STEP) +
                     0.5)
    return FilterMask(np.minimum(steps * _STEP, 99).astype(np.int8), geometry)
