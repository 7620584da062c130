# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A grid for projectors that holds what it is given, instead of what was fused."""

from typing import NamedTuple, Optional

import numpy as np
from segformer_ros.costmap.grid import WHOLE
from segformer_ros.costmap.observation import GridGeometry


class StillGrid(NamedTuple):
    """What projectors use of a CostGrid; flags (height, width), None for none."""

    geometry: GridGeometry
    lethal: Optional[np.ndarray] = None
    ground: Optional[np.ndarray] = None

    def lethal_cells(self, standing=0.0, window=WHOLE):
        """Return a window of (height, width), true where obstacles are marked."""
        if self.lethal is None:
            return np.zeros((self.geometry.height, self.geometry.width), np.bool_)[window].copy()
        return self.lethal[window].copy()

    def standing_cells(self, window=WHOLE):
        """Return the same: everything that is held here stays."""
        return self.lethal_cells(0.0, window)

    def shows_ground(self, cells):
        """Return in which cells ground was seen; nowhere by default."""
        if self.ground is None:
            return np.zeros(cells.shape, np.bool_)
        return self.ground.reshape(-1)[cells]

    def stands_within(self, x, y):
        """Return whether any obstacle is held, near or far."""
        return bool(self.lethal_cells().any())
