# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Backends that fail, lie or hang, in a node under a camera that goes on."""

import os
import time

import pytest
from support.fault_subject import Subject
from support.fault_subject import told
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from support.tiny_model import write_color_model

pytestmark = pytest.mark.slow

OK, WARN, ERROR = range(3)
TEST_ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))
HANG_TIMEOUT = 1.0


class FaultFile:
    """What the backend reads before each run; replaced in one step."""

    def __init__(self, folder):
        self.path = os.path.join(str(folder), 'fault')
        self.write('ok')

    def write(self, text):
        """Make the backend do something from its next run on."""
        with open(self.path + '.new', 'w', encoding='ascii') as stream:
            stream.write(text)
        os.replace(self.path + '.new', self.path)


@pytest.fixture
def faulty(tmp_path):
    """Yield a node of its own: a fallback stays for good."""
    fault = FaultFile(tmp_path)
    environment = {'FAULT_FILE': fault.path, 'PYTHONPATH': os.pathsep.join(
        [TEST_ROOT, os.environ.get('PYTHONPATH', '')])}
    parameters = {'model': write_color_model(tmp_path), 'hang_timeout': HANG_TIMEOUT,
                  'open_timeout': 2.0}
    with private_domain() as domain, Subject(
            domain, tmp_path, parameters, module='support.faulty_node',
            environment=environment) as subject:
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
    row.lost = '{} images'.format(lost)


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
    row.did = ('ERROR after {:.1f} s with hang_timeout {:.0f} s; a new thread took over, the '
               'late result was thrown away'.format(told, HANG_TIMEOUT))
    row.lost = '{} images'.format(lost)


def test_backend_hangs_again(faulty, row):
    """Backend hangs, and so does its successor."""
    begun = faulty.begin()
    faulty.fault.write('hang 2')
    hung = time.monotonic()
    row.back_s = faulty.served_again(hung)
    faulty.wait_for_status('watchdog', lambda level, *_: level == WARN)
    assert faulty.status['watchdog'][3]['fallback'] == 'yes'
    row.did = 'the fallback took over for good; WARN'
    row.lost = '{} images'.format(faulty.finish(begun))


def test_every_backend_hangs(tmp_path, row):
    """Every backend hangs for ever."""
    fault = FaultFile(tmp_path)
    environment = {'FAULT_FILE': fault.path, 'PYTHONPATH': os.pathsep.join(
        [TEST_ROOT, os.environ.get('PYTHONPATH', '')])}
    parameters = {'model': write_color_model(tmp_path), 'hang_timeout': 0.6,
                  'open_timeout': 1.0}
    started = time.monotonic()
    with private_domain() as domain:
        with Subject(domain, tmp_path, parameters, module='support.faulty_node',
                     environment=environment) as subject:
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
    row.did = ('process ended with status 3 after {:.1f} s for launch to start it anew, which '
               'the test did'.format(ended))
    row.lost = 'all images until then'


def test_lifecycle_while_a_backend_hangs(faulty, row):
    """Lifecycle transitions while a backend hangs."""
    begun = faulty.begin()
    faulty.fault.write('hang 1')
    faulty.wait_for_status('watchdog', lambda level, *_: level == ERROR)
    for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert faulty.peer.change_state(transition)
    row.back_s = faulty.served_again(time.monotonic())
    row.did, row.lost = 'all taken', '{} images'.format(faulty.finish(begun))


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
