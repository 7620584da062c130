# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics tell the state of things, and when it is bad why."""

from types import SimpleNamespace

import pytest
from segformer_ros.common.errors import ERROR
from segformer_ros.common.errors import OK
from segformer_ros.common.errors import WARN
from segformer_ros.inference.base.backend import BackendInfo
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.io.status import NodeState
from segformer_ros.ros.node.diagnostics import backend_status
from segformer_ros.ros.node.diagnostics import camera_status
from segformer_ros.ros.node.diagnostics import node_status
from segformer_ros.ros.node.live_segmenter import Serving
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.node import snapshot
from support.slow_backend import plain_status

ACTIVE = NodeState('active', True, '', '', 'system')
PARAMETERS = snapshot({row.name: row.default for row in node_rows() + CAMERA_ROWS})


def status_at(now, statistics, state=ACTIVE, parameters=PARAMETERS, camera='front'):
    return camera_status(camera, statistics.report(now), state, parameters, {'topic': '/image'})


def served(now, count=30):
    """Return the figures of a 10 Hz camera whose last mask was at ``now``."""
    statistics = CameraStatistics(0.0)
    for step in range(count):
        moment = now - 0.1 * (count - 1 - step)
        statistics.record_arrival(moment, step, 0.02)
        statistics.record_served(moment, 'rgb8', (640, 480), {'network': 0.03, 'total': 0.04})
    return statistics


@pytest.mark.parametrize('silence, level', [
    (0.0, OK), (0.9, OK), (1.1, WARN), (4.9, WARN), (5.1, ERROR), (500.0, ERROR)])
def test_silence_turns_ok_to_warn_to_error(silence, level):
    assert status_at(10.0 + silence, served(10.0)).level == level


def test_healthy_camera_tells_rate_and_latency():
    status = status_at(10.0, served(10.0))
    values = dict(status.values)
    assert status.name == 'camera front'
    assert status.message == '10.0 Hz'
    assert values['latency [ms]'] == 'p50 40.0, p95 40.0'
    assert values['network [ms]'] == 'p50 30.0, p95 30.0'
    assert values['image'] == '640 x 480 rgb8'
    assert values['input age [s]'] == '0.020'
    assert values['topic'] == '/image'


def test_silence_names_its_cause():
    never = CameraStatistics(0.0)
    assert 'no image was ever received; check the topic' in status_at(6.0, never).message
    assert 'no image for 7.0 s' in status_at(17.0, served(10.0)).message
    bad = served(10.0)
    bad.record_arrival(16.9, 99, None)
    bad.record_error('Image rejected: wrong step', rejected=True)
    assert 'wrong step' in status_at(17.0, bad).message
    hanging = served(10.0)
    hanging.record_arrival(16.9, 99, None)
    assert 'network has not finished' in status_at(17.0, hanging).message


def test_one_bad_frame_warns_until_the_next_mask():
    statistics = served(10.0)
    statistics.record_error('Image rejected: wrong step', rejected=True)
    status = status_at(10.1, statistics)
    assert status.level == WARN
    assert 'wrong step' in status.message
    statistics.record_served(10.2, 'rgb8', (640, 480), {})
    assert status_at(10.3, statistics).level == OK


@pytest.mark.parametrize('state', [
    ACTIVE._replace(lifecycle='inactive'), ACTIVE._replace(enabled=False)])
def test_silence_is_no_fault_while_no_masks_are_wanted(state):
    assert status_at(900.0, served(10.0), state).level == OK


def test_a_low_rate_limit_is_no_fault():
    slow = PARAMETERS._replace(max_rate=0.1)
    assert status_at(20.5, served(10.0), parameters=slow).level == OK
    assert status_at(21.5, served(10.0), parameters=slow).level == WARN
    assert status_at(25.5, served(10.0), parameters=slow).level == ERROR


def test_failed_transition_is_an_error_with_its_reason():
    status = node_status(NodeState('unconfigured', True, 'Cannot configure: no model', '',
                                   'system'))
    assert (status.level, status.message) == (ERROR, 'Cannot configure: no model')


def test_node_says_when_it_is_switched_off_and_what_it_cannot_publish():
    status = node_status(ACTIVE._replace(enabled=False, missing='label_info, because ...'))
    assert 'off' in status.message
    assert dict(status.values)['not published'].startswith('label_info')
    assert dict(status.values)['enabled'] == 'no'


def test_backend_tells_what_runs_and_why_and_warns_of_a_fallback():
    info = BackendInfo('onnxruntime', '1.10', 'cpu', 'fp32', '/m.onnx', {'threads': '2'})
    backend = SimpleNamespace(info=info, is_open=True)
    good = backend_status(Serving(backend, plain_status('asked for')))
    assert good.level == OK
    assert dict(good.values)['why'] == 'asked for'
    assert dict(good.values)['threads'] == '2'
    fallback = backend_status(
        Serving(backend, plain_status('tensorrt failed', level=WARN)))
    assert fallback.level == WARN
    assert 'tensorrt failed' in fallback.message
    assert 'not configured' in backend_status(None).message
