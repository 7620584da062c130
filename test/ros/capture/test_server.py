# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which frames the node hands over for ~/capture."""

import types

import numpy as np
import pytest
from segformer_ros.capture.frame import NetworkIdentity
from segformer_ros.model.classes import load_class_table
from segformer_ros.ros.capture import server as capture_server
from segformer_ros.ros.capture.server import BEGUN_BEFORE
from segformer_ros.ros.capture.server import CaptureServer
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.node import snapshot
from segformer_ros.segmentation.segmenter import Segmentation
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from support import captured
from support.ros_graph import wait_until

IMAGE, MASK = np.zeros((24, 32, 3), np.uint8), np.zeros((24, 32), np.uint8)
SURE = np.full((24, 32), 200, np.uint8)


class StandInNode:
    """Takes a service, and logs to nobody."""

    executor = None

    def create_service(self, *arguments, **options):
        """Offer nothing."""

    def get_logger(self):
        return types.SimpleNamespace(info=print, warning=print, error=print)


@pytest.fixture
def asked(tmp_path):
    """Return a server of which ~/capture was asked, and a function that offers a frame."""
    path = tmp_path / 'net.onnx'
    path.write_bytes(b'weights')
    parameters = snapshot(dict({row.name: row.default for row in node_rows() + CAMERA_ROWS}, **{
        'capture.folder': str(tmp_path / 'captures'), 'capture.min_free_mib': 0}))
    costmap = types.SimpleNamespace(on_view=None, pose_of=lambda *arguments: None)
    server = CaptureServer(StandInNode(), lambda: parameters, lambda: True, costmap)
    server.configure(NetworkIdentity('net', str(path), load_class_table('ade20k')))
    request = server._on_request(Trigger.Request(), Trigger.Response())
    request.send(None)
    stamps = []

    def offer(confidence):
        stamps.append(len(stamps) + 1)
        header = Header(frame_id='optical')
        header.stamp.sec = stamps[-1]
        server.offer('', header, IMAGE, Segmentation(MASK, confidence, None), None, 0)
    try:
        yield server, offer
    finally:
        server.release()
        request.close()


def kept(server, folder):
    """Return the one record that the request has led to."""
    wait_until(lambda: not server.is_wanted, 'the frame that was asked for')
    record, = captured.check_whole(folder)
    return record['stamp_ns'] // 10 ** 9, record['confidence'] is not None


@pytest.mark.parametrize('begun', range(BEGUN_BEFORE + 1))
def test_frames_begun_before_somebody_asked_are_not_kept_without_their_confidence(
        asked, tmp_path, begun):
    server, offer = asked
    for _ in range(begun):
        offer(None)
    assert server.is_wanted
    offer(SURE)
    assert kept(server, tmp_path / 'captures') == (begun + 1, True)


@pytest.mark.parametrize('changes, why', [
    ({'costmap': False}, 'there is no costmap'),
    ({'imu.topic': 'imu'}, 'imu.topic tips the body under the camera alone')])
def test_lidar_that_cannot_be_compared_is_not_read_and_the_reason_is_told(tmp_path, changes, why):
    values = {row.name: row.default for row in node_rows() + CAMERA_ROWS}
    parameters = snapshot(dict(values, **dict({
        'capture.folder': str(tmp_path / 'captures'), 'capture.enabled': True,
        'capture.lidar_topic': '/points'}, **changes)))
    costmap = types.SimpleNamespace(on_view=None, wants_grid=False, poses=object())
    # A subscription would be an error here: the node offers none.
    server = CaptureServer(StandInNode(), lambda: parameters, lambda: True, costmap)
    server.configure(NetworkIdentity('net', '', load_class_table('ade20k')))
    try:
        values = server.status(True).values
        assert ('not judged', 'lidar: ' + why) in values
        assert 'lidar' not in dict(values)
        assert not costmap.wants_grid
    finally:
        server.release()


def test_grid_is_wanted_while_a_lidar_is_read_and_no_longer(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(capture_server, 'LidarInput', lambda node, topic, leave: (
        read.append(topic) or types.SimpleNamespace(destroy=read.clear)))
    values = dict({row.name: row.default for row in node_rows() + CAMERA_ROWS}, **{
        'capture.folder': str(tmp_path / 'captures'), 'capture.enabled': True, 'costmap': True,
        'capture.lidar_topic': '/points', 'capture.lidar_share': 0.5})
    compared = snapshot(values)
    not_compared = snapshot(dict(values, **{'capture.lidar_share': 0.0}))
    costmap = types.SimpleNamespace(on_view=None, wants_grid=False, poses=object())
    server = CaptureServer(StandInNode(), lambda: compared, lambda: True, costmap)
    server.configure(NetworkIdentity('net', '', load_class_table('ade20k')))
    try:
        assert costmap.wants_grid and read == ['/points']
        server.apply(compared, not_compared)
        assert not costmap.wants_grid and read == []
        server.apply(not_compared, compared)
        assert costmap.wants_grid and read == ['/points']
    finally:
        server.release()
    assert not costmap.wants_grid and read == []


def test_network_without_a_confidence_does_not_keep_the_request_waiting(asked, tmp_path):
    server, offer = asked
    for _ in range(BEGUN_BEFORE + 1):
        offer(None)
    assert kept(server, tmp_path / 'captures') == (BEGUN_BEFORE + 1, False)
