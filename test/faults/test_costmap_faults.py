# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Poses and intrinsics that are missing, late or wrong: the grid fades rather than lie."""

import math
import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.ros.peers.simulated_camera import transform_message
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import distances
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import PINHOLE
from support.costmap_robot import SCENE
from support.costmap_robot import stamp_seconds
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from tf2_msgs.msg import TFMessage

pytestmark = pytest.mark.slow

CELL = 0.05
FORGET = 1.5
"""Seconds, ``fusion.forget_time`` of the robot's parameters."""
MARGIN = 0.5
"""Seconds between the stamps of the last image that is used and of the last grid of it."""
HOME = planar_pose(0.4, 0.1, 0.1)
WARN = 1


class Watched:
    """A robot, its node, its grids, and what the node says of the costmap."""

    def __init__(self, robot, process):
        self.robot = robot
        self.process = process
        self.status = (0.0, 0, '', {})
        self.grids = robot.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        robot.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_status, 10)

    def _on_status(self, message):
        for status in message.status:
            if status.name.endswith(': costmap'):
                self.status = (time.monotonic(), status.level[0], status.message,
                               {pair.key: pair.value for pair in status.values})

    def grid(self):
        """Return the newest grid."""
        return GridView(self.grids.messages[-1])

    def sees_box(self, timeout=60.0, **arguments):
        """Look until the box, and nothing else, is lethal; return the seconds."""
        started = time.monotonic()
        truth = SCENE.contacts(PINHOLE, self.robot.camera_pose(), 4.0)

        def true():
            lethal = self.grid().lethal() if self.grids.messages else np.empty((0, 2))
            return len(lethal) >= 8 and distances(lethal, truth).max() < 2.5 * CELL
        while not true():
            self.robot.look(**arguments)
            time.sleep(0.1)
            assert time.monotonic() - started < timeout, self.process.log()[-2000:]
        return time.monotonic() - started

    def look_on(self, seconds, **arguments):
        """Look for some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.robot.look(**arguments)
            time.sleep(0.1)

    def fades(self, go_on):
        """
        Wait until the grid knows nothing; return the seconds.

        How late a grid comes is the machine's business: what it may know is judged by its stamp.

        :param go_on: called again and again; gives the node nothing of use
        """
        started, last = time.monotonic(), stamp_seconds(self.robot.now())
        before = len(self.grids.messages)

        def knows_nothing():
            go_on()
            time.sleep(0.1)
            return not self.grid().known()
        wait_until(knows_nothing, lambda: f'{self.grid().known()} cells are known')
        took = time.monotonic() - started
        ages = [stamp_seconds(grid.header.stamp) - last for grid in self.grids.messages[before:]
                if GridView(grid).known()]
        assert max(ages, default=0.0) < FORGET + MARGIN, ages
        return took

    def fades_and_warns(self, text, **arguments):
        """Look on until the grid knows nothing; return the seconds, and what was said."""
        took = self.fades(lambda: self.robot.look(**arguments))

        def told():
            self.robot.look(**arguments)
            time.sleep(0.1)
            return self.status[1] >= WARN and text in self.status[2]
        wait_until(told, lambda: str(self.status))
        assert self.grid().known() == 0
        return took, self.status[2].split('; ')[0]


@pytest.fixture(scope='module')
def watched(tmp_path_factory):
    """Yield one node that all these faults fall upon."""
    folder = tmp_path_factory.mktemp('node')
    with private_domain() as domain, \
            NodeProcess(domain, folder, color_parameters(folder)) as process, \
            CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        found = Watched(robot, process)
        found.sees_box()
        yield found


@pytest.fixture(autouse=True)
def home(watched):
    """Begin each fault from a good grid."""
    watched.robot.pose = HOME
    watched.sees_box()


def test_transforms_stop(watched, row):
    """TF stops, images go on."""
    took, text = watched.fades_and_warns('', with_pose=False)
    row.back_s = watched.sees_box()
    row.did = f'grid unknown after {took:.1f} s with forget_time {FORGET} s; WARN: {text[:90]}'
    row.lost = 'the grid of that time'


def test_transforms_are_late(watched, row):
    """TF comes 0.3 s after its image, within transform_tolerance."""
    waiting = []

    def look_late():
        waiting.append(watched.robot.look(with_pose=False).stamp)
        time.sleep(0.15)
        while len(waiting) > 2:
            watched.robot.send_pose(waiting.pop(0))
    end = time.monotonic() + FORGET + 3.0
    while time.monotonic() < end:
        look_late()
    # Longer than anything from before would be known.
    known, used = watched.grid().known(), watched.status[3].get('masks used')
    assert known > 500, (known, used, watched.status, watched.process.log()[-1500:])
    row.back_s = watched.sees_box()
    row.did, row.lost = 'waited for each pose, the grid stayed known', 'none'


def test_pose_jumps_and_comes_back(watched, row):
    """TF jumps by 30 m and turns round for two seconds, and comes back."""
    watched.robot.pose = planar_pose(30.0, -20.0, math.pi)
    watched.look_on(2.0)
    watched.robot.pose = HOME
    time.sleep(0.1)
    row.back_s = watched.sees_box()
    row.did, row.lost = 'grid followed the pose; at home it held the true box alone', 'none'


def test_numbers_that_are_not_finite(watched, row):
    """TF holds NaN, empty names and quaternions of zero."""
    robot = watched.robot
    for _ in range(20):
        bad = [transform_message(robot.now(), 'odom', 'base_link', HOME) for _ in range(3)]
        bad[0].transform.translation.x = math.nan
        bad[1].transform.rotation.w = bad[1].transform.rotation.z = 0.0
        bad[2].child_frame_id = ''
        robot.moving.publish(TFMessage(transforms=bad))
        robot.look()
        time.sleep(0.05)
    row.back_s = watched.sees_box()
    assert 'Traceback' not in watched.process.log()
    row.did, row.lost = 'ignored them', 'none'


def test_frames_form_a_loop(watched, row):
    """TF forms a loop for three seconds."""
    robot = watched.robot
    end = time.monotonic() + 3.0

    def told():
        stamp = robot.now()
        robot.moving.publish(TFMessage(transforms=[
            transform_message(stamp, 'base_link', 'odom', np.linalg.inv(HOME))]))
        robot.look(stamp=stamp)
        time.sleep(0.1)
        came, level, _, values = watched.status
        # tf2 answers between a frame and its parent without looking further.
        return came > end and (level >= WARN or values['transforms'] == 'tf2_ros')
    wait_until(told, lambda: str(watched.status))
    row.back_s = watched.sees_box()
    row.did = 'no pose is taken from a loop; WARN; served when it was gone'
    row.lost = 'the grid of that time'


def test_camera_info_that_cannot_be(watched, row):
    """CameraInfo without focal length, then of another size, then right again."""
    good = list(watched.robot.info.k)
    watched.robot.info.k = [0.0] * 9
    took, text = watched.fades_and_warns('')
    watched.robot.info.k, watched.robot.info.width = good, 77
    watched.look_on(1.0)
    assert watched.grid().known() == 0
    watched.robot.info.width = PINHOLE.width
    row.back_s = watched.sees_box()
    row.did = f'grid unknown after {took:.1f} s; WARN: {text[:90]}'
    row.lost = 'the grid of that time'


def test_camera_info_changes_with_every_image(watched, row):
    """CameraInfo with another region of interest in every message, then steady."""
    for number in range(30):
        watched.robot.info.binning_x = watched.robot.info.binning_y = number % 4
        watched.robot.info.roi.x_offset = number * 50
        watched.robot.look()
        time.sleep(0.05)
    watched.robot.info.binning_x = watched.robot.info.binning_y = 0
    watched.robot.info.roi.x_offset = 0
    row.back_s = watched.sees_box()
    assert 'Traceback' not in watched.process.log()
    row.did, row.lost = 'each image with the intrinsics of its moment', 'what could not be'


def test_camera_stops_and_the_grid_fades(watched, row):
    """Camera stops, TF goes on."""
    took = watched.fades(lambda: watched.robot.send_pose(watched.robot.now()))
    row.back_s = watched.sees_box()
    row.did = f'grid unknown after {took:.1f} s with forget_time {FORGET} s'
    row.lost = 'the grid of that time'


def test_clock_goes_back(tmp_path, row):
    """Simulated clock goes back by 100 s, as when a bag starts over."""
    parameters = color_parameters(tmp_path, use_sim_time='true')
    with private_domain() as domain, NodeProcess(domain, tmp_path, parameters) as process, \
            CostmapRobot(domain) as robot:
        clock = robot.node.create_publisher(Clock, '/clock', 10)
        offset = [time.monotonic() - 500.0]

        def now():
            seconds = time.monotonic() - offset[0]
            stamp = Time(sec=int(seconds), nanosec=int(1e9 * (seconds % 1.0)))
            clock.publish(Clock(clock=stamp))
            return stamp
        robot.now = now
        robot.wait_for_state('active')
        watched = Watched(robot, process)
        watched.sees_box()
        offset[0] += 100.0
        row.back_s = watched.sees_box()
        fresh = len(watched.grids.messages)
        wait_until(lambda: watched.look_on(0.1) or len(watched.grids.messages) > fresh, 'a grid')
        assert watched.grid().message.header.stamp.sec < 450
        wait_until(lambda: watched.look_on(0.1) or watched.status[3].get('clock went back')
                   == '1', lambda: str(watched.status))
    row.did = 'grid cleared and filled again, with stamps of the new time'
    row.lost = 'the old grid'
