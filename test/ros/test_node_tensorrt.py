# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node on a robot with a GPU: masks at once, engines later, and faults that cost no mask."""

from functools import partial
import os
import re
import signal
import time

import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from support.ros_graph import NodeProcess
from support.ros_graph import TIMEOUT
from support.ros_graph import wait_until
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.status_watcher import ERROR
from support.status_watcher import OK
from support.status_watcher import StatusWatcher
from support.status_watcher import WARN
from support.striped_camera import StripedCamera
from support.tiny_model import BLUE
from support.tiny_model import color_image
from support.tiny_model import RED

TEST_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PICTURES = [(color_image([name], 480, 640), number) for name, number in (
    ('red', RED), ('blue', BLUE))]

FULL_DISK = """
import errno
import os
import runpy


def fsync(descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


os.fsync = fsync
runpy.run_module('support.fake_gpu_node', run_name='__main__')
"""
HANGING_PROVIDER = """
from segformer_ros.cli.segformer import main
from segformer_ros.inference.onnxrt.backend import CPU_PROVIDER
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
import threading

opening = OnnxruntimeBackend._open


def _open(backend):
    if backend._providers[0] != CPU_PROVIDER:
        threading.Event().wait()
    return opening(backend)


OnnxruntimeBackend._open = _open
raise SystemExit(main())
"""


class Robot:
    """Starts nodes that share a cache folder, on a robot with a fake GPU."""

    def __init__(self, domain, folder, model):
        self._domain, self._folder, self._model = domain, folder, model
        self.engines = str(folder / 'cache' / 'engines')
        self.mark = folder / 'mark'
        """What the fault ``build_waits`` waits for."""

    def node(self, faults='', version='8.6.1', code='', **parameters):
        """Return a node's process, not yet started into; ``code`` is run in its place."""
        module = 'support.fake_gpu_node'
        if code:
            module = 'other_node'
            (self._folder / (module + '.py')).write_text(code, encoding='ascii')
        environment = {
            'FAKE_TENSORRT_VERSION': version, 'FAKE_TENSORRT_FAULTS': faults,
            'FAKE_TENSORRT_MARK': str(self.mark),
            'SEGFORMER_ROS_CACHE': str(self._folder / 'cache'),
            'PYTHONPATH': os.pathsep.join(
                [TEST_ROOT, str(self._folder), os.environ.get('PYTHONPATH', '')])}
        return NodeProcess(self._domain, self._folder, dict(parameters, model=self._model),
                           module=module, environment=environment)


@pytest.fixture
def robot(domain, tmp_path, color_model):
    return Robot(domain, tmp_path, color_model)


def serve_until(peer, condition):
    """Send pictures one after another, each once the last mask is there; return how many."""
    sent = 0
    while not condition():
        picture, class_id = PICTURES[sent % 2]
        assert np.all(pixels(peer.mask_of(rgb_message(picture))) == class_id), sent
        sent += 1
        assert sent < 20 * TIMEOUT
    return sent


def is_settled(watcher, name):
    """Return whether a backend serves and nothing better is under way."""
    found = watcher.latest('backend')
    return found is not None and found[1].get('backend') == name and \
        'under way' not in found[1]


@pytest.mark.parametrize('version', [
    '8.2.1', pytest.param('10.3.0', marks=pytest.mark.slow)])
def test_masks_come_at_once_and_none_is_lost_or_changed_when_the_engine_takes_over(
        robot, domain, version):
    with robot.node('build_waits', version) as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = StatusWatcher(peer)
        assert re.search('onnxruntime [0-9.]+ fp32 on cpu runs', node.log())
        peer.connect()
        before = len(peer.masks.messages)
        sent = serve_until(peer, iter([False] * 2 + [True]).__next__)
        robot.mark.touch()
        sent += serve_until(peer, lambda: is_settled(watcher, 'tensorrt'))
        sent += serve_until(peer, iter([False] * 4 + [True]).__next__)
        assert len(peer.masks.messages) - before == sent
        status, values = watcher.wait('backend', lambda status: status.level == OK)
        assert status.message == 'tensorrt fp16+fp32 on not probed'
        assert re.match(r'passed: agreement (1\.0000|0\.99\d\d)', values['self-check'])
        assert ' live and 5 bundled frames' in values['self-check']
        assert ' 0 live' not in values['self-check']
        assert values['engine'].startswith('colors-fp16_fp32-')
        counts = watcher.wait('camera', lambda status: True)[1]
        assert (counts['failed'], counts['rejected input']) == ('0', '0')
        assert 'engine is being built' in node.log() and '[WARN]' not in node.log()
    with robot.node(version=version) as node, SegformerPeer(domain) as peer:
        # The engine of the first day serves from the first frame on.
        peer.wait_for_state('active')
        serve_until(peer, iter([False] * 2 + [True]).__next__)
        assert 'engine is being built' not in node.log()
        assert f'tensorrt {version} fp16+fp32' in node.log()


def test_camera_that_runs_free_loses_no_image_while_an_engine_is_loaded_for_two_seconds(
        robot, domain):
    with robot.node('deserialize_slow build_waits', precision='fp32') as node, \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = StatusWatcher(peer)
        peer.connect()
        # Slow enough that a busy machine is no reason to supersede one.
        camera = StripedCamera(peer, '/image', 4.0)
        camera.wait_for_subscriber()
        peer.node.create_subscription(Image, peer.output('mask'), camera.judge, 50)
        camera.begin()
        try:
            # Before that the node may not know the camera yet, nor its reader.
            wait_until(lambda: camera.newest_right > 0.0, 'a first mask')
            began = camera.newest_right
            before = watcher.wait('camera', lambda status: True)[1]
            robot.mark.touch()
            node.wait_for_log('engine is being loaded')
            wait_until(lambda: is_settled(watcher, 'tensorrt'), 'the engine', 2 * TIMEOUT)
            since = time.monotonic()
            wait_until(lambda: camera.newest_right > since, 'a mask of the engine')
        finally:
            camera.stop()
        wait_until(lambda: camera.unanswered_since(began) == 0, lambda: str(camera.counts))
        assert camera.counts['wrong'] == 0
        counts = watcher.wait('camera', lambda status: True)[1]
        assert counts['dropped for newer ones'] == before['dropped for newer ones']


@pytest.mark.slow
def test_engine_that_fails_its_self_check_leaves_onnxruntime_and_a_warning_with_the_figures(
        robot, domain):
    with robot.node('wrong') as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = StatusWatcher(peer)
        serve_until(peer, lambda: is_settled(watcher, 'onnxruntime'))
        status, values = watcher.wait('backend', lambda status: status.level == WARN)
        assert status.message.startswith('onnxruntime fp32 on cpu: ')
        for precision in ('fp16+fp32', 'fp32'):
            assert f'no {precision} engine: agreement 0.' in values['why']
        assert '(minimum 0.99)' in values['why']
        assert values['self-check'].startswith('failed: agreement 0.')
        assert '[WARN]' in node.log()


def test_int8_without_a_calibration_serves_with_fp16_and_tells_the_command(robot, domain):
    with robot.node(precision='int8') as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = StatusWatcher(peer)
        serve_until(peer, lambda: is_settled(watcher, 'tensorrt'))
        status, values = watcher.wait('backend', lambda status: status.level == WARN)
        assert 'tensorrt fp16+fp32 on not probed' in status.message
        for text in (values['why'], node.log()):
            assert 'no int8+fp16+fp32 engine: Model has no INT8 calibration: got colors' in text
            assert 'ros2 run segformer_ros calibrate_int8 BAG_OR_FOLDER --model ' in text
    # Now that its graph is there, the very start is refused where TensorRT is asked for.
    with robot.node(precision='int8', backend='tensorrt') as node, SegformerPeer(domain) as peer:
        status, _ = StatusWatcher(peer).wait('node', lambda status: status.level == ERROR)
        assert 'Cannot configure: Model has no INT8 calibration' in status.message
        assert 'calibrate_int8 BAG_OR_FOLDER' in status.message
        assert peer.state() == 'unconfigured'


def test_crash_of_the_builder_costs_no_mask_and_is_told(robot, domain):
    with robot.node('build_kill', precision='fp32') as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = StatusWatcher(peer)
        serve_until(peer, lambda: is_settled(watcher, 'onnxruntime'))
        _, values = watcher.wait('backend', lambda status: status.level == WARN)
        assert 'was ended by SIGKILL' in values['why']
        assert node.is_running()


def test_engine_that_fails_in_a_run_gives_way_within_the_same_frame(robot, domain):
    with robot.node() as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = StatusWatcher(peer)
        serve_until(peer, lambda: is_settled(watcher, 'tensorrt'))
    with robot.node('enqueue_false_later') as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = StatusWatcher(peer)
        assert 'tensorrt 8.6.1' in node.log()
        serve_until(peer, lambda: is_settled(watcher, 'onnxruntime'))
        _, values = watcher.wait('backend', lambda status: status.level == WARN)
        assert 'TensorRT was left: ' in values['why']
        assert watcher.wait('camera', lambda status: True)[1]['failed'] == '0'


@pytest.mark.slow
@pytest.mark.parametrize('is_built', [False, True], ids=['no engine yet', 'good engine'])
def test_full_disk_leaves_onnxruntime_and_a_warning_with_the_remedy(robot, domain, is_built):
    if is_built:
        with robot.node(precision='fp32'), SegformerPeer(domain) as peer:
            peer.wait_for_state('active')
            watcher = StatusWatcher(peer)
            serve_until(peer, lambda: is_settled(watcher, 'tensorrt'))
    with robot.node(code=FULL_DISK, precision='fp32') as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = StatusWatcher(peer)
        serve_until(peer, lambda: is_settled(watcher, 'onnxruntime'))
        _, values = watcher.wait('backend', lambda status: status.level == WARN)
        assert 'no fp32 engine: ' in values['why']
        assert 'No space left on device' in values['why']
        assert robot.engines in values['why']
        assert 'Free space there, or set engine_cache' in values['why']
        serve_until(peer, iter([False] * 2 + [True]).__next__)
        status, _ = watcher.wait('watchdog', lambda status: True)
        assert status.level == OK
        assert 'Fault' not in node.log() and 'Traceback' not in node.log()
    if is_built:
        # With space again the engine is as good as before.
        with robot.node(precision='fp32') as node, SegformerPeer(domain) as peer:
            peer.wait_for_state('active')
            serve_until(peer, iter([False] * 2 + [True]).__next__)
            assert 'engine is being built' not in node.log()


def test_fallback_is_not_the_provider_that_hung(robot, domain):
    with robot.node(code=HANGING_PROVIDER, backend='onnxruntime', open_timeout=15.0,
                    execution_provider='AzureExecutionProvider') as node, \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = StatusWatcher(peer)
        serve_until(peer, iter([False] * 2 + [True]).__next__)
        status, values = watcher.wait('watchdog', lambda status: status.level == WARN)
        assert status.message.startswith('the fallback serves: The backend was not open')
        assert (values['backends replaced'], values['abandoned threads']) == ('1', '1')
        assert re.search('onnxruntime [0-9.]+ fp32 on cpu runs', node.log())


@pytest.mark.slow
def test_engine_whose_loading_kills_the_process_is_given_up_after_three_starts(robot, domain):
    deaths = 0
    while dies_while_loading(robot, domain):
        deaths += 1
        assert deaths <= 3
    assert deaths == 3


def dies_while_loading(robot, domain):
    """Start a node whose engine kills it, as respawn does; return whether it does so again."""
    with robot.node('deserialize_kill_parent', precision='fp32') as node, \
            SegformerPeer(domain) as peer:
        watcher = StatusWatcher(peer)
        publisher = peer.publisher(Image, '/image', qos_profile_sensor_data, False)
        # A camera that does not wait for masks: the process may die before its first one.
        peer.node.create_timer(0.1, partial(publisher.publish, rgb_message(PICTURES[0][0])))
        wait_until(lambda: not node.is_running() or is_settled(watcher, 'onnxruntime'),
                   'an end or a backend', 2 * TIMEOUT)
        if not node.is_running():
            assert node.wait() == -signal.SIGKILL
            return True
        _, values = watcher.wait('backend', lambda status: status.level == WARN)
        assert 'has ended the process 3 times' in values['why']
        assert np.all(pixels(peer.masks.wait()) == PICTURES[0][1])
        return False


@pytest.mark.skipif(os.path.exists('/dev/nvidiactl'), reason='this machine has a GPU')
def test_tensorrt_without_a_gpu_is_refused_at_configure_with_the_remedy(
        domain, tmp_path, color_model):
    parameters = {'model': color_model, 'backend': 'tensorrt'}
    with NodeProcess(domain, tmp_path, parameters) as node, SegformerPeer(domain) as peer:
        status, _ = StatusWatcher(peer).wait('node', lambda status: status.level == ERROR)
        assert 'Cannot configure: No CUDA driver' in status.message
        assert 'backend: onnxruntime' in status.message
        assert peer.state() == 'unconfigured'
        assert peer.set_parameters(backend='auto') == ''
        assert peer.change_state('configure') and peer.change_state('activate')
        peer.mask_of(rgb_message(PICTURES[0][0]))
        assert node.is_running()
