# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Slow, plain answers about a world, written without the renderer's code."""

import math

from segformer_ros.simulation.shapes import BOX
from segformer_ros.simulation.shapes import CYLINDER
from segformer_ros.simulation.shapes import ROOM


def local_point(primitive, point):
    """Return a world point in the unit shape's space."""
    offset = [point[i] - primitive.center[i] for i in range(3)]
    return [sum(primitive.rotation[i][axis] * offset[i] for i in range(3))
            / primitive.half[axis] for axis in range(3)]


def level(primitive, point):
    """Return a value below 1 inside a shape, 1 on its surface, above 1 outside."""
    x, y, z = local_point(primitive, point)
    if primitive.kind in (BOX, ROOM):
        return max(abs(x), abs(y), abs(z))
    if primitive.kind == CYLINDER:
        return max(math.hypot(x, y), abs(z))
    return math.sqrt(x * x + y * y + z * z)


def depth_inside(primitive, point):
    """Return metres (roughly) that a point is inside (> 0) or outside (< 0) a shape."""
    return (1.0 - level(primitive, point)) * min(primitive.half)


def ground_class(world, x, y):
    """Return the class painted at a point of the ground."""
    found = None
    for patch in world.ground.patches:
        dx, dy = x - patch.origin[0], y - patch.origin[1]
        u = math.cos(patch.yaw) * dx + math.sin(patch.yaw) * dy
        v = math.cos(patch.yaw) * dy - math.sin(patch.yaw) * dx
        if patch.shape == 'strip':
            middle = patch.bend * math.sin(2 * math.pi * u / patch.half[0])
            inside = abs(v - middle) <= patch.half[1]
        elif patch.shape == 'rectangle':
            inside = abs(u) <= patch.half[0] and abs(v) <= patch.half[1]
        elif patch.shape == 'blob':
            angle = math.atan2(v, u)
            rim = 1 + patch.bend * (math.sin(3 * angle + patch.yaw) + 0.6 * math.sin(5 * angle))
            inside = math.hypot(u / patch.half[0], v / patch.half[1]) <= rim
        else:
            inside = True
        if inside:
            found = world.materials[patch.material].class_id
    return found


def classes_at(world, primitives, point, slack):
    """Return the classes of all surfaces that pass within ``slack`` metres of a point."""
    found = set()
    if abs(point[2]) <= slack:
        for dx in (-slack, 0.0, slack):
            for dy in (-slack, 0.0, slack):
                found.add(ground_class(world, point[0] + dx, point[1] + dy))
    for primitive in primitives:
        value = level(primitive, point)
        if abs(value - 1.0) * max(primitive.half) <= slack:
            found.add(world.materials[primitive.material].class_id)
            if primitive.kind == ROOM:
                found.add(world.materials[primitive.material + 1].class_id)
    return found
