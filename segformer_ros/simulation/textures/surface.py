# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The points of a surface that a texture colours."""

from typing import Any, NamedTuple, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.simulation import shapes


class Surface(NamedTuple):
    """
    N points on one surface, all arrays (N,).

    ``u``, ``v``: metres on the face, from its middle; on an upright face ``v`` is up.
    ``width``, ``height``: metres, size of the face along u and v.
    ``top``: True where the face looks up or down.
    ``front``: True where the face looks along the local +x or -x axis.
    ``footprint``: metres on the surface that one pixel spans.
    """

    u: arrays.Array
    v: arrays.Array
    width: arrays.Array
    height: arrays.Array
    top: arrays.Array
    front: arrays.Array
    footprint: arrays.Array

    def take(self, chosen: arrays.Array) -> 'Surface':
        """Return the chosen points alone."""
        return Surface(*[part[chosen] for part in self])


def flat_surface(u: arrays.Array, v: arrays.Array, width: float, height: float,
                 footprint: arrays.Array) -> Surface:
    """Return the surface of a patch of ground."""
    size = np.ones_like(u)
    yes = np.ones(u.shape, bool)
    return Surface(u, v, size * u.dtype.type(width), size * u.dtype.type(height), yes,
                   ~yes, footprint)


def _box_face(local: Tuple[Any, Any, Any], half: Any,
              room: bool) -> Tuple[Any, Any, Any, Any, Any, Any, Any]:
    stacked = np.abs(np.stack(local))
    axis = stacked.argmax(axis=0)
    on_x = axis == 0
    on_z = axis == 2
    x, y, z = local[0] * half[0], local[1] * half[1], local[2] * half[2]
    u = np.where(on_x, y, x)
    v = np.where(on_z, y, z)
    width = np.where(on_x, 2 * half[1], 2 * half[0]).astype(x.dtype)
    height = np.where(on_z, 2 * half[1], 2 * half[2]).astype(x.dtype)
    sign = -1.0 if room else 1.0
    normal = np.zeros_like(stacked)
    for index in range(3):
        chosen = axis == index
        normal[index][chosen] = sign * np.sign(local[index][chosen])
    return u, v, width, height, on_z, on_x, normal


def surface_at(primitive: shapes.Primitive, x: arrays.Array, y: arrays.Array,
               z: arrays.Array, footprint: arrays.Array
               ) -> Tuple[Surface, arrays.Array]:
    """
    Return points on a primitive for its texture, and their normals for the lights.

    :param x: world coordinates of the points, metres, (N,); ``y`` and ``z`` likewise
    :param footprint: size of a pixel there, metres, (N,)
    :return: the surface, and the outward unit normals in the world, (3, N)
    """
    c = primitive.center
    local = shapes.to_local(primitive.local_from_world(), x - x.dtype.type(c[0]),
                            y - x.dtype.type(c[1]), z - x.dtype.type(c[2]))
    half = primitive.half.astype(x.dtype)
    one = np.ones_like(x)
    if primitive.kind in (shapes.BOX, shapes.ROOM):
        u, v, width, height, top, front, normal = _box_face(
            local, half, primitive.kind == shapes.ROOM)
    elif primitive.kind == shapes.CYLINDER:
        cap = np.abs(local[2]) > 0.9995
        u = np.where(cap, local[0] * half[0],
                     np.arctan2(local[1], local[0]).astype(x.dtype) * half[0])
        v = np.where(cap, local[1] * half[1], local[2] * half[2])
        width, height = one * 6.2832 * half[0], one * 2 * half[2]
        top, front = cap, np.zeros(x.shape, bool)
        zero = np.zeros_like(x)
        normal = np.stack([np.where(cap, zero, local[0] / half[0]),
                           np.where(cap, zero, local[1] / half[1]),
                           np.where(cap, np.sign(local[2]), zero)])
    else:
        u = np.arctan2(local[1], local[0]).astype(x.dtype) * half[0]
        v = local[2] * half[2]
        width, height = one * 6.2832 * half[0], one * 2 * half[2]
        top, front = local[2] > 0.7, local[0] > 0.3
        normal = np.stack([local[0] / half[0], local[1] / half[1], local[2] / half[2]])
    world = np.stack(shapes.to_local(primitive.rotation, normal[0], normal[1], normal[2]))
    length = np.sqrt((world * world).sum(axis=0))
    return Surface(u, v, width, height, top, front, footprint), world / length
