# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Ground and obstacles by measured height, point by point."""

import numpy as np
import pytest

from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.projection.measured_height import sort_by_height
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.costmap.settings import INVERSE
from segformer_ros.costmap.settings import METRIC
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import UNLABELED

FLOOR, WALL, WATER, SKY = range(4)
CLASSES = ClassTable('test', ['floor', 'wall', 'water', 'sky'], np.zeros((4, 3)), [False] * 4)
COSTS = CostTable('test', CLASSES, [0, 100, 100, -1], ['water'])


def expected(z, distance, label, kind):
    """Return whether a point is ground, obstacle, misnamed, and stands, by the rules in words."""
    if np.isnan(z):
        return False, False, False, False
    level = abs(z) <= 0.05 + 0.02 * distance
    if level:
        misnamed = label == WALL and kind == METRIC
        return label == FLOOR or misnamed, label == WATER or (
            label == WALL and not misnamed), misnamed, False
    stands = z <= 2.0
    return False, stands and label in (FLOOR, WALL, WATER, UNLABELED), False, stands


@pytest.mark.parametrize('kind', [METRIC, INVERSE])
def test_every_point_is_sorted_as_the_rules_say(kind):
    cases = [(z, distance, label) for z in (-3.0, -0.2, -0.07, -0.04, 0.0, 0.04, 0.07, 0.2, 1.9,
                                            2.1, np.nan)
             for distance in (0.1, 2.0, 5.0) for label in (FLOOR, WALL, WATER, SKY, UNLABELED)]
    z, distance = (np.array(column, np.float32) for column in list(zip(*cases))[:2])
    labels = np.array([case[2] for case in cases], np.uint8)
    found = sort_by_height(z, distance, labels, COSTS, DepthSettings(kind=kind))
    for case, *flags in zip(cases, *(flags.tolist() for flags in found)):
        assert tuple(flags) == expected(*case, kind), case


def test_a_profile_without_a_list_loses_nothing():
    costs = CostTable('own', CLASSES, [0, 100, 100, -1])
    found = sort_by_height(np.zeros(1, np.float32), np.ones(1, np.float32),
                           np.array([WALL], np.uint8), costs, DepthSettings())
    assert found.obstacle.all() and not found.ground.any() and not found.misnamed.any()
