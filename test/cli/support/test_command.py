# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What all commands share: options that are numbers, and folders for reports."""

import importlib
import subprocess
import sys

import pytest
from segformer_ros.cli.support.command import number_within


@pytest.mark.parametrize('command, arguments, option', [
    ('demo', ['--frames', '0'], '--frames'),
    ('demo', ['--frames', '-3'], '--frames'),
    ('demo', ['--frames', '2.5'], '--frames'),
    ('demo', ['--size', '0', '360'], '--size'),
    ('demo', ['--seed', '-1'], '--seed'),
    ('demo', ['--patience', '0'], '--patience'),
    ('demo', ['--patience', 'nan'], '--patience'),
    ('benchmark', ['--rounds', '0'], '--rounds'),
    ('benchmark', ['--threads', '-1'], '--threads'),
    ('benchmark', ['--node-seconds', '-1'], '--node-seconds'),
    ('build_engine', ['--workspace', '-1'], '--workspace'),
    ('build_engine', ['--prune', '-1'], '--prune'),
    ('build_engine', ['--device', '-1'], '--device'),
    ('evaluate', ['bag', '--threads', '-1'], '--threads'),
    ('evaluate', ['bag', '--worst', '-1'], '--worst'),
])
def test_impossible_number_is_refused_with_the_option_and_the_bounds(command, arguments, option,
                                                                     capsys):
    module = importlib.import_module(f'segformer_ros.cli.{command}')
    make = module._parser if command == 'build_engine' else module.make_parser
    parser = make()
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert f'argument {option}: ' in told and 'is not a ' in told and 'number ' in told


@pytest.mark.parametrize('name', ['benchmark', 'demo', 'drive'])
def test_folder_for_reports_that_cannot_be_made_is_told_in_a_sentence(name, tmp_path):
    in_the_way = tmp_path / 'file'
    in_the_way.write_bytes(b'')
    folder = str(in_the_way / 'reports')
    done = subprocess.run(
        [sys.executable, '-m', f'segformer_ros.cli.{name}', '--output', folder],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120,
        check=False)
    assert (done.returncode, done.stderr.splitlines()) == (1, [
        f'{name}: Report cannot be written: got {folder} (Not a directory); expected a folder '
        'that can be written to.'])


def test_bounds_themselves_are_taken_unless_the_lower_one_is_refused():
    assert [number_within(1, 3)(text) for text in '13'] == [1, 3]
    assert number_within(0, 2, float)('0') == 0.0
    assert number_within(0, 2, float, above=True)('2') == 2.0
