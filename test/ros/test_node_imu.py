# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A robot whose body is tipped, which an IMU alone tells."""

import math

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.geometry.transforms import turn
from segformer_ros.ros.peers.simulated_robot import imu_message
from segformer_ros.ros.peers.simulated_robot import to_stamp
from segformer_ros.simulation.robot.imu import ImuErrors
from segformer_ros.simulation.robot.imu import Motion
from segformer_ros.simulation.robot.imu import SimulatedImu
from sensor_msgs.msg import Imu
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import distances
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import PINHOLE
from support.costmap_robot import SCENE
from support.ros_graph import NodeProcess

# A nod of 4 degrees; TF knows the place on the ground alone.
NOD = math.radians(4.0)
PLACE = planar_pose(0.4, 0.1, 0.1)
# Metres: half of the error that the nod makes at the box, and that of the test network.
NEAR, FAR = 0.2, 0.3
IMU_STEP = NANOSECONDS // 50


class TippedRobot(CostmapRobot):
    """A robot that nods all the time, with an IMU of 50 samples a second."""

    def __init__(self, domain, has_orientation=True):
        super().__init__(domain)
        self.imu = self.publisher(Imu, '/imu', QoSProfile(depth=50))
        self.grids = self.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        self.diagnostics = self.subscribe(DiagnosticArray, '/diagnostics')
        self._has_orientation = has_orientation
        self._simulated = SimulatedImu(ImuErrors())
        self._sent_ns = 0
        self.frame = 'base_link'

    def measure(self, until_ns, change=lambda message: message):
        """Send the samples up to a time; not more than the node's queue holds."""
        self._sent_ns = max(self._sent_ns, until_ns - 45 * IMU_STEP)
        while self._sent_ns < until_ns:
            self._sent_ns += IMU_STEP
            self.imu.publish(change(imu_message(
                to_stamp(self._sent_ns / NANOSECONDS), self.frame,
                self._simulated.measure(Motion(NOD)), self._has_orientation)))

    def watch(self, condition, what, with_imu=True, told=PLACE, change=lambda message: message):
        """Look and measure until a condition holds for the newest grid and entry."""
        def ready():
            grids, entries = self.grids.messages, self.diagnostics.messages
            entry = next((status for message in entries[::-1][:3] for status in message.status
                          if status.name.endswith(': costmap')), None)
            return condition(GridView(grids[-1]), entry) if grids and entry else None

        def stamp():
            moment = self.now()
            self.send_fixed()
            self.pose = told
            self.send_pose(moment)
            self.pose = PLACE.copy()
            self.pose[:3, :3] = PLACE[:3, :3].dot(turn(0.0, NOD, 0.0))
            if with_imu:
                self.measure(stamp_to_nanoseconds(moment) + 2 * IMU_STEP, change)
            return moment
        return self.look_until(ready, what, stamp=stamp, with_pose=False)

    def far_off(self, grid):
        """Return how far the marks are off, metres; None without marks."""
        places = grid.lethal()
        truth = SCENE.contacts(PINHOLE, self.camera_pose(), 4.0)
        return distances(places, truth).max() if len(places) > 4 else None


def values_of(entry):
    return {value.key: value.value for value in entry.values}


def is_right(robot):
    return lambda grid, entry: (robot.far_off(grid) or FAR) < NEAR


@pytest.mark.parametrize('has_orientation', [True, False], ids=['orientation', 'raw'])
def test_a_nod_that_the_imu_tells_moves_no_mark(domain, tmp_path, has_orientation):
    parameters = color_parameters(tmp_path, **{'imu.topic': 'imu', 'imu.slope_time': 0.0})
    with NodeProcess(domain, tmp_path, parameters), \
            TippedRobot(domain, has_orientation) as robot:
        robot.wait_for_state('active')
        robot.watch(is_right(robot), 'marks where the box is')
        entry = robot.watch(
            lambda grid, entry: entry if 'roll' in values_of(entry)['tilt of the body [deg]']
            else None, 'the tilt in diagnostics')
        roll, pitch = (float(part.split()[1]) for part in values_of(entry)[
            'tilt of the body [deg]'].split(','))
        assert abs(roll) < 1.0 and abs(pitch - 4.0) < 1.0
        assert values_of(entry)['IMU'] == '/imu'
        # It falls silent: the mount counts again, and nothing is silently kept.
        robot.watch(lambda grid, entry: (robot.far_off(grid) or 0.0) > FAR
                    and 'IMU is late' in entry.message, 'the mount, with a warning',
                    with_imu=False)


def test_an_imu_of_no_use_is_told_and_left_out(domain, tmp_path):
    parameters = color_parameters(tmp_path, **{'imu.topic': 'imu', 'imu.slope_time': 0.0})

    def spoilt(message):
        message.orientation.x = float('nan')
        return message

    with NodeProcess(domain, tmp_path, parameters) as node, TippedRobot(domain) as robot:
        robot.wait_for_state('active')
        entry = robot.watch(lambda grid, entry: entry if 'No IMU sample' in entry.message
                            and (robot.far_off(grid) or 0.0) > FAR else None,
                            'a warning, and marks by the mount', change=spoilt)
        assert entry.level == b'\x01'
        assert int(values_of(entry)['IMU samples of no use']) > 10
        assert 'IMU sample is not finite' in node.log()
        # Good samples are used at once, in whatever frame the robot has.
        robot.watch(is_right(robot), 'marks where the box is')
        robot.frame = 'imu_of_another_robot'
        robot.watch(lambda grid, entry: 'frame_id of the IMU' in entry.message
                    and 'imu_of_another_robot' in entry.message, 'the unknown frame')


def test_a_tilt_that_transforms_tell_does_not_count_twice(domain, tmp_path):
    parameters = color_parameters(tmp_path, **{'imu.topic': 'imu', 'imu.slope_time': 0.0})
    tipped = PLACE.copy()
    tipped[:3, :3] = PLACE[:3, :3].dot(turn(0.0, NOD, 0.0))
    with NodeProcess(domain, tmp_path, parameters) as node, TippedRobot(domain) as robot:
        robot.wait_for_state('active')
        entry = robot.watch(
            lambda grid, entry: entry if 'odometry has roll' in values_of(entry).get('IMU', '')
            else None, 'that TF has the pitch', told=tipped)
        assert 'IMU' not in entry.message
        assert values_of(entry)['tilt of the body [deg]'] == 'unknown'
        assert 'it would count twice' in node.log()
        assert np.isfinite(robot.far_off(robot.watch(
            lambda grid, entry: grid if robot.far_off(grid) else None, 'marks', told=tipped)))
