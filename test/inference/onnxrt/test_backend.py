# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The onnxruntime backend, run for real."""

import os
import subprocess
import sys

import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.machine import FastProcessors
from segformer_ros.inference.onnxrt import backend as module
from segformer_ros.inference.onnxrt.backend import CPU_PROVIDER
from segformer_ros.inference.onnxrt.backend import default_threads
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from support import onnx_writer as w
from support.color_network import color_logits
from support.color_network import write_color_network
from support.thread_masks import fast_core  # noqa: F401
from support.thread_masks import mask_of
from support.thread_masks import Masks
from support.thread_masks import own_mask
from support.thread_masks import threads as threads_of_process
from support.thread_masks import two_cores  # noqa: F401

onnxruntime = pytest.importorskip('onnxruntime')


def random_input(*shape):
    return np.random.RandomState(0).rand(*shape).astype(np.float32)


@pytest.fixture
def network(tmp_path):
    """Return the path of a small network."""
    return write_color_network(tmp_path / 'colors.onnx')


@pytest.mark.smoke
def test_results_are_those_of_a_float64_computation(network):
    tensor = random_input(1, 3, 64, 64)
    with OnnxruntimeBackend(network) as backend:
        # The second run goes through bound buffers, the first does not.
        for _ in range(3):
            logits = backend.infer({'pixel_values': tensor})['logits']
            assert logits.dtype == np.float32
            assert np.abs(logits - color_logits(tensor)).max() < 1e-5
            tensor = np.ascontiguousarray(tensor[:, ::-1])


def test_what_is_reported_is_what_the_file_and_the_session_have(network):
    with OnnxruntimeBackend(network, threads=1) as backend:
        assert [str(spec) for spec in backend.inputs] == ['pixel_values float32[1, 3, 64, 64]']
        assert [str(spec) for spec in backend.outputs] == ['logits float32[1, 4, 16, 16]']
        assert backend.info._asdict() == {
            'name': 'onnxruntime', 'version': onnxruntime.__version__, 'device': 'cpu',
            'precision': 'fp32', 'model_path': network,
            'details': {'providers': CPU_PROVIDER, 'threads': '1', 'spinning': 'no',
                        'opset': '13'}}


def test_buffers_are_reused_from_run_to_run(network):
    with OnnxruntimeBackend(network) as backend:
        first = backend.infer({'pixel_values': random_input(1, 3, 64, 64)})['logits']
        kept = first.copy()
        second = backend.infer({'pixel_values': 1 - random_input(1, 3, 64, 64)})['logits']
        assert np.shares_memory(first, second)
        assert not np.array_equal(kept, second)


def test_inputs_need_not_be_contiguous(network):
    tensor = random_input(1, 64, 64, 3).transpose(0, 3, 1, 2)
    with OnnxruntimeBackend(network) as backend:
        for _ in range(2):
            logits = backend.infer({'pixel_values': tensor})['logits']
            assert np.abs(logits - color_logits(tensor)).max() < 1e-5


def test_dynamic_sizes_follow_the_input(tmp_path):
    path = write_color_network(tmp_path / 'dynamic.onnx', dynamic=True)
    with OnnxruntimeBackend(path) as backend:
        assert [str(spec) for spec in backend.inputs] == ['pixel_values float32[?, 3, ?, ?]']
        assert [str(spec) for spec in backend.outputs] == ['logits float32[?, 4, ?, ?]']
        for height, width in ((32, 64), (32, 64), (64, 16), (32, 64), (32, 64)):
            tensor = random_input(1, 3, height, width)
            logits = backend.infer({'pixel_values': tensor})['logits']
            assert np.abs(logits - color_logits(tensor)).max() < 1e-5


def test_it_opens_again_after_closing(network):
    backend = OnnxruntimeBackend(network)
    for _ in range(3):
        with backend:
            backend.infer({'pixel_values': random_input(1, 3, 64, 64)})


def test_wrong_inputs_leave_it_running(network):
    with OnnxruntimeBackend(network) as backend:
        with pytest.raises(InvalidInputError, match=r'expected pixel_values float32\[1, 3, 64'):
            backend.infer({'pixel_values': random_input(1, 3, 64, 32)})
        backend.infer({'pixel_values': random_input(1, 3, 64, 64)})


def test_a_failing_run_is_told_and_the_next_good_one_runs(tmp_path):
    # Both inputs are dynamic, so that only the runtime notices that they do not match.
    path = tmp_path / 'add.onnx'
    path.write_bytes(w.model(w.graph(
        [w.node('Add', ['a', 'b'], ['sum'])],
        [w.value_info('a', ('n',)), w.value_info('b', ('m',))], [w.value_info('sum', ('k',))])))
    with OnnxruntimeBackend(str(path)) as backend:
        with pytest.raises(BackendError, match='onnxruntime failed in a run'):
            backend.infer({'a': np.ones(2, np.float32), 'b': np.ones(3, np.float32)})
        result = backend.infer({'a': np.ones(3, np.float32), 'b': np.ones(3, np.float32)})
        assert result['sum'].tolist() == [2, 2, 2]


@pytest.mark.parametrize(('dtype', 'item_bytes', 'precision'), [
    (w.FLOAT, 4, 'fp32'), (3, 1, 'int8+fp32'), (w.UINT8, 1, 'int8+fp32'), (10, 2, 'fp16+fp32'),
    (w.INT64, 8, 'fp32')])
def test_precision_is_that_of_the_weights(tmp_path, dtype, item_bytes, precision):
    path = tmp_path / 'mixed.onnx'
    path.write_bytes(w.model(w.graph(
        [w.node('Add', ['x', 'bias'], ['y'])], [w.value_info('x', (2,))],
        [w.value_info('y', (2,))],
        [w.tensor('bias', (2,), bytes(8)), w.tensor('unused', (5,), bytes(5 * item_bytes),
                                                    dtype)])))
    with OnnxruntimeBackend(str(path)) as backend:
        assert backend.info.precision == precision


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ModelError, match=r'absent\.onnx: No such file'):
        OnnxruntimeBackend(str(tmp_path / 'absent.onnx')).open()


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(ModelError, match='Is a directory'):
        OnnxruntimeBackend(str(tmp_path)).open()


def test_an_unreadable_file_is_told(tmp_path):
    # Not even root can read a link to itself.
    os.symlink('loop.onnx', str(tmp_path / 'loop.onnx'))
    with pytest.raises(ModelError, match='Too many levels of symbolic links'):
        OnnxruntimeBackend(str(tmp_path / 'loop.onnx')).open()


@pytest.mark.parametrize('content', [
    b'', b'\x00' * 100, b'<!DOCTYPE html><html>not found</html>',
    b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n',
    b'\x89PNG\r\n\x1a\n'], ids=['empty', 'zeros', 'html', 'lfs', 'png'])
def test_a_file_that_is_no_model_is_told(tmp_path, content):
    path = tmp_path / 'other.onnx'
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r'other\.onnx'):
        OnnxruntimeBackend(str(path)).open()


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_model_is_told(network, share):
    with open(network, 'rb') as stream:
        content = stream.read()
    with open(network, 'wb') as stream:
        stream.write(content[:int(len(content) * share)])
    with pytest.raises(ModelError):
        OnnxruntimeBackend(network).open()


@pytest.mark.parametrize('content', [
    w.model(w.graph([w.node('NoSuchOperator', ['x'], ['y'])], [w.value_info('x', (2,))],
                    [w.value_info('y', (2,))])),
    w.model(w.graph([w.node('Relu', ['x'], ['y'])], [w.value_info('x', (2,))],
                    [w.value_info('y', (2,))]), opset=9999, ir_version=7),
    w.model(w.graph([w.node('Relu', ['x'], ['y'])], [w.value_info('x', (2,))],
                    [w.value_info('y', (2,))]), ir_version=9999),
], ids=['operator', 'opset', 'ir_version'])
def test_a_model_that_the_runtime_does_not_know_is_told_with_its_versions(tmp_path, content):
    path = tmp_path / 'future.onnx'
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r'onnxruntime .* cannot load .*opset \d+, IR version '
                                         r'\d+.*update onnxruntime or export with opset 13'):
        OnnxruntimeBackend(str(path)).open()


def test_an_absent_provider_is_told_with_those_that_are_there(network):
    with pytest.raises(BackendError, match='got WarpExecutionProvider; expected one of .*CPU'):
        OnnxruntimeBackend(network, providers=['WarpExecutionProvider', CPU_PROVIDER]).open()


def test_default_threads_leave_one_core_to_the_robot(monkeypatch):
    for cores, threads in ((1, 1), (2, 2), (3, 2), (4, 3), (12, 11)):
        monkeypatch.setattr(module, 'usable_processors', lambda count=cores: count)
        assert default_threads() == threads


def test_of_slow_and_fast_cores_the_default_is_one_thread_on_the_fast_one(
        network, two_cores, fast_core):  # noqa: F811
    known = threads_of_process()
    with OnnxruntimeBackend(network) as backend, Masks() as masks:
        assert backend.info.details['threads'] == f'1 on the fast cores {fast_core}'
        tensor = random_input(1, 3, 64, 64)
        assert masks.run_until(lambda: backend.infer({'pixel_values': tensor}),
                               lambda: {fast_core} in masks.caller)
        assert own_mask() == set(two_cores)
        assert {mask_of(each) for each in threads_of_process() - known} <= {frozenset(two_cores)}


def test_threads_of_a_session_and_who_calls_it_sit_on_the_fast_core(
        network, two_cores, fast_core, monkeypatch):  # noqa: F811
    # Two threads, as beside two fast cores, of which this machine may not have so many.
    monkeypatch.setattr(module, 'FastProcessors', lambda _: FastProcessors(1))
    known = threads_of_process()
    with OnnxruntimeBackend(network, threads=2) as backend:
        pool = threads_of_process() - known
        assert len(pool) == 1
        assert {mask_of(each) for each in pool} == {frozenset({fast_core})}
        assert own_mask() == set(two_cores)
        tensor = random_input(1, 3, 64, 64)
        with Masks() as masks:
            assert masks.run_until(lambda: backend.infer({'pixel_values': tensor}),
                                   lambda: {fast_core} in masks.caller)
        assert {mask_of(each) for each in pool} == {frozenset({fast_core})}


def test_where_cores_are_alike_no_thread_of_a_session_is_bound(
        network, two_cores):  # noqa: F811
    known = threads_of_process()
    with OnnxruntimeBackend(network, threads=2) as backend:
        assert backend.info.details['threads'] == '2'
        tensor = random_input(1, 3, 64, 64)
        with Masks() as masks:
            for _ in range(200):
                backend.infer({'pixel_values': tensor})
        assert masks.caller == {frozenset(two_cores)}
        assert {mask_of(each) for each in threads_of_process() - known} == {frozenset(two_cores)}


def test_without_onnxruntime_the_error_says_how_to_get_it(network, project_root):
    code = ('import sys\n'
            'sys.modules["onnxruntime"] = None\n'
            'from segformer_ros.common.errors import BackendError\n'
            'from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend\n'
            'try:\n'
            '    OnnxruntimeBackend(sys.argv[1]).open()\n'
            'except BackendError as error:\n'
            '    print(error)\n')
    done = subprocess.run([sys.executable, '-c', code, network], cwd=project_root,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 0, done.stdout
    assert b'onnxruntime cannot be imported' in done.stdout
    assert b'ros2 run segformer_ros install_runtime' in done.stdout
    assert b"pip install '.[onnxruntime]'" in done.stdout


def test_idle_threads_do_not_spin(network, project_root):
    code = ('import sys, time\n'
            'import numpy as np\n'
            'from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend\n'
            'with OnnxruntimeBackend(sys.argv[1], threads=2) as backend:\n'
            '    backend.infer({"pixel_values": np.zeros((1, 3, 64, 64), np.float32)})\n'
            '    time.sleep(0.2)\n'
            '    before = time.process_time()\n'
            '    time.sleep(1.0)\n'
            '    print(time.process_time() - before)\n')
    done = subprocess.run([sys.executable, '-c', code, network],
                          cwd=project_root,
                          stdout=subprocess.PIPE, timeout=60, check=True)
    # A spinning thread would use a whole second.
    assert float(done.stdout.decode().split()[-1]) < 0.1


@pytest.mark.once
def test_the_reference_network_loads_with_its_contract(shared):
    path = shared('models/ade20k_mobilenetv2_segformer_io.onnx')
    with OnnxruntimeBackend(path) as backend:
        assert [str(spec) for spec in backend.inputs] == ['pixel_values float32[1, 3, 512, 512]']
        assert [str(spec) for spec in backend.outputs] == ['logits float32[1, 150, 128, 128]']
        tensor = random_input(1, 3, 512, 512)
        bound = backend.infer({'pixel_values': tensor})['logits']
        plain = onnxruntime.InferenceSession(path, providers=[CPU_PROVIDER]).run(
            None, {'pixel_values': tensor})[0]
        assert np.abs(bound - plain).max() < 1e-4
