# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Where something that moves will be: lethal cells ahead of it.

They are no evidence: they are written into a grid that is about to be published, and no cell
remembers them.
"""

import math
from typing import Callable, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.motion.tracks import Motion
from segformer_ros.costmap.observation import GridGeometry

MOST_MARKED = 16
"""Things whose ways are marked in one grid; those nearest to the robot."""
# Half of a person's width, and what a robot keeps away from a person, metres.
_BODY, _ASIDE = 0.27, 0.3
# By how much a way widens at most, metres.
_WIDENING = 0.3
# Metres that a way goes before something that stands can end it: feet may lie on its mark.
_OFF = 0.5


StandsAt = Callable[[arrays.Index], arrays.Bool]
"""Cells to whether an obstacle is marked there that stays."""


def mark_ways(values: arrays.Int8, geometry: GridGeometry, stands_at: StandsAt,
              motions: Sequence[Motion], seconds: float, robot: Tuple[float, float, float]
              ) -> None:
    """
    Mark the ways of moving things in a grid, in place.

    A way ends at what stands, and where the robot is: nobody can walk there.

    :param values: (height, width) int8, as published
    :param seconds: for which the ways go, from the images on
    :param robot: x, y in odom and radius, metres
    """
    near = sorted(motions, key=lambda motion: math.hypot(motion.x - robot[0],
                                                         motion.y - robot[1]))
    for motion in near[:MOST_MARKED]:
        _mark(values, geometry, motion, _free_time(geometry, stands_at, motion, seconds), robot)


def _free_time(geometry: GridGeometry, stands_at: StandsAt, motion: Motion, seconds: float
               ) -> float:
    """Return for how long something can go on before it meets what stands, seconds."""
    speed = math.hypot(motion.vx, motion.vy)
    times = np.arange(_OFF / speed, seconds, geometry.resolution / speed)
    if not len(times):
        return seconds
    cells, inside = geometry.indices(motion.x + motion.vx * times, motion.y + motion.vy * times)
    meets = inside & stands_at(cells)
    return float(times[meets.argmax()]) if meets.any() else seconds


def _mark(values: arrays.Int8, geometry: GridGeometry, motion: Motion, seconds: float,
          robot: Tuple[float, float, float]) -> None:
    speed = math.hypot(motion.vx, motion.vy)
    ahead_x, ahead_y = motion.vx / speed, motion.vy / speed
    widest = float(way_width(motion, seconds))
    rows, columns = geometry.window(
        np.array([motion.x, motion.x + seconds * motion.vx]),
        np.array([motion.y, motion.y + seconds * motion.vy]),
        int(math.ceil(widest / geometry.resolution)))
    xs, ys = geometry.centers()
    x, y = xs[columns], ys[rows, None]
    along = ahead_x * (x - motion.x) + ahead_y * (y - motion.y)
    aside = ahead_x * (y - motion.y) - ahead_y * (x - motion.x)
    on_way = (along >= 0.0) & (along <= seconds * speed)
    on_way &= np.abs(aside) <= way_width(motion, along / speed)
    on_way &= (x - robot[0]) ** 2 + (y - robot[1]) ** 2 > robot[2] ** 2
    values[rows, columns][on_way] = cost_table.LETHAL


def way_width(motion: Motion, times: arrays.ArrayLike) -> arrays.Float64:
    """
    Return half of the width of a way.

    :param times: seconds from the place on
    :return: metres, of the same shape
    """
    least = max(_BODY, motion.radius) + _ASIDE
    return np.minimum(least + motion.error + motion.speed_error * np.asarray(times, np.float64),
                      least + _WIDENING)
