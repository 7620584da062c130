# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Boxes, cylinders and ellipsoids: where a line enters and leaves them."""

from typing import Any, NamedTuple, Tuple

import numpy as np
from segformer_ros.common import arrays

BOX = 0
CYLINDER = 1
ELLIPSOID = 2
# A box seen from inside: the walls and the ceiling of a room.
ROOM = 3

# Directions closer to an axis than this are nudged, so that no slab divides by zero.
_TINY = 1e-7


class Primitive(NamedTuple):
    """
    A unit shape (cube of side 2, or radius 1) turned, stretched and put into the world.

    ``rotation`` is world_from_local (3, 3), ``center`` (3,) in metres, ``half`` (3,) the half
    sizes along the local axes in metres. ``material`` indexes the world's materials.
    ``holes`` is the share of an ellipsoid's skin that is open (foliage), 0 for solid.
    """

    kind: int
    rotation: arrays.Float64
    center: arrays.Float64
    half: arrays.Float64
    material: int
    holes: float = 0.0

    @property
    def radius(self) -> float:
        """Return the radius of the sphere around the shape, metres."""
        if self.kind == ELLIPSOID:
            return float(self.half.max())
        if self.kind == CYLINDER:
            return float(np.hypot(self.half[:2].max(), self.half[2]))
        return float(np.sqrt(np.dot(self.half, self.half)))

    def local_from_world(self) -> arrays.Float64:
        """Return the (3, 3) matrix that takes a world vector into the unit shape's space."""
        return self.rotation.T / self.half[:, None]


Triple = Tuple[Any, Any, Any]


def to_local(matrix: arrays.Float64, x: Any, y: Any, z: Any) -> Triple:
    """Multiply vectors given as three arrays by a 3 x 3 matrix, skipping its zeros."""
    rows = []
    for row in matrix:
        total: Any = None
        for factor, part in zip(row, (x, y, z)):
            if abs(factor) < 1e-12:
                continue
            term = part * part.dtype.type(factor) if hasattr(part, 'dtype') else part * factor
            total = term if total is None else total + term
        rows.append(np.zeros_like(x) if total is None else total)
    return rows[0], rows[1], rows[2]


def _slab(origin: Any, direction: Any) -> Tuple[Any, Any]:
    inverse = 1.0 / np.where(np.abs(direction) < _TINY, np.float32(_TINY), direction)
    first = (-1.0 - origin) * inverse
    second = (1.0 - origin) * inverse
    return np.minimum(first, second), np.maximum(first, second)


def _quadratic(a: Any, b: Any, c: Any) -> Tuple[Any, Any]:
    root = b * b - a * c
    hit = root >= 0
    root = np.sqrt(np.where(hit, root, 0.0))
    scale = 1.0 / np.maximum(a, 1e-12)
    near = np.where(hit, (-b - root) * scale, np.inf)
    far = np.where(hit, (-b + root) * scale, -np.inf)
    # A line along a cylinder's axis never crosses its side: it runs inside or outside for good.
    along = np.asarray(a) < 1e-12
    if np.any(along):
        inside = np.asarray(c) <= 0
        near = np.where(along, np.where(inside, -np.inf, np.inf), near)
        far = np.where(along, np.where(inside, np.inf, -np.inf), far)
    return near, far


def span(kind: int, origin: Triple, direction: Triple) -> Tuple[Any, Any]:
    """
    Find where lines enter and leave a unit shape.

    :param kind: BOX, CYLINDER, ELLIPSOID or ROOM
    :param origin: x, y, z of the lines' origins in the unit shape's space
    :param direction: x, y, z of their directions there, any length
    :return: line parameters at entry and exit; entry > exit where a line misses. The slab
        method (Kay and Kajiya, 1986) for flat faces, the quadratic formula for round ones
    """
    ox, oy, oz = origin
    dx, dy, dz = direction
    if kind == ELLIPSOID:
        return _quadratic(dx * dx + dy * dy + dz * dz, ox * dx + oy * dy + oz * dz,
                          ox * ox + oy * oy + oz * oz - 1.0)
    near, far = _slab(oz, dz)
    if kind == CYLINDER:
        side_near, side_far = _quadratic(dx * dx + dy * dy, ox * dx + oy * dy,
                                         ox * ox + oy * oy - 1.0)
        return np.maximum(near, side_near), np.minimum(far, side_far)
    for position, step in ((ox, dx), (oy, dy)):
        low, high = _slab(position, step)
        near = np.maximum(near, low)
        far = np.minimum(far, high)
    return near, far


def rotation_z(yaw: float) -> arrays.Float64:
    """Return the (3, 3) rotation about the vertical by an angle in radians."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotation_y(pitch: float) -> arrays.Float64:
    """Return the (3, 3) rotation about the y axis by an angle in radians."""
    c, s = np.cos(pitch), np.sin(pitch)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
