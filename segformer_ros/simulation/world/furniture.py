# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Furniture: each function puts one piece into a scene, front along its x axis."""

import numpy as np
from segformer_ros.simulation import shapes
from segformer_ros.simulation.world.scene import Scene


def table(scene: Scene, x: float, y: float, yaw: float, half_x: float, half_y: float) -> None:
    """Put a table with four stout legs and an apron; half sizes in metres."""
    wood = scene.material('table')
    a = scene.assembly(x, y, yaw)
    a.put(shapes.BOX, (0, 0, 0.72), (half_x, half_y, 0.045), wood)
    a.put(shapes.BOX, (0, 0, 0.64), (half_x - 0.08, half_y - 0.08, 0.055), wood)
    for sx in (-1, 1):
        for sy in (-1, 1):
            a.put(shapes.BOX, (sx * (half_x - 0.11), sy * (half_y - 0.11), 0.34),
                  (0.065, 0.065, 0.34), wood)


def chair(scene: Scene, x: float, y: float, yaw: float, material: int) -> None:
    """Put a chair that faces along its x axis."""
    a = scene.assembly(x, y, yaw)
    a.put(shapes.BOX, (0, 0, 0.45), (0.23, 0.23, 0.04), material)
    a.put(shapes.BOX, (-0.22, 0, 0.76), (0.03, 0.23, 0.22), material,
          turn=shapes.rotation_y(-0.10))
    for sx in (-1, 1):
        for sy in (-1, 1):
            a.put(shapes.BOX, (sx * 0.19, sy * 0.19, 0.21), (0.03, 0.03, 0.21), material)
    a.put(shapes.BOX, (-0.20, -0.20, 0.55), (0.03, 0.03, 0.12), material)
    a.put(shapes.BOX, (-0.20, 0.20, 0.55), (0.03, 0.03, 0.12), material)


def sofa(scene: Scene, x: float, y: float, yaw: float, width: float) -> None:
    """Put a sofa, 0.9 m deep, with its back at x = -0.45."""
    cloth = scene.material('sofa')
    a = scene.assembly(x, y, yaw)
    a.put(shapes.BOX, (0, 0, 0.21), (0.45, width / 2, 0.19), cloth)
    seats = max(2, int(width / 0.75 + 0.5))
    step = (width - 0.36) / seats
    for seat in range(seats):
        middle = -width / 2 + 0.18 + step * (seat + 0.5)
        a.put(shapes.BOX, (0.08, middle, 0.46), (0.36, step / 2 - 0.015, 0.07), cloth)
        a.put(shapes.BOX, (-0.24, middle, 0.70), (0.09, step / 2 - 0.02, 0.20), cloth,
              turn=shapes.rotation_y(-0.15))
    a.put(shapes.BOX, (-0.39, 0, 0.52), (0.07, width / 2, 0.34), cloth)
    for side in (-1, 1):
        a.put(shapes.BOX, (0, side * (width / 2 - 0.09), 0.36), (0.45, 0.10, 0.29), cloth)


def bed(scene: Scene, x: float, y: float, yaw: float, width: float) -> None:
    """Put a bed, 2.1 m long, with its head at x = -1.05."""
    quilt, linen, board = (scene.material('bed'), scene.material('linen'),
                           scene.material('headboard'))
    a = scene.assembly(x, y, yaw)
    a.put(shapes.BOX, (0, 0, 0.18), (1.05, width / 2, 0.14), board)
    a.put(shapes.BOX, (0, 0, 0.40), (1.02, width / 2 - 0.02, 0.12), linen)
    a.put(shapes.BOX, (0.20, 0, 0.42), (0.85, width / 2 + 0.01, 0.13), quilt)
    a.put(shapes.BOX, (-1.05, 0, 0.52), (0.04, width / 2 + 0.04, 0.50), board)
    pillows = 2 if width > 1.25 else 1
    for index in range(pillows):
        middle = (index - 0.5 * (pillows - 1)) * width / pillows
        a.put(shapes.ELLIPSOID, (-0.78, middle, 0.57), (0.20, 0.32, 0.10), linen)


def cabinet(scene: Scene, x: float, y: float, yaw: float, width: float, height: float) -> None:
    """Put a cabinet, 0.5 m deep, with its back at x = -0.25."""
    a = scene.assembly(x, y, yaw)
    front = scene.material('cabinet')
    a.put(shapes.BOX, (0, 0, height / 2 + 0.03), (0.25, width / 2, height / 2 - 0.03), front)
    a.put(shapes.BOX, (0, 0, 0.03), (0.22, width / 2 - 0.03, 0.03), front)


def bookcase(scene: Scene, x: float, y: float, yaw: float, width: float, height: float) -> None:
    """Put a bookcase, 0.36 m deep, with its back at x = -0.18."""
    a = scene.assembly(x, y, yaw)
    a.put(shapes.BOX, (0, 0, height / 2), (0.18, width / 2, height / 2),
          scene.material('bookcase'))


def carton(scene: Scene, x: float, y: float, yaw: float, size: float) -> None:
    """Put a box, sometimes with a smaller one on top; size is the half width, metres."""
    r = scene.random
    a = scene.assembly(x, y, yaw)
    board = scene.material('box')
    tall = size * r.uniform(0.6, 1.1)
    a.put(shapes.BOX, (0, 0, tall), (size, size * r.uniform(0.7, 1.0), tall), board)
    if r.uniform() < 0.35:
        a.put(shapes.BOX, (0, 0, 2 * tall + size * 0.5), (size * 0.7, size * 0.6, size * 0.5),
              board)


def plant(scene: Scene, x: float, y: float, size: float) -> None:
    """Put a potted plant; size 1 is 1.4 m high."""
    r = scene.random
    leaves, pot = scene.material('leaves'), scene.material('pot')
    a = scene.assembly(x, y, r.uniform(0, 6.28))
    a.put(shapes.CYLINDER, (0, 0, 0.18 * size), (0.20 * size, 0.20 * size, 0.18 * size), pot)
    a.put(shapes.CYLINDER, (0, 0, 0.45 * size), (0.04, 0.04, 0.15 * size), leaves)
    for _ in range(5):
        a.put(shapes.ELLIPSOID, (r.uniform(-0.16, 0.16) * size, r.uniform(-0.16, 0.16) * size,
                                 r.uniform(0.65, 1.10) * size),
              (r.uniform(0.2, 0.32) * size, r.uniform(0.2, 0.32) * size,
               r.uniform(0.22, 0.36) * size), leaves, holes=0.22)


def wall_board(scene: Scene, name: str, x: float, y: float, yaw: float, z: float,
               width: float, height: float, thick: float = 0.03) -> None:
    """Hang a flat thing (door, window, painting, curtain) with its middle at height z."""
    a = scene.assembly(x, y, yaw)
    a.put(shapes.BOX, (thick * 0.5, 0, z), (thick, width / 2, height / 2), scene.material(name))


def table_with_chairs(scene: Scene, x: float, y: float, yaw: float, half_x: float,
                      half_y: float) -> None:
    """Put a table with two to six chairs drawn up to it."""
    r = scene.random
    table(scene, x, y, yaw, half_x, half_y)
    cover = scene.material('chair')
    c, s = np.cos(yaw), np.sin(yaw)
    along = [-0.45 * half_x, 0.45 * half_x] if half_x > 0.75 else [0.0]
    spots = [(u, side * (half_y + 0.18), -side * np.pi / 2) for u in along for side in (-1, 1)]
    spots += [(side * (half_x + 0.2), 0.0, np.pi if side > 0 else 0.0) for side in (-1, 1)]
    for spot_u, spot_v, turn in spots:
        if r.uniform() < 0.8:
            u, v = spot_u + r.uniform(-0.05, 0.05), spot_v * r.uniform(1.0, 1.15)
            chair(scene, x + c * u - s * v, y + s * u + c * v,
                  yaw + turn + r.uniform(-0.25, 0.25), cover)
