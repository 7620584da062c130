# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A furnished room with a free loop for the robot."""

from typing import Callable, List, Tuple

import numpy as np
from segformer_ros.simulation import shapes
from segformer_ros.simulation.world import ground
from segformer_ros.simulation.world.people import add_walker
from segformer_ros.simulation.world.scene import Lights
from segformer_ros.simulation.world.scene import Scene

# Width of the strip along the walls that furniture may fill, metres.
_MARGIN = 1.75


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


def _wall_item(scene: Scene, name: str, x: float, y: float, yaw: float, height: float) -> None:
    r = scene.random
    c, s = np.cos(yaw), np.sin(yaw)
    if name == 'door':
        wall_board(scene, 'door', x, y, yaw, 1.05, 1.0, 2.1)
    elif name == 'window':
        wide = r.uniform(1.3, 1.9)
        wall_board(scene, 'window', x, y, yaw, 1.6, wide, 1.3)
        if r.uniform() < 0.8:
            for side in (-1, 1):
                off = side * (wide / 2 + 0.25)
                wall_board(scene, 'curtain', x - s * off + c * 0.06, y + c * off + s * 0.06, yaw,
                           1.25, 0.55, 2.3, 0.05)
    elif name == 'painting':
        wall_board(scene, 'painting', x, y, yaw, r.uniform(1.45, 1.7), r.uniform(0.9, 1.4),
                   r.uniform(0.7, 1.0))
    elif name == 'cabinet':
        cabinet(scene, x + c * 0.26, y + s * 0.26, yaw, r.uniform(1.2, 1.9), r.uniform(0.8, 2.1))
    elif name == 'bookcase':
        bookcase(scene, x + c * 0.19, y + s * 0.19, yaw, r.uniform(1.0, 1.8),
                 min(height - 0.3, r.uniform(1.6, 2.2)))
    elif name == 'sofa':
        sofa(scene, x + c * 0.5, y + s * 0.5, yaw, r.uniform(1.6, 2.1))
        wall_board(scene, 'painting', x, y, yaw, 1.75, r.uniform(0.9, 1.4), 0.8)
    elif name == 'bed':
        # Along the wall, so that the loop stays free.
        side = 1 if r.uniform() < 0.5 else -1
        wide = r.uniform(1.1, 1.5)
        bed(scene, x + c * (0.05 + wide / 2), y + s * (0.05 + wide / 2), yaw + side * np.pi / 2,
            wide)
    elif name == 'plant':
        plant(scene, x + c * 0.5, y + s * 0.5, r.uniform(1.0, 1.4))
    elif name == 'table':
        table(scene, x + c * 0.5, y + s * 0.5, yaw + np.pi / 2, r.uniform(0.6, 0.8), 0.4)
        chair(scene, x + c * 1.05, y + s * 1.05, yaw + np.pi + r.uniform(-0.3, 0.3),
              scene.material('chair'))
    else:
        for _ in range(3):
            u, v = r.uniform(0.4, 1.0), r.uniform(-0.7, 0.7)
            carton(scene, x + c * u - s * v, y + s * u + c * v, yaw + r.uniform(-0.5, 0.5),
                   r.uniform(0.22, 0.38))


# Length of wall that an item needs, metres.
_NEEDS = {'door': 1.2, 'window': 2.9, 'painting': 1.6, 'cabinet': 2.0, 'bookcase': 1.9,
          'sofa': 2.3, 'bed': 2.4, 'plant': 1.1, 'table': 1.8, 'boxes': 1.9}


def _shuffled(scene: Scene) -> List[str]:
    items = ['door', 'window', 'painting', 'cabinet', 'bookcase', 'sofa', 'bed', 'plant',
             'boxes', 'table', 'door', 'window', 'cabinet', 'boxes', 'bookcase', 'plant',
             'sofa', 'bed']
    first = items[:10]
    rest = items[10:]
    scene.random.shuffle(first)
    scene.random.shuffle(rest)
    return first + rest


def _loop(a: float, b: float) -> Tuple[Callable[[float], Tuple[float, float]], float]:
    angles = np.linspace(0.0, 2 * np.pi, 721)
    x, y = a * np.cos(angles), b * np.sin(angles)
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    length = float(travelled[-1])

    def route(s: float) -> Tuple[float, float]:
        angle = float(np.interp(s % length, travelled, angles))
        return a * float(np.cos(angle)), b * float(np.sin(angle))
    return route, length


def build_indoor(scene: Scene) -> None:
    """Fill a scene with a room of 8 to 13 m by 7 to 10 m and a loop to drive."""
    r = scene.random
    half_x, half_y = r.uniform(4.0, 6.5), r.uniform(3.6, 5.0)
    height = r.uniform(2.6, 3.2)
    scene.room = (half_x, half_y, height)
    scene.material('wall')
    scene.material('ceiling')
    a, b = half_x - _MARGIN - 0.4, half_y - _MARGIN - 0.4
    scene.route, scene.route_length = _loop(a, b)
    scene.closed = True
    warm = r.uniform(-0.12, 0.12)
    level = r.uniform(0.35, 0.6)
    scene.lights = Lights(
        sun=(0.0, 0.0, 1.0), direct=(1.0 + warm, 1.0, 1.0 - 1.3 * warm),
        above=(level, level, level * (1 - 0.3 * warm)),
        below=(0.8 * level, 0.78 * level, 0.75 * level),
        lamp=(r.uniform(-1.0, 1.0), r.uniform(-1.0, 1.0), height - 0.15))
    scene.ground.add(ground.EVERYWHERE, scene.material('floor'),
                     yaw=0.0 if r.uniform() < 0.5 else np.pi / 2)
    wide, deep = min(a - 0.3, r.uniform(1.3, 2.1)), min(b - 0.2, r.uniform(0.9, 1.4))
    yaw = r.uniform(-0.3, 0.3)
    scene.ground.add(ground.RECTANGLE, scene.material('rug'), (0.0, 0.0), yaw, (wide, deep))
    for _ in range(2):
        angle = r.uniform(0, 6.28)
        scene.ground.add(ground.BLOB if r.uniform() < 0.3 else ground.RECTANGLE,
                         scene.material('rug'), (a * np.cos(angle), b * np.sin(angle)),
                         r.uniform(-0.4, 0.4), (r.uniform(0.8, 1.3), r.uniform(0.6, 0.9)))
    if a > 1.7 and b > 1.2 and r.uniform() < 0.85:
        table_with_chairs(scene, 0.0, 0.0, yaw, min(a - 1.0, r.uniform(0.6, 1.0)),
                          min(b - 0.75, 0.5))
    items = _shuffled(scene)
    for yaw, far, side in ((0.0, half_x, half_y), (np.pi / 2, half_y, half_x),
                           (np.pi, half_x, half_y), (1.5 * np.pi, half_y, half_x)):
        # The wall behind an item that faces along yaw; the cursor runs along that wall.
        cursor = -side + 0.35 + (0.9 if side == half_y else 0.0)
        limit = side - 0.3 - (0.9 if side == half_y else 0.0)
        while items and cursor + _NEEDS[items[0]] < limit:
            name = items.pop(0)
            middle = cursor + _NEEDS[name] / 2
            cursor += _NEEDS[name] + r.uniform(0.05, 0.4)
            c, s = np.cos(yaw), np.sin(yaw)
            _wall_item(scene, name, -c * (far - 0.001) - s * middle,
                       -s * (far - 0.001) + c * middle, yaw, height)
    for _ in range(int(r.randint(1, 4))):
        angle = r.uniform(0, 6.28)
        inner = r.uniform(0.7, 1.1)
        start = (inner * a * np.cos(angle), inner * b * np.sin(angle))
        swing = angle + r.uniform(0.5, 1.2)
        end = (inner * a * np.cos(swing), inner * b * np.sin(swing))
        add_walker(scene, start, end, r.uniform(0.4, 0.9) if r.uniform() < 0.7 else 0.0)
