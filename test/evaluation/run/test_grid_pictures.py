# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Pictures of grids, against looking up every pixel's cell."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np

from segformer_ros.evaluation.demo.true_grid import GridPair
from segformer_ros.evaluation.run import grid_pictures
from segformer_ros.evaluation.run.grid_pictures import grid_picture
from segformer_ros.evaluation.run.grid_pictures import GridPose
from segformer_ros.evaluation.run.grid_pictures import occupancy_palette


def test_palette_tells_free_costly_obstacle_and_unknown_apart():
    palette = occupancy_palette()
    assert tuple(palette[0]) == grid_pictures.FREE_COLOR
    assert tuple(palette[99]) == grid_pictures.COSTLY_COLOR
    assert tuple(palette[100]) == grid_pictures.LETHAL_COLOR
    assert tuple(palette[255]) == grid_pictures.UNKNOWN_COLOR
    # The way from free to costly has no turns.
    for channel in range(3):
        steps = np.diff(palette[:100, channel].astype(int))
        assert (steps >= 0).all() or (steps <= 0).all()


def slow_picture(occupancy, robot, size_wh, scale):
    """Look up every pixel's cell; the robot's cell lies around the middle."""
    columns, rows = (-(-size // scale) + 1 for size in size_wh)
    left, bottom = int(robot.x // 1) - columns // 2, int(robot.y // 1) - rows // 2
    palette = occupancy_palette()
    picture = np.empty((size_wh[1], size_wh[0], 3), np.uint8)
    for v in range(size_wh[1]):
        for u in range(size_wh[0]):
            cell_x, cell_y = left + u // scale, bottom + rows - 1 - v // scale
            inside = 0 <= cell_y < occupancy.shape[0] and 0 <= cell_x < occupancy.shape[1]
            picture[v, u] = palette[int(occupancy[cell_y, cell_x]) & 255 if inside else 255]
    return picture


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 12), columns=st.integers(1, 12),
       x=st.floats(-20, 30), y=st.floats(-20, 30), width=st.integers(1, 40),
       height=st.integers(1, 40), scale=st.integers(1, 4))
def test_every_pixel_shows_its_cell_with_y_up(seed, rows, columns, x, y, width, height, scale):
    values = np.array([-1, 0, 30, 98, 100], np.int8)
    occupancy = values[np.random.RandomState(seed).randint(0, 5, (rows, columns))]
    robot = GridPose(x, y, 0.0)
    expected = slow_picture(occupancy, robot, (width, height), scale)
    arrow = grid_pictures._ARROW.copy()
    try:
        # An arrow far away leaves the cells visible.
        grid_pictures._ARROW[:] = 10000.0
        picture = grid_picture(occupancy, robot, (width, height), scale)
    finally:
        grid_pictures._ARROW[:] = arrow
    assert (picture == expected).all()


def test_robot_stands_near_the_middle_and_points_where_it_looks():
    grid = np.zeros((200, 200), np.int8)
    for yaw, du, dv in ((0.0, 1, 0), (np.pi / 2, 0, -1), (np.pi, -1, 0)):
        picture = grid_picture(grid, GridPose(90.5, 110.5, yaw), (160, 120))
        changed = (picture != grid_pictures.FREE_COLOR).any(2)
        rows, columns = np.nonzero(changed)
        middle_u, middle_v = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
        assert abs(middle_u - 80) < 8
        assert abs(middle_v - 60) < 8
        # The arrow is thinnest at its nose, so most of it lies behind its box's middle.
        assert ((columns.mean() - middle_u) * du + (rows.mean() - middle_v) * dv) < 0


def test_truth_is_shown_only_where_something_was_seen():
    pair = GridPair(np.array([[-1, 0], [100, -1]], np.int8),
                    np.array([[100, 50], [0, 7]], np.int8), GridPose(0.0, 0.0, 0.0))
    assert pair.seen_truth().tolist() == [[-1, 50], [0, -1]]
    assert pair.seen_truth().dtype == np.int8
