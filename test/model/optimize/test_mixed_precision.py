# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A mixed-precision file computes like the float32 one, with 32 bits where they are needed."""

import collections

import numpy as np
import pytest

from segformer_ros.common.errors import ModelError
from segformer_ros.model.optimize.mixed_precision import convert_to_mixed_precision

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')
segformer_onnx = pytest.importorskip('support.segformer_onnx')


def session(model):
    """Open a file or bytes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])


def logits(model, images):
    """Return the logits of some input tensors."""
    opened = session(model)
    return [opened.run(None, {'pixel_values': image})[0] for image in images]


@pytest.fixture(scope='module', params=[13, 17])
def path(request, tmp_path_factory):
    """Return a small SegFormer of either opset."""
    target = tmp_path_factory.mktemp('mixed') / f'tiny_{request.param}.onnx'
    return segformer_onnx.make_segformer(str(target), opset=request.param, **segformer_onnx.TINY)


@pytest.fixture(scope='module')
def images():
    """Return input tensors: coarse noise."""
    random = np.random.RandomState(1)
    return [np.kron(random.normal(0, 1, (1, 3, 8, 8)), np.ones((1, 1, 8, 8))).astype('f')
            for _ in range(4)]


def element_types(model):
    """Return the element type of each tensor, as shape inference finds it."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    infos = list(graph.value_info) + list(graph.input) + list(graph.output)
    types = {info.name: info.type.tensor_type.elem_type for info in infos}
    types.update({entry.name: entry.data_type for entry in graph.initializer})
    return types


def test_masks_agree_and_ends_keep_float32(path, images):
    mixed = convert_to_mixed_precision(path)
    before, after = logits(path, images), logits(mixed.onnx, images)
    assert all(values.dtype == np.float32 for values in after)
    same = [np.mean(one.argmax(1) == other.argmax(1)) for one, other in zip(before, after)]
    assert np.mean(same) >= 0.99
    # It is another arithmetic, not a copy.
    assert any((one != other).any() for one, other in zip(before, after))


def test_sensitive_operators_have_float32_inputs_and_others_float16(path):
    model = onnx.load_from_string(convert_to_mixed_precision(path).onnx)
    types = element_types(model)
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    seen = collections.defaultdict(collections.Counter)
    for node in model.graph.node:
        kinds = {types[name] for name in node.input if types.get(name) in (half, single)}
        assert len(kinds) <= 1, node.op_type
        seen[node.op_type].update(kinds)
    for op in ('Softmax', 'LayerNormalization', 'ReduceMean', 'Sqrt', 'Pow', 'Resize'):
        assert seen[op][half] == 0, op
    for op in ('MatMul', 'Conv', 'Erf'):
        assert seen[op][half] > 0, op
    classifier = next(node for node in model.graph.node if 'logits' in node.output)
    assert {types[name] for name in classifier.input} == {single}


def test_no_weight_is_kept_twice(path):
    model = onnx.load_from_string(convert_to_mixed_precision(path).onnx)
    read = {name for node in model.graph.node for name in node.input}
    assert {entry.name for entry in model.graph.initializer} <= read


def test_counts_are_those_of_the_file(path):
    mixed = convert_to_mixed_precision(path)
    assert mixed.nodes == len(onnx.load(path).graph.node)
    assert 0 < mixed.fp32_nodes < mixed.nodes
    types = [entry.data_type for entry in onnx.load_from_string(mixed.onnx).graph.initializer]
    assert onnx.TensorProto.FLOAT16 in types


def test_same_file_gives_the_same_bytes(path):
    assert convert_to_mixed_precision(path).onnx == convert_to_mixed_precision(path).onnx


def test_weight_beyond_float16_keeps_its_operator_in_float32(tmp_path, path, images):
    model = onnx.load(path)
    first = next(node for node in model.graph.node if node.op_type == 'Conv')
    for index, entry in enumerate(model.graph.initializer):
        if entry.name == first.input[2]:
            bias = onnx.numpy_helper.to_array(entry) + np.float32(1e5)
            model.graph.initializer[index].CopyFrom(
                onnx.numpy_helper.from_array(bias, entry.name))
    changed = str(tmp_path / 'large.onnx')
    onnx.save(model, changed)
    mixed = convert_to_mixed_precision(changed)
    assert mixed.fp32_nodes > convert_to_mixed_precision(path).fp32_nodes
    assert all(np.isfinite(values).all() for values in logits(mixed.onnx, images))


def test_file_that_is_no_model_is_an_error(tmp_path):
    path = tmp_path / 'x.onnx'
    path.write_bytes(b'not a model')
    with pytest.raises(ModelError, match=r'cannot be converted.*precision: fp32'):
        convert_to_mixed_precision(str(path))


def test_control_flow_is_refused(tmp_path):
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    branch = helper.make_graph([helper.make_node('Identity', ['x'], ['z'])], 'branch', [], [
        helper.make_tensor_value_info('z', floats, [1])])
    graph = helper.make_graph(
        [helper.make_node('If', ['c'], ['y'], then_branch=branch, else_branch=branch)], 'g',
        [helper.make_tensor_value_info('x', floats, [1]),
         helper.make_tensor_value_info('c', onnx.TensorProto.BOOL, [])],
        [helper.make_tensor_value_info('y', floats, [1])])
    path = str(tmp_path / 'if.onnx')
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)]), path)
    with pytest.raises(ModelError, match='control flow'):
        convert_to_mixed_precision(path)
