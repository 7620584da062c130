# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Each TensorRT version is asked for the engine in its own words, and precision is as said."""

import json
import os

import numpy as np
import pytest

from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.inference.trt import builder as network_builder
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.api import version_key
from segformer_ros.inference.trt.backend import EngineFile
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.inference.trt.backend import TensorrtBackend
from segformer_ros.inference.trt.builder import BuildRequest
from segformer_ros.model.quantize import placement
from segformer_ros.model.quantize.ranges import observe
from support.fake_tensorrt import VERSIONS

WEAK = [version for version in VERSIONS if version_key(version) < (10,)]
STRONG = [version for version in VERSIONS if version_key(version) >= (10,)]


@pytest.fixture
def request_for(tiny_model):
    """Return a function that makes a request."""

    def make(**changes):
        return BuildRequest(
            model_path=tiny_model, plan_path='', precision='fp32', shapes={},
            tensorrt_module='support.fake_tensorrt', device_index=0, workspace_mib=96,
            tactic_sources='default', tf32=False, optimization_level=None, timing_cache='',
            probe_gpu=False)._replace(**changes)

    return make


def build(module, request, progress=None):
    """Build and return the engine and what the fake noted about it."""
    steps = progress if progress is not None else []
    built = network_builder.build_engine(
        load_tensorrt(module), request, lambda *step: steps.append(step))
    length = int.from_bytes(built.plan[8:12], 'little')
    return built, json.loads(built.plan[12:12 + length].decode('utf-8'))


def agreement(module, plan, model, frames):
    """Return the share of pixels to which the engine gives the network's class."""
    backend = TensorrtBackend(EngineFile('x', 'fp32', lambda: plan, {}), RuntimeSettings(
        tensorrt_module=module, probe=False))
    with backend, OnnxruntimeBackend(model) as network:
        return np.mean([backend.infer(frame)['logits'].argmax(1)
                        == network.infer(frame)['logits'].argmax(1) for frame in frames])


@pytest.mark.parametrize('version', VERSIONS)
def test_fp32_engine_has_no_16_bit_permission_and_no_tf32(fake_tensorrt, request_for, version):
    built, noted = build(fake_tensorrt(version), request_for())
    assert (built.precision, built.fp32_parts) == ('fp32', 0)
    assert not noted['fp16'] and not noted['tf32']
    assert noted['workspace'] == 96 << 20


@pytest.mark.parametrize('version', WEAK)
def test_mixed_engine_below_10_pins_what_would_break(fake_tensorrt, request_for, tiny_model,
                                                     frames, version):
    module = fake_tensorrt(version)
    built, noted = build(module, request_for(precision='fp16+fp32'))
    assert noted['fp16'] and not noted['garbage']
    assert built.precision == 'fp16+fp32'
    assert 0 < built.fp32_parts < built.parts
    assert agreement(module, built.plan, tiny_model, frames) >= 0.99


@pytest.mark.parametrize('version', STRONG)
def test_mixed_engine_from_10_on_is_strongly_typed(fake_tensorrt, request_for, tiny_model,
                                                   frames, version):
    pytest.importorskip('onnx')
    module = fake_tensorrt(version)
    built, noted = build(module, request_for(precision='fp16+fp32'))
    assert noted['fp16'] and not noted['garbage']
    assert b'__fp16' in built.plan
    assert agreement(module, built.plan, tiny_model, frames) >= 0.99


def test_permission_without_pins_would_be_garbage(fake_tensorrt, request_for, tiny_model, frames,
                                                  monkeypatch):
    # What the pins are for, and that the check above can fail.
    module = fake_tensorrt('8.2.1')
    monkeypatch.setattr(network_builder, '_pin', lambda trt, layer: True)
    built, noted = build(module, request_for(precision='fp16+fp32'))
    assert noted['garbage']
    assert agreement(module, built.plan, tiny_model, frames) < 0.5


@pytest.fixture
def quantized(tiny_model, frames, tmp_path):
    """Return the path of the tiny model with integers in every layer that may have them."""
    onnx = pytest.importorskip('onnx')
    model = placement.read_model(tiny_model)
    names = placement.activations(placement.find_sites(model))
    path = str(tmp_path / 'quantized.onnx')
    onnx.save(placement.quantized(model, {
        name: seen.largest for name, seen in observe(model, names, frames).items()}), path)
    return path


@pytest.mark.parametrize('version', VERSIONS)
def test_engine_of_integers_has_the_flag_where_one_exists_and_no_pin_undoes_it(
        fake_tensorrt, request_for, quantized, tiny_model, frames, version):
    module = fake_tensorrt(version)
    built, noted = build(module, request_for(model_path=quantized, precision='int8+fp16+fp32'))
    assert built.precision == 'int8+fp16+fp32'
    # 28 linear layers and 12 convolutions; the fake takes no plan whose flags do not fit.
    assert (noted['int8'], noted['int8_pinned']) == (40, 0)
    assert noted['fp16'] and not noted['garbage']
    assert 0 < built.fp32_parts < built.parts
    # Random weights lose more than trained ones: 0.86 here, where guessing gives 0.2.
    assert 0.8 < agreement(module, built.plan, tiny_model, frames) < 0.999


@pytest.mark.parametrize('version', WEAK)
def test_pins_on_integers_would_undo_them(fake_tensorrt, request_for, quantized, monkeypatch,
                                          version):
    monkeypatch.setattr(network_builder, '_integer_layers', lambda trt, layers: set())
    _, noted = build(fake_tensorrt(version), request_for(model_path=quantized,
                                                         precision='int8+fp16+fp32'))
    assert noted['int8_pinned'] > 0


def test_weak_network_with_pairs_needs_the_flag(fake_tensorrt, request_for, quantized):
    # That the fake refuses what the real builder refuses.
    with pytest.raises(BackendError, match='could not build the engine'):
        build(fake_tensorrt('8.6.1'), request_for(model_path=quantized, precision='fp16+fp32'))


def test_gpu_without_fast_int8_gets_no_engine_of_integers(fake_tensorrt, request_for, quantized):
    with pytest.raises(BackendError, match='no fast INT8.*fp16 or fp32'):
        build(fake_tensorrt('8.2.1', 'no_fast_int8'),
              request_for(model_path=quantized, precision='int8+fp16+fp32'))


def test_tf32_is_permitted_only_when_asked_for_and_named(fake_tensorrt, request_for):
    built, noted = build(fake_tensorrt('8.6.1'), request_for(tf32=True))
    assert noted['tf32'] and built.precision == 'tf32'


def test_gpu_without_fast_fp16_gets_no_mixed_engine(fake_tensorrt, request_for):
    with pytest.raises(BackendError, match='no fast FP16'):
        build(fake_tensorrt('8.2.1', 'no_fast_fp16'), request_for(precision='fp16+fp32'))


def test_network_in_which_nothing_is_to_pin_is_refused(fake_tensorrt, request_for, monkeypatch):
    module = fake_tensorrt('8.2.1')
    monkeypatch.setattr(network_builder, '_pin', lambda trt, layer: False)
    with pytest.raises(BackendError, match='No layer was found to keep in 32 bits'):
        build(module, request_for(precision='fp16+fp32'))


@pytest.mark.parametrize('version', ['8.2.1', '8.6.1'])
@pytest.mark.parametrize('sources, mask', [('default', None), ('none', 0), ('cublas', 1)])
def test_tactic_sources_are_those_asked_for(fake_tensorrt, request_for, version, sources, mask):
    _, noted = build(fake_tensorrt(version), request_for(tactic_sources=sources))
    # The fake numbers enum members in alphabetical order: CUBLAS is bit 0.
    assert noted['sources'] == mask


def test_tactic_sources_are_not_touched_from_10_on(fake_tensorrt, request_for):
    _, noted = build(fake_tensorrt('11.4.0.106'), request_for(tactic_sources='cublas'))
    assert noted['sources'] is None


@pytest.mark.parametrize('version, level', [('8.5.1', None), ('8.6.1', 1), ('10.3.0', 1)])
def test_optimization_level_is_set_where_it_exists(fake_tensorrt, request_for, version, level):
    _, noted = build(fake_tensorrt(version), request_for(optimization_level=1))
    assert noted['level'] == level


def test_progress_comes_from_the_builder_from_10_on(fake_tensorrt, request_for):
    steps = []
    build(fake_tensorrt('8.6.1'), request_for(), steps)
    assert steps == [('parsing', 0, 0), ('building', 0, 0)]
    del steps[:]
    build(fake_tensorrt('10.3.0'), request_for(), steps)
    assert steps[2:] == [('Building Engine', 0, 2), ('Building Engine', 0, 2),
                         ('Building Engine', 1, 2)]


def test_failure_without_a_plan_is_an_error(fake_tensorrt, request_for):
    with pytest.raises(BackendError, match='could not build the engine: got no plan'):
        build(fake_tensorrt('8.2.1', 'build_none'), request_for())


def test_files_that_cannot_be_read_are_model_errors(fake_tensorrt, request_for, tmp_path):
    module = fake_tensorrt('10.3.0')
    with pytest.raises(ModelError, match='cannot be read.*No such file'):
        build(module, request_for(model_path=str(tmp_path / 'absent.onnx')))
    (tmp_path / 'x.onnx').write_bytes(b'no model')
    with pytest.raises(ModelError, match=r'TensorRT 10.3.0 cannot read the model.*node -1'):
        build(module, request_for(model_path=str(tmp_path / 'x.onnx')))


def test_timing_cache_is_written_privately_and_read_again(fake_tensorrt, request_for, tmp_path):
    path = tmp_path / 'timing.cache'
    for _ in range(2):
        build(fake_tensorrt('8.2.1'), request_for(timing_cache=str(path)))
        assert path.read_bytes() == b'timed'
        assert os.stat(str(path)).st_mode & 0o777 == 0o600
    # One of another device is not taken and replaced.
    path.write_bytes(b'foreign')
    build(fake_tensorrt('8.2.1'), request_for(timing_cache=str(path)))
    assert path.read_bytes() == b'timed'
    path.chmod(0o666)
    with pytest.raises(ModelError, match='others may write'):
        build(fake_tensorrt('8.2.1'), request_for(timing_cache=str(path)))


def test_dynamic_dimensions_are_fixed(fake_tensorrt, request_for, monkeypatch):
    fixed = []
    module = fake_tensorrt('8.2.1')
    api = load_tensorrt(module)

    def note(network, shapes):
        original(network, shapes)
        fixed.append([network.get_input(i).shape for i in range(network.num_inputs)])

    original = network_builder._fix_shapes
    monkeypatch.setattr(network_builder, '_fix_shapes', note)
    network_builder.build_engine(api, request_for(shapes={'pixel_values': [1, 3, 64, 64]}),
                                 lambda *step: None)
    assert fixed == [[(1, 3, 64, 64)]]


@pytest.mark.parametrize('version', VERSIONS)
def test_weights_beside_the_model_reach_tensorrt(
        fake_tensorrt, request_for, tiny_model, tmp_path, version):
    onnx = pytest.importorskip('onnx')
    path = str(tmp_path / 'split.onnx')
    onnx.save(onnx.load(tiny_model), path, save_as_external_data=True, location='split.data',
              size_threshold=0)
    assert os.path.getsize(str(tmp_path / 'split.data')) > 1000
    built, _ = build(fake_tensorrt(version), request_for(model_path=path))
    assert built.precision == 'fp32'
    assert built.plan
