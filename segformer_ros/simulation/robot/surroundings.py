# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How far it is from a place to the nearest thing that a robot would touch."""

import math
from typing import Dict, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.simulation.render import ground_truth
from segformer_ros.simulation.world.people import walker_pose
from segformer_ros.simulation.world.world import World

FARTHEST = 2.0
"""Metres beyond which distances are not told."""
LOWEST, HIGHEST = 0.03, 1.2
"""Heights of a robot's body, metres: it drives over what is lower and below what hangs higher."""
PERSON_RADIUS = 0.27
"""Metres around a person's middle: half the width of the shoulders."""
RESOLUTION = 0.02
# Side of the squares that are looked at once and kept.
_TILE = 4.0


class Surroundings:
    """
    What stands in a world, by its own shapes.

    :param world: its furniture never moves, its people do
    :param heights: of the robot's lowest and highest point, metres
    """

    def __init__(self, world: World, heights: Tuple[float, float] = (LOWEST, HIGHEST)) -> None:
        self._world = world
        self._heights = heights
        self._tiles: Dict[Tuple[int, int], arrays.Float32] = {}

    def distance(self, x: float, y: float, time: float) -> float:
        """
        Return the distance to the nearest thing, 0 inside one, at most ``FARTHEST``.

        :param x: metres; ``y`` likewise
        :param time: of the world, seconds
        """
        return min(self.distance_to_furniture(x, y), self.distance_to_people(x, y, time))

    def distance_to_furniture(self, x: float, y: float) -> float:
        """Return the distance to the nearest thing that never moves, as above."""
        column, row = math.floor(x / _TILE), math.floor(y / _TILE)
        if (column, row) not in self._tiles:
            self._tiles[column, row] = self._measured(column * _TILE, row * _TILE)
        tile = self._tiles[column, row]
        last = len(tile) - 1
        return float(tile[min(last, int((y - row * _TILE) / RESOLUTION)),
                          min(last, int((x - column * _TILE) / RESOLUTION))])

    def distance_to_people(self, x: float, y: float, time: float) -> float:
        """Return the distance to the nearest person, as above."""
        found = FARTHEST
        for walker in self._world.walkers:
            place = walker_pose(walker, time)
            found = min(found, math.hypot(place[0] - x, place[1] - y) - PERSON_RADIUS)
        return max(0.0, found)

    def _measured(self, left: float, bottom: float) -> arrays.Float32:
        count = int(round((_TILE + 2.0 * FARTHEST) / RESOLUTION))
        steps = (np.arange(count) + 0.5) * RESOLUTION - FARTHEST
        x, y = np.meshgrid(left + steps, bottom + steps)
        with self._world.without_walkers():
            classes = ground_truth.obstacle_classes(self._world, x, y, 0.0, *self._heights)
        free = (classes == ground_truth.NONE).astype(np.uint8)
        edge = int(round(FARTHEST / RESOLUTION))
        inner = slice(edge, count - edge)
        if free.all():
            return np.full((count - 2 * edge,) * 2, FARTHEST, np.float32)
        # From centre to centre: the thing begins half a cell nearer.
        apart = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[inner, inner]
        return np.clip(np.float32(RESOLUTION) * (apart - np.float32(0.5)), 0.0,
                       FARTHEST).astype(np.float32)
