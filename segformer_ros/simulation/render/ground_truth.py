# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ground truth of costmaps: classes of the ground and of obstacles."""

from typing import NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.model.classes import UNLABELED
from segformer_ros.simulation import shapes
from segformer_ros.simulation.world.world import World

NONE = UNLABELED
"""Where there is no obstacle, or no ground: outside a room."""


class GridTruth(NamedTuple):
    """
    The ground truth of a grid, laid out as nav_msgs/OccupancyGrid: row 0 at the smallest y.

    ``ground``: class id of the ground, uint8 (rows, columns), 255 outside a room.
    ``obstacles``: class id of what stands in the cell, 255 for free.
    """

    ground: arrays.UInt8
    obstacles: arrays.UInt8


def _outside(world: World, x: arrays.Array,
             y: arrays.Array) -> arrays.Bool:
    if world.room is None:
        return np.zeros(x.shape, bool)
    return (np.abs(x) > world.room[0]) | (np.abs(y) > world.room[1])


def ground_classes(world: World, x: arrays.Array,
                   y: arrays.Array) -> arrays.UInt8:
    """
    Return the class of the ground, whatever stands on it.

    :param x: metres, any shape, floating point; ``y`` likewise
    :return: class ids, same shape; 255 outside a room
    """
    by_patch = np.array([world.materials[patch.material].class_id
                         for patch in world.ground.patches], np.uint8)
    classes = by_patch[world.ground.patch_index(x, y)]
    classes[_outside(world, x, y)] = NONE
    return classes


def column_span(primitive: shapes.Primitive, x: arrays.Array, y: arrays.Array
                ) -> Tuple[arrays.Array, arrays.Array]:
    """
    Return the heights between which a shape fills vertical lines.

    :param primitive: the shape; foliage counts as solid
    :param x: metres, (N,); ``y`` likewise
    :return: lowest and highest z, metres; lowest > highest where a line misses the shape
    """
    matrix = primitive.local_from_world()
    start = shapes.to_local(matrix, x - primitive.center[0], y - primitive.center[1],
                            np.full_like(x, -primitive.center[2]))
    up = matrix[:, 2]
    return shapes.span(primitive.kind, start, (up[0], up[1], up[2]))


def obstacle_classes(world: World, x: arrays.Array, y: arrays.Array,
                     time: float = 0.0, lowest: float = 0.05, highest: float = 1.2,
                     seen_from: Optional[Tuple[float, float]] = None
                     ) -> arrays.UInt8:
    """
    Return the class of what fills vertical lines within a band of heights.

    :param x: metres, any shape, floating point; ``y`` likewise
    :param time: seconds
    :param lowest: band of heights, metres; what stays below or above is not an obstacle
    :param highest: upper end of the band
    :param seen_from: x, y of a camera; people who would stand on it are left out, as they are
        left out of its images
    :return: class id of the shape that reaches lowest in the band, 255 where there is none;
        outside a room the class of its wall
    """
    flat_x, flat_y = x.astype(float).ravel(), y.astype(float).ravel()
    classes = np.full(flat_x.size, NONE, np.uint8)
    bottom = np.full(flat_x.size, np.inf)
    primitives = (world.primitives(time) if seen_from is None
                  else world.primitives_around(seen_from[0], seen_from[1], time))
    for primitive in primitives:
        class_id = world.materials[primitive.material].class_id
        if primitive.kind == shapes.ROOM:
            classes[_outside(world, flat_x, flat_y)] = class_id
            continue
        near = np.nonzero((np.abs(flat_x - primitive.center[0]) <= primitive.radius)
                          & (np.abs(flat_y - primitive.center[1]) <= primitive.radius))[0]
        if not len(near):
            continue
        low, high = column_span(primitive, flat_x[near], flat_y[near])
        hit = (low < high) & (low < highest) & (high > lowest) & (low < bottom[near])
        chosen = near[hit]
        bottom[chosen] = low[hit]
        classes[chosen] = class_id
    return classes.reshape(x.shape)


def occupancy(world: World, origin: Tuple[float, float], resolution: float,
              shape: Tuple[int, int], time: float = 0.0, lowest: float = 0.05,
              highest: float = 1.2,
              seen_from: Optional[Tuple[float, float]] = None) -> GridTruth:
    """
    Rasterise the world at the centres of cells.

    :param origin: x, y of the corner of cell (0, 0), metres
    :param resolution: side of a cell, metres
    :param shape: rows (along y), columns (along x)
    :param time: seconds
    :param lowest: band of heights of an obstacle, metres
    :param highest: upper end of the band
    :param seen_from: see ``obstacle_classes``
    :return: classes of ground and obstacles
    """
    x = origin[0] + (np.arange(shape[1]) + 0.5) * resolution
    y = origin[1] + (np.arange(shape[0]) + 0.5) * resolution
    x, y = np.meshgrid(x, y)
    return GridTruth(ground_classes(world, x, y),
                     obstacle_classes(world, x, y, time, lowest, highest, seen_from))
