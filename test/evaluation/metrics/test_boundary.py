# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Boundary IoU against its definition, class by class and pixel by pixel."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics import boundary
from segformer_ros.evaluation.metrics.boundary import BoundaryCounts

CLASSES = 3


@st.composite
def blocky_masks(draw, values):
    cells = draw(st.lists(st.sampled_from(values), min_size=12, max_size=12))
    return np.kron(np.array(cells, np.uint8).reshape(3, 4), np.ones((4, 5), np.uint8))


def band_of_one_class(binary_mask, width):
    """Peel the mask once per step; the outside of the image is not part of it."""
    core = np.pad(binary_mask, 1, mode='constant')
    for _ in range(width):
        peeled = core.copy()
        for y, x in np.argwhere(core):
            peeled[y, x] = core[y - 1:y + 2, x - 1:x + 2].all()
        core = peeled
    return binary_mask & ~core[1:-1, 1:-1]


@settings(deadline=None, max_examples=25)
@given(blocky_masks([0, 1, 2, 255]), st.integers(1, 3))
def test_band_of_all_classes_equals_peeling_each_class(mask, width):
    expected = np.zeros(mask.shape, bool)
    for class_id in np.unique(mask):
        expected |= band_of_one_class(mask == class_id, width)
    assert np.array_equal(boundary.outline_band(mask, width), expected)


@settings(deadline=None, max_examples=25)
@given(blocky_masks([0, 1, 2, 255]), blocky_masks([0, 1, 2, 9, 255]))
def test_boundary_iou_equals_its_definition(truth, prediction):
    counts = BoundaryCounts(CLASSES)
    counts.add(truth, prediction)
    width = boundary.band_width(*truth.shape)
    labelled = truth < CLASSES
    for class_id in range(CLASSES):
        in_truth = band_of_one_class(truth == class_id, width)
        in_prediction = band_of_one_class((prediction == class_id) & labelled, width)
        assert counts.intersection[class_id] == (in_truth & in_prediction).sum()
        assert counts.union[class_id] == (in_truth | in_prediction).sum()


def test_equal_masks_have_boundary_iou_one():
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 10:40] = 1
    counts = BoundaryCounts(CLASSES)
    counts.add(mask, mask)
    np.testing.assert_array_equal(counts.iou(), [1.0, 1.0, np.nan])


def test_shifted_object_loses_more_boundary_iou_than_iou():
    truth = np.zeros((200, 200), np.uint8)
    prediction = np.zeros((200, 200), np.uint8)
    truth[50:150, 50:150] = 1
    prediction[50:150, 54:154] = 1
    counts = BoundaryCounts(2)
    counts.add(truth, prediction)
    plain_iou = 96.0 / 104.0
    assert counts.iou()[1] < plain_iou - 0.2


def test_void_draws_no_outline_of_its_own():
    # Beside void the truth ends and the prediction goes on: no disagreement.
    truth = np.zeros((60, 80), np.uint8)
    truth[:, 40:] = 255
    counts = BoundaryCounts(CLASSES)
    counts.add(truth, np.zeros((60, 80), np.uint8))
    assert counts.iou()[0] == 1.0


def test_band_is_two_hundredths_of_the_diagonal_and_at_least_one_pixel():
    assert boundary.band_width(480, 640) == 16
    assert boundary.band_width(360, 480) == 12
    assert boundary.band_width(4, 3) == 1


def test_counts_of_two_halves_add_up():
    random = np.random.RandomState(3)
    pairs = [(random.randint(0, 3, (20, 30)).astype(np.uint8),
              random.randint(0, 4, (20, 30)).astype(np.uint8)) for _ in range(2)]
    together = BoundaryCounts(CLASSES)
    first = BoundaryCounts(CLASSES)
    second = BoundaryCounts(CLASSES)
    for pair in pairs:
        together.add(*pair)
    first.add(*pairs[0])
    second.add(*pairs[1])
    first.merge(second)
    assert np.array_equal(first.intersection, together.intersection)
    assert np.array_equal(first.union, together.union)


def test_masks_of_different_size_are_refused():
    with pytest.raises(InvalidInputError, match='differ in size'):
        BoundaryCounts(2).add(np.zeros((3, 2), np.uint8), np.zeros((2, 3), np.uint8))
