# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Clocks that are set while the node runs, a process that was suspended, a quota of processor."""

import signal
import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
import pytest
from rosgraph_msgs.msg import Clock
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import stamp_seconds
from support.fault_subject import Subject
from support.processor_quota import processor_quota
from support.ros_graph import NodeProcess
from support.stepped_clock import SteppedClock
from support.tiny_model import write_color_model

pytestmark = pytest.mark.slow

OK = 0
FORGET = 1.5
"""Seconds, of the parameters of color_parameters."""
ENOUGH = 500
"""Cells that one look at the scene tells of."""
SUSPENDED = 25.0
"""Seconds; Fast DDS gives a participant up after 20."""
BACK_WITHIN = 15.0
"""Seconds until a mask comes after that: five of the announcements of Fast DDS' own default."""


class SimulatedTime:
    """A /clock that goes as fast as the machine's, and can be set."""

    environment = None

    def __init__(self, robot):
        self._publisher = robot.node.create_publisher(Clock, '/clock', 10)
        self._offset = 50000.0 - time.monotonic()

    def step(self, seconds):
        self._offset += seconds

    def seconds(self):
        return time.monotonic() + self._offset

    def stamp(self):
        whole, part = divmod(self.seconds(), 1.0)
        stamp = Time(sec=int(whole), nanosec=int(part * 1e9))
        self._publisher.publish(Clock(clock=stamp))
        return stamp


@pytest.mark.parametrize('kind', ['wall clock', '/clock'])
def test_a_clock_that_is_set_ahead_and_back_costs_the_old_grid_and_no_mask(domain, tmp_path, kind):
    is_wall = kind == 'wall clock'
    stepped = SteppedClock(tmp_path) if is_wall else None
    parameters = color_parameters(tmp_path, use_sim_time=str(not is_wall).lower())
    with NodeProcess(domain, tmp_path, parameters,
                     environment=stepped.environment if is_wall else None) as node, \
            CostmapRobot(domain) as robot:
        clock = stepped if is_wall else SimulatedTime(robot)
        robot.now = clock.stamp
        grids = robot.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        diagnostics = robot.subscribe(DiagnosticArray, '/diagnostics')
        robot.wait_for_state('active')

        def fresh_grid():
            """Return whether a full grid has come that bears the present time."""
            return bool(grids.messages) and GridView(grids.messages[-1]).known() >= ENOUGH and \
                abs(stamp_seconds(grids.messages[-1].header.stamp) - clock.seconds()) < FORGET
        robot.look_until(fresh_grid, 'a first grid')
        for seconds in (3600.0, -3600.0, -400.0, 0.3, -0.3, 40.0):
            masks, before = len(robot.masks.messages), len(grids.messages)
            clock.step(seconds)
            robot.look_until(lambda before=before: len(grids.messages) > before and fresh_grid(),
                             f'a grid of the new time after a step of {seconds} s')
            robot.look_until(lambda masks=masks: len(robot.masks.messages) > masks + 10, 'masks')
            # Whatever is known was seen in the time that its grid bears.
            for grid in grids.messages[before + 2:]:
                stamp = stamp_seconds(grid.header.stamp)
                assert abs(stamp - clock.seconds()) < 120.0, (seconds, stamp, clock.seconds())
        sent = {(header.stamp.sec, header.stamp.nanosec) for header in robot.sent}
        assert {(mask.header.stamp.sec, mask.header.stamp.nanosec)
                for mask in robot.masks.messages} <= sent
        entries = [status for message in diagnostics.messages for status in message.status]
        watchdog = [status for status in entries if status.name.endswith(': watchdog')]
        assert watchdog and all(status.level == bytes([OK]) for status in watchdog)
        assert 'Traceback' not in node.log()


def test_suspended_for_longer_than_dds_waits_it_serves_again_each_time(domain, tmp_path):
    with Subject(domain, tmp_path, {'model': write_color_model(tmp_path)}) as subject:
        for _ in range(2):
            begun = subject.begin()
            subject.process.signal(signal.SIGSTOP)
            time.sleep(SUSPENDED)
            subject.process.signal(signal.SIGCONT)
            assert subject.served_again(time.monotonic(), 120.0) < BACK_WITHIN
            subject.finish(begun)
            assert subject.status['watchdog'][3]['backends replaced'] == '0'
            assert subject.status['watchdog'][1] == OK


def test_with_half_the_processor_that_it_wants_it_serves_the_newest_images(domain, tmp_path):
    with Subject(domain, tmp_path, {'model': write_color_model(tmp_path)}) as subject:
        subject.camera.rate = 20.0
        before, asked = subject.process.cpu_seconds(), time.monotonic()
        time.sleep(4.0)
        wanted = (subject.process.cpu_seconds() - before) / (time.monotonic() - asked)
        begun = subject.begin()
        masks = subject.camera.counts['masks']
        with processor_quota(subject.process.pid, min(0.5, wanted / 2.0)) as held_up:
            time.sleep(15.0)
            assert held_up() >= 20
            # No backlog: what is asked now is answered soon, however long this has lasted.
            late = subject.served_again(time.monotonic())
        assert subject.camera.counts['masks'] - masks >= 15
        assert late < 5.0
        subject.wait_for_status('watchdog', lambda level, *_: level == OK)
        assert subject.status['watchdog'][3]['backends replaced'] == '0'
        subject.finish(begun, refused=0)
