# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A lidar over real DDS: frames that it contradicts are kept; clouds of no use harm nothing."""

import time

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2
from sensor_msgs.msg import PointField
from std_msgs.msg import Header
from support import captured
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import RELIABLE_50
from support.ros_graph import NodeProcess
from support.ros_graph import TIMEOUT
from support.ros_graph import wait_until
from support.status_watcher import OK
from support.status_watcher import StatusWatcher

TOPIC = '/lidar/points'
QUIET = {'capture.enabled': 'true', 'capture.unsure_share': 0.0, 'capture.flicker_share': 0.0,
         'capture.trickle_period': 0.0, 'capture.max_rate': 10.0, 'capture.min_free_mib': 0,
         'capture.lidar_topic': TOPIC, 'capture.lidar_share': 0.2}
# Level floor ahead of the robot; and a board on it that no camera sees.
FLOOR = np.array([(x, y, 0.0) for x in np.arange(1.0, 2.4, 0.02)
                  for y in np.arange(-0.4, 0.4, 0.05)], np.float32)
BOARD = np.array([(1.6, y, z) for y in np.arange(-0.4, 0.4, 0.02)
                  for z in np.arange(0.15, 0.6, 0.02)], np.float32)


def cloud(header, points, names='xyz', frame_id='base_link', **changes):
    """Return points of the robot's frame as a message."""
    step = 16
    data = np.zeros((len(points), step), np.uint8)
    data[:, :12] = np.ascontiguousarray(points, '<f4').view(np.uint8)
    values = dict({
        'header': Header(stamp=header.stamp, frame_id=frame_id), 'height': 1,
        'width': len(points), 'point_step': step, 'row_step': step * len(points),
        'fields': [PointField(name=name, offset=4 * number, datatype=PointField.FLOAT32, count=1)
                   for number, name in enumerate(names)], 'data': data.tobytes()}, **changes)
    return PointCloud2(**values)


def look_until(robot, publisher, make, condition, what, late=0.0):
    """Send images with their clouds until a condition returns something; return that."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        header = robot.look()
        time.sleep(late)
        publisher.publish(make(header))
        time.sleep(0.1)
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f'not within {TIMEOUT:.0f} s: {what}'


def figures(watcher):
    """Return what diagnostics tell of the lidar: clouds, compared, of no use, newest fault."""
    found = watcher.latest('capture')
    if found is None or 'lidar' not in found[1]:
        return None
    words = found[1]['lidar'].split()
    assert words[0] == TOPIC + ':' and words[2::2] == ['clouds,', 'compared,', 'of', 'use']
    return (int(words[1]), int(words[3]), int(words[5]),
            found[1].get('last fault of the lidar', ''))


@pytest.mark.parametrize('late', [0.0, 0.4])
def test_lidar_that_contradicts_the_costmap_keeps_the_frame(domain, tmp_path, late):
    folder = tmp_path / 'captures'
    parameters = color_parameters(tmp_path, **dict(QUIET, **{'capture.folder': str(folder)}))
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        watcher = StatusWatcher(robot)
        publisher = robot.publisher(PointCloud2, TOPIC, RELIABLE_50)

        def enough():
            found = figures(watcher)
            return found is not None and found[1] >= 5 and found
        assert look_until(robot, publisher, lambda header: cloud(header, FLOOR), enough,
                          'clouds that are compared', late)[2] == 0
        assert captured.manifest(folder) == []
        both = np.concatenate([FLOOR[FLOOR[:, 0] < 1.5], BOARD])
        look_until(robot, publisher, lambda header: cloud(header, both),
                   lambda: captured.manifest(folder), 'a frame', late)
        record = captured.check_whole(folder)[0]
        assert record['reason'] == 'lidar'
        assert 0.3 < record['score'] <= 1.0
        assert record['pose']['frame'] == 'odom'


def test_clouds_of_no_use_are_told_once_and_the_next_good_one_counts(domain, tmp_path):
    folder = tmp_path / 'captures'
    parameters = color_parameters(tmp_path, **dict(QUIET, **{
        'capture.folder': str(folder), 'transform_tolerance': 0.1}))
    huge = 2 ** 32 - 1
    # What is said of the last two depends on whether tf2 is installed.
    useless = [
        ('Not a point cloud', lambda header: cloud(header, FLOOR, 'abc')),
        ('Not a point cloud', lambda header: cloud(header, FLOOR, fields=[])),
        ('Point cloud too short', lambda header: cloud(
            header, FLOOR, width=huge, height=huge, row_step=huge)),
        ('Point cloud too short', lambda header: cloud(header, FLOOR, data=b'')),
        ('Fields of the point cloud lie outside', lambda header: cloud(
            header, FLOOR, point_step=4)),
        ('Fields of the point cloud lie outside', lambda header: cloud(
            header, FLOOR, point_step=0, row_step=0)),
        ('', lambda header: cloud(
            header, FLOOR, frame_id='nowhere')),
        ('', lambda header: cloud(header, FLOOR, frame_id=''))]
    with NodeProcess(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        watcher = StatusWatcher(robot)
        publisher = robot.publisher(PointCloud2, TOPIC, RELIABLE_50)
        for number, (_, make) in enumerate(useless):
            def is_counted(least=2 * (number + 1)):
                return (figures(watcher) or (0, 0, 0))[2] >= least
            look_until(robot, publisher, make, is_counted, 'a cloud that is of no use')
        before = node.resident_mb()
        nothing = np.full((1000, 3), np.nan, np.float32)
        for _ in range(30):
            look_until(robot, publisher, lambda header: cloud(header, nothing, data=bytes(
                20 * 1024 * 1024)), lambda: True, 'nothing')
        # Of 600 MiB three clouds wait at most: 60 MiB. As many as the subscription's depth may lie
        # in the transport, and one is being read, twice.
        assert node.resident_mb() < before + 300.0
        bad = figures(watcher)[2]
        seen = figures(watcher)[1]
        look_until(robot, publisher, lambda header: cloud(header, FLOOR),
                   lambda: figures(watcher)[1] > seen + 5 and not figures(watcher)[3],
                   'a cloud of use')
        assert figures(watcher)[2] >= bad
        status, _ = watcher.latest('capture')
        assert status.level == OK
        assert captured.manifest(folder) == []
        for problem in {problem for problem, _ in useless}:
            assert node.log().count('not compared with the costmap: ' + problem) == (
                1 if problem else 4), problem
    assert 'Traceback' not in node.log()


def test_lidar_is_subscribed_to_only_while_it_is_of_use(domain, tmp_path):
    parameters = color_parameters(tmp_path, **dict(QUIET, **{
        'capture.folder': str(tmp_path / 'captures'), 'capture.enabled': 'false'}))
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain) as robot:
        robot.wait_for_state('active')

        def readers():
            return robot.node.count_subscribers(TOPIC)
        watcher = StatusWatcher(robot)
        robot.look_until(lambda: watcher.latest('capture'), 'diagnostics')
        assert 'lidar' not in watcher.latest('capture')[1]
        assert readers() == 0
        for changes, expected in (({'capture__enabled': True}, 1),
                                  ({'capture__lidar_share': 0.0}, 0),
                                  ({'capture__lidar_share': 0.5}, 1),
                                  ({'capture__enabled': False}, 0)):
            assert robot.set_parameters(**changes) == ''
            wait_until(lambda wanted=expected: readers() == wanted, f'{expected} after {changes}')
        assert robot.set_parameters(capture__lidar_topic='/other') != ''
