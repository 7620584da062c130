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

import functools
import math
from typing import NamedTuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.arrays import read_only

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


@functools.lru_cache(maxsize=64)
def resize_axis(in_size: int, out_size: int) -> ResizeAxis:
    """
    Return the weights of one axis.

    :param in_size: samples of the image, at least 1
    :param out_size: samples of the result, at least 1
    """
    scale = in_size / out_size
    support = max(scale, 1.0)
    first, taps, weights = [], [], []
    for index in range(out_size):
        center = (index + 0.5) * scale
        start = max(int(center - support + 0.5), 0)
        stop = min(int(center + support + 0.5), in_size)
        values = [max(0.0, 1.0 - abs((sample - center + 0.5) / support))
                  for sample in range(start, stop)]
        total = sum(values)
        first.append(start)
        taps.append(stop - start)
        weights.append([math.floor(value / total * (1 << FRACTION_BITS) + 0.5)
                        for value in values])
    most = max(taps)
    table = [row + [0] * (most - len(row)) for row in weights]
    return ResizeAxis(read_only(first, np.int32), read_only(taps, np.int32),
                      read_only(table, np.int32))
