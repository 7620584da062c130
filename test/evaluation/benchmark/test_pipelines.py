# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The pipelines that are compared do the same work, and do it right."""

import sys

import numpy as np
import pytest

from segformer_ros.evaluation.benchmark import pipelines
from segformer_ros.evaluation.benchmark.pipelines import CameraImage
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from support.color_network import color_spec
from support.color_network import write_color_network
from support.oracles import upsample
from support.oracles import upsampled_argmax

pytest.importorskip('onnxruntime')
STAGES = {'convert', 'pre', 'infer', 'post', 'message'}


@pytest.fixture(scope='module')
def backend(tmp_path_factory):
    path = write_color_network(tmp_path_factory.mktemp('pipelines') / 'colors.onnx')
    with OnnxruntimeBackend(path, threads=1) as opened:
        yield opened


def stripes(height=96, width=128):
    """Return a picture whose colours change along both axes."""
    rows, cols = np.mgrid[:height, :width]
    return np.stack([rows * 255 // height, cols * 255 // width, (rows + cols) % 256],
                    axis=2).astype(np.uint8)


def test_all_pipelines_agree_on_the_resize_that_they_share(backend):
    spec, frame = color_spec(), CameraImage(stripes())
    variants = [pipelines.our_pipeline('plain', frame, backend, spec, 'opencv', True, 1),
                pipelines.our_pipeline('faithful', frame, backend, spec, 'pillow', True, 1),
                pipelines.opencv_pipeline('opencv', frame, backend, spec)]
    for variant in variants:
        run = variant.run()
        assert set(run.stages) == STAGES
        assert run.network_cpu > 0
    assert frame.masks['plain'].shape == (96, 128)
    assert len(np.unique(frame.masks['plain'])) >= 3
    assert np.mean(frame.masks['plain'] != frame.masks['opencv']) < 1e-3
    # Another filter, other labels: the comparison would see a pipeline that mixed them up.
    assert np.mean(frame.masks['plain'] != frame.masks['faithful']) > 0


def test_transformers_pipeline_agrees_with_the_faithful_one(backend):
    pytest.importorskip('torch')
    spec, frame = color_spec(), CameraImage(stripes())
    pipelines.our_pipeline('faithful', frame, backend, spec, 'pillow', False, 1).run()
    variant = pipelines.transformers_pipeline('transformers', frame, backend, spec)
    assert set(variant.run().stages) == STAGES
    assert np.mean(frame.masks['faithful'] != frame.masks['transformers']) < 1e-3


def test_transformers_pipeline_is_left_out_without_torch(backend, monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch', None)
    frame = CameraImage(stripes())
    assert pipelines.transformers_pipeline('none', frame, backend, color_spec()) is None


@pytest.mark.parametrize('channels', [3, 150])
def test_upsampling_of_many_channels_is_bilinear(channels):
    planes = np.random.RandomState(0).normal(size=(6, 5, channels)).astype(np.float32)
    upsampled = np.full((18, 20, channels), np.nan, np.float32)
    pipelines.upsample_channels(planes, upsampled)
    expected = upsample(planes.transpose(2, 0, 1), (20, 18)).transpose(1, 2, 0)
    np.testing.assert_allclose(upsampled, expected, atol=1e-5)


def test_opencv_pipeline_takes_the_argmax_of_the_upsampled_logits(backend):
    spec, frame = color_spec(), CameraImage(stripes(64, 64))
    pipelines.opencv_pipeline('opencv', frame, backend, spec).run()
    tensor = (stripes(64, 64) / 255.0).astype(np.float32).transpose(2, 0, 1)[np.newaxis]
    logits = backend.infer({'pixel_values': np.ascontiguousarray(tensor)})['logits'][0]
    expected = upsampled_argmax(logits, (64, 64))
    clear = expected.gap > 1e-4
    assert clear.mean() > 0.95
    assert np.array_equal(frame.masks['opencv'][clear], expected.mask[clear])
