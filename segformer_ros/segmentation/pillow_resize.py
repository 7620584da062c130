# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The weights of Pillow's antialiased bilinear resize (``Image.BILINEAR``).

The checkpoint was trained with that filter: a triangle as wide as the step between output
pixels, so that nothing is skipped when an image shrinks. OpenCV's INTER_LINEAR looks at two
samples a row whatever the step, and changes up to 4 % of the labels.

Columns are resized first and rounded to 8 bits, then rows, as Pillow did up to version 12. Version
13 starts with the rows where an image is higher than wide; single values then differ by 1 of 255.
"""

from typing import NamedTuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.arrays import read_only
from segformer_ros.common.table_cache import cache_tables

# Weights are whole numbers with this many fractional bits (PRECISION_BITS of Pillow's Resample.c).
FRACTION_BITS = 22


class ResizeAxis(NamedTuple):
    """The weights of one axis, for every output sample. Read-only arrays."""

    first: arrays.Int32
    """(out,) first input sample"""
    taps: arrays.Int32
    """(out,) how many input samples"""
    weight: arrays.Int32
    """(out, most taps) fixed-point; 0 beyond the taps"""


@cache_tables
def resize_axis(in_size: int, out_size: int) -> ResizeAxis:
    """
    Return the weights of one axis.

    :param in_size: samples of the image, at least 1
    :param out_size: samples of the result, at least 1
    """
    scale = in_size / out_size
    support = max(scale, 1.0)
    center = (np.arange(out_size) + 0.5) * scale
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    taps = np.minimum((center + support + 0.5).astype(np.int64), in_size) - first
    offset = np.arange(taps.max())
    distance = (first[:, np.newaxis] + offset) - center[:, np.newaxis] + 0.5
    values = np.maximum(0.0, 1.0 - np.abs(distance / support))
    values[offset >= taps[:, np.newaxis]] = 0.0
    # Added one by one from the left, as Pillow does: the last bit depends on it.
    total = np.cumsum(values, axis=1)[:, -1:]
    weight = np.floor(values / total * (1 << FRACTION_BITS) + 0.5)
    return ResizeAxis(read_only(first, np.int32), read_only(taps, np.int32),
                      read_only(weight, np.int32))
