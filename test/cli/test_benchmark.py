# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The benchmark command on a small network, for real but short."""

import json
import os

import pytest

from segformer_ros.cli import benchmark
from segformer_ros.evaluation.benchmark import report as benchmark_report
from support.exported_segformer import export_segformer
from support.exported_segformer import TINY

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
ARGUMENTS = ['--rounds', '2', '--patience', '0', '--size', '80x60', '--threads', '1']


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    path = str(tmp_path / 'tiny.onnx')
    architecture = TINY._replace(classes=150)
    onnx.save(export_segformer(architecture, (64, 64), 'simplified'), path)
    with open(str(tmp_path / 'tiny.yaml'), 'w', encoding='utf-8') as stream:
        stream.write('name: tiny\nclasses: ade20k\nnum_classes: 150\n'
                     'input_size_wh: [64, 64]\noutput_size_wh: [16, 16]\n')
    return path


def test_command_writes_figures_and_a_page_about_them(model, tmp_path, capsys):
    output = str(tmp_path / 'out')
    assert benchmark.main(['--model', model, '--output', output] + ARGUMENTS) == 0
    with open(os.path.join(output, 'benchmark.json'), encoding='utf-8') as stream:
        report = json.load(stream)
    found = report['models'][0]
    assert found['optimized_model'].startswith('folded')
    rows = {row['name']: row for row in found['network']['rows']}
    assert rows['original']['ratio']['original'] == 1.0
    assert rows['optimized']['ratio']['original'] > 0
    assert found['runtimes']['original'].startswith('onnxruntime ')
    assert 'CPUExecutionProvider' in found['runtimes']['optimized']
    assert set(rows) <= set(found['runtimes'])
    frames = found['frames']['80x60']
    names = [row['name'] for row in frames['rows']]
    assert names[:3] == ['ours, opencv resize', 'ours, pillow resize', 'ours, mask only']
    assert 'opencv + numpy' in names
    for row in frames['rows']:
        stages = row['stages_ms']
        assert 0 < row['overhead_ms'] < stages['total']
        assert row['overhead_cpu_ms'] <= row['cpu_ms']
        assert 0 < row['overhead_fastest_ms'] <= row['overhead_ms']
        assert row['fastest_ms'] <= stages['total']
    assert frames['labels_differ']['ours, opencv resize / opencv + numpy'] < 1e-3
    memory = found['memory']['80x60']
    assert memory['imports_mb'] > 10 and memory['above_imports_mb'] > 0
    assert memory['first_mask_s'] > 0.1
    with open(os.path.join(output, 'benchmark.md'), encoding='utf-8') as stream:
        page = stream.read()
    assert '## tiny, 64 x 64, 1 threads' in page
    assert '| ours, pillow resize |' in page
    assert '### Bytes and caches beside the network, 80 x 60' in page
    assert [row['name'] for row in found['caches']['80x60']['rows']] == [
        'ours', 'passes of their own']
    # Processor time comes first.
    assert '| ms | CPU | infer | fastest | / original |' in page
    assert '| original | onnxruntime ' in page
    assert str(tmp_path) not in page
    assert capsys.readouterr().out.splitlines() == [
        os.path.join(output, 'benchmark.json'), os.path.join(output, 'benchmark.md')]


def test_second_run_replaces_its_own_models_and_keeps_the_others(model, tmp_path):
    output = str(tmp_path / 'out')
    os.mkdir(output)
    path = os.path.join(output, 'benchmark.json')

    def write(models):
        with open(path, 'w', encoding='utf-8') as stream:
            json.dump({'models': models, 'commands': ['benchmark --early'], 'node': None}, stream)

    write([])
    arguments = ['--model', model, '--output', output, '--append', '--no-memory'] + ARGUMENTS
    assert benchmark.main(arguments) == 0
    with open(path, encoding='utf-8') as stream:
        first = json.load(stream)['models'][0]
    write([dict(first, name='other'), dict(first, threads=99)])
    assert benchmark.main(arguments) == 0
    with open(path, encoding='utf-8') as stream:
        report = json.load(stream)
    assert [(found['name'], found['threads']) for found in report['models']] == [
        ('other', 1), ('tiny', 1)]
    assert [command.split()[:2] for command in report['commands']] == [
        ['benchmark', '--early'], ['benchmark', '--model']]


def test_figures_of_another_machine_are_not_continued(model, tmp_path, capsys):
    output = tmp_path / 'out'
    output.mkdir()
    (output / 'benchmark.json').write_text(json.dumps(
        {'models': [], 'commands': [], 'machine': {'cores': '999'}, 'versions': {}}))
    assert benchmark.main(['--model', model, '--output', str(output), '--append'] +
                          ARGUMENTS) == 1
    assert 'Figures of another machine are not continued' in capsys.readouterr().err


def test_appending_to_nothing_is_refused(model, tmp_path, capsys):
    output = str(tmp_path / 'none')
    assert benchmark.main(['--model', model, '--output', output, '--append'] + ARGUMENTS) == 1
    assert 'No figures to append to' in capsys.readouterr().err


def test_missing_model_is_told_in_one_line(capsys):
    assert benchmark.main(['--model', '/none/there.onnx']) == 1
    assert capsys.readouterr().err.startswith('benchmark: ')


def test_missing_picture_is_told(model, capsys, tmp_path):
    assert benchmark.main(['--model', model, '--image', str(tmp_path / 'no.png')]) == 1
    assert 'Picture cannot be read' in capsys.readouterr().err


@pytest.mark.parametrize('size', ['640', '640x', 'axb', '0x480'])
def test_wrong_size_is_refused(size, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(['--size', size])
    assert 'is not of the form 640x480' in capsys.readouterr().err


def test_goals_tell_met_missed_and_unmeasured():
    race = {'rows': [
        {'name': 'original', 'ratio': {'original': 1.0}, 'fastest_ratio': {'original': 1.0}},
        {'name': 'optimized', 'ratio': {'original': 0.6}, 'fastest_ratio': {'original': 0.5}}]}
    openvino = 'network, OpenVINO, optimized / {}, processor time'
    model = {'input_size_wh': [512, 512], 'changes': 'folded', 'network': race, 'frames': {},
             'memory': {'640x480': {'above_imports_mb': 120.0, 'first_mask_s': 0.8}}}
    goals = {text: tuple(values) for text, *values in benchmark_report.goals(model)}
    assert goals['network, optimized / original'] == (0.53, 0.6, 0.5)
    assert goals['640x480: peak MB above the imports'] == (300.0, 120.0, 120.0)
    assert goals['640x480: s from process start to first mask'] == (1.5, 0.8, 0.8)
    assert goals['1280x720: peak MB above the imports'][1:] == (None, None)
    assert goals['1280x720: s from process start to first mask'][1:] == (None, None)
    assert goals['640x480, ours, opencv resize: ms beside the network'][1:] == (None, None)
    # OpenVINO is not installed everywhere.
    assert goals[openvino.format('original')] == (0.44, None)
    assert goals[openvino.format('OpenVINO, original')] == (0.6, None)
    assert goals['1280x720: ms of the costmap, moving mount'] == (12.0, None, None)
    assert benchmark_report.goals(dict(model, input_size_wh=[256, 192])) == []
    assert benchmark_report.goals(dict(model, changes='ends only')) == []
    race['rows'].append({'name': 'OpenVINO, optimized', 'ratio': {}, 'fastest_ratio': {},
                         'cpu_ratio': {'original': 0.45, 'OpenVINO, original': 0.59}})
    goals = {text: tuple(values) for text, *values in benchmark_report.goals(model)}
    assert goals[openvino.format('original')] == (0.44, 0.45)
    assert goals[openvino.format('OpenVINO, original')] == (0.6, 0.59)


def test_page_of_the_docs_is_what_is_written_about_its_figures(project_root):
    with open(project_root + '/docs/performance.json', encoding='utf-8') as stream:
        page = benchmark_report.markdown(json.load(stream))
    with open(project_root + '/docs/performance.md', encoding='utf-8') as stream:
        written = stream.read()
    assert written.startswith(page)
    # The rest is kept by make bench.
    assert written[len(page):].lstrip('\n').startswith('<!-- Written by hand')
    # What the page is to show: four ways to run SegFormer-B0, and their ratios.
    network = page[page.index('### Network alone'):]
    for way in ('original', 'optimized', 'OpenVINO, original', 'OpenVINO, optimized'):
        assert f'\n| {way} |' in network
    assert '| / original | / OpenVINO, original |' in network
