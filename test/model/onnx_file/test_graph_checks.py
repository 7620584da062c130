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
    (5, [('ArgMax', {'axis': 1}), ('Cast', {'to': 1})], ONE, 'labels as float32')])
def test_an_output_of_which_nothing_can_be_made_is_refused(
        tmp_path, channels, tail, output, message):
    with pytest.raises(ModelError, match=message) as caught:
        drafted(write_network(tmp_path, channels, tail, output))
    assert 'Export the network with its logits' in caught.value.remedy


def test_softmax_over_an_axis_and_all_after_it_is_refused(tmp_path):
    with pytest.raises(ModelError, match='axis 1 and all after it'):
        drafted(write_network(tmp_path, 5, [SOFTMAX], opset=11))


@pytest.mark.parametrize('name', ['depth', 'predicted_depth', 'masks_queries_logits', 'proto'])
def test_outputs_of_other_tasks_are_refused_by_name(tmp_path, name):
    header = read_onnx_header(write_network(tmp_path, 1))
    with pytest.raises(ModelError, match=f"Output '{name}' does not hold classes"):
        graph_checks.refuse_foreign(header, TensorSpec(name, 'float32', (1, 1, GRID, GRID)))


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
