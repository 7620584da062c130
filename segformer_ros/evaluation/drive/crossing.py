# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""People who cross a robot's way just when it comes."""

import math
from typing import Any, NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.simulation.robot.surroundings import PERSON_RADIUS
from segformer_ros.simulation.robot.surroundings import Surroundings
from segformer_ros.simulation.textures.bank import TextureBank
from segformer_ros.simulation.world.scene import Walker
from segformer_ros.simulation.world.world import World

LOOKS = ('skin', 'hair', 'shirt', 'trousers')
# Metres from the way at which somebody starts and ends at most, and at least.
_FARTHEST, _NEAREST = 3.5, 1.5
# Places that are tried.
_TRIES = 30
_STEP = 0.1


class Crossing(NamedTuple):
    """Somebody who walks across from ``begins`` to ``ends``, seconds, and stands there then."""

    walker: Walker
    begins: float
    ends: float

    def at(self, time: float) -> Optional[Walker]:
        """Return the person at a time; None before the walk begins."""
        if time < self.begins:
            return None
        if time <= self.ends:
            return self.walker
        return self.walker._replace(start=self.walker.end, speed=0.0)


def across(world: World, where: Tuple[float, float], heading: float, reach: Tuple[float, float],
           when: float, speed: float, random: Any) -> Crossing:
    """
    Return a person who walks straight across a place.

    :param where: x, y of the place, metres
    :param heading: radians, the way the person walks
    :param reach: metres from there to the beginning and to the end of the walk
    :param when: seconds at which the person is at the place
    :param speed: metres per second
    :param random: numpy.random.RandomState of the person's looks
    """
    bank = TextureBank(world.textures)
    looks = []
    for name in LOOKS:
        world.materials.append(bank.draw(name, random))
        looks.append(len(world.materials) - 1)
    c, s = math.cos(heading), math.sin(heading)
    begins = when - reach[0] / speed
    walker = Walker((where[0] - reach[0] * c, where[1] - reach[0] * s),
                    (where[0] + reach[1] * c, where[1] + reach[1] * s), speed, -begins,
                    float(random.uniform(1.5, 1.95)),
                    (looks[0], looks[1], looks[2], looks[3]))
    return Crossing(walker, begins, begins + sum(reach) / speed)


def crossing_before(world: World, around: Surroundings, start: Tuple[float, float],
                    goal: Tuple[float, float], now: float, robot_speed: float, random: Any
                    ) -> Optional[Crossing]:
    """
    Return somebody who crosses the way to a goal about when the robot is there.

    :param around: of the world; nobody walks through its furniture
    :param start: x, y of the robot, metres
    :param now: seconds
    :param robot_speed: metres per second that the robot makes, about
    :param random: numpy.random.RandomState
    :return: None where things stand on every way across that was tried
    """
    length = math.hypot(goal[0] - start[0], goal[1] - start[1])
    along = math.atan2(goal[1] - start[1], goal[0] - start[0])
    for _ in range(_TRIES):
        ahead = float(random.uniform(0.4, 0.75)) * length
        heading = along + float(random.choice([-1.0, 1.0])) * (
            0.5 * math.pi + float(random.uniform(-0.3, 0.3)))
        where = start[0] + ahead * math.cos(along), start[1] + ahead * math.sin(along)
        before = _free_way(around, where, heading + math.pi)
        after = _free_way(around, where, heading)
        if min(before, after) < _NEAREST:
            continue
        speed = float(random.uniform(0.7, 1.4))
        when = now + ahead / robot_speed + float(random.uniform(-1.0, 1.0))
        return across(world, where, heading, (min(before, (when - now) * speed), after), when,
                      speed, random)
    return None


def _free_way(around: Surroundings, where: Tuple[float, float], heading: float) -> float:
    """Return how far somebody can walk, metres."""
    for way in np.arange(0.0, _FARTHEST + _STEP, _STEP).tolist():
        if around.distance_to_furniture(where[0] + way * math.cos(heading), where[1]
                                        + way * math.sin(heading)) < PERSON_RADIUS + 0.05:
            return max(0.0, way - _STEP)
    return _FARTHEST
