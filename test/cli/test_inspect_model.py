# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command inspect_model: its report, its exit status and the files it writes."""

import json
import subprocess
import sys

import pytest
from segformer_ros.cli import inspect_model
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.weights.resolve import resolve_model
from support import onnx_writer as w


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


def test_file_that_fits_the_contract_but_not_tensorrt_says_both(model, capsys):
    assert inspect_model.main([model(w.segmenter(opset=17, op='LayerNormalization'))]) == 0
    out = capsys.readouterr().out
    assert 'contract      fits' in out
    assert 'TensorRT 8.2  does not fit' in out
    assert 'opset 17' in out
    assert 'read from TensorRT 8.6 on' in out


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
    assert resolve_model(path, spec).spec.output_size_wh == (160, 120)
    with pytest.raises(SystemExit):
        inspect_model.main([path, '--size', '640'])
    assert "'640' is not of the form 640x480" in capsys.readouterr().err


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
    onnx.save(export_segformer(TINY, (64, 64), style, spoil='relu'), path)
    assert inspect_model.main(arguments) == 0
    assert 'TensorRT 8.2  does not fit' in capsys.readouterr().out


def test_without_onnx_the_file_is_judged_and_that_is_said(model, capsys, monkeypatch):
    monkeypatch.setattr(inspect_model.importlib.util, 'find_spec', lambda name: None)
    assert inspect_model.main([model(w.segmenter(opset=17, op='LayerNormalization'))]) == 0
    out = ' '.join(capsys.readouterr().out.split())
    assert 'TensorRT 8.2 does not fit' in out and 'this is the file as it is' in out
