# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Exact rewrites of weights: the same function with fewer multiplications.

All products are made in float64 and rounded once.
"""

from typing import NamedTuple, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.model.optimize import segformer_layers as layers


class FoldedHead(NamedTuple):
    """
    The decode head as ``relu(sum_i up_i(x_i @ weights[i]) + bias) @ classifier``.

    ``weights`` has one (stage channels, decoder channels) float32 matrix a stage.
    """

    weights: Tuple[arrays.Float32, ...]
    bias: arrays.Float32
    classifier: layers.Linear


def fold_head(head: layers.Head) -> FoldedHead:
    """
    Merge each stage's projection with its share of the fusing convolution.

    With stages x_i, projections L_i and b_i, upsampling up_i and the fusing convolution F and
    f, the head's middle is ``z = F . concat_i(up_i(L_i x_i + b_i)) + f``. L_i and F act on
    channels, up_i on positions, so they commute; interpolation weights sum to one, so b_i
    passes unchanged: ``z = sum_i up_i((F_i L_i) x_i) + (f + sum_i F_i b_i)``. The convolution
    over all stages' channels at the first stage's size, half of a SegFormer-B0's
    multiplications, is gone.
    """
    widths = [projection.bias.size for projection in head.projections]
    parts = np.split(np.asarray(head.fuse.weight, np.float64), np.cumsum(widths)[:-1])
    bias = np.asarray(head.fuse.bias, np.float64)
    weights = []
    for projection, part in zip(head.projections, parts):
        weights.append((np.asarray(projection.weight, np.float64) @ part).astype(np.float32))
        bias = bias + np.asarray(projection.bias, np.float64) @ part
    return FoldedHead(tuple(weights), bias.astype(np.float32), head.classifier)


def fold_input_scale(convolution: layers.Convolution,
                     scale: Sequence[float]) -> layers.Convolution:
    """
    Return a convolution that takes input multiplied by ``1 / scale`` beforehand.

    :param scale: by input channel
    """
    factors = np.asarray(scale, np.float64).reshape(1, -1, 1, 1)
    return convolution._replace(weight=(convolution.weight * factors).astype(np.float32))


def fold_attention_scale(attention: layers.Attention) -> layers.Attention:
    """Return the same attention with its scale moved into the query projection."""
    query = layers.Linear(*((values.astype(np.float64) * attention.scale).astype(np.float32)
                            for values in attention.query))
    return attention._replace(query=query, scale=1.0)
