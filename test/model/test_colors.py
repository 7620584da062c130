# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Colours for any number of classes differ, and are the same every time."""

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from segformer_ros.model.huggingface import distinct_colors
from segformer_ros.model.huggingface import lab_of_rgb


def test_lab_agrees_with_opencv():
    rgb = np.random.RandomState(0).randint(0, 256, (500, 3))
    expected = cv2.cvtColor(rgb[np.newaxis].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)[0]
    # OpenCV interpolates the cube root from a table.
    assert np.abs(lab_of_rgb(rgb) - expected).max() < 0.5


@pytest.mark.parametrize(('count', 'least'), [(2, 100.0), (19, 40.0), (150, 15.0), (255, 10.0)])
def test_many_colors_keep_their_distance(count, least):
    lab = lab_of_rgb(distinct_colors([str(index) for index in range(count)]))
    distance = np.linalg.norm(lab[:, np.newaxis] - lab, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > least
    assert lab[:, 0].min() > 0


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 255), st.tuples(*[st.integers(0, 255)] * 3))
def test_an_anchored_class_comes_near_its_anchor(count, anchor):
    names = [str(index) for index in range(count)]
    colors = distinct_colors(names, {'0': anchor, 'absent': (1, 2, 3)})
    assert len(set(colors)) == count
    assert colors == distinct_colors(names, {'0': anchor})
    # No farther than the anchor rounded to the lattice; near black colours must step aside.
    rounded = tuple(int(round(level / 15.0)) * 15 for level in anchor)
    lab = lab_of_rgb([anchor, colors[0], rounded, (0, 0, 0)])
    distance = np.linalg.norm(lab[:, np.newaxis] - lab, axis=2)
    if distance[2, 3] >= 20.0:
        assert distance[0, 1] <= distance[0, 2] + 1e-9
