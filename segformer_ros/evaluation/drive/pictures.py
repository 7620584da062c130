# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The animation of a drive: camera, overlay, what the planner sees, and the truth."""

from typing import Any, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.evaluation.demo import panels
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.evaluation.run import grid_pictures

PATH_COLOR: panels.Color = (30, 90, 220)
WAY_COLOR: panels.Color = (120, 120, 130)
GOAL_COLOR: panels.Color = (20, 150, 60)
INFLATED_COLOR: panels.Color = (250, 205, 150)
PANEL_WH = (320, 240)
# Metres from left to right of a map.
_SPAN = 8.0
LEGEND = (panels.LegendEntry('free', grid_pictures.FREE_COLOR),
          panels.LegendEntry('inflated', INFLATED_COLOR),
          panels.LegendEntry('obstacle', grid_pictures.LETHAL_COLOR),
          panels.LegendEntry('not seen', grid_pictures.UNKNOWN_COLOR),
          panels.LegendEntry('robot', grid_pictures.ROBOT_COLOR),
          panels.LegendEntry('path', PATH_COLOR), panels.LegendEntry('way driven', WAY_COLOR),
          panels.LegendEntry('goal', GOAL_COLOR))


class Scene(NamedTuple):
    """
    One moment of a drive.

    ``image`` and ``overlay`` RGB uint8; ``costmap`` inflated; ``known`` (height, width) its cells
    that the node knows; ``robot`` x, y, yaw; ``path`` and ``way`` (N, 2) metres.
    """

    time: float
    image: arrays.UInt8
    overlay: arrays.UInt8
    costmap: nav2_rules.Costmap
    known: arrays.Bool
    robot: Tuple[float, float, float]
    path: Optional[arrays.Float64]
    way: arrays.Float64
    goal: Tuple[float, float]
    note: str


def frame(scene: Scene, truth: nav2_rules.Costmap, title: str, radius: float) -> arrays.UInt8:
    """
    Draw one picture of the animation, RGB uint8.

    :param truth: what really stands there
    :param radius: of the robot, metres
    """
    seen = _map_picture(scene.costmap, scene.known, scene, radius, scene.path)
    real = _map_picture(truth, np.ones(truth.costs.shape, np.bool_), scene, radius, None)
    sheet = panels.Sheet(PANEL_WH, 2, (LEGEND,))
    return panels.compose(sheet, [
        panels.Panel('camera', scene.image), panels.Panel('what the network sees', scene.overlay),
        panels.Panel('costmap and path of the planner', seen),
        panels.Panel('the truth and the way driven', real)], title, scene.note)


def _map_picture(costmap: nav2_rules.Costmap, known: arrays.Bool, scene: Scene, radius: float,
                 path: Optional[arrays.Float64]) -> arrays.UInt8:
    costs = costmap.costs
    colors = np.empty(costs.shape + (3,), np.uint8)
    colors[:] = grid_pictures.FREE_COLOR
    colors[~known] = grid_pictures.UNKNOWN_COLOR
    graded = (costs > 0) & (costs < nav2_rules.LETHAL)
    share = (costs[graded].astype(np.float32) / nav2_rules.INSCRIBED)[:, None]
    colors[graded] = ((1.0 - share) * colors[graded]
                      + share * np.array(INFLATED_COLOR, np.float32)).astype(np.uint8)
    colors[costs == nav2_rules.LETHAL] = grid_pictures.LETHAL_COLOR
    # Metres to pixels: the robot in the middle, y up.
    scale = PANEL_WH[0] / _SPAN
    left = scene.robot[0] - 0.5 * _SPAN
    top = scene.robot[1] + 0.5 * PANEL_WH[1] / scale
    cell = costmap.resolution * scale
    turn = np.array([[cell, 0.0, (costmap.origin[0] - left) * scale],
                     [0.0, -cell, (top - costmap.origin[1]) * scale]])
    picture = cv2.warpAffine(colors, turn, PANEL_WH, flags=cv2.INTER_NEAREST,
                             borderValue=grid_pictures.UNKNOWN_COLOR)

    def pixels(points: Any) -> List[arrays.Array]:
        places = np.array(points, float).reshape(-1, 2)
        return [np.rint(np.stack([(places[:, 0] - left) * scale,
                                  (top - places[:, 1]) * scale], 1)).astype(np.int32)]

    if len(scene.way):
        cv2.polylines(picture, pixels(scene.way), False, WAY_COLOR, 2, cv2.LINE_AA)
    if path is not None:
        cv2.polylines(picture, pixels(path), False, PATH_COLOR, 2, cv2.LINE_AA)
    goal = pixels([scene.goal])[0][0]
    cv2.circle(picture, (int(goal[0]), int(goal[1])), 6, GOAL_COLOR, -1, cv2.LINE_AA)
    x, y, yaw = scene.robot
    middle, nose = pixels([(x, y), (x + radius * np.cos(yaw), y + radius * np.sin(yaw))])[0]
    cv2.circle(picture, (int(middle[0]), int(middle[1])), int(round(radius * scale)),
               grid_pictures.ROBOT_COLOR, 2, cv2.LINE_AA)
    cv2.line(picture, (int(middle[0]), int(middle[1])), (int(nose[0]), int(nose[1])),
             grid_pictures.ROBOT_COLOR, 2, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)


def kept_colors() -> List[panels.Color]:
    """Return the colours that an animation must not change."""
    return [entry.color for entry in LEGEND] + [panels.BACKGROUND, panels.FRAME, panels.TEXT]
