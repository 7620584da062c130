# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whole networks on photos: the shipped one, and SegFormer-B0 as PyTorch exports it."""

import json
import os
import shutil

import cv2
import numpy as np
import pytest

from segformer_ros.common import resources
from segformer_ros.model.optimize import optimize as graph
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.optimize.target import TENSORRT_8_2
from segformer_ros.model.optimize.verify import compare
from segformer_ros.model.spec import load_model_spec
from segformer_ros.model.spec import ModelSpec
from support.exported_segformer import Architecture
from support.exported_segformer import export_segformer

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
B0 = ModelSpec('segformer_b0', 'ade20k', 150)
B0_OUTLINE = 'blocks 2+2+2+2, widths 32+64+160+256, heads 1+2+5+8, 150 classes'


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep what falls back to the user's cache out of it."""
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))


@pytest.fixture
def photos(shared):
    """Return a function that gives the shared photos at a size."""
    def resized(size_wh):
        names = [f'images/ade_val/ADE_val_0000000{number}.jpg' for number in (1, 2, 3)]
        images = [cv2.imread(shared(name)) for name in names]
        return [np.ascontiguousarray(cv2.resize(
            image, tuple(size_wh), interpolation=cv2.INTER_AREA)[:, :, ::-1])
            for image in images]
    return resized


def assert_exact_on_photos(path, spec, target, pictures):
    prepared = graph.prepare(path, spec, target, pictures)
    assert prepared.changes == graph.FOLDED, prepared.detail
    agreement = compare(path, spec, prepared.path, prepared.spec, pictures)
    # A tenth of what the package allows.
    assert agreement.max_logit_difference < 1e-4
    assert agreement.mask_agreement >= 0.9999
    return prepared


def test_shipped_network_is_folded_exactly(tmp_path, photos):
    path = str(tmp_path / 'segformer_sim.onnx')
    shutil.copy(resources.find('models/segformer_sim.onnx'), path)
    spec = load_model_spec(resources.find('config/models/segformer_sim.yaml'))
    assert_exact_on_photos(path, spec, ONNXRUNTIME, photos(spec.input_size_wh))


@pytest.mark.slow
def test_network_that_is_no_segformer_keeps_its_inside(tmp_path, shared, photos):
    path = str(tmp_path / 'deeplab.onnx')
    shutil.copy(shared('models/ade20k_mobilenetv2_segformer_io.onnx'), path)
    pictures = photos(B0.input_size_wh)
    prepared = graph.prepare(path, B0, ONNXRUNTIME, pictures)
    assert prepared.changes == graph.ENDS_ONLY
    assert compare(path, B0, prepared.path, prepared.spec, pictures).is_exact


@pytest.mark.slow
@pytest.mark.parametrize('target', [ONNXRUNTIME, TENSORRT_8_2], ids=lambda target: target.name)
def test_b0_is_folded_exactly(tmp_path, shared, photos, target):
    with open(shared('segformer_b0_ade/config.json'), encoding='utf-8') as stream:
        config = json.load(stream)
    architecture = Architecture(config['depths'], config['hidden_sizes'],
                                config['num_attention_heads'], config['sr_ratios'],
                                config['mlp_ratios'][0], config['decoder_hidden_size'], 150)
    path = str(tmp_path / 'b0.onnx')
    onnx.save(export_segformer(architecture, B0.input_size_wh, 'torchscript'), path)
    prepared = assert_exact_on_photos(path, B0, target, photos(B0.input_size_wh))
    assert prepared.detail.startswith(B0_OUTLINE)


@pytest.mark.slow
@pytest.mark.parametrize('attention, opset, dynamo', [
    ('eager', 13, False), ('sdpa', 17, False), ('eager', 18, True)])
def test_b0_as_pytorch_exports_it_is_folded_exactly(tmp_path, shared, photos, attention, opset,
                                                    dynamo):
    path = export_with_pytorch(str(tmp_path / 'b0.onnx'),
                               shared('segformer_b0_ade/config.json'), attention, opset, dynamo)
    prepared = assert_exact_on_photos(path, B0, ONNXRUNTIME, photos(B0.input_size_wh))
    assert prepared.detail.startswith(B0_OUTLINE)


def export_with_pytorch(path, config_path, attention, opset, dynamo):
    """Export a SegFormer with random weights of transformers."""
    torch = pytest.importorskip('torch')
    transformers = pytest.importorskip('transformers')
    if dynamo:
        pytest.importorskip('onnxscript')
    config = transformers.SegformerConfig.from_json_file(config_path)
    config._attn_implementation = attention
    torch.manual_seed(0)
    network = transformers.SegformerForSemanticSegmentation(config).eval()
    for name, value in list(network.named_parameters()) + list(network.named_buffers()):
        # Biases of zero and gains of one are left out by exporters; a trained network has none.
        if name.endswith(('bias', 'running_mean')) or (value.ndim == 1 and 'var' not in name):
            value.data += 0.1 * torch.randn(value.shape)

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, pixel_values):
            return self.network(pixel_values=pixel_values).logits

    axes = None if dynamo else {'pixel_values': {0: 'batch', 2: 'height', 3: 'width'},
                                'logits': {0: 'batch', 2: 'height', 3: 'width'}}
    # The newer exporter takes shapes as they are, and keeps weights in the one file if told.
    more = {'external_data': False} if dynamo else {}
    torch.onnx.export(Logits().eval(), (torch.randn(1, 3, 512, 512),), path, opset_version=opset,
                      dynamo=dynamo, input_names=['pixel_values'], output_names=['logits'],
                      dynamic_axes=axes, **more)
    assert os.path.getsize(path) < 17e6
    return path
