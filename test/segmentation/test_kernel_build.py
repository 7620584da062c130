# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Building the kernels: what is missing or broken is told, and numpy goes on."""

import logging
import os
import stat
import subprocess
import sys

import pytest
from segformer_ros.common.private_files import CACHE_VARIABLE
from segformer_ros.segmentation import kernel_build as module
from segformer_ros.segmentation.kernel_build import OFF_VARIABLE


@pytest.fixture
def load(tmp_path, monkeypatch, compiled_kernels):
    """Return a loader that starts afresh with an empty cache folder; needs a compiler."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.delenv(OFF_VARIABLE, raising=False)
    # Optimising takes most of the time, and other tests have optimised kernels.
    monkeypatch.setattr(module, 'FLAGS', tuple(
        '-O1' if flag == '-O3' else flag for flag in module.FLAGS))
    # The function below the cache that makes later calls free.
    return module.load_kernels.__wrapped__


def kernel_files(tmp_path):
    folder = tmp_path / 'cache' / 'kernels'
    return sorted(name for name in os.listdir(str(folder)) if name.endswith('.so'))


def fake_compiler(tmp_path, monkeypatch, script):
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in module.COMPILERS:
        path = folder / name
        path.write_text('#!/bin/sh\n' + script)
        path.chmod(0o755)
    monkeypatch.setenv('PATH', str(folder) + os.pathsep + os.environ['PATH'])


def test_kernels_are_built_once_and_kept_private(load, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    first = load()
    assert first.kernels is not None
    assert first.origin.startswith('compiled by ')
    assert first.origin in caplog.text
    files = kernel_files(tmp_path)
    assert len(files) == 1
    path = tmp_path / 'cache' / 'kernels' / files[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    built = path.stat().st_mtime
    assert load().kernels is not None
    assert path.stat().st_mtime == built


def test_they_can_be_turned_off(load, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(OFF_VARIABLE, '0')
    assert load() == (None, 'numpy: turned off by SEGFORMER_ROS_COMPILED=0')
    assert [record.levelname for record in caplog.records] == ['INFO']


def test_without_a_compiler_numpy_goes_on_and_says_what_would_help(load, monkeypatch, tmp_path,
                                                                   caplog):
    monkeypatch.setenv('PATH', str(tmp_path))
    kernels, origin = load()
    assert kernels is None
    assert 'no C compiler found' in origin
    assert 'apt install gcc' in origin
    assert [record.levelname for record in caplog.records] == ['WARNING']


def test_a_compiler_that_fails_is_told_with_its_words(load, monkeypatch, tmp_path, caplog):
    fake_compiler(tmp_path, monkeypatch,
                  'test "$1" = --version && echo fake 1.0 && exit 0\necho no disk left\nexit 3\n')
    kernels, origin = load()
    assert kernels is None
    assert 'status 3: no disk left' in origin
    assert [record.levelname for record in caplog.records] == ['WARNING']
    assert kernel_files(tmp_path) == []


def test_a_processor_flag_that_the_compiler_does_not_know_is_left_out(load, monkeypatch,
                                                                      tmp_path):
    real = next(filter(None, map(module.shutil.which, module.COMPILERS)))
    fake_compiler(tmp_path, monkeypatch,
                  'case "$*" in *=native*) echo unknown; exit 1;; esac\n'
                  f'exec {real} "$@"\n')
    assert load().kernels is not None


def test_kernels_that_compute_something_else_are_not_used(load, monkeypatch, tmp_path):
    with open(module.SOURCE) as stream:
        source = stream.read()
    for number, (right, wrong) in enumerate([
            ('v > best[j] ? class_id : argmax[j]', 'v < best[j] ? class_id : argmax[j]'),
            ('sum[i] += exp_of_negative', 'sum[i] += 2.0f * exp_of_negative'),
            ('#define HALF (1 << (FRACTION_BITS - 1))', '#define HALF 0'),
            ('float *tensor)\n{\n    const float *red = table', 'float *tensor)\n{\n'
             '    const float *red = table + 1')]):
        assert source.count(right) == 1
        path = tmp_path / f'kernels{number}.c'
        path.write_text(source.replace(right, wrong))
        monkeypatch.setattr(module, 'SOURCE', str(path))
        kernels, origin = load()
        assert kernels is None, right
        assert 'give other results than numpy' in origin


@pytest.mark.parametrize('damage', [b'', b'\x7fELF and nothing more'], ids=['empty', 'cut'])
def test_a_damaged_library_is_built_again(load, tmp_path, project_root, caplog, damage):
    # Built by another process: this one would be given the library that it has open.
    build = ('import sys\n'
             'from segformer_ros.segmentation import kernel_build\n'
             'kernel_build.FLAGS = tuple(sys.argv[1:])\n'
             'assert kernel_build.load_kernels().kernels is not None\n')
    subprocess.run([sys.executable, '-c', build] + list(module.FLAGS), cwd=project_root,
                   check=True, timeout=120)
    path = tmp_path / 'cache' / 'kernels' / kernel_files(tmp_path)[0]
    path.write_bytes(damage)
    assert load().kernels is not None
    assert 'built again' in caplog.text


def test_a_library_that_others_could_have_written_is_not_loaded(load, tmp_path):
    load()
    path = tmp_path / 'cache' / 'kernels' / kernel_files(tmp_path)[0]
    path.chmod(0o777)
    kernels, origin = load()
    assert kernels is None
    assert 'not private' in origin


def test_a_cache_folder_that_cannot_be_made_is_told(load, monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'file' / 'cache'))
    kernels, origin = load()
    assert kernels is None
    assert 'Cache folder cannot be used' in origin
