# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO serves where it is asked for, or agrees and is faster; real runtimes throughout."""

import json
import os
import shutil

import numpy as np
import pytest
from segformer_ros.common import errors
from segformer_ros.common import telemetry
from segformer_ros.common.errors import BackendError
from segformer_ros.inference.base import validation as base_validation
from segformer_ros.inference.base.mask_check import compare_masks
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.inference.ov import cache as ov_cache
from segformer_ros.inference.ov.cache import CompiledModels
from segformer_ros.inference.selection import ov_choice
from segformer_ros.inference.selection.selector import BackendSelector
from segformer_ros.inference.selection.status import SelectionSettings
from support.color_network import color_spec
from support.color_network import write_color_network

pytest.importorskip('openvino')
telemetry.import_openvino()
pytestmark = pytest.mark.once


def no_gpu(index):
    raise BackendError('No CUDA driver', remedy='Use backend: onnxruntime.')


class Machine:
    """A machine without a GPU, with a network whose right answer is known."""

    def __init__(self, folder):
        self.cache = str(folder / 'cache')
        self.model = write_color_network(folder / 'colors.onnx')
        random = np.random.RandomState(3)
        coarse = [random.rand(1, 3, 8, 8) for _ in range(3)]
        self.frames = [{'pixel_values': np.kron(one, np.ones((1, 1, 8, 8))).astype(np.float32)}
                       for one in coarse]
        self.asked = 0
        self.selectors = []

    def bundled(self):
        self.asked += 1
        return self.frames

    def selector(self, backend='auto', **settings):
        made = BackendSelector(self.model, color_spec(), SelectionSettings(
            backend=backend, rewrite=False, cache_root=self.cache, **settings), self.bundled,
            no_gpu)
        self.selectors.append(made)
        return made

    def validations(self):
        folder = os.path.join(self.cache, 'openvino')
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
                if '-validation-' in name]


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    yield made
    for selector in made.selectors:
        selector.close()


@pytest.fixture
def any_speed(monkeypatch):
    """Let agreement alone decide: which runtime is faster here is not what is tested."""
    monkeypatch.setattr(base_validation, 'WORTHWHILE', float('inf'))
    monkeypatch.setattr(base_validation, 'MOST_LATENCY', float('inf'))


@pytest.fixture
def no_speed(monkeypatch):
    """Let no speed be enough."""
    monkeypatch.setattr(base_validation, 'WORTHWHILE', 0.0)


def masks(backend, frames):
    return [backend.infer(frame)['logits'].argmax(axis=1).copy() for frame in frames]


def test_it_serves_where_it_agrees_and_is_faster_and_says_so(machine, any_speed):
    selector = machine.selector()
    backend = selector.open()
    status = selector.status
    assert (backend.info.name, status.backend, status.level) == ('openvino', 'openvino', errors.OK)
    assert 'OpenVINO on CPU in fp32' in status.why
    assert 'agreement 1.0000' in status.why and 'of the processor time' in status.why
    with OnnxruntimeBackend(machine.model) as reference:
        assert np.array_equal(masks(backend, machine.frames), masks(reference, machine.frames))


def test_the_outcome_of_a_validation_is_remembered(machine, any_speed):
    first = machine.selector()
    first.open()
    assert machine.asked == 1
    first.close()
    second = machine.selector()
    backend = second.open()
    assert backend.info.name == 'openvino'
    assert backend.info.details['compiled'] == 'from the cache'
    assert machine.asked == 1
    assert 'known from a validation' in second.status.why


def test_what_another_processor_found_is_not_believed(machine, any_speed, monkeypatch):
    first = machine.selector()
    first.open()
    first.close()
    monkeypatch.setattr(ov_cache, 'machine_identity', lambda: 'x86_64 4096\nflags: sse\n')
    second = machine.selector()
    assert second.open().info.details['compiled'] != 'from the cache'
    assert machine.asked == 2


def test_onnxruntime_serves_where_openvino_is_not_faster_and_the_reason_is_told(machine, no_speed):
    for asked in (1, 1):
        selector = machine.selector()
        assert selector.open().info.name == 'onnxruntime'
        status = selector.status
        assert status.level == errors.OK
        assert 'OpenVINO on CPU in fp32 is not used: it takes' in status.why
        assert machine.asked == asked
        selector.close()


def test_asked_for_it_need_not_be_faster(machine, no_speed):
    selector = machine.selector('openvino')
    assert selector.open().info.name == 'openvino'
    assert selector.status.level == errors.OK


def test_other_masks_are_refused_even_where_it_is_asked_for(machine, monkeypatch, tmp_path):
    """The network that is handed to OpenVINO gives other masks, as a faulty driver would."""
    wrong = write_color_network(tmp_path / 'wrong.onnx', scale=-1.0)
    real = ov_choice.ov_backend.OpenvinoBackend
    monkeypatch.setattr(ov_choice.ov_backend, 'OpenvinoBackend',
                        lambda path, settings, cache: real(wrong, settings, cache))
    for name, level in (('auto', errors.OK), ('openvino', errors.ERROR)):
        selector = machine.selector(name)
        assert selector.open().info.name == 'onnxruntime'
        assert selector.status.level == level
        assert 'agreement 0.' in selector.status.why


def test_onnxruntime_asked_for_never_looks_at_it(machine, any_speed):
    selector = machine.selector('onnxruntime')
    assert selector.open().info.name == 'onnxruntime'
    assert 'OpenVINO' not in selector.status.why


def test_who_names_a_provider_of_onnxruntime_gets_it(machine, any_speed):
    selector = machine.selector(provider='CPUExecutionProvider')
    assert selector.open().info.name == 'onnxruntime'


def test_missing_package_is_an_error_only_where_it_is_asked_for(machine, monkeypatch, any_speed):
    monkeypatch.setattr(ov_choice.ov_backend, 'is_installed', lambda: False)
    assert machine.selector().open().info.name == 'onnxruntime'
    with pytest.raises(BackendError, match='OpenVINO was asked for.*pip install openvino'):
        machine.selector('openvino').open()


def test_absent_device_is_an_error_only_where_openvino_is_asked_for(machine, any_speed):
    if 'NPU' in telemetry.import_openvino().Core().available_devices:
        pytest.skip('this machine has an NPU')
    selector = machine.selector(openvino_device='NPU')
    assert selector.open().info.name == 'onnxruntime'
    assert 'does not find the device' in selector.status.why
    with pytest.raises(BackendError, match='does not find the device'):
        machine.selector('openvino', openvino_device='NPU').open()


def test_precision_that_the_device_lacks_gives_way_to_float32(machine, any_speed):
    capabilities = telemetry.import_openvino().Core().get_property(
        'CPU', 'OPTIMIZATION_CAPABILITIES')
    lacking = [name for name in ('fp16', 'bf16') if name.upper() not in capabilities]
    if not lacking:
        pytest.skip('this processor computes in every precision')
    selector = machine.selector('openvino', openvino_precision=lacking[0])
    backend = selector.open()
    assert (backend.info.name, backend.info.precision) == ('openvino', 'fp32')
    assert selector.status.level == errors.WARN
    assert f'in {lacking[0]} is not used' in selector.status.why


def test_after_a_fault_in_a_run_onnxruntime_serves_for_good(machine, any_speed):
    selector = machine.selector()
    selector.open()
    backend = selector.fall_back('a made-up fault')
    assert backend.info.name == 'onnxruntime'
    assert selector.status.level == errors.WARN
    assert 'OpenVINO was left: a made-up fault' in selector.status.why
    assert len(masks(backend, machine.frames)) == 3


def test_what_ended_the_process_twice_is_not_begun_again(machine, any_speed):
    first = machine.selector()
    first.open()
    first.close()
    path, = machine.validations()
    with open(path) as stream:
        facts = json.load(stream)
    assert facts['unfinished'] == 0
    for unfinished, name in ((1, 'openvino'), (2, 'onnxruntime')):
        with open(path, 'w') as stream:
            json.dump(dict(facts, unfinished=unfinished), stream)
        selector = machine.selector()
        assert selector.open().info.name == name
        selector.close()
    assert 'The process ended while it was at work' in selector.status.why


@pytest.mark.parametrize('content', ['', '[]', '{', '{"outcome": 1}', None])
def test_damaged_outcome_is_tried_again(machine, any_speed, content):
    machine.selector().open()
    path, = machine.validations()
    with open(path) as stream:
        facts = json.load(stream)
    if content is None:
        content = json.dumps(dict(facts, outcome={'check': 1}))
    with open(path, 'w') as stream:
        stream.write(content)
    assert machine.selector().open().info.name == 'openvino'
    assert machine.asked == 2


def test_cache_that_others_may_write_to_is_not_used(machine, any_speed):
    folder = os.path.join(machine.cache, 'openvino')
    os.makedirs(folder)
    os.chmod(folder, 0o777)
    selector = machine.selector()
    backend = selector.open()
    assert backend.info.name == 'openvino'
    assert backend.info.details['compiled'] == 'now'
    assert selector.status.level == errors.WARN
    assert os.listdir(folder) == []


def test_graph_that_is_prepared_is_what_it_runs(tiny_model, tiny_spec, frames, monkeypatch,
                                                tmp_path, any_speed):
    pytest.importorskip('onnx')
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'graphs'))
    path = shutil.copy(tiny_model, str(tmp_path / 'fresh.onnx'))
    selector = BackendSelector(path, tiny_spec, SelectionSettings(backend='openvino'),
                               lambda: frames[:3], no_gpu)
    try:
        backend = selector.open()
        assert backend.info.name == 'openvino'
        assert backend.info.model_path != path
        assert selector.spec.input_dtype == 'uint8'
        assert 'graph folded' in selector.status.why
    finally:
        selector.close()


def validation(cpu, wall, agree=True):
    mask = np.arange(16).reshape(1, 4, 4) % 2
    check = compare_masks([mask], [mask if agree else 1 - mask], True, 0, 1)
    return base_validation.Validation(check, cpu, wall, 9)


def test_processor_time_decides_on_the_cpu_and_time_elsewhere():
    assert validation(0.94, 1.04).refusal(on_cpu=True) == ''
    assert '0.96' in validation(0.96, 0.5).refusal(on_cpu=True)
    assert 'times as long' in validation(0.5, 1.06).refusal(on_cpu=True)
    assert validation(1.5, 0.94).refusal(on_cpu=False) == ''
    assert '0.96' in validation(0.1, 0.96).refusal(on_cpu=False)
    assert 'agreement' in validation(0.1, 0.1, agree=False).refusal(on_cpu=True)


def test_validation_comes_back_from_json():
    made = validation(0.5, 0.75)
    assert base_validation.validation_from_json(json.loads(json.dumps(made.to_json()))) == made


class Slowed(OnnxruntimeBackend):
    """Does each run three times."""

    def _infer(self, inputs):
        super()._infer(inputs)
        super()._infer(inputs)
        return super()._infer(inputs)


def test_validation_finds_the_slower_one_and_other_masks(machine, tmp_path):
    frames = [{'pixel_values': np.random.RandomState(1).rand(1, 3, 1024, 1024).astype(np.float32)}]
    path = write_color_network(tmp_path / 'large.onnx', size=1024)
    spec = color_spec(1024)
    with OnnxruntimeBackend(path, threads=1) as plain, Slowed(path, threads=1) as slow:
        found = base_validation.validate(plain, slow, spec, frames)
        assert found.check.passed and found.pairs == base_validation.MOST_PASSES
        assert found.cpu_ratio > 1.5
        assert base_validation.validate(slow, plain, spec, frames).cpu_ratio < 0.67
    nans = write_color_network(tmp_path / 'nans.onnx', scale=float('inf'), size=1024)
    with OnnxruntimeBackend(path) as plain, OnnxruntimeBackend(nans) as broken:
        found = base_validation.validate(plain, broken, spec, frames)
        assert not found.check.passed and not found.check.finite


def test_validations_are_kept_apart_by_reference(machine):
    cache = CompiledModels(machine.cache)
    cache.validation(machine.model, ['one']).keep({'a': 1})
    assert cache.validation(machine.model, ['one']).outcome == {'a': 1}
    assert cache.validation(machine.model, ['other']).outcome is None
