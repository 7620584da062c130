# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A furnished room with a free loop for the robot."""

from typing import Callable, List, Tuple

import numpy as np
from segformer_ros.simulation.world import furniture
from segformer_ros.simulation.world import ground
from segformer_ros.simulation.world.people import add_walker
from segformer_ros.simulation.world.scene import Lights
from segformer_ros.simulation.world.scene import Scene

# Width of the strip along the walls that furniture may fill, metres.
_MARGIN = 1.75


def _wall_item(scene: Scene, name: str, x: float, y: float, yaw: float, height: float) -> None:
    r = scene.random
    c, s = np.cos(yaw), np.sin(yaw)
    if name == 'door':
        furniture.wall_board(scene, 'door', x, y, yaw, 1.05, 1.0, 2.1)
    elif name == 'window':
        wide = r.uniform(1.3, 1.9)
        furniture.wall_board(scene, 'window', x, y, yaw, 1.6, wide, 1.3)
        if r.uniform() < 0.8:
            for side in (-1, 1):
                off = side * (wide / 2 + 0.25)
                furniture.wall_board(scene, 'curtain', x - s * off + c * 0.06,
                                     y + c * off + s * 0.06, yaw, 1.25, 0.55, 2.3, 0.05)
    elif name == 'painting':
        furniture.wall_board(scene, 'painting', x, y, yaw, r.uniform(1.45, 1.7),
                             r.uniform(0.9, 1.4), r.uniform(0.7, 1.0))
    elif name == 'cabinet':
        furniture.cabinet(scene, x + c * 0.26, y + s * 0.26, yaw, r.uniform(1.2, 1.9),
                          r.uniform(0.8, 2.1))
    elif name == 'bookcase':
        furniture.bookcase(scene, x + c * 0.19, y + s * 0.19, yaw, r.uniform(1.0, 1.8),
                           min(height - 0.3, r.uniform(1.6, 2.2)))
    elif name == 'sofa':
        furniture.sofa(scene, x + c * 0.5, y + s * 0.5, yaw, r.uniform(1.6, 2.1))
        furniture.wall_board(scene, 'painting', x, y, yaw, 1.75, r.uniform(0.9, 1.4), 0.8)
    elif name == 'bed':
        # Along the wall, so that the loop stays free.
        side = 1 if r.uniform() < 0.5 else -1
        wide = r.uniform(1.1, 1.5)
        furniture.bed(scene, x + c * (0.05 + wide / 2), y + s * (0.05 + wide / 2),
                      yaw + side * np.pi / 2, wide)
    elif name == 'plant':
        furniture.plant(scene, x + c * 0.5, y + s * 0.5, r.uniform(1.0, 1.4))
    elif name == 'table':
        furniture.table(scene, x + c * 0.5, y + s * 0.5, yaw + np.pi / 2, r.uniform(0.6, 0.8), 0.4)
        furniture.chair(scene, x + c * 1.05, y + s * 1.05, yaw + np.pi + r.uniform(-0.3, 0.3),
                        scene.material('chair'))
    else:
        for _ in range(3):
            u, v = r.uniform(0.4, 1.0), r.uniform(-0.7, 0.7)
            furniture.carton(scene, x + c * u - s * v, y + s * u + c * v,
                             yaw + r.uniform(-0.5, 0.5), r.uniform(0.22, 0.38))


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
        furniture.table_with_chairs(scene, 0.0, 0.0, yaw, min(a - 1.0, r.uniform(0.6, 1.0)),
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
