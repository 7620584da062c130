# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Plan and follow a path on a costmap as Nav2's servers do, in as little code as will do."""

import math
from typing import Any, NamedTuple, Optional, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import install
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.simulation.robot.robot import Pose2D

# What a cell costs beyond its length, where it has the highest cost that may be crossed.
_COST_WEIGHT = 3.0
# Cells around a robot that stands in inflated costs through which it may leave them.
_ESCAPE_COST = 252


class Inflation(NamedTuple):
    """Nav2's InflationLayer; ``radius`` of the robot, metres; ``scaling`` 1 / metre."""

    radius: float = 0.25
    reach: float = 0.55
    scaling: float = 3.0


class Pursuit(NamedTuple):
    """
    Regulated pure pursuit; metres, seconds and radians.

    ``turn_from`` is the angle to the path from which the robot turns on the spot; ``horizon`` the
    seconds for which an arc has to be free.
    """

    speed: float = 0.5
    least_speed: float = 0.1
    turn_rate: float = 1.0
    lookahead: float = 0.5
    turn_from: float = 0.8
    radius: float = 0.9
    horizon: float = 1.2
    approach: float = 0.8


def inflate(costs: arrays.UInt8, resolution: float, inflation: Inflation) -> arrays.UInt8:
    """
    Return a costmap with the costs around its lethal cells, as InflationLayer writes them.

    :param costs: (height, width)
    :param resolution: metres
    """
    lethal = costs == nav2_rules.LETHAL
    if not lethal.any():
        return costs.copy()
    away = cv2.distanceTransform((~lethal).astype(np.uint8), cv2.DIST_L2,
                                 cv2.DIST_MASK_PRECISE) * np.float32(resolution)
    around = (nav2_rules.INSCRIBED - 1) * np.exp(-inflation.scaling * (away - inflation.radius))
    around = np.where(away <= inflation.radius, nav2_rules.INSCRIBED, np.floor(around))
    around[lethal] = nav2_rules.LETHAL
    around[away > inflation.reach] = 0.0
    known = np.where(costs == nav2_rules.NO_INFORMATION, 0, costs)
    raised = np.maximum(known, around.astype(np.uint8))
    # Unknown stays unknown but where the robot would touch something.
    keep = (costs == nav2_rules.NO_INFORMATION) & (around < nav2_rules.INSCRIBED)
    return np.where(keep, costs, raised).astype(np.uint8)


def check_installed() -> Any:
    """
    Return scikit-image's search for the cheapest path.

    :raises ConfigurationError: it is not installed
    """
    try:
        from skimage.graph import MCP_Geometric
    except ImportError as error:
        raise ConfigurationError(
            'The planner needs scikit-image', got=str(error),
            remedy=install.with_extra('drive')) from error
    return MCP_Geometric


def plan(costmap: nav2_rules.Costmap, start: Tuple[float, float], goal: Tuple[float, float],
         tolerance: float = 0.3) -> Optional[arrays.Float64]:
    """
    Return the cheapest path over an inflated costmap.

    :param start: x, y in its frame, metres
    :param goal: likewise; where the robot does not fit there, the nearest place where it does
    :param tolerance: metres that such a place may be off
    :return: (N, 2) metres from start to goal; None where there is none
    :raises ConfigurationError: scikit-image is not installed
    """
    search_of = check_installed()
    begin, end = costmap.cell_of(*start), costmap.cell_of(*goal)
    if begin is None or end is None:
        return None
    costs = costmap.costs.astype(np.float64)
    costs[costmap.costs == nav2_rules.NO_INFORMATION] = 0.0
    passable = costs < nav2_rules.INSCRIBED
    if not passable[begin[1], begin[0]]:
        passable, costs = _with_way_out(passable, costs, begin)
    if not passable[end[1], end[0]]:
        rows, columns = np.nonzero(passable)
        if not len(rows):
            return None
        off = np.hypot(rows - end[1], columns - end[0]) * costmap.resolution
        best = int(off.argmin())
        if off[best] > tolerance:
            return None
        end = int(columns[best]), int(rows[best])
    ways = np.where(passable, 1.0 + _COST_WEIGHT * costs / (nav2_rules.INSCRIBED - 1), -1.0)
    search = search_of(ways, fully_connected=True)
    found, _ = search.find_costs([begin[::-1]], [end[::-1]])
    if not np.isfinite(found[end[1], end[0]]):
        return None
    cells = np.array(search.traceback(end[::-1]), np.float64)
    points = (cells[:, ::-1] + 0.5) * costmap.resolution + np.array(costmap.origin)
    return np.asarray(points, np.float64)


def length_of(path: arrays.Float64) -> float:
    """Return the length of a path along its points, smoothed over half a metre or so, metres."""
    return float(np.hypot(*np.diff(smoothed(path), axis=0).T).sum())


def smoothed(path: arrays.Float64, reach: int = 5) -> arrays.Float64:
    """
    Return a path without the corners of its cells; its ends stay.

    :param path: (N, 2)
    :param reach: points to each side that are averaged
    """
    if len(path) < 3:
        return path
    index = np.arange(len(path))
    near = np.minimum(np.minimum(index, len(path) - 1 - index), reach)
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(path, axis=0)])
    return np.asarray((sums[index + near + 1] - sums[index - near])
                      / (2 * near + 1)[:, None], np.float64)


def follow(path: arrays.Float64, robot: Pose2D, costmap: nav2_rules.Costmap, pursuit: Pursuit
           ) -> Tuple[float, float]:
    """
    Return the next command: speed ahead and to the left, metres and radians per second.

    Both are zero where the arc ahead is blocked; the caller plans anew.

    :param path: (N, 2) metres, what is behind the robot included
    :param costmap: inflated
    """
    away = np.hypot(path[:, 0] - robot.x, path[:, 1] - robot.y)
    nearest = int(away.argmin())
    beyond = np.flatnonzero(away[nearest:] >= pursuit.lookahead)
    target = path[nearest + beyond[0]] if len(beyond) else path[-1]
    left = float(np.hypot(*(path[-1] - (robot.x, robot.y))))
    dx, dy = target[0] - robot.x, target[1] - robot.y
    c, s = math.cos(robot.yaw), math.sin(robot.yaw)
    ahead, aside = c * dx + s * dy, c * dy - s * dx
    angle = math.atan2(aside, ahead)
    if abs(angle) > pursuit.turn_from:
        return 0.0, math.copysign(min(pursuit.turn_rate, 0.3 + abs(angle)), angle)
    curvature = 2.0 * aside / max(dx * dx + dy * dy, 1e-4)
    speed = min(pursuit.speed, pursuit.speed / max(1e-6, abs(curvature) * pursuit.radius),
                max(pursuit.least_speed, pursuit.approach * left))
    # By how near it is: half as fast where the robot nearly fills its way.
    cost = cost_at(costmap, robot.x, robot.y)
    if cost < nav2_rules.NO_INFORMATION:
        speed *= 1.0 - 0.5 * min(1.0, cost / float(nav2_rules.INSCRIBED))
    speed = max(speed, pursuit.least_speed)
    turn = min(max(speed * curvature, -pursuit.turn_rate), pursuit.turn_rate)
    if blocked(costmap, robot, speed, turn, pursuit.horizon):
        slow = pursuit.least_speed
        turn = min(max(slow * curvature, -pursuit.turn_rate), pursuit.turn_rate)
        if blocked(costmap, robot, slow, turn, pursuit.horizon):
            return 0.0, 0.0
        return slow, turn
    return speed, turn


def blocked(costmap: nav2_rules.Costmap, robot: Pose2D, speed: float, turn_rate: float,
            seconds: float) -> bool:
    """
    Return whether a robot that goes on so comes to a place where it touches something.

    Where it stands in such a place already it may leave it, so only what is worse counts.
    """
    first = cost_at(costmap, robot.x, robot.y)
    limit = nav2_rules.INSCRIBED if first < nav2_rules.INSCRIBED or \
        first == nav2_rules.NO_INFORMATION else nav2_rules.LETHAL
    x, y, yaw = robot
    for _ in range(int(seconds / 0.1)):
        yaw += 0.1 * turn_rate
        x += 0.1 * speed * math.cos(yaw)
        y += 0.1 * speed * math.sin(yaw)
        if limit <= cost_at(costmap, x, y) < nav2_rules.NO_INFORMATION:
            return True
    return False


def cost_at(costmap: nav2_rules.Costmap, x: float, y: float) -> int:
    """Return the cost at a place; unknown outside."""
    cell = costmap.cell_of(x, y)
    return nav2_rules.NO_INFORMATION if cell is None else int(costmap.costs[cell[1], cell[0]])


def _with_way_out(passable: arrays.Bool, costs: arrays.Float64, begin: Tuple[int, int]
                  ) -> Tuple[arrays.Bool, arrays.Float64]:
    """Open the cells around a robot that stands where it should not, but for lethal ones."""
    rows, columns = np.arange(passable.shape[0])[:, None], np.arange(passable.shape[1])[None]
    around = (np.hypot(rows - begin[1], columns - begin[0]) <= 8) & (costs < nav2_rules.LETHAL)
    around[begin[1], begin[0]] = True
    costs = np.where(around & ~passable, float(_ESCAPE_COST), costs)
    return np.asarray(passable | around, np.bool_), costs
