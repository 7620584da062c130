# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Colour and light of the points that the rays met."""

from typing import Any, List, NamedTuple, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.simulation.render.ray_casting import GROUND
from segformer_ros.simulation.render.ray_casting import shadows
from segformer_ros.simulation.shapes import Primitive
from segformer_ros.simulation.shapes import ROOM
from segformer_ros.simulation.textures import surface as textures_surface
from segformer_ros.simulation.textures.bank import SKY
from segformer_ros.simulation.textures.noise import fractal
from segformer_ros.simulation.textures.patterns import PATTERNS
from segformer_ros.simulation.world.scene import Lights
from segformer_ros.simulation.world.world import World


class Shaded(NamedTuple):
    """Linear colour (T, S, 3) float32 and class (T, S) uint8 of each ray."""

    color: arrays.Float32
    labels: arrays.UInt8


def sky_color(lights: Lights, x: arrays.Array, y: arrays.Array,
              z: arrays.Array) -> arrays.Array:
    """
    Return the sky's colour in directions.

    :param x: components of unit vectors, (N,); ``y`` and ``z`` likewise
    :return: linear colour, (N, 3)
    """
    up = np.clip(z, 0.0, 1.0)
    zenith, horizon = np.array(lights.zenith, x.dtype), np.array(lights.horizon, x.dtype)
    color = horizon + (zenith - horizon) * (np.sqrt(up) * 0.95)[:, None]
    flat = 1.0 / (up + 0.12)
    puff = fractal(x * flat * 2.0, y * flat * 2.0, 2.2) + 0.9 * (lights.clouds - 0.55) * 2.0
    cover = np.clip(puff * 0.8, 0.0, 1.0) * np.clip(up * 9.0, 0.0, 1.0) * 0.85
    white = np.array([0.88, 0.89, 0.91], x.dtype) * (1.0 - 0.25 * lights.clouds)
    return color + (white - color) * cover[:, None]


def _corners(room: Tuple[float, float, float], p: Any, normal: Any) -> arrays.Array:
    # Less sky-light reaches the corners of a room; 0.35 m is the width of the gradient.
    shade = np.ones(p[0].shape, np.float32)
    for axis, size in enumerate(room):
        free = 1.0 - np.abs(normal[axis])
        low = p[axis] if axis == 2 else size + p[axis]
        for gap in (low, size - p[axis]):
            shade *= 1.0 - 0.38 * free * np.exp(-np.maximum(gap, 0) / np.float32(0.35))
    return shade


class _Points:
    """The hit points of an image, flat, with what the passes fill in."""

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        self.color = np.zeros((count, 3), np.float32)
        self.normal = np.zeros((3, count), np.float32)
        self.labels = np.full(count, SKY, np.uint8)
        self.shine = np.zeros(count, np.float32)
        self.glow = np.zeros(count, np.float32)

    def paint(self, material_index: int, surface: textures_surface.Surface, where: Any) -> None:
        material = self.world.materials[material_index]
        self.color[where] = PATTERNS[material.pattern](material, surface)
        self.labels[where] = material.class_id
        if material.shine:
            self.shine[where] = material.shine
        if material.glow:
            self.glow[where] = material.glow


def _paint_ground(out: _Points, x: Any, y: Any, footprint: Any, where: Any) -> None:
    ground = out.world.ground
    index = ground.patch_index(x, y)
    for number, patch in enumerate(ground.patches):
        chosen = np.nonzero(index == number)[0]
        if not len(chosen):
            continue
        u, v = ground.local(patch, x[chosen], y[chosen])
        surface = textures_surface.flat_surface(u, v, 2 * patch.half[0], 2 * patch.half[1],
                                                footprint[chosen])
        out.paint(patch.material, surface, where[chosen])
    out.normal[2, where] = 1.0


def _paint_primitive(out: _Points, primitive: Primitive, p: Any, footprint: Any,
                     where: Any) -> None:
    surface, normal = textures_surface.surface_at(primitive, p[0], p[1], p[2], footprint)
    out.normal[:, where] = normal
    if primitive.kind != ROOM:
        out.paint(primitive.material, surface, where)
        return
    for material, chosen in ((primitive.material, ~surface.top),
                             (primitive.material + 1, surface.top)):
        rows = np.nonzero(chosen)[0]
        if len(rows):
            out.paint(material, surface.take(rows), where[rows])


def shade(world: World, primitives: List[Primitive], origin: arrays.Array,
          directions: arrays.Array, distance: arrays.Array,
          owner: arrays.Array, pixel_angle: float) -> Shaded:
    """
    Colour and label what the rays met.

    :param primitives: the list that ``owner`` indexes
    :param origin: (3,) camera position, metres
    :param directions: (3, T, S) unit directions, world
    :param distance: (T, S) metres, inf for the sky
    :param owner: (T, S) as ``cast`` returns it
    :param pixel_angle: radians that one pixel spans
    """
    lights = world.lights
    flat_owner = owner.ravel()
    t = np.where(np.isfinite(distance), distance, np.float32(0)).ravel()
    way = directions.reshape(3, -1)
    points = origin.astype(np.float32)[:, None] + way * t
    out = _Points(world, t.size)
    order = np.argsort(flat_owner, kind='mergesort')
    values, starts = np.unique(flat_owner[order], return_index=True)
    ends = np.append(starts[1:], t.size)
    raw = t * np.float32(pixel_angle)
    for value, start, end in zip(values, starts, ends):
        where = order[start:end]
        if value == GROUND:
            slope = np.maximum(-way[2, where], 0.02)
            _paint_ground(out, points[0, where], points[1, where],
                          raw[where] / np.sqrt(slope), where)
        elif value >= 0:
            _paint_primitive(out, primitives[value], points[:, where], raw[where] * 1.2, where)
    seen = flat_owner != -1
    _light(out, lights, primitives, points, way, seen, owner.shape)
    if lights.haze:
        # Beer-Lambert law: light from afar fades to the horizon's colour.
        air = (1.0 - np.exp(-t / np.float32(lights.haze)))[:, None]
        out.color += (np.array(lights.horizon, np.float32) - out.color) * air
    sky = np.nonzero(~seen)[0]
    if len(sky):
        out.color[sky] = sky_color(lights, way[0, sky], way[1, sky], way[2, sky])
    return Shaded(out.color.reshape(owner.shape + (3,)), out.labels.reshape(owner.shape))


def label(world: World, primitives: List[Primitive], origin: arrays.Array,
          directions: arrays.Array, distance: arrays.Array, owner: arrays.Array
          ) -> arrays.UInt8:
    """
    Return the classes that :func:`shade` gives, without colours: (T, S).

    The parameters are those of ``shade``.
    """
    classes = np.array([material.class_id for material in world.materials], np.uint8)
    flat_owner = owner.ravel()
    way = directions.reshape(3, -1)
    labels = np.full(flat_owner.size, SKY, np.uint8)
    start = origin.astype(np.float32)
    on_shapes = np.flatnonzero(flat_owner >= 0)
    if len(on_shapes):
        of_shapes = np.array([primitive.material for primitive in primitives])
        labels[on_shapes] = classes[of_shapes[flat_owner[on_shapes]]]
    for number, primitive in enumerate(primitives):
        if primitive.kind == ROOM:
            where = np.flatnonzero(flat_owner == number)
            if not len(where):
                continue
            points = start[:, None] + way[:, where] * distance.ravel()[where]
            surface, _ = textures_surface.surface_at(
                primitive, points[0], points[1], points[2], np.zeros(len(where), np.float32))
            labels[where[surface.top]] = classes[primitive.material + 1]
    where = np.flatnonzero(flat_owner == GROUND)
    points = start[:2, None] + way[:2, where] * distance.ravel()[where]
    by_patch = classes[[patch.material for patch in world.ground.patches]]
    labels[where] = by_patch[world.ground.patch_index(points[0], points[1])]
    return labels.reshape(owner.shape)


def _light(out: _Points, lights: Lights, primitives: List[Primitive], points: Any, way: Any,
           seen: Any, shape: Tuple[int, ...]) -> None:
    normal = out.normal
    direct = np.array(lights.direct, np.float32)
    if lights.lamp is None:
        facing = sum(normal[i] * np.float32(lights.sun[i]) for i in range(3))
        strength = np.maximum(facing, 0)
    else:
        to_lamp = np.array(lights.lamp, np.float32)[:, None] - points
        far = np.sqrt((to_lamp ** 2).sum(axis=0))
        facing = (normal * to_lamp).sum(axis=0) / np.maximum(far, 1e-3)
        # Falls to half at 4 m: a panel, not a point.
        strength = np.maximum(facing, 0) * 1.3 / (1.0 + (far / 4.0) ** 2)
    lit = seen & (strength > 0.01) & (np.abs(points[:2]).max(axis=0) < 90.0)
    lifted = (points + normal * np.float32(0.01)).reshape((3,) + shape)
    dark = shadows(primitives, lifted, lit.reshape(shape), lights.sun, lights.lamp).ravel()
    strength = strength * np.where(dark, np.float32(0.08), np.float32(1.0))
    up = (0.5 + 0.5 * normal[2])[:, None]
    above, below = np.array(lights.above, np.float32), np.array(lights.below, np.float32)
    ambient = below + (above - below) * up
    if out.world.room is not None:
        ambient = ambient * _corners(out.world.room, points, normal)[:, None]
    light = ambient + strength[:, None] * direct
    glow = out.glow[:, None]
    out.color *= light * (1 - glow) + glow
    mirror = np.nonzero(out.shine > 0)[0]
    if len(mirror):
        n, d = normal[:, mirror], way[:, mirror]
        bounce = d - 2.0 * (n * d).sum(axis=0) * n
        share = out.shine[mirror] * (0.4 + 0.6 * (1 - np.abs((n * d).sum(axis=0))))
        sky = sky_color(lights, bounce[0], bounce[1], np.abs(bounce[2]))
        out.color[mirror] += (sky - out.color[mirror]) * share[:, None]
