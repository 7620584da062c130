# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Outputs whose bounds tell what they hold, networks in training mode, axes of classes."""

import os

import numpy as np
import pytest
from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file import inspection
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.weights.resolve import resolve_model
from support.output_networks import GRID
from support.output_networks import picture
from support.output_networks import write_network

LABELS = ('INT64', [1, GRID, GRID])
ONE, ZERO = np.float32(1), np.float32(0)
HAND_SIGMOID = [('Neg', 'l', 'a'), ('Exp', 'a', 'e'), ('Add', 'e one', 'd')]


def network(folder, channels, steps, constants=(), output=None, opset=17):
    """Write a network whose logits ``l`` go through some steps, the last giving ``logits``."""
    onnx = pytest.importorskip('onnx')
    path = write_network(folder, channels, (), output, opset=opset, classes=max(channels, 2))
    model = onnx.load(path)
    model.graph.node[-1].output[0] = 'l'
    for step in steps:
        op, inputs, outputs = step[:3]
        model.graph.node.append(onnx.helper.make_node(
            op, inputs.split(' ') if inputs else [], outputs.split(' '),
            **(step[3] if len(step) > 3 else {})))
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(value), key)
                                   for key, value in dict(constants).items())
    onnx.save(model, path)
    return path


def bounds_and_values(path):
    """Return the bounds that the graph tells, and what onnxruntime computes."""
    runtime = pytest.importorskip('onnxruntime')
    session = runtime.InferenceSession(path, providers=['CPUExecutionProvider'])
    values = [session.run(None, {'pixel_values': np.moveaxis(
        picture(seed).astype(np.float32) / 255.0, 2, 0)[None]})[0] for seed in range(3)]
    return read_onnx_header(path).ranges.get('logits'), np.stack(values)


def drafted(path, **known):
    return inspection.draft_spec(read_onnx_header(path), 'net', inspection.Knowledge(**known)).spec


@pytest.mark.parametrize('steps, constants', [
    (HAND_SIGMOID + [('Reciprocal', 'd', 'logits')], {'one': ONE}),
    (HAND_SIGMOID + [('Div', 'one d', 'logits')], {'one': ONE}),
    ([('HardSigmoid', 'l', 'logits')], {}),
    ([('Mul', 'l h', 'a'), ('Tanh', 'a', 't'), ('Mul', 't h', 'u'), ('Add', 'u h', 'logits')],
     {'h': np.float32(0.5)})])
def test_one_channel_that_is_squashed_by_hand_is_a_probability(tmp_path, steps, constants):
    path = network(tmp_path, 1, steps, constants)
    bounds, values = bounds_and_values(path)
    assert (bounds.low, bounds.high) == (0, 1)
    assert 0 <= values.min() < 0.4 and 0.6 < values.max() <= 1
    assert drafted(path).output_kind == 'binary_probabilities'


@pytest.mark.parametrize('steps, constants, bound', [
    ([('Clip', 'l z one', 'logits')], {'z': ZERO, 'one': ONE}, (0, 1)),
    ([('Clip', 'l z', 'logits')], {'z': ZERO}, (0, np.inf)),
    ([('Greater', 'l z', 'g'), ('Where', 'g one z', 'logits')], {'z': ZERO, 'one': ONE}, (0, 1)),
    ([('Greater', 'l z', 'g'), ('Where', 'g v z', 'logits')],
     {'z': ZERO, 'v': np.float32(255)}, (0, 255)),
    ([('Max', 'l z', 'logits')], {'z': ZERO}, (0, np.inf)),
    ([('Relu', 'l', 'r'), ('Neg', 'r', 'logits')], {}, (-np.inf, 0)),
    ([('Mul', 'l l', 'm'), ('Abs', 'm', 'a'), ('Pow', 'a h', 'logits')],
     {'h': np.float32(0.5)}, (0, np.inf))])
def test_one_channel_on_one_side_of_zero_is_refused(tmp_path, steps, constants, bound):
    path = network(tmp_path, 1, steps, constants)
    bounds, values = bounds_and_values(path)
    assert (bounds.low, bounds.high) == bound
    assert bound[0] <= values.min() and values.max() <= bound[1]
    for use in (drafted, resolve_model):
        with pytest.raises(ModelError, match='is never (below|above) 0') as caught:
            use(path)
        assert 'Export the network with its logits' in caught.value.remedy


HAND_SOFTMAX = [('ReduceMax', 'l', 'm', {'axes': [1]}), ('Sub', 'l m', 'd'), ('Exp', 'd', 'e'),
                ('ReduceSum', 'e ax', 'q'), ('Div', 'e q', 'logits')]
TWO = [('Softmax', 'l', 's', {'axis': 1}), ('Softmax', 'l', 't', {'axis': 1})]


@pytest.mark.parametrize('steps, constants', [
    (HAND_SOFTMAX, {'ax': np.array([1])}),
    (TWO + [('Mean', 's t', 'logits')], {}),
    (TWO + [('Add', 's t', 'a'), ('Mul', 'a h', 'logits')], {'h': np.float32(0.5)})])
def test_probabilities_that_no_last_softmax_makes_are_probabilities(tmp_path, steps, constants):
    path = network(tmp_path, 5, steps, constants)
    bounds, values = bounds_and_values(path)
    assert bounds.is_unit and values.sum(axis=2).round(4).min() == 1
    assert drafted(path).output_kind == 'probabilities'
    assert resolve_model(path).spec.output_kind == 'probabilities'


def test_a_probability_and_the_rest_beside_it_are_probabilities(tmp_path):
    path = network(tmp_path, 1, [('Sigmoid', 'l', 's'), ('Sub', 'one s', 'r'),
                                 ('Concat', 's r', 'logits', {'axis': 1})], {'one': ONE},
                   ('FLOAT', [1, 2, GRID, GRID]))
    assert drafted(path).output_kind == 'probabilities'


@pytest.mark.parametrize('steps, constants', [
    ([TWO[0], ('Neg', 's', 'logits')], {}),
    ([TWO[0], ('Pow', 's two', 'p'), ('Add', 'p two', 'logits')], {'two': np.float32(2)})])
def test_what_no_softmax_alone_gives_is_refused(tmp_path, steps, constants):
    path = network(tmp_path, 5, steps, constants)
    for use in (drafted, resolve_model):
        with pytest.raises(ModelError, match='Softmax'):
            use(path)


@pytest.mark.parametrize('steps, constants', [
    ([('Tanh', 'l', 't'), ('Mul', 't c', 'logits')], {'c': np.float32(30)}),
    ([('Sigmoid', 'l', 's'), ('Mul', 'l s', 'logits')], {}),
    ([('Clip', 'l lo hi', 'logits')], {'lo': np.float32(-50), 'hi': np.float32(50)}),
    ([('Log', 'e', 'logits')], {'e': np.full((1, 5, GRID, GRID), 2, np.float32)})])
@pytest.mark.parametrize('channels', [1, 5])
def test_logits_with_bounds_stay_logits(tmp_path, channels, steps, constants):
    path = network(tmp_path, channels, steps, constants)
    assert drafted(path).output_kind == ('logits' if channels == 5 else 'binary_logits')


@pytest.mark.parametrize('steps, value, is_training', [
    ([('Identity', 'flag', 'f')], np.array(True), True),
    ([('Cast', 'flag', 'f', {'to': 9})], np.array(1), True),
    ([('Cast', 'flag', 'f', {'to': 9})], np.float32(1), True),
    ([('Not', 'flag', 'f')], np.array(False), True),
    ([('Squeeze', 'flag', 'f')], np.array([True]), True),
    ([('Identity', 'flag', 'g'), ('Not', 'g', 'f')], np.array(True), False),
    ([('Cast', 'flag', 'f', {'to': 9})], np.array(0), False)])
def test_dropout_is_switched_on_through_other_steps_too(tmp_path, steps, value, is_training):
    path = network(tmp_path, 5, steps + [('Dropout', 'l ratio f', 'logits')],
                   {'flag': value, 'ratio': np.float32(0.5)})
    if is_training:
        for use in (drafted, resolve_model):
            with pytest.raises(ModelError, match='Dropout in training mode'):
                use(path)
    else:
        assert drafted(path).num_classes == 5


@pytest.mark.parametrize('outputs, is_training', [
    ('logits', False), ('logits m v sm sv', True), ('logits    ', False)])
def test_batch_normalization_of_old_opsets_trains_where_it_has_more_outputs(
        tmp_path, outputs, is_training):
    path = network(tmp_path, 5, [('BatchNormalization', 'l s b m0 v0', outputs)], {
        key: np.ones(5, np.float32) for key in ('s', 'b', 'm0', 'v0')}, opset=12)
    if is_training:
        with pytest.raises(ModelError, match='BatchNormalization in training mode'):
            drafted(path)
    else:
        assert drafted(path).num_classes == 5


CHANNELS_LAST, BACK = {'perm': [0, 2, 3, 1]}, {'perm': [0, 3, 1, 2]}


@pytest.mark.parametrize('axis, kind', [(-1, 'probabilities'), (3, 'probabilities'), (1, ''),
                                        (2, '')])
def test_the_axis_of_the_classes_is_followed_through_transposes(tmp_path, axis, kind):
    path = network(tmp_path, 5, [
        ('Transpose', 'l', 'a', CHANNELS_LAST), ('Softmax', 'a', 's', {'axis': axis}),
        ('Transpose', 's', 'logits', BACK)])
    if kind:
        assert drafted(path).output_kind == kind
    else:
        with pytest.raises(ModelError, match=f'Softmax over axis {axis}.*over axis 3'):
            drafted(path)


@pytest.mark.parametrize('transpose, axis, is_right', [
    (False, 1, True), (False, -3, True), (False, 2, False), (True, 3, True), (True, -1, True),
    (True, 1, False)])
def test_an_argmax_must_be_over_the_classes(tmp_path, transpose, axis, is_right):
    # As many classes as rows, so that the shape does not tell.
    steps = [('Transpose', 'l', 'a', CHANNELS_LAST)] if transpose else [('Identity', 'l', 'a')]
    path = network(tmp_path, GRID, steps + [
        ('ArgMax', 'a', 'logits', {'axis': axis, 'keepdims': 0})], output=LABELS)
    if is_right:
        assert drafted(path).output_kind == 'labels'
    else:
        with pytest.raises(ModelError, match='ArgMax over axis .* that of the classes'):
            drafted(path)


def test_an_argmin_is_refused(tmp_path):
    path = network(tmp_path, 5, [('ArgMin', 'l', 'logits', {'axis': 1, 'keepdims': 0})],
                   output=LABELS)
    with pytest.raises(ModelError, match='least likely'):
        drafted(path, num_classes=5)


@pytest.mark.parametrize('op, number, highest', [('Add', 1, 5), ('Mul', 40, 160)])
def test_labels_above_the_class_table_are_refused(tmp_path, op, number, highest):
    path = network(tmp_path, 5, [
        ('ArgMax', 'l', 'a', {'axis': 1, 'keepdims': 0}), (op, 'a n', 'logits')],
        {'n': np.array(number)}, output=LABELS)
    bounds, values = bounds_and_values(path)
    assert values.max() <= bounds.high == highest
    with open(os.path.splitext(path)[0] + '.yaml', 'a', encoding='utf-8') as stream:
        stream.write('output_kind: labels\noutput_layout: nhw\n')
    for use in (lambda: drafted(path, num_classes=5), lambda: resolve_model(path)):
        with pytest.raises(ModelError, match=f'labels up to {highest}'):
            use()
    assert drafted(path, num_classes=highest + 1).num_classes == highest + 1


MINUS, K, CLASS_AXIS = np.float32(-1), np.array([1]), {'axis': 1}
LOG_SOFTMAX = ('LogSoftmax', 'l', 'p', CLASS_AXIS)


@pytest.mark.parametrize('steps', [
    [LOG_SOFTMAX, ('Neg', 'p', 'logits')], [LOG_SOFTMAX, ('Mul', 'p minus', 'logits')],
    [LOG_SOFTMAX, ('Div', 'p minus', 'logits')], [LOG_SOFTMAX, ('Sub', 'minus p', 'logits')],
    [('Softmax', 'l', 's', CLASS_AXIS), ('Log', 's', 'p'), ('Neg', 'p', 'n'),
     ('Relu', 'n', 'logits')]])
def test_negated_likelihoods_are_largest_for_the_least_likely_class(tmp_path, steps):
    path = network(tmp_path, 5, steps, {'minus': MINUS})
    bounds, values = bounds_and_values(path)
    assert bounds.low <= values.min() and values.max() <= bounds.high
    with pytest.raises(ModelError, match='largest for the least likely class'):
        drafted(path)


@pytest.mark.parametrize('steps', [
    [LOG_SOFTMAX, ('Identity', 'p', 'logits')], [LOG_SOFTMAX, ('Div', 'p two', 'logits')],
    [LOG_SOFTMAX, ('Neg', 'p', 'n'), ('Neg', 'n', 'logits')],
    [LOG_SOFTMAX, ('Neg', 'p', 'n'), ('Mul', 'n minus', 'logits')],
    [('Softmax', 'l', 's', CLASS_AXIS), ('Log', 's', 'logits')],
    [('Exp', 'l', 'e'), ('Add', 'e one', 'a'), ('Log', 'a', 'logits')],
    [('Neg', 'l', 'n'), ('Sub', 'l n', 'logits')], [('Neg', 'l', 'logits')]])
def test_likelihoods_that_are_not_negated_or_twice_are_logits(tmp_path, steps):
    path = network(tmp_path, 5, steps, {'minus': MINUS, 'one': ONE, 'two': np.float32(2)})
    bounds, values = bounds_and_values(path)
    assert bounds is None or (bounds.low <= values.min() and values.max() <= bounds.high)
    assert drafted(path).output_kind == 'logits'


def assert_least_likely(path, is_refused):
    """Assert that labels are refused as those of the least likely classes, or else taken."""
    if is_refused:
        with pytest.raises(ModelError, match='least likely classes'):
            drafted(path, num_classes=5)
    else:
        assert drafted(path, num_classes=5).output_kind == 'labels'


FLAT = ('ArgMax', 'n', 'logits', {'axis': 1, 'keepdims': 0})


@pytest.mark.parametrize('steps, is_refused', [
    ([('Neg', 'l', 'n'), FLAT], True), ([('Mul', 'l minus', 'n'), FLAT], True),
    ([LOG_SOFTMAX, ('Neg', 'p', 'n'), FLAT], True), ([('Sub', 'one l', 'n'), FLAT], True),
    ([('Neg', 'l', 'm'), ('Neg', 'm', 'n'), FLAT], False), ([('Sub', 'l one', 'n'), FLAT], False),
    ([('Identity', 'l', 'n'), FLAT], False),
    ([('Neg', 'l', 'm'), ('Add', 'l m', 'n'), FLAT], False),
    # The nearest class is the likeliest.
    ([('Abs', 'l', 'd'), ('Neg', 'd', 'n'), FLAT], False),
    ([('Pow', 'l two', 'd'), ('Neg', 'd', 'n'), FLAT], False)])
def test_argmax_of_negated_scores_is_refused_unless_they_are_distances(
        tmp_path, steps, is_refused):
    path = network(tmp_path, 5, steps, {'minus': MINUS, 'one': ONE, 'two': np.float32(2)}, LABELS)
    assert_least_likely(path, is_refused)


@pytest.mark.parametrize('attributes, is_refused', [
    ({'largest': 0}, True), ({'largest': 1}, False), ({}, False)])
def test_topk_of_the_smallest_is_refused_as_argmin_is(tmp_path, attributes, is_refused):
    path = network(tmp_path, 5, [('TopK', 'l k', 'v logits', dict(CLASS_AXIS, **attributes))],
                   {'k': K}, ('INT64', [1, 1, GRID, GRID]))
    assert_least_likely(path, is_refused)


@pytest.mark.parametrize('op, added, is_refused', [
    ('Sub', 1, True), ('Add', 1, True), ('Add', 0, False), ('Sub', 0, False)])
def test_labels_below_0_are_refused_as_those_above_the_table(tmp_path, op, added, is_refused):
    path = network(tmp_path, 5, [
        ('ArgMax', 'l', 'a', {'axis': 1, 'keepdims': 0}), (op, 'a by', 'b'),
        ('Cast', 'b', 'logits', {'to': 2})], {'by': np.array(added)}, ('UINT8', LABELS[1]))
    if is_refused:
        with pytest.raises(ModelError, match='not in the class table') as caught:
            drafted(path, num_classes=5)
        assert caught.value.got == ('labels from -1 to 3' if op == 'Sub' else 'labels up to 5')
    else:
        assert drafted(path, num_classes=5).output_kind == 'labels'
