# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Find a SegFormer in what exporters write."""

import numpy as np
import pytest

from segformer_ros.model.optimize import reader
from segformer_ros.model.optimize.reader import UnsupportedGraphError
from segformer_ros.model.optimize.segformer_parser import parse_segformer
from support.exported_segformer import export_segformer
from support.exported_segformer import STYLES
from support.exported_segformer import TINY

SIZE_WH = (96, 64)
onnx = pytest.importorskip('onnx')
numpy_helper = pytest.importorskip('onnx.numpy_helper')


def export(style='torchscript', architecture=TINY, **arguments):
    if STYLES[style].opset > onnx.defs.onnx_opset_version():
        pytest.skip(f'this onnx does not know opset {STYLES[style].opset}')
    return export_segformer(architecture, SIZE_WH, style, **arguments)


def initializers(model):
    return [numpy_helper.to_array(entry) for entry in model.graph.initializer]


@pytest.mark.parametrize('style', sorted(STYLES))
def test_structure_is_found_in_every_exporters_graph(style):
    network = parse_segformer(export(style), 'pixel_values', 'logits')
    assert tuple(len(stage.blocks) for stage in network.stages) == TINY.depths
    assert tuple(stage.norm.gain.size for stage in network.stages) == TINY.widths
    assert tuple(stage.blocks[0].attention.heads for stage in network.stages) == TINY.heads
    assert tuple(stage.blocks[0].attention.reduction.convolution.strides[0]
                 if stage.blocks[0].attention.reduction else 1
                 for stage in network.stages) == TINY.reductions
    assert network.num_classes == TINY.classes
    assert network.stage_sizes((64, 96)) == ((16, 24), (8, 12), (4, 6), (2, 3))
    assert network.describe() == \
        'blocks 1+2+1+1, widths 8+12+20+32, heads 1+2+5+4, 9 classes'


def test_parts_of_a_merged_layer_are_told_by_their_number():
    model = export('pairs')
    plain = parse_segformer(model, 'pixel_values', 'logits')
    numbers = [node for node in model.graph.node if node.op_type == 'Gather'
               and not node.output[0].startswith('shape')]
    constants = {node.output[0]: node for node in model.graph.node if node.op_type == 'Constant'}
    for node in numbers:
        value = numpy_helper.to_array(constants[node.input[1]].attribute[0].t)
        if any(each.name == 'axis' for each in node.attribute):
            constants[node.input[1]].attribute[0].t.CopyFrom(
                numpy_helper.from_array(np.int64(1 - value)))
    turned = parse_segformer(model, 'pixel_values', 'logits')
    one, other = (network.stages[0].blocks[0].attention for network in (plain, turned))
    np.testing.assert_array_equal(one.key.weight, other.value.weight)
    np.testing.assert_array_equal(one.value.bias, other.key.bias)
    assert not np.array_equal(one.key.weight, one.value.weight)


@pytest.mark.parametrize('written', ['attribute', 'nothing'])
def test_parts_of_a_merged_layer_are_known_however_their_sizes_are_written(written):
    model = export('simplified')
    plain = parse_segformer(model, 'pixel_values', 'logits')
    splits = [node for node in model.graph.node if node.op_type == 'Split']
    assert splits
    constants = {node.output[0]: node for node in model.graph.node if node.op_type == 'Constant'}
    for node in splits:
        sizes = numpy_helper.to_array(constants[node.input.pop()].attribute[0].t).tolist()
        assert len(set(sizes)) == 1
        if written == 'attribute':
            node.attribute.append(onnx.helper.make_attribute('split', sizes))
    found = parse_segformer(model, 'pixel_values', 'logits')
    for one, other in zip(arrays_of(plain), arrays_of(found)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('place', ['a third part', 'one that the image tells'])
def test_parts_of_a_merged_layer_that_are_not_all_there_are_refused(place):
    model = export('pairs')
    constants = {node.output[0]: node for node in model.graph.node if node.op_type == 'Constant'}
    value = next(node for node in model.graph.node if node.op_type == 'Gather' and any(
        each.name == 'axis' for each in node.attribute)
        and numpy_helper.to_array(constants[node.input[1]].attribute[0].t) == 1)
    if place == 'a third part':
        # The first and the third: there must be a second one that is not taken.
        constants[value.input[1]].attribute[0].t.CopyFrom(numpy_helper.from_array(np.int64(2)))
    else:
        value.input[1] = 'pixel_values'
    with pytest.raises(UnsupportedGraphError, match='projection'):
        parse_segformer(model, 'pixel_values', 'logits')


@pytest.mark.parametrize('change', [
    lambda helper, node: node.attribute.append(helper.make_attribute('is_causal', 1)),
    lambda helper, node: node.input.append('mask'),
    lambda helper, node: node.attribute.remove(node.attribute[0])])
def test_attention_of_another_kind_is_refused(change):
    model = export('whole attention')
    change(onnx.helper, next(node for node in model.graph.node if node.op_type == 'Attention'))
    with pytest.raises(UnsupportedGraphError, match='attention'):
        parse_segformer(model, 'pixel_values', 'logits')


@pytest.mark.parametrize('name', ['loop', 'self'])
def test_graph_with_a_loop_is_refused(name):
    model = export()
    relu = next(node for node in model.graph.node if node.op_type == 'Relu')
    relu.input[0] = relu.output[0] if name == 'self' else 'logits'
    with pytest.raises(UnsupportedGraphError, match='loop'):
        parse_segformer(model, 'pixel_values', 'logits')


def test_outputs_and_inputs_without_a_name_are_no_tensor():
    model = export()
    relu = next(node for node in model.graph.node if node.op_type == 'Relu')
    relu.output.append('')
    relu.input.append('')
    parse_segformer(model, 'pixel_values', 'logits')


@pytest.mark.parametrize('style', sorted(STYLES))
def test_every_weight_of_the_file_is_used_once(style):
    model = export(style)
    network = parse_segformer(model, 'pixel_values', 'logits')
    kept = sum(array.size for stage in network.stages for array in arrays_of(stage))
    kept += sum(array.size for array in arrays_of(network.head))
    # Scale, bias and mean of an explicit batch normalisation go into the layer before it.
    count = STYLES[style].batch_norm + len(TINY.widths) * STYLES[style].rectified
    folded = 3 * TINY.decoder * count
    assert kept == sum(array.size for array in initializers(model)) - folded


def arrays_of(record):
    if isinstance(record, np.ndarray):
        return [record]
    if not isinstance(record, tuple):
        return []
    return [array for field in record for array in arrays_of(field)]


def test_head_is_put_into_stage_order_whatever_the_concatenation_says():
    model = export()
    network = parse_segformer(model, 'pixel_values', 'logits')
    assert [layer.weight.shape for layer in network.head.projections] == [
        (width, TINY.decoder) for width in TINY.widths]
    fuse = next(array for array in initializers(model)
                if array.shape == (TINY.decoder, 4 * TINY.decoder, 1, 1))[:, :, 0, 0].T
    # The files concatenate the last stage first.
    expected = np.concatenate(np.split(fuse, 4)[::-1])
    ratios = network.head.fuse.weight / expected
    np.testing.assert_allclose(ratios, np.broadcast_to(ratios[0], ratios.shape), rtol=1e-5)


def test_names_do_not_matter():
    model = export()
    plain = parse_segformer(model, 'pixel_values', 'logits')
    new = {}
    for node in model.graph.node:
        node.name = ''
        for names in (node.input, node.output):
            names[:] = [new.setdefault(name, f'n{len(new)}') if name else '' for name in names]
    for entry in list(model.graph.initializer) + list(model.graph.input) + list(
            model.graph.output):
        entry.name = new[entry.name]
    found = parse_segformer(model, new['pixel_values'], new['logits'])
    for one, other in zip(arrays_of(plain), arrays_of(found)):
        np.testing.assert_array_equal(one, other)


def without_bias(model):
    """Return the fusing convolution, whose bias is taken away."""
    names = {output for node in model.graph.node if node.op_type == 'BatchNormalization'
             for output in node.input[:1]}
    conv, = (node for node in model.graph.node if names & set(node.output))
    del conv.input[2:]
    return conv


def with_computed_bias(model, shape):
    """Give the fusing convolution the bias of zeros that dynamo writes without optimizing."""
    helper = onnx.helper
    conv = without_bias(model)
    nodes = [helper.make_node('Constant', [], ['zero'], value_float=0.0),
             helper.make_node('CastLike', ['zero', conv.input[0]], ['cast']),
             helper.make_node('Shape', [conv.input[1]], ['channels'], start=0, end=1),
             helper.make_node('Constant', [], ['given'], value_ints=shape or [1]),
             helper.make_node('Expand', ['cast', 'given' if shape else 'channels'], ['bias'])]
    model.graph.node.extend(nodes)
    conv.input.append('bias')
    return model


def test_bias_that_the_graph_computes_is_known():
    model = export()
    without_bias(model)
    plain = parse_segformer(model, 'pixel_values', 'logits')
    found = parse_segformer(with_computed_bias(export(), []), 'pixel_values', 'logits')
    for one, other in zip(arrays_of(plain), arrays_of(found)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('shape', [[-1], [10 ** 18, 10 ** 18]])
def test_expansion_that_is_impossible_is_refused(shape):
    with pytest.raises(UnsupportedGraphError, match='fusing convolution'):
        parse_segformer(with_computed_bias(export(), shape), 'pixel_values', 'logits')


@pytest.mark.parametrize('spoil, where', [
    ('leaky', 'projection in the head'), ('some relu', 'ReLU after some projections'),
    ('tanh', 'GELU')])
def test_other_layers_are_refused_with_the_place(spoil, where):
    with pytest.raises(UnsupportedGraphError, match=where):
        parse_segformer(export(spoil=spoil), 'pixel_values', 'logits')


def test_scale_that_fits_no_number_of_heads_is_refused():
    model = export('dynamo' if onnx.defs.onnx_opset_version() >= 18 else 'simplified')
    for node in model.graph.node:
        if node.op_type == 'Constant' and node.attribute[0].t.data_type == 1:
            value = numpy_helper.to_array(node.attribute[0].t)
            if value.ndim == 0 and np.isclose(value, 8 ** -0.5):
                node.attribute[0].t.CopyFrom(numpy_helper.from_array(np.float32(0.4)))
    with pytest.raises(UnsupportedGraphError, match='fits no number of heads'):
        parse_segformer(model, 'pixel_values', 'logits')


def test_half_precision_weights_are_refused():
    model = export('simplified')
    for entry in model.graph.initializer:
        entry.CopyFrom(numpy_helper.from_array(
            numpy_helper.to_array(entry).astype(np.float16), entry.name))
    with pytest.raises(UnsupportedGraphError, match='FLOAT16'):
        parse_segformer(model, 'pixel_values', 'logits')


def test_nearest_upsampling_in_the_head_is_refused():
    model = export()
    for node in model.graph.node:
        if node.op_type == 'Resize':
            for entry in node.attribute:
                entry.s = b'nearest' if entry.name == 'mode' else entry.s
    with pytest.raises(UnsupportedGraphError, match='resizes with'):
        parse_segformer(model, 'pixel_values', 'logits')


@pytest.mark.parametrize('approximate', ['', 'none', 'tanh'])
def test_gelu_that_is_one_operation_is_known_where_it_is_the_exact_one(approximate):
    model = export('simplified')
    plain = parse_segformer(model, 'pixel_values', 'logits')
    made = {node.output[0]: node for node in model.graph.node}
    taken = {name: node for node in model.graph.node for name in node.input}
    gates = [node for node in model.graph.node if node.op_type == 'Erf']
    assert len(gates) == sum(TINY.depths)
    for gate in gates:
        # x / sqrt 2, erf, + 1, * x, / 2
        value, last = made[gate.input[0]].input[0], gate
        for _ in range(3):
            last = taken[last.output[0]]
        model.graph.node.append(onnx.helper.make_node(
            'Gelu', [value], last.output[:], **(
                {'approximate': approximate} if approximate else {})))
        model.graph.node.remove(last)
    if approximate == 'tanh':
        with pytest.raises(UnsupportedGraphError, match='GELU'):
            parse_segformer(model, 'pixel_values', 'logits')
        return
    found = parse_segformer(model, 'pixel_values', 'logits')
    for one, other in zip(arrays_of(plain), arrays_of(found)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('attribute, value', [('dilations', [2, 2]), ('auto_pad', 'SAME_UPPER')])
def test_convolution_with_holes_or_with_padding_by_the_runtime_is_refused(attribute, value):
    model = export()
    conv = next(node for node in model.graph.node if 'pixel_values' in node.input)
    for entry in [entry for entry in conv.attribute if entry.name == attribute]:
        conv.attribute.remove(entry)
    conv.attribute.append(onnx.helper.make_attribute(attribute, value))
    with pytest.raises(UnsupportedGraphError, match='patch embedding'):
        parse_segformer(model, 'pixel_values', 'logits')


@pytest.mark.parametrize('opset, sizes, as_input, axis', [
    (13, [2, 3], True, 1), (13, [4, 1], True, -1), (11, [2, 3], False, 1), (13, None, False, 1),
    (13, None, False, 0)])
def test_parts_of_one_tensor_of_weights_are_what_the_runtime_makes_of_it(
        opset, sizes, as_input, axis):
    onnxruntime = pytest.importorskip('onnxruntime')
    helper = onnx.helper
    if sizes is None and axis == 1 and onnx.defs.onnx_opset_version() < 18:
        pytest.skip('unequal parts without sizes came with opset 18')
    opset = 18 if sizes is None and axis == 1 else opset
    whole = np.arange(20, dtype=np.float32).reshape(4, 5)
    attributes = {'axis': axis}
    attributes.update({'num_outputs': 2} if opset == 18 else {})
    attributes.update({'split': sizes} if sizes and not as_input else {})
    weights = [numpy_helper.from_array(whole, 'whole')]
    if as_input:
        weights.append(numpy_helper.from_array(np.array(sizes, np.int64), 'sizes'))
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, None])
               for name in ('left', 'right')]
    model = helper.make_model(helper.make_graph([helper.make_node(
        'Split', ['whole', 'sizes'][:1 + as_input], ['left', 'right'], **attributes)],
        'g', [], outputs, weights), opset_imports=[helper.make_opsetid('', opset)], ir_version=7)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider'])
    found = reader.GraphReader(model)
    for name, expected in zip(('left', 'right'), session.run(['left', 'right'], {})):
        np.testing.assert_array_equal(found.constant(name), expected)


def test_split_that_is_impossible_is_no_constant():
    helper = onnx.helper
    weights = [numpy_helper.from_array(np.zeros((4, 5), np.float32), 'whole')]
    for attributes in ({'axis': 2}, {'axis': 1, 'split': [2, 2]}, {'axis': 0, 'split': [5, -1]},
                       {'axis': 0, 'split': [4]}):
        node = helper.make_node('Split', ['whole'], ['left', 'right'], **attributes)
        model = helper.make_model(helper.make_graph([node], 'g', [], [], weights))
        assert reader.GraphReader(model).constant('right') is None


def test_keys_and_values_whose_weights_are_split_in_the_graph_are_known():
    model = export('simplified')
    plain = parse_segformer(model, 'pixel_values', 'logits')
    gemm = next(node for node in model.graph.node if node.op_type == 'Gemm')
    entry = next(each for each in model.graph.initializer if each.name == gemm.input[1])
    values = numpy_helper.to_array(entry)
    entry.CopyFrom(numpy_helper.from_array(
        np.concatenate([values, np.zeros_like(values[:, :3])], 1), 'whole'))
    model.graph.node.insert(0, onnx.helper.make_node(
        'Split', ['whole'], [gemm.input[1], 'unused'], axis=1, split=[values.shape[1], 3]))
    found = parse_segformer(model, 'pixel_values', 'logits')
    for one, other in zip(arrays_of(plain), arrays_of(found)):
        np.testing.assert_array_equal(one, other)
