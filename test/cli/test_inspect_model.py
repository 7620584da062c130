# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command inspect_model: its report, its exit status and the files it writes."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from segformer_ros.cli import inspect_model
from segformer_ros.model import verdicts
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.spec import load_model_spec
from segformer_ros.model.weights.resolve import resolve_model
from segformer_ros.segmentation.load_model import load_model
from support import onnx_writer as w
from support.output_networks import logits_of
from support.output_networks import picture
from support.output_networks import write_network


@pytest.fixture
def model(tmp_path):
    """Return a function that writes a model file and returns its path."""
    def write(content):
        path = tmp_path / 'My Model.onnx'
        path.write_bytes(content)
        return str(path)
    return write


@pytest.mark.smoke
def test_report_tells_contract_and_tensorrt(model, capsys):
    assert inspect_model.main([model(w.segmenter())]) == 0
    out = capsys.readouterr().out
    for text in ('inputs        pixel_values float32[1, 3, 64, 64]',
                 'outputs       logits float32[1, 150, 16, 16]',
                 'by by hand; opset 13; IR version 7', '7200 parameters',
                 'operators     1 Conv', 'classes       150: wall, building',
                 'contract      fits', 'TensorRT 8.2  fits'):
        assert text in out
    assert all(len(line) <= inspect_model.WIDTH for line in out.splitlines()[1:])


def test_texts_of_a_file_hold_nothing_that_a_terminal_obeys(model, capsys):
    inspect_model.main([model(w.segmenter(op='Odd\x1b[2J'))])
    out = capsys.readouterr().out
    assert 'operators     1 Odd\\x1b[2J' in out
    assert '\x1b' not in out


def test_file_that_fits_the_contract_but_not_tensorrt_says_both(model, capsys):
    assert inspect_model.main([model(w.segmenter(opset=17, op='LayerNormalization'))]) == 0
    out = capsys.readouterr().out
    assert 'contract      fits' in out
    assert 'TensorRT 8.2  does not fit' in out
    assert 'opset 17' in out
    assert 'read from TensorRT 8.6 on' in out


@pytest.mark.parametrize('operator, is_told', [
    ('DynamicQuantizeLinear', True), ('QLinearConv', True), ('MatMulInteger', True),
    ('ConvInteger', True), ('DequantizeLinear', True), ('QuickGelu', False), ('MatMul', False)])
def test_quantised_file_is_told_to_cost_more_than_the_float32_one(model, capsys, operator,
                                                                  is_told):
    assert inspect_model.main([model(w.segmenter(op=operator))]) == 0
    out = ' '.join(capsys.readouterr().out.split())
    assert (f'speed quantised ({operator}): it runs' in out) is is_told
    assert ('take the float32 file' in out) is is_told


def test_file_that_does_not_fit_exits_with_1(model, capsys):
    assert inspect_model.main([model(w.segmenter((1, 4, 64, 64)))]) == 1
    assert 'contract      does not fit. Input is not an image' in capsys.readouterr().out


def test_damaged_file_is_one_line_on_stderr(model, capsys):
    assert inspect_model.main([model(b'not onnx')]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith('inspect_model: No readable ONNX file')
    assert captured.err.count('\n') == 1


def test_written_files_make_the_model_usable_by_path(model, tmp_path, capsys):
    config = tmp_path / 'config.json'
    config.write_text(json.dumps({'id2label': {'0': 'grass', '1': 'car', '2': 'road'}}))
    processor = tmp_path / 'preprocessor_config.json'
    processor.write_text(json.dumps({'size': 128, 'image_mean': [0.5, 0.5, 0.5]}))
    path = model(w.segmenter(('b', 3, 'h', 'w'), ('b', 3, 'h', 'w')))
    assert inspect_model.main([path, '--config', str(config), '--preprocessor', str(processor),
                               '--write-spec', str(tmp_path / 'My Model.yaml')]) == 0
    out = capsys.readouterr().out
    assert 'My Model_classes.yaml' in out
    spec = resolve_model(path).spec
    assert spec.name == 'my_model'
    assert spec.input_size_wh == (128, 128)
    assert spec.mean == (0.5, 0.5, 0.5)
    assert load_class_table(spec.classes).names == ('grass', 'car', 'road')
    assert load_class_table(spec.classes).dynamic.tolist() == [False, True, False]


def test_unknown_classes_are_asked_for_before_a_file_is_written(model, tmp_path, capsys):
    path = model(w.segmenter(output_shape=(1, 7, 16, 16)))
    spec = tmp_path / 'spec.yaml'
    assert inspect_model.main([path, '--write-spec', str(spec)]) == 1
    captured = capsys.readouterr()
    assert '7, names not known: give --config or --classes' in captured.out
    assert 'Names of the 7 classes are not known' in captured.err
    assert not spec.exists()


def test_shipped_class_table_can_be_named(model, tmp_path):
    path = model(w.segmenter(output_shape=(1, 19, 16, 16)))
    spec = str(tmp_path / 'spec.yaml')
    assert inspect_model.main([path, '--classes', 'cityscapes', '--write-spec', spec]) == 0
    assert resolve_model(path, spec).spec.classes == 'cityscapes'


def test_size_of_a_dynamic_file_is_given_on_the_command_line(model, tmp_path, capsys):
    path = model(w.segmenter(('b', 3, 'h', 'w'), ('b', 150, 'h', 'w')))
    spec = str(tmp_path / 'spec.yaml')
    assert inspect_model.main([path, '--size', '640x480', '--write-spec', spec]) == 0
    # A quarter is assumed where the network, 4 x 4 without a stride, cannot be run.
    runs = importlib.util.find_spec('onnxruntime') is not None
    assert resolve_model(path, spec).spec.output_size_wh == ((637, 477) if runs else (160, 120))
    with pytest.raises(SystemExit):
        inspect_model.main([path, '--size', '640'])
    assert "'640' is not of the form 640x480" in capsys.readouterr().err


LAST = ('Transpose', {'perm': [0, 2, 3, 1]})
HALF = ('AveragePool', {'kernel_shape': [2, 2], 'strides': [2, 2]})


@pytest.mark.parametrize('tail, size, layout', [
    ([], 16, 'nchw'), ([HALF], 8, 'nchw'), ([LAST], 16, 'nhwc'), ([HALF, LAST], 8, 'nhwc')])
@pytest.mark.parametrize('wanted', [64, {'shortest_edge': 64}])
def test_size_and_layout_that_a_file_leaves_open_are_those_that_come(
        tmp_path, tail, size, layout, wanted):
    pytest.importorskip('onnxruntime')
    path = write_network(tmp_path, 5, tail, ('FLOAT', [1, None, None, None]))
    spec, preprocessor = str(tmp_path / 'net.yaml'), tmp_path / 'preprocessor_config.json'
    preprocessor.write_text(json.dumps({'size': wanted, 'do_normalize': False}))
    assert inspect_model.main([path, '--classes', str(tmp_path / 'table.yaml'), '--preprocessor',
                               str(preprocessor), '--write-spec', spec, '--force']) == 0
    found = load_model_spec(spec)
    assert (found.output_size_wh, found.output_layout) == ((size, size), layout)
    with open(spec, encoding='utf-8') as stream:
        notes = [line for line in stream if line.startswith('# Assumed')]
    assert any('a quarter of the input' in line for line in notes) == (size == 16)
    assert any(f'output_size_wh: [{size}, {size}], as it came' in line for line in notes) == (
        size != 16)
    mask = load_model(path).segment(picture()).mask
    # In the middle of patches of one colour.
    assert np.array_equal(mask[8::16, 8::16], logits_of(picture(), 5).argmax(axis=0)[2::4, 2::4])


def test_external_weights_are_named(model, capsys):
    path = model(w.model(w.graph(weights=[w.external_tensor('a', (2,), 'weights.bin')])))
    assert inspect_model.main([path]) == 1
    assert "weights in    'weights.bin'" in capsys.readouterr().out


@pytest.mark.parametrize('name, kind', [
    ('one_class', 'binary_logits'), ('two_class_softmax', 'probabilities'),
    ('tv_deeplab', 'logits')])
def test_what_the_output_holds_is_written_and_read_back(shared, tmp_path, name, kind, capsys):
    source = shared(f'real/models/{name}.onnx')
    table = tmp_path / 'table.yaml'
    count = {'one_class': 1, 'two_class_softmax': 2, 'tv_deeplab': 21}[name]
    table.write_text('name: t\nclasses:\n' + ''.join(
        f'- {{name: c{each}, color: [{each}, 9, 9]}}\n' for each in range(count)))
    spec = str(tmp_path / 'spec.yaml')
    assert inspect_model.main([source, '--classes', str(table), '--write-spec', spec]) == 0
    found = resolve_model(source, spec).spec
    assert found.output_kind == kind
    names = load_class_table(found.classes).names
    assert names == (('c0', 'rest') if count == 1 else tuple(f'c{each}' for each in range(count)))
    assert f'contract      fits: {kind}' in capsys.readouterr().out


def test_one_of_several_outputs_is_named_or_proposed(shared, tmp_path, capsys):
    path = shared('real/models/tv_deeplab.onnx')
    assert inspect_model.main([path]) == 0
    assert 'assumed: output_name: out of out, aux' in capsys.readouterr().out
    assert inspect_model.main([path, '--output', 'aux']) == 0
    out = capsys.readouterr().out
    assert 'output aux' in out and 'output_name' not in out
    assert inspect_model.main([path, '--output', 'nothing']) == 1
    assert "Output 'nothing' cannot be used: got out float32" in capsys.readouterr().out


@pytest.mark.parametrize('arguments', [[], ['--output', 'output1']])
def test_prototypes_of_yolo_are_refused_by_name(shared, arguments, capsys):
    assert inspect_model.main([shared('real/models/yolo_seg.onnx')] + arguments) == 1
    assert 'mask prototypes of YOLO' in ' '.join(capsys.readouterr().out.split())


def test_a_newer_format_than_any_known_is_told(shared, capsys):
    inspect_model.main([shared('real/models/ir99.onnx')])
    assert 'IR version 99 is newer' in ' '.join(capsys.readouterr().out.split())


def test_neither_onnx_nor_onnxruntime_is_needed(model, project_root):
    blocked = ('import sys; sys.modules.update(onnx=None, onnxruntime=None); '
               'from segformer_ros.cli import inspect_model; '
               'raise SystemExit(inspect_model.main(sys.argv[1:]))')
    done = subprocess.run([sys.executable, '-c', blocked, model(w.segmenter())],
                          cwd=project_root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    assert done.returncode == 0, done.stdout
    assert 'contract      fits' in done.stdout


@pytest.mark.parametrize('style, opset', [('dynamo', 18), ('scaled dot product', 17)])
def test_tensorrt_is_judged_by_the_graph_that_would_be_built_and_not_by_the_file(
        tmp_path, capsys, style, opset):
    onnx = pytest.importorskip('onnx')
    from support.exported_segformer import export_segformer
    from support.exported_segformer import TINY
    path = str(tmp_path / 'net.onnx')
    onnx.save(export_segformer(TINY, (64, 64), style), path)
    classes = tmp_path / 'table.yaml'
    classes.write_text('name: t\nclasses:\n' + ''.join(
        f'- {{name: c{each}, color: [{each}, 1, 2]}}\n' for each in range(TINY.classes)))
    arguments = [path, '--classes', str(classes)]
    assert inspect_model.main(arguments) == 0
    out = capsys.readouterr().out
    assert 'TensorRT 8.2  fits' in out and 'made from it: folded, blocks 1+2+1+1' in out
    assert f'the file itself: opset {opset}' in ' '.join(out.split())
    # Another network keeps its inside, and with it what TensorRT does not read.
    onnx.save(export_segformer(TINY, (64, 64), style, spoil='leaky'), path)
    assert inspect_model.main(arguments) == 0
    assert 'TensorRT 8.2  does not fit' in capsys.readouterr().out


def test_without_onnx_the_file_is_judged_and_that_is_said(model, capsys, monkeypatch):
    monkeypatch.setattr(inspect_model.importlib.util, 'find_spec', lambda name: None)
    assert inspect_model.main([model(w.segmenter(opset=17, op='LayerNormalization'))]) == 0
    out = ' '.join(capsys.readouterr().out.split())
    assert 'TensorRT 8.2 does not fit' in out and 'this is the file as it is' in out


def one_channel(folder, offset):
    """Write a network whose one channel spans some 20 about an offset."""
    onnx = pytest.importorskip('onnx')
    path = write_network(folder, 1, classes=2)
    model = onnx.load(path)
    for constant in model.graph.initializer:
        if constant.name == 'bias':
            values = onnx.numpy_helper.to_array(constant) + np.float32(offset)
            constant.CopyFrom(onnx.numpy_helper.from_array(values, 'bias'))
    onnx.save(model, path)
    return path


def test_one_channel_that_is_positive_everywhere_is_refused_as_depth(tmp_path, capsys):
    pytest.importorskip('onnxruntime')
    assert inspect_model.main([one_channel(tmp_path, 100.0)]) == 1
    said = ' '.join(capsys.readouterr().out.split())
    assert 'is never below 0' in said and 'depth, perhaps' in said
    assert 'write output_kind: binary_logits in a specification' in said
    for offset, told in ((-100.0, True), (0.0, False)):
        assert inspect_model.main([one_channel(tmp_path, offset)]) == 0
        said = ' '.join(capsys.readouterr().out.split())
        # What the channel means is not seen in its values: both are assumed.
        assert 'assumed: output_kind: binary_logits, of class 0; class 1 is the rest' in said
        assert ('never above 0: check' in said) == told


@pytest.mark.slow
def test_network_that_never_ends_is_given_up_and_told(tmp_path, capsys, monkeypatch):
    pytest.importorskip('onnxruntime')
    onnx = pytest.importorskip('onnx')
    helper, path = onnx.helper, write_network(tmp_path, 5)
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node('Identity', ['go'], ['goes']),
         helper.make_node('Identity', ['of'], ['to'])], 'body',
        [value('trip', 7, []), value('go', 9, []), value('of', 1, None)],
        [value('goes', 9, []), value('to', 1, None)])
    model = onnx.load(path)
    model.graph.node[-1].output[0] = 'l'
    model.graph.node.append(helper.make_node('Loop', ['trips', 'yes', 'l'], ['logits'],
                                             body=body))
    model.graph.initializer.extend([onnx.numpy_helper.from_array(np.array(2 ** 60), 'trips'),
                                    onnx.numpy_helper.from_array(np.array(True), 'yes')])
    onnx.save(model, path)
    monkeypatch.setattr(verdicts, 'TIMEOUT_S', 8.0)
    assert inspect_model.main([path]) == 0
    said = ' '.join(capsys.readouterr().out.split())
    assert 'not run here' in said and 'the process took longer than 8 s' in said


def test_crash_of_the_process_that_runs_a_network_is_told(tmp_path, capsys, monkeypatch):
    pytest.importorskip('onnxruntime')
    monkeypatch.setattr(verdicts.child_process.sys, 'executable', '/bin/false')
    assert inspect_model.main([write_network(tmp_path, 5)]) == 0
    said = ' '.join(capsys.readouterr().out.split())
    assert 'not run here' in said and 'the process ended with status 1' in said
