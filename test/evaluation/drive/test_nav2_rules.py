# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The rules that work on whole arrays, against the same ones cell by cell."""

import math

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from segformer_ros.evaluation.drive import nav2_rules

FLAGS = st.booleans()
SHIFT = st.floats(-2.0, 2.0)


def made(seed, flags=(True, False, True)):
    """Return a costmap, a grid that covers part of it, and parameters of the layer."""
    random = np.random.RandomState(seed)
    master = nav2_rules.Costmap(3.0, 0.1, (0.2, -0.1))
    master.costs = random.choice([0, 100, 253, 254, 255], master.costs.shape).astype(np.uint8)
    grid = nav2_rules.Grid(random.randint(-1, 101, (20, 25)).astype(np.int8), -0.73, -1.1, 0.07)
    unknown, trinary, maximum = flags
    return master, grid, {'track_unknown_space': unknown, 'trinary_costmap': trinary,
                          'use_maximum': maximum}


def cells_one_by_one(master, grid, pose):
    """Yield each cell of the costmap with the grid's value at its centre."""
    x0, y0, yaw = pose
    for my in range(master.costs.shape[0]):
        for mx in range(master.costs.shape[1]):
            x, y = master.center_of(mx, my)
            gx = math.floor((x0 + math.cos(yaw) * x - math.sin(yaw) * y - grid.origin_x)
                            / grid.resolution)
            gy = math.floor((y0 + math.sin(yaw) * x + math.cos(yaw) * y - grid.origin_y)
                            / grid.resolution)
            if 0 <= gx < grid.values.shape[1] and 0 <= gy < grid.values.shape[0]:
                yield mx, my, int(grid.values[gy, gx])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.tuples(FLAGS, FLAGS, FLAGS),
       st.tuples(SHIFT, SHIFT, st.floats(-3.0, 3.0)))
def test_static_layer_is_what_it_is_cell_by_cell(seed, flags, pose):
    master, grid, parameters = made(seed, flags)
    expected = master.costs.copy()
    for mx, my, value in cells_one_by_one(master, grid, pose):
        cost = nav2_rules.interpret_value(value, parameters)
        if parameters['use_maximum']:
            cost = max(cost, int(expected[my, mx]))
        expected[my, mx] = cost
    nav2_rules.static_layer(master, grid, parameters, pose)
    np.testing.assert_array_equal(master.costs, expected)


def test_keepout_filter_is_what_it_is_cell_by_cell():
    raised = 0
    for seed in range(5):
        master, mask, _ = made(seed)
        expected = master.costs.copy()
        for mx, my, value in cells_one_by_one(master, mask, (0.0, 0.0, 0.0)):
            cost = int(round(value * 2.54))
            if value != -1 and (cost > expected[my, mx] or expected[my, mx] == 255):
                expected[my, mx] = cost
                raised += 1
        nav2_rules.keepout_filter(master, mask, {'type': 0, 'base': 0.0, 'multiplier': 1.0})
        np.testing.assert_array_equal(master.costs, expected)
    assert raised > 100
