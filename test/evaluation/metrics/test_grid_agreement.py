# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Agreement of two occupancy grids against counting cell by cell."""

import math

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.grid_agreement import compare_grids
from segformer_ros.evaluation.metrics.grid_agreement import GridCounts

CELLS = st.lists(st.sampled_from([-1, 0, 40, 98, 100]), min_size=20, max_size=20)


def state(value):
    return 'lethal' if value == 100 else 'graded' if value > 0 else 'free'


@settings(deadline=None, max_examples=60)
@given(CELLS, CELLS)
def test_counts_equal_counting_one_by_one(first, second):
    grid = np.array(first, np.int8).reshape(4, 5)
    reference = np.array(second, np.int8).reshape(4, 5)
    both = [(y, x) for y in range(4) for x in range(5) if grid[y, x] >= 0 <= reference[y, x]]
    lethal_grid = [cell for cell in both if grid[cell] == 100]
    lethal_reference = [cell for cell in both if reference[cell] == 100]
    anywhere = [[(y, x) for y in range(4) for x in range(5) if side[y, x] == 100]
                for side in (grid, reference)]

    def near(cell, cells):
        return any(abs(cell[0] - y) <= 1 and abs(cell[1] - x) <= 1 for y, x in cells)

    found = compare_grids(grid, reference)
    assert found.both_known == len(both)
    assert found.same_state == sum(state(grid[c]) == state(reference[c]) for c in both)
    assert found.cost_error == sum(abs(int(grid[c]) - int(reference[c])) for c in both)
    assert found.lethal_reference == len(lethal_reference)
    assert found.lethal_grid == len(lethal_grid)
    assert found.found == sum(near(c, anywhere[0]) for c in lethal_reference)
    assert found.justified == sum(near(c, anywhere[1]) for c in lethal_grid)
    assert found.only_grid == int(((grid >= 0) & (reference < 0)).sum())
    assert found.only_reference == int(((grid < 0) & (reference >= 0)).sum())


def test_equal_grids_agree_in_every_figure():
    grid = np.array([[-1, 0, 50], [100, 0, 98]], np.int8)
    found = compare_grids(grid, grid)
    assert (found.agreement(), found.mean_cost_error()) == (1.0, 0.0)
    assert (found.recall(), found.precision()) == (1.0, 1.0)


def test_grids_without_a_common_cell_have_no_figure():
    found = compare_grids(np.full((2, 2), -1, np.int8), np.zeros((2, 2), np.int8))
    assert math.isnan(found.agreement())
    assert math.isnan(found.recall())
    assert found.only_reference == 4


def test_counts_of_frames_add_up():
    grid = np.array([[0, 100]], np.int8)
    reference = np.array([[0, 0]], np.int8)
    once = compare_grids(grid, reference)
    assert once.merge(once).cost_error == 200
    assert once.merge(once).agreement() == once.agreement() == 0.5


def test_counts_begin_at_nothing_and_those_of_further_frames_are_added():
    total = GridCounts()
    assert (total.grids, total.missing, total.compared) == (0, 0, 0)
    further = GridCounts()
    further.grids, further.missing, further.compared = 5, 2, 3
    for times in (1, 2):
        total.merge(further)
        assert (total.grids, total.missing, total.compared) == (5 * times, 2 * times, 3 * times)


def test_grids_of_different_size_are_refused():
    with pytest.raises(InvalidInputError, match=r'\(2, 2\).*\(2, 3\)'):
        compare_grids(np.zeros((2, 2), np.int8), np.zeros((2, 3), np.int8))


def test_values_outside_the_occupancy_range_are_refused():
    with pytest.raises(InvalidInputError, match=r'got 0\.\.101'):
        compare_grids(np.array([[0, 101]], np.int8), np.array([[0, 0]], np.int8))
