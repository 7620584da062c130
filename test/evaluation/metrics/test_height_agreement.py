# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A costmap against heights, cell by cell beside a slow count."""

import numpy as np
import pytest

from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.evaluation.metrics.height_agreement import compare_with_heights
from segformer_ros.evaluation.metrics.height_agreement import height_grid
from segformer_ros.evaluation.metrics.height_agreement import HeightAgreement
from segformer_ros.evaluation.metrics.height_agreement import HeightView
from segformer_ros.evaluation.metrics.height_agreement import RANGES
from segformer_ros.evaluation.metrics.height_agreement import split_contacts

GEOMETRY = GridGeometry(-1.0, -3.0, 0.1, 110, 60)
POSE = planar_pose(0.3, -0.2, 0.4)


def scattered(seed, count=2500):
    random = np.random.RandomState(seed)
    points = np.stack([random.uniform(0.5, 9.0, count), random.uniform(-3.0, 3.0, count),
                       np.where(random.uniform(size=count) < 0.25,
                                random.uniform(-0.6, 2.6, count),
                                random.uniform(-0.02, 0.02, count))], axis=1)
    return HeightView(points, (0.1, 0.0), POSE, 1)


def slow_grid(view, settings, max_range):
    """Return the reference as a dictionary of cells, by loops."""
    found, nearest = {}, {}
    for x, y, z in view.points:
        out = np.hypot(x - view.foot[0], y - view.foot[1])
        place = POSE.dot([x, y, 0.0, 1.0])
        column = int(np.floor((place[0] - GEOMETRY.origin_x) / GEOMETRY.resolution))
        row = int(np.floor((place[1] - GEOMETRY.origin_y) / GEOMETRY.resolution))
        if out > max_range or not (0 <= column < GEOMETRY.width and 0 <= row < GEOMETRY.height):
            continue
        if abs(z) <= settings.ground_tolerance + settings.tolerance_slope * out:
            found.setdefault((row, column), 0)
        elif z <= settings.max_height:
            found[row, column] = 100
            angle = np.floor(np.arctan2(y - view.foot[1], x - view.foot[0]) / 0.01)
            if out < nearest.get(angle, (np.inf,))[0]:
                nearest[angle] = (out, (row, column))
    return found, {cell for _, cell in nearest.values()}


def test_the_reference_is_what_loops_over_the_points_say():
    settings = DepthSettings()
    for seed in range(3):
        view = scattered(seed)
        grid, contacts = height_grid(view, GEOMETRY, settings, 7.0)
        found, nearest = slow_grid(view, settings, 7.0)
        expected = np.full((GEOMETRY.height, GEOMETRY.width), -1, np.int8)
        for cell, value in found.items():
            expected[cell] = value
        assert (grid == expected).all() and len(nearest) > 50
        assert {tuple(divmod(int(cell), GEOMETRY.width)) for cell in contacts} == nearest


def test_every_count_is_that_of_loops_over_the_cells():
    settings = DepthSettings()
    view = scattered(5)
    random = np.random.RandomState(6)
    values = random.choice([-1, 0, 30, 100], size=(GEOMETRY.height, GEOMETRY.width),
                           p=[0.3, 0.4, 0.2, 0.1]).astype(np.int8)
    counts = compare_with_heights(values, GEOMETRY, view, settings, 8.5)
    found, nearest = slow_grid(view, settings, 8.5)
    foot = POSE.dot([*view.foot, 0.0, 1.0])
    lethal = set(zip(*np.nonzero(values == 100)))
    standing = {cell for cell, value in found.items() if value == 100}

    def apart(cell, others):
        return min(max(abs(cell[0] - row), abs(cell[1] - column)) for row, column in others)
    for limit, got in zip(RANGES, counts):
        def near(cell, limit=limit):
            x = GEOMETRY.origin_x + (cell[1] + 0.5) * GEOMETRY.resolution
            y = GEOMETRY.origin_y + (cell[0] + 0.5) * GEOMETRY.resolution
            return np.hypot(x - foot[0], y - foot[1]) <= limit
        contacts = [apart(cell, lethal) for cell in nearest if near(cell)]
        marks = [apart(cell, standing) for cell in lethal if near(cell) and (
            cell in found or apart(cell, standing) <= 3)]
        ground = [values[cell] for cell, value in found.items() if value == 0 and near(cell)]
        stands = [values[cell] for cell in standing if near(cell)]
        assert got == HeightAgreement(
            len(contacts), *[sum(each <= reach for each in contacts) for reach in (1, 2, 3)],
            len(marks), *[sum(each <= reach for each in marks) for reach in (1, 2, 3)],
            len(ground), sum(0 <= value < 100 for value in ground),
            sum(value == 100 for value in ground), len(stands),
            sum(0 <= value < 100 for value in stands))
    assert counts[0].contacts < counts[1].contacts


@pytest.mark.parametrize('other', [-1, 0, 98])
def test_contacts_are_found_within_two_cells_of_a_mark_and_missed_beyond(other):
    values = np.full((9, 9), other, np.int8)
    contacts = np.array([4 * 9 + 4, 2 * 9 + 6, 1 * 9 + 4, 4 * 9 + 7, 0])
    # Nothing is marked: all are missed.
    found, missed = split_contacts(values, contacts)
    assert (found.tolist(), missed.tolist()) == ([], contacts.tolist())
    values[4, 4] = 100
    found, missed = split_contacts(values, contacts)
    assert (found.tolist(), missed.tolist()) == (contacts[:2].tolist(), contacts[2:].tolist())
    found, missed = split_contacts(values, contacts, reach=3)
    assert (found.tolist(), missed.tolist()) == (contacts[:4].tolist(), [0])


def test_a_cell_needs_its_points_to_stand():
    view = scattered(1)._replace(points=np.array([[2.0, 0.0, 0.5]] * 2))
    grid, contacts = height_grid(view._replace(min_points=3), GEOMETRY, DepthSettings(), 5.0)
    assert (grid == -1).all() and not len(contacts)
    grid, contacts = height_grid(view._replace(min_points=2), GEOMETRY, DepthSettings(), 5.0)
    assert (grid == 100).sum() == 1 and len(contacts) == 1
