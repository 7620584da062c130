# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Calibration: is a confidence of 0.8 right eight times out of ten.

Expected calibration error: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On Calibration of Modern
Neural Networks, ICML 2017, equations 1 to 3: equal bins (m-1)/M < confidence <= m/M, and the mean
gap between confidence and accuracy, weighted by pixels.
"""

from typing import NamedTuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.confusion import ratio

# The paper's number of bins.
BINS = 15

LEVELS = 256


class Reliability(NamedTuple):
    """
    One row for every bin of confidence; arrays of shape (BINS,).

    ``pixels`` is a count; ``confidence`` and ``accuracy`` are means in 0..1, NaN in empty bins.
    """

    pixels: arrays.Int64
    confidence: arrays.Float64
    accuracy: arrays.Float64


class ConfidenceCounts:
    """
    Labelled pixels, and right ones among them, by their confidence of 0..255.

    All 256 levels are kept, so that no later choice of bins needs the frames again.
    """

    def __init__(self) -> None:
        self.pixels: arrays.Int64 = np.zeros(LEVELS, np.int64)
        self.right: arrays.Int64 = np.zeros(LEVELS, np.int64)

    def add(self, confidence: arrays.UInt8, right: arrays.Bool,
            labelled: arrays.Bool) -> None:
        """
        Count one frame.

        :param confidence: (H, W) uint8, 255 is certain
        :param right: (H, W) bool, the prediction is the truth
        :param labelled: (H, W) bool, the pixel has a true class
        :raises InvalidInputError: the shapes differ
        """
        if not confidence.shape == right.shape == labelled.shape:
            raise InvalidInputError(
                'Confidence and truth differ in size',
                got=confidence.shape, expected=labelled.shape)
        self.pixels += np.bincount(confidence[labelled], minlength=LEVELS)
        self.right += np.bincount(confidence[labelled & right], minlength=LEVELS)

    def merge(self, other: 'ConfidenceCounts') -> None:
        """Add the counts of other frames."""
        self.pixels += other.pixels
        self.right += other.right

    def reliability(self) -> Reliability:
        """Return the reliability diagram."""
        levels = np.arange(LEVELS) / 255.0
        edges = np.arange(1, BINS) / float(BINS)
        bin_of_level = np.searchsorted(edges, levels, side='left')
        pixels = np.bincount(bin_of_level, weights=self.pixels, minlength=BINS)
        right = np.bincount(bin_of_level, weights=self.right, minlength=BINS)
        confidence = np.bincount(bin_of_level, weights=self.pixels * levels, minlength=BINS)
        return Reliability(pixels=np.rint(pixels).astype(np.int64),
                           confidence=ratio(confidence, pixels),
                           accuracy=ratio(right, pixels))

    def expected_error(self) -> float:
        """Return the expected calibration error, 0..1, NaN without pixels."""
        rows = self.reliability()
        used = rows.pixels > 0
        gaps = np.abs(rows.accuracy[used] - rows.confidence[used])
        return float(ratio((gaps * rows.pixels[used]).sum(), rows.pixels.sum()))
