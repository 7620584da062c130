# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Labels as projections look them up."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import prepared_labels
from segformer_ros.model.classes import UNLABELED


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 255), st.booleans()), min_size=12,
                max_size=12), st.integers(0, 255))
def test_prepared_labels_hide_exactly_what_is_unsure_or_the_robot(pixels, least):
    mask = np.array([pixel[0] for pixel in pixels], np.uint8).reshape(3, 4)
    confidence = np.array([pixel[1] for pixel in pixels], np.uint8).reshape(3, 4)
    body = np.array([255 * pixel[2] for pixel in pixels], np.uint8).reshape(3, 4)
    expected = [UNLABELED if robot or sure < least else label for label, sure, robot in pixels]
    found = prepared_labels(mask, confidence, body, least)
    assert found.tolist() == expected + [UNLABELED]
    assert mask.reshape(-1).tolist() == [pixel[0] for pixel in pixels]


@pytest.mark.parametrize('levels, expected', [
    (np.array([0, 51, 255], np.uint8), [0.0, 0.2, 1.0]), (None, [1.0, 1.0, 1.0])])
def test_confidence_of_a_pixel_is_its_share_of_255(levels, expected):
    # Neither camera nor pose has a part in it.
    view = LabelledView(np.zeros(4, np.uint8), levels, None, None)
    found = view.confidence_at(np.array([0, 1, 2]))
    assert found.dtype == np.float32 and found == pytest.approx(expected, abs=1e-6)
