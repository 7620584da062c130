# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""People who cross a robot's way."""

import math

import numpy as np
import pytest
from segformer_ros.evaluation.drive import crossing
from segformer_ros.simulation.robot.surroundings import PERSON_RADIUS
from segformer_ros.simulation.robot.surroundings import Surroundings
from segformer_ros.simulation.world.people import walker_pose
from segformer_ros.simulation.world.world import World


def street():
    world = World('outdoor', 0)
    world.walkers = []
    return world


def test_somebody_is_at_the_place_at_the_time_and_walks_as_fast_as_asked():
    world = street()
    found = crossing.across(world, (2.0, 1.0), 0.5 * math.pi, (3.0, 2.0), 10.0, 1.25,
                            np.random.RandomState(0))
    assert found.begins == pytest.approx(10.0 - 3.0 / 1.25)
    assert found.ends == pytest.approx(10.0 + 2.0 / 1.25)
    assert walker_pose(found.walker, 10.0)[:2] == pytest.approx((2.0, 1.0), abs=1e-6)
    assert walker_pose(found.walker, found.begins)[:2] == pytest.approx((2.0, -2.0), abs=1e-6)
    assert walker_pose(found.walker, 10.4)[:2] == pytest.approx((2.0, 1.5), abs=1e-6)
    # Before there is nobody; afterwards the person stands.
    assert found.at(found.begins - 0.01) is None
    assert found.at(found.ends - 0.01) is found.walker
    for later in (0.01, 5.0, 50.0):
        stands = found.at(found.ends + later)
        assert walker_pose(stands, found.ends + later)[:2] == pytest.approx((2.0, 3.0))


def test_a_crossing_cuts_the_way_about_when_the_robot_is_there():
    world, seen = street(), 0
    around = Surroundings(world)
    random = np.random.RandomState(3)
    for s in np.arange(0.0, 40.0, 4.0).tolist():
        start, goal = world.route(s), world.route(s + 4.0)
        found = crossing.crossing_before(world, around, start, goal, 100.0, 0.45, random)
        if found is None:
            continue
        seen += 1
        times = np.arange(found.begins, found.ends, 0.02)
        ways = np.array([walker_pose(found.walker, time)[:2] for time in times.tolist()])
        assert found.begins >= 100.0 - 1e-6
        # Both sides of the line from start to goal, at least a metre from it.
        along = np.array(goal) - start
        aside = (along[0] * (ways[:, 1] - start[1]) - along[1] * (ways[:, 0] - start[0]))
        aside = aside / np.hypot(*along)
        assert aside.min() < -1.0 and aside.max() > 1.0
        meeting = int(np.abs(aside).argmin())
        share = (ways[meeting] - start).dot(along) / along.dot(along)
        assert 0.35 < share < 0.8
        robot = 100.0 + share * np.hypot(*along) / 0.45
        assert abs(times[meeting] - robot) < 1.1
        # Nobody walks through furniture.
        assert min(around.distance_to_furniture(x, y) for x, y in ways.tolist()) > \
            PERSON_RADIUS - 0.05
    assert seen >= 5


@pytest.mark.parametrize('left, right', [(0.5, 0.5), (9.0, 0.5), (0.5, 9.0)])
def test_where_things_stand_beside_the_way_nobody_crosses(left, right):
    class Passage:
        """A passage along the x axis with walls so far to its sides."""

        def distance_to_furniture(self, x, y):
            """Return the distance to them."""
            return max(0.0, min(left - y, right + y))

    assert crossing.crossing_before(street(), Passage(), (0.0, 0.0), (4.0, 0.0), 0.0, 0.45,
                                    np.random.RandomState(0)) is None


def test_the_person_is_in_the_pictures_shapes():
    world = street()
    found = crossing.across(world, (2.0, 1.0), 0.0, (1.0, 1.0), 5.0, 1.0,
                            np.random.RandomState(0))
    world.walkers = [found.at(5.0)]
    moving = world.primitives(5.0)[len(world.static):]
    assert len(moving) > 8
    names = {world.materials[part.material].class_id for part in moving}
    assert len(names) == 1
    assert all(math.hypot(part.center[0] - 2.0, part.center[1] - 1.0) < 0.6 for part in moving)
