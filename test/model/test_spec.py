# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Specifications: strict reading, and the check against an opened network."""

import json

import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.resources import find
from segformer_ros.model import spec as model_spec

BASE = 'name: mine\nclasses: ade20k\nnum_classes: 150\n'
INPUT = model_spec.TensorSpec('pixel_values', 'float32', (1, 3, 512, 512))
LOGITS = model_spec.TensorSpec('logits', 'float32', (1, 150, 128, 128))
SPEC = model_spec.ModelSpec('b0', 'ade20k', 150)


def load(folder, text):
    path = folder / 'spec.yaml'
    path.write_text(text, encoding='utf-8')
    return model_spec.load_model_spec(str(path))


def test_shipped_specification_is_that_of_the_checkpoint(shared):
    spec = model_spec.load_model_spec(find('config/models/segformer_b0_ade20k.yaml'))
    with open(shared('segformer_b0_ade/preprocessor_config.json')) as stream:
        processor = json.load(stream)
    with open(shared('segformer_b0_ade/config.json')) as stream:
        config = json.load(stream)
    assert list(spec.mean) == processor['image_mean']
    assert list(spec.std) == processor['image_std']
    assert spec.input_size_wh == (processor['size']['width'], processor['size']['height'])
    assert spec.num_classes == len(config['id2label'])
    # The decode head works at a quarter of the input.
    assert spec.output_size_wh == tuple(size // 4 for size in spec.input_size_wh)


@pytest.mark.smoke
def test_defaults_are_segformers(tmp_path):
    spec = load(tmp_path, BASE)
    assert spec == model_spec.ModelSpec('mine', 'ade20k', 150)
    assert spec.input_tensor() == INPUT
    assert spec.output_tensors() == (LOGITS,)


def test_every_field_can_be_set(tmp_path):
    spec = load(tmp_path, BASE + (
        'input_name: image\ninput_size_wh: [640, 480]\ninput_layout: nhwc\ninput_dtype: uint8\n'
        'mean: [0, 0.5, 1]\nstd: [1, 0.5, 0.25]\noutput_name: scores\noutput_layout: nhwc\n'
        'output_size_wh: [160, 120]\nlogsumexp_name: lse\n'))
    assert spec == model_spec.ModelSpec(
        'mine', 'ade20k', 150, 'image', (640, 480), 'nhwc', 'uint8', (0.0, 0.5, 1.0),
        (1.0, 0.5, 0.25), 'scores', 'nhwc', (160, 120), 'lse')
    assert spec.input_tensor() == model_spec.TensorSpec('image', 'uint8', (1, 480, 640, 3))
    assert spec.output_tensors() == (
        model_spec.TensorSpec('scores', 'float32', (1, 120, 160, 150)),
        model_spec.TensorSpec('lse', 'float32', (1, 120, 160)))


def test_download_is_left_to_the_store_and_null_is_no_output(tmp_path):
    spec = load(tmp_path, BASE + 'download: {anything: [at, all]}\nlogsumexp_name: null\n')
    assert spec == model_spec.ModelSpec('mine', 'ade20k', 150)


@pytest.mark.parametrize(('text', 'message'), [
    ('name: mine\nclasses: ade20k\n', 'Missing key .*expected num_classes'),
    (BASE + 'input_sise_wh: [1, 1]\n', "Did you mean 'input_size_wh'"),
    (BASE + 'input_size_wh: 512\n', r'got 512; expected \[width, height\]'),
    (BASE + 'input_size_wh: [512, 0]\n', 'whole numbers from 1 to 4096'),
    (BASE + 'input_size_wh: [512, 1.5]\n', 'whole numbers from 1 to 4096'),
    (BASE + 'input_size_wh: [4097, 512]\n', 'whole numbers from 1 to 4096'),
    (BASE + 'output_size_wh: [512, 1000000000000]\n', 'whole numbers from 1 to 4096'),
    (BASE + 'input_layout: NCHW\n', "got 'NCHW'; expected nchw or nhwc"),
    (BASE + 'input_dtype: float64\n', "got 'float64'; expected float32 or uint8 or float16"),
    (BASE + 'mean: [123.7, 116.3, 103.5]\n', 'Divide by 255'),
    (BASE + 'mean: [0.1, 0.2]\n', 'three numbers'),
    (BASE + 'mean: [0.1, 0.2, true]\n', 'three numbers'),
    (BASE + 'mean: [0.1, 0.2, .nan]\n', 'numbers from 0 to 1'),
    (BASE + 'std: [0.1, 0.2, 0]\n', 'none 0'),
    (BASE + 'output_name: 5\n', "'output_name'.*got 5; expected text"),
    (BASE.replace('150', '"150"'), "'num_classes'.*got '150'; expected a whole number"),
    (BASE.replace('150', 'true'), 'got True; expected a whole number'),
    (BASE.replace('150', '149'), "does not fit class table 'ade20k': got 149; expected 150"),
    (BASE.replace('ade20k', 'cityscape'), "Not found in config/classes: got 'cityscape'"),
])
def test_wrong_specifications_are_told(tmp_path, text, message):
    with pytest.raises(ConfigurationError, match=message):
        load(tmp_path, text)


def test_a_network_that_fits_passes():
    SPEC.check([INPUT], [LOGITS])
    SPEC.check([INPUT], [model_spec.TensorSpec('hidden', 'float16', (1, 2)), LOGITS])


def test_dynamic_dimensions_fit_any_size():
    SPEC.check([INPUT._replace(shape=(None, 3, None, None))],
               [LOGITS._replace(shape=(None, None, None, None))])


@pytest.mark.parametrize(('inputs', 'outputs', 'message'), [
    ([INPUT._replace(name='images')], [LOGITS], 'got images float32.*Correct input_name'),
    ([INPUT, INPUT._replace(name='mask')], [LOGITS], 'Inputs of the model do not fit'),
    ([], [LOGITS], 'got none; expected pixel_values'),
    ([INPUT._replace(shape=(1, 3, 640, 640))], [LOGITS],
     r'got pixel_values float32\[1, 3, 640, 640\].*Correct input_size_wh'),
    ([INPUT._replace(shape=(1, 512, 512, 3))], [LOGITS], 'or input_layout'),
    ([INPUT._replace(dtype='float16')], [LOGITS], 'Export the model with float32 inputs'),
    ([INPUT], [LOGITS._replace(name='output')],
     "Output 'logits' of specification 'b0' is not in the model: got output float32.*output_name"),
    ([INPUT], [LOGITS._replace(shape=(1, 19, 128, 128))],
     'The model has 19 classes: correct num_classes'),
    ([INPUT], [LOGITS._replace(shape=(None, 19, None, None))], 'The model has 19 classes'),
    ([INPUT], [LOGITS._replace(shape=(1, 150, 64, 64))], 'Correct output_size_wh'),
    ([INPUT], [LOGITS._replace(shape=(1, 128, 128))], 'Correct output_size_wh'),
    ([INPUT], [LOGITS._replace(dtype='int64')], 'Export the model with float32 outputs'),
])
def test_a_network_that_does_not_fit_is_told(inputs, outputs, message):
    with pytest.raises(ModelError, match=message):
        SPEC.check(inputs, outputs)


def test_a_missing_log_sum_exp_is_told():
    with pytest.raises(ModelError, match="Output 'lse' of specification 'b0' is not in the model"):
        SPEC._replace(logsumexp_name='lse').check([INPUT], [LOGITS])


def test_returned_sizes_of_a_dynamic_network_are_checked():
    SPEC.check_shapes({'logits': (1, 150, 128, 128), 'hidden': (3,)})
    with pytest.raises(ModelError, match=r'got logits float32\[1, 150, 512, 512\]; expected'):
        SPEC.check_shapes({'logits': (1, 150, 512, 512)})
