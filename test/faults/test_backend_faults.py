# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Backends that fail, lie or hang, in a node under a camera that goes on."""

import os
import signal
import time

import pytest
from support.fault_subject import Subject
from support.fault_subject import told
from support.faulty_process import FaultFile
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from support.tiny_model import write_color_model

pytestmark = pytest.mark.slow

OK, WARN, ERROR = range(3)
TEST_ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))
HANG_TIMEOUT = 1.0
FIRST_OPEN_TIMEOUT = 30.0
"""Seconds: the first backend of a process imports its runtime."""


@pytest.fixture
def faulty(tmp_path):
    """Yield a node of its own: a fallback stays for good."""
    fault = FaultFile(tmp_path)
    environment = {'FAULT_FILE': fault.path, 'PYTHONPATH': os.pathsep.join(
        [TEST_ROOT, os.environ.get('PYTHONPATH', '')])}
    parameters = {'model': write_color_model(tmp_path), 'hang_timeout': HANG_TIMEOUT,
                  'open_timeout': FIRST_OPEN_TIMEOUT}
    with private_domain() as domain, Subject(
            domain, tmp_path, parameters, module='support.faulty_node',
            environment=environment) as subject:
        assert subject.peer.set_parameters(open_timeout=2.0) == ''
        subject.fault = fault
        yield subject
        fault.write('ok')


@pytest.mark.parametrize('fault, name', [
    ('raise', 'raises an error'), ('bug', 'raises what no backend should'),
    ('nan', 'returns NaN')])
def test_failing_backend(faulty, row, fault, name):
    """Backend ..."""
    row.fault = row.fault.replace('...', name)
    begun = faulty.begin()
    faulty.fault.write(fault + ' 1')
    started = time.monotonic()
    masks = faulty.camera.counts['masks']
    faulty.wait_for_status('watchdog', lambda level, _, values: values['backends replaced'] == '1')
    row.back_s = faulty.served_again(started)
    faulty.wait_for_status('watchdog', lambda level, *_: level == OK)
    faulty.camera.paused = True
    time.sleep(1.0)
    faulty.camera.paused = False
    assert faulty.camera.counts['masks'] > masks
    lost = lost_with_tracebacks(faulty, begun, fault == 'bug')
    assert lost >= 5
    row.did = 'no mask; opened anew after 5 frames'
    row.lost = f'{lost} images'


def lost_with_tracebacks(subject, begun, expected):
    """Return the images without a mask; a fault of ours may tell its traceback."""
    if not expected:
        return subject.finish(begun)
    counts = {key: value - begun[1][key] for key, value in subject.camera.counts.items()}
    assert counts['wrong'] == 0
    return counts['sent'] - counts['masks']


def test_hanging_backend(faulty, row):
    """Backend hangs, and goes on after its successor has taken over."""
    begun = faulty.begin()
    faulty.fault.write('hang 1')
    hung = time.monotonic()
    told = faulty.wait_for_status('watchdog', lambda level, *_: level == ERROR) - hung
    row.back_s = faulty.served_again(hung)
    faulty.fault.write('ok')
    lost = faulty.finish(begun)
    assert faulty.camera.counts['unknown'] == begun[1]['unknown']
    row.did = (
        f'ERROR after {told:.1f} s with hang_timeout {HANG_TIMEOUT:.0f} s; a new thread took '
        'over, the late result was thrown away')
    row.lost = f'{lost} images'


def test_backend_hangs_again(faulty, row):
    """Backend hangs, and so does its successor."""
    begun = faulty.begin()
    faulty.fault.write('hang 2')
    hung = time.monotonic()
    row.back_s = faulty.served_again(hung)
    faulty.wait_for_status('watchdog', lambda level, *_: level == WARN)
    assert faulty.status['watchdog'][3]['fallback'] == 'yes'
    row.did = 'the fallback took over for good; WARN'
    row.lost = f'{faulty.finish(begun)} images'


def test_every_backend_hangs(tmp_path, row):
    """Every backend hangs for ever."""
    fault = FaultFile(tmp_path)
    environment = {'FAULT_FILE': fault.path, 'PYTHONPATH': os.pathsep.join(
        [TEST_ROOT, os.environ.get('PYTHONPATH', '')])}
    parameters = {'model': write_color_model(tmp_path), 'hang_timeout': 0.6,
                  'open_timeout': FIRST_OPEN_TIMEOUT}
    started = time.monotonic()
    with private_domain() as domain:
        with Subject(domain, tmp_path, parameters, module='support.faulty_node',
                     environment=environment) as subject:
            assert subject.peer.set_parameters(open_timeout=1.0) == ''
            fault.write('hang')
            started = time.monotonic()
            wait_until(lambda: not subject.process.is_running(), 'the end')
            ended = time.monotonic() - started
            assert subject.process.wait() == 3
            subject.camera.stop()
        fault.write('ok')
        with Subject(domain, tmp_path, parameters, module='support.faulty_node',
                     environment=environment):
            row.back_s = time.monotonic() - started
    row.did = (
        f'process ended with status 3 after {ended:.1f} s for launch to start it anew, which '
        'the test did')
    row.lost = 'all images until then'


def test_lifecycle_while_a_backend_hangs(faulty, row):
    """Lifecycle transitions while a backend hangs."""
    begun = faulty.begin()
    faulty.fault.write('hang 1')
    faulty.wait_for_status('watchdog', lambda level, *_: level == ERROR)
    for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert faulty.peer.change_state(transition)
    row.back_s = faulty.served_again(time.monotonic())
    row.did, row.lost = 'all taken', f'{faulty.finish(begun)} images'


def test_node_without_processor(faulty, row):
    """Node gets no processor for three seconds."""
    # What the watchdog saw of the frame before, and a second of the standstill, would be a hang.
    assert faulty.peer.set_parameters(hang_timeout=1.4) == ''
    begun = faulty.begin()
    faulty.fault.write('hang')
    faulty.process.wait_for_log('number 1 hangs')
    # Two looks see the frame in work, and half a second of it.
    time.sleep(1.0)
    faulty.process.signal(signal.SIGSTOP)
    time.sleep(3.0)
    faulty.process.signal(signal.SIGCONT)
    # Long enough for a look before the backend answers, too short for another one.
    time.sleep(0.1)
    faulty.fault.write('ok')
    row.back_s = faulty.served_again(time.monotonic())
    faulty.wait_for_status('watchdog', lambda *_: True)
    assert faulty.worst['watchdog'] == OK
    assert faulty.status['watchdog'][3]['backends replaced'] == '0'
    lost = faulty.finish(begun)
    row.did, row.lost = 'served on; the watchdog did not blame the backend', \
        f'{lost} images of that time'


@pytest.mark.parametrize('fault, text, when', [
    ('build_kill', 'ended by SIGKILL', 'while it builds an engine'),
    ('deserialize_kill', 'SIGKILL', 'while it tries an engine')])
def test_child_that_builds_an_engine_dies(tmp_path, row, fault, text, when):
    """Child process dies ..."""
    row.fault = row.fault.replace('...', when)
    environment = {'FAKE_TENSORRT_VERSION': '8.6.1', 'FAKE_TENSORRT_FAULTS': fault,
                   'SEGFORMER_ROS_CACHE': str(tmp_path / 'cache'), 'PYTHONPATH': os.pathsep.join(
                       [TEST_ROOT, os.environ.get('PYTHONPATH', '')])}
    parameters = {'model': write_color_model(tmp_path), 'precision': 'fp32'}
    with private_domain() as domain, Subject(
            domain, tmp_path, parameters, module='support.fake_gpu_node',
            environment=environment) as subject:
        begun = subject.begin()
        subject.wait_for_status('backend', lambda level, _, values: level == WARN
                                and text in values['why'], 90.0)
        row.back_s = subject.served_again(time.monotonic())
        row.lost = told(subject.finish(begun))
    row.did = 'onnxruntime served on; WARN names the signal'
