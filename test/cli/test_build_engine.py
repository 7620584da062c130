# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command builds, lists, verifies and prunes, and its exit status tells scripts."""

import os
import shutil
import sys

import numpy as np
from PIL import Image
import pytest

from segformer_ros.cli import build_engine
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.trt import build_job
from segformer_ros.inference.trt.cache import open_cache
from segformer_ros.inference.trt.worker import EngineProcess
from support.thread_worker import ThreadWorker

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ORIN = GpuInfo(0, 'Orin', (8, 7), 8, 12060, '# R36', 8 << 30, True)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Return a function that runs the command on a robot with TensorRT 8.6.1."""
    monkeypatch.syspath_prepend(os.path.join(TESTS, 'support', 'fake_cuda'))
    monkeypatch.setenv('FAKE_TENSORRT_VERSION', '8.6.1')
    monkeypatch.setattr(build_job, 'EngineProcess', ThreadWorker)
    shutil.copy(os.path.join(TESTS, 'data', 'tiny_segformer.onnx'), str(tmp_path / 'tiny.onnx'))
    classes = tmp_path / 'seven.yaml'
    classes.write_text('name: seven\nclasses:\n' + ''.join(
        f'- {{name: class{number}, color: [{number}, 10, 200]}}\n' for number in range(7)))
    (tmp_path / 'tiny.yaml').write_text(
        f'name: tiny\nclasses: {classes}\nnum_classes: 7\ninput_size_wh: [64, 64]\n'
        'output_size_wh: [16, 16]\n')

    def run(*arguments, **options):
        monkeypatch.setenv('FAKE_TENSORRT_FAULTS', options.get('faults', ''))
        monkeypatch.delitem(sys.modules, 'support.fake_tensorrt', raising=False)
        return build_engine.main(
            ['--cache', str(tmp_path / 'cache'), '--tensorrt-module', 'support.fake_tensorrt']
            + list(arguments), lambda number: ORIN)

    run.model = str(tmp_path / 'tiny.onnx')
    run.cache = str(tmp_path / 'cache')
    yield run
    for name in ('pycuda', 'pycuda.driver'):
        sys.modules.pop(name, None)


def test_engine_is_built_and_described(command, capsys):
    assert command(command.model) == 0
    printed = capsys.readouterr().out
    for part in ('on Orin (sm_87), TensorRT 8.6.1', 'usable', 'agreement 1.0000',
                 'on 0 live and 5 bundled frames', 'built: fp16+fp32', 'parts in fp32',
                 'latency: p50', 'GPU memory 3.0 MiB'):
        assert part in printed
    assert command('--list') == 0
    listed = capsys.readouterr().out
    assert '1 engine(s)' in listed and 'for: Orin, TensorRT 8.6.1' in listed


def test_second_run_builds_nothing_and_force_does(command, capsys):
    assert command(command.model) == 0
    assert 'building' in capsys.readouterr().err
    assert command(command.model) == 0
    printed = capsys.readouterr()
    assert 'building' not in printed.err and 'usable' in printed.out
    assert command(command.model, '--force') == 0
    assert 'building' in capsys.readouterr().err


def test_options_that_hide_the_engine_from_the_node_are_named(command, capsys):
    assert command(command.model, '--precision', 'fp32') == 0
    assert 'WARN' not in capsys.readouterr().out
    assert command(command.model, '--precision', 'fp32', '--workspace', '64', '--tf32',
                   '--optimization-level', '1') == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith('WARN')]
    assert [line.split(':')[1].strip() for line in warnings] == [
        '--workspace 64', '--optimization-level', '--tf32']
    assert 'workspace_mib: 64' in warnings[0]


def test_relative_cache_folder_is_found_by_the_builder_process(
        command, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(build_job, 'EngineProcess', EngineProcess)
    monkeypatch.chdir(tmp_path)
    assert command('--cache', 'relative', 'tiny.onnx', '--precision', 'fp32') == 0
    assert 'usable' in capsys.readouterr().out
    assert [record.usable for record in open_cache(str(tmp_path / 'relative')).records()] == [True]


def test_own_pictures_are_checked_too(command, capsys, tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for number in range(2):
        Image.fromarray(np.full((20, 30, 3), 80 * number, np.uint8)).save(
            str(folder / f'{number}.png'))
    assert command(command.model, '--images', str(folder)) == 0
    assert 'on 2 live and 5 bundled frames' in capsys.readouterr().out


def test_fp32_is_built_when_mixed_precision_fails_its_check(command, capsys):
    assert command(command.model, faults='wrong_mixed') == 0
    printed = capsys.readouterr().out
    assert 'given up' in printed and 'built: fp32' in printed


def test_failure_is_told_with_the_figures(command, capsys):
    assert command(command.model, '--precision', 'fp32', faults='wrong') == 1
    assert 'No engine can be used' in capsys.readouterr().err


def test_verify_runs_the_check_again(command, capsys):
    assert command(command.model) == 0
    record = open_cache(command.cache).records()[0]
    assert command(command.model, '--verify') == 0
    again = open_cache(command.cache).records()[0]
    assert again.usable
    assert again.plan_sha256 == record.plan_sha256
    assert command(command.model, '--verify', faults='wrong') == 1


def test_verify_builds_what_is_not_there(command, capsys):
    assert command(command.model, '--verify') == 0
    printed = capsys.readouterr()
    assert 'building' in printed.err and 'usable' in printed.out


def test_verify_without_a_model_compares_digests(command, capsys):
    assert command(command.model) == 0
    assert command('--verify') == 0
    assert '1 of 1 engine file(s) are what was stored' in capsys.readouterr().out
    record = open_cache(command.cache).records()[0]
    with open(os.path.join(command.cache, 'engines', record.name + '.plan'), 'ab') as stream:
        stream.write(b'x')
    assert command('--verify') == 1
    assert 'damaged or was changed' in capsys.readouterr().out


def test_prune_keeps_as_many_as_said(command, capsys):
    assert command(command.model) == 0
    assert command(command.model, '--precision', 'fp32') == 0
    assert command('--prune') == 0
    assert 'deleted 0' in capsys.readouterr().out
    assert command('--prune', '1') == 0
    assert len(open_cache(command.cache).records()) == 1


def test_machine_without_a_gpu_is_told_the_remedy(command, capsys):
    if os.path.exists('/dev/nvidiactl'):
        pytest.skip('this machine has a GPU')
    assert build_engine.main(['--cache', command.cache, command.model]) == 1
    assert 'No CUDA driver' in capsys.readouterr().err


def test_command_without_a_model_says_so(command, capsys):
    assert command() == 1
    assert 'No model named' in capsys.readouterr().err
