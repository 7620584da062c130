# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The OpenVINO backend, run for real on its CPU plugin."""

import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.telemetry import import_openvino
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.inference.ov import cache as ov_cache
from segformer_ros.inference.ov.backend import DeviceSettings
from segformer_ros.inference.ov.backend import OpenvinoBackend
from segformer_ros.inference.ov.cache import CompiledModels
from segformer_ros.model.optimize.optimize import optimize
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.optimize.target import ONNXRUNTIME_PORTABLE
from segformer_ros.model.optimize.verify import sample_pictures
from segformer_ros.model.weights.resolve import resolve_model
from support import onnx_writer as w
from support.color_network import color_logits
from support.color_network import write_color_network
from support.thread_masks import fast_core  # noqa: F401
from support.thread_masks import two_cores  # noqa: F401

pytest.importorskip('openvino')
openvino = import_openvino()
pytestmark = pytest.mark.once


def random_input(*shape, seed=0):
    return np.random.RandomState(seed).rand(*shape).astype(np.float32)


@pytest.fixture
def network(tmp_path):
    """Return the path of a small network."""
    return write_color_network(tmp_path / 'colors.onnx')


@pytest.fixture
def cache(tmp_path):
    """Return an empty cache."""
    return CompiledModels(str(tmp_path / 'cache'))


def blobs(tmp_path):
    folder = tmp_path / 'cache' / 'openvino'
    return sorted(folder.joinpath(name) for name in os.listdir(str(folder))
                  if name.endswith('.blob'))


def test_results_are_those_of_a_float64_computation(network):
    tensor = random_input(1, 3, 64, 64)
    with OpenvinoBackend(network) as backend:
        for _ in range(3):
            logits = backend.infer({'pixel_values': tensor})['logits']
            assert logits.dtype == np.float32
            assert np.abs(logits - color_logits(tensor)).max() < 1e-5
            tensor = np.ascontiguousarray(tensor[:, ::-1])


def test_what_is_reported_is_what_the_runtime_has(network):
    with OpenvinoBackend(network, DeviceSettings(threads=1)) as backend:
        assert [str(spec) for spec in backend.inputs] == ['pixel_values float32[1, 3, 64, 64]']
        assert [str(spec) for spec in backend.outputs] == ['logits float32[1, 4, 16, 16]']
        info = backend.info
        assert (info.name, info.device, info.precision) == ('openvino', 'CPU', 'fp32')
        assert openvino.__version__.startswith(info.version + '-')
        assert info.details['threads'] == '1'
        assert info.details['compiled'] == 'now'


@pytest.mark.parametrize('target', [ONNXRUNTIME, ONNXRUNTIME_PORTABLE], ids=lambda one: one.name)
def test_graph_of_the_shipped_model_has_the_masks_of_onnxruntime(monkeypatch, tmp_path, target):
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path))
    shipped = resolve_model('segformer_sim')
    graph = optimize(shipped.onnx_path, shipped.spec, target)
    assert graph.changes == 'folded'
    with OpenvinoBackend(graph.path) as ours, OnnxruntimeBackend(shipped.onnx_path) as plain:
        for picture in sample_pictures(shipped.spec.input_size_wh):
            got = ours.infer({graph.spec.input_name: picture[np.newaxis]})['logits']
            normal = (picture / 255.0 - shipped.spec.mean) / shipped.spec.std
            expected = plain.infer({'pixel_values': np.ascontiguousarray(
                normal.transpose(2, 0, 1)[np.newaxis], np.float32)})['logits']
            assert np.abs(got[0].transpose(2, 0, 1) - expected[0]).max() < 1e-3
            assert (got[0].argmax(axis=2) == expected[0].argmax(axis=0)).mean() >= 0.9999


def test_inputs_need_not_be_contiguous(network):
    tensor = random_input(1, 64, 64, 3).transpose(0, 3, 1, 2)
    with OpenvinoBackend(network) as backend:
        logits = backend.infer({'pixel_values': tensor})['logits']
        assert np.abs(logits - color_logits(tensor)).max() < 1e-5


def test_dynamic_sizes_follow_the_input(tmp_path):
    path = write_color_network(tmp_path / 'dynamic.onnx', dynamic=True)
    with OpenvinoBackend(path) as backend:
        assert [str(spec) for spec in backend.inputs] == ['pixel_values float32[?, 3, ?, ?]']
        for height, width in ((32, 64), (32, 64), (64, 16), (32, 64)):
            tensor = random_input(1, 3, height, width)
            logits = backend.infer({'pixel_values': tensor})['logits']
            assert np.abs(logits - color_logits(tensor)).max() < 1e-5


def test_it_opens_again_after_closing(network):
    backend = OpenvinoBackend(network)
    for _ in range(3):
        with backend:
            backend.infer({'pixel_values': random_input(1, 3, 64, 64)})


@pytest.mark.parametrize('wrong', [
    {'pixel_values': random_input(1, 3, 64, 32)}, {'other': random_input(1, 3, 64, 64)}, {},
    {'pixel_values': random_input(1, 3, 64, 64).astype(np.float64)}])
def test_wrong_inputs_leave_it_running(network, wrong):
    tensor = random_input(1, 3, 64, 64)
    with OpenvinoBackend(network) as backend:
        with pytest.raises(InvalidInputError, match=r'expected pixel_values float32\[1, 3, 64'):
            backend.infer(wrong)
        logits = backend.infer({'pixel_values': tensor})['logits']
        assert np.abs(logits - color_logits(tensor)).max() < 1e-5


def test_a_failing_run_is_told_and_the_next_good_one_runs(tmp_path):
    # Both inputs are dynamic, so that only the runtime notices that they do not match.
    path = tmp_path / 'add.onnx'
    path.write_bytes(w.model(w.graph(
        [w.node('Add', ['a', 'b'], ['sum'])],
        [w.value_info('a', ('n',)), w.value_info('b', ('m',))], [w.value_info('sum', ('k',))])))
    with OpenvinoBackend(str(path)) as backend:
        with pytest.raises(BackendError, match='OpenVINO failed in a run'):
            backend.infer({'a': np.ones(2, np.float32), 'b': np.ones(3, np.float32)})
        result = backend.infer({'a': np.ones(3, np.float32), 'b': np.ones(3, np.float32)})
        assert result['sum'].tolist() == [2, 2, 2]


class Accelerated(OpenvinoBackend):
    """Takes its requests in turn, as on a GPU or NPU."""

    overlaps = True


def test_a_run_goes_on_while_the_results_of_the_one_before_are_read(network):
    tensors = [random_input(1, 3, 64, 64, seed=seed) for seed in range(6)]
    with Accelerated(network) as backend:
        results = None
        for number, tensor in enumerate(tensors):
            given = tensor.copy()
            backend.begin({'pixel_values': given})
            given.fill(np.nan)
            if results is not None:
                assert np.abs(results - color_logits(tensors[number - 1])).max() < 1e-5
            results = backend.end()['logits']
        assert np.abs(results - color_logits(tensors[-1])).max() < 1e-5


def test_closing_with_a_run_under_way_ends_it(network):
    backend = Accelerated(network).open()
    backend.begin({'pixel_values': random_input(1, 3, 64, 64)})
    backend.close()
    with backend:
        backend.infer({'pixel_values': random_input(1, 3, 64, 64)})


class Noted:
    """A request that notes when it is told to stop."""

    def __init__(self, request, told):
        self._request, self._told = request, told

    def cancel(self):
        self._told.append('cancel')
        self._request.cancel()

    def __getattr__(self, name):
        return getattr(self._request, name)


def test_closing_stops_a_run_that_reads_memory_which_is_about_to_go(network):
    told = []
    backend = Accelerated(network).open()
    backend.begin({'pixel_values': random_input(1, 3, 64, 64)})
    requests = list(backend._requests)
    backend._requests = [Noted(request, told) for request in requests]
    backend.close()
    assert told == ['cancel'] * len(requests) and told


def test_only_the_cpu_shares_its_cores():
    assert not OpenvinoBackend('a.onnx').overlaps
    for device in ('GPU', 'NPU'):
        assert OpenvinoBackend('a.onnx', DeviceSettings(device)).overlaps
    assert DeviceSettings('GPU', 1).full_name == 'GPU.1'
    assert DeviceSettings('GPU').full_name == 'GPU'


@pytest.mark.parametrize('settings', [DeviceSettings('NPU'), DeviceSettings('GPU', 7)])
def test_an_absent_device_is_told_with_those_that_are_there(network, settings):
    if settings.full_name in openvino.Core().available_devices:
        pytest.skip('this machine has the device')
    with pytest.raises(BackendError, match=f'got {settings.full_name}; expected one of .*CPU.*'
                                           'openvino_device'):
        OpenvinoBackend(network, settings).open()


@pytest.mark.parametrize('precision', ['fp16', 'bf16'])
def test_a_precision_is_used_where_the_device_has_it_and_refused_elsewhere(network, precision):
    has_it = precision.upper() in openvino.Core().get_property(
        'CPU', 'OPTIMIZATION_CAPABILITIES')
    backend = OpenvinoBackend(network, DeviceSettings(precision=precision))
    if has_it:
        with backend:
            assert backend.info.precision == precision
    else:
        with pytest.raises(BackendError, match=f'got {precision}; expected fp32'):
            backend.open()


def test_unknown_precision_is_told(network):
    with pytest.raises(BackendError, match='got int8; expected fp32 or fp16 or bf16'):
        OpenvinoBackend(network, DeviceSettings(precision='int8')).open()


@pytest.mark.parametrize('content', [b'', b'\x00' * 100, b'<!DOCTYPE html>'],
                         ids=['empty', 'zeros', 'html'])
def test_a_file_that_is_no_model_is_told(tmp_path, content):
    path = tmp_path / 'other.onnx'
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r'other\.onnx'):
        OpenvinoBackend(str(path)).open()


def test_an_operator_that_the_runtime_does_not_know_is_told(tmp_path):
    path = tmp_path / 'future.onnx'
    path.write_bytes(w.model(w.graph(
        [w.node('NoSuchOperator', ['x'], ['y'])], [w.value_info('x', (2,))],
        [w.value_info('y', (2,))])))
    with pytest.raises(ModelError, match=r'OpenVINO cannot load.*future\.onnx.*update openvino'):
        OpenvinoBackend(str(path)).open()


def test_second_opening_takes_what_the_first_compiled(network, cache, tmp_path):
    tensor = random_input(1, 3, 64, 64)
    results = []
    for source in ('now', 'from the cache', 'from the cache'):
        with OpenvinoBackend(network, cache=cache) as backend:
            assert backend.info.details['compiled'] == source
            assert backend.info.precision == 'fp32'
            assert [str(spec) for spec in backend.outputs] == ['logits float32[1, 4, 16, 16]']
            results.append(backend.infer({'pixel_values': tensor})['logits'].copy())
    assert np.array_equal(results[0], results[1])
    assert [oct(path.stat().st_mode & 0o777) for path in blobs(tmp_path)] == ['0o600']


def test_another_network_threads_or_precision_compile_anew(network, cache, tmp_path):
    for settings in (DeviceSettings(threads=1), DeviceSettings(threads=2)):
        with OpenvinoBackend(network, settings, cache) as backend:
            assert backend.info.details['compiled'] == 'now'
    write_color_network(tmp_path / 'colors.onnx', scale=-1.0)
    tensor = random_input(1, 3, 64, 64)
    with OpenvinoBackend(network, DeviceSettings(threads=1), cache) as backend:
        assert backend.info.details['compiled'] == 'now'
        logits = backend.infer({'pixel_values': tensor})['logits']
        assert np.abs(logits + color_logits(tensor)).max() < 1e-5


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize('damage', [
    flip_a_byte, lambda path: path.write_bytes(b''), lambda path: path.unlink(),
    lambda path: path.chmod(0o622), lambda path: path.with_suffix('.json').write_text('{'),
    lambda path: path.with_suffix('.json').write_text('[]'),
    lambda path: path.with_suffix('.json').unlink()],
    ids=['byte', 'empty', 'absent', 'writable', 'json', 'list', 'no_json'])
def test_damaged_cache_is_made_again(network, cache, tmp_path, damage):
    with OpenvinoBackend(network, cache=cache):
        pass
    damage(blobs(tmp_path)[0])
    tensor = random_input(1, 3, 64, 64)
    for source in ('now', 'from the cache'):
        with OpenvinoBackend(network, cache=cache) as backend:
            assert backend.info.details['compiled'] == source
            logits = backend.infer({'pixel_values': tensor})['logits']
            assert np.abs(logits - color_logits(tensor)).max() < 1e-5


def test_what_the_runtime_refuses_is_made_again(network, cache, tmp_path):
    """Whole by its digest, but nothing that this runtime takes."""
    import hashlib
    import json
    with OpenvinoBackend(network, cache=cache):
        pass
    path = blobs(tmp_path)[0]
    path.write_bytes(b'no model at all')
    sidecar = path.with_suffix('.json')
    facts = json.loads(sidecar.read_text())
    facts['sha256'] = hashlib.sha256(b'no model at all').hexdigest()
    sidecar.write_text(json.dumps(facts))
    for source in ('now', 'from the cache'):
        with OpenvinoBackend(network, cache=cache) as backend:
            assert backend.info.details['compiled'] == source


def test_without_the_package_the_error_says_how_to_get_it(network, project_root):
    code = ('import sys\n'
            'sys.modules["openvino"] = None\n'
            'from segformer_ros.common.errors import BackendError\n'
            'from segformer_ros.inference.ov.backend import OpenvinoBackend\n'
            'try:\n'
            '    OpenvinoBackend(sys.argv[1]).open()\n'
            'except BackendError as error:\n'
            '    print(error)\n')
    done = subprocess.run([sys.executable, '-c', code, network], cwd=project_root,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 0, done.stdout
    assert b'openvino cannot be imported' in done.stdout
    assert b'pip install openvino' in done.stdout


def test_idle_threads_do_not_spin(network, project_root):
    code = ('import sys, time\n'
            'import numpy as np\n'
            'from segformer_ros.inference.ov.backend import DeviceSettings, OpenvinoBackend\n'
            'with OpenvinoBackend(sys.argv[1], DeviceSettings(threads=2)) as backend:\n'
            '    backend.infer({"pixel_values": np.zeros((1, 3, 64, 64), np.float32)})\n'
            '    time.sleep(0.2)\n'
            '    before = time.process_time()\n'
            '    time.sleep(1.0)\n'
            '    print(time.process_time() - before)\n')
    done = subprocess.run([sys.executable, '-c', code, network], cwd=project_root,
                          stdout=subprocess.PIPE, timeout=60, check=True)
    # A spinning thread would use a whole second.
    assert float(done.stdout.decode().split()[-1]) < 0.1


THREAD_MASKS = """
import os, sys
sys.path.insert(0, sys.argv[3])
import numpy as np
from segformer_ros.common import machine
from segformer_ros.inference.ov import backend as module
from support.thread_masks import mask_of, own_mask, threads
machine._CPU_FOLDER = sys.argv[2]
count = int(sys.argv[4])
if count == 2:
    # As beside two fast cores, of which this machine may not have so many.
    module.FastProcessors = lambda _: machine.FastProcessors(1)
known = threads()
model = module.OpenvinoBackend(sys.argv[1], module.DeviceSettings(threads=count))
with model as backend:
    new, masks = threads() - known, set()
    for _ in range(60):
        backend.infer({"pixel_values": np.zeros((1, 3, 512, 512), np.float32)})
        masks.update(mask_of(each) for each in new)
    print(backend.info.details["threads"])
    print(sorted(own_mask()))
    print(len(new))
    for mask in masks:
        print(sorted(mask))
"""


def test_what_another_machine_compiled_is_not_taken(network, cache, tmp_path, monkeypatch):
    for _ in range(2):
        OpenvinoBackend(network, cache=cache).open().close()
    assert len(blobs(tmp_path)) == 1
    monkeypatch.setattr(ov_cache, 'machine_identity', lambda: 'x86_64 4096\nflags: sse\n')
    with OpenvinoBackend(network, cache=cache) as backend:
        assert backend.info.details['compiled'] == 'now'


class ThreadMasks(NamedTuple):
    """Of a fresh process: OpenVINO looks at the cores once, and TBB keeps its threads."""

    said: str
    own: str
    threads: int
    seen: set


def masks_of_threads(network, folder, project_root, count, before=''):
    """Return what ``THREAD_MASKS`` prints; ``before`` it that is run."""
    done = subprocess.run(
        [sys.executable, '-c', before + THREAD_MASKS, network, str(folder),
         os.path.join(project_root, 'test'), str(count)], cwd=project_root,
        stdout=subprocess.PIPE, timeout=60, check=True)
    said, own, threads, *seen = done.stdout.decode().splitlines()
    return ThreadMasks(said, own, int(threads), set(seen))


@pytest.mark.parametrize('is_dynamic', [False, True])
@pytest.mark.parametrize('count', [1, 2])
def test_of_slow_and_fast_cores_all_threads_sit_on_the_fast_one(
        tmp_path, two_cores, fast_core, project_root, count, is_dynamic):  # noqa: F811
    network = write_color_network(tmp_path / 'large.onnx', size=512, dynamic=is_dynamic)
    found = masks_of_threads(network, tmp_path / 'cpu', project_root, count)
    assert found.said == f'{count} on the fast cores {fast_core}'
    assert found.own == str(two_cores)
    assert found.threads >= 2
    assert found.seen == {str([fast_core])}


def test_where_cores_are_alike_no_thread_is_bound(tmp_path, two_cores,  # noqa: F811
                                                  project_root):
    network = write_color_network(tmp_path / 'large.onnx', size=512)
    found = masks_of_threads(network, tmp_path / 'none', project_root, 2)
    assert (found.said, found.own) == ('2', str(two_cores))
    assert found.seen == {str(two_cores)}


@pytest.mark.parametrize('before', [
    'import openvino; openvino.Core().available_devices',
    # By this package, with more threads than there are fast cores.
    'import sys; from segformer_ros.inference.ov import backend; from segformer_ros.common '
    'import machine; machine._CPU_FOLDER = sys.argv[2]; '
    'backend.OpenvinoBackend(sys.argv[1], backend.DeviceSettings(threads=2)).open()'])
def test_nothing_is_pinned_where_the_runtime_was_used_unbound_before(
        tmp_path, two_cores, fast_core, project_root, before):  # noqa: F811
    network = write_color_network(tmp_path / 'large.onnx', size=512)
    found = masks_of_threads(network, tmp_path / 'cpu', project_root, 1, before + '\n')
    # Else it might be pinned to the slow one.
    assert (found.said, found.own) == ('1', str(two_cores))
    assert found.seen == {str(two_cores)}
