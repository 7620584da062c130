# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The figures of merit against scikit-learn and against numbers worked out by hand."""

import math

import numpy as np
import pytest

from segformer_ros.evaluation.metrics.confusion import ConfusionMatrix
from segformer_ros.evaluation.metrics.confusion import mean_of_known
from segformer_ros.evaluation.metrics.confusion import OTHER
from segformer_ros.evaluation.metrics.confusion import ratio
from segformer_ros.evaluation.metrics.confusion import score


def scores_of(truth, prediction, num_classes):
    matrix = ConfusionMatrix(num_classes)
    matrix.add(np.array(truth, np.uint8), np.array(prediction, np.uint8))
    return score(matrix.class_counts())


@pytest.mark.parametrize('seed', range(8))
def test_figures_equal_scikit_learn(seed):
    sklearn_metrics = pytest.importorskip('sklearn.metrics')
    random = np.random.RandomState(seed)
    num_classes = random.randint(2, 12)
    # Some classes never occur in the truth, others never in the prediction.
    truth = random.randint(0, max(1, num_classes - seed % 3), 500)
    prediction = np.where(random.rand(500) < 0.6, truth, random.randint(0, num_classes, 500))
    found = scores_of(truth, prediction, num_classes)
    present = sorted(set(truth) | set(prediction))

    jaccard = sklearn_metrics.jaccard_score(
        truth, prediction, labels=present, average=None, zero_division=0)
    np.testing.assert_allclose(found.iou[present], jaccard, atol=1e-12)
    assert np.isnan(np.delete(found.iou, present)).all()
    assert found.mean_iou == pytest.approx(sklearn_metrics.jaccard_score(
        truth, prediction, average='macro', zero_division=0))
    assert found.frequency_weighted_iou == pytest.approx(sklearn_metrics.jaccard_score(
        truth, prediction, average='weighted', zero_division=0))
    assert found.pixel_accuracy == pytest.approx(
        sklearn_metrics.accuracy_score(truth, prediction))
    in_truth = sorted(set(truth))
    assert found.mean_accuracy == pytest.approx(sklearn_metrics.recall_score(
        truth, prediction, labels=in_truth, average='macro', zero_division=0))
    said = sorted(set(prediction))
    np.testing.assert_allclose(found.precision[said], sklearn_metrics.precision_score(
        truth, prediction, labels=said, average=None, zero_division=0), atol=1e-12)


def test_figures_of_a_case_worked_out_by_hand():
    # Class 0: 2 right of 3 true, 3 said. Class 1: 1 right of 2 true, 1 said. One pixel "other".
    found = scores_of([0, 0, 0, 1, 1], [0, 0, OTHER, 0, 1], 3)
    np.testing.assert_allclose(found.iou, [2 / 4.0, 1 / 2.0, np.nan])
    assert found.mean_iou == pytest.approx(0.5)
    assert found.pixel_accuracy == pytest.approx(3 / 5.0)
    assert found.mean_accuracy == pytest.approx((2 / 3.0 + 1 / 2.0) / 2)
    assert found.frequency_weighted_iou == pytest.approx(0.5)
    np.testing.assert_allclose(found.precision, [2 / 3.0, 1.0, np.nan])


def test_class_seen_where_there_is_none_counts_with_zero():
    found = scores_of([0, 0], [0, 1], 3)
    assert found.mean_iou == pytest.approx((0.5 + 0.0) / 2)
    assert found.mean_accuracy == pytest.approx(0.5)


def test_nothing_labelled_gives_no_figure():
    found = scores_of([255, 255], [0, 1], 2)
    assert math.isnan(found.pixel_accuracy)
    assert math.isnan(found.mean_iou)
    assert math.isnan(found.frequency_weighted_iou)


def test_ratio_is_nan_exactly_where_the_whole_is_zero():
    np.testing.assert_array_equal(ratio([1, 0, 2], [2, 0, 0]), [0.5, np.nan, np.nan])
    assert float(ratio(3, 4)) == 0.75


def test_mean_of_known_leaves_nan_out():
    assert mean_of_known(np.array([np.nan, 1.0, 3.0])) == 2.0
    assert math.isnan(mean_of_known(np.array([np.nan])))
