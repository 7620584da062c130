# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix against counting pixel by pixel; its figures against scikit-learn."""

import math

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics import confusion

CLASSES = 4
VALUES = st.sampled_from([0, 1, 2, 3, 4, 77, 255])


@st.composite
def mask_pairs(draw):
    height = draw(st.integers(1, 6))
    width = draw(st.integers(1, 6))
    masks = []
    for _ in range(2):
        values = draw(st.lists(VALUES, min_size=height * width, max_size=height * width))
        masks.append(np.array(values, np.uint8).reshape(height, width))
    return masks


def counted_one_by_one(truth, prediction):
    counts = np.zeros((CLASSES, CLASSES + 1), np.int64)
    for true_class, predicted_class in zip(truth.ravel().tolist(), prediction.ravel().tolist()):
        if true_class >= CLASSES:
            continue
        counts[true_class, predicted_class if predicted_class < CLASSES else CLASSES] += 1
    return counts


@settings(deadline=None, max_examples=60)
@given(mask_pairs())
def test_matrix_equals_counting_one_by_one(pair):
    truth, prediction = pair
    matrix = confusion.ConfusionMatrix(CLASSES)
    matrix.add(truth, prediction)
    assert np.array_equal(matrix.counts, counted_one_by_one(truth, prediction))


@settings(deadline=None, max_examples=30)
@given(mask_pairs(), mask_pairs())
def test_merging_two_matrices_equals_adding_to_one(first, second):
    together = confusion.ConfusionMatrix(CLASSES)
    apart = [confusion.ConfusionMatrix(CLASSES), confusion.ConfusionMatrix(CLASSES)]
    for matrix, pair in zip(apart, (first, second)):
        matrix.add(*pair)
        together.add(*pair)
    apart[0].merge(apart[1])
    assert np.array_equal(apart[0].counts, together.counts)


@settings(deadline=None, max_examples=30)
@given(mask_pairs())
def test_sparse_class_counts_come_back_whole(pair):
    matrix = confusion.ConfusionMatrix(CLASSES)
    matrix.add(*pair)
    counts = matrix.class_counts()
    back = confusion.class_counts_from_sparse(counts.to_sparse(), CLASSES)
    for before, after in zip(counts, back):
        assert np.array_equal(before, after)


def test_ignored_truth_counts_nowhere_and_other_prediction_counts_as_wrong():
    matrix = confusion.ConfusionMatrix(2)
    matrix.add(np.array([[0, confusion.IGNORED, 1]], np.uint8),
               np.array([[confusion.OTHER, 0, 1]], np.uint8))
    assert matrix.to_rows() == [[0, 0, 1], [0, 1, 0]]


def test_largest_class_set_keeps_its_last_class():
    matrix = confusion.ConfusionMatrix(255)
    matrix.add(np.array([254, 254], np.uint8), np.array([254, 255], np.uint8))
    assert matrix.counts[254, 254] == 1
    assert matrix.counts[254, 255] == 1


def test_masks_of_different_size_are_refused():
    with pytest.raises(InvalidInputError, match=r'differ in size.*\(2, 3\).*\(3, 2\)'):
        confusion.ConfusionMatrix(2).add(np.zeros((3, 2), np.uint8), np.zeros((2, 3), np.uint8))


def test_matrices_of_different_classes_are_not_added():
    with pytest.raises(InvalidInputError, match='got 3; expected 2 classes'):
        confusion.ConfusionMatrix(2).merge(confusion.ConfusionMatrix(3))


@pytest.mark.parametrize('num_classes', [0, 256])
def test_impossible_number_of_classes_is_refused(num_classes):
    with pytest.raises(InvalidInputError, match=r'expected 1\.\.255'):
        confusion.ConfusionMatrix(num_classes)


def test_sparse_counts_of_an_unknown_class_are_refused():
    with pytest.raises(InvalidInputError, match=r'got 5; expected 0\.\.3'):
        confusion.class_counts_from_sparse({'5': [1, 1, 1]}, 4)


def scores_of(truth, prediction, num_classes):
    matrix = confusion.ConfusionMatrix(num_classes)
    matrix.add(np.array(truth, np.uint8), np.array(prediction, np.uint8))
    return confusion.score(matrix.class_counts())


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
    found = scores_of([0, 0, 0, 1, 1], [0, 0, confusion.OTHER, 0, 1], 3)
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
    np.testing.assert_array_equal(confusion.ratio([1, 0, 2], [2, 0, 0]), [0.5, np.nan, np.nan])
    assert float(confusion.ratio(3, 4)) == 0.75


def test_mean_of_known_leaves_nan_out():
    assert confusion.mean_of_known(np.array([np.nan, 1.0, 3.0])) == 2.0
    assert math.isnan(confusion.mean_of_known(np.array([np.nan])))
