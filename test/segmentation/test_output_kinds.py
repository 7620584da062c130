# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Networks that end in a softmax, a sigmoid or an argmax, against float64 computations."""

import numpy as np
import pytest
from segformer_ros.common import errors
from segformer_ros.inference.base.frames import convert_frame
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.model.classes import UNLABELED
from segformer_ros.model.optimize import optimize
from segformer_ros.model.spec import ModelSpec
from segformer_ros.model.weights.resolve import resolve_model
from segformer_ros.segmentation.preprocessing import Preprocessor
from segformer_ros.segmentation.segmenter import Segmenter
from segformer_ros.segmentation.segmenter import SegmenterSettings
from support import oracles
from support.output_networks import GRID
from support.output_networks import logits_of
from support.output_networks import picture
from support.output_networks import weights_of
from support.output_networks import write_network

pytest.importorskip('onnxruntime')
TIE = 1e-3
SOFTMAX, LOG_SOFTMAX, SIGMOID = ('Softmax', {'axis': 1}), ('LogSoftmax', {'axis': 1}), \
    ('Sigmoid', {})
BINARY = 'output_kind: binary_logits\n'
BINARY_SIGMOID = 'output_kind: binary_probabilities\n'


def segment(path, compiled, optimized=False, **settings):
    """Return spec and result for the picture, upsampled to itself."""
    found = resolve_model(path)
    spec = found.spec
    if optimized:
        made = optimize.optimize(path, spec)
        assert made.changes == optimize.ENDS_ONLY, made.detail
        assert made.spec.output_kind == 'logits'
        path, spec = made.path, made.spec
    with OnnxruntimeBackend(path) as backend:
        segmenter = Segmenter(spec, backend, SegmenterSettings(**settings), compiled=compiled)
        return found.spec, segmenter.segment(picture())


def two_classes(logits):
    """Return the logits of the class and of the rest: the softmax of (x, 0) is the sigmoid."""
    return np.concatenate([logits, np.zeros_like(logits)])


def assert_equals(result, logits, logsumexp=None):
    """Compare mask and confidence with the upsampled logits, in float64."""
    size = result.mask.shape[::-1]
    expected = oracles.upsampled_argmax(logits, size)
    different = result.mask != expected.mask
    assert (expected.gap[different] < TIE).all()
    assert different.mean() < 0.01
    if logsumexp is None:
        log_confidence = oracles.log_confidence(logits, expected.value)
    else:
        log_confidence = expected.value - oracles.upsample(logsumexp[np.newaxis], size)[0]
    assert np.abs(result.confidence - 255.0 * np.exp(log_confidence)).max() < 0.6
    assert result.confidence.min() < 215 < 250 < result.confidence.max()


@pytest.mark.parametrize('optimized', [False, True], ids=['as it is', 'optimized'])
@pytest.mark.parametrize('channels, tail, kind', [
    (5, [SOFTMAX], 'probabilities'), (2, [SOFTMAX], 'probabilities'),
    (5, [LOG_SOFTMAX], 'logits'), (150, [SOFTMAX], 'probabilities')])
def test_softmax_in_the_graph_gives_the_confidence_of_the_network_without_it(
        tmp_path, compiled, channels, tail, kind, optimized):
    path = write_network(tmp_path, channels, tail)
    spec, result = segment(path, compiled, optimized)
    assert spec.output_kind == kind
    assert_equals(result, logits_of(picture(), channels))


def test_softmax_is_seen_behind_a_transpose_and_for_channels_last(tmp_path, compiled):
    path = write_network(
        tmp_path, 5, [('Transpose', {'perm': [0, 2, 3, 1]}), ('Softmax', {'axis': -1})],
        ('FLOAT', [1, GRID, GRID, 5]), 'output_layout: nhwc\n')
    spec, result = segment(path, compiled)
    assert spec.output_kind == 'probabilities'
    assert_equals(result, logits_of(picture(), 5))


def test_sigmoid_of_each_class_is_its_confidence(tmp_path, compiled):
    spec, result = segment(write_network(tmp_path, 5, [SIGMOID]), compiled)
    assert spec.output_kind == 'probabilities'
    logits = logits_of(picture(), 5)
    assert_equals(result, -np.log1p(np.exp(-logits)), np.zeros(logits.shape[1:]))


@pytest.mark.parametrize('optimized', [False, True], ids=['as it is', 'optimized'])
@pytest.mark.parametrize('tail, spec', [([], BINARY), ([SIGMOID], BINARY_SIGMOID)])
def test_one_channel_tells_its_class_from_the_rest(tmp_path, compiled, tail, spec, optimized):
    path = write_network(tmp_path, 1, tail, spec=spec, classes=2)
    _, result = segment(path, compiled, optimized)
    logits = two_classes(logits_of(picture(), 1))
    assert set(np.unique(result.mask)) == {0, 1}
    assert_equals(result, logits)
    _, unsure = segment(path, compiled, optimized, threshold=0.9)
    sure = np.exp(oracles.log_confidence(
        logits, oracles.upsampled_argmax(logits, (64, 64)).value))
    plain = np.abs(sure - 0.9) > 1e-4
    assert np.array_equal((unsure.mask == UNLABELED)[plain], (sure < 0.9)[plain])
    assert 0.01 < (sure < 0.9).mean() < 0.9


@pytest.mark.parametrize('tail, spec', [([], BINARY), ([SIGMOID], BINARY_SIGMOID)])
def test_fast_method_honours_one_channel_too(tmp_path, compiled, tail, spec):
    path = write_network(tmp_path, 1, tail, spec=spec, classes=2)
    _, result = segment(path, compiled, postprocess='fast')
    grid = logits_of(picture(), 1)[0]
    assert np.array_equal(result.mask, np.kron(grid < 0, np.ones((4, 4))))


def test_one_class_alone_is_refused_and_told_what_to_write(tmp_path):
    path = write_network(tmp_path, 1)
    with pytest.raises(errors.ConfigurationError, match='output_kind: binary_logits'):
        resolve_model(path)


def test_one_channel_with_two_classes_and_no_kind_is_refused(tmp_path, compiled):
    path = write_network(tmp_path, 1, classes=2)
    with pytest.raises(errors.ModelError, match='output_kind: binary_logits'):
        segment(path, compiled)


@pytest.mark.parametrize('tail, output, spec, message', [
    ([('Softmax', {'axis': 3})], None, '', 'Softmax over axis 3'),
    ([('Softmax', {})], None, '', 'Softmax over axis 3'),
    ([SOFTMAX], None, 'output_kind: labels\n', 'output_kind: probabilities'),
    ([LOG_SOFTMAX], None, 'output_kind: probabilities\n', 'output_kind: logits'),
    ([('ArgMax', {'axis': 1}), ('Cast', {'to': 1})], ('FLOAT', [1, 1, GRID, GRID]),
     'output_kind: binary_logits\n', 'holds labels as float32'),
    ([('ArgMax', {'axis': 1})], ('INT64', [1, 1, GRID, GRID]), '', 'output_kind: labels')])
def test_graph_that_the_specification_contradicts_is_refused(
        tmp_path, tail, output, spec, message):
    path = write_network(tmp_path, 2, tail, output, spec)
    with pytest.raises(errors.ModelError, match=message):
        resolve_model(path)


def test_values_that_are_no_probabilities_are_refused(tmp_path, compiled):
    path = write_network(tmp_path, 5, spec='output_kind: probabilities\n')
    with pytest.raises(errors.BackendError, match='no probabilities.*expected 0 to 1'):
        segment(path, compiled)


CASTS = {'INT64': [], 'INT32': [('Cast', {'to': 6})], 'UINT8': [('Cast', {'to': 2})]}


@pytest.mark.parametrize('dtype', CASTS)
@pytest.mark.parametrize('keepdims', [0, 1])
def test_labels_of_the_graph_are_taken_as_they_are(tmp_path, compiled, dtype, keepdims):
    tail = [('ArgMax', {'axis': 1, 'keepdims': keepdims})] + CASTS[dtype]
    shape = [1, 1, GRID, GRID] if keepdims else [1, GRID, GRID]
    layout = 'nchw' if keepdims else 'nhw'
    path = write_network(tmp_path, 5, tail, (dtype, shape),
                         f'output_kind: labels\noutput_layout: {layout}\n')
    spec, result = segment(path, compiled)
    assert result.confidence is None
    expected = logits_of(picture(), 5).argmax(axis=0)
    assert len(np.unique(expected)) > 1
    assert np.array_equal(result.mask, np.kron(expected, np.ones((4, 4))))


def labels_network(folder, channels=5, classes=5):
    return write_network(folder, channels, [('ArgMax', {'axis': 1})],
                         ('INT64', [1, 1, GRID, GRID]), 'output_kind: labels\n',
                         classes=classes)


def test_threshold_without_a_confidence_is_refused_with_the_reason(tmp_path, compiled):
    path = labels_network(tmp_path)
    with pytest.raises(errors.ConfigurationError, match='got 0.5; expected 0.0. The network '
                                                        'returns labels alone'):
        segment(path, compiled, threshold=0.5)
    with OnnxruntimeBackend(path) as backend:
        segmenter = Segmenter(resolve_model(path).spec, backend, compiled=compiled)
        with pytest.raises(errors.ConfigurationError, match='Threshold without a confidence'):
            segmenter.settings = SegmenterSettings(threshold=0.01)
        assert segmenter.settings.threshold == 0.0


def test_labels_outside_of_the_table_are_refused(tmp_path, compiled):
    path = labels_network(tmp_path, 150, 2)
    with pytest.raises(errors.ModelError, match='labels up to 149; expected 0 to 1'):
        segment(path, compiled)


def test_labels_outside_of_the_table_are_refused_where_the_graph_does_not_tell(tmp_path, compiled):
    onnx = pytest.importorskip('onnx')
    path = labels_network(tmp_path, 150, 2)
    model = onnx.load(path)
    place = next(index for index, node in enumerate(model.graph.node) if node.op_type == 'ArgMax')
    chosen = model.graph.node[place]
    step = onnx.helper.make_node('Softsign', [chosen.input[0]], ['signed'])
    chosen.input[0] = 'signed'
    model.graph.node.insert(place, step)
    onnx.save(model, path)
    with pytest.raises(errors.BackendError, match='labels without a class.*expected 0 to 1'):
        segment(path, compiled)


def test_file_of_a_newer_format_is_told_and_no_error_of_onnx_leaves(shared, tmp_path):
    pytest.importorskip('onnx')
    path = shared('real/models/ir99.onnx')
    spec = ModelSpec('ir99', 'cityscapes', 19, input_name='input')
    made = optimize.optimize(path, spec)
    assert made.changes == optimize.UNCHANGED
    assert 'ir_version' in made.detail or 'IR version' in made.detail
    with pytest.raises(errors.ModelError, match='IR version 99.*update onnxruntime or export'):
        OnnxruntimeBackend(path).open()


@pytest.mark.parametrize('damage', [b'', b'\x08\x07', b'not a model at all'])
def test_damaged_files_are_used_as_they_are_without_an_error_of_onnx(tmp_path, damage):
    path = tmp_path / 'damaged.onnx'
    path.write_bytes(damage)
    made = optimize.optimize(str(path), ModelSpec('damaged', 'cityscapes', 19))
    assert made.changes == optimize.UNCHANGED


@pytest.mark.parametrize('optimized', [False, True], ids=['as it is', 'optimized'])
def test_bgr_network_sees_blue_first_with_mean_and_std_still_red_first(
        tmp_path, compiled, optimized):
    path = write_network(tmp_path, 5, spec='color_order: bgr\n')
    with open(path.replace('.onnx', '.yaml'), encoding='utf-8') as stream:
        text = stream.read()
    with open(path.replace('.onnx', '.yaml'), 'w', encoding='utf-8') as stream:
        stream.write(text.replace('mean: [0, 0, 0]', 'mean: [0.1, 0.2, 0.3]').replace(
            'std: [1, 1, 1]', 'std: [0.5, 0.7, 0.9]'))
    _, result = segment(path, compiled, optimized)
    weights, bias = weights_of(5)
    means = (picture().astype(np.float64) / 255.0).reshape(
        GRID, 4, GRID, 4, 3).mean((1, 3))
    normalised = (means - [0.1, 0.2, 0.3]) / [0.5, 0.7, 0.9]
    logits = np.moveaxis(normalised[:, :, ::-1].dot(weights.T) + bias, 2, 0)
    size = (64, 64)
    expected = oracles.upsampled_argmax(logits, size)
    different = result.mask != expected.mask
    assert (expected.gap[different] < TIE).all()
    levels = 255.0 * np.exp(oracles.log_confidence(logits, expected.value))
    assert np.abs(result.confidence - levels).max() < 0.6


@pytest.mark.parametrize('target', ['uint8', 'float32'])
def test_a_frame_converted_between_orders_is_the_frame_that_is_prepared(target):
    bgr = ModelSpec('a', 'ade20k', 150, input_size_wh=(64, 64), color_order='bgr',
                    mean=(0.1, 0.2, 0.3), std=(0.5, 0.7, 0.9))
    rgb = bgr._replace(color_order='rgb', input_dtype='uint8', input_layout='nhwc')
    source, wanted = (bgr, rgb) if target == 'uint8' else (rgb, bgr)
    frames = [{'pixel_values': Preprocessor(spec, None).run(picture(), 'pillow').copy()}
              for spec in (source, wanted)]
    converted = convert_frame(frames[0], source, wanted)['pixel_values']
    assert np.abs(converted.astype(float) - frames[1]['pixel_values']).max() < 1e-5


def test_network_of_float16_runs_as_it_is(tmp_path, compiled):
    onnx = pytest.importorskip('onnx')
    path = write_network(tmp_path, 5, [('Cast', {'to': 10})], ('FLOAT16', [1, 5, GRID, GRID]),
                         'input_dtype: float16\n')
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    model.graph.node[0].input[0] = 'wide'
    model.graph.node.insert(0, onnx.helper.make_node('Cast', ['pixel_values'], ['wide'], to=1))
    onnx.save(model, path)
    _, result = segment(path, compiled)
    logits = logits_of(picture(), 5)
    expected = oracles.upsampled_argmax(logits, result.mask.shape[::-1])
    # Eleven bits of pixels and of logits up to some 15.
    assert (expected.gap[result.mask != expected.mask] < 0.05).all()
    assert len(np.unique(result.mask)) > 1
    sure = np.exp(oracles.log_confidence(logits, expected.value))
    assert np.abs(result.confidence - 255.0 * np.minimum(sure, 1.0)).max() < 4.0
