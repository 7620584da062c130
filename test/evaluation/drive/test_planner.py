# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Paths and commands on small costmaps, against what can be said without a planner."""

import builtins
import math

import numpy as np
import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.evaluation.drive import planner
from segformer_ros.simulation.robot.robot import Pose2D

INFLATION = planner.Inflation(0.25, 0.55, 3.0)


def costmap_with(*walls):
    """Return an inflated costmap of 6 m around the origin; walls are x and y ranges."""
    costmap = nav2_rules.Costmap(6.0, 0.05)
    x, y = costmap.center_of(np.arange(120)[None, :], np.arange(120)[:, None])
    for low_x, high_x, low_y, high_y in walls:
        costmap.costs[(x > low_x) & (x < high_x) & (y > low_y) & (y < high_y)] = 254
    costmap.costs = planner.inflate(costmap.costs, 0.05, INFLATION)
    return costmap


WALL = (-0.1, 0.1, -3.0, 0.5)


def test_inflation_is_nav2s_formula_at_every_cell():
    costmap = nav2_rules.Costmap(2.0, 0.05)
    costmap.costs[20, 20] = costmap.costs[3, 31] = 254
    costmap.costs[0, 0] = 40
    costmap.costs[10, 10] = costmap.costs[20, 22] = 255
    found = planner.inflate(costmap.costs, 0.05, INFLATION)
    for my, mx in np.ndindex(40, 40):
        away = 0.05 * min(math.hypot(my - 20, mx - 20), math.hypot(my - 3, mx - 31))
        cost = 254 if away == 0.0 else 253 if away <= 0.25 else \
            int(252 * math.exp(-3.0 * (away - 0.25))) if away <= 0.55 else 0
        old = int(costmap.costs[my, mx])
        expected = max(cost, old) if old != 255 else (cost if cost >= 253 else 255)
        assert abs(int(found[my, mx]) - expected) <= 1, (mx, my)


def test_a_path_goes_round_a_wall_with_the_robots_radius_to_spare():
    pytest.importorskip('skimage')
    costmap = costmap_with(WALL)
    path = planner.plan(costmap, (-1.0, -1.0), (1.0, -1.0))
    assert path[0] == pytest.approx((-1.0, -1.0), abs=0.05)
    assert path[-1] == pytest.approx((1.0, -1.0), abs=0.05)
    # The wall's end, a cell's half more or less.
    off = np.hypot(np.clip(np.abs(path[:, 0]) - 0.1, 0.0, None),
                   np.clip(path[:, 1] - 0.5, 0.0, None))
    assert off.min() > INFLATION.radius - 0.04
    shortest = 2.0 * math.hypot(0.9, 1.5)
    # Costs keep it farther off where there is room.
    assert shortest < planner.length_of(path) < 1.45 * shortest


def test_where_there_is_no_way_there_is_no_path():
    pytest.importorskip('skimage')
    closed = costmap_with((-0.1, 0.1, -3.0, 3.0))
    assert planner.plan(closed, (-1.0, 0.0), (1.0, 0.0)) is None
    assert planner.plan(closed, (-1.0, 0.0), (9.0, 0.0)) is None
    # A goal too near to a wall is moved, but not far.
    near = planner.plan(closed, (-1.0, 0.0), (-0.2, 0.0))
    assert near is not None and -0.5 < near[-1][0] < -0.3
    # Nor does a robot that stands too near find no way out.
    assert planner.plan(closed, (-0.25, 0.0), (-2.0, 0.0)) is not None


def test_without_scikit_image_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **more):
        if name.startswith('skimage'):
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ConfigurationError, match='pip install scikit-image numpy=='):
        planner.check_installed()


def simulate(path, costmap, start, pursuit, seconds):
    """Follow a path with ideal wheels; return the places and the commands."""
    x, y, yaw = start
    places, commands = [], []
    for _ in range(int(seconds / 0.05)):
        speed, turn = planner.follow(path, Pose2D(x, y, yaw), costmap, pursuit)
        yaw += 0.05 * turn
        x += 0.05 * speed * math.cos(yaw)
        y += 0.05 * speed * math.sin(yaw)
        places.append((x, y))
        commands.append((speed, turn))
        if math.hypot(x - path[-1][0], y - path[-1][1]) < 0.1:
            break
    return np.array(places), np.array(commands)


def test_following_stays_near_the_path_and_within_its_limits():
    costmap = costmap_with()
    angle = np.linspace(0.0, math.pi / 2.0, 60)
    path = np.stack([1.5 * np.sin(angle), 1.5 - 1.5 * np.cos(angle)], 1)
    pursuit = planner.Pursuit(speed=0.4)
    places, commands = simulate(path, costmap, (0.0, 0.0, 0.0), pursuit, 20.0)
    assert np.hypot(*(places[-1] - path[-1])) < 0.1
    off = np.abs(np.hypot(places[:, 0], places[:, 1] - 1.5) - 1.5)
    assert off.max() < 0.08
    assert commands[:, 0].max() == pytest.approx(0.4) and np.abs(commands[:, 1]).max() <= 1.0
    # It slows down before the goal.
    assert commands[-1, 0] < 0.2


def test_it_turns_on_the_spot_towards_a_path_behind_it():
    path = np.stack([-np.linspace(0.0, 2.0, 41), np.zeros(41)], 1)
    speed, turn = planner.follow(path, Pose2D(0.0, 0.0, 0.3), costmap_with(),
                                 planner.Pursuit())
    assert speed == 0.0 and turn == pytest.approx(1.0)


def test_it_stands_where_the_way_ahead_is_blocked_and_only_there():
    path = np.stack([np.linspace(-2.0, 2.0, 81), np.full(81, -1.0)], 1)
    costmap = costmap_with(WALL)
    assert planner.follow(path, Pose2D(-0.45, -1.0, 0.0), costmap,
                          planner.Pursuit()) == (0.0, 0.0)
    speed, _ = planner.follow(path, Pose2D(-1.5, -1.0, 0.0), costmap, planner.Pursuit())
    assert speed > 0.2


@pytest.mark.parametrize('radius, speed', [(0.45, 0.25), (0.72, 0.4), (2.0, 0.5)])
@pytest.mark.parametrize('side', [1.0, -1.0])
def test_it_is_as_slow_in_a_curve_as_the_curve_is_tight(radius, speed, side):
    angle = np.linspace(0.0, 2.5, 400)
    path = radius * np.stack([np.sin(angle), side * (1.0 - np.cos(angle))], 1)
    # Of 0.9 m on a curve may be driven with the full speed of 0.5 m/s.
    found, turn = planner.follow(path, Pose2D(0.0, 0.0, 0.0), costmap_with(), planner.Pursuit())
    assert found == pytest.approx(speed, rel=0.03)
    assert turn == pytest.approx(side * speed / radius, rel=0.03)


@pytest.mark.parametrize('cost, speed', [(0, 0.5), (126, 0.375), (252, 0.25), (255, 0.5)])
def test_it_is_half_as_fast_where_it_nearly_fills_its_way(cost, speed):
    path = np.stack([np.linspace(0.0, 2.0, 41), np.zeros(41)], 1)
    costmap = costmap_with()
    costmap.costs[:] = cost
    found, _ = planner.follow(path, Pose2D(0.0, 0.0, 0.0), costmap, planner.Pursuit())
    assert found == pytest.approx(speed, abs=0.005)


def test_a_path_may_lead_over_what_is_not_known():
    pytest.importorskip('skimage')
    costmap = costmap_with()
    costmap.costs[:, 50:70] = nav2_rules.NO_INFORMATION
    path = planner.plan(costmap, (-1.0, 0.0), (1.0, 0.0))
    assert planner.length_of(path) == pytest.approx(2.0, abs=0.06)
