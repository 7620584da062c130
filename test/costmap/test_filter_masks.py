# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Masks for costmap filters."""

import numpy as np
import pytest

from segformer_ros.costmap.filter_masks import FilterMask
from segformer_ros.costmap.filter_masks import keepout_mask
from segformer_ros.costmap.filter_masks import speed_mask
from segformer_ros.costmap.observation import GridGeometry

GEOMETRY = GridGeometry(0.0, 0.0, 0.05, 200, 1)
VALUES = np.array([list(range(-1, 99)) + [100]], np.int8)


def test_keepout_is_all_or_nothing_from_the_given_cost_on():
    values = keepout_mask(VALUES, GEOMETRY, from_cost=50).values[0]
    assert values[0] == -1
    assert values[1:51].tolist() == [0] * 50
    assert values[51:].tolist() == [100] * 50


@pytest.mark.parametrize('slowest', [0.01, 0.3, 1.0])
def test_speed_falls_with_cost_and_is_never_stopped_or_unknown(slowest):
    values = speed_mask(VALUES, GEOMETRY, slowest).values[0].astype(int)
    # Nav2: speed = 100 - value percent, but 0 would mean no limit, and -1 is an error.
    assert values.min() >= 0 and values.max() <= 99
    assert values[0] == 0 and values[1] == 0
    assert (np.diff(values[1:]) >= 0).all()
    assert abs((100 - values[-1]) - 100 * slowest) <= 5
    assert set(values) <= set(range(0, 100, 10)) | {99}


def test_only_a_change_of_value_or_place_is_a_change():
    mask = keepout_mask(VALUES, GEOMETRY)
    assert mask.differs(None)
    assert not mask.differs(FilterMask(mask.values.copy(), GEOMETRY))
    assert mask.differs(FilterMask(mask.values, GEOMETRY._replace(origin_x=1.0)))
    other = mask.values.copy()
    other[0, 7] = 100
    assert mask.differs(FilterMask(other, GEOMETRY))


def test_small_wanderings_of_the_costs_change_no_speed():
    calm = speed_mask(np.full((2, 2), 60, np.int8), GEOMETRY)
    restless = speed_mask(np.array([[59, 61], [60, 62]], np.int8), GEOMETRY)
    assert not restless.differs(calm)
