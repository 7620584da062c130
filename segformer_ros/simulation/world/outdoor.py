# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A street beside a park, seen from a robot; and the land as seen from a drone."""

from typing import Callable, Tuple

import numpy as np
from segformer_ros.simulation import shapes
from segformer_ros.simulation.world import ground as world_ground
from segformer_ros.simulation.world.people import add_walker
from segformer_ros.simulation.world.scene import Lights
from segformer_ros.simulation.world.scene import Scene

# Half the length of street that is built, metres.
_REACH = 42.0
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


def daylight(random: np.random.RandomState) -> Lights:
    """Return a sun, a sky and a haze: from noon to evening, clear to overcast."""
    height = np.radians(random.uniform(22.0, 65.0))
    around = random.uniform(0, 2 * np.pi)
    warm = max(0.0, 0.5 - height) * 0.9
    clouds = random.uniform(0.0, 1.0)
    strength = 1.25 - 0.85 * max(0.0, clouds - 0.5)
    grey = 0.08 + 0.75 * clouds
    zenith = np.array([0.10, 0.27, 0.66]) * (1 - grey) + np.array([0.50, 0.54, 0.60]) * grey
    horizon = zenith * 0.45 + np.array([0.60 + 0.25 * warm, 0.60, 0.62 - 0.35 * warm]) * 0.55
    level = 0.30 + 0.25 * clouds
    return Lights(
        sun=(np.cos(height) * np.cos(around), np.cos(height) * np.sin(around),
             np.sin(height)),
        direct=(strength, strength * (1 - 0.35 * warm), strength * (1 - 0.9 * warm)),
        above=(level * 0.9, level, level * 1.15), below=(0.5 * level, 0.48 * level,
                                                         0.42 * level),
        zenith=(zenith[0], zenith[1], zenith[2]),
        horizon=(horizon[0], horizon[1], horizon[2]),
        clouds=clouds, haze=random.uniform(120.0, 300.0))


def _lane(y: float, bend: float, wave: float) -> Callable[[float], Tuple[float, float]]:
    def route(s: float) -> Tuple[float, float]:
        x = s - 30.0
        return x, y + bend * float(np.sin(x * 2 * np.pi / wave))
    return route


def build_street(scene: Scene) -> None:
    """
    Fill a scene with a street, its sidewalks and houses on one side, a park on the other.

    :param scene: an empty scene; the street runs along x, the park lies at positive y
    """
    r = scene.random
    scene.lights = daylight(r)
    ground = scene.ground
    ground.add(world_ground.EVERYWHERE, scene.material('grass'))
    road, walk = r.uniform(3.0, 4.2), r.uniform(1.3, 2.0)
    edge = road + 2 * walk
    bend, wave = r.uniform(0.5, 1.8), r.uniform(18.0, 30.0)
    path_y = edge + r.uniform(3.5, 6.0)
    path_half = r.uniform(0.9, 1.4)
    field_y = path_y + r.uniform(6.5, 9.0)
    ground.add(world_ground.RECTANGLE, scene.material('field'), (0.0, field_y + 15.0), 0.0,
               (90.0, 15.0))
    for _ in range(5):
        ground.add(world_ground.BLOB, scene.material('earth'),
                   (r.uniform(-28, 28), r.uniform(edge + 1.0, field_y)), r.uniform(0, 3),
                   (r.uniform(1.5, 3.5), r.uniform(1.2, 2.5)), 0.12)
    ground.add(world_ground.BLOB, scene.material('earth'), (r.uniform(-25, 25), -edge - 3.0), 0.0,
               (6.0, 2.0), 0.1)
    for _ in range(3):
        spot = (r.uniform(-28, 28), path_y + r.choice([-1, 1]) * r.uniform(3.6, 5.0))
        half = (r.uniform(2.5, 4.5), r.uniform(1.6, 2.4))
        if scene.claim(spot[0], spot[1], max(half)):
            ground.add(world_ground.BLOB, scene.material('water'), spot, 0.0, half, 0.08)
    ground.add(world_ground.STRIP, scene.material('path'), (0.0, path_y), 0.0, (wave, path_half),
               bend)
    side_material = scene.material('sidewalk')
    ground.add(world_ground.STRIP, side_material, (0.0, road + walk), 0.0, (1.0, walk))
    ground.add(world_ground.STRIP, side_material, (0.0, -road - walk), 0.0, (1.0, walk))
    ground.add(world_ground.STRIP, scene.material('road'), (0.0, 0.0), 0.0, (1.0, road))
    routes = [_lane(path_y, bend, wave), _lane(road + walk, 0.2, 17.0),
              _lane(-road * 0.5, 0.15, 23.0), _lane(path_y, bend, wave)]
    scene.route = routes[int(r.randint(len(routes)))]
    scene.route_length = 60.0
    scene.claim_route(1.3)
    _houses(scene, -edge - r.uniform(4.5, 7.0))
    _street_side(scene, road, walk)
    for x in np.arange(-_REACH, _REACH, 9.0):
        side = r.choice([-1, 1])
        if r.uniform() < 0.55 and scene.claim(x, path_y + side * (path_half + 2.2), 0.9):
            pole(scene, x, path_y + side * (path_half + 2.2), r.uniform(3.0, 4.5))
    _park(scene, edge, field_y)
    for _ in range(7):
        x = r.uniform(-30, 30)
        y = r.choice([road + walk, -road - walk, path_y]) + r.uniform(-0.8, 0.8)
        length = r.uniform(4, 15)
        add_walker(scene, (x, y), (x + length, y + r.uniform(-0.5, 0.5)),
                   r.uniform(0.7, 1.5) if r.uniform() < 0.8 else 0.0)


def _houses(scene: Scene, y: float) -> None:
    r = scene.random
    x = -_REACH
    while x < _REACH:
        half = r.uniform(4.0, 7.5)
        deep = r.uniform(4.0, 6.0)
        building(scene, x + half, y - deep, 0.0, half, deep, r.uniform(4.5, 11.0))
        x += 2 * half + r.uniform(0.8, 4.5)
        if r.uniform() < 0.6:
            fence(scene, x - half, y + r.uniform(1.5, 3.0), 0.0, 2 * half, r.uniform(1.2, 1.8))


def _street_side(scene: Scene, road: float, walk: float) -> None:
    r = scene.random
    for side in (-1, 1):
        for slot in np.arange(-_REACH, _REACH, 7.0):
            x = slot + r.uniform(-1.5, 1.5)
            if r.uniform() < 0.45 and scene.claim(x, side * (road - 1.0), 2.4):
                car(scene, x, side * (road - 1.0), 0.0 if side < 0 else np.pi)
            x += 3.0
            if r.uniform() < 0.55 and scene.claim(x, side * (road + 0.35), 0.3):
                pole(scene, x, side * (road + 0.35), r.uniform(3.5, 5.5))
            if r.uniform() < 0.4 and scene.claim(x + 1.0, side * (road + 2 * walk + 1.2), 1.2):
                tree(scene, x + 1.0, side * (road + 2 * walk + 1.2), r.uniform(0.7, 1.1))
    for x in np.arange(-_REACH, _REACH, 10.0):
        # Gaps between the fences lead from the sidewalk into the park.
        if r.uniform() < 0.5:
            fence(scene, x, road + 2 * walk + 0.4, 0.0, r.uniform(5.0, 8.0), r.uniform(1.0, 1.6))


def _park(scene: Scene, edge: float, field_y: float) -> None:
    r = scene.random
    for _ in range(38):
        x, y = r.uniform(-_REACH, _REACH), r.uniform(edge + 1.0, field_y)
        choice = r.uniform()
        size = r.uniform(0.7, 1.25)
        if choice < 0.45:
            if scene.claim(x, y, 1.3):
                tree(scene, x, y, size)
        elif choice < 0.65:
            if scene.claim(x, y, 1.2):
                bush(scene, x, y, size)
        elif choice < 0.95:
            if scene.claim(x, y, 1.5):
                rock(scene, x, y, 1.5 * size)
        elif scene.claim(x, y, 0.5):
            pole(scene, x, y, r.uniform(3.0, 4.0))
    for _ in range(8):
        x, y = r.uniform(-30, 30), r.uniform(edge + 1.5, field_y)
        length = r.uniform(4, 8)
        if scene.claim(x, y, 0.5 * length - 0.6):
            fence(scene, x, y, r.uniform(-0.3, 0.3), length, r.uniform(0.9, 1.4))
    x = -_REACH
    while x < _REACH:
        if r.uniform() < 0.6:
            tree(scene, x, field_y + r.uniform(8.0, 25.0), r.uniform(1.0, 1.7))
        x += r.uniform(3.0, 9.0)


def build_land(scene: Scene) -> None:
    """
    Fill a scene with fields, roads, houses and ponds, and a way to fly over them.

    :param scene: an empty scene
    """
    r = scene.random
    scene.lights = daylight(r)
    ground = scene.ground
    ground.add(world_ground.EVERYWHERE, scene.material('grass'))
    for _ in range(3):
        ground.add(world_ground.RECTANGLE,
                   scene.material('field'), (r.uniform(-38, 38), r.uniform(-30, 30)),
                   r.uniform(0, 3.1), (r.uniform(8, 14), r.uniform(6, 10)))
    for _ in range(5):
        ground.add(world_ground.BLOB,
                   scene.material('earth'), (r.uniform(-38, 38), r.uniform(-25, 25)),
                   r.uniform(0, 3), (r.uniform(3, 6), r.uniform(2, 4.5)), 0.12)
    for _ in range(4):
        spot = (r.uniform(-38, 38), r.uniform(-22, 22))
        half = (r.uniform(4, 7), r.uniform(3, 5))
        scene.claim(spot[0], spot[1], max(half))
        ground.add(world_ground.BLOB, scene.material('water'), spot, r.uniform(0, 3), half, 0.10)
    for _ in range(2):
        ground.add(world_ground.STRIP, scene.material('path'), (0.0, r.uniform(-16, 16)),
                   r.uniform(-1.2, 1.2), (r.uniform(20, 35), r.uniform(1.0, 1.8)),
                   r.uniform(1.0, 3.0))
    yaw, road = r.uniform(-0.35, 0.35), r.uniform(2.8, 4.0)
    y = r.uniform(-7.0, 7.0)
    side = r.uniform(0.9, 1.5)
    ground.add(world_ground.STRIP, scene.material('sidewalk'), (0.0, y), yaw,
               (1.0, road + 2 * side))
    ground.add(world_ground.STRIP, scene.material('road'), (0.0, y), yaw, (1.0, road))
    c, s = np.cos(yaw), np.sin(yaw)
    for _ in range(16):
        u, sign = r.uniform(-45, 45), r.choice([-1, 1])
        v = sign * road * r.uniform(0.35, 0.65)
        if scene.claim(c * u - s * v, y + s * u + c * v, 2.3):
            car(scene, c * u - s * v, y + s * u + c * v, yaw + (sign > 0) * np.pi)
    for _ in range(14):
        u = r.uniform(-45, 45)
        v = r.choice([-1, 1]) * (road + 2 * side + r.uniform(6.0, 16.0))
        if scene.claim(c * u - s * v, y + s * u + c * v, 5.5):
            building(scene, c * u - s * v, y + s * u + c * v, yaw, r.uniform(3.0, 5.5),
                     r.uniform(2.8, 4.5), r.uniform(2.6, 5.0))
    for u in np.arange(-60.0, 60.0, 1.5):
        scene.reserve(c * u, y + s * u, road + 2 * side)
    _scatter(scene)
    for _ in range(22):
        x, far = r.uniform(-35, 35), r.uniform(3, 12)
        if r.uniform() < 0.6:
            v = r.uniform(-1, 1) * (road + 2 * side)
            x, start_y = c * x - s * v, y + s * x + c * v
        else:
            start_y = r.uniform(-14, 14)
        angle = yaw + r.choice([0.0, np.pi]) + r.uniform(-0.3, 0.3)
        add_walker(scene, (x, start_y), (x + far * np.cos(angle), start_y + far * np.sin(angle)),
                   r.uniform(0.7, 1.5) if r.uniform() < 0.7 else 0.0)
    scene.route = _lane(r.uniform(-6, 6), r.uniform(1.0, 4.0), r.uniform(25.0, 40.0))
    scene.route_length = 60.0


def _scatter(scene: Scene) -> None:
    r = scene.random
    for _ in range(60):
        x, y = r.uniform(-45, 45), r.uniform(-28, 28)
        choice = r.uniform()
        size = r.uniform(0.7, 1.3)
        if not scene.claim(x, y, 1.6):
            continue
        if choice < 0.45:
            tree(scene, x, y, size * 1.1)
        elif choice < 0.63:
            bush(scene, x, y, size * 1.3)
        elif choice < 0.82:
            rock(scene, x, y, size * 1.7)
        else:
            fence(scene, x, y, r.uniform(0, 3.1), r.uniform(5, 8), 1.5)
