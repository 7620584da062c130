# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Judging ONNX files: drafts that fit, refusals with a reason, TensorRT 8.2's limits."""

import os
import re
import tempfile

from hypothesis import assume
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.onnx_file import inspection
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.spec import load_model_spec
from segformer_ros.model.spec import ModelSpec
from segformer_ros.model.weights.resolve import resolve_model
from support import onnx_writer as w


def header_of(content):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'model.onnx')
        with open(path, 'wb') as stream:
            stream.write(content)
        return read_onnx_header(path)


def draft(content, **known):
    return inspection.draft_spec(header_of(content), 'm', inspection.Knowledge(**known))


@pytest.mark.smoke
def test_fixed_file_needs_few_assumptions():
    result = draft(w.segmenter())
    assert result.spec == ModelSpec('m', 'ade20k', 150, input_size_wh=(64, 64),
                                    output_size_wh=(16, 16))
    assert result.assumptions == (
        'classes: those of ade20k', 'mean and std: those of ImageNet', 'color_order: rgb')


def test_what_the_user_says_is_no_assumption():
    half = (0.5, 0.5, 0.5)
    result = draft(w.segmenter(), classes='ade20k', num_classes=150, mean=half, std=half,
                   color_order='rgb')
    assert result.spec.mean == result.spec.std == half
    assert result.assumptions == ()


def test_float16_ends_are_taken():
    result = draft(w.segmenter(input_dtype=w.FLOAT16, output_dtype=w.FLOAT16))
    assert result.spec.input_dtype == 'float16'
    assert result.spec.output_kind == 'logits'


@pytest.mark.parametrize('tail', [('Resize',), ('Resize', 'Identity'), ('Resize', 'Cast')])
def test_dynamic_file_that_enlarges_its_output_gives_the_size_of_the_input(tail):
    shape = ('b', 'c', 'h', 'w')
    content = w.segmenter(('b', 3, 'h', 'w'), shape, tail=tail)
    result = draft(content, input_size_wh=(641, 320))
    assert result.spec.output_size_wh == (641, 320)
    assert 'output_size_wh: that of the input, as the network enlarges its output' \
        in result.assumptions
    plain = draft(w.segmenter(('b', 3, 'h', 'w'), shape), input_size_wh=(641, 320))
    assert plain.spec.output_size_wh == (161, 80)


def test_dynamic_file_takes_the_number_of_classes_from_its_last_convolution():
    content = w.segmenter(('b', 3, 'h', 'w'), ('b', 'c', 'h4', 'w4'))
    result = draft(content, input_size_wh=(641, 320))
    assert result.spec.num_classes == 150
    assert result.spec.input_size_wh == (641, 320)
    assert result.spec.output_size_wh == (161, 80)
    assert [text.split(':')[0] for text in result.assumptions] == [
        'input_size_wh', 'output_size_wh', 'classes', 'mean and std', 'color_order']
    assert draft(content).spec.input_size_wh == (512, 512)


def test_file_that_states_no_dimension_at_all_has_its_channels_first():
    # What optimum exports for transformers.js.
    content = w.segmenter(('b', 'channels', 'h', 'w'), ('b', 'c', 'h4', 'w4'))
    result = draft(content, input_size_wh=(640, 320))
    assert (result.spec.input_layout, result.spec.input_size_wh) == ('nchw', (640, 320))
    assert (result.spec.num_classes, result.spec.output_size_wh) == (150, (160, 80))
    assert result.assumptions[0].startswith('input_layout: nchw')
    assert inspection.violations(header_of(content)) == []
    assert draft(w.segmenter(('b', 'h', 'w', 3), (1, 16, 16, 150)),
                 input_size_wh=(64, 64)).spec.input_layout == 'nhwc'


def test_deployment_form_with_channels_last_and_uint8_is_recognised():
    content = w.segmenter((1, 480, 640, 3), (1, 120, 160, 19), input_dtype=w.UINT8)
    spec = draft(content).spec
    assert (spec.input_layout, spec.output_layout) == ('nhwc', 'nhwc')
    assert (spec.input_size_wh, spec.output_size_wh) == ((640, 480), (160, 120))
    assert (spec.num_classes, spec.input_dtype) == (19, 'uint8')


@pytest.mark.parametrize('content, known, message', [
    (w.segmenter((1, 4, 64, 64)), {}, 'Input is not an image'),
    (w.segmenter((8, 3, 64, 64)), {}, 'Input is not an image'),
    (w.segmenter((3, 64, 64)), {}, 'Input is not an image'),
    (w.segmenter(input_dtype=w.INT64), {}, 'Input is not an image'),
    (w.model(w.graph()), {}, 'other inputs than one image: got none'),
    (w.segmenter(output_shape=(1, 64, 64)), {}, 'no output of logits'),
    (w.segmenter(output_shape=(1, 150, 64, 64), output_dtype=w.INT64), {}, 'no output of logits'),
    (w.segmenter(output_shape=(1, 150, 16, 8)), {}, 'other proportions'),
    (w.segmenter(output_shape=(1, 300, 16, 16)), {}, 'expected 2 to 255'),
    (w.segmenter(), {'num_classes': 19}, 'got 19 classes; expected 150 classes'),
    (w.segmenter(), {'input_size_wh': (32, 32)}, 'Input size is fixed'),
    (w.segmenter(output_shape=(1, 'c', 16, 16), op='Add'), {}, 'not stated in the file'),
], ids=[str(row) for row in range(12)])
def test_file_that_does_not_fit_is_told_why(content, known, message):
    with pytest.raises(ModelError, match=re.escape(message)) as caught:
        draft(content, **known)
    assert caught.value.remedy


@pytest.mark.parametrize('channels, classes', [(1, 2), (2, 2), (255, 255), (256, None)])
def test_one_to_255_classes_are_taken(channels, classes):
    content = w.segmenter(output_shape=(1, channels, 16, 16))
    if classes is None:
        with pytest.raises(ModelError, match='cannot be handled: got 256; expected 2 to 255'):
            draft(content)
    else:
        assert draft(content).spec.num_classes == classes


def test_two_outputs_of_which_neither_is_named_logits_are_told():
    values = [w.value_info(name, (1, 2, 16, 16)) for name in ('a', 'b')]
    content = w.model(w.graph(inputs=[w.value_info('x', (1, 3, 64, 64))], outputs=values))
    with pytest.raises(ModelError, match='Which output holds the logits'):
        draft(content)


@pytest.mark.once
@settings(max_examples=60, deadline=None)
@given(width=st.integers(16, 2000), height=st.integers(16, 2000),
       classes=st.integers(2, 255), channels_last=st.booleans())
def test_draft_finds_layout_and_sizes_of_any_segformer(width, height, classes, channels_last):
    out_wh = (-(-width // 4), -(-height // 4))
    shape = (1, out_wh[1], out_wh[0], classes) if channels_last else \
        (1, classes, out_wh[1], out_wh[0])
    # Channels last may happen to have the proportions of channels first.
    doubtful = channels_last and (
        abs(classes / width - out_wh[0] / height) <= 1.0 / min(width, height))
    assume(not doubtful)
    spec = draft(w.segmenter((1, 3, height, width), shape, op='Add'),
                 classes='not read here', num_classes=classes).spec
    assert spec.input_size_wh == (width, height)
    assert spec.output_size_wh == out_wh
    assert spec.num_classes == classes


def test_written_specification_is_read_back(tmp_path):
    path = str(tmp_path / 'my.yaml')
    result = draft(w.segmenter())
    assert inspection.write_spec(path, result, None) == [path]
    assert load_model_spec(path) == result.spec
    (tmp_path / 'my.onnx').write_bytes(w.segmenter())
    assert resolve_model(str(tmp_path / 'my.onnx')).spec == result.spec


def test_class_table_of_ones_own_is_written_beside_the_specification(tmp_path, monkeypatch):
    table = ClassTable('mine', ['gravel path', 'naïve "tree"'], [[1, 2, 3], [4, 5, 6]],
                       [False, True])
    path = str(tmp_path / 'my.yaml')
    result = draft(w.segmenter(output_shape=(1, 2, 16, 16)), num_classes=2)
    assert inspection.write_spec(path, result, table) == [str(tmp_path / 'my_classes.yaml'), path]
    # Found from any folder, and after both files have moved.
    os.mkdir(str(tmp_path / 'moved'))
    for name in ('my.yaml', 'my_classes.yaml'):
        os.rename(str(tmp_path / name), str(tmp_path / 'moved' / name))
    monkeypatch.chdir(os.path.dirname(str(tmp_path)))
    spec = load_model_spec(str(tmp_path / 'moved' / 'my.yaml'))
    read = load_class_table(spec.classes)
    assert read.names == table.names
    assert read.dynamic.tolist() == [False, True]


def test_shipped_class_table_is_named_instead_of_copied(tmp_path):
    table = ClassTable('other name', load_class_table('ade20k').names,
                       load_class_table('ade20k').colors[::-1], [False] * 150)
    assert inspection.shipped_table_like(table) == 'ade20k'
    path = str(tmp_path / 'my.yaml')
    assert inspection.write_spec(path, draft(w.segmenter()), table) == [path]
    assert load_model_spec(path).classes == 'ade20k'


def test_existing_file_is_kept_unless_told_otherwise(tmp_path):
    path = tmp_path / 'my.yaml'
    path.write_text('mine')
    with pytest.raises(ConfigurationError, match=r'exists already.*--force'):
        inspection.write_spec(str(path), draft(w.segmenter()), None)
    assert path.read_text() == 'mine'
    inspection.write_spec(str(path), draft(w.segmenter()), None, overwrite=True)
    with pytest.raises(ConfigurationError, match=r'ends in \.yaml'):
        inspection.write_spec(str(tmp_path / 'my.onnx'), draft(w.segmenter()), None)
    with pytest.raises(ConfigurationError, match='cannot be written'):
        inspection.write_spec(str(tmp_path / 'absent' / 'my.yaml'), draft(w.segmenter()), None)


@pytest.mark.once
@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20))
def test_any_tensor_name_survives_the_yaml(name):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'spec.yaml')
        classes = os.path.join(folder, 'one.yaml')
        with open(classes, 'w', encoding='utf-8') as stream:
            stream.write('name: one\nclasses: [{name: a, color: [0, 0, 0]}, '
                         '{name: b, color: [1, 0, 0]}]\n')
        result = draft(w.segmenter(output_shape=(1, 2, 16, 16)), classes=classes, num_classes=2)
        result = result._replace(spec=result.spec._replace(input_name=name, output_name='no'))
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(inspection.spec_to_yaml(result))
        assert load_model_spec(path) == result.spec


@pytest.mark.parametrize('path, name', [
    ('/x/My Model-B0.onnx', 'my_model_b0'), ('segformer_b0.onnx', 'segformer_b0')])
def test_model_name_is_made_of_the_file_name(path, name):
    assert inspection.name_from(path) == name


def test_network_of_the_contract_fits_tensorrt(shared):
    assert inspection.violations(header_of(w.segmenter())) == []
    real = read_onnx_header(shared('models/ade20k_mobilenetv2_segformer_io.onnx'))
    assert inspection.violations(real) == []


@pytest.mark.parametrize('content, message', [
    (w.segmenter(opset=17), 'opset 17: TensorRT 8.2 reads up to 13'),
    (w.segmenter(opset=0), 'opset 0'),
    (w.segmenter(op='LayerNormalization'),
     'operator LayerNormalization: read from TensorRT 8.6 on'),
    (w.segmenter(op='Gelu'), 'operator Gelu: read from TensorRT 10.0 on'),
    (w.segmenter(op='ConvInteger'), 'operator ConvInteger: not read'),
    (w.segmenter(domain='com.microsoft'), 'operator com.microsoft::Conv: not read'),
    (w.segmenter((1, 64, 64, 3)), 'NCHW with 3 channels'),
    (w.segmenter(input_dtype=w.UINT8), 'uint8 is read from TensorRT 8.5 on'),
], ids=[str(row) for row in range(8)])
def test_what_tensorrt_8_2_cannot_read_is_listed(content, message):
    found = inspection.violations(header_of(content))
    assert len(found) == 1
    assert message in found[0]


def test_operators_of_each_version_stand_once():
    later = ' '.join(names for _, names in inspection.LATER_OPERATORS).split()
    assert len(later) == len(set(later))
    assert not inspection.OPERATORS & set(later)
    assert len(inspection.OPERATORS) == 129
