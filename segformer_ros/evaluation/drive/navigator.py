# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Lead a robot to a goal by what the node publishes, as Nav2 with our snippet would."""

import math
from typing import Any, Dict, NamedTuple, Optional, Tuple

from segformer_ros.common import arrays
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.evaluation.drive import planner
from segformer_ros.simulation.robot.robot import Pose2D

STOP = (0.0, 0.0)
# The values of config/nav2_local_costmap.yaml that the rules ask for; a test compares.
LAYER: Dict[str, Any] = {'trinary_costmap': False, 'lethal_cost_threshold': 100,
                         'track_unknown_space': False, 'use_maximum': False}
WATCHDOG: Dict[str, Any] = {
    'observation_sources': 'sem_ground',
    'sem_ground': {'marking': False, 'clearing': True, 'expected_update_rate': 1.5}}


class NavigatorSettings(NamedTuple):
    """
    How it drives; metres and seconds.

    ``reached`` distance at which a goal counts; ``replan`` seconds between two plans; ``patience``
    seconds after which a goal is given up; ``look_around`` radians per second of turning while
    no path is found; ``transform_tolerance`` seconds that the robot's pose may be old.
    """

    inflation: planner.Inflation = planner.Inflation()
    pursuit: planner.Pursuit = planner.Pursuit()
    reached: float = 0.25
    replan: float = 1.0
    patience: float = 90.0
    look_around: float = 0.6
    transform_tolerance: float = 0.3


class Navigator:
    """
    Takes grids, clouds and the robot's pose, and gives commands.

    :param settings: how it drives
    :param size: of its rolling costmap, metres
    :param resolution: of a cell, metres
    """

    def __init__(self, settings: NavigatorSettings, size: float, resolution: float = 0.05
                 ) -> None:
        self.settings = settings
        self._size = size
        self._resolution = resolution
        self._watchdog = nav2_rules.ObstacleLayer(WATCHDOG, nav2_rules.Costmap(1.0, resolution))
        self._grid: Optional[nav2_rules.Grid] = None
        self.costmap: Optional[nav2_rules.Costmap] = None
        """Inflated; None before the first grid."""
        self.path: Optional[arrays.Float64] = None
        """(N, 2) metres; None where no way is known."""
        self.goal: Optional[Tuple[float, float]] = None
        self.overdue = 0
        """Times that the clouds were overdue on the way."""
        self._began = -math.inf
        self._planned = -math.inf
        self._was_current = False

    def begin(self, goal: Tuple[float, float], now: float) -> None:
        """Go to another goal from now on."""
        self.goal, self.path = goal, None
        self._began, self._planned = now, -math.inf

    def on_grid(self, grid: nav2_rules.Grid, robot: Pose2D) -> None:
        """
        Take a grid into the rolling costmap.

        :raises Nav2Error: it is one that Nav2 refuses
        """
        master = nav2_rules.Costmap(self._size, self._resolution, (robot.x, robot.y))
        nav2_rules.static_layer(master, grid, LAYER)
        master.costs = planner.inflate(master.costs, self._resolution, self.settings.inflation)
        self._grid, self.costmap = grid, master

    def on_cloud(self, now: float) -> None:
        """Take note that a cloud of ground points came."""
        self._watchdog.receive('sem_ground', (), (0.0, 0.0, 0.0), now)

    def is_current(self, now: float) -> bool:
        """Return whether the clouds are fresh enough to drive."""
        return self._watchdog.is_current(now)

    def has_arrived(self, robot: Pose2D) -> bool:
        """Return whether the robot is at its goal."""
        return self.goal is not None and math.hypot(
            self.goal[0] - robot.x, self.goal[1] - robot.y) < self.settings.reached

    def gives_up(self, now: float) -> bool:
        """Return whether the goal has taken too long."""
        return now - self._began > self.settings.patience

    def command(self, robot: Pose2D, now: float, posed: Optional[float] = None
                ) -> Tuple[float, float]:
        """
        Return speeds ahead and to the left, metres and radians per second.

        :param now: seconds, on the clock of the other calls
        :param posed: seconds, the stamp of the pose; None for now. Without a pose that is young
            enough Nav2's controller gives up and sends zeros
        """
        current = self._watchdog.is_current(now)
        self.overdue += self._was_current and not current
        self._was_current = current
        lost = posed is not None and now - posed > self.settings.transform_tolerance
        if self.goal is None or self.costmap is None or not current or lost:
            return STOP
        if now - self._planned >= self.settings.replan:
            self._planned = now
            self.path = planner.plan(self.costmap, (robot.x, robot.y), self.goal)
        if self.path is None:
            # It looks for one: what is beside and behind was perhaps never seen.
            return 0.0, self.settings.look_around
        speed, turn = planner.follow(self.path, robot, self.costmap, self.settings.pursuit)
        if speed == 0.0 and turn == 0.0:
            # Blocked: along another path, as soon as it may be planned.
            self._planned = min(self._planned, now - self.settings.replan + 0.3)
        return speed, turn

    def known(self) -> arrays.Bool:
        """Return (height, width), true where the node's grid knows the costmap's cell."""
        costmap, grid = self.costmap, self._grid
        if costmap is None or grid is None:
            raise nav2_rules.Nav2Error('No grid so far', expected='a grid before this call')
        cells, inside = nav2_rules.cells_below(costmap, grid, (0.0, 0.0, 0.0))
        known: arrays.Bool = inside & (grid.values[cells] != -1)
        return known
