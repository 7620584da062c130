# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the report says of a calibration is what numpy counts with sessions of its own."""

import os

import numpy as np
import pytest
from segformer_ros.common.errors import ModelError
from segformer_ros.evaluation.quantization import report
from segformer_ros.evaluation.quantization.calibrate import calibrate
from segformer_ros.evaluation.quantization.calibrate import named
from segformer_ros.evaluation.quantization.calibrate import shortened
from segformer_ros.evaluation.quantization.frames import Frames
from segformer_ros.model.optimize.mixed_precision import convert_to_mixed_precision
from segformer_ros.model.spec import ModelSpec
import yaml

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

TINY = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'data',
                    'tiny_segformer.onnx')
SPEC = ModelSpec(name='tiny|net', classes='ade20k', num_classes=7, input_size_wh=(64, 64),
                 output_size_wh=(16, 16))


def noise(count, seed, size=1.0):
    """Return input tensors of smooth noise."""
    random = np.random.RandomState(seed)
    return tuple({'pixel_values': np.kron(random.normal(0, size, (1, 3, 8, 8)),
                                          np.ones((1, 1, 8, 8))).astype('f')}
                 for _ in range(count))


def masks(content, frames):
    """Return the class of every cell, computed node by node."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    return np.stack([session.run(['logits'], frame)[0][0].argmax(0) for frame in frames])


@pytest.fixture(scope='module')
def calibrated():
    """Return the tiny model, calibrated on noise and compared on other noise."""
    frames = Frames(noise(4, 1), noise(3, 2), 7, 4, ('a.png: damaged|cut',))
    return calibrate(TINY, SPEC, frames, noise(2, 3))


def test_figures_are_those_that_numpy_counts(calibrated, tmp_path):
    path = tmp_path / 'quantized.onnx'
    path.write_bytes(calibrated.onnx)
    with open(TINY, 'rb') as stream:
        original = stream.read()
    contents = {'fp16+fp32': convert_to_mixed_precision(TINY).onnx,
                'int8+fp16+fp32': convert_to_mixed_precision(str(path)).onnx}
    for name, content in contents.items():
        figures = calibrated.report['precisions'][name]
        for part, frames in (('held_out', noise(3, 2)), ('bundled', noise(2, 3))):
            truth, found = masks(original, frames), masks(content, frames)
            assert figures[part + '_agreement'] == pytest.approx((truth == found).mean(), abs=2e-3)
            ious = [((truth == each) & (found == each)).sum()
                    / float(((truth == each) | (found == each)).sum())
                    for each in np.union1d(truth, found)]
            assert figures[part + '_mean_iou'] == pytest.approx(np.mean(ious), abs=0.02)
    integers = calibrated.report['precisions']['int8+fp16+fp32']
    # Random weights: three labels of a hundred, where FP16 changes none to speak of.
    assert 0.9 < integers['held_out_agreement'] < 0.995
    assert calibrated.report['precisions']['fp16+fp32']['held_out_agreement'] > 0.995


def test_check_that_fails_and_few_frames_are_warnings_and_the_page_has_all(calibrated):
    assert not calibrated.check.passed
    assert (calibrated.check.live_frames, calibrated.check.bundled_frames) == (3, 2)
    assert calibrated.report['layers'] == 40
    first, second = calibrated.report['warnings'][:2]
    assert first.startswith('The check fails, so no engine is built with 8-bit integers: ')
    assert second == 'Calibrated on 4 frames; 16 or more are advised.'
    page = report.markdown(calibrated.report)
    for text in ('# INT8 calibration of tiny\\|net', '40 of ', 'on 4 of 7 images',
                 'on 3 others and on 2 pictures',
                 '4 images could not be used: a.png: damaged\\|cut; and 3 more.', first, second,
                 '| fp32 | 1.0000 |', '| fp16+fp32 | ', '| int8+fp16+fp32 | ', 'fails: ',
                 'onnxruntime on a CPU computed each precision in place of TensorRT'):
        assert text in page, text


def test_frames_unlike_those_of_the_calibration_are_a_warning():
    found = calibrate(TINY, SPEC, Frames(noise(16, 1, 0.2), noise(3, 2, 5.0), 19, 0), ())
    assert found.report['clipped'] > 0.01
    assert any('lie beyond what calibration saw' in text for text in found.report['warnings'])
    assert not any('are advised' in text for text in found.report['warnings'])
    assert found.report['precisions']['fp16+fp32']['bundled_agreement'] is None
    assert '| - | - |' in report.markdown(found.report)


def test_frames_like_those_of_the_calibration_are_none():
    # The very same: a ten-thousandth lies beyond its range, as is meant.
    found = calibrate(TINY, SPEC, Frames(noise(16, 1), noise(16, 1), 32, 0), ())
    assert 1e-5 < found.report['clipped'] < 2e-4
    assert not any('lie beyond' in text for text in found.report['warnings'])


def test_network_that_gives_no_numbers_is_refused(tmp_path):
    model = onnx.load(TINY)
    for entry in model.graph.initializer:
        if entry.name == model.graph.node[-1].input[1]:
            values = np.full(tuple(entry.dims), np.nan, 'f')
            entry.CopyFrom(onnx.numpy_helper.from_array(values, entry.name))
    path = str(tmp_path / 'nan.onnx')
    onnx.save(model, path)
    with pytest.raises(ModelError, match='float32 network itself returns values that are not'):
        calibrate(path, SPEC, Frames(noise(2, 1), noise(1, 2), 3, 0), ())


def test_classes_have_name_and_number(calibrated):
    integers = calibrated.report['precisions']['int8+fp16+fp32']
    worst = integers['lowest_iou_class']
    with open(os.path.join(os.path.dirname(TINY), '..', '..', 'config', 'classes',
                           'ade20k.yaml')) as stream:
        names = [entry['name'] for entry in yaml.safe_load(stream)['classes']]
    assert integers['lowest_iou_name'] == f'{names[worst]} ({worst})'
    assert f'{names[worst]} ({worst})' in report.markdown(calibrated.report)
    assert named('class 1 keeps IoU 0.5; class 12 keeps', ['a', 'b']) == \
        'class b (1) keeps IoU 0.5; class 12 keeps'


@pytest.mark.parametrize('reason, text', [
    ('a', 'a'), ('a; b; c', 'a; b; c'), ('a; b; c; d; e', 'a; b; c and 2 more')])
def test_long_reasons_are_cut_and_counted(reason, text):
    assert shortened(reason) == text
