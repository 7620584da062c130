# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which surface each ray meets first, and which points lie in shadow."""

from typing import Any, List, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.simulation import shapes
from segformer_ros.simulation.textures.noise import fractal

# Side of a tile in pixels: rays are culled tile by tile against bounding spheres.
TILE = 16
NOTHING = -1
GROUND = -2
# Surfaces closer than this are not seen, metres.
_NEAREST = 0.05
# A shadow ray starts this far off its surface, metres.
_LIFT = 0.004
# Upper quantiles of the unit normal distribution, for the share of open foliage.
_QUANTILES = ((0.0, 9.0), (0.1, 1.28), (0.15, 1.04), (0.2, 0.84), (0.25, 0.67), (0.5, 0.0))


class TiledRays:
    """
    An image's rays, cut into tiles.

    :param rays: (H, W, 3) directions in the optical frame, any length, finite
    """

    def __init__(self, rays: arrays.Array) -> None:
        self.shape = rays.shape[:2]
        rows, columns = -(-self.shape[0] // TILE), -(-self.shape[1] // TILE)
        self._grid = (rows, columns)
        unit = rays / np.sqrt((rays.astype(float) ** 2).sum(axis=2))[..., None]
        padded = np.pad(unit, ((0, rows * TILE - self.shape[0]),
                               (0, columns * TILE - self.shape[1]), (0, 0)), mode='edge')
        tiled = padded.reshape(rows, TILE, columns, TILE, 3).transpose(4, 0, 2, 1, 3)
        # (3, T, S) unit directions in the optical frame.
        self.directions = np.ascontiguousarray(
            tiled.reshape(3, rows * columns, TILE * TILE), dtype=np.float32)
        axis = self.directions.mean(axis=2)
        self.axis = axis / np.sqrt((axis * axis).sum(axis=0))
        lowest = (self.axis[:, :, None] * self.directions).sum(axis=0).min(axis=1)
        self.half_angle = np.arccos(np.clip(lowest, -1.0, 1.0)) + 1e-3
        middle = unit[self.shape[0] // 2]
        steps = np.sqrt((np.diff(middle, axis=0) ** 2).sum(axis=1))
        self.pixel_angle = float(np.median(steps)) if len(steps) else 1e-3

    def to_image(self, values: arrays.Array) -> arrays.Array:
        """Return (T, S) or (T, S, C) values as an image (H, W) or (H, W, C)."""
        rows, columns = self._grid
        rest = values.shape[2:]
        image = values.reshape((rows, columns, TILE, TILE) + rest)
        image = image.swapaxes(1, 2).reshape((rows * TILE, columns * TILE) + rest)
        return np.ascontiguousarray(image[:self.shape[0], :self.shape[1]])


def _open_foliage(primitive: shapes.Primitive, origin: Any, direction: Any,
                  t: arrays.Array) -> arrays.Bool:
    h = primitive.half
    x, y, z = [(o + t * d) * np.float32(size) for o, d, size in zip(origin, direction, h)]
    level = np.interp(primitive.holes, [q[0] for q in _QUANTILES], [q[1] for q in _QUANTILES])
    return fractal(x + 0.6 * z, y + 0.8 * z, 0.45) > level


def _enter(primitive: shapes.Primitive, origin: Any, direction: Any
           ) -> Tuple[arrays.Array, arrays.Array]:
    entry, leave = shapes.span(primitive.kind, origin, direction)
    hit = (entry < leave) & (entry > _NEAREST)
    if primitive.holes and hit.any():
        chosen = np.nonzero(hit)
        inside = [part[chosen] if np.ndim(part) else part for part in direction]
        start = [part[chosen] if np.ndim(part) else part for part in origin]
        hit[chosen] = ~_open_foliage(primitive, start, inside, entry[chosen])
    return entry, hit


def cast(primitives: List[shapes.Primitive], origin: arrays.Array,
         directions: arrays.Array, axis: arrays.Array,
         half_angle: arrays.Array) -> Tuple[arrays.Array, arrays.Array]:
    """
    Find the first surface along rays from one point.

    :param origin: (3,) start of all rays, world, metres
    :param directions: (3, T, S) unit directions in the world, in T tiles
    :param axis: (3, T) mean direction of each tile, world
    :param half_angle: (T,) radians, largest angle to the axis within each tile
    :return: distance (T, S) float32 in metres, inf for nothing; owner (T, S) int16: index
        into ``primitives``, GROUND or NOTHING
    """
    down = directions[2]
    with np.errstate(divide='ignore', invalid='ignore'):
        distance = np.where(down < -1e-5, np.float32(-origin[2]) / down, np.float32(np.inf))
    distance = distance.astype(np.float32)
    owner = np.where(np.isfinite(distance), GROUND, NOTHING).astype(np.int16)
    farthest = distance.max(axis=1)
    offsets = np.array([p.center for p in primitives]).reshape(-1, 3) - origin
    lengths = np.sqrt((offsets ** 2).sum(axis=1))
    radii = np.array([p.radius for p in primitives])
    for index in np.argsort(lengths - radii, kind='mergesort'):
        primitive = primitives[index]
        gap = lengths[index] - radii[index]
        if primitive.kind == shapes.ROOM or gap <= 0:
            tiles = np.arange(len(half_angle))
        else:
            cosine = offsets[index].dot(axis) / lengths[index]
            reach = half_angle + np.arcsin(radii[index] / lengths[index])
            tiles = np.nonzero((np.arccos(np.clip(cosine, -1, 1)) < reach) & (farthest > gap))[0]
        if not len(tiles):
            continue
        matrix = primitive.local_from_world()
        begin = matrix.dot(-offsets[index]).astype(np.float32)
        start = begin[0], begin[1], begin[2]
        d = directions[:, tiles]
        local = shapes.to_local(matrix, d[0], d[1], d[2])
        old = distance[tiles]
        if primitive.kind == shapes.ROOM:
            entry = shapes.span(shapes.ROOM, start, local)[1]
            closer = entry < old * np.float32(0.9995)
        else:
            entry, closer = _enter(primitive, start, local)
            closer &= entry < old
        if closer.any():
            old[closer] = entry[closer]
            distance[tiles] = old
            owned = owner[tiles]
            owned[closer] = index
            owner[tiles] = owned
            farthest[tiles] = old.max(axis=1)
    return distance, owner


def shadows(primitives: List[shapes.Primitive], points: arrays.Array,
            seen: arrays.Bool, sun: Tuple[float, float, float],
            lamp: Optional[Tuple[float, float, float]]) -> arrays.Bool:
    """
    Return which points a shape hides from the light.

    :param points: (3, T, S) world points, metres, lifted off their surfaces
    :param seen: (T, S) False where a point is of no interest
    :param sun: unit vector towards a distant light
    :param lamp: position of a near light that replaces the sun, or None
    :return: (T, S) True in shadow; False where ``seen`` is False
    """
    dark = np.zeros(seen.shape, bool)
    used = np.nonzero(seen.any(axis=1))[0]
    if not len(used) or not primitives:
        return dark
    here = np.where(seen[used], points[:, used], np.float32(np.nan))
    low, high = np.nanmin(here, axis=2), np.nanmax(here, axis=2)
    middle = 0.5 * (low + high)
    size = 0.5 * np.sqrt(((high - low) ** 2).sum(axis=0))
    light = np.tile(np.array(sun)[:, None], len(used))
    reach = np.full(len(used), np.inf)
    if lamp is not None:
        light = np.array(lamp)[:, None] - middle
        reach = np.sqrt((light ** 2).sum(axis=0))
        light = light / np.maximum(reach, 1e-6)
    for primitive in primitives:
        if primitive.kind == shapes.ROOM:
            continue
        to_shape = primitive.center[:, None] - middle
        along = np.clip((to_shape * light).sum(axis=0), 0.0, reach)
        off = to_shape - along * light
        tiles = np.nonzero((off ** 2).sum(axis=0) < (primitive.radius + size) ** 2)[0]
        if not len(tiles):
            continue
        rows = used[tiles]
        p = points[:, rows]
        matrix = primitive.local_from_world()
        c = primitive.center.astype(np.float32)
        start = shapes.to_local(matrix, p[0] - c[0], p[1] - c[1], p[2] - c[2])
        if lamp is None:
            way: Any = [np.float32(v) for v in matrix.dot(np.array(sun))]
        else:
            way = shapes.to_local(matrix, *[np.float32(lamp[i]) - p[i] for i in range(3)])
        entry, leave = shapes.span(primitive.kind, start, way)
        # A lamp's way has length 1 in units of the parameter; the lift keeps a lit face lit.
        hit = (entry < leave) & (leave > _LIFT)
        if lamp is not None:
            hit &= entry < 0.98
        dark[rows] |= hit
    return dark & seen
