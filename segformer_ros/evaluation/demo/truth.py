# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap that a simulated world should give, beside the one that the node gave."""

from typing import NamedTuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.evaluation.demo.true_grid import GridPair
from segformer_ros.evaluation.run.grid_pictures import GridPose
from segformer_ros.simulation.render.ground_truth import NONE
from segformer_ros.simulation.render.ground_truth import occupancy
from segformer_ros.simulation.world.world import World


class HeardGrid(NamedTuple):
    """
    A costmap as it was published, and where the robot was at the image before it.

    ``values`` (rows, columns) int8; ``odom_from_base`` (4, 4); ``image``: how many images of the
    drive came before, so that world time is known.
    """

    values: arrays.Int8
    geometry: GridGeometry
    odom_from_base: arrays.Float64
    image: int


def true_grid(world: World, costs: cost_table.CostTable, heard: HeardGrid, time: float
              ) -> arrays.Int8:
    """
    Return the true costs of a grid's cells.

    An obstacle is what fills the heights of a robot; below a class without a cost lies unknown.

    :param costs: of the world's classes
    :param time: of the world, seconds
    :return: (rows, columns) int8: -1, 0..98 or 100
    """
    geometry, robot = heard.geometry, heard.odom_from_base
    truth = occupancy(world, (geometry.origin_x, geometry.origin_y), geometry.resolution,
                      (geometry.height, geometry.width), time,
                      seen_from=(float(robot[0, 3]), float(robot[1, 3])))
    by_class = np.full(256, cost_table.UNKNOWN, np.int8)
    for class_id, name in enumerate(costs.classes.names):
        by_class[class_id] = costs.occupancy_of(name)
    stands = (truth.obstacles != NONE) & (costs.kinds[truth.obstacles] != cost_table.NOTHING)
    return np.where(stands, np.int8(cost_table.LETHAL), by_class[truth.ground])


def grid_pair(world: World, costs: cost_table.CostTable, heard: HeardGrid,
              rate: float) -> GridPair:
    """
    Return a costmap with its truth, for pictures.

    :param rate: images of the drive for each second of the world
    """
    geometry, robot = heard.geometry, heard.odom_from_base
    return GridPair(heard.values, true_grid(world, costs, heard, heard.image / rate), GridPose(
        (float(robot[0, 3]) - geometry.origin_x) / geometry.resolution,
        (float(robot[1, 3]) - geometry.origin_y) / geometry.resolution,
        float(np.arctan2(robot[1, 0], robot[0, 0]))))
