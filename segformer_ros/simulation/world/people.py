# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""People: where they are at a time, and what they are made of."""

from typing import List, Tuple

import numpy as np
from segformer_ros.simulation import shapes
from segformer_ros.simulation.world import scene as world_scene

# Length of a step at walking speed, metres; swing of a leg, radians.
_STRIDE = 1.4
_SWING = 0.45


def add_walker(scene: world_scene.Scene, start: Tuple[float, float], end: Tuple[float, float],
               speed: float) -> None:
    """
    Put a person who walks to and fro into a scene.

    :param start: of the way, metres
    :param end: of the way, metres
    :param speed: metres per second; 0 makes the person stand at ``start``
    """
    r = scene.random
    look = (scene.material('skin'), scene.material('hair'), scene.material('shirt'),
            scene.material('trousers'))
    scene.walkers.append(world_scene.Walker(start, end, speed, float(r.uniform(0, 60)),
                                            float(r.uniform(1.5, 1.95)), look))


def walker_pose(walker: world_scene.Walker, time: float) -> Tuple[float, float, float, float]:
    """
    Return where a person is.

    :param time: seconds
    :return: x, y in metres, heading in radians, distance walked so far in metres
    """
    dx, dy = walker.end[0] - walker.start[0], walker.end[1] - walker.start[1]
    length = max(float(np.hypot(dx, dy)), 1e-6)
    walked = walker.speed * (time + walker.phase)
    along = walked % (2 * length) if walker.speed else 0.0
    back = along > length
    if back:
        along = 2 * length - along
    heading = float(np.arctan2(-dy, -dx) if back else np.arctan2(dy, dx))
    part = along / length
    return walker.start[0] + dx * part, walker.start[1] + dy * part, heading, walked


def walker_primitives(walker: world_scene.Walker, time: float) -> List[shapes.Primitive]:
    """
    Return the shapes of a person in mid-step: legs, torso, arms, head and hair.

    :param time: seconds
    """
    x, y, heading, walked = walker_pose(walker, time)
    swing = _SWING * float(np.sin(walked * 2 * np.pi / _STRIDE)) if walker.speed else 0.06
    skin, hair, shirt, trousers = walker.materials
    parts: List[shapes.Primitive] = []
    body = world_scene.Assembly(parts, x, y, heading)
    k = walker.height / 1.75
    leg = 0.45 * k
    for side in (-1.0, 1.0):
        turn = shapes.rotation_y(-side * swing)
        hip = np.array([0.0, side * 0.105 * k, 0.90 * k])
        middle = hip + turn.dot(np.array([0.0, 0.0, -leg]))
        body.put(shapes.CYLINDER, (middle[0], middle[1], max(middle[2], leg * 0.97)),
                 (0.10 * k, 0.095 * k, leg * 0.98), trousers, turn=turn)
        turn = shapes.rotation_y(side * swing * 0.9)
        arm = np.array([0.0, side * 0.235 * k, 1.42 * k]) + turn.dot(
            np.array([0.0, 0.0, -0.29 * k]))
        body.put(shapes.ELLIPSOID, (arm[0], arm[1], arm[2]), (0.070 * k, 0.065 * k, 0.34 * k),
                 shirt, turn=turn)
    body.put(shapes.ELLIPSOID, (0.0, 0.0, 1.18 * k), (0.155 * k, 0.225 * k, 0.38 * k), shirt)
    body.put(shapes.ELLIPSOID, (0.0, 0.0, 1.38 * k), (0.12 * k, 0.265 * k, 0.13 * k), shirt)
    body.put(shapes.CYLINDER, (0.0, 0.0, 0.92 * k), (0.15 * k, 0.21 * k, 0.11 * k), trousers)
    body.put(shapes.ELLIPSOID, (0.01, 0.0, 1.62 * k), (0.11 * k, 0.10 * k, 0.145 * k), skin)
    body.put(shapes.ELLIPSOID, (-0.025 * k, 0.0, 1.67 * k), (0.11 * k, 0.112 * k, 0.115 * k), hair)
    return parts
