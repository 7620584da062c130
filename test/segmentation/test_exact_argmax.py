# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Interpolation weights and cells of one axis."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from segformer_ros.segmentation.exact_argmax import upsampling_axis
from support.oracles import interpolation_matrix

SIZES = st.integers(1, 70)


@settings(deadline=None, max_examples=60)
@given(SIZES, SIZES)
def test_weights_are_those_of_the_plain_rule(grid_size, pixel_count):
    axis = upsampling_axis(grid_size, pixel_count)
    matrix = np.zeros((pixel_count, grid_size))
    for pixel in range(pixel_count):
        matrix[pixel, axis.lower[pixel]] += 1.0 - axis.weight[pixel]
        matrix[pixel, axis.upper[pixel]] += axis.weight[pixel]
    assert np.abs(matrix - interpolation_matrix(grid_size, pixel_count)).max() < 1e-6


@settings(deadline=None, max_examples=60)
@given(SIZES, SIZES)
def test_cells_split_the_pixels_where_the_grid_point_changes(grid_size, pixel_count):
    axis = upsampling_axis(grid_size, pixel_count)
    assert axis.cell_start[0] == 0
    assert axis.cell_start[-1] == pixel_count
    for cell, (start, stop) in enumerate(zip(axis.cell_start[:-1], axis.cell_start[1:])):
        assert stop > start
        assert set(axis.cell_of[start:stop]) == {cell}
        assert len(set(axis.lower[start:stop])) == 1
        assert set(axis.cell_pixels[cell]) == set(range(start, stop))
    assert len(set(axis.lower[axis.cell_start[:-1]])) == len(axis.cell_start) - 1


@settings(deadline=None, max_examples=60)
@given(SIZES, SIZES)
def test_nearest_grid_point_is_within_half_a_step(grid_size, pixel_count):
    axis = upsampling_axis(grid_size, pixel_count)
    position = (np.arange(pixel_count) + 0.5) * grid_size / pixel_count - 0.5
    assert np.abs(axis.nearest - position).max() <= 0.5 + 1e-9
    assert axis.nearest.min() >= 0
    assert axis.nearest.max() < grid_size


def test_the_same_axis_is_not_computed_twice_and_cannot_be_changed():
    axis = upsampling_axis(128, 480)
    assert upsampling_axis(128, 480) is axis
    with pytest.raises(ValueError, match='read-only'):
        axis.weight[0] = 2.0
