# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What stands beside pictures of grids: their legend, and the true grid."""

from typing import NamedTuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.evaluation.demo.panels import LegendEntry
from segformer_ros.evaluation.metrics.grid_agreement import UNKNOWN
from segformer_ros.evaluation.run import grid_pictures

LEGEND = tuple(LegendEntry(name, color) for name, color in (
    ('free', grid_pictures.FREE_COLOR), ('costly', grid_pictures.COSTLY_COLOR),
    ('obstacle', grid_pictures.LETHAL_COLOR), ('not seen', grid_pictures.UNKNOWN_COLOR),
    ('robot', grid_pictures.ROBOT_COLOR)))


class GridPair(NamedTuple):
    """
    A costmap and the true one of the same cells.

    Both (rows, columns) int8 as in nav_msgs/OccupancyGrid: -1, 0..100, row 0 at the smallest y.
    """

    costmap: arrays.Int8
    truth: arrays.Int8
    robot: grid_pictures.GridPose

    def seen_truth(self) -> arrays.Int8:
        """
        Return the truth where the costmap knows something, unknown elsewhere.

        What no camera has looked at cannot be compared, and hides the differences.
        """
        return np.where(self.costmap == UNKNOWN, UNKNOWN, self.truth).astype(np.int8)
