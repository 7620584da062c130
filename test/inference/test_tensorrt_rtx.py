# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A real TensorRT builds real engines on a machine without a GPU, in the builder's process.

TensorRT for RTX has the interface of TensorRT 11 and needs a GPU only to load a plan: there it
answers None, and the way back to onnxruntime is taken for real.
"""

import os
import shutil
import time

import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.errors import WARN
from segformer_ros.inference.base.frames import convert_frame
from segformer_ros.inference.base.frames import Frames
from segformer_ros.inference.selection.selector import BackendSelector
from segformer_ros.inference.selection.status import SelectionSettings
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.inference.trt.build_job import EngineJob
from segformer_ros.inference.trt.cache import open_cache
from segformer_ros.inference.trt.calibration import Calibration
from segformer_ros.inference.trt.candidates import engine_tasks
from segformer_ros.inference.trt.candidates import EngineModel
from segformer_ros.inference.trt.candidates import optimized_engine_model
from segformer_ros.inference.trt.key import DEFAULT_BUILDER
from segformer_ros.inference.trt.memory import Attempt
from segformer_ros.inference.trt.worker import EngineProcess
from segformer_ros.model.optimize.mixed_precision import convert_to_mixed_precision
from segformer_ros.model.quantize import placement
from segformer_ros.model.quantize.ranges import observe
from segformer_ros.model.spec import ModelSpec
from segformer_ros.model.weights.resolve import resolve_model
from segformer_ros.segmentation.self_check_frames import self_check_frames

MODULE = 'tensorrt_rtx_bindings'
SHIPPED = 'segformer_sim'
PATIENCE_S = 900.0
B0_SPEC = ModelSpec(name='b0', classes='ade20k', num_classes=150)

pytestmark = [
    pytest.mark.slow, pytest.mark.real_process,
    pytest.mark.skipif(os.path.exists('/dev/nvidiactl'), reason='for machines without a GPU')]

pytest.importorskip(MODULE, reason='tensorrt-rtx-cu12-libs and -bindings 1.7.1.116 from PyPI')


@pytest.fixture(scope='module')
def b0_models(tmp_path_factory):
    """Return SegFormer-B0 with random weights, by opset."""
    pytest.importorskip('onnx')
    from support.segformer_onnx import B0
    from support.segformer_onnx import make_segformer
    folder = tmp_path_factory.mktemp('b0')
    return {opset: make_segformer(str(folder / f'b0_{opset}.onnx'), opset=opset, **B0)
            for opset in (13, 17)}


@pytest.fixture
def runtime(fake_cuda):
    """Return settings with real TensorRT; the GPU's memory is a fake one."""
    return RuntimeSettings(tensorrt_module=MODULE, buffers='pycuda', probe=False)


def build(runtime, path, spec, precision, folder, gpu, calibration=None):
    """Build in the builder's process; return the facts that come back and the plan."""
    wish = {'fp16+fp32': 'fp16', 'fp32': 'fp32', 'int8+fp16+fp32': 'int8'}[precision]
    task = engine_tasks(EngineModel(path, spec), wish, load_tensorrt(MODULE), runtime,
                        DEFAULT_BUILDER, gpu, calibration)[0]
    job = EngineJob(open_cache(str(folder)), task, lambda: Frames((), ()), False)
    plan_path = str(folder / f'{precision}.plan')
    request = job._build_request(plan_path, Attempt(512, 'default'))
    worker = EngineProcess('build', request._asdict())
    give_up_at = time.monotonic() + PATIENCE_S
    outcome = None
    while outcome is None and time.monotonic() < give_up_at:
        outcome = worker.poll()
        time.sleep(0.05)
    worker.close()
    assert outcome is not None and outcome.result is not None, outcome
    with open(plan_path, 'rb') as stream:
        return outcome.result, stream.read()


@pytest.mark.parametrize('opset', [13, 17])
def test_b0_builds_in_fp32_and_smaller_in_mixed_precision(runtime, b0_models, opset, tmp_path,
                                                          nano):
    facts, plan = build(runtime, b0_models[opset], B0_SPEC, 'fp32', tmp_path, nano)
    assert (facts['precision'], facts['fp32_parts']) == ('fp32', 0)
    assert facts['tensorrt_version'] == load_tensorrt(MODULE).version
    mixed_facts, mixed = build(runtime, b0_models[opset], B0_SPEC, 'fp16+fp32', tmp_path, nano)
    assert mixed_facts['precision'] == 'fp16+fp32'
    assert 0 < mixed_facts['fp32_parts'] < mixed_facts['parts']
    # 16 bits for the weights of the encoder: here they take 4.4 of 24.4 MB away.
    assert len(mixed) < 0.9 * len(plan)


def test_graph_of_the_shipped_model_builds_in_both_precisions(runtime, tmp_path, nano):
    try:
        model = resolve_model(SHIPPED)
    except ModelError as error:
        pytest.skip(f'the shipped model is missing: {error}')
    # What the node and build_engine hand to TensorRT.
    source = optimized_engine_model(shutil.copy(model.onnx_path, str(tmp_path)), model.spec,
                                    load_tensorrt(MODULE))
    assert source.spec.input_dtype == 'uint8'
    for precision in ('fp32', 'fp16+fp32'):
        facts, plan = build(runtime, source.path, source.spec, precision, tmp_path, nano)
        assert facts['precision'] == precision
        assert len(plan) > 100000


def test_graph_of_the_shipped_model_builds_with_integers_placed_in_it(runtime, tmp_path, nano):
    onnx = pytest.importorskip('onnx')
    model = resolve_model(SHIPPED)
    source = optimized_engine_model(shutil.copy(model.onnx_path, str(tmp_path)), model.spec,
                                    load_tensorrt(MODULE))
    network = placement.read_model(source.path)
    sites = placement.find_sites(network)
    seen = observe(network, placement.activations(sites), self_check_frames(source.spec))
    path = str(tmp_path / 'quantized.onnx')
    onnx.save(placement.quantized(network, {
        name: histogram.largest for name, histogram in seen.items()}), path)
    facts, plan = build(runtime, source.path, source.spec, 'int8+fp16+fp32', tmp_path, nano,
                        Calibration(path, 'ab' * 32, None, {}))
    assert facts['precision'] == 'int8+fp16+fp32'
    assert 0 < facts['fp32_parts'] < facts['parts']
    assert len(plan) > 100000

    # TensorRT's own parser: every pair is a layer, and products read integers on both sides.
    import tensorrt_rtx_bindings as trt
    logger = trt.Logger()
    definition = trt.Builder(logger).create_network(
        1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(definition, logger)
    assert parser.parse(convert_to_mixed_precision(path).onnx)
    layers = [definition.get_layer(index) for index in range(definition.num_layers)]
    quantizes = [layer for layer in layers if layer.type == trt.LayerType.QUANTIZE]
    back = {layer.get_output(0).name for layer in layers
            if layer.type == trt.LayerType.DEQUANTIZE}
    assert len(quantizes) == len(back) > 100
    assert {layer.get_output(0).dtype for layer in quantizes} == {trt.DataType.INT8}
    products = [layer for layer in layers if layer.type in (
        trt.LayerType.CONVOLUTION, trt.LayerType.MATRIX_MULTIPLY)]
    of_integers = [layer for layer in products if layer.get_input(0).name in back]
    assert len(of_integers) == len(sites)
    # Two products of attention a block, eight blocks, and the classifier.
    assert len(products) - len(of_integers) == 2 * 8 + 1


def test_trained_ade20k_network_builds(runtime, shared, tmp_path, nano):
    path = shared('models/ade20k_mobilenetv2_segformer_io.onnx')
    facts, plan = build(runtime, path, B0_SPEC, 'fp32', tmp_path, nano)
    assert facts['precision'] == 'fp32' and len(plan) > 100000


def test_plan_that_needs_a_gpu_is_built_twice_and_given_up(runtime, tmp_path, tiny_model,
                                                           tiny_spec, nano, frames):
    task = engine_tasks(EngineModel(tiny_model, tiny_spec), 'fp32', load_tensorrt(MODULE), runtime,
                        DEFAULT_BUILDER, nano)[0]
    cache = open_cache(str(tmp_path))
    job = EngineJob(cache, task, lambda: Frames((), tuple(frames)), wait_for_memory=False)
    stages = []
    with pytest.raises(BackendError, match='built again and still not loaded') as caught:
        give_up_at = time.monotonic() + PATIENCE_S
        while job.poll() is None and time.monotonic() < give_up_at:
            if not stages or stages[-1] != job.progress.stage:
                stages.append(job.progress.stage)
            time.sleep(0.01)
    assert stages.count('building') == 2 and stages.count('checking') == 2
    # TensorRT's own words came through the process.
    assert 'CUDA' in str(caught.value)
    assert cache.find('tiny', task.key).rejected


def test_node_falls_back_to_onnxruntime_and_says_why(runtime, tmp_path, tiny_model, tiny_spec,
                                                     nano, frames):
    selector = BackendSelector(
        tiny_model, tiny_spec,
        SelectionSettings(cache_root=str(tmp_path), runtime=runtime), lambda: frames[:3],
        lambda index: nano)
    try:
        backend = selector.open()
        give_up_at = time.monotonic() + PATIENCE_S
        while (selector.status.job is not None or selector.status.preparing) \
                and time.monotonic() < give_up_at:
            frame = convert_frame(frames[0], tiny_spec, selector.spec)
            backend.infer(frame)
            selector.offer_frame(frame)
            backend = selector.poll() or backend
            time.sleep(0.02)
        assert backend.info.name == 'onnxruntime'
        backend.infer(convert_frame(frames[0], tiny_spec, selector.spec))
        status = selector.status
        assert status.level == WARN
        assert 'no fp16+fp32 engine' in status.why and 'no fp32 engine' in status.why
    finally:
        selector.close()


def test_bundled_frames_fit_b0():
    assert [frame['pixel_values'].shape for frame in self_check_frames(B0_SPEC)] == [
        (1, 3, 512, 512)] * 5
