# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Agreement of two occupancy grids: a costmap against a reference grid or one from depth."""

from typing import List, NamedTuple, Optional, Sequence

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.confusion import ratio
from segformer_ros.evaluation.metrics.height_agreement import HeightAgreement

UNKNOWN = -1
LETHAL = 100

# A cell found one cell beside its true place still counts for the tolerant figures.
NEIGHBOURHOOD = 1


class GridAgreement(NamedTuple):
    """
    Cells of two grids, counted.

    ``both_known`` cells are known in both grids; ``same_state`` of them are free, graded or
    lethal in both; ``cost_error`` is the sum of the absolute differences of occupancy over them.
    ``lethal_reference`` and ``lethal_grid`` are the lethal cells where both are known, ``found``
    those of the reference with any lethal cell of the grid within one cell, ``justified`` those
    of the grid with any of the reference within one cell.
    ``only_grid`` and ``only_reference`` cells are known in one grid alone.
    """

    both_known: int
    same_state: int
    cost_error: int
    lethal_reference: int
    found: int
    lethal_grid: int
    justified: int
    only_grid: int
    only_reference: int

    def merge(self, other: 'GridAgreement') -> 'GridAgreement':
        """Return the sums of two counts."""
        return GridAgreement(*[mine + theirs for mine, theirs in zip(self, other)])

    def agreement(self) -> float:
        """Return the share of known cells with the same state, NaN without such cells."""
        return float(ratio(self.same_state, self.both_known))

    def mean_cost_error(self) -> float:
        """Return the mean difference of occupancy over known cells, 0..100, or NaN."""
        return float(ratio(self.cost_error, self.both_known))

    def recall(self) -> float:
        """Return the share of the reference's lethal cells that were found, or NaN."""
        return float(ratio(self.found, self.lethal_reference))

    def precision(self) -> float:
        """Return the share of the grid's lethal cells that are justified, or NaN."""
        return float(ratio(self.justified, self.lethal_grid))


class GridPicture(NamedTuple):
    """
    One frame beside its grid, as encoded pictures.

    ``image`` is a JPEG with the classes over it, ``grid`` a PNG. ``found`` of ``contacts`` true
    contacts are marked within two cells, None where heights are not known.
    """

    source: str
    name: str
    image: bytes
    grid: bytes
    contacts: Optional[int]
    found: Optional[int]


class GridCounts:
    """
    Frames with and without a grid, and the cells that were compared.

    ``first_gap`` says why the first grid that was not compared was not. ``depth_refused`` grids
    were made without the depth image of their frame, the first because of ``first_refusal``.
    ``heights`` has an entry for each range, or none where the reference is a grid. ``pictures`` of
    some of the grids are not counted: the report takes those of each source.
    """

    def __init__(self) -> None:
        self.grids = 0
        self.missing = 0
        self.first_problem = ''
        self.compared = 0
        self.first_gap = ''
        self.depth_refused = 0
        self.first_refusal = ''
        self.heights: List[HeightAgreement] = []
        self.pictures: List[GridPicture] = []
        self.agreement = GridAgreement(*[0] * len(GridAgreement._fields))

    def merge(self, other: 'GridCounts') -> None:
        """Add the counts of further frames."""
        self.grids += other.grids
        self.missing += other.missing
        self.first_problem = self.first_problem or other.first_problem
        self.compared += other.compared
        self.first_gap = self.first_gap or other.first_gap
        self.depth_refused += other.depth_refused
        self.first_refusal = self.first_refusal or other.first_refusal
        self.add_heights(other.heights)
        self.agreement = self.agreement.merge(other.agreement)

    def add_heights(self, heights: Sequence[HeightAgreement]) -> None:
        """Add what was compared with heights, one entry for each range."""
        self.heights = [mine.merge(theirs) for mine, theirs in zip(self.heights, heights)] \
            if self.heights and heights else self.heights or list(heights)


def compare_grids(grid: arrays.Int8, reference: arrays.Int8) -> GridAgreement:
    """
    Count the agreeing cells of two grids of the same frame, origin and resolution.

    :param grid: (size_y, size_x) int8 occupancy, -1 or 0..100
    :param reference: the same, taken as true
    :return: the counts
    :raises InvalidInputError: the shapes differ, or a value is outside -1..100
    """
    if grid.shape != reference.shape:
        raise InvalidInputError('Grids differ in size', got=grid.shape, expected=reference.shape,
                                remedy='Bring both to one origin and resolution first.')
    for values in (grid, reference):
        if values.size and (values.min() < UNKNOWN or values.max() > LETHAL):
            raise InvalidInputError('Not an occupancy grid', got=f'{values.min()}..{values.max()}',
                                    expected='-1 or 0..100')
    known_grid = grid != UNKNOWN
    known_reference = reference != UNKNOWN
    both = known_grid & known_reference
    lethal_grid = both & (grid == LETHAL)
    lethal_reference = both & (reference == LETHAL)
    difference = np.abs(grid.astype(np.int16) - reference.astype(np.int16))
    return GridAgreement(
        both_known=_count(both), same_state=_count(both & (_state(grid) == _state(reference))),
        cost_error=int(difference[both].sum()), lethal_reference=_count(lethal_reference),
        found=_count(lethal_reference & _grown(grid == LETHAL)), lethal_grid=_count(lethal_grid),
        justified=_count(lethal_grid & _grown(reference == LETHAL)),
        only_grid=_count(known_grid & ~known_reference),
        only_reference=_count(known_reference & ~known_grid))


def _count(cells: arrays.Bool) -> int:
    return int(np.count_nonzero(cells))


def _state(grid: arrays.Int8) -> arrays.Int8:
    # 0 free, 1 graded, 2 lethal.
    return (grid > 0).astype(np.int8) + (grid == LETHAL).astype(np.int8)


def _grown(cells: arrays.Bool) -> arrays.Bool:
    padded = np.pad(cells, NEIGHBOURHOOD, mode='constant')
    grown: arrays.Bool = np.zeros_like(cells)
    steps = range(2 * NEIGHBOURHOOD + 1)
    for down in steps:
        for right in steps:
            grown |= padded[down:down + cells.shape[0], right:right + cells.shape[1]]
    return grown
