# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Building the kernels: what is missing or broken is told, and numpy goes on."""

import hashlib
import json
import logging
import os
import signal
import stat
import subprocess
import sys

import pytest
from segformer_ros.common.compiled import compiler
from segformer_ros.common.compiled import kernel_cache
from segformer_ros.common.compiled import library as library_module
from segformer_ros.common.compiled import validation as validation_module
from segformer_ros.common.compiled.library import OFF_VARIABLE
from segformer_ros.common.private_files import CACHE_VARIABLE
from segformer_ros.segmentation import kernel_build as module


@pytest.fixture
def load(tmp_path, monkeypatch, compiled_kernels):
    """Return a loader that starts afresh with an empty cache folder; needs a compiler."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.delenv(OFF_VARIABLE, raising=False)
    # Optimising takes most of the time, and other tests have optimised kernels.
    monkeypatch.setattr(library_module, 'FLAGS', tuple(
        '-O0' if flag == '-O3' else flag for flag in library_module.FLAGS))
    # The function below the cache that makes later calls free.
    return module.load_kernels.__wrapped__


def kernel_files(tmp_path):
    folder = tmp_path / 'cache' / 'kernels'
    return sorted(name for name in os.listdir(str(folder)) if name.endswith('.so'))


def fake_compiler(tmp_path, monkeypatch, script):
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in compiler.NAMES:
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
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
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
    real = compiler.find_compiler().path
    fake_compiler(tmp_path, monkeypatch,
                  'case "$*" in *=native*) echo unknown; exit 1;; esac\n'
                  f'exec {real} "$@"\n')
    assert load().kernels is not None


@pytest.mark.once
def test_kernels_that_compute_something_else_are_not_used(load, monkeypatch, tmp_path):
    with open(module.SOURCE) as stream:
        source = stream.read()
    for number, (right, wrong) in enumerate([
            ('v > best[j] ? class_id : argmax[j]', 'v < best[j] ? class_id : argmax[j]'),
            ('sum[i] += exp_of_negative', 'sum[i] += 2.0f * exp_of_negative'),
            ('#define HALF (1 << (FRACTION_BITS - 1))', '#define HALF 0'),
            ('*channel = table + 256 * c;', '*channel = table + 256 * c + 1;')]):
        assert source.count(right) == 1
        path = tmp_path / f'kernels{number}.c'
        path.write_text(source.replace(right, wrong))
        monkeypatch.setattr(module, 'SOURCE', str(path))
        kernels, origin = load()
        assert kernels is None, right
        assert 'give other results than numpy' in origin


# What loads and runs the kept library in a process of its own, as the next start would.
START = '''
import logging
import sys
logging.basicConfig(stream=sys.stdout, format='%(levelname)s %(message)s')
import numpy as np
from segformer_ros.common.compiled import library
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation import kernel_build
library.FLAGS = tuple(sys.argv[1].split())
kernel_build.SOURCE = sys.argv[2]
from segformer_ros.segmentation.postprocessing import Postprocessor
compiled = kernel_build.load_kernels()
spec = ModelSpec('four', 'ade20k', 4, input_size_wh=(8, 8), output_size_wh=(2, 2))
logits = np.arange(16, dtype=np.float32).reshape(1, 4, 2, 2)
mask, _ = Postprocessor(spec, compiled.kernels).run({'logits': logits}, (8, 8), 'exact', 0., True)
assert (mask == 3).all()
print('kernels' if compiled.kernels else 'twins')
'''


@pytest.fixture
def start(load, tmp_path, project_root, monkeypatch):
    """Return what starts a process that uses kernels, and gives its status and output."""
    def run(source=None, path=None):
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, (
            project_root, os.environ.get('PYTHONPATH')))))
        if path is not None:
            environment['PATH'] = path
        done = subprocess.run(
            [sys.executable, '-c', START, ' '.join(library_module.FLAGS),
             source or module.SOURCE],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
            timeout=120, env=environment)
        return done.returncode, done.stdout
    return run


def library(tmp_path):
    name, = kernel_files(tmp_path)
    return tmp_path / 'cache' / 'kernels' / name


def flip(path, share):
    content = bytearray(path.read_bytes())
    content[int(share * (len(content) - 1))] ^= 0x40
    path.write_bytes(content)


DAMAGES = {
    'empty': lambda path: path.write_bytes(b''),
    'half, which loads and ends with SIGBUS':
        lambda path: path.write_bytes(path.read_bytes()[:path.stat().st_size // 2]),
    'zeros, which end with SIGSEGV': lambda path: path.write_bytes(
        path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096)),
    'flipped in its table of symbols': lambda path: flip(path, 0.02),
    'flipped in its code': lambda path: flip(path, 0.5),
}


OTHERS_OF_A_KIND = ('empty', 'zeros, which end with SIGSEGV', 'flipped in its table of symbols')


@pytest.mark.once
@pytest.mark.parametrize('names', [
    tuple(name for name in DAMAGES if name not in OTHERS_OF_A_KIND),
    pytest.param(OTHERS_OF_A_KIND, marks=pytest.mark.slow)], ids=['some', 'others'])
def test_a_damaged_library_is_built_again_with_one_line(start, tmp_path, names):
    assert start() == (0, 'kernels\n')
    whole = library(tmp_path).read_bytes()
    for name in names:
        DAMAGES[name](library(tmp_path))
        status, output = start()
        assert status == 0, name
        line, outcome = output.splitlines()
        assert outcome == 'kernels', name
        assert line.startswith('WARNING Image kernels: built again, since the kept ones cannot be '
                               'used: Cached file is damaged or was changed'), name
        assert library(tmp_path).read_bytes() == whole


def test_a_damaged_library_without_a_compiler_leaves_numpy_with_one_line(start, tmp_path):
    assert start() == (0, 'kernels\n')
    # A whole one needs no compiler.
    assert start(path='/nowhere') == (0, 'kernels\n')
    flip(library(tmp_path), 0.5)
    status, output = start(path='/nowhere')
    line, outcome = output.splitlines()
    assert (status, outcome) == (0, 'twins')
    assert 'no C compiler found' in line
    assert 'Cached file is damaged' in line


@pytest.mark.once
@pytest.mark.parametrize('damages', [
    (lambda text: '{}', lambda text: text.replace('"sha256": "', '"sha256": "0')),
    pytest.param((lambda text: text[:len(text) // 2], lambda text: '[1]',
                  lambda text: text.replace('"format": 1', '"format": 2'),
                  lambda text: text.replace('"rejected": ""', '"rejected": 3')),
                 marks=pytest.mark.slow)], ids=['some', 'others'])
def test_a_damaged_record_is_like_a_damaged_library(load, tmp_path, caplog, damages):
    assert load().kernels is not None
    record = library(tmp_path).with_suffix('.json')
    for damage in damages:
        text = damage(record.read_text())
        assert text != record.read_text()
        record.write_text(text)
        caplog.clear()
        assert load().kernels is not None
        assert [each.getMessage().count('built again') for each in caplog.records] == [1]


FATAL = {
    'SIGILL': '__builtin_trap();',
    'SIGSEGV': '*(volatile int *)8 = 1;',
    # The page behind the end of a file that was cut.
    'SIGBUS': '''int file = open("/proc/self/exe", O_RDONLY); char name[] = "/tmp/XXXXXX";
        file = mkstemp(name); unlink(name); if (ftruncate(file, 1)) abort();
        char *page = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE, file, 0);
        volatile char byte = page[(1 << 20) - 1]; (void)byte;''',
}


@pytest.mark.once
@pytest.mark.parametrize('name, when', [
    pytest.param('SIGILL', 'loaded', marks=pytest.mark.slow), ('SIGSEGV', 'loaded'),
    pytest.param('SIGBUS', 'loaded', marks=pytest.mark.slow), ('SIGILL', 'used')])
def test_kernels_that_end_their_process_end_none_of_ours_and_are_not_tried_again(
        start, tmp_path, name, when):
    head = ('#define _GNU_SOURCE\n#include <fcntl.h>\n#include <stdlib.h>\n'
            '#include <sys/mman.h>\n#include <unistd.h>\n')
    if when == 'loaded':
        source = f'__attribute__((constructor)) static void fatal(void) {{ {FATAL[name]} }}\n'
    else:
        with open(module.SOURCE) as stream:
            source = stream.read()
        body = 'int64_t plane, float *tensor)\n{\n'
        assert source.count(body) == 1
        source = source.replace(body, body.replace('{\n', '{\n' + FATAL[name] + '\n', 1))
    path = tmp_path / 'fatal.c'
    path.write_text(head + source)
    status, output = start(str(path))
    line, outcome = output.splitlines()
    assert (status, outcome) == (0, 'twins'), output
    assert 'given up, the process that loaded them was ended by ' + name in line
    assert kernel_files(tmp_path) == []
    # Nor compiled: a compiler that notes its calls is asked for its version alone.
    began = sorted(os.listdir(str(tmp_path / 'cache' / 'kernels')))
    status, output = start(str(path))
    line, outcome = output.splitlines()
    assert (status, outcome) == (0, 'twins'), output
    assert f'were given up, the process that loaded them was ended by {name}' in line
    assert '.json' in line
    assert sorted(os.listdir(str(tmp_path / 'cache' / 'kernels'))) == began


@pytest.mark.once
def test_a_process_that_died_while_loading_costs_a_validation_and_no_more(start, tmp_path):
    assert start() == (0, 'kernels\n')
    mark = library(tmp_path).with_suffix('.loading')
    assert not mark.exists()
    mark.write_text('')
    assert start() == (0, 'kernels\n')
    assert not mark.exists()


@pytest.mark.once
def test_a_library_that_kills_later_is_given_up_at_the_start_after(start, tmp_path):
    """The processor or the file behind the digest went bad: the first process dies of it."""
    assert start() == (0, 'kernels\n')
    path = library(tmp_path)
    record = json.loads(path.with_suffix('.json').read_text())
    content = bytearray(path.read_bytes())
    fatal = tmp_path / 'fatal.c'
    fatal.write_text('__attribute__((constructor)) static void f(void) { __builtin_trap(); }\n')
    made = tmp_path / 'fatal.so'
    subprocess.run([compiler.find_compiler().path, '-shared', '-fPIC', '-o', str(made),
                    str(fatal)], check=True)
    content = made.read_bytes()
    path.write_bytes(content)
    record['sha256'] = hashlib.sha256(content).hexdigest()
    path.with_suffix('.json').write_text(json.dumps(record))
    assert start()[0] == -signal.SIGILL
    status, output = start()
    assert (status, output.splitlines()[1:]) == (0, ['twins'])
    assert 'ended by SIGILL' in output
    assert start()[0] == 0


@pytest.mark.once
def test_a_given_up_library_is_tried_again_with_another_compiler(start, tmp_path, monkeypatch):
    assert start() == (0, 'kernels\n')
    record = library(tmp_path).with_suffix('.json')
    values = json.loads(record.read_text())
    record.write_text(json.dumps(dict(values, sha256=None, rejected='it was bad')))
    assert 'it was bad' in start()[1]
    record.write_text(json.dumps(dict(values, sha256=None, rejected='it was bad',
                                      compiler='an older one')))
    assert start() == (0, 'kernels\n')


def test_kernels_are_loaded_after_a_validation_where_no_mark_can_be_written(load, tmp_path,
                                                                            monkeypatch):
    assert load().kernels is not None
    tried = []
    validation = validation_module.try_in_child
    monkeypatch.setattr(validation_module, 'try_in_child',
                        lambda path, opener: tried.append(path) or validation(path, opener))
    assert load().kernels is not None
    assert tried == []
    # Root may write anywhere, so modes would not do.
    (library(tmp_path).with_suffix('.loading')).mkdir()
    assert load().kernels is not None
    assert tried[-1] == str(library(tmp_path))


def test_compiler_may_not_fuse_and_takes_char_as_signed(load, monkeypatch, tmp_path):
    fake_compiler(tmp_path, monkeypatch,
                  'test "$1" = --version && echo fake 1.0 && exit 0\n'
                  f'echo "$@" >> {tmp_path}/arguments; exit 1\n')
    assert load().kernels is None
    commands = [line.split() for line in (tmp_path / 'arguments').read_text().splitlines()
                if '-shared' in line]
    assert commands
    for command in commands:
        # clang and, without -std, gcc fuse by default; of several the last one counts.
        assert [word for word in command if 'fp-contract' in word] == ['-ffp-contract=off']
        assert [word for word in command if 'signed-char' in word] == ['-fsigned-char']
        assert not {'-ffast-math', '-Ofast', '-funsafe-math-optimizations'} & set(command)


def test_kernels_of_another_machine_are_not_taken(load, monkeypatch, tmp_path):
    load()
    monkeypatch.setattr(kernel_cache, 'machine_identity', lambda: 'aarch64 16384\n')
    load()
    assert len(kernel_files(tmp_path)) == 2


@pytest.mark.once
@pytest.mark.parametrize('flag', ['-fsigned-char', '-funsigned-char'])
def test_kernels_do_not_depend_on_the_sign_of_char(load, monkeypatch, flag):
    monkeypatch.setattr(library_module, 'FLAGS', tuple(
        flag if each == '-fsigned-char' else each for each in library_module.FLAGS))
    assert load().kernels is not None


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
