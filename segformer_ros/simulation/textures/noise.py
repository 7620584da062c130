# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Smooth random fields, baked once, that every texture of the world samples."""

from typing import Tuple

import numpy as np
from segformer_ros.common import arrays

# Side of the baked square, a power of two so that wrapping is a bit mask.
TILE = 512
_MASK = TILE - 1
# One unit of a field's coordinate spans this many samples of its coarsest octave.
_BASE_CELLS = 16
_OCTAVES = 4


def _bake(seed: int) -> arrays.Float32:
    random = np.random.RandomState(seed)
    field = np.zeros((TILE, TILE))
    amplitude = 1.0
    for octave in range(_OCTAVES):
        cells = _BASE_CELLS << octave
        lattice = random.standard_normal((cells, cells))
        step = np.arange(TILE) * (cells / float(TILE))
        low = step.astype(int)
        part = step - low
        part = part * part * (3.0 - 2.0 * part)
        high = (low + 1) % cells
        rows = lattice[low] * (1 - part)[:, None] + lattice[high] * part[:, None]
        field += amplitude * (rows[:, low] * (1 - part) + rows[:, high] * part)
        amplitude *= 0.55
    return (field / field.std()).astype(np.float32)


# Fixed seed: the field is a constant of the world; materials differ by offset and scale.
_FIELD = _bake(20260117).ravel()
_WHITE = np.random.RandomState(77003).uniform(size=4096).astype(np.float32)


def fractal(u: arrays.Array, v: arrays.Array,
            cell: float) -> arrays.Float32:
    """
    Sample the fractal field, bilinearly.

    :param u: first coordinate in metres, any shape
    :param v: second coordinate in metres, same shape
    :param cell: size of the coarsest feature, metres; the finest is an eighth of it
    :return: float32, same shape, zero mean and unit variance
    """
    scale = TILE / float(_BASE_CELLS) / cell
    # The offset keeps floor() away from the sign change of int casts.
    x = u * scale + 40 * TILE
    y = v * scale + 40 * TILE
    column = np.floor(x).astype(np.int32)
    row = np.floor(y).astype(np.int32)
    x = (x - column).astype(np.float32)
    y = (y - row).astype(np.float32)
    right = (column + 1) & _MASK
    column &= _MASK
    below = ((row + 1) & _MASK) * TILE
    row = (row & _MASK) * TILE
    top = _FIELD[row + column] * (1 - x) + _FIELD[row + right] * x
    bottom = _FIELD[below + column] * (1 - x) + _FIELD[below + right] * x
    return top + (bottom - top) * y


def cell_value(i: arrays.Array, j: arrays.Array,
               salt: int = 0) -> arrays.Float32:
    """
    Return a random number for each integer cell.

    :param i: first cell index (whole numbers, any dtype)
    :param j: second cell index
    :param salt: chooses another set of numbers
    :return: float32 in 0..1, constant within a cell
    """
    a = i.astype(np.int64)
    b = j.astype(np.int64)
    # Multipliers: the primes of Teschner et al., "Optimized Spatial Hashing" (2003).
    key = (a * 73856093) ^ (b * 19349663) ^ (salt * 83492791)
    return _WHITE[(key ^ (key >> 13)) & 4095]


def line(x: arrays.Array, period: float, width: float,
         footprint: arrays.Array) -> arrays.Array:
    """
    Return the coverage of lines at whole multiples of a period, softened to a pixel's size.

    :param x: coordinate across the lines, metres
    :param period: distance between lines, metres
    :param width: width of a line, metres
    :param footprint: size of a pixel on the surface, metres
    :return: coverage 0..1; where a pixel is wider than the period, the mean coverage
    """
    distance = np.abs(x / period - np.round(x / period)) * period
    soft = np.maximum(footprint, 1e-4)
    cover = np.clip((0.5 * width - distance) / soft + 0.5, 0.0, 1.0)
    blend = np.clip(1.5 * soft / period - 0.5, 0.0, 1.0)
    return cover * np.minimum(1.0, width / soft) * (1 - blend) + blend * (width / period)


def fade(feature: float, footprint: arrays.Array) -> arrays.Array:
    """Return the contrast, 0..1, left of a pattern of this size seen through such pixels."""
    ratio = footprint * (1.0 / feature)
    return 1.0 / (1.0 + ratio * ratio)


def hsv(hue: float, saturation: float, value: float) -> Tuple[float, float, float]:
    """
    Return the linear reflectance of a colour as seen on a screen.

    :param hue: 0..1, red = 0, wraps around
    :param saturation: 0..1
    :param value: 0..1
    :return: red, green, blue reflectance, 0..1 (gamma 2, see sensor.py)
    """
    def channel(shift: float) -> float:
        k = (shift + hue * 6.0) % 6.0
        shown = value - value * saturation * max(0.0, min(k, 4.0 - k, 1.0))
        return shown * shown
    return channel(5.0), channel(3.0), channel(1.0)
