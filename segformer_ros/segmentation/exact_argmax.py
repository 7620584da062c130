# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The argmax of bilinearly upsampled logits, without upsampling the logits.

In a cell between four grid points the value of every class is a convex combination of its four
corner values. So

- where the four corners have the same argmax, the whole cell has it;
- elsewhere a class whose largest corner value is below the smallest corner value of another
  class is nowhere the argmax. Few classes are left: about 4 of 150 on photographs.

The result is that of the full computation, except where two classes are equal to within float32
rounding. Equal values go to the lower class id.
"""

from typing import NamedTuple, Optional, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.arrays import read_only
from segformer_ros.common.errors import BackendError
from segformer_ros.common.table_cache import cache_tables


class GridArgmax(NamedTuple):
    """The argmax over the classes at every grid point, (h, w) each."""

    labels: arrays.UInt8
    """class ids; of equal logits the lower id"""
    max_logit: arrays.Float32
    """of these classes"""
    logsumexp: Optional[arrays.Float32]
    """over the classes, or None when not asked for"""


class UpsamplingAxis(NamedTuple):
    """
    One axis of a bilinear interpolation, from n grid points to N pixels.

    A cell is a stretch between two neighbouring grid points that holds at least one pixel.
    All arrays are read-only.
    """

    lower: arrays.Int32
    """(N,) grid point at or before each pixel"""
    upper: arrays.Int32
    """(N,) the next grid point; the last one is its own successor"""
    weight: arrays.Float32
    """(N,) of the upper grid point, 0..1"""
    nearest: arrays.Int32
    """(N,) grid point nearest to each pixel"""
    cell_of: arrays.Int32
    """(N,) cell of each pixel"""
    cell_start: arrays.Int32
    """(cells + 1,) first pixel of each cell, and N"""
    cell_pixels: arrays.Int32
    """(cells, longest) pixels of each cell; shorter ones repeat their last pixel"""


@cache_tables
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
        read_only(lower, np.int32), read_only(upper, np.int32),
        read_only(clamped - lower, np.float32), read_only(nearest, np.int32),
        read_only(cell_of, np.int32), read_only(start, np.int32), read_only(pixels, np.int32))


def grid_argmax(logits: arrays.Float32,
                scratch: Optional[arrays.Float32]) -> GridArgmax:
    """
    Return the argmax, and the log-sum-exp if there is room to compute it.

    :param logits: (h, w, C) C-contiguous
    :param scratch: overwritten, of the same shape; None: no log-sum-exp
    :raises BackendError: a logit is not finite
    """
    # Minimum and maximum pass NaN on, and meet every infinity.
    if not np.isfinite([logits.min(), logits.max()]).all():
        raise not_finite_error()
    labels = logits.argmax(axis=2)
    classes = logits.shape[2]
    first = np.arange(labels.size).reshape(labels.shape) * classes
    max_logit = logits.reshape(-1)[first + labels]
    logsumexp = None
    if scratch is not None:
        np.subtract(logits, max_logit[:, :, np.newaxis], out=scratch)
        flat = scratch.reshape(-1, classes)
        cv2.exp(flat, flat)
        logsumexp = max_logit + np.log(scratch.sum(axis=2))
    return GridArgmax(labels.astype(np.uint8), max_logit, logsumexp)


def upsampled_argmax(
        logits: arrays.Float32, grid: GridArgmax, rows: UpsamplingAxis,
        cols: UpsamplingAxis,
) -> Tuple[arrays.UInt8, Optional[arrays.Float32]]:
    """
    Return the argmax of every pixel, and the logarithm of its confidence.

    :param logits: (h, w, C) C-contiguous, finite, 1 to 255 classes
    :param grid: their argmax
    :param rows: from h to H
    :param cols: from w to W
    :return: class ids (H, W); if the grid has a log-sum-exp also (H, W) the largest upsampled
        logit minus the upsampled log-sum-exp, at most 0 up to rounding
    """
    width = logits.shape[1]
    cell_rows, cell_cols = rows.cell_start[:-1], cols.cell_start[:-1]
    above, below = rows.lower[cell_rows] * width, rows.upper[cell_rows] * width
    left, right = cols.lower[cell_cols], cols.upper[cell_cols]
    nodes = np.stack([line[:, np.newaxis] + column
                      for line in (above, below) for column in (left, right)])
    corner_labels = grid.labels.reshape(-1)[nodes]
    mask = corner_labels[0].take(cols.cell_of, axis=1).take(rows.cell_of, axis=0)
    log_confidence = grid_log_confidence(grid, rows, cols)
    mixed_rows, mixed_cols = np.nonzero((corner_labels[1:] != corner_labels[0]).any(axis=0))
    if len(mixed_rows):
        pixel_rows, pixel_cols = rows.cell_pixels[mixed_rows], cols.cell_pixels[mixed_cols]
        cells = _Cells(nodes[:, mixed_rows, mixed_cols],
                       rows.weight[pixel_rows][:, :, np.newaxis],
                       cols.weight[pixel_cols][:, np.newaxis, :])
        candidates = _candidates(logits, cells.nodes, corner_labels[:, mixed_rows, mixed_cols])
        class_id, best = _argmax(cells, candidates)
        pixels = pixel_rows[:, :, np.newaxis] * np.intp(len(cols.lower)) \
            + pixel_cols[:, np.newaxis, :]
        mask.reshape(-1)[pixels] = class_id
        if log_confidence is not None and grid.logsumexp is not None:
            log_confidence.reshape(-1)[pixels] = best - _interpolate(
                grid.logsumexp.reshape(-1)[cells.nodes], cells, None)
    return mask, log_confidence


def grid_log_confidence(grid: GridArgmax, rows: UpsamplingAxis,
                        cols: UpsamplingAxis) -> Optional[arrays.Float32]:
    """Return (H, W): max logit minus log-sum-exp, upsampled; None without the latter."""
    if grid.logsumexp is None:
        return None
    return cv2.resize(  # type: ignore[return-value]
        grid.max_logit - grid.logsumexp, (len(cols.lower), len(rows.lower)),
        interpolation=cv2.INTER_LINEAR)


def not_finite_error() -> BackendError:
    """Return what is raised instead of a mask made from NaN or infinity."""
    return BackendError(
        'The network returned values that are not finite', got='NaN or infinity in the logits',
        expected='finite logits',
        remedy='If this stays, the model file is damaged or its precision is too low '
               '(FP16 overflows in some SegFormer engines).')


class _Cells(NamedTuple):
    """Cells whose corners disagree: their corners, and the weights of their pixels."""

    nodes: arrays.Index
    """(4, B) flat grid indices: upper left, upper right, lower left, lower right"""
    row_weight: arrays.Float32
    """(B, ph, 1)"""
    col_weight: arrays.Float32
    """(B, 1, pw)"""


class _Candidates(NamedTuple):
    """Classes that may be the argmax somewhere in a cell, cell by cell, ascending ids."""

    class_ids: arrays.UInt8
    """(P,)"""
    corners: arrays.Float32
    """(4, P) their values at the corners of their cell"""
    starts: arrays.Index
    """(B,) first candidate of each cell"""
    counts: arrays.Index
    """(B,) at least 1"""


def _candidates(logits: arrays.Float32, nodes: arrays.Index,
                corner_labels: arrays.UInt8) -> _Candidates:
    """Drop, in three steps of rising cost per class, what cannot be the argmax."""
    height, width, classes = logits.shape
    flat = logits.reshape(-1)
    # What some corner's argmax reaches everywhere in the cell, every argmax must reach somewhere.
    reached = flat[nodes[np.newaxis] * classes + corner_labels[:, np.newaxis]]
    bound = reached.min(axis=1).max(axis=0)
    # A class that reaches the bound in a cell does so at a corner. Of the cells around a grid
    # point the lowest bound counts: assigned last, it stays.
    falling = np.argsort(-bound)
    node_bound = np.full(height * width, np.inf, np.float32)
    node_bound[nodes[:, falling].T.reshape(-1)] = np.repeat(bound[falling], 4)
    reaching = logits.reshape(-1, classes) >= node_bound[:, np.newaxis]
    possible = reaching[nodes[0]]
    for corner in nodes[1:]:
        possible |= reaching[corner]
    cell, class_ids = np.nonzero(possible)
    corners = flat[nodes[:, cell] * classes + class_ids]
    largest = corners.max(axis=0)
    keep = largest >= bound[cell]
    cell, class_ids, corners, largest = (
        cell[keep], class_ids[keep], corners[:, keep], largest[keep])
    start = np.searchsorted(cell, np.arange(nodes.shape[1]))
    bound = np.maximum.reduceat(corners.min(axis=0), start)
    keep = largest >= bound[cell]
    cell = cell[keep]
    start = np.searchsorted(cell, np.arange(nodes.shape[1] + 1))
    return _Candidates(class_ids[keep].astype(np.uint8), corners[:, keep], start[:-1],
                       np.diff(start))


def _argmax(cells: _Cells, candidates: _Candidates) -> \
        Tuple[arrays.UInt8, arrays.Float32]:
    """Return argmax and its value, (B, ph, pw), taking one candidate of every cell at a time."""
    by_count = np.argsort(-candidates.counts)
    busy = len(by_count) - np.cumsum(np.bincount(candidates.counts))
    first = candidates.starts
    best = _interpolate(candidates.corners[:, first], cells, None)
    class_id = np.empty(best.shape, np.uint8)
    class_id[...] = candidates.class_ids[first][:, np.newaxis, np.newaxis]
    for rank in range(1, len(busy) - 1):
        chosen = by_count[:busy[rank]]
        pairs = candidates.starts[chosen] + rank
        value = _interpolate(candidates.corners[:, pairs], cells, chosen)
        old = best[chosen]
        better = value > old
        best[chosen] = np.where(better, value, old)
        class_id[chosen] = np.where(
            better, candidates.class_ids[pairs][:, np.newaxis, np.newaxis], class_id[chosen])
    return class_id, best


def _interpolate(corners: arrays.Float32, cells: _Cells,
                 chosen: Optional[arrays.Index]) -> arrays.Float32:
    """Return the values (n, ph, pw) of n corner quadruples (4, n) in the chosen cells, or all."""
    right, down = cells.col_weight, cells.row_weight
    if chosen is not None:
        right, down = right[chosen], down[chosen]
    upper_left, upper_right, lower_left, lower_right = corners[:, :, np.newaxis, np.newaxis]
    left = np.float32(1) - right
    upper: arrays.Float32 = left * upper_left + right * upper_right
    lower: arrays.Float32 = left * lower_left + right * lower_right
    value: arrays.Float32 = (np.float32(1) - down) * upper + down * lower
    return value
