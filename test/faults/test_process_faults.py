# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Signals at every stage, little memory, one processor, many cameras, a full disk."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from segformer_ros.inference.trt.cache import open_cache
from segformer_ros.inference.trt.key import EngineKey
from sensor_msgs.msg import Image
from support import tiny_catalogue
from support.fault_subject import Subject
from support.file_server import serve
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.striped_camera import share_right
from support.striped_camera import striped_picture
from support.tiny_model import write_color_model

pytestmark = pytest.mark.slow

TEST_ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))
KEY = EngineKey('ab' * 32, ('x float32[1]',), 'tensorrt', '8.2.1.8', 'NVIDIA Tegra X1', (5, 3), 1,
                10020, '# R32', 'fp16+fp32', 'pinned-layers-1', False, 0, None)
PLAN = bytes(range(256)) * 40


def stored_engine(root):
    """Return a cache with one engine."""
    cache = open_cache(str(root))
    path = cache.temporary('.plan')
    with open(path, 'wb') as stream:
        stream.write(PLAN)
    cache.store('b0', KEY, path, hashlib.sha256(PLAN).hexdigest(), {})
    return cache


def assert_intact(cache):
    record = cache.find('b0', KEY)
    assert record is not None
    assert cache.read_plan(record) == PLAN


def assert_serves(domain, folder, model):
    """Start a node and return the seconds until its first right mask."""
    started = time.monotonic()
    with NodeProcess(domain, folder, {'model': model, 'threads': 1}), \
            SegformerPeer(domain) as peer:
        mask = peer.mask_of(rgb_message(striped_picture([3, 2, 1, 0], 64, 48)))
        assert share_right(mask, [3, 2, 1, 0]) == 1.0
        return time.monotonic() - started


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL],
                         ids=lambda number: number.name)
def test_signal_at_every_stage(domain, tmp_path, color_model, row, number):
    """... while importing, starting, configuring, serving, and cleaning up."""
    row.fault = row.fault.replace('...', number.name)
    cache = stored_engine(tmp_path / 'cache')
    environment = {'SEGFORMER_ROS_CACHE': str(tmp_path / 'cache')}
    parameters = {'model': color_model, 'threads': 1}
    statuses = []

    def run(hit):
        with NodeProcess(domain, tmp_path, parameters, environment=environment) as node:
            hit(node)
            statuses.append(node.wait())
            # Before Python runs, no handler of ours can be there.
            assert 'Fault' not in node.log(), node.log()

    def after(seconds):
        def hit(node):
            time.sleep(seconds)
            if node.is_running():
                node.signal(number)
        return hit

    def serving(node):
        with SegformerPeer(domain) as peer:
            peer.wait_for_state('active')
            peer.connect()
            peer.send(rgb_message(striped_picture([0, 1, 2, 3], 640, 480)))
            node.signal(number)

    def cleaning(node):
        with SegformerPeer(domain) as peer:
            peer.wait_for_state('active')
            peer.change_state('deactivate')
            client = peer.node.create_client(*change_state_service())
            assert client.wait_for_service(10.0)
            client.call_async(cleanup_request())
            node.signal(number)

    for hit in [after(seconds) for seconds in (0.1, 0.6, 1.2, 1.8, 2.5)] + [serving, cleaning]:
        run(hit)
    # Orderly once the handlers stand, which is the case while it serves.
    if number != signal.SIGKILL:
        assert statuses[-2:] == [0, 0]
    assert_intact(cache)
    row.back_s = assert_serves(domain, tmp_path, color_model)
    row.did = 'ended within its time at all 7 stages; the engine cache was whole, the next ' \
        'start served'
    row.lost = 'the frame in work'


def change_state_service():
    from lifecycle_msgs.srv import ChangeState
    return ChangeState, '/segformer/change_state'


def cleanup_request():
    from lifecycle_msgs.srv import ChangeState
    request = ChangeState.Request()
    request.transition.id = 2
    return request


def test_one_processor(tmp_path, row):
    """Node bound to one processor, with a camera of 200 Hz."""
    with private_domain() as domain, Subject(
            domain, tmp_path, {'model': write_color_model(tmp_path)},
            prefix=('taskset', '-c', '0')) as subject:
        begun = subject.begin()
        subject.camera.rate = 200.0
        time.sleep(3.0)
        subject.camera.rate = 10.0
        row.back_s = subject.served_again(time.monotonic())
        lost = subject.finish(begun)
        sent = subject.camera.counts['sent'] - begun[1]['sent']
    row.did, row.lost = 'newest images served', f'{lost} of {sent} made way'


def test_memory_cap_that_is_enough(tmp_path, row):
    """Address space capped at 3 GB, images of 8 megapixels."""
    with private_domain() as domain, Subject(
            domain, tmp_path, {'model': write_color_model(tmp_path)},
            prefix=('sh', '-c', 'ulimit -v 3000000; exec "$@"', 'sh')) as subject:
        begun = subject.begin()
        subject.camera.rate = 2.0
        subject.camera.size_wh = (3264, 2448)
        time.sleep(4.0)
        subject.camera.size_wh, subject.camera.rate = (64, 48), 10.0
        row.back_s = subject.served_again(time.monotonic())
        lost = subject.finish(begun)
    row.did, row.lost = 'served', f'{lost} images'


def test_memory_cap_that_is_too_small(domain, tmp_path, color_model, row):
    """Address space capped so that the node cannot start."""
    started = time.monotonic()
    for kilobytes in (150000, 300000, 450000):
        with NodeProcess(domain, tmp_path, {'model': color_model},
                         prefix=('sh', '-c', f'ulimit -v {kilobytes}; exec "$@"',
                                 'sh')) as node:
            assert node.wait() != 0
    ended = time.monotonic() - started
    row.back_s = assert_serves(domain, tmp_path, color_model)
    row.did = f'ended with a status that is not 0, within {ended:.0f} s, never half alive'
    row.lost = 'everything until there was memory'


def test_eight_cameras(domain, tmp_path, color_model, row):
    """Eight cameras of 20 Hz for four seconds."""
    names = [f'camera{number}' for number in range(8)]
    parameters = {'model': color_model, 'threads': 1,
                  'cameras': '[{}]'.format(', '.join(names))}
    picture = rgb_message(striped_picture([0, 1, 2, 3], 64, 48))
    got = {name: 0 for name in names}
    wrong = []
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain, names[0]) as peer:
        peer.wait_for_state('active')

        def receiver(name):
            def receive(mask):
                got[name] += 1
                if share_right(mask, [0, 1, 2, 3]) != 1.0:
                    wrong.append(pixels(mask))
            return receive
        publishers = {}
        for name in names:
            peer.node.create_subscription(
                Image, f'/segformer/{name}/mask', receiver(name), 10)
            publishers[name] = peer.publisher(Image, f'/{name}/image', 1)
        started, sent = time.monotonic(), 0
        while time.monotonic() - started < 4.0:
            for publisher in publishers.values():
                publisher.publish(picture)
            sent += 1
            time.sleep(0.05)
        wait_until(lambda: min(got.values()) > 0, lambda: str(got))
        time.sleep(1.0)
        row.back_s = None
    assert not wrong
    # Fair: nobody waits for more than twice as long as another.
    assert min(got.values()) > 0.5 * max(got.values()), got
    row.did = f'each camera got {min(got.values())} to {max(got.values())} masks of {sent} images'
    row.lost = 'what made way for newer images'


FETCH = '''
import resource
from segformer_ros.cli import fetch_model
import signal
from support import tiny_catalogue
import sys
tiny_catalogue.use(sys.argv[1])
if sys.argv[2] != '0':
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
raise SystemExit(fetch_model.main(['tiny', '--accept-license']))
'''


@contextlib.contextmanager
def fetching(tmp_path):
    """Yield a function that starts the download with a limit of the file size."""
    tiny_catalogue.write(str(tmp_path))
    with serve(tiny_catalogue.CONTENT) as (address, behaviour):
        environment = dict(
            os.environ, HF_ENDPOINT=address, no_proxy='*',
            SEGFORMER_ROS_CACHE=str(tmp_path / 'cache'), PYTHONPATH=os.pathsep.join(
                [TEST_ROOT, os.path.dirname(TEST_ROOT)]))

        def fetch(limit):
            return subprocess.Popen(
                [sys.executable, '-c', FETCH, str(tmp_path), str(limit)], env=environment,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        yield fetch, behaviour


def whole_model(output):
    with open(output.strip(), 'rb') as stream:
        return stream.read() == tiny_catalogue.CONTENT


def test_no_room_for_a_model(tmp_path, row):
    """No room for a model that is downloaded."""
    with fetching(tmp_path) as (fetch, behaviour):
        child = fetch(len(tiny_catalogue.CONTENT) // 2)
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 1, errors
        assert 'Traceback' not in errors
        started = time.monotonic()
        child = fetch(0)
        out, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
        assert whole_model(out)
        row.back_s = time.monotonic() - started
        ranges = [headers.get('Range') for _, headers in behaviour.requests]
    assert ranges[-1] and ranges[-1] != 'bytes=0-'
    row.did = 'one line with the reason; the next call went on where this one stopped'
    row.lost = 'nothing'


def test_download_killed(tmp_path, row):
    """Download killed with SIGKILL in the middle."""
    with fetching(tmp_path) as (fetch, behaviour):
        behaviour.gate = threading.Event()
        child = fetch(0)
        wait_until(lambda: behaviour.requests, 'the request')
        child.kill()
        child.communicate()
        behaviour.gate.set()
        started = time.monotonic()
        child = fetch(0)
        out, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
        assert whole_model(out)
        row.back_s = time.monotonic() - started
    row.did, row.lost = 'the next call gave the whole model, its digest compared', 'nothing'


ENGINE = '''
import resource
from segformer_ros.common.file_cache import StorageError
from segformer_ros.inference.trt.cache import open_cache
import sys
cache = open_cache(sys.argv[1])
record, = cache.records()
resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
try:
    cache.begin_load(record)
except StorageError as error:
    print(error)
    raise SystemExit(7)
'''


def test_no_room_for_an_engine_record(tmp_path, row):
    """No room where an engine's record is written."""
    cache = stored_engine(tmp_path / 'cache')
    before = sorted(os.listdir(cache.folder))
    child = subprocess.run([sys.executable, '-c', ENGINE, str(tmp_path / 'cache')],
                           stdout=subprocess.PIPE, universal_newlines=True)
    assert child.returncode == 7
    # An error of the package's own, for which the node serves with onnxruntime and says why.
    assert 'File too large' in child.stdout and cache.folder in child.stdout
    assert 'Free space there, or set engine_cache' in child.stdout
    assert sorted(os.listdir(cache.folder)) == before
    assert_intact(cache)
    started = time.monotonic()
    record = cache.find('b0', KEY)
    assert cache.end_load(cache.begin_load(record)) == record
    row.back_s = time.monotonic() - started
    row.did = 'an error with the folder and the remedy; the engine and its old record stayed whole'
    row.lost = 'nothing'
