# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From a model's name or path to a segmenter that runs."""

import shutil

import numpy as np
import pytest
from segformer_ros.common import errors
from segformer_ros.common import resources
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.model.classes import load_class_table
from segformer_ros.segmentation.load_model import load_model
from segformer_ros.segmentation.segmenter import SegmenterSettings

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

IMAGE = np.full((48, 64, 3), 128, np.uint8)


@pytest.fixture
def model_folder(tmp_path):
    """Return a folder with the shipped model under another name."""
    for source, name in (('models/segformer_sim.onnx', 'own.onnx'),
                         ('config/models/segformer_sim.yaml', 'own.yaml')):
        shutil.copy(resources.find(source), str(tmp_path / name))
    return tmp_path


@pytest.mark.smoke
def test_name_of_the_catalogue_gives_a_segmenter_that_is_ready():
    segmenter = load_model('segformer_sim', SegmenterSettings(threshold=0.25), threads=1)
    result = segmenter.segment(IMAGE)
    assert result.mask.shape == (48, 64) and result.confidence.shape == (48, 64)
    assert segmenter.settings.threshold == 0.25
    assert segmenter.backend.info.details['threads'] == '1'
    assert load_class_table(segmenter.spec.classes).name == 'ade20k'
    segmenter.backend.close()


def test_paths_of_file_and_specification_give_the_same_masks(model_folder):
    masks = [load_model(model).segment(IMAGE).mask for model in (
        'segformer_sim', str(model_folder / 'own.onnx'), str(model_folder / 'own.yaml'))]
    assert (masks[0] == masks[1]).all() and (masks[0] == masks[2]).all()


def test_what_is_missing_is_named(model_folder):
    with pytest.raises(errors.ModelError, match='nonsense'):
        load_model('nonsense')
    (model_folder / 'own.onnx').unlink()
    with pytest.raises(errors.ModelError, match=r'Model file not found: got .*own\.onnx'):
        load_model(str(model_folder / 'own.yaml'))


def test_backend_is_closed_where_the_specification_does_not_fit(model_folder, monkeypatch):
    closed = []
    close = OnnxruntimeBackend.close
    monkeypatch.setattr(OnnxruntimeBackend, 'close',
                        lambda backend: (closed.append(backend), close(backend)))
    spec = model_folder / 'own.yaml'
    spec.write_text(spec.read_text().replace('input_name: pixel_values', 'input_name: other'))
    with pytest.raises(errors.ModelError):
        load_model(str(spec))
    assert len(closed) == 1
