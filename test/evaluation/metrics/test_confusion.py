# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix against counting pixel by pixel."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.confusion import class_counts_from_sparse
from segformer_ros.evaluation.metrics.confusion import ConfusionMatrix
from segformer_ros.evaluation.metrics.confusion import IGNORED
from segformer_ros.evaluation.metrics.confusion import OTHER

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
    matrix = ConfusionMatrix(CLASSES)
    matrix.add(truth, prediction)
    assert np.array_equal(matrix.counts, counted_one_by_one(truth, prediction))


@settings(deadline=None, max_examples=30)
@given(mask_pairs(), mask_pairs())
def test_merging_two_matrices_equals_adding_to_one(first, second):
    together = ConfusionMatrix(CLASSES)
    apart = [ConfusionMatrix(CLASSES), ConfusionMatrix(CLASSES)]
    for matrix, pair in zip(apart, (first, second)):
        matrix.add(*pair)
        together.add(*pair)
    apart[0].merge(apart[1])
    assert np.array_equal(apart[0].counts, together.counts)


@settings(deadline=None, max_examples=30)
@given(mask_pairs())
def test_sparse_class_counts_come_back_whole(pair):
    matrix = ConfusionMatrix(CLASSES)
    matrix.add(*pair)
    counts = matrix.class_counts()
    back = class_counts_from_sparse(counts.to_sparse(), CLASSES)
    for before, after in zip(counts, back):
        assert np.array_equal(before, after)


def test_ignored_truth_counts_nowhere_and_other_prediction_counts_as_wrong():
    matrix = ConfusionMatrix(2)
    matrix.add(np.array([[0, IGNORED, 1]], np.uint8), np.array([[OTHER, 0, 1]], np.uint8))
    assert matrix.to_rows() == [[0, 0, 1], [0, 1, 0]]


def test_largest_class_set_keeps_its_last_class():
    matrix = ConfusionMatrix(255)
    matrix.add(np.array([254, 254], np.uint8), np.array([254, 255], np.uint8))
    assert matrix.counts[254, 254] == 1
    assert matrix.counts[254, 255] == 1


def test_masks_of_different_size_are_refused():
    with pytest.raises(InvalidInputError, match=r'differ in size.*\(2, 3\).*\(3, 2\)'):
        ConfusionMatrix(2).add(np.zeros((3, 2), np.uint8), np.zeros((2, 3), np.uint8))


def test_matrices_of_different_classes_are_not_added():
    with pytest.raises(InvalidInputError, match='got 3; expected 2 classes'):
        ConfusionMatrix(2).merge(ConfusionMatrix(3))


@pytest.mark.parametrize('num_classes', [0, 256])
def test_impossible_number_of_classes_is_refused(num_classes):
    with pytest.raises(InvalidInputError, match=r'expected 1\.\.255'):
        ConfusionMatrix(num_classes)


def test_sparse_counts_of_an_unknown_class_are_refused():
    with pytest.raises(InvalidInputError, match=r'got 5; expected 0\.\.3'):
        class_counts_from_sparse({'5': [1, 1, 1]}, 4)
