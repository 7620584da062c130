# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A SegFormer that goes on after its logits is still known as one, cut, folded and exact."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from segformer_ros.common.telemetry import import_onnxruntime
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.model.optimize import optimize
from segformer_ros.model.optimize import verify
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.segmenter import Segmenter
from support import oracles
from support.segformer_onnx import make_segformer
from support.segformer_onnx import TINY

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')
LINEAR = {'mode': 'linear', 'coordinate_transformation_mode': 'half_pixel'}
# Of float32 sums in another order; logits that are nearer to each other may change places.
TIE = 1e-3


def step(op, **attributes):
    return op, attributes


def write(folder, classes, steps, dtype='FLOAT', shape=None, size=64):
    """Write a small SegFormer with more steps after its logits; return its path."""
    path = make_segformer(str(folder / 'net.onnx'), **dict(TINY, classes=classes))
    return append(path, steps, dtype, shape or [1, classes, size, size], classes, size)


def append(path, steps, dtype, shape, classes, size):
    model = onnx.load(path)
    last = next(node for node in model.graph.node if 'logits' in node.output)
    last.output[0] = 'tail0'
    model.graph.initializer.append(onnx.numpy_helper.from_array(
        np.array([1, classes, size, size], np.int64), 'wanted'))
    for number, (op, attributes) in enumerate(steps):
        attributes = dict(attributes)
        inputs = [f'tail{number}'] + (['', '', 'wanted'] if op == 'Resize' else [])
        if op == 'Squeeze':
            model.graph.initializer.append(onnx.numpy_helper.from_array(
                np.array([1], np.int64), 'squeezed'))
            inputs.append('squeezed')
        model.graph.node.append(onnx.helper.make_node(
            op, inputs, ['logits' if number == len(steps) - 1 else f'tail{number + 1}'],
            **attributes))
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(
        'logits', getattr(onnx.TensorProto, dtype), shape))
    onnx.save(model, path)
    return path


def made_of(tmp_path, monkeypatch, path, spec):
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    return optimize.optimize(path, spec)


def uncut_output(path, spec, picture):
    """Return what the file itself gives for a picture of its own size."""
    options = import_onnxruntime().SessionOptions()
    options.log_severity_level = 3
    session = import_onnxruntime().InferenceSession(path, options,
                                                    providers=['CPUExecutionProvider'])
    tensor = ((picture / 255.0 - spec.mean) / spec.std).astype(np.float32).transpose(2, 0, 1)
    return session.run(None, {'pixel_values': tensor[np.newaxis]})[0]


def served(made, picture):
    with OnnxruntimeBackend(made.path) as backend:
        return Segmenter(made.spec, backend).segment(picture)


@pytest.mark.parametrize('classes, name, kind', [
    (7, 'Softmax', 'probabilities'), (7, 'LogSoftmax', 'logits'), (1, '', 'binary_logits'),
    (1, 'Sigmoid', 'binary_probabilities')])
def test_what_follows_the_logits_does_not_hide_the_segformer(
        tmp_path, monkeypatch, classes, name, kind):
    axis = {'axis': 1} if 'Softmax' in name else {}
    path = write(tmp_path, classes, [step(name, **axis)] if name else [step('Identity')],
                 shape=[1, classes, 16, 16])
    spec = ModelSpec('net', 'ade20k', max(classes, 2), input_size_wh=(64, 64),
                     output_size_wh=(16, 16), output_kind=kind)
    made = made_of(tmp_path, monkeypatch, path, spec)
    assert made.changes == optimize.FOLDED, made.detail
    assert made.spec.output_kind == 'logits'
    assert 'masks equal on 100' in made.detail or 'masks equal on 99.99' in made.detail


UPSAMPLED = {
    'upsampled logits': ([step('Resize', **LINEAR)], 'logits', {}, {}),
    'upsampled, log-softmax': (
        [step('Resize', **LINEAR), step('LogSoftmax', axis=1)], 'logits', {}, {}),
    'upsampled, softmax': (
        [step('Resize', **LINEAR), step('Softmax', axis=1)], 'probabilities', {}, {}),
    'upsampled, argmax': (
        [step('Resize', **LINEAR), step('ArgMax', axis=1, keepdims=0)], 'labels',
        {'dtype': 'INT64', 'shape': [1, 64, 64]}, {'output_layout': 'nhw'}),
    'upsampled, softmax, argmax as uint8': (
        [step('Resize', **LINEAR), step('Softmax', axis=1), step('ArgMax', axis=1),
         step('Squeeze'), step('Cast', to=2)], 'labels',
        {'dtype': 'UINT8', 'shape': [1, 64, 64]}, {'output_layout': 'nhw'}),
    'upsampled, argmax with a channel': (
        [step('Resize', **LINEAR), step('ArgMax', axis=1), step('Cast', to=6)], 'labels',
        {'dtype': 'INT32', 'shape': [1, 1, 64, 64]}, {})}


@pytest.mark.once
@pytest.mark.parametrize('case', UPSAMPLED)
def test_tail_is_cut_and_the_mask_is_that_of_the_uncut_network(tmp_path, monkeypatch, case):
    steps, kind, output, fields = UPSAMPLED[case]
    path = write(tmp_path, 7, steps, **output)
    spec = ModelSpec('net', 'ade20k', 7, input_size_wh=(64, 64), output_size_wh=(64, 64),
                     output_kind=kind, **fields)
    made = made_of(tmp_path, monkeypatch, path, spec)
    assert made.changes == optimize.FOLDED, made.detail
    assert made.spec.output_kind == 'logits' and made.spec.output_size_wh == (16, 16)
    assert made.spec.has_confidence
    for name in ('plain', 'small'):
        (tmp_path / name).mkdir()
    plain = write(tmp_path / 'plain', 7, [step('Resize', **LINEAR)])
    small = write(tmp_path / 'small', 7, [step('Identity')], shape=[1, 7, 16, 16])
    for picture in verify.sample_pictures((64, 64)):
        # From the graph without its argmax: how far the label is from the winner.
        logits = uncut_output(plain, spec, picture)[0].astype(np.float64)
        result = served(made, picture)
        uncut = uncut_output(path, spec, picture)[0]
        labels = uncut.reshape(64, 64) if kind == 'labels' else uncut.argmax(axis=0)
        assert len(np.unique(labels)) > 1
        differs = result.mask != labels
        margin = logits.max(axis=0) - np.take_along_axis(
            logits, result.mask[np.newaxis].astype(int), 0)[0]
        assert margin[differs].max(initial=0.0) < TIE
        assert differs.mean() < 1e-3
        sure = np.exp(oracles.log_confidence(
            uncut_output(small, spec, picture)[0], logits.max(axis=0)))
        assert np.abs(result.confidence - 255.0 * np.minimum(sure, 1.0)).max() <= 0.6


def test_labels_at_the_size_of_the_logits_get_those_of_the_image(tmp_path, monkeypatch):
    path = write(tmp_path, 7, [step('ArgMax', axis=1, keepdims=0)], 'INT64', [1, 16, 16])
    spec = ModelSpec('net', 'ade20k', 7, input_size_wh=(64, 64), output_size_wh=(16, 16),
                     output_kind='labels', output_layout='nhw')
    made = made_of(tmp_path, monkeypatch, path, spec)
    assert made.changes == optimize.FOLDED and made.spec.output_kind == 'logits', made.detail
    (tmp_path / 'plain').mkdir()
    plain = write(tmp_path / 'plain', 7, [step('Identity')], shape=[1, 7, 16, 16])
    for picture in verify.sample_pictures((64, 64)):
        logits = uncut_output(plain, spec, picture)[0]
        assert np.array_equal(uncut_output(path, spec, picture)[0], logits.argmax(axis=0))
        expected = oracles.upsampled_argmax(logits, (64, 64))[0]
        assert (served(made, picture).mask == expected).mean() > 0.999


@pytest.mark.parametrize('steps, kind, output', [
    ([step('Resize', mode='nearest')], 'logits', {}),
    ([step('Resize', mode='linear', coordinate_transformation_mode='asymmetric')], 'logits', {}),
    ([step('Softmax', axis=1), step('Resize', **LINEAR)], 'probabilities', {}),
    ([step('Resize', mode='nearest'), step('ArgMax', axis=1)], 'labels',
     {'dtype': 'INT64', 'shape': [1, 1, 64, 64]}),
    ([step('Softmax', axis=1), step('Resize', **LINEAR), step('ArgMax', axis=1)], 'labels',
     {'dtype': 'INT64', 'shape': [1, 1, 64, 64]})])
def test_tail_that_computes_something_else_is_kept(tmp_path, monkeypatch, steps, kind, output):
    path = write(tmp_path, 7, steps, **output)
    spec = ModelSpec('net', 'ade20k', 7, input_size_wh=(64, 64), output_size_wh=(64, 64),
                     output_kind=kind)
    made = made_of(tmp_path, monkeypatch, path, spec)
    assert made.changes != optimize.FOLDED, made.detail
    assert made.spec.output_size_wh == (64, 64)
    assert made.spec.has_confidence == (kind != 'labels')


def assert_rest_is_0(tmp_path, monkeypatch, path, side):
    """Assert that a network of one channel is cut to that channel, and a second one of 0."""
    spec = ModelSpec('net', 'ade20k', 2, input_size_wh=(64, 64), output_size_wh=(side, side),
                     output_kind='binary_logits')
    made = made_of(tmp_path, monkeypatch, path, spec)
    assert made.changes == optimize.ENDS_ONLY, made.detail
    pictures = verify.sample_pictures((64, 64))
    for picture, found in zip(pictures, verify.run(made.path, made.spec, pictures)):
        np.testing.assert_allclose(found[:, :, 0], uncut_output(path, spec, picture)[0, 0],
                                   atol=1e-4)
        assert found.shape == (side, side, 2) and not found[:, :, 1].any()


def test_rest_of_a_network_of_one_channel_is_0_whatever_its_last_step_takes(
        tmp_path, monkeypatch):
    path = write(tmp_path, 1, [step('Clip')], shape=[1, 1, 16, 16])
    model = onnx.load(path)
    for name, limit in (('least', -0.5), ('most', 0.5)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(limit), name))
        model.graph.node[-1].input.append(name)
    onnx.save(model, path)
    assert_rest_is_0(tmp_path, monkeypatch, path, 16)


@pytest.mark.parametrize('computed', ['', 'weight', 'bias'])
def test_rest_of_a_network_of_one_channel_is_0_whether_its_last_weights_are_stored_or_computed(
        tmp_path, monkeypatch, computed):
    path = write(tmp_path, 1, [step('Resize', mode='nearest'), step('Conv')])
    model = onnx.load(path)
    last = model.graph.node[-1]
    for name, value in (('weight', [[[[2.0]]]]), ('bias', [0.25])):
        stored = onnx.numpy_helper.from_array(np.array(value, np.float32), 'last_' + name)
        model.graph.initializer.append(stored)
        last.input.append(stored.name)
        if computed == name:
            model.graph.node.insert(0, onnx.helper.make_node('Neg', [stored.name], ['negative']))
            last.input[-1] = 'negative'
    onnx.save(model, path)
    assert_rest_is_0(tmp_path, monkeypatch, path, 64)


CORNERS = {'mode': 'linear', 'coordinate_transformation_mode': 'align_corners'}


@pytest.mark.once
@pytest.mark.parametrize('steps, kind, output', [
    ([], 'logits', {}), ([step('Softmax', axis=1)], 'probabilities', {}),
    ([step('ArgMax', axis=1)], 'labels', {'dtype': 'INT64', 'shape': [1, 1, 64, 64]})])
def test_resize_with_pixels_elsewhere_stays_in_the_folded_graph(
        tmp_path, monkeypatch, steps, kind, output):
    path = write(tmp_path, 7, [step('Resize', **CORNERS)] + steps, **output)
    spec = ModelSpec('net', 'ade20k', 7, input_size_wh=(64, 64), output_size_wh=(64, 64),
                     output_kind=kind)
    made = made_of(tmp_path, monkeypatch, path, spec)
    assert made.changes == optimize.FOLDED, made.detail
    assert 'enlarged with align_corners from 16 x 16' in made.detail
    assert made.spec.output_kind == 'logits' and made.spec.output_size_wh == (64, 64)
    (tmp_path / 'small').mkdir()
    small = write(tmp_path / 'small', 7, [step('Identity')], shape=[1, 7, 16, 16])
    places = np.linspace(0.0, 15.0, 64)
    for picture in verify.sample_pictures((64, 64)):
        grid = uncut_output(small, spec, picture)[0].astype(np.float64)
        # Corners on corners: interpolation along one axis, then along the other.
        tall = np.apply_along_axis(lambda line: np.interp(places, np.arange(16), line), 1, grid)
        logits = np.apply_along_axis(lambda line: np.interp(places, np.arange(16), line), 2, tall)
        result = served(made, picture)
        margin = logits.max(axis=0) - np.take_along_axis(
            logits, result.mask[np.newaxis].astype(int), 0)[0]
        assert len(np.unique(result.mask)) > 1
        assert margin.max() < TIE
        sure = np.exp(logits.max(axis=0)) / np.exp(logits).sum(axis=0)
        assert np.abs(result.confidence - 255.0 * sure).max() <= 0.6


@pytest.mark.parametrize('classes, name, kind', [
    (7, 'Softmax', 'probabilities'), (7, 'LogSoftmax', 'logits'),
    (1, 'Sigmoid', 'binary_probabilities')])
def test_softmax_of_a_network_that_is_kept_is_cut_off_alone(
        tmp_path, monkeypatch, classes, name, kind):
    # Repeated pixels are of no SegFormer: all but the ends stays.
    steps = [step('Resize', mode='nearest'), step(name, **({} if name == 'Sigmoid' else {
        'axis': 1}))]
    path = write(tmp_path, classes, steps)
    spec = ModelSpec('net', 'ade20k', max(classes, 2), input_size_wh=(64, 64),
                     output_size_wh=(64, 64), output_kind=kind)
    made = made_of(tmp_path, monkeypatch, path, spec)
    assert made.changes == optimize.ENDS_ONLY, made.detail
    assert made.spec.output_kind == 'logits'
    (tmp_path / 'plain').mkdir()
    plain = write(tmp_path / 'plain', classes, steps[:1])
    pictures = verify.sample_pictures((64, 64))
    for picture, found in zip(pictures, verify.run(made.path, made.spec, pictures)):
        expected = uncut_output(plain, spec, picture)[0].transpose(1, 2, 0)
        assert found.shape == (64, 64, max(classes, 2))
        np.testing.assert_allclose(found[:, :, :classes], expected, atol=1e-4)
        assert not found[:, :, classes:].any()


def test_argmax_over_wrong_logits_is_found_by_the_comparison(tmp_path, monkeypatch):
    # The smallest logit wins: a network that was cut and folded says something else.
    path = write(tmp_path, 7, [step('Neg'), step('ArgMax', axis=1)], 'INT64', [1, 1, 16, 16])
    spec = ModelSpec('net', 'ade20k', 7, input_size_wh=(64, 64), output_size_wh=(16, 16),
                     output_kind='labels')
    monkeypatch.setattr(optimize.tail, 'find_tail', lambda model, spec: optimize.tail.Tail(
        'tail0', ''))
    made = made_of(tmp_path, monkeypatch, path, spec)
    assert made.changes == optimize.UNCHANGED
    assert 'masks equal on' in made.detail


@pytest.mark.slow
def test_tail_of_a_network_of_the_published_size_is_cut(tmp_path, monkeypatch):
    config = os.path.join(ROOT, '..', 'shared', 'segformer_b0_ade', 'config.json')
    if not os.path.exists(config):
        pytest.skip('the published configuration is not here')
    path = str(tmp_path / 'b0.onnx')
    subprocess.run([sys.executable, os.path.join(ROOT, 'tools', 'write_random_segformer.py'),
                    config, '256x192', path], check=True)
    with open(config, encoding='utf-8') as stream:
        classes = len(json.load(stream)['id2label'])
    model = onnx.load(path)
    last = next(node for node in model.graph.node if 'logits' in node.output)
    last.output[0] = 'tail0'
    model.graph.initializer.append(onnx.numpy_helper.from_array(
        np.array([1, classes, 192, 256], np.int64), 'wanted'))
    model.graph.node.extend([
        onnx.helper.make_node('Resize', ['tail0', '', '', 'wanted'], ['tail1'], **LINEAR),
        onnx.helper.make_node('ArgMax', ['tail1'], ['logits'], axis=1, keepdims=0)])
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(
        'logits', onnx.TensorProto.INT64, [1, 192, 256]))
    onnx.save(model, path)
    spec = ModelSpec('b0', 'ade20k', classes, input_size_wh=(256, 192),
                     output_size_wh=(256, 192), output_kind='labels', output_layout='nhw')
    made = made_of(tmp_path, monkeypatch, path, spec)
    assert made.changes == optimize.FOLDED and made.spec.output_size_wh == (64, 48), made.detail
    for picture in verify.sample_pictures((256, 192)):
        labels = uncut_output(path, spec, picture)[0]
        assert (served(made, picture).mask == labels).mean() > 0.9999
