# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A skip that no list has, and an environment that cannot be built, are failures in CI."""

import ast
import glob
import os
import re
import shutil
import subprocess
import sys

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LISTS = sorted(glob.glob(os.path.join(TESTS, 'expected_skips', '*.txt')))
# Of the main environment: what it lacks hides whole modules.
MOST_ROWS_OF_MAIN = 20


def rows(path):
    with open(path, encoding='utf-8') as stream:
        return [tuple(line.rstrip('\n').split('\t')) for line in stream if line[0] != '#']


@pytest.mark.parametrize('path', LISTS, ids=os.path.basename)
def test_every_row_names_a_test_that_is_there(path):
    files = [os.path.join(folder, name) for folder, _, names in os.walk(TESTS) for name in names
             if name.startswith('test_')]
    for row in rows(path):
        assert len(row) == 2 and all(row), row
        assert any(row[0] in file for file in files), row


def test_main_environment_lacks_no_package_that_it_installs():
    found = rows(os.path.join(TESTS, 'expected_skips', 'main.txt'))
    assert len(found) <= MOST_ROWS_OF_MAIN
    reasons = ' '.join(reason for _, reason in found)
    for package in ('onnx', 'onnxruntime', 'rosbags', 'scipy', 'rclpy', 'sklearn', 'distributed'):
        assert f"could not import '{package}" not in reasons
        assert f'{package} is not installed' not in reasons


def missing_packages(path, there):
    """Return the packages that skip a file's tests, or the whole file, slow ones left out."""
    with open(path, encoding='utf-8') as stream:
        tree = ast.parse(stream.read())
    found = set()
    for part in tree.body:
        marks = {ast.unparse(each) for each in getattr(part, 'decorator_list', ())}
        if isinstance(part, ast.Assign) and 'pytestmark' in ast.unparse(part.targets[0]) \
                and '.slow' in ast.unparse(part.value):
            return set()
        if any('.slow' in mark or '.once' in mark for mark in marks):
            continue
        calls = [call for call in ast.walk(part) if isinstance(call, ast.Call)
                 and ast.unparse(call.func) == 'pytest.importorskip'
                 and len(call.args) + len(call.keywords) == 1
                 and isinstance(call.args[0], ast.Constant)]
        names = [call.args[0].value for call in sorted(calls, key=lambda call: call.lineno)
                 if call.args[0].value.split('.')[0] not in there]
        # The first one skips: the others are not reached.
        if names and not isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            return {names[0]}
        found |= set(names[:1])
    return found


@pytest.mark.parametrize('environment', ['core36', 'core313'])
def test_every_package_that_the_core_lacks_is_a_row(project_root, environment):
    with open(os.path.join(project_root, 'requirements', environment + '.txt')) as stream:
        there = {re.split('[=.]', line)[0] for line in stream} | {'support'}
    with open(os.path.join(project_root, 'Makefile')) as stream:
        paths = re.search(r'^CORE_TESTS := ((?:.*\\\n)*.*)', stream.read(), re.M).group(1)
    files = [path for root in paths.replace('\\', '').split() for path in
             [os.path.join(project_root, root)] * root.endswith('.py') or glob.glob(
                 os.path.join(project_root, root, '**', 'test_*.py'), recursive=True)]
    assert len(files) > 100
    found = rows(os.path.join(TESTS, 'expected_skips', environment + '.txt'))
    wanted = {(os.path.relpath(path, project_root), name) for path in files
              for name in missing_packages(path, there)}
    assert wanted
    assert [(path, name) for path, name in sorted(wanted) if not any(
        test in path and reason in f"could not import '{name}'" for test, reason in found)] == []


@pytest.mark.parametrize('environment, status', [('main', 0), ('torch', 1), ('', 0)])
def test_skip_that_the_environments_list_does_not_have_fails(project_root, environment, status):
    onnxruntime = pytest.importorskip('onnxruntime')
    assert 'XnnpackExecutionProvider' not in onnxruntime.get_available_providers()
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-k', 'real_accelerator',
         'test/inference/onnxrt/test_providers.py'], cwd=project_root, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, universal_newlines=True, timeout=120,
        env=dict(os.environ, SEGFORMER_ROS_STRICT_SKIPS='1' if environment else '',
                 SEGFORMER_ROS_TEST_ENVIRONMENT=environment or 'torch'))
    assert done.returncode == status, done.stdout
    assert ('unexpected skip' in done.stdout) == bool(status)


@pytest.mark.parametrize('strict, may_miss, status', [
    ('', '', 0), ('1', '', 2), ('1', 'core36 core313', 2),
    ('1', 'core36 core313 core314', 0)])
def test_environment_that_cannot_be_built_fails_where_ci_asks(project_root, tmp_path, strict,
                                                              may_miss, status):
    if shutil.which('make') is None:
        pytest.skip('make is not installed')
    # A search path without any Python.
    for name in ('bash', 'sh', 'cat', 'sed', 'uname', 'cmp'):
        (tmp_path / name).symlink_to(shutil.which(name))
    done = subprocess.run(
        [shutil.which('make'), 'test-core', 'MAY_MISS=' + may_miss], cwd=project_root,
        env={'PATH': str(tmp_path), 'HOME': '/nonexistent',
             'SEGFORMER_ROS_STRICT_SKIPS': strict},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=60)
    assert done.returncode == status, done.stdout
    assert 'test-core-oldest: core36 is left out: CPython 3.6 is not on this' in done.stdout
    assert ('CI needs' in done.stdout) == bool(status)
