# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Export of transformers SegFormers: same logits, the contract, and TensorRT 8.2's limits."""

import importlib.util
import json
import os

import numpy as np
import pytest

from segformer_ros.model.classes import load_class_table
from segformer_ros.model.onnx_file import inspection
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.weights.resolve import resolve_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def tool(project_root):
    """Import the export tool; PyTorch is no part of the test environment."""
    pytest.importorskip('torch')
    pytest.importorskip('transformers')
    pytest.importorskip('onnxruntime')
    path = os.path.join(project_root, 'tools', 'export', 'export_segformer.py')
    spec = importlib.util.spec_from_file_location('export_segformer', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small(tmp_path):
    """Return a function that writes a checkpoint's config.json with few layers."""
    def write(**changes):
        folder = tmp_path / 'checkpoint'
        folder.mkdir()
        config = {'model_type': 'segformer', 'depths': [1, 1, 1, 1],
                  'hidden_sizes': [8, 16, 24, 32], 'num_attention_heads': [1, 2, 3, 4],
                  'decoder_hidden_size': 16, 'id2label': {'0': 'road', '1': 'field', '2': 'car'}}
        config.update(changes)
        (folder / 'config.json').write_text(json.dumps(config))
        return str(folder)
    return write


def assert_same(logits, expected):
    """Random weights give small logits, so 1e-4 is taken of the largest one."""
    difference = np.abs(logits - expected).max()
    assert difference < 1e-4
    assert difference < 1e-4 * np.abs(expected).max()


def logits_of_both(tool, checkpoint, path, seed):
    """Run PyTorch and onnxruntime on noise of their own."""
    import onnxruntime
    import torch
    model = tool.load(checkpoint, seed)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    shape = session.get_inputs()[0].shape
    pixels = np.random.default_rng(7).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(pixels)).logits.numpy()
    return session.run(['logits'], {'pixel_values': pixels})[0], expected


def test_random_b0_keeps_its_logits_size_and_contract(tool, shared, tmp_path, capsys):
    checkpoint = os.path.dirname(shared('segformer_b0_ade/config.json'))
    output = str(tmp_path / 'segformer_b0.onnx')
    assert tool.main([checkpoint, '--random-weights', '3', '--output', output]) == 0
    assert '% of the pixels agree' in capsys.readouterr().out
    logits, expected = logits_of_both(tool, checkpoint, output, 3)
    assert logits.shape == (1, 150, 128, 128)
    assert_same(logits, expected)
    assert os.path.getsize(output) < 16e6
    parameters = sum(weight.numel() for weight in tool.load(checkpoint, 3).parameters())
    assert 3.7e6 < parameters < 3.8e6
    header = read_onnx_header(output)
    assert (header.opset, header.ir_version) == (13, 7)
    assert inspection.violations(header) == []
    spec = resolve_model(output).spec
    spec.check(header.inputs, header.outputs)
    assert spec.classes == 'ade20k'
    assert not os.path.exists(str(tmp_path / 'segformer_b0_classes.yaml'))


def test_other_size_and_classes_are_exported_with_their_table(tool, small, tmp_path):
    output = str(tmp_path / 'mine.onnx')
    checkpoint = small()
    assert tool.main([checkpoint, '--random-weights', '1', '--size', '160', '96',
                      '--output', output]) == 0
    logits, expected = logits_of_both(tool, checkpoint, output, 1)
    assert logits.shape == (1, 3, 24, 40)
    assert_same(logits, expected)
    spec = resolve_model(output).spec
    assert spec.input_size_wh == (160, 96)
    assert load_class_table(spec.classes).names == ('road', 'field', 'car')


def test_bigger_family_members_differ_in_width_and_depth_only(tool, small, tmp_path):
    output = str(tmp_path / 'wide.onnx')
    checkpoint = small(hidden_sizes=[64, 128, 320, 512], num_attention_heads=[1, 2, 5, 8],
                       depths=[1, 2, 1, 1], decoder_hidden_size=768)
    assert tool.main([checkpoint, '--random-weights', '1', '--size', '128', '128',
                      '--output', output]) == 0
    logits, expected = logits_of_both(tool, checkpoint, output, 1)
    assert_same(logits, expected)
    assert inspection.violations(read_onnx_header(output)) == []


def test_opset_17_is_for_tensorrt_8_6(tool, small, tmp_path, capsys):
    output = str(tmp_path / 'new.onnx')
    assert tool.main([small(), '--random-weights', '1', '--size', '64', '64', '--opset', '17',
                      '--output', output]) == 0
    assert read_onnx_header(output).ops['LayerNormalization'] > 0
    assert 'LayerNormalization: read from TensorRT 8.6 on' in capsys.readouterr().out


def test_saved_weights_and_preprocessing_are_taken(tool, small, tmp_path):
    checkpoint = small()
    tool.load(checkpoint, 11).save_pretrained(checkpoint)
    with open(os.path.join(checkpoint, 'preprocessor_config.json'), 'w') as stream:
        json.dump({'size': {'width': 64, 'height': 96}, 'image_mean': [0.5, 0.5, 0.5]}, stream)
    output = str(tmp_path / 'saved.onnx')
    assert tool.main([checkpoint, '--output', output]) == 0
    logits, expected = logits_of_both(tool, checkpoint, output, None)
    assert_same(logits, expected)
    spec = resolve_model(output).spec
    assert spec.input_size_wh == (64, 96)
    assert spec.mean == (0.5, 0.5, 0.5)


def test_missing_weights_are_an_error_not_random_numbers(tool, small, tmp_path, capsys):
    from safetensors.torch import load_file
    from safetensors.torch import save_file
    checkpoint = small()
    tool.load(checkpoint, 11).save_pretrained(checkpoint)
    file = os.path.join(checkpoint, 'model.safetensors')
    weights = load_file(file)
    del weights['decode_head.classifier.weight']
    save_file(weights, file, {'format': 'pt'})
    output = str(tmp_path / 'partial.onnx')
    assert tool.main([checkpoint, '--output', output]) == 1
    assert 'Checkpoint lacks weights' in capsys.readouterr().err
    assert not os.path.exists(output)


def test_wrong_computation_is_refused_and_nothing_is_left(tool, small, tmp_path, capsys,
                                                          monkeypatch):
    monkeypatch.setattr(tool, 'TOLERANCE', 0.0)
    (tmp_path / 'out').mkdir()
    output = str(tmp_path / 'out' / 'bad.onnx')
    assert tool.main([small(), '--random-weights', '1', '--size', '64', '64',
                      '--output', output]) == 1
    assert 'Exported model computes something else' in capsys.readouterr().err
    assert os.listdir(str(tmp_path / 'out')) == []


@pytest.mark.parametrize('prepare, message', [
    (lambda folder: os.remove(os.path.join(folder, 'config.json')), 'Checkpoint cannot be read'),
    (lambda folder: write_config(folder, {'model_type': 'bert'}), 'Checkpoint is not a SegFormer'),
    (lambda folder: None, 'Weights cannot be read'),
], ids=['no config', 'bert', 'no weights'])
def test_unusable_checkpoint_is_told(tool, small, tmp_path, capsys, prepare, message):
    checkpoint = small()
    prepare(checkpoint)
    assert tool.main([checkpoint, '--output', str(tmp_path / 'x.onnx')]) == 1
    assert message in capsys.readouterr().err


def write_config(folder, config):
    with open(os.path.join(folder, 'config.json'), 'w') as stream:
        json.dump(config, stream)


def test_existing_output_is_kept(tool, small, tmp_path, capsys):
    output = tmp_path / 'x.onnx'
    output.write_bytes(b'mine')
    assert tool.main([small(), '--random-weights', '1', '--output', str(output)]) == 1
    assert 'exists already' in capsys.readouterr().err
    assert output.read_bytes() == b'mine'
