# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Calibration against scikit-learn's curve and a sum over single pixels."""

import math

import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.calibration import BINS
from segformer_ros.evaluation.metrics.calibration import ConfidenceCounts


def random_case(seed, size=4000):
    random = np.random.RandomState(seed)
    confidence = random.randint(0, 256, size).astype(np.uint8)
    right = random.rand(size) < (confidence / 255.0) ** 2
    labelled = random.rand(size) < 0.8
    return confidence, right, labelled


@pytest.mark.parametrize('seed', range(4))
def test_reliability_equals_scikit_learn(seed):
    sklearn_calibration = pytest.importorskip('sklearn.calibration')
    confidence, right, labelled = random_case(seed)
    counts = ConfidenceCounts()
    counts.add(confidence, right, labelled)
    rows = counts.reliability()
    accuracy, mean_confidence = sklearn_calibration.calibration_curve(
        right[labelled], confidence[labelled] / 255.0, n_bins=BINS)
    used = rows.pixels > 0
    np.testing.assert_allclose(rows.accuracy[used], accuracy)
    np.testing.assert_allclose(rows.confidence[used], mean_confidence)


@pytest.mark.parametrize('seed', range(4))
def test_expected_error_equals_a_sum_over_pixels(seed):
    confidence, right, labelled = random_case(seed, 600)
    counts = ConfidenceCounts()
    counts.add(confidence, right, labelled)
    bins = {}
    for level, is_right, is_labelled in zip(confidence.tolist(), right, labelled):
        if is_labelled:
            # (m-1)/M < confidence <= m/M in whole numbers; confidence 0 joins the first bin.
            bins.setdefault(max(1, -(-level * BINS // 255)), []).append((level / 255.0, is_right))
    total = sum(len(pixels) for pixels in bins.values())
    expected = sum(
        abs(sum(value for value, _ in pixels) - sum(is_right for _, is_right in pixels))
        for pixels in bins.values()) / total
    assert counts.expected_error() == pytest.approx(expected)


def test_certain_and_always_right_has_no_error():
    counts = ConfidenceCounts()
    counts.add(np.full((3, 3), 255, np.uint8), np.ones((3, 3), bool), np.ones((3, 3), bool))
    assert counts.expected_error() == 0.0


def test_certain_and_never_right_has_error_one():
    counts = ConfidenceCounts()
    counts.add(np.full((3, 3), 255, np.uint8), np.zeros((3, 3), bool), np.ones((3, 3), bool))
    assert counts.expected_error() == 1.0


def test_no_labelled_pixel_gives_no_figure():
    counts = ConfidenceCounts()
    counts.add(np.zeros((2, 2), np.uint8), np.ones((2, 2), bool), np.zeros((2, 2), bool))
    assert math.isnan(counts.expected_error())
    assert np.isnan(counts.reliability().accuracy).all()


def test_merging_equals_adding_to_one():
    together, first, second = ConfidenceCounts(), ConfidenceCounts(), ConfidenceCounts()
    for counts, seed in ((first, 1), (second, 2)):
        counts.add(*random_case(seed))
        together.add(*random_case(seed))
    first.merge(second)
    assert np.array_equal(first.pixels, together.pixels)
    assert np.array_equal(first.right, together.right)


def test_arrays_of_different_size_are_refused():
    with pytest.raises(InvalidInputError, match='differ in size'):
        ConfidenceCounts().add(np.zeros((2, 3), np.uint8), np.zeros((3, 2), bool),
                               np.zeros((3, 2), bool))
