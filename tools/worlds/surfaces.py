# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What rays through a simulated world meet first, and a world whose furniture hides nothing."""

from typing import Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.simulation import shapes
from segformer_ros.simulation.render.ground_truth import ground_classes
from segformer_ros.simulation.render.ray_casting import cast
from segformer_ros.simulation.render.ray_casting import GROUND
from segformer_ros.simulation.textures.bank import SKY
from segformer_ros.simulation.world.world import World


def first_surfaces(world: World, origin: arrays.Array, directions: arrays.Array,
                   time: float = 0.0) -> Tuple[arrays.Array, arrays.UInt8]:
    """
    Return what rays from one point meet first.

    :param origin: x, y, z of the start, metres
    :param directions: (N, 3) in the world, any length
    :param time: seconds
    :return: distance in metres (N,), inf for nothing, and class id (N,), the sky's for nothing
    """
    unit = (directions / np.sqrt((directions ** 2).sum(axis=1))[:, None]).astype(np.float32)
    start = np.array(origin, float)
    tiles = np.ascontiguousarray(unit.T)[:, :, None]
    primitives = world.primitives_around(float(start[0]), float(start[1]), time)
    distance, owner = cast(primitives, start, tiles, unit.T.astype(float),
                           np.full(len(unit), 1e-3))
    distance, owner = distance[:, 0], owner[:, 0]
    points = start + unit * np.where(np.isfinite(distance), distance, 0)[:, None]
    classes = np.full(len(unit), SKY, np.uint8)
    down = owner == GROUND
    classes[down] = ground_classes(world, points[down, 0], points[down, 1])
    for index in np.unique(owner[owner >= 0]):
        primitive = primitives[index]
        chosen = owner == index
        classes[chosen] = world.materials[primitive.material].class_id
        if primitive.kind == shapes.ROOM:
            top = chosen & (points[:, 2] > 2 * primitive.half[2] - 1e-3)
            classes[top] = world.materials[primitive.material + 1].class_id
    return distance, classes


def let_down(world: World, below: float) -> None:
    """
    Let what hangs low reach the ground: bed frames, quilts, cabinets over their plinths.

    :param world: is changed
    :param below: metres; upright boxes and cylinders whose underside lies above the ground,
        but lower than that, reach down to it from now on
    """
    world.static = [_lowered(shape) if 0.0 < _underside(shape) < below else shape
                    for shape in world.static]


def _underside(shape: shapes.Primitive) -> float:
    """Return the height of a level underside, metres; 0 for what has none."""
    upright = shape.kind in (shapes.BOX, shapes.CYLINDER) and abs(shape.rotation[2, 2]) > 0.999
    return float(shape.center[2] - shape.half[2]) if upright else 0.0


def _lowered(shape: shapes.Primitive) -> shapes.Primitive:
    middle = 0.5 * (shape.center[2] + shape.half[2])
    return shape._replace(center=np.append(shape.center[:2], middle),
                          half=np.append(shape.half[:2], middle))
