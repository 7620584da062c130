# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What keeps masks out of the costmap is named, and the grid keeps its rate meanwhile."""

import itertools
import re
import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
import pytest
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import RELIABLE_50
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from support.tiny_model import write_color_model

OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'


@pytest.fixture(scope='module')
def robot(tmp_path_factory):
    """Return a robot whose node has seen neither CameraInfo nor a transform yet."""
    folder = tmp_path_factory.mktemp('node')
    with private_domain() as domain, NodeProcess(domain, folder, color_parameters(
            folder, transform_tolerance=0.05)) as node, CostmapRobot(domain) as found:
        watch(found)
        found.good_info = found.info
        found.log = node.log
        found.wait_for_state('active')
        yield found


@pytest.fixture(autouse=True)
def whole(request):
    """Give the robot back its CameraInfo."""
    yield
    if 'robot' in request.fixturenames:
        found = request.getfixturevalue('robot')
        found.info = found.good_info


def watch(robot):
    robot.grids = robot.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
    robot.clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
    robot.diagnostics = robot.subscribe(DiagnosticArray, '/diagnostics')


def entry(message):
    found = [status for status in message.status if status.name == 'segformer: costmap']
    assert len(found) == 1
    return found[0]


def fault(robot, text, **arguments):
    """Look until diagnostics say a text; return the entry."""
    before = len(robot.diagnostics.messages)
    clouds = len(robot.clouds.messages)

    def told():
        found = [entry(message) for message in robot.diagnostics.messages[before:]]
        return next((status for status in found if text in status.message), None)
    status = robot.look_until(told, f'{text!r} in diagnostics', **arguments)
    assert status.level in (WARN, ERROR)
    assert len(robot.clouds.messages) == clouds
    return status


def test_without_images_the_grid_keeps_its_rate_and_diagnostics_say_so(robot):
    before = len(robot.grids.messages)
    wait_until(lambda: len(robot.grids.messages) > before + 20, 'grids')
    assert all(GridView(message).known() == 0 for message in robot.grids.messages)
    message = robot.diagnostics.wait(lambda each: entry(each).level == ERROR)
    assert 'no mask comes' in entry(message).message


def test_missing_transforms_are_named(robot):
    robot.info = None
    # The node's own buffer calls it unknown; tf2 says that it does not exist.
    fault(robot, 'base_link', with_pose=False)
    wait_until(lambda: re.search('Not in the costmap: .*base_link', robot.log()),
               'a line in the log')


def test_missing_camera_info_is_named(robot):
    robot.info = None
    fault(robot, 'No CameraInfo was received: expected a message on /camera_info')


def test_an_uncalibrated_camera_is_named(robot):
    robot.info = CameraInfo(width=320, height=240, distortion_model='plumb_bob')
    fault(robot, 'Camera is not calibrated: got K all zero')


def test_camera_info_of_another_stream_is_named(robot):
    robot.info = CameraInfo(width=640, height=640, distortion_model='plumb_bob',
                            d=[0.0] * 5, k=list(robot.good_info.k))
    fault(robot, 'Image and CameraInfo disagree about the size')


def test_a_body_frame_in_place_of_an_optical_one_is_named(robot):
    # base_link itself lies on the ground; a frame above it with the same axes looks up.
    pose, frame_id = robot.mount, robot.frame_id
    robot.mount = pose.copy()
    robot.mount[:3, :3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    robot.frame_id = 'camera_body'
    robot.send_fixed()
    robot.frame_id, robot.mount = frame_id, pose
    fault(robot, 'Camera looks up', frame_id='camera_body')


def test_a_frame_on_the_ground_is_named(robot):
    fault(robot, 'Camera is not above the ground', frame_id='base_link')


def test_an_image_without_frame_or_stamp_is_named(robot):
    fault(robot, 'Image has no frame_id', frame_id='')
    fault(robot, 'Image has no time stamp', stamp=Time())


def test_stamps_far_from_the_clock_are_named_with_their_remedy(robot):
    # Without poses of that time: the clock is the reason, whatever transforms there are.
    # Stamps that move: those that stand still are another fault.
    numbers = itertools.count()
    status = fault(robot, 'Image and clock disagree', with_pose=False,
                   stamp=lambda: Time(sec=1000 + next(numbers)))
    assert 'use_sim_time' in status.message

    def ahead():
        stamp = robot.now()
        stamp.sec += 60
        return stamp
    fault(robot, 'Image and clock disagree', stamp=ahead, with_pose=False)


def test_what_is_put_right_is_seen_again_and_told(robot):
    robot.look_until(lambda: GridView(robot.grids.messages[-1]).known() > 500, 'a seen grid')
    status = robot.look_until(
        lambda: next((entry(message) for message in robot.diagnostics.messages[-1:]
                      if entry(message).level == OK), None), 'a healthy entry')
    values = {pair.key: pair.value for pair in status.values}
    assert '% of the cells known' in status.message
    assert int(values['masks used']) > 0 and int(values['masks of no use']) > 0
    assert values['frames'] == 'base_link in odom'
    assert 0.0 <= float(values['oldest known cell [s]']) <= 1.5
    assert values['waiting for the pose [ms]'].startswith('p50 ')


def test_an_image_waits_for_a_transform_that_comes_later(robot):
    # An image older than forget_time would be refused when its pose comes.
    assert robot.set_parameters(transform_tolerance=5.0, fusion__forget_time=60.0) == ''
    try:
        robot.look_to_the_end(robot.clouds)
        clouds = len(robot.clouds.messages)
        sent = len(robot.sent)

        def without_pose():
            return [header.stamp for header in robot.sent[sent:]]
        robot.look_until(lambda: any(mask.header.stamp in without_pose()
                                     for mask in robot.masks.messages),
                         'the mask of an image without a pose', with_pose=False)
        time.sleep(0.3)
        assert len(robot.clouds.messages) == clouds
        # An image between two poses is seen from between them.
        robot.send_pose(robot.now())
        cloud = robot.clouds.wait(after=clouds)
        assert cloud.header.stamp in without_pose()
    finally:
        assert robot.set_parameters(transform_tolerance=0.05, fusion__forget_time=1.5) == ''


def test_a_clock_that_goes_back_clears_the_grid_and_all_goes_on(domain, tmp_path):
    parameters = color_parameters(tmp_path, use_sim_time='true', **{
        'fusion.forget_time': 1000.0})
    with NodeProcess(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        watch(robot)
        clock = robot.publisher(Clock, '/clock', 10)
        robot.wait_for_state('active')

        def seen_at(seconds):
            def seen():
                clock.publish(Clock(clock=Time(sec=seconds)))
                return any(message.header.stamp.sec == seconds and GridView(message).known() > 500
                           for message in robot.grids.messages[-1:])
            clock.publish(Clock(clock=Time(sec=seconds)))
            robot.look_until(seen, f'a grid at {seconds} s', stamp=Time(sec=seconds))
        seen_at(500)
        robot.look_to_the_end(robot.clouds, stamp=Time(sec=500, nanosec=1))

        def emptied(message):
            # Each time anew: /clock is best effort, and the same time again is no jump.
            clock.publish(Clock(clock=Time(sec=20)))
            return message.header.stamp.sec == 20 and GridView(message).known() == 0
        # A reset simulation: the grid is empty before any new image comes.
        robot.grids.wait(emptied, after=len(robot.grids.messages))
        assert 'The clock went back: the costmap is cleared.' in node.log()
        # Transforms of the old time do not stand in the way of the new ones.
        seen_at(21)
        message = robot.diagnostics.wait(after=len(robot.diagnostics.messages))
        assert {pair.key: pair.value for pair in entry(message).values}['clock went back'] == '1'


def test_a_profile_of_other_classes_leaves_masks_alone_and_is_an_error_entry(domain, tmp_path):
    with NodeProcess(domain, tmp_path, {'model': write_color_model(tmp_path)}) as node, \
            CostmapRobot(domain) as robot:
        watch(robot)
        robot.wait_for_state('active')
        robot.look_until(lambda: robot.masks.messages, 'masks')
        message = robot.diagnostics.wait(after=len(robot.diagnostics.messages))
        assert entry(message).level == ERROR
        assert 'off: cost_profile: Unknown class name' in entry(message).message
        assert 'No costmap, masks alone: cost_profile: Unknown class name' in node.log()
        answer = robot.call(Trigger, '/segformer/clear_costmap', Trigger.Request())
        assert not answer.success and 'Unknown class name' in answer.message
        assert robot.node.count_publishers('/segformer/costmap') == 0


def test_without_a_costmap_there_are_masks_and_no_further_topics(domain, tmp_path):
    parameters = {'model': write_color_model(tmp_path), 'costmap': 'false'}
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain) as robot:
        watch(robot)
        robot.wait_for_state('active')
        robot.look_until(lambda: robot.masks.messages, 'masks')
        message = robot.diagnostics.wait(after=len(robot.diagnostics.messages))
        assert (entry(message).level, entry(message).message) == (
            OK, 'off, as the parameter costmap says')
        assert robot.node.count_publishers('/segformer/costmap') == 0
        assert robot.node.count_subscribers('/tf') == 0
