# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What an ONNX file's last steps say of its output, and networks that are refused by name."""

import numpy as np
import pytest
from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file import graph_checks
from segformer_ros.model.onnx_file import inspection
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.spec import TensorSpec
from segformer_ros.model.weights.resolve import resolve_model
from support.output_networks import GRID
from support.output_networks import write_network

SCORES = ('FLOAT', [1, 5, GRID, GRID])
ONE = ('FLOAT', [1, 1, GRID, GRID])
LABELS = ('INT64', [1, GRID, GRID])
SOFTMAX = ('Softmax', {'axis': 1})
ARGMAX = ('ArgMax', {'axis': 1, 'keepdims': 0})


def drafted(path, **known):
    return inspection.draft_spec(read_onnx_header(path), 'net', inspection.Knowledge(**known)).spec


@pytest.mark.parametrize('channels, tail, output, kind', [
    (5, [], SCORES, 'logits'), (5, [SOFTMAX], SCORES, 'probabilities'),
    (5, [('LogSoftmax', {'axis': 1})], SCORES, 'logits'),
    (5, [('Softmax', {'axis': -3}), ('Identity', {})], SCORES, 'probabilities'),
    (5, [SOFTMAX, ('Cast', {'to': 1})], SCORES, 'probabilities'),
    (5, [('Sigmoid', {})], SCORES, 'probabilities'),
    (5, [('Relu', {})], SCORES, 'logits'),
    (1, [], ONE, 'binary_logits'), (1, [('Sigmoid', {})], ONE, 'binary_probabilities'),
    (5, [ARGMAX], LABELS, 'labels'), (5, [ARGMAX, ('Cast', {'to': 6})], ('INT32', LABELS[1]),
                                      'labels'),
    (5, [ARGMAX, ('Cast', {'to': 2})], ('UINT8', LABELS[1]), 'labels')])
def test_the_kind_of_an_output_is_seen_in_the_graph(tmp_path, channels, tail, output, kind):
    spec = drafted(write_network(tmp_path, channels, tail, output))
    assert spec.output_kind == kind
    assert spec.num_classes == max(channels, 2)
    assert spec.output_size_wh == (GRID, GRID)
    assert spec.output_layout == ('nhw' if kind == 'labels' else 'nchw')


@pytest.mark.parametrize('channels, tail, output, message', [
    (5, [('Softmax', {'axis': 2})], SCORES, 'Softmax over axis 2'),
    (1, [SOFTMAX], ONE, 'always the same'),
    (1, [('Relu', {})], ONE, 'never below 0.*Relu.*depth'),
    (1, [('Exp', {}), ('Identity', {})], ONE, 'never below 0.*Exp'),
    (5, [('ArgMax', {'axis': 1}), ('Cast', {'to': 1})], ONE, 'labels as float32')])
def test_an_output_of_which_nothing_can_be_made_is_refused(
        tmp_path, channels, tail, output, message):
    with pytest.raises(ModelError, match=message) as caught:
        drafted(write_network(tmp_path, channels, tail, output))
    assert 'Export the network with its logits' in caught.value.remedy


def test_softmax_over_an_axis_and_all_after_it_is_refused(tmp_path):
    with pytest.raises(ModelError, match='axis 1 and all after it'):
        drafted(write_network(tmp_path, 5, [SOFTMAX], opset=11))


@pytest.mark.parametrize('opset, attributes, message', [
    (11, {'axis': 3}, ''), (11, {'axis': -1}, ''), (13, {'axis': 3}, ''), (13, {}, ''),
    (11, {}, 'axis 1 and all after it'), (13, {'axis': 1}, 'Softmax over axis 1')])
def test_softmax_over_channels_that_come_last_is_one_by_class_in_every_opset(
        tmp_path, opset, attributes, message):
    path = write_network(
        tmp_path, 5, [('Transpose', {'perm': [0, 2, 3, 1]}), ('Softmax', attributes)],
        ('FLOAT', [1, GRID, GRID, 5]), opset=opset)
    if message:
        with pytest.raises(ModelError, match=message):
            drafted(path)
    else:
        spec = drafted(path)
        assert (spec.output_kind, spec.output_layout) == ('probabilities', 'nhwc')


@pytest.mark.parametrize('name', [
    'depth', 'predicted_depth', 'masks_queries_logits', 'proto', 'disp', 'flow', 'normals',
    'heatmaps', 'pred_boxes'])
def test_outputs_of_other_tasks_are_refused_by_name(tmp_path, name):
    header = read_onnx_header(write_network(tmp_path, 1))
    with pytest.raises(ModelError, match=f"Output '{name}' does not hold classes"):
        graph_checks.refuse_foreign(header, TensorSpec(name, 'float32', (1, 1, GRID, GRID)))


@pytest.mark.parametrize('name', [
    'depthwise_out', 'queryable_logits', 'prototype_classifier_logits', 'display', 'overflow'])
def test_names_are_matched_by_whole_words(tmp_path, name):
    header = read_onnx_header(write_network(tmp_path, 1))
    graph_checks.refuse_foreign(header, TensorSpec(name, 'float32', (1, 5, GRID, GRID)))


def test_an_output_that_the_user_names_is_not_refused_by_its_name(tmp_path):
    header = read_onnx_header(write_network(tmp_path, 1))
    graph_checks.refuse_foreign(header, TensorSpec('depth', 'float32', (1, 5, GRID, GRID)),
                                is_named=True)


@pytest.mark.parametrize('masks, beside', [
    ((1, 100, GRID, GRID), (1, 100, 251)), ((1, 16, GRID, GRID), (1, 100, 400)),
    ((1, 32, GRID, GRID), (1, 116, 400))])
def test_masks_of_queries_and_prototypes_are_known_by_their_companion(tmp_path, masks, beside):
    header = read_onnx_header(write_network(tmp_path, 5))
    output = TensorSpec('a', 'float32', masks)
    header = header._replace(outputs=(output, TensorSpec('b', 'float32', beside)))
    with pytest.raises(ModelError, match='does not hold classes'):
        graph_checks.refuse_foreign(header, output, is_named=True)


def test_labels_are_taken_beside_their_score(tmp_path):
    header = read_onnx_header(write_network(tmp_path, 5, [ARGMAX], LABELS))
    header = header._replace(outputs=(TensorSpec('score', 'float32', (1, 1, GRID, GRID)),)
                             + header.outputs)
    draft = inspection.draft_spec(header, 'net', inspection.Knowledge(num_classes=5))
    assert (draft.spec.output_kind, draft.spec.output_name) == ('labels', 'logits')
    assert any('without their score' in text for text in draft.assumptions)


def with_nodes(path, make):
    """Put nodes and constants before the first step of a file."""
    onnx = pytest.importorskip('onnx')
    model = onnx.load(path)
    nodes, constants = make(onnx)
    model.graph.node[0].input[0] = 'changed'
    kept = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes + kept)
    model.graph.initializer.extend(constants)
    onnx.save(model, path)


def noise(op, **attributes):
    def make(onnx):
        return [onnx.helper.make_node(op, ['pixel_values'], ['noise'], **attributes),
                onnx.helper.make_node('Add', ['pixel_values', 'noise'], ['changed'])], []
    return make


def dropout(training, as_node=False):
    def make(onnx):
        value = onnx.numpy_helper.from_array(np.array(training), 'training')
        ratio = onnx.numpy_helper.from_array(np.array(0.1, np.float32), 'ratio')
        step = onnx.helper.make_node('Dropout', ['pixel_values', 'ratio', 'training'], ['changed'])
        if as_node:
            constant = onnx.helper.make_node('Constant', [], ['training'], value=value)
            return [constant, step], [ratio]
        return [step], [ratio, value]
    return make


@pytest.mark.parametrize('make, name', [
    (noise('RandomNormalLike'), 'RandomNormalLike'), (noise('RandomUniformLike'),
                                                      'RandomUniformLike'),
    (dropout(True), 'Dropout in training mode'),
    (dropout(True, as_node=True), 'Dropout in training mode')])
def test_a_network_exported_in_training_mode_is_refused_by_name(tmp_path, make, name):
    path = write_network(tmp_path, 5)
    with_nodes(path, make)
    for use in (drafted, resolve_model):
        with pytest.raises(ModelError, match=f'another result at every run: got {name}') as caught:
            use(path)
        assert 'model.eval()' in caught.value.remedy


@pytest.mark.parametrize('as_node', [False, True])
def test_dropout_that_is_switched_off_is_no_matter(tmp_path, as_node):
    path = write_network(tmp_path, 5)
    with_nodes(path, dropout(False, as_node))
    assert drafted(path).num_classes == 5
    assert resolve_model(path).spec.num_classes == 5


def as_function(path, ops, axis_of_call=None):
    """Move the nodes of some operators into a function of the file's own."""
    onnx = pytest.importorskip('onnx')
    helper = onnx.helper
    if not hasattr(helper, 'make_function'):
        pytest.skip('this onnx has no functions')
    model = onnx.load(path)
    inner = [node for node in model.graph.node if node.op_type in ops]
    made = {name for node in inner for name in node.output}
    inputs = [name for node in inner for name in node.input if name not in made]
    outputs = [inner[-1].output[0]]
    attributes = {}
    if axis_of_call is not None:
        axis = next(each for each in inner[-1].attribute if each.name == 'axis')
        axis.Clear()
        axis.name, axis.type, axis.ref_attr_name = 'axis', onnx.AttributeProto.INT, 'over'
        attributes['over'] = axis_of_call
    opsets = list(model.opset_import)
    model.functions.append(helper.make_function(
        'own', 'Step', [f'in{index}' for index in range(len(inputs))], ['out'], [
            renamed(node, dict(zip(inputs, (f'in{index}' for index in range(len(inputs)))),
                               **{outputs[0]: 'out'})) for node in inner],
        opsets, list(attributes)))
    kept = [node for node in model.graph.node if node.op_type not in ops]
    call = helper.make_node('Step', inputs, outputs, domain='own', **attributes)
    place = next((index for index, node in enumerate(kept)
                  if set(outputs) & set(node.input)), len(kept))
    del model.graph.node[:]
    model.graph.node.extend(kept[:place] + [call] + kept[place:])
    model.opset_import.append(helper.make_opsetid('own', 1))
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def renamed(node, names):
    for group in (node.input, node.output):
        group[:] = [names.get(name, name) for name in group]
    return node


@pytest.mark.parametrize('axis', [None, 1])
def test_the_end_of_a_network_is_seen_in_a_function_of_the_file(tmp_path, axis):
    path = as_function(write_network(tmp_path, 5, [SOFTMAX, ('Identity', {})], SCORES),
                       ('Softmax', 'Identity') if axis is None else ('Softmax',), axis)
    header = read_onnx_header(path)
    assert header.ops['own::Step'] == header.ops['Softmax'] == 1
    assert drafted(path).output_kind == 'probabilities'
    assert resolve_model(path).spec.output_kind == 'probabilities'


def test_the_axis_of_a_softmax_in_a_function_is_that_of_its_call(tmp_path):
    path = as_function(write_network(tmp_path, 5, [SOFTMAX], SCORES), ('Softmax',), 2)
    with pytest.raises(ModelError, match='Softmax over axis 2'):
        drafted(path)


def test_a_function_that_passes_its_input_on_hides_nothing(tmp_path):
    onnx = pytest.importorskip('onnx')
    path = as_function(write_network(
        tmp_path, 5, [SOFTMAX, ('Identity', {})], SCORES), ('Identity',))
    model = onnx.load(path)
    del model.functions[0].node[:]
    model.functions[0].output[0] = model.functions[0].input[0]
    onnx.save(model, path)
    assert drafted(path).output_kind == 'probabilities'


def test_names_in_a_function_are_its_own(tmp_path):
    onnx = pytest.importorskip('onnx')
    path = as_function(write_network(
        tmp_path, 5, [SOFTMAX, ('Identity', {})], SCORES), ('Identity',))
    model = onnx.load(path)
    function, call = model.functions[0], next(
        node for node in model.graph.node if node.op_type == 'Step')
    # A tensor in the function has the name of the one that the call is given.
    function.node[0].output[0] = call.input[0]
    function.node.append(onnx.helper.make_node('Identity', [call.input[0]], ['out']))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    assert drafted(path).output_kind == 'probabilities'


def test_functions_that_call_each_other_end(tmp_path):
    onnx = pytest.importorskip('onnx')
    path = as_function(write_network(tmp_path, 5, [SOFTMAX], SCORES), ('Softmax',))
    model = onnx.load(path)
    node = model.functions[0].node[0]
    node.op_type, node.domain = 'Step', 'own'
    onnx.save(model, path)
    assert drafted(path).output_kind == 'logits'


def test_random_operators_in_a_function_are_refused_by_name(tmp_path):
    path = write_network(tmp_path, 5)
    with_nodes(path, noise('RandomNormalLike'))
    as_function(path, ('RandomNormalLike', 'Add'))
    with pytest.raises(ModelError, match='another result at every run: got RandomNormalLike'):
        drafted(path)


@pytest.mark.parametrize('output', [('UINT8', ONE[1]), ('INT64', ONE[1])])
def test_labels_of_a_comparison_are_two_and_the_second_is_the_class(tmp_path, output):
    path = write_network(tmp_path, 1, [('Sigmoid', {}), ('Round', {}), (
        'Cast', {'to': 2 if output[0] == 'UINT8' else 7})], output)
    draft = inspection.draft_spec(read_onnx_header(path), 'net', inspection.Knowledge())
    assert (draft.spec.output_kind, draft.spec.num_classes) == ('labels', 2)
    assert 'classes: label 1, where Round gives 1, is the second class; the first is the rest' \
        in draft.assumptions
    for count in (1, 3):
        with pytest.raises(ModelError, match=f'got {count} classes'):
            drafted(path, num_classes=count)


@pytest.mark.parametrize('channels, tail, change, output, words', [
    (1, [('Sigmoid', {})], ('Sub', 1.0, True), ONE, 'Sub after Sigmoid'),
    (5, [SOFTMAX], ('Mul', 255.0, False), SCORES, 'Mul after Softmax'),
    (1, [('Sigmoid', {}), ('Round', {})], ('Mul', 255.0, False), ('UINT8', ONE[1]),
     'Mul after Round')])
@pytest.mark.parametrize('as_node', [False, True])
def test_what_is_calculated_with_probabilities_is_refused(
        tmp_path, channels, tail, change, output, words, as_node):
    path = write_network(tmp_path, channels, tail + [('Identity', {}), ('Cast', {
        'to': 2 if output[0] == 'UINT8' else 1})], output, classes=max(channels, 2))
    with_constant(path, change, as_node)
    with pytest.raises(ModelError, match=words) as caught:
        drafted(path)
    assert 'Export the network with its logits' in caught.value.remedy
    with pytest.raises(ModelError, match=words):
        resolve_model(path)


@pytest.mark.parametrize('channels, tail, change, output, kind', [
    (5, [], ('Mul', 0.5, False), SCORES, 'logits'), (1, [], ('Add', 0.5, False), ONE,
                                                     'binary_logits'),
    (1, [('Relu', {})], ('Sub', 3.0, False), ONE, 'binary_logits'),
    (5, [('LogSoftmax', {'axis': 1})], ('Div', 2.0, False), SCORES, 'logits')])
def test_what_is_calculated_with_logits_is_a_logit(tmp_path, channels, tail, change, output, kind):
    path = write_network(tmp_path, channels, tail + [('Identity', {})], output)
    with_constant(path, change, False)
    assert drafted(path).output_kind == kind


def with_constant(path, change, as_node):
    """Put arithmetic with a constant in place of the Identity of a network."""
    onnx = pytest.importorskip('onnx')
    op, number, is_first = change
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == 'Identity')
    node.op_type = op
    node.input.insert(0 if is_first else 1, 'number')
    value = onnx.numpy_helper.from_array(np.array(number, np.float32), 'number')
    if as_node:
        model.graph.node.insert(0, onnx.helper.make_node('Constant', [], ['number'], value=value))
    else:
        model.graph.initializer.append(value)
    onnx.checker.check_model(model)
    onnx.save(model, path)
