# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Simulated time that never begins, stops, or runs slowly: the grid shows nothing too old."""

import threading
import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import RELIABLE_50
from support.ros_graph import NodeProcess
from support.ros_graph import wait_until
from visualization_msgs.msg import Marker

WARN = b'\x01'
NO_TIME = 'use_sim_time is set and no time comes on /clock'


class SimulatedClock:
    """
    Publishes /clock from a thread.

    :param rate: simulated seconds in a second
    :param hz: messages in a second
    """

    def __init__(self, robot, rate=1.0, hz=50.0):
        self._publisher = robot.node.create_publisher(Clock, '/clock', 10)
        self.rate, self._period = rate, 1.0 / hz
        self.seconds = 500.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def stamp(self):
        whole = int(self.seconds)
        return Time(sec=whole, nanosec=int(1e9 * (self.seconds - whole)))

    def _run(self):
        while not self._stop.wait(self._period):
            self.seconds += self.rate * self._period
            self._publisher.publish(Clock(clock=self.stamp()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._stop.set()
        self._thread.join()


def watch(robot):
    robot.grids = robot.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
    robot.clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
    robot.diagnostics = robot.subscribe(DiagnosticArray, '/diagnostics')
    robot.wait_for_state('active')


def costmap_entry(message):
    return next(status for status in message.status if status.name == 'segformer: costmap')


def newest_known(robot):
    return GridView(robot.grids.messages[-1]).known() if robot.grids.messages else 0


def test_without_a_clock_the_grid_stays_unknown_and_one_line_says_why(domain, tmp_path):
    parameters = color_parameters(tmp_path, use_sim_time='true')
    with NodeProcess(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        watch(robot)

        def told():
            return len(robot.masks.messages) >= 20 and len(robot.grids.messages) >= 30 and any(
                NO_TIME in costmap_entry(each).message for each in robot.diagnostics.messages)
        robot.look_until(told, 'masks, grids and a word in diagnostics')
        assert all(GridView(each).known() == 0 for each in robot.grids.messages)
        assert not robot.clouds.messages
        found = [costmap_entry(each) for each in robot.diagnostics.messages]
        assert {each.level for each in found if NO_TIME in each.message} >= {WARN}
        lines = [line for line in node.log().splitlines() if '/clock' in line
                 and 'Listens to' not in line]
        assert len(lines) == 1 and '[WARN]' in lines[0] and NO_TIME in lines[0]
        # Time begins: what was seen before is not in the grid, what is seen now is.
        with SimulatedClock(robot) as clock:
            deadline = time.monotonic() + 60.0
            while newest_known(robot) < 500:
                robot.look(stamp=clock.stamp())
                time.sleep(0.1)
                assert time.monotonic() < deadline
            node.wait_for_log('/clock runs: the costmap is shown')
            wait_until(lambda: newest_known(robot) == 0, 'the grid to fade by the clock')


def test_a_clock_that_stops_hides_the_grid_in_forget_time_and_brings_it_back(domain, tmp_path):
    parameters = color_parameters(tmp_path, use_sim_time='true', **{
        'fusion.forget_time': 4.0, 'landing.min_radius': 0.2, 'landing.clearance': 0.0})
    with NodeProcess(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        watch(robot)
        sites = robot.subscribe(Marker, '/segformer/landing_site/marker', 10)
        with SimulatedClock(robot) as clock:
            deadline = time.monotonic() + 60.0
            while newest_known(robot) < 500 or not any(
                    each.action == Marker.ADD for each in sites.messages):
                robot.look(stamp=clock.stamp())
                time.sleep(0.1)
                assert time.monotonic() < deadline
        stopped = time.monotonic()
        assert newest_known(robot) > 500
        wait_until(lambda: newest_known(robot) == 0, 'the grid to be hidden', timeout=20.0)
        assert 2.0 < time.monotonic() - stopped < 7.0
        wait_until(lambda: sites.messages[-1].action == Marker.DELETE, 'the landing site to go',
                   timeout=20.0)
        node.wait_for_log(r'/clock stands still for \d')
        status = costmap_entry(robot.diagnostics.wait(
            lambda each: '/clock stands still' in costmap_entry(each).message))
        assert status.level >= WARN
        # A simulation that was paused goes on: without any new image the grid is there again.
        count = len(robot.grids.messages)
        paused_at = clock.seconds
        with SimulatedClock(robot) as again:
            again.seconds = paused_at
            robot.grids.wait(lambda each: GridView(each).known() > 500, after=count)
            wait_until(lambda: newest_known(robot) == 0, 'the grid to fade by the clock')
            assert again.seconds - paused_at < 8.0
        assert node.log().count('stands still') == 1


def test_a_simulation_at_a_twentieth_of_real_time_keeps_its_grid(domain, tmp_path):
    parameters = color_parameters(tmp_path, use_sim_time='true')
    with NodeProcess(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        watch(robot)
        with SimulatedClock(robot, rate=0.05, hz=2.0) as clock:
            deadline = time.monotonic() + 60.0
            while newest_known(robot) < 500:
                robot.look(stamp=clock.stamp())
                time.sleep(0.2)
                assert time.monotonic() < deadline
            # Twice forget_time by the steady clock, without an image; 0.2 s of simulated time.
            count, ended = len(robot.grids.messages), time.monotonic() + 4.0
            wait_until(lambda: time.monotonic() > ended, 'four seconds')
            views = [GridView(each).known() for each in robot.grids.messages[count:]]
            assert len(views) > 20 and min(views) > 500
        assert 'stands still' not in node.log()
