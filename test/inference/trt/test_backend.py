# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Engines run on every TensorRT version give the network's results and leave nothing behind."""

import hashlib
import sys

import numpy as np
import pytest

from segformer_ros.common.errors import BackendError
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.inference.trt import backend as tensorrt_backend
from segformer_ros.inference.trt import builder as network_builder
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.backend import EngineFile
from segformer_ros.inference.trt.backend import EngineLoadError
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.inference.trt.backend import TensorrtBackend
from support.fake_tensorrt import VERSIONS


def build_plan(module, model_path, **changes):
    """Return a plan that this TensorRT built in this process."""
    request = network_builder.BuildRequest(
        model_path=model_path, plan_path='', precision='fp32', shapes={},
        tensorrt_module=module, device_index=0, workspace_mib=64, tactic_sources='default',
        tf32=False, optimization_level=None, timing_cache='', probe_gpu=False)
    return network_builder.build_engine(
        load_tensorrt(module), request._replace(**changes), lambda phase, step, steps: None)


def make_backend(module, plan, **settings):
    """Return a closed backend for a plan."""
    engine = EngineFile('tiny.plan', 'fp32', lambda: plan, {'engine': 'tiny'})
    return TensorrtBackend(engine, RuntimeSettings(
        tensorrt_module=module, probe=False, **settings))


def events():
    """Return what became of TensorRT's objects, in order."""
    return sys.modules['support.fake_tensorrt'].events


@pytest.fixture(scope='module')
def expected(tiny_model, frames):
    """Return onnxruntime's logits of every frame."""
    with OnnxruntimeBackend(tiny_model) as network:
        return [network.infer(frame)['logits'].copy() for frame in frames]


@pytest.mark.smoke
@pytest.mark.parametrize('version', VERSIONS)
@pytest.mark.parametrize('buffers', ['pycuda', 'ctypes'])
def test_engine_returns_the_networks_logits(fake_tensorrt, fake_cuda, tiny_model, frames,
                                            expected, version, buffers):
    module = fake_tensorrt(version)
    plan = build_plan(module, tiny_model).plan
    with make_backend(module, plan, buffers=buffers) as backend:
        assert [str(spec) for spec in backend.inputs] == ['pixel_values float32[1, 3, 64, 64]']
        assert [str(spec) for spec in backend.outputs] == ['logits float32[1, 7, 16, 16]']
        for frame, logits in zip(frames, expected):
            np.testing.assert_allclose(backend.infer(frame)['logits'], logits, atol=1e-5)
        assert backend.info.name == 'tensorrt'
        assert backend.info.version == version
        assert backend.info.details['device_memory_mib'] == '3.0'
        assert backend.info.details['buffers'].startswith(buffers)
    assert fake_cuda.is_clean()


@pytest.mark.parametrize('version', ['8.2.1', '10.3.0'])
def test_context_is_current_only_inside_calls(fake_tensorrt, fake_cuda, tiny_model, frames,
                                              version):
    module = fake_tensorrt(version)
    backend = make_backend(module, build_plan(module, tiny_model).plan).open()
    assert fake_cuda.stack() == []
    backend.infer(frames[0])
    assert fake_cuda.stack() == []
    assert fake_cuda.retained == 1
    backend.close()
    assert fake_cuda.retained == 0


@pytest.mark.parametrize('version', ['8.2.1', '11.4.0.106'])
def test_context_goes_before_engine_before_runtime(fake_tensorrt, tiny_model, version):
    module = fake_tensorrt(version)
    backend = make_backend(module, build_plan(module, tiny_model).plan).open()
    del events()[:]
    backend.close()
    assert events() == ['context gone', 'engine gone', 'runtime gone']


@pytest.mark.parametrize('version', ['8.2.1', '8.5.1', '10.3.0'])
def test_frame_allocates_nothing_on_the_gpu_and_reuses_its_output(
        fake_tensorrt, fake_cuda, tiny_model, frames, version):
    module = fake_tensorrt(version)
    with make_backend(module, build_plan(module, tiny_model).plan) as backend:
        before = dict(fake_cuda.memory)
        first = backend.infer(frames[0])['logits']
        second = backend.infer(frames[1])['logits']
        assert first is second
        assert fake_cuda.memory.keys() == before.keys()


@pytest.mark.parametrize('version', ['8.2.1', '8.5.1', '10.3.0'])
@pytest.mark.parametrize('buffers', ['pycuda', 'ctypes'])
def test_begun_run_leaves_the_logits_of_the_one_before_alone(
        fake_tensorrt, fake_cuda, tiny_model, frames, expected, version, buffers):
    module = fake_tensorrt(version)
    plan = build_plan(module, tiny_model).plan
    with make_backend(module, plan, buffers=buffers) as backend:
        assert backend.overlaps
        backend.begin(frames[0])
        memory = None
        for number in range(1, 6):
            last = backend.end()['logits']
            backend.begin(frames[number % len(frames)])
            # Here the last frame is postprocessed.
            np.testing.assert_allclose(last, expected[(number - 1) % len(frames)], atol=1e-5)
            memory = memory or set(fake_cuda.memory)
            assert set(fake_cuda.memory) == memory
        backend.end()
        np.testing.assert_allclose(backend.infer(frames[0])['logits'], expected[0], atol=1e-5)
        assert fake_cuda.stack() == []
    assert fake_cuda.is_clean()


@pytest.mark.parametrize('is_ended', [False, True])
def test_closing_waits_for_a_run_that_was_begun(
        fake_tensorrt, fake_cuda, tiny_model, frames, is_ended):
    module = fake_tensorrt('10.3.0')
    backend = make_backend(module, build_plan(module, tiny_model).plan).open()
    backend.begin(frames[0])
    if is_ended:
        backend.end()
    stream, = fake_cuda.streams.values()
    assert bool(stream['queue']) != is_ended
    stream['queue'].append(lambda: events().append('run ended'))
    del events()[:]
    backend.close()
    assert events() == ([] if is_ended else ['run ended']) + [
        'context gone', 'engine gone', 'runtime gone']
    assert fake_cuda.is_clean()


def test_refused_run_is_an_error_where_it_begins_and_the_next_may_begin(
        fake_tensorrt, tiny_model, frames):
    module = fake_tensorrt('10.3.0')
    plan = build_plan(module, tiny_model).plan
    module = fake_tensorrt('10.3.0', 'enqueue_false_later')
    with make_backend(module, plan) as backend:
        refused = 0
        for frame in frames[:1] * 6:
            try:
                backend.begin(frame)
            except BackendError as error:
                assert 'refused' in str(error)
                refused += 1
            else:
                backend.end()
        assert refused >= 3


def test_cuda_graph_gives_the_same_logits(fake_tensorrt, fake_cuda, tiny_model, frames, expected):
    module = fake_tensorrt('10.3.0')
    plan = build_plan(module, tiny_model).plan
    with make_backend(module, plan, buffers='ctypes', cuda_graph=True) as backend:
        assert backend.info.details['cuda_graph'] == 'on'
        assert not backend.overlaps
        for frame, logits in zip(frames, expected):
            np.testing.assert_allclose(backend.infer(frame)['logits'], logits, atol=1e-5)
    assert fake_cuda.is_clean()


def test_cuda_graph_is_to_be_had_though_pycuda_is_installed(fake_tensorrt, fake_cuda, tiny_model):
    module = fake_tensorrt('10.3.0')
    plan = build_plan(module, tiny_model).plan
    with make_backend(module, plan, cuda_graph=True) as backend:
        assert backend.info.details['buffers'] == 'ctypes (libcuda.so.1)'
    assert fake_cuda.is_clean()


def test_cuda_graph_on_pycuda_is_refused_and_everything_given_back(
        fake_tensorrt, fake_cuda, tiny_model):
    module = fake_tensorrt('10.3.0')
    plan = build_plan(module, tiny_model).plan
    backend = make_backend(module, plan, buffers='pycuda', cuda_graph=True)
    with pytest.raises(BackendError, match=r'CUDA graphs are not available.*pycuda'):
        backend.open()
    assert fake_cuda.is_clean()


@pytest.mark.parametrize('buffers', ['pycuda', 'ctypes'])
@pytest.mark.parametrize('version, faults, error, text', [
    ('8.2.1', 'deserialize_none', EngineLoadError, 'did not take the engine.*tiny.plan'),
    ('11.4.0.106', 'deserialize_none', EngineLoadError, 'TensorRT 11.4.0.106 did not take'),
    ('10.3.0', 'context_none', BackendError, 'No execution context.*2048 MiB'),
    ('8.4.1', 'enqueue_false', BackendError, 'refused execute_async_v2'),
    ('8.5.1', 'enqueue_false', BackendError, 'refused execute_async_v3'),
])
def test_failed_opening_is_named_and_gives_everything_back(
        fake_tensorrt, fake_cuda, tiny_model, version, faults, error, text, buffers):
    plan = build_plan(fake_tensorrt(version), tiny_model).plan
    backend = make_backend(fake_tensorrt(version, faults), plan, buffers=buffers)
    del events()[:]
    with pytest.raises(error, match=text):
        backend.open()
    assert not backend.is_open
    assert fake_cuda.is_clean()
    assert not [event for event in events() if event.endswith('without context')]


@pytest.mark.parametrize('buffers', ['pycuda', 'ctypes'])
def test_gpu_without_memory_is_a_backend_error(fake_tensorrt, fake_cuda, tiny_model, buffers):
    module = fake_tensorrt('8.6.1')
    plan = build_plan(module, tiny_model).plan
    fake_cuda.fail_allocations_above = 10000
    with pytest.raises(BackendError, match=r'(?i)memory'):
        make_backend(module, plan, buffers=buffers).open()
    assert fake_cuda.is_clean()


def test_refused_frame_is_an_error_and_not_the_frame_before(
        fake_tensorrt, fake_cuda, tiny_model, frames):
    plan = build_plan(fake_tensorrt('8.2.1'), tiny_model).plan
    module = fake_tensorrt('8.2.1', 'enqueue_false_later')
    with make_backend(module, plan) as backend:
        backend.infer(frames[0])
        backend.infer(frames[1])
        with pytest.raises(BackendError, match='refused'):
            backend.infer(frames[2])
    assert fake_cuda.is_clean()


@pytest.mark.parametrize('changed', [
    b'', b'\0' * 4096, b'FAKEPLAN', 'truncated', 'other version'])
def test_damaged_plans_are_load_errors(fake_tensorrt, tiny_model, changed):
    plan = build_plan(fake_tensorrt('8.6.1'), tiny_model).plan
    version = '8.6.1'
    if changed == 'truncated':
        changed = plan[:11]
    elif changed == 'other version':
        changed, version = plan, '8.5.1'
    with pytest.raises(EngineLoadError):
        make_backend(fake_tensorrt(version), changed).open()


def test_closed_backend_can_be_opened_again(fake_tensorrt, fake_cuda, tiny_model, frames):
    module = fake_tensorrt('10.7.0')
    backend = make_backend(module, build_plan(module, tiny_model).plan)
    first = backend.open().infer(frames[0])['logits'].copy()
    backend.close()
    backend.close()
    np.testing.assert_array_equal(backend.open().infer(frames[0])['logits'], first)
    backend.close()
    assert fake_cuda.is_clean()


def test_gpu_is_probed_before_tensorrt_is_imported(monkeypatch):
    def no_gpu(index):
        raise BackendError('No CUDA driver')

    monkeypatch.setattr(tensorrt_backend, 'probe_gpu', no_gpu)
    monkeypatch.setattr(
        tensorrt_backend.tensorrt_api, 'load_tensorrt',
        lambda name: pytest.fail('TensorRT was imported without a GPU'))
    with pytest.raises(BackendError, match='No CUDA driver'):
        TensorrtBackend(EngineFile('x.plan', 'fp32', lambda: b'', {})).open()


def test_plan_is_used_as_it_was_checked(fake_tensorrt, tiny_model, frames):
    module = fake_tensorrt('8.6.1')
    plan = build_plan(module, tiny_model).plan
    digests = []

    def read():
        digests.append(hashlib.sha256(plan).hexdigest())
        return plan

    backend = TensorrtBackend(EngineFile('x.plan', 'fp16+fp32', read, {}), RuntimeSettings(
        tensorrt_module=module, probe=False))
    with backend:
        assert backend.info.precision == 'fp16+fp32'
    assert len(digests) == 1
