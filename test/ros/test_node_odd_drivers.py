# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Drivers that send something odd: depth of another frame, frozen stamps, another CameraInfo."""

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.ros.peers.simulated_camera import transform_message
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from sensor_msgs.msg import PointCloud2
from support.costmap_robot import color_parameters
from support.costmap_robot import COLORS
from support.costmap_robot import CostmapRobot
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import look_with_depth
from support.costmap_robot import PINHOLE
from support.costmap_robot import RELIABLE_50
from support.costmap_robot import SCENE
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


def test_labelled_points_are_where_depth_says_with_the_colours_of_the_image(robot):
    clouds = robot.subscribe(PointCloud2, '/segformer/labelled_points', RELIABLE_50)
    cloud = look_until(robot, lambda: clouds.messages[-1] if clouds.messages else None,
                       'labelled points', robot.frame_id)
    assert cloud.header.frame_id == robot.frame_id
    assert cloud.header in robot.sent
    assert [field.name for field in cloud.fields] == [
        'x', 'y', 'z', 'rgb', 'label', 'cost', 'confidence']
    assert (cloud.width, cloud.height) == (PINHOLE.width, PINHOLE.height)
    assert (cloud.row_step, cloud.point_step) == (24 * cloud.width, 24) and not cloud.is_dense
    points = np.frombuffer(cloud.data, np.dtype({
        'names': [field.name for field in cloud.fields],
        'formats': ['<f4', '<f4', '<f4', '<u4', '<u2', 'u1', '<f4'],
        'offsets': [field.offset for field in cloud.fields], 'itemsize': 24})).reshape(
            cloud.height, cloud.width)
    view = SCENE.render(PINHOLE, robot.camera_pose())
    # Millimetres, as they were sent; 16 bits hold 65 m.
    seen, nothing = view.depth < 60.0, ~np.isfinite(view.depth)
    assert seen.sum() > 1000 and np.abs(points['z'][seen] - view.depth[seen]).max() < 1e-3
    assert nothing.sum() > 100 and np.isnan(points['z'][nothing]).all()
    labels = view.labels[seen]
    assert np.mean(points['label'][seen] == labels) > 0.95
    shown = np.array(list(COLORS.values()), np.uint32)[labels]
    wanted = shown[:, 0] << 16 | shown[:, 1] << 8 | shown[:, 2]
    assert (points['rgb'][seen] == wanted).all()
    assert (points['confidence'] >= 0.0).all() and (points['confidence'] <= 1.0).all()
    assert set(points['cost'][seen].tolist()) <= set(range(99)) | {100, 255}


def test_depth_of_the_wrong_kind_is_left_out_with_a_warning_and_the_images_go_on(robot):
    grids = len(robot.grids.messages)
    before = len(robot.diagnostics.messages)
    assert robot.set_parameters(depth__kind='inverse') == ''
    try:
        words = 'depth is left out: Scale of the depth image is not determined'
        status = look_until(robot, lambda: told(robot, 'costmap', words, before), words,
                            robot.frame_id)
        assert status.level == WARN and 'Set depth.kind: scaled or metric' in status.message
        robot.look_until(lambda: 'Depth is left out, and nothing is cleared: Scale of the depth'
                         in robot.log(), 'the reason in the log')
        assert len(robot.grids.messages) > grids
    finally:
        robot.set_parameters(depth__kind='metric')
    after = len(robot.diagnostics.messages)
    look_until(robot, lambda: any(
        'depth is left out' not in entry(message, 'costmap').message
        for message in robot.diagnostics.messages[after:]), 'depth in use again', robot.frame_id)


def test_a_blind_depth_camera_is_told_and_its_images_mark_by_their_labels(robot):
    clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
    before = len(robot.diagnostics.messages)
    words = 'depth is left out: Depth image measures nothing in reach'
    status = look_until(robot, lambda: told(robot, 'costmap', words, before), words,
                        robot.frame_id, is_blind=True)
    assert status.level == WARN and ' 0 above 0' in status.message
    # Another reason may have been logged less than five seconds ago.
    look_until(robot, lambda: 'Depth is left out, and nothing is cleared: Depth image measures'
               in robot.log(), 'the reason in the log', robot.frame_id, is_blind=True)
    blind = len(clouds.messages)
    look_until(robot, lambda: len(clouds.messages) > blind and clouds.messages[-1].width > 0,
               'obstacles without depth', robot.frame_id, is_blind=True)
    after = len(robot.diagnostics.messages)
    look_until(robot, lambda: any(
        'depth is left out' not in entry(message, 'costmap').message
        for message in robot.diagnostics.messages[after:]), 'depth in use again', robot.frame_id)


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
