# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Drivers that send something odd: depth of another frame, frozen stamps, another CameraInfo."""

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
import pytest
from rclpy.qos import qos_profile_sensor_data
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.ros.peers.simulated_camera import transform_message
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import look_with_depth
from support.costmap_robot import PINHOLE
from support.costmap_robot import RELIABLE_50
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from tf2_msgs.msg import TFMessage

WARN = b'\x01'


@pytest.fixture(scope='module')
def robot(tmp_path_factory):
    """Return a robot whose node reads depth."""
    folder = tmp_path_factory.mktemp('node')
    parameters = color_parameters(folder, depth_transport='raw', transform_tolerance=0.3)
    with private_domain() as domain, NodeProcess(domain, folder, parameters) as node, \
            CostmapRobot(domain) as found:
        found.log = node.log
        found.grids = found.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        found.diagnostics = found.subscribe(DiagnosticArray, '/diagnostics')
        found.wait_for_state('active')
        found.depth = found.publisher(Image, '/depth', qos_profile_sensor_data)
        yield found


def entry(message, name):
    return next(each for each in message.status if each.name == f'segformer: {name}')


def look_until(robot, condition, what, frame_id, **arguments):
    def looked():
        look_with_depth(robot, frame_id, **arguments)
        return condition()
    return robot.look_until(looked, what)


def place_depth(robot, x):
    """Say in TF that the depth camera sits x metres beside the camera."""
    robot.fixed.publish(TFMessage(transforms=[transform_message(
        Time(), robot.frame_id, 'depth_optical', planar_pose(x, 0.0, 0.0))]))


def told(robot, name, text, before):
    return next((each for each in (entry(message, name)
                                   for message in robot.diagnostics.messages[before:])
                 if text in each.message), None)


@pytest.mark.parametrize('place, words', [
    (None, "depth in 'depth_optical', which has no transform to the image"),
    (0.015, "depth in 'depth_optical', 15.0 mm and 0.00 degrees away")])
def test_depth_of_another_place_is_refused_with_its_distance(robot, place, words):
    if place is not None:
        place_depth(robot, place)
    before = len(robot.diagnostics.messages)
    status = look_until(robot, lambda: told(robot, 'costmap', words, before), words,
                        'depth_optical')
    assert status.level >= WARN
    assert 'Depth is not registered to the image' in status.message
    assert all(GridView(each).known() == 0 for each in robot.grids.messages)


def test_depth_of_another_name_for_the_same_place_is_taken(robot):
    place_depth(robot, 0.0)
    look_until(robot, lambda: len(GridView(robot.grids.messages[-1]).lethal()) >= 8,
               'the box in the grid', 'depth_optical')


@pytest.mark.parametrize('name', ['camera', 'costmap'])
def test_frozen_stamps_are_told_as_such(robot, name):
    stamp, before = robot.now(), len(robot.diagnostics.messages)
    status = robot.look_until(lambda: told(robot, name, 'stamps stand still: ', before),
                              'frozen stamps', stamp=stamp)
    assert status.level >= WARN and 'header.stamp' in status.message
    assert 'images in a row have the same one' in robot.log()


def test_camera_info_out_is_of_the_mask_though_the_camera_bins(robot):
    found = robot.subscribe(CameraInfo, '/segformer/camera_info', RELIABLE_50)
    good = robot.info
    robot.info = CameraInfo(
        width=2 * PINHOLE.width, height=2 * PINHOLE.height, distortion_model='plumb_bob',
        d=[0.0] * 5, k=[2.0 * PINHOLE.f, 0.0, 2.0 * PINHOLE.cx + 0.5, 0.0, 2.0 * PINHOLE.f,
                        2.0 * PINHOLE.cy + 0.5, 0.0, 0.0, 1.0], binning_x=2, binning_y=2)
    try:
        made = robot.look_until(lambda: next(
            (each for each in found.messages if each.k[0] == PINHOLE.f
             and each.binning_x == 0), None), 'a scaled CameraInfo')
        assert (made.width, made.height) == (PINHOLE.width, PINHOLE.height)
        assert list(made.k) == pytest.approx(list(good.k))
        robot.info = CameraInfo(width=100, height=100, distortion_model='plumb_bob')
        robot.look_until(lambda: 'Not published: ~/camera_info: Image and CameraInfo disagree'
                         in robot.log(), 'the reason in the log')
        assert all((each.width, each.height) == (PINHOLE.width, PINHOLE.height)
                   for each in found.messages)
    finally:
        robot.info = good
