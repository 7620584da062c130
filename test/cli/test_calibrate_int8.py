# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Photos to a calibration and its report, and from there to an engine."""

import json
import os
import sys

import numpy as np
from PIL import Image
import pytest
from segformer_ros.cli import build_engine
from segformer_ros.cli import calibrate_int8
from segformer_ros.common.errors import BackendError
from segformer_ros.inference.base.mask_check import SelfCheck
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.trt import build_job
from segformer_ros.inference.trt.calibration import open_calibrations
from segformer_ros.model.spec import ModelSpec
from support.held_out_worlds import held_out_frames
from support.thread_worker import ThreadWorker

onnx = pytest.importorskip('onnx')
pytestmark = pytest.mark.slow

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ORIN = GpuInfo(0, 'Orin', (8, 7), 8, 12060, '# R36', 8 << 30, True)
WORLDS = 9


def write(folder, images):
    """Write photos."""
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(str(folder / f'{number}.png'))
    return str(folder)


@pytest.fixture(scope='module')
def worlds(tmp_path_factory):
    """Return a folder of rendered pictures, each of a world of its own."""
    return write(tmp_path_factory.mktemp('photos') / 'worlds',
                 [frame.image for frame in held_out_frames(WORLDS)])


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    """Return an empty cache that all tests of this file share: graphs take seconds."""
    return str(tmp_path_factory.mktemp('cache'))


@pytest.fixture(autouse=True)
def use_cache(cache, monkeypatch):
    """Use the cache."""
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', cache)


def run(*arguments):
    """Run the command for the shipped network."""
    return calibrate_int8.main(list(arguments) + ['--model', 'segformer_sim', '--tensorrt', '8.6'])


def test_shipped_network_is_calibrated_and_an_engine_built_from_it(
        worlds, cache, tmp_path, capsys, monkeypatch):
    assert run(worlds, '-o', str(tmp_path / 'out')) == 0
    printed = capsys.readouterr()
    assert 'no INT8' not in printed.err
    with open(str(tmp_path / 'out' / 'int8_report.json'), encoding='utf-8') as stream:
        report = json.load(stream)
    assert (report['calibration_frames'], report['held_out_frames']) == (6, 3)
    assert report['bundled_frames'] == 5 and report['images'] == WORLDS
    mixed, integers = (report['precisions'][name] for name in ('fp16+fp32', 'int8+fp16+fp32'))
    # What eight bits cost lies between nothing and what the check lets pass.
    for part in ('held_out', 'bundled'):
        assert 0.999 < mixed[part + '_agreement'] <= 1.0
        assert 0.985 < integers[part + '_agreement'] < 0.999
        assert 0.9 < integers[part + '_mean_iou'] < mixed[part + '_mean_iou']
    assert integers['passes'] and mixed['passes']
    assert any('Calibrated on 6 frames' in text for text in report['warnings'])
    page = (tmp_path / 'out' / 'int8_report.md').read_text()
    assert page in printed.out
    assert 'onnxruntime on a CPU computed each precision in place of TensorRT' in page
    with open(str(tmp_path / 'out' / 'int8.onnx'), 'rb') as stream:
        content = stream.read()
    kept = [name for name in os.listdir(os.path.join(cache, 'calibrations'))
            if name.endswith('.onnx')]
    with open(os.path.join(cache, 'calibrations', kept[0]), 'rb') as stream:
        assert stream.read() == content
    quantized = onnx.load_from_string(content)
    assert sum(node.op_type == 'QuantizeLinear' for node in quantized.graph.node) > 100
    assert sum(node.op_type == 'LayerNormalization' for node in quantized.graph.node) == 30

    # A TensorRT that takes this graph builds from it, and the figures stand beside the engine.
    monkeypatch.syspath_prepend(os.path.join(TESTS, 'support', 'fake_cuda'))
    monkeypatch.setenv('FAKE_TENSORRT_VERSION', '10.3.0')
    monkeypatch.setenv('FAKE_TENSORRT_FAULTS', '')
    monkeypatch.setattr(build_job, 'EngineProcess', ThreadWorker)
    monkeypatch.delitem(sys.modules, 'support.fake_tensorrt', raising=False)
    command = ['--tensorrt-module', 'support.fake_tensorrt', 'segformer_sim', '--images', worlds]
    try:
        assert build_engine.main(command + ['--precision', 'int8'], lambda number: ORIN) == 0
        printed = capsys.readouterr().out
        assert 'built: int8+fp16+fp32' in printed and ': usable' in printed
        # Without a calibration nothing is built.
        for name in os.listdir(os.path.join(cache, 'calibrations')):
            os.unlink(os.path.join(cache, 'calibrations', name))
        assert build_engine.main(command + ['--precision', 'int8'], lambda number: ORIN) == 1
        assert 'calibrate_int8 BAG_OR_FOLDER --model segformer_sim' in capsys.readouterr().err
        maxwell = ORIN._replace(compute_capability=(5, 3))
        assert build_engine.main(command + ['--precision', 'int8'], lambda number: maxwell) == 1
        assert 'Maxwell' in capsys.readouterr().err
    finally:
        for name in ('pycuda', 'pycuda.driver'):
            sys.modules.pop(name, None)


def test_images_of_nothing_are_seen_in_the_report_and_no_engine_is_offered(
        tmp_path, capsys, cache):
    # Of black the network sees a building, and a tree in a corner.
    dark = write(tmp_path / 'dark', [np.full((48, 64, 3), 20, np.uint8)] * 3)
    assert run(dark, '-o', str(tmp_path / 'out')) == 3
    printed = capsys.readouterr()
    assert 'FAILED: INT8 of segformer_sim: ' in printed.err
    assert 'Use it' not in printed.out
    for text in ('The check fails, so no engine is built with 8-bit integers',
                 'Calibrated on 2 frames', 'sees one class alone'):
        assert text in printed.out
    report = json.loads((tmp_path / 'out' / 'int8_report.json').read_text())
    # What was given agrees with itself; the pictures of the package do not.
    integers = report['precisions']['int8+fp16+fp32']
    assert integers['held_out_agreement'] > 0.99 > integers['bundled_agreement']
    graph = calibrate_int8._graph(calibrate_int8._parser().parse_args(
        [dark, '--model', 'segformer_sim', '--tensorrt', '8.6']))[0]
    assert not open_calibrations().find('segformer_sim', graph).check.passed


@pytest.mark.parametrize('before', [True, False])
def test_failing_calibration_does_not_replace_one_that_passed(
        tmp_path, capsys, monkeypatch, before):
    photos = write(tmp_path / 'photos', [np.zeros((48, 64, 3), np.uint8)] * 3)
    graph = os.path.join(TESTS, 'data', 'tiny_segformer.onnx')
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    check = SelfCheck(before, '' if before else 'was bad', True, 0.9, 0.9, 1, 3, 2)
    stored = open_calibrations().store('tiny', graph, b'good', check, {})
    spec = tiny_spec()
    monkeypatch.setattr(calibrate_int8, '_graph', lambda options: (graph, spec))
    assert calibrate_int8.main([photos, '--model', 'tiny']) == 3
    printed = capsys.readouterr()
    found = open_calibrations().find('tiny', graph)
    if before:
        assert found == stored
        assert f'the calibration of before, which passes its check, stays: {stored.path}' in \
            printed.out
        assert 'Kept as' not in printed.out
    else:
        assert found.sha256 != stored.sha256 and not found.check.passed
        assert 'Kept as' in printed.out
    assert 'FAILED: INT8 of tiny: ' in printed.err and 'class ' in printed.err


def tiny_spec():
    """Return the specification of the tiny SegFormer with random weights."""
    return ModelSpec(name='tiny', classes='ade20k', num_classes=7, input_size_wh=(64, 64),
                     output_size_wh=(16, 16))


@pytest.mark.parametrize('has_tensorrt', [True, False])
def test_gpu_without_int8_is_told_before_anything_is_read(
        tmp_path, capsys, monkeypatch, has_tensorrt):
    def load():
        if not has_tensorrt:
            raise BackendError('TensorRT cannot be imported')
        return object()

    monkeypatch.setattr(calibrate_int8, 'probe_gpu',
                        lambda: ORIN._replace(name='Maxwell', compute_capability=(5, 3)))
    monkeypatch.setattr(calibrate_int8, 'load_tensorrt', load)
    monkeypatch.setattr(calibrate_int8, 'engine_target',
                        lambda api: calibrate_int8.optimize_target.TENSORRT_8_2)
    assert calibrate_int8.main([str(tmp_path / 'absent'), '--model', 'segformer_sim']) == 1
    assert 'This GPU has no INT8' in capsys.readouterr().err


@pytest.mark.parametrize('count', [0, 2])
def test_too_few_images_end_with_a_message(tmp_path, capsys, count):
    few = write(tmp_path / 'few', [np.zeros((48, 64, 3), np.uint8)] * count)
    assert run(few) == 1
    assert ('Too few images' if count else 'expected bags') in capsys.readouterr().err


def test_folder_that_cannot_be_made_is_told_before_anything_is_read(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert run(str(tmp_path / 'absent'), '-o', str(tmp_path / 'file' / 'out')) == 1
    assert 'Report cannot be written' in capsys.readouterr().err
