# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The plane z = 0 and what is painted on it: floor, rugs, roads, ponds."""

from typing import List, NamedTuple, Tuple

import numpy as np
from segformer_ros.common import arrays

EVERYWHERE = 'everywhere'
STRIP = 'strip'
RECTANGLE = 'rectangle'
BLOB = 'blob'


class Patch(NamedTuple):
    """
    A painted region with its own frame: origin (x, y) and yaw.

    ``shape``: EVERYWHERE; STRIP (endless along u, ``half[1]`` to both sides of a line that
    swings by ``bend`` metres over a wave of ``half[0]`` metres); RECTANGLE and BLOB (an
    ellipse whose rim wobbles by the share ``bend``) with half sizes ``half``.
    """

    shape: str
    material: int
    origin: Tuple[float, float]
    yaw: float
    half: Tuple[float, float]
    bend: float = 0.0


class Ground:
    """Patches in painter's order: the last one that covers a point is its surface."""

    def __init__(self) -> None:
        self.patches: List[Patch] = []

    def add(self, shape: str, material: int, origin: Tuple[float, float] = (0.0, 0.0),
            yaw: float = 0.0, half: Tuple[float, float] = (1.0, 1.0),
            bend: float = 0.0) -> None:
        """Paint a patch over the others; see Patch."""
        self.patches.append(Patch(shape, material, origin, yaw, half, bend))

    def local(self, patch: Patch, x: arrays.Array,
              y: arrays.Array) -> Tuple[arrays.Array, arrays.Array]:
        """
        Return points in the coordinates of a patch; those of a strip are straightened.

        :param x: world coordinates, metres, any shape; ``y`` likewise
        :return: u along and v across, metres
        """
        kind = x.dtype.type
        c, s = kind(np.cos(patch.yaw)), kind(np.sin(patch.yaw))
        dx, dy = x - kind(patch.origin[0]), y - kind(patch.origin[1])
        u, v = c * dx + s * dy, c * dy - s * dx
        if patch.shape == STRIP and patch.bend:
            v = v - kind(patch.bend) * np.sin(u * kind(6.283185 / patch.half[0]))
        return u, v

    def covers(self, patch: Patch, x: arrays.Array,
               y: arrays.Array) -> arrays.Bool:
        """Return which points lie in a patch; arguments as for ``local``."""
        if patch.shape == EVERYWHERE:
            return np.ones(x.shape, bool)
        u, v = self.local(patch, x, y)
        if patch.shape == STRIP:
            return np.abs(v) <= patch.half[1]
        if patch.shape == RECTANGLE:
            return (np.abs(u) <= patch.half[0]) & (np.abs(v) <= patch.half[1])
        angle = np.arctan2(v, u)
        rim = 1.0 + patch.bend * (np.sin(3 * angle + patch.yaw) + 0.6 * np.sin(5 * angle))
        return np.hypot(u / patch.half[0], v / patch.half[1]) <= rim

    def patch_index(self, x: arrays.Array, y: arrays.Array) -> arrays.Int16:
        """
        Return which patch is the surface at points.

        :param x: world coordinates, metres, any shape; ``y`` likewise
        :return: index into ``patches``, same shape
        """
        found = np.zeros(x.shape, np.int16)
        for index, patch in enumerate(self.patches):
            if index:
                found[self.covers(patch, x, y)] = index
        return found
