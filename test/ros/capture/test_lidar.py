# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Clouds that come in: which are left with their frame, and which faults are remembered."""

import types

import numpy as np
import pytest
from segformer_ros.capture import lidar
from segformer_ros.capture.frame import CandidateFrame
from segformer_ros.capture.frame import MeasuredView
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.ros.capture.lidar import LidarInput
from segformer_ros.ros.io import endpoints
from sensor_msgs.msg import PointCloud2
from sensor_msgs.msg import PointField

IMAGE, MASK = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
FRAME = CandidateFrame('', 'optical', 10 ** 9, IMAGE, MASK, None, 0, None)


class StandInNode:
    """Resolves a name, and logs to nobody."""

    def resolve_topic_name(self, topic):
        return topic

    def get_logger(self):
        return types.SimpleNamespace(warning=print)


def cloud(points):
    """Return points at the time of the frame as a message."""
    data = np.ascontiguousarray(points, '<f4').tobytes()
    message = PointCloud2(height=1, width=len(points), point_step=12, row_step=len(data), fields=[
        PointField(name=name, offset=4 * number, datatype=PointField.FLOAT32, count=1)
        for number, name in enumerate('xyz')], data=data)
    message.header.stamp.sec = 1
    return message


@pytest.fixture
def opened(monkeypatch):
    """Return an input, what brings it a cloud, and the frames that it leaves."""
    callbacks, left = [], []
    monkeypatch.setattr(endpoints, 'subscribe', lambda node, kind, name, callback, profile:
                        callbacks.append(callback))
    made = LidarInput(StandInNode(), '/points', left.append)
    return made, callbacks[0], left


def test_cloud_that_is_too_large_is_counted_and_left_with_no_frame(opened, monkeypatch):
    found, receive, left = opened
    monkeypatch.setattr(lidar, 'MOST_BYTES', 24)
    assert found.offer(FRAME).cloud is None
    receive(cloud(np.zeros((3, 3))))
    assert left == []
    figures = dict(found.figures())
    assert figures['lidar'] == '/points: 1 clouds, 0 compared, 1 of no use'
    assert 'too large: got 36 bytes' in figures['last fault of the lidar']
    # The frame still waits for one that can be taken.
    allowed = cloud(np.zeros((2, 3)))
    receive(allowed)
    assert [(frame.stamp_ns, frame.cloud) for frame in left] == [(10 ** 9, allowed)]
    assert dict(found.figures())['lidar'] == '/points: 2 clouds, 0 compared, 1 of no use'


def test_cloud_of_too_many_fields_is_no_cloud_that_waits(opened):
    # Fields are objects: a million of 20 bytes are hundreds of megabytes, and eight clouds wait.
    found, receive, left = opened
    assert found.offer(FRAME).cloud is None
    message = cloud(np.zeros((3, 3)))
    message.fields = list(message.fields) * lidar.MOST_FIELDS
    receive(message)
    assert left == []
    figures = dict(found.figures())
    assert figures['lidar'] == '/points: 1 clouds, 0 compared, 1 of no use'
    assert f'got {3 * lidar.MOST_FIELDS} fields' in figures['last fault of the lidar']
    message.fields = message.fields[:lidar.MOST_FIELDS]
    receive(message)
    assert [frame.cloud for frame in left] == [message]


def test_lidar_is_lost_from_an_unknown_place_to_the_next_cloud_that_is_read(opened):
    found, _, _ = opened
    measured = MeasuredView(types.SimpleNamespace(pose=None), None, None, 5.0, None)
    poses = types.SimpleNamespace(ground_from_sensor=lambda *arguments: np.eye(4))
    assert not found.is_lost
    found.record_fault(TransformError('It is not known where the lidar is'))
    assert found.is_lost
    points = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert found.read(cloud(points), measured, poses, None).points.tolist() == points
    assert not found.is_lost
    # A cloud that cannot be read says nothing of its place.
    found.record_fault(TransformError('It is not known where the lidar is'))
    found.record_fault(InvalidInputError('Not a point cloud'))
    assert not found.is_lost
