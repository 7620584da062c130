# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Things of streets and parks: trees, cars, houses, fences, poles, rocks."""

import numpy as np
from segformer_ros.simulation import shapes
from segformer_ros.simulation.world.scene import Scene

# A cylinder's axis is its local z; this lays it along the local y axis.
_ON_SIDE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def tree(scene: Scene, x: float, y: float, size: float) -> None:
    """Put a tree; size 1 is about 5 m high, one in three is a conifer."""
    r = scene.random
    trunk, crown = scene.material('trunk'), scene.material('crown')
    a = scene.assembly(x, y, r.uniform(0, 6.28))
    stem = r.uniform(1.6, 2.3) * size
    thick = r.uniform(0.15, 0.24) * size
    a.put(shapes.CYLINDER, (0, 0, stem * 0.6), (thick, thick, stem * 0.6), trunk)
    if r.uniform() < 0.33:
        for layer in range(4):
            wide = (1.35 - 0.3 * layer) * size
            a.put(shapes.ELLIPSOID, (0, 0, stem * 0.8 + 0.85 * layer * size),
                  (wide, wide, 0.75 * size), crown, holes=0.15)
        return
    a.put(shapes.ELLIPSOID, (0, 0, stem + 1.1 * size), (1.25 * size, 1.25 * size, 1.15 * size),
          crown, holes=0.12)
    for lobe in range(5):
        angle = 1.2566 * lobe + r.uniform(-0.4, 0.4)
        out = r.uniform(0.7, 1.0) * size
        wide = r.uniform(0.65, 0.95) * size
        a.put(shapes.ELLIPSOID, (out * np.cos(angle), out * np.sin(angle),
                                 stem + r.uniform(0.6, 1.7) * size),
              (wide, wide, wide * 0.85), crown, holes=0.2)


def bush(scene: Scene, x: float, y: float, size: float) -> None:
    """Put a bush, of class plant; size 1 is about 1.2 m high."""
    r = scene.random
    leaves = scene.material('leaves')
    a = scene.assembly(x, y, r.uniform(0, 6.28))
    for _ in range(4):
        wide = r.uniform(0.4, 0.65) * size
        a.put(shapes.ELLIPSOID, (r.uniform(-0.4, 0.4) * size, r.uniform(-0.4, 0.4) * size,
                                 0.45 * size), (wide, wide, 0.55 * size), leaves, holes=0.12)


def car(scene: Scene, x: float, y: float, yaw: float) -> None:
    """Put a car, about 4.3 m long, facing along its x axis."""
    r = scene.random
    glass, tyre, body = (scene.material('car_glass'), scene.material('tyre'),
                         scene.material('car_body'))
    # Roof and bonnet are one paint.
    scene.materials[glass] = scene.materials[glass]._replace(palette=np.stack(
        [scene.materials[body].palette[0], scene.materials[glass].palette[1]]))
    a = scene.assembly(x, y, yaw)
    long, wide, tall = r.uniform(1.9, 2.3), r.uniform(0.82, 0.95), r.uniform(0.30, 0.38)
    a.put(shapes.BOX, (0, 0, 0.28 + tall), (long, wide, tall), body)
    cabin = long * r.uniform(0.48, 0.68)
    back = -long * r.uniform(0.1, 0.3)
    top = 0.28 + 2 * tall
    a.put(shapes.BOX, (back, 0, top + 0.25), (cabin, wide * 0.88, 0.27), glass)
    for side in (-1, 1):
        a.put(shapes.BOX, (back + side * cabin * 0.93, 0, top + 0.15), (0.26, wide * 0.86, 0.16),
              glass, turn=shapes.rotation_y(side * 0.7))
    for sx in (-1, 1):
        for sy in (-1, 1):
            a.put(shapes.CYLINDER, (sx * long * 0.62, sy * (wide - 0.08), 0.33),
                  (0.33, 0.33, 0.12), tyre, turn=_ON_SIDE)


def building(scene: Scene, x: float, y: float, yaw: float, half_x: float, half_y: float,
             height: float) -> None:
    """Put a flat-roofed house with a plinth and something on the roof; metres."""
    front = scene.material('building')
    a = scene.assembly(x, y, yaw)
    a.put(shapes.BOX, (0, 0, height / 2), (half_x, half_y, height / 2), front)
    a.put(shapes.BOX, (0, 0, height - 0.15), (half_x + 0.25, half_y + 0.25, 0.18), front)
    if scene.random.uniform() < 0.6:
        a.put(shapes.BOX, (half_x * 0.3, half_y * 0.2, height + 0.6),
              (half_x * 0.3, half_y * 0.35, 0.7), front)


def fence(scene: Scene, x: float, y: float, yaw: float, length: float, height: float) -> None:
    """Put a board fence along its x axis, with posts every 2.5 m."""
    board = scene.material('fence')
    a = scene.assembly(x, y, yaw)
    a.put(shapes.BOX, (0, 0, height / 2 + 0.05), (length / 2, 0.04, height / 2), board)
    count = int(length / 2.5)
    for index in range(count + 1):
        along = -length / 2 + index * length / max(1, count)
        a.put(shapes.BOX, (along, 0, height / 2 + 0.08), (0.08, 0.08, height / 2 + 0.08), board)


def pole(scene: Scene, x: float, y: float, height: float) -> None:
    """Put a lamp post, 0.45 m thick, with a foot and a head."""
    paint = scene.material('pole')
    a = scene.assembly(x, y, scene.random.uniform(0, 6.28))
    a.put(shapes.CYLINDER, (0, 0, height / 2), (0.22, 0.22, height / 2), paint)
    a.put(shapes.CYLINDER, (0, 0, 0.2), (0.32, 0.32, 0.2), paint)
    a.put(shapes.BOX, (0.35, 0, height), (0.55, 0.16, 0.09), paint)


def rock(scene: Scene, x: float, y: float, size: float) -> None:
    """Put a boulder of two or three lumps; size is its half width, metres."""
    r = scene.random
    grey = scene.material('rock')
    a = scene.assembly(x, y, r.uniform(0, 6.28))
    for _ in range(3):
        a.put(shapes.ELLIPSOID, (r.uniform(-0.5, 0.5) * size, r.uniform(-0.5, 0.5) * size,
                                 0.25 * size),
              (size * r.uniform(0.6, 1.0), size * r.uniform(0.6, 0.9),
               size * r.uniform(0.5, 0.9)), grey, turn=shapes.rotation_z(r.uniform(0, 3.1)))
