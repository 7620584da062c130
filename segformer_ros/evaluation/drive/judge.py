# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Watch a robot on its way to goals, by the truth of the world."""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.evaluation.drive import planner
from segformer_ros.simulation.render.ground_truth import NONE
from segformer_ros.simulation.render.ground_truth import occupancy
from segformer_ros.simulation.robot import surroundings as robot_surroundings
from segformer_ros.simulation.world.world import World

AHEAD = 1.0
"""Metres before the bumper within which a thing is a cause to stand."""
STANDING = 1.0
"""Seconds from which a robot that neither drives nor turns stands."""
TURNED_BACK = 2.0
"""Radians on the spot from which a robot that was on its way has turned back."""
_SLOW, _STILL = 0.03, 0.05
_RESOLUTION = 0.05


class Sample(NamedTuple):
    """Where the robot truly is at a time: seconds, metres, radians, and how it moves."""

    time: float
    x: float
    y: float
    yaw: float
    speed: float
    turn_rate: float
    in_contact: bool


class GoalFigures(NamedTuple):
    """
    One goal.

    ``seconds`` until it was reached or given up; ``length`` driven and ``best`` on the true map,
    metres; ``clearance`` least distance between body and things, metres; ``contacts`` times that
    the robot ran into something; ``stops`` times that it stood, or turned back on the spot,
    without anything before it; ``remaining`` metres from its last place to the goal.
    """

    x: float
    y: float
    reached: bool
    seconds: float
    length: float
    best: Optional[float]
    clearance: float
    contacts: int
    stops: int
    remaining: float = 0.0

    def as_json(self) -> Dict[str, Any]:
        """Return the figures, rounded."""
        return {name: round(value, 3) if isinstance(value, float) else value
                for name, value in self._asdict().items()}


class Judge:
    """
    Takes samples of the truth and sums them up by goal.

    :param surroundings: of the world
    :param radius: of the robot, metres
    """

    def __init__(self, surroundings: robot_surroundings.Surroundings, radius: float) -> None:
        self._surroundings = surroundings
        self._radius = radius
        self.goals: List[GoalFigures] = []
        """Those that are over."""
        self.way: List[Tuple[float, float]] = []
        """Places of all samples."""
        self.closest: Optional[Sample] = None
        """Where the robot was when it came nearest to something on the way to this goal."""
        self._last: Optional[Sample] = None
        self._goal: Tuple[float, float] = (0.0, 0.0)
        self._best: Optional[float] = None
        self._forget()

    def _forget(self) -> None:
        self._began: Optional[float] = None
        self._length = 0.0
        self._clearance = math.inf
        self._contacts = 0
        self._stops = 0
        self._stood_from: Optional[float] = None
        self._counted = False
        self._on_spot: Optional[Sample] = None
        self._turned = 0.0
        self._turned_counted = False
        self.closest = None

    @property
    def stops(self) -> int:
        """Return the stops without cause on the way to this goal so far."""
        return int(self._stops)

    def begin(self, goal: Tuple[float, float], best: Optional[float]) -> None:
        """
        Look at the way to another goal from now on.

        :param goal: x, y, metres
        :param best: length of the shortest way that fits the robot, None where there is none
        """
        self._forget()
        self._goal, self._best = goal, best

    def add(self, sample: Sample) -> None:
        """Take one sample; they come in order of time."""
        self.way.append((sample.x, sample.y))
        self._began = sample.time if self._began is None else self._began
        distance = self._surroundings.distance(sample.x, sample.y, sample.time)
        clearance = max(0.0, distance - self._radius)
        if clearance < self._clearance:
            self._clearance, self.closest = clearance, sample
        last, self._last = self._last, sample
        if last is not None:
            self._length += math.hypot(sample.x - last.x, sample.y - last.y)
            self._contacts += sample.in_contact and not last.in_contact
            self._look_for_turning_back(last, sample)
        if abs(sample.speed) > _SLOW or abs(sample.turn_rate) > _STILL:
            self._stood_from, self._counted = None, False
            return
        self._stood_from = sample.time if self._stood_from is None else self._stood_from
        if not self._counted and sample.time - self._stood_from >= STANDING:
            self._counted = True
            self._stops += not self._is_near(sample)

    def end(self, reached: bool) -> GoalFigures:
        """Sum up the way to the goal."""
        now = self._last.time if self._last is not None else 0.0
        found = GoalFigures(self._goal[0], self._goal[1], reached,
                            0.0 if self._began is None else now - self._began, self._length,
                            self._best, self._clearance, int(self._contacts), int(self._stops),
                            0.0 if self._last is None else math.hypot(
                                self._goal[0] - self._last.x, self._goal[1] - self._last.y))
        self.goals.append(found)
        return found

    def _look_for_turning_back(self, last: Sample, sample: Sample) -> None:
        if abs(sample.speed) > _SLOW:
            self._on_spot, self._turned, self._turned_counted = None, 0.0, False
            return
        self._on_spot = sample if self._on_spot is None else self._on_spot
        self._turned += abs(_wrapped(sample.yaw - last.yaw))
        limit = TURNED_BACK
        if self._length < AHEAD:
            # A goal that lies behind is turned to first.
            limit += abs(_wrapped(math.atan2(self._goal[1] - sample.y, self._goal[0] - sample.x)
                                  - self._on_spot.yaw))
        if not self._turned_counted and self._turned > limit:
            self._turned_counted = True
            self._stops += not self._is_near(self._on_spot)

    def _is_near(self, sample: Sample) -> bool:
        """Return whether anything stands in the robot's way within a metre of its bumper."""
        for ahead in np.arange(0.0, AHEAD + 0.025, 0.05).tolist():
            if self._surroundings.distance(sample.x + ahead * math.cos(sample.yaw),
                                           sample.y + ahead * math.sin(sample.yaw),
                                           sample.time) < self._radius:
                return True
        return False


def true_costmap(world: World, places: Sequence[Tuple[float, float]],
                 margin: float = 4.0) -> nav2_rules.Costmap:
    """
    Return what stands in a world around places as a costmap; people are left out.

    :param places: x, y, metres
    :param margin: metres beyond them
    """
    points = np.array(places)
    low = points.min(axis=0) - margin
    side = float((points.max(axis=0) + margin - low).max())
    costmap = nav2_rules.Costmap(side, _RESOLUTION)
    costmap.origin = (float(low[0]), float(low[1]))
    with world.without_walkers():
        truth = occupancy(world, costmap.origin, _RESOLUTION, costmap.costs.shape,
                          lowest=robot_surroundings.LOWEST, highest=robot_surroundings.HIGHEST)
    costmap.costs[truth.obstacles != NONE] = nav2_rules.LETHAL
    return costmap


def best_length(truth: nav2_rules.Costmap, start: Tuple[float, float], goal: Tuple[float, float],
                radius: float) -> Optional[float]:
    """Return the length of the shortest way between places that fits a robot, metres."""
    fitting = nav2_rules.Costmap(1.0, truth.resolution)
    fitting.origin = truth.origin
    fitting.costs = planner.inflate(truth.costs, truth.resolution,
                                    planner.Inflation(radius, radius, 1.0))
    path = planner.plan(fitting, start, goal)
    return None if path is None else planner.length_of(path)


def goals_along(route: Any, length: float, closed: bool, count: int, spacing: float
                ) -> List[Tuple[float, float]]:
    """
    Return goals on a world's route, each ``spacing`` metres after the last.

    :param route: metres along it to x, y
    :param length: of the route, metres
    :param closed: whether it is a loop
    """
    found = []
    for number in range(1, count + 1):
        s = number * spacing if closed else min(number * spacing, length)
        x, y = route(s)
        found.append((float(x), float(y)))
    return found


def path_ratio(figures: GoalFigures) -> Optional[float]:
    """
    Return the way against the best one; None where either is not known.

    What is left to the goal, which counts as reached before it, is added to the way driven.
    """
    if not figures.best or not figures.reached:
        return None
    return (figures.length + figures.remaining) / figures.best


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % (2.0 * math.pi) - math.pi
