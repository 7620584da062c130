# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Optimized models compute what the original computes, in fewer steps."""

import json
import logging
import os
import shutil

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import numpy as np
import pytest

from segformer_ros.common import resources
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.onnx_file.inspection import violations
from segformer_ros.model.optimize import optimize as module
from segformer_ros.model.optimize import target as targets
from segformer_ros.model.optimize.verify import compare
from segformer_ros.model.spec import load_model_spec
from segformer_ros.model.spec import ModelSpec
from support.exported_segformer import Architecture
from support.exported_segformer import export_segformer
from support.exported_segformer import STYLES
from support.exported_segformer import TINY

onnx = pytest.importorskip('onnx')
numpy_helper = pytest.importorskip('onnx.numpy_helper')
onnxruntime = pytest.importorskip('onnxruntime')
SIZE_WH = (96, 64)
B0 = ModelSpec('segformer_b0', 'ade20k', 150)
B0_OUTLINE = 'blocks 2+2+2+2, widths 32+64+160+256, heads 1+2+5+8, 150 classes'
# onnxruntime 1.10, the one of Python 3.6, reads up to 15.
RUNS_OPSET_17 = hasattr(onnx.defs, 'onnx_opset_version') and onnx.defs.onnx_opset_version() >= 18
NEWEST = onnx.defs.onnx_opset_version() if RUNS_OPSET_17 else 13
RUNNABLE = sorted(name for name, style in STYLES.items() if style.opset <= NEWEST)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep what falls back to the user's cache out of it."""
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))


def write(folder, style='torchscript', architecture=TINY, size_wh=SIZE_WH, **arguments):
    path = os.path.join(str(folder), 'network.onnx')
    onnx.save(export_segformer(architecture, size_wh, style, **arguments), path)
    quarter = tuple((extent + 3) // 4 for extent in size_wh)
    return path, ModelSpec('network', 'none', architecture.classes, input_size_wh=size_wh,
                           output_size_wh=quarter)


def photo(size_wh, seed=0):
    """Return noise of several scales: neither flat nor white."""
    random = np.random.RandomState(seed)
    width, height = size_wh
    picture = np.zeros((height, width, 3))
    for step in (1, 4, 16):
        coarse = random.uniform(0, 255, (height // step + 1, width // step + 1, 3))
        picture += coarse.repeat(step, axis=0).repeat(step, axis=1)[:height, :width]
    return (picture / 3).astype(np.uint8)


def run(path, spec, picture):
    """Return the outputs for one RGB picture by name, logits as (classes, h, w)."""
    tensor = picture[np.newaxis]
    if spec.input_dtype == 'float32':
        tensor = ((tensor / 255.0 - spec.mean) / spec.std).astype(np.float32)
    if spec.input_layout == 'nchw':
        tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2))
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    names = [entry.name for entry in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {spec.input_name: tensor})))
    if spec.output_layout == 'nhwc':
        outputs[spec.output_name] = outputs[spec.output_name].transpose(0, 3, 1, 2)
    return {name: value[0] for name, value in outputs.items()}


def test_weights_in_a_file_beside_the_model_belong_to_its_key(tmp_path):
    path, spec = write(tmp_path)
    model = onnx.load(path)
    picture = photo(SIZE_WH)

    def save(scale):
        for weight in model.graph.initializer:
            if len(weight.dims) == 4:
                array = numpy_helper.to_array(weight) * np.float32(scale)
                weight.CopyFrom(numpy_helper.from_array(array, weight.name))
        for name in ('network.onnx', 'network.onnx.data'):
            if os.path.exists(str(tmp_path / name)):
                os.unlink(str(tmp_path / name))
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        onnx.save(copy, path, save_as_external_data=True, all_tensors_to_one_file=True,
                  location='network.onnx.data', size_threshold=0)

    save(1.0)
    assert read_onnx_header(path).external_files == ('network.onnx.data',)
    with open(path, 'rb') as stream:
        first_file = stream.read()
    before = module.optimize(path, spec)
    assert before.changes == module.FOLDED
    # Trained further: the ONNX file itself says nothing about it.
    save(1.1)
    with open(path, 'rb') as stream:
        assert stream.read() == first_file
    after = module.optimize(path, spec)
    assert after.path != before.path
    assert_same_logits(run(after.path, after.spec, picture)['logits'],
                       run(path, spec, picture)['logits'])
    os.unlink(str(tmp_path / 'network.onnx.data'))
    with pytest.raises(ModelError, match=r'Weights of the model are missing.*network\.onnx\.data'):
        module.optimize(path, spec)


def test_network_that_was_moved_and_has_other_names_of_classes_keeps_its_graph(tmp_path):
    path, spec = write(tmp_path)
    made = module.optimize(path, spec)
    (tmp_path / 'moved').mkdir()
    moved = shutil.copy(path, str(tmp_path / 'moved'))
    renamed = spec._replace(classes=str(tmp_path / 'moved' / 'classes.yaml'))
    assert module.open_cache(moved, renamed, targets.ONNXRUNTIME).read()['path'] == made.path
    # Anything else of the specification makes another graph.
    other = renamed._replace(std=(0.3, 0.2, 0.2))
    assert module.open_cache(moved, other, targets.ONNXRUNTIME).read() is None
    assert module.optimize(moved, renamed).spec.classes == renamed.classes


def test_runtime_that_fails_once_is_asked_again_at_the_next_start_but_not_for_ever(
        tmp_path, monkeypatch):
    path, spec = write(tmp_path)
    compared = []

    def compare(*arguments):
        compared.append(arguments)
        raise BackendError('Graph cannot be run', got='bad allocation')

    with monkeypatch.context() as patch:
        patch.setattr(module.verify, 'compare', compare)
        assert module.optimize(path, spec).changes == module.UNCHANGED
    assert module.optimize(path, spec).changes == module.FOLDED
    (tmp_path / 'other').mkdir()
    # Other bytes: the cache knows a network by its digest.
    other, spec = write(tmp_path / 'other', seed=1)
    monkeypatch.setattr(module.verify, 'compare', compare)
    del compared[:]
    for _ in range(module.MOST_FAILURES + 2):
        assert module.optimize(other, spec).changes == module.UNCHANGED
    assert len(compared) == 2 * module.MOST_FAILURES  # folded, and with its ends alone


def assert_same_logits(one, other):
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert np.mean(one.argmax(axis=0) == other.argmax(axis=0)) >= 0.9999


@pytest.mark.smoke
def test_the_default_graph_takes_bytes_and_gives_the_same_logits(tmp_path):
    path, spec = write(tmp_path)
    optimized = module.optimize(path, spec)
    assert optimized.changes == module.FOLDED
    assert 'blocks 1+2+1+1' in optimized.detail
    assert optimized.spec == spec._replace(input_dtype='uint8', input_layout='nhwc',
                                           output_layout='nhwc')
    picture = photo(SIZE_WH)
    assert_same_logits(run(path, spec, picture)['logits'],
                       run(optimized.path, optimized.spec, picture)['logits'])


@pytest.mark.once
@pytest.mark.parametrize('style, target', [(style, targets.ONNXRUNTIME) for style in RUNNABLE] + [
    ('torchscript', targets.ONNXRUNTIME_PORTABLE), ('torchscript', targets.TENSORRT_8_2),
    ('torchscript', targets.TENSORRT_8_6)], ids=lambda value: getattr(value, 'name', value))
def test_every_exporters_graph_is_folded_and_every_target_served(tmp_path, style, target):
    if target.opset > 13 and not RUNS_OPSET_17:
        pytest.skip('this onnxruntime does not run opset 17')
    path, spec = write(tmp_path, style)
    optimized = module.optimize(path, spec, target)
    assert optimized.changes == module.FOLDED
    picture = photo(SIZE_WH)
    expected = run(path, spec, picture)['logits']
    outputs = run(optimized.path, optimized.spec, picture)
    assert_same_logits(expected, outputs['logits'])
    if target.logsumexp:
        wide = expected.astype(np.float64)
        np.testing.assert_allclose(outputs['logsumexp'], np.log(np.exp(wide).sum(axis=0)),
                                   atol=1e-5)


# Six channels and more: normalising two or three makes a sign of them, and noise of rounding.
ARCHITECTURES = strategies.builds(
    lambda stages, decoder, expansion, classes: Architecture(
        depths=tuple(stage[0] for stage in stages),
        widths=tuple(stage[1] * stage[2] for stage in stages),
        heads=tuple(stage[1] for stage in stages),
        reductions=tuple(stage[3] for stage in stages),
        expansion=expansion, decoder=decoder, classes=classes),
    strategies.lists(strategies.tuples(
        strategies.integers(1, 2), strategies.integers(1, 4), strategies.integers(6, 9),
        strategies.sampled_from([1, 2])), min_size=2, max_size=4),
    strategies.integers(3, 20), strategies.integers(1, 4), strategies.integers(1, 30))


@pytest.mark.once
@settings(max_examples=8, deadline=None)
@given(ARCHITECTURES, strategies.tuples(strategies.integers(49, 90), strategies.integers(49, 90)),
       strategies.sampled_from(RUNNABLE))
def test_any_architecture_and_any_size_is_folded(tmp_path_factory, architecture, size_wh, style):
    folder = tmp_path_factory.mktemp('any')
    path, spec = write(folder, style, architecture, size_wh)
    optimized = module.optimize(path, spec)
    assert optimized.changes == module.FOLDED, optimized.detail
    picture = photo(size_wh)
    assert_same_logits(run(path, spec, picture)['logits'],
                       run(optimized.path, optimized.spec, picture)['logits'])


def test_the_wide_fusing_convolution_is_gone(tmp_path):
    path, spec = write(tmp_path)
    optimized = module.optimize(path, spec, targets.TENSORRT_8_2)
    inputs_of_convolutions = {array.shape[1] for array in map(
        numpy_helper.to_array, onnx.load(optimized.path).graph.initializer)
        if array.ndim == 4}
    assert 4 * TINY.decoder in {entry.dims[1] for entry in onnx.load(path).graph.initializer
                                if len(entry.dims) == 4}
    assert 4 * TINY.decoder not in inputs_of_convolutions
    operators = read_onnx_header(optimized.path).ops
    assert not {'Concat', 'BatchNormalization', 'Shape', 'Constant'} & set(operators)


def test_graph_for_tensorrt_8_2_keeps_to_its_operators_and_float_planes(tmp_path):
    path, spec = write(tmp_path)
    optimized = module.optimize(path, spec, targets.TENSORRT_8_2)
    assert violations(read_onnx_header(optimized.path)) == []
    assert optimized.spec.input_dtype == 'float32'
    assert optimized.spec.input_layout == 'nchw'


@pytest.mark.skipif(not RUNS_OPSET_17, reason='this onnxruntime does not run opset 17')
def test_graph_for_tensorrt_8_6_normalises_in_one_operation(tmp_path):
    path, spec = write(tmp_path)
    optimized = module.optimize(path, spec, targets.TENSORRT_8_6)
    operators = read_onnx_header(optimized.path).ops
    assert 'LayerNormalization' in operators and 'ReduceMean' not in operators


def test_attention_is_one_operation_only_where_the_runtime_has_it(tmp_path):
    path, spec = write(tmp_path)
    optimized = module.optimize(path, spec, targets.ONNXRUNTIME)
    fused = 'com.microsoft::MultiHeadAttention' in read_onnx_header(optimized.path).ops
    version = tuple(int(part) for part in onnxruntime.__version__.split('.')[:2])
    assert fused == (version >= (1, 14))


@pytest.mark.once
@pytest.mark.parametrize('spoil, why', [
    ('leaky', 'folded: no projection in the head'), ('tanh', 'folded: no GELU'),
    # Pixels change places between stages: the layers look like a SegFormer's, and only the
    # comparison with the original finds out.
    ('turned', 'folded: largest logit difference')])
def test_another_network_keeps_its_inside(tmp_path, caplog, spoil, why):
    size_wh = (64, 64) if spoil == 'turned' else SIZE_WH
    path, spec = write(tmp_path, 'simplified', size_wh=size_wh, spoil=spoil)
    with caplog.at_level(logging.WARNING):
        optimized = module.optimize(path, spec)
    assert optimized.changes == module.ENDS_ONLY
    assert why in optimized.detail
    assert optimized.detail in caplog.text
    assert optimized.spec.input_dtype == 'uint8'
    picture = photo(size_wh)
    assert_same_logits(run(path, spec, picture)['logits'],
                       run(optimized.path, optimized.spec, picture)['logits'])


def test_network_in_functions_of_its_file_is_folded(tmp_path):
    helper = onnx.helper
    pytest.importorskip('onnx.inliner')
    path, spec = write(tmp_path, 'dynamo')
    model = onnx.load(path)
    # One function for a whole GELU gate, and a call of it in each block.
    model.functions.append(helper.make_function(
        'own', 'Gate', ['x', 'one'], ['y'], [
            helper.make_node('Erf', ['x'], ['e']), helper.make_node('Add', ['e', 'one'], ['y'])],
        list(model.opset_import)))
    made = {node.output[0]: node for node in model.graph.node}
    for node in list(model.graph.node):
        inner = made.get(node.input[0]) if node.op_type == 'Add' else None
        if inner is not None and inner.op_type == 'Erf':
            node.op_type, node.domain, node.input[0] = 'Gate', 'own', inner.input[0]
            model.graph.node.remove(inner)
    model.opset_import.append(helper.make_opsetid('own', 1))
    onnx.checker.check_model(model)
    assert read_onnx_header(path).ops['Erf'] > 1
    onnx.save(model, path)
    assert read_onnx_header(path).ops['own::Gate'] == sum(TINY.depths)
    optimized = module.optimize(path, spec)
    assert optimized.changes == module.FOLDED, optimized.detail
    picture = photo(SIZE_WH)
    assert_same_logits(run(path, spec, picture)['logits'],
                       run(optimized.path, optimized.spec, picture)['logits'])


def test_specification_of_another_output_size_leaves_the_model_alone(tmp_path, caplog):
    path, spec = write(tmp_path)
    spec = spec._replace(num_classes=TINY.classes + 1)
    with caplog.at_level(logging.WARNING):
        optimized = module.optimize(path, spec, targets.TENSORRT_8_2)
    assert 'the specification has 10' in optimized.detail


@pytest.mark.parametrize('layout, shapes', [
    ('nchw', ([1, 3, 64, 96], [1, 9, 16, 24])), ('nhwc', ([1, 64, 96, 3], [1, 16, 24, 9]))])
def test_sizes_that_a_file_fixes_are_read_where_its_layout_has_them(tmp_path, layout, shapes):
    helper, path = onnx.helper, str(tmp_path / 'fixed.onnx')
    infos = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
             for name, shape in zip(('pixel_values', 'logits'), shapes)]
    onnx.save(helper.make_model(helper.make_graph(
        [helper.make_node('Identity', ['pixel_values'], ['logits'])], 'g', infos[:1], infos[1:])),
        path)
    spec = ModelSpec('fixed', 'none', 9, input_layout=layout, output_layout=layout)
    found = module.native_spec(read_onnx_header(path), spec)
    assert found == spec._replace(input_size_wh=(96, 64), output_size_wh=(24, 16))


def test_optimized_model_is_not_optimized_again(tmp_path):
    path, spec = write(tmp_path)
    optimized = module.optimize(path, spec)
    again = module.optimize(optimized.path, optimized.spec)
    assert again[:3] == (optimized.path, optimized.spec, module.UNCHANGED)


def test_missing_model_is_an_error(tmp_path):
    with pytest.raises(ModelError, match='not found'):
        module.optimize(str(tmp_path / 'none.onnx'), ModelSpec('none', 'none', 3))


@pytest.fixture
def photos(shared):
    """Return a function that gives the shared photos at a size."""
    def resized(size_wh):
        names = [f'images/ade_val/ADE_val_0000000{number}.jpg' for number in (1, 2, 3)]
        images = [cv2.imread(shared(name)) for name in names]
        return [np.ascontiguousarray(cv2.resize(
            image, tuple(size_wh), interpolation=cv2.INTER_AREA)[:, :, ::-1])
            for image in images]
    return resized


def assert_exact_on_photos(path, spec, target, pictures):
    optimized = module.optimize(path, spec, target, pictures)
    assert optimized.changes == module.FOLDED, optimized.detail
    agreement = compare(path, spec, optimized.path, optimized.spec, pictures)
    # A tenth of what the package allows.
    assert agreement.max_logit_difference < 1e-4
    assert agreement.mask_agreement >= 0.9999
    return optimized


@pytest.mark.once
def test_shipped_network_is_folded_exactly(tmp_path, photos):
    path = str(tmp_path / 'segformer_sim.onnx')
    shutil.copy(resources.find('models/segformer_sim.onnx'), path)
    spec = load_model_spec(resources.find('config/models/segformer_sim.yaml'))
    assert_exact_on_photos(path, spec, targets.ONNXRUNTIME, photos(spec.input_size_wh))


@pytest.mark.slow
def test_network_that_is_no_segformer_keeps_its_inside(tmp_path, shared, photos):
    path = str(tmp_path / 'deeplab.onnx')
    shutil.copy(shared('models/ade20k_mobilenetv2_segformer_io.onnx'), path)
    pictures = photos(B0.input_size_wh)
    optimized = module.optimize(path, B0, targets.ONNXRUNTIME, pictures)
    assert optimized.changes == module.ENDS_ONLY
    assert compare(path, B0, optimized.path, optimized.spec, pictures).is_exact


@pytest.mark.slow
@pytest.mark.parametrize('target', [targets.ONNXRUNTIME, targets.TENSORRT_8_2],
                         ids=lambda target: target.name)
def test_b0_is_folded_exactly(tmp_path, shared, photos, target):
    with open(shared('segformer_b0_ade/config.json'), encoding='utf-8') as stream:
        config = json.load(stream)
    architecture = Architecture(config['depths'], config['hidden_sizes'],
                                config['num_attention_heads'], config['sr_ratios'],
                                config['mlp_ratios'][0], config['decoder_hidden_size'], 150)
    path = str(tmp_path / 'b0.onnx')
    onnx.save(export_segformer(architecture, B0.input_size_wh, 'torchscript'), path)
    optimized = assert_exact_on_photos(path, B0, target, photos(B0.input_size_wh))
    assert optimized.detail.startswith(B0_OUTLINE)


@pytest.mark.slow
@pytest.mark.parametrize('attention, opset, dynamo', [
    ('eager', 13, False), ('sdpa', 17, False), ('eager', 18, True)])
def test_b0_as_pytorch_exports_it_is_folded_exactly(tmp_path, shared, photos, attention, opset,
                                                    dynamo):
    path = export_with_pytorch(str(tmp_path / 'b0.onnx'),
                               shared('segformer_b0_ade/config.json'), attention, opset, dynamo)
    optimized = assert_exact_on_photos(path, B0, targets.ONNXRUNTIME, photos(B0.input_size_wh))
    assert optimized.detail.startswith(B0_OUTLINE)


def export_with_pytorch(path, config_path, attention, opset, dynamo):
    """Export a SegFormer with random weights of transformers."""
    torch = pytest.importorskip('torch')
    transformers = pytest.importorskip('transformers')
    if dynamo:
        pytest.importorskip('onnxscript')
    config = transformers.SegformerConfig.from_json_file(config_path)
    config._attn_implementation = attention
    torch.manual_seed(0)
    network = transformers.SegformerForSemanticSegmentation(config).eval()
    for name, value in list(network.named_parameters()) + list(network.named_buffers()):
        # Biases of zero and gains of one are left out by exporters; a trained network has none.
        if name.endswith(('bias', 'running_mean')) or (value.ndim == 1 and 'var' not in name):
            value.data += 0.1 * torch.randn(value.shape)

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, pixel_values):
            return self.network(pixel_values=pixel_values).logits

    axes = None if dynamo else {'pixel_values': {0: 'batch', 2: 'height', 3: 'width'},
                                'logits': {0: 'batch', 2: 'height', 3: 'width'}}
    # The newer exporter takes shapes as they are, and keeps weights in the one file if told.
    more = {'external_data': False} if dynamo else {}
    torch.onnx.export(Logits().eval(), (torch.randn(1, 3, 512, 512),), path, opset_version=opset,
                      dynamo=dynamo, input_names=['pixel_values'], output_names=['logits'],
                      dynamic_axes=axes, **more)
    assert os.path.getsize(path) < 17e6
    return path


def halved(model, keep_io):
    """Return a network with float16 weights and arithmetic, as converters make it."""
    kinds = {onnx.TensorProto.FLOAT: onnx.TensorProto.FLOAT16}
    half = onnx.ModelProto()
    half.CopyFrom(model)
    constants = [entry.t for node in half.graph.node for entry in node.attribute
                 if entry.name == 'value']
    for tensor in list(half.graph.initializer) + constants:
        if tensor.data_type in kinds:
            tensor.CopyFrom(numpy_helper.from_array(
                numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for node in half.graph.node:
        for entry in node.attribute:
            if node.op_type == 'Cast' and entry.i in kinds:
                entry.i = kinds[entry.i]
    ends = list(half.graph.input) + list(half.graph.output)
    if not keep_io:
        for value in ends:
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
        return half
    for node in half.graph.node:
        for names in (node.input, node.output):
            names[:] = [name + '_half' if name in ('pixel_values', 'logits') else name
                        for name in names]
    half.graph.node.insert(0, onnx.helper.make_node('Cast', ['pixel_values'], [
        'pixel_values_half'], to=onnx.TensorProto.FLOAT16))
    half.graph.node.append(onnx.helper.make_node('Cast', ['logits_half'], ['logits'],
                                                 to=onnx.TensorProto.FLOAT))
    return half


@pytest.mark.parametrize('style', ['torchscript', 'simplified'])
@pytest.mark.parametrize('keep_io', [True, False])
def test_float16_file_is_folded_as_the_float32_network_of_its_rounded_weights(
        tmp_path, style, keep_io):
    path, spec = write(tmp_path, style)
    model = onnx.load(path)
    onnx.save(halved(model, keep_io), path)
    given = spec._replace(input_dtype='float32' if keep_io else 'float16')
    for target in (targets.ONNXRUNTIME, targets.TENSORRT_8_2):
        optimized = module.optimize(path, given, target)
        assert optimized.changes == module.FOLDED, optimized.detail
        assert 'float16 as float32' in optimized.detail
        assert optimized.spec.input_dtype == ('uint8' if target.uint8_input else 'float32')
        # The oracle: onnxruntime runs the float32 file with weights rounded by numpy.
        rounded = str(tmp_path / 'rounded.onnx')
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        for tensor in copy.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(
                np.float16).astype(numpy_helper.to_array(tensor).dtype), tensor.name))
        onnx.save(copy, rounded)
        picture = photo(SIZE_WH)
        expected = run(rounded, spec, picture)['logits']
        assert np.abs(expected - run(optimized.path, optimized.spec, picture)[
            'logits']).max() < 0.01
        assert np.abs(expected - expected.mean()).max() > 0.5


def test_float16_network_of_another_kind_gets_float32_ends(tmp_path):
    path, spec = write(tmp_path, spoil='leaky')
    onnx.save(halved(onnx.load(path), False), path)
    optimized = module.optimize(path, spec._replace(input_dtype='float16'))
    assert optimized.changes == module.ENDS_ONLY, optimized.detail
    assert optimized.spec.input_dtype == 'uint8'
    assert {str(onnx.TensorProto.DataType.Name(entry.data_type))
            for entry in onnx.load(optimized.path).graph.initializer} <= {'FLOAT', 'INT64'}


@pytest.mark.parametrize('op', ['Resize', 'Conv', 'Softmax', 'Mul', 'BatchNormalization', 'Cast'])
def test_node_without_inputs_is_told_and_no_exception_of_python(tmp_path, op):
    path, spec = write(tmp_path)
    model = onnx.load(path)
    node = [each for each in model.graph.node if each.op_type == op][-1]
    del node.input[:]
    onnx.save(model, path)
    made = str(tmp_path / 'made.onnx')
    changes, detail = module.write_rewritten(path, spec, targets.TENSORRT_8_2, made)
    assert changes != module.FOLDED
    assert 'folded: ' in detail
