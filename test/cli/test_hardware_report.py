# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command hardware_report on this machine, whatever it has."""

import json
import os
import subprocess
import sys

import pytest
from segformer_ros.cli import hardware_report
from segformer_ros.evaluation.hardware.parts import all_parts

LONG = ('onnxruntime', 'openvino', 'engine-fp16', 'engine-fp32')


def test_command_writes_two_files_with_a_line_for_every_part(project_root, tmp_path):
    skips = [word for part in LONG for word in ('--skip', part)]
    done = subprocess.run(
        [sys.executable, '-m', 'segformer_ros.cli.hardware_report', '--output', str(tmp_path)]
        + skips, env=dict(os.environ, PYTHONPATH=project_root),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=180)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / 'hardware_report.json').read_text())
    assert list(report['parts']) == [name for name in all_parts() if name not in LONG]
    assert report['parts']['board']['facts']['cores'] == str(os.cpu_count())
    for part in report['parts'].values():
        assert part['facts'] or part['missing']
    page = (tmp_path / 'hardware_report.md').read_text()
    assert '## board' in page and page in done.stdout
    assert str(tmp_path) not in page and os.uname().nodename not in page


def test_one_part_prints_its_facts_line_by_line(capsys):
    assert hardware_report.main(['--part', 'board']) == 0
    lines = [line for line in capsys.readouterr().out.split('\n') if line]
    assert lines[-1] == 'END' and lines[0].startswith('FACT ["processor"')


def test_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        hardware_report.main(['--skip', 'kitchen'])
    assert 'kitchen' in capsys.readouterr().err


@pytest.mark.parametrize('kind', ['file above', 'folder in the way'])
def test_output_that_cannot_be_used_is_told_before_anything_is_measured(tmp_path, capsys, kind):
    (tmp_path / 'file').write_text('')
    (tmp_path / 'out' / 'hardware_report.json').mkdir(parents=True)
    output = tmp_path / ('file' if kind == 'file above' else 'out')
    assert hardware_report.main(['--output', str(output)]) == 1
    told = capsys.readouterr().err
    assert told.startswith('hardware_report: Report cannot be written: got ')
    assert 'board' not in told


def test_names_of_parts_cannot_be_mistaken_in_the_help(capsys):
    with pytest.raises(SystemExit):
        hardware_report.main(['--help'])
    assert not [name for name in all_parts() if ',' in name or ' ' in name]
    listed = ' '.join(capsys.readouterr().out.replace('-\n', '-').split())
    assert ', '.join(all_parts()) in listed.replace('- ', '-')
