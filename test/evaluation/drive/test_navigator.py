# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The navigator with ideal wheels on grids, and what it does when clouds stay away."""

import math
import os

import numpy as np
import pytest
from segformer_ros.evaluation.drive import judge
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.evaluation.drive import navigator
from segformer_ros.simulation.robot.robot import Pose2D
import yaml

ROBOT = Pose2D(0.0, 0.0, 0.0)


def free_grid(size=12.0):
    cells = int(size / 0.05)
    return nav2_rules.Grid(np.zeros((cells, cells), np.int8), -0.5 * size, -0.5 * size, 0.05)


def ready(goal=(3.0, 1.0), grid=None):
    pytest.importorskip('skimage')
    found = navigator.Navigator(navigator.NavigatorSettings(), 8.0)
    found.begin(goal, 10.0)
    found.on_cloud(10.0)
    found.on_grid(free_grid() if grid is None else grid, ROBOT)
    return found


def test_its_layer_and_watchdog_are_those_of_the_snippet(project_root):
    path = os.path.join(project_root, 'config', 'nav2_local_costmap.yaml')
    with open(path, encoding='utf-8') as stream:
        local = yaml.safe_load(stream)['local_costmap']['local_costmap']['ros__parameters']
    assert {name: local[name] for name in navigator.LAYER} == navigator.LAYER
    layer = local['semantic_obstacles']
    assert navigator.WATCHDOG['observation_sources'] == layer['observation_sources']
    for name, value in navigator.WATCHDOG['sem_ground'].items():
        assert layer['sem_ground'][name] == value
    inflation = local['inflation_layer']
    settings = navigator.NavigatorSettings().inflation
    assert (settings.reach, settings.scaling) == (
        inflation['inflation_radius'], inflation['cost_scaling_factor'])


def test_it_drives_to_the_goal():
    found, (x, y, yaw), now = ready(), ROBOT, 10.0
    while not found.has_arrived(Pose2D(x, y, yaw)) and now < 40.0:
        found.on_cloud(now)
        speed, turn = found.command(Pose2D(x, y, yaw), now)
        yaw += 0.05 * turn
        x, y, now = x + 0.05 * speed * math.cos(yaw), y + 0.05 * speed * math.sin(yaw), now + 0.05
    assert found.has_arrived(Pose2D(x, y, yaw)) and 16.0 < now < 25.0
    assert found.overdue == 0


def test_it_plans_to_the_next_goal_at_once():
    found = ready()
    found.command(ROBOT, 10.1)
    assert found.path[-1] == pytest.approx((3.0, 1.0), abs=0.05)
    found.begin((2.0, -0.5), 10.3)
    assert found.command(ROBOT, 10.4)[0] > 0.1
    assert found.path[-1] == pytest.approx((2.0, -0.5), abs=0.05)


def test_it_stands_while_clouds_are_overdue_and_goes_on():
    found = ready()
    assert found.command(ROBOT, 10.1)[0] > 0.1
    assert found.command(ROBOT, 11.4)[0] > 0.1
    assert found.command(ROBOT, 11.6) == navigator.STOP
    assert found.command(ROBOT, 13.0) == navigator.STOP
    assert found.overdue == 1
    found.on_cloud(13.1)
    assert found.command(ROBOT, 13.2)[0] > 0.1


def test_it_stands_without_a_young_pose():
    found = ready()
    assert found.command(ROBOT, 10.4, posed=10.15)[0] > 0.1
    assert found.command(ROBOT, 10.5, posed=10.15) == navigator.STOP
    assert found.command(ROBOT, 10.6, posed=10.6)[0] > 0.1


def test_it_does_not_start_before_it_knows_anything():
    found = navigator.Navigator(navigator.NavigatorSettings(), 8.0)
    found.begin((1.0, 0.0), 10.0)
    assert found.command(ROBOT, 10.0) == navigator.STOP
    found.on_cloud(10.0)
    assert found.command(ROBOT, 10.1) == navigator.STOP


def test_where_there_is_no_way_it_looks_around_and_gives_up_in_the_end():
    grid = free_grid()
    xs = grid.origin_x + 0.05 * (np.arange(grid.values.shape[1]) + 0.5)
    grid.values[:, np.abs(xs - 1.5) < 0.1] = 100
    found = ready(grid=grid)
    speed, turn = found.command(ROBOT, 10.1)
    assert speed == 0.0 and turn == pytest.approx(found.settings.look_around)
    assert not found.gives_up(10.0 + found.settings.patience)
    assert found.gives_up(10.1 + found.settings.patience)


class Wall:
    """A wall at x = 2."""

    def distance(self, x, y, time):
        """Return the distance to it."""
        return min(max(2.0 - x, 0.0), 2.0)


def sample(time, x, yaw=0.0, speed=0.5, contact=False):
    return judge.Sample(time, x, 0.0, yaw, speed, 0.0, contact)


def driven(steps):
    """Return the figures of a goal a metre ahead, after so many steps of 5 cm."""
    watch = judge.Judge(Wall(), 0.25)
    watch.begin((1.0, 0.0), 1.0)
    for step in range(steps + 1):
        watch.add(sample(step * 0.1, step * 0.05))
    return watch.end(True)


def test_the_judge_adds_up_a_way():
    found = driven(20)
    assert found.length == pytest.approx(1.0) and found.seconds == pytest.approx(2.0)
    assert found.clearance == pytest.approx(0.75) and found.contacts == 0 and found.stops == 0
    assert judge.path_ratio(found) == pytest.approx(1.0)


def test_the_judge_counts_a_stop_only_where_nothing_stands_ahead():
    counts = []
    # The bumper is 0.25 m ahead of x, the wall at 2 m; 1.05 and 0.97 m lie between in the last.
    for x, yaw, seconds in ((0.0, 0.0, 3.0), (1.2, 0.0, 3.0), (1.2, math.pi, 3.0),
                            (0.0, 0.0, 0.8), (0.7, 0.0, 3.0), (0.78, 0.0, 3.0)):
        watch = judge.Judge(Wall(), 0.25)
        watch.begin((1.0, 0.0), None)
        for step in range(int(seconds / 0.1)):
            watch.add(sample(step * 0.1, x, yaw, 0.0))
        counts.append(watch.end(False).stops)
    assert counts == [1, 0, 1, 0, 1, 0]


def test_the_judge_counts_contacts_by_their_beginning():
    watch = judge.Judge(Wall(), 0.25)
    watch.begin((3.0, 0.0), 3.0)
    for number, contact in enumerate((False, True, True, False, True)):
        watch.add(sample(0.1 * number, 1.75, speed=0.1, contact=contact))
    found = watch.end(False)
    assert found.contacts == 2 and found.clearance == 0.0 and judge.path_ratio(found) is None


def test_the_judge_begins_each_goal_with_nothing():
    watch = judge.Judge(Wall(), 0.25)
    watch.begin((3.0, 0.0), 3.0)
    # It touches the wall, and stands with nothing ahead.
    for number in range(20):
        watch.add(sample(0.1 * number, 1.75, speed=0.1, contact=number > 15))
    for number in range(20, 40):
        watch.add(sample(0.1 * number, 1.75, math.pi, 0.0))
    first = watch.end(False)
    assert (first.contacts, first.stops, first.clearance) == (1, 1, 0.0)
    watch.begin((0.75, 0.0), 1.0)
    for number in range(20):
        watch.add(sample(4.0 + 0.1 * number, 1.75 - 0.05 * (number + 1)))
    second = watch.end(True)
    assert (second.contacts, second.stops) == (0, 0)
    assert second.clearance == pytest.approx(0.05) and second.length == pytest.approx(1.0)
    assert second.seconds == pytest.approx(1.9) and second.remaining == pytest.approx(0.0)
    assert watch.goals == [first, second]


def turning(x, degrees, bearing=0.0, before=2.0):
    """Return the stops of a robot that drives ahead, then turns at x by so many degrees."""
    watch = judge.Judge(Wall(), 0.25)
    watch.begin((x + 3.0 * math.cos(bearing), 3.0 * math.sin(bearing)), None)
    watch.add(sample(0.0, x - before, speed=0.5))
    watch.add(sample(0.1, x, speed=0.5))
    for number in range(1, int(degrees) // 5 + 1):
        watch.add(judge.Sample(0.1 + 0.1 * number, x, 0.0, math.radians(5.0 * number), 0.0, 0.9,
                               False))
    return watch.stops


def test_the_judge_counts_turning_back_with_nothing_ahead():
    assert turning(-1.0, 90) == 0
    assert turning(-1.0, 180) == 1
    assert turning(-1.0, 720) == 1
    # Something stands before it.
    assert turning(1.2, 180) == 0


def test_to_turn_a_little_where_angles_jump_is_no_turning_back():
    watch = judge.Judge(Wall(), 0.25)
    watch.begin((-9.0, 0.0), None)
    watch.add(sample(0.0, 0.0, math.pi))
    watch.add(sample(0.1, -1.5, math.pi))
    for number in range(60):
        # To and fro about the jump, a quarter of a degree at a time.
        yaw = math.pi + math.radians(0.5 * (number % 2 - 0.5))
        watch.add(judge.Sample(0.2 + 0.1 * number, -1.5, 0.0,
                               math.atan2(math.sin(yaw), math.cos(yaw)), 0.0, 0.1, False))
    assert watch.stops == 0


def test_to_turn_to_a_goal_behind_is_no_turning_back():
    assert turning(-1.0, 180, bearing=math.pi, before=0.0) == 0
    assert turning(-1.0, 360, bearing=math.pi, before=0.0) == 1
    assert turning(-1.0, 360, bearing=0.0, before=0.0) == 1


def test_what_is_left_to_the_goal_counts_as_way():
    found = driven(16)
    assert found.length == pytest.approx(0.8) and found.remaining == pytest.approx(0.2)
    assert judge.path_ratio(found) == pytest.approx(1.0)


def test_the_judge_remembers_where_it_was_closest():
    watch = judge.Judge(Wall(), 0.25)
    watch.begin((1.0, 0.0), 1.0)
    for number, x in enumerate((0.0, 0.5, 1.5, 1.0)):
        watch.add(sample(0.1 * number, x))
    assert watch.closest.x == 1.5
    assert watch.end(True).clearance == pytest.approx(0.25)
    watch.begin((1.0, 0.0), 1.0)
    assert watch.closest is None


def test_goals_follow_each_other_along_a_route_and_end_with_it_unless_it_is_a_loop():
    def on_line(s):
        return s, 2.0 * s

    def on_circle(s):
        return math.cos(s), math.sin(s)
    assert judge.goals_along(on_line, 5.0, False, 4, 2.0) == [
        (2.0, 4.0), (4.0, 8.0), (5.0, 10.0), (5.0, 10.0)]
    found = judge.goals_along(on_circle, 2.0 * math.pi, True, 4, 2.0)
    assert found == [on_circle(s) for s in (2.0, 4.0, 6.0, 8.0)]
