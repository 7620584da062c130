# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Slow, plain computations in float64 that the fast ones are compared with."""

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


def argmax_with_gap(planes, size_wh, rows_at_once=64):
    """
    Return the winner of every pixel and by how much it beats the second, in float64.

    :param planes: (C, h, w) logits
    """
    rows = interpolation_matrix(planes.shape[1], size_wh[1])
    cols = interpolation_matrix(planes.shape[2], size_wh[0])
    wide = np.stack([plane.astype(np.float64).dot(cols.T) for plane in planes])
    winner = np.empty((size_wh[1], size_wh[0]), np.int64)
    gap = np.empty((size_wh[1], size_wh[0]))
    for start in range(0, size_wh[1], rows_at_once):
        part = slice(start, start + rows_at_once)
        values = np.tensordot(rows[part], wide, axes=(1, 1))
        winner[part] = values.argmax(axis=1)
        ordered = np.sort(values, axis=1)
        gap[part] = ordered[:, -1] - ordered[:, -2] if len(planes) > 1 else np.inf
    return winner, gap


def log_softmax_bound(planes, size_wh):
    """Return (H, W): the largest upsampled logit minus the upsampled log-sum-exp, float64."""
    planes = planes.astype(np.float64)
    peak = planes.max(axis=0)
    logsumexp = peak + np.log(np.exp(planes - peak).sum(axis=0))
    return upsample(planes, size_wh).max(axis=0) - upsample(logsumexp[np.newaxis], size_wh)[0]
