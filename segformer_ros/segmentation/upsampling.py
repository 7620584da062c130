# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Where the pixels of an image lie on a coarser (or finer) grid of logits.

The rule is that of ``torch.nn.functional.interpolate(mode='bilinear', align_corners=False)``:
pixel centres at half-integers, positions beyond the outer grid points moved onto them.
"""

import functools
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


class UpsamplingAxis(NamedTuple):
    """
    One axis of a bilinear interpolation, from n grid points to N pixels.

    A cell is a stretch between two neighbouring grid points that holds at least one pixel.
    All arrays are read-only.
    """

    lower: 'npt.NDArray[np.int32]'
    """(N,) grid point at or before each pixel"""
    upper: 'npt.NDArray[np.int32]'
    """(N,) the next grid point; the last one is its own successor"""
    weight: 'npt.NDArray[np.float32]'
    """(N,) of the upper grid point, 0..1"""
    nearest: 'npt.NDArray[np.int32]'
    """(N,) grid point nearest to each pixel"""
    cell_of: 'npt.NDArray[np.int32]'
    """(N,) cell of each pixel"""
    cell_start: 'npt.NDArray[np.int32]'
    """(cells + 1,) first pixel of each cell, and N"""
    cell_pixels: 'npt.NDArray[np.int32]'
    """(cells, longest) pixels of each cell; shorter ones repeat their last pixel"""


@functools.lru_cache(maxsize=64)
def upsampling_axis(grid_size: int, pixel_count: int) -> UpsamplingAxis:
    """
    Return the interpolation of one axis.

    :param grid_size: n, at least 1
    :param pixel_count: N, at least 1
    """
    position = (np.arange(pixel_count) + 0.5) * (grid_size / pixel_count)
    nearest = np.minimum(position.astype(np.int32), grid_size - 1)
    clamped = np.clip(position - 0.5, 0, grid_size - 1)
    lower = clamped.astype(np.int32)
    upper = np.minimum(lower + 1, grid_size - 1)
    first = np.flatnonzero(np.concatenate([[True], np.diff(lower) > 0]))
    start = np.concatenate([first, [pixel_count]])
    length = np.diff(start)
    cell_of = np.repeat(np.arange(len(length)), length)
    pixels = first[:, np.newaxis] + np.minimum(np.arange(length.max()), length[:, np.newaxis] - 1)
    return UpsamplingAxis(
        _int32(lower), _int32(upper), _frozen((clamped - lower).astype(np.float32)),
        _int32(nearest), _int32(cell_of), _int32(start), _int32(pixels))


def _int32(values: 'npt.NDArray[Any]') -> 'npt.NDArray[np.int32]':
    return _frozen(np.ascontiguousarray(values, dtype=np.int32))


def _frozen(array: 'npt.NDArray[Any]') -> 'npt.NDArray[Any]':
    array.setflags(write=False)
    return array
