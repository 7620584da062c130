# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Pictures of occupancy grids: costs in colours, the robot as an arrow in the middle."""

from typing import NamedTuple, Tuple

import cv2
import numpy as np

from segformer_ros.common import arrays
from segformer_ros.evaluation.metrics.grid_agreement import LETHAL
from segformer_ros.evaluation.metrics.grid_agreement import UNKNOWN

Color = Tuple[int, int, int]

UNKNOWN_COLOR: Color = (58, 63, 72)
FREE_COLOR: Color = (228, 238, 228)
COSTLY_COLOR: Color = (240, 150, 60)
LETHAL_COLOR: Color = (190, 30, 60)
ROBOT_COLOR: Color = (20, 110, 230)
ROBOT_OUTLINE: Color = (255, 255, 255)

# Nose, left wing, notch, right wing, in pixels ahead and to the left.
_ARROW = np.array([(14.0, 0.0), (-10.0, 8.5), (-5.0, 0.0), (-10.0, -8.5)])


class GridPose(NamedTuple):
    """Where the robot is: ``x``, ``y`` in cells from the grid's corner, ``yaw`` in radians."""

    x: float
    y: float
    yaw: float


def occupancy_palette() -> arrays.UInt8:
    """
    Return the colours of an occupancy grid, (256, 3) RGB, by the value as an unsigned byte.

    Free is pale, costs run to orange, lethal is red, unknown (-1, so 255) is dark.
    """
    palette = np.empty((256, 3), np.uint8)
    palette[:] = UNKNOWN_COLOR
    share = np.arange(LETHAL)[:, np.newaxis] / float(LETHAL - 1)
    free, costly = np.array(FREE_COLOR, float), np.array(COSTLY_COLOR, float)
    palette[:LETHAL] = np.rint(free + share * (costly - free))
    palette[LETHAL] = LETHAL_COLOR
    return palette


def grid_picture(occupancy: arrays.Int8, robot: GridPose, size_wh: Tuple[int, int],
                 pixels_per_cell: int = 2) -> arrays.UInt8:
    """
    Draw what lies around the robot as a map is drawn: x to the right, y up, robot in the middle.

    :param occupancy: (rows, columns) as in nav_msgs/OccupancyGrid; beyond its edges is unknown
    :param size_wh: of the picture, pixels
    :param pixels_per_cell: whole, so that every cell is equally large
    :return: RGB uint8 of that size
    """
    columns, rows = (-(-size // pixels_per_cell) + 1 for size in size_wh)
    left = int(np.floor(robot.x)) - columns // 2
    bottom = int(np.floor(robot.y)) - rows // 2
    window = np.full((rows, columns), UNKNOWN, np.int8)
    inside_y = slice(max(0, -bottom), max(0, min(rows, occupancy.shape[0] - bottom)))
    inside_x = slice(max(0, -left), max(0, min(columns, occupancy.shape[1] - left)))
    window[inside_y, inside_x] = occupancy[
        max(0, bottom):max(0, bottom + rows), max(0, left):max(0, left + columns)]
    colors = occupancy_palette()[window.view(np.uint8)[::-1]]
    large = colors.repeat(pixels_per_cell, 0).repeat(pixels_per_cell, 1)
    # The robot's own cell is the middle one; the picture is cut around it.
    x = (robot.x - left) * pixels_per_cell
    y = (rows - (robot.y - bottom)) * pixels_per_cell
    picture = np.ascontiguousarray(large[:size_wh[1], :size_wh[0]])
    draw_robot(picture, x, y, robot.yaw)
    return picture


def draw_robot(picture: arrays.UInt8, x: float, y: float, yaw: float) -> None:
    """
    Draw the arrow of the robot.

    :param picture: RGB, drawn into
    :param x: of the robot, pixels to the right
    :param y: pixels down
    :param yaw: radians, to the left of the right
    """
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    ahead_left = _ARROW.dot(turn.T)
    # y counts down in a picture.
    corners = np.stack([x + ahead_left[:, 0], y - ahead_left[:, 1]], 1)
    polygon = np.rint(corners).astype(np.int32)[np.newaxis]
    cv2.fillPoly(picture, polygon, ROBOT_COLOR, cv2.LINE_AA)
    cv2.polylines(picture, polygon, True, ROBOT_OUTLINE, 1, cv2.LINE_AA)
