# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Slow, plain computations in float64 that the fast ones are compared with."""

from typing import Any, NamedTuple

import numpy as np


def interpolation_matrix(grid_size, pixel_count):
    """Return (pixel_count, grid_size): bilinear, half-pixel centres, clamped at the ends."""
    matrix = np.zeros((pixel_count, grid_size))
    for pixel in range(pixel_count):
        position = (pixel + 0.5) * grid_size / pixel_count - 0.5
        position = min(max(position, 0.0), grid_size - 1.0)
        lower = int(np.floor(position))
        upper = min(lower + 1, grid_size - 1)
        matrix[pixel, lower] += 1.0 - (position - lower)
        matrix[pixel, upper] += position - lower
    return matrix


def upsample(planes, size_wh):
    """Return (C, H, W) float64 from (C, h, w)."""
    rows = interpolation_matrix(planes.shape[1], size_wh[1])
    cols = interpolation_matrix(planes.shape[2], size_wh[0])
    return np.stack([rows.dot(plane.astype(np.float64)).dot(cols.T) for plane in planes])


class UpsampledArgmax(NamedTuple):
    """The argmax of every pixel of upsampled logits, (H, W) each."""

    mask: Any
    """class ids; of equal values the lower id"""
    value: Any
    """float64 value of the argmax"""
    gap: Any
    """by how much it beats the second; infinite without one"""


def upsampled_argmax(planes, size_wh):
    """
    Return the argmax of every pixel, in float64.

    :param planes: (C, h, w) logits
    """
    rows = interpolation_matrix(planes.shape[1], size_wh[1])
    cols = interpolation_matrix(planes.shape[2], size_wh[0])
    # (h, W, C): one pixel's classes lie side by side.
    wide = np.stack([cols.dot(planes[:, y].T.astype(np.float64)) for y in range(planes.shape[1])])
    mask, value, gap = [], [], []
    for weights in rows:
        # A row of the result lies between two of the logits', all other weights are 0.
        near = np.flatnonzero(weights)
        part = sum(weights[y] * wide[y] for y in near)
        argmax = part.argmax(axis=1)
        x = np.arange(len(argmax))
        best = part[x, argmax]
        part[x, argmax] = -np.inf
        mask.append(argmax)
        value.append(best)
        gap.append(best - part.max(axis=1))
    return UpsampledArgmax(np.stack(mask), np.stack(value), np.stack(gap))


def log_confidence(planes, max_logit):
    """Return (H, W): the largest logits minus the upsampled log-sum-exp, float64."""
    planes = planes.astype(np.float64)
    largest = planes.max(axis=0)
    logsumexp = largest + np.log(np.exp(planes - largest).sum(axis=0))
    return max_logit - upsample(logsumexp[np.newaxis], max_logit.shape[::-1])[0]
