# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Style, types and the syntax floor, checked by the linters that the field uses."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.linter

PYTHON_FOLDERS = ['segformer_ros', 'launch', 'test', 'tools', 'setup.py']


def run(project_root, module, *arguments):
    """Run a linter in the checkout; its whole output is the failure's message."""
    # vermin has no __main__: its function is called.
    start = ['-c', 'import vermin; vermin.main()'] if module == 'vermin' else ['-m', module]
    done = subprocess.run(
        [sys.executable] + start + list(arguments), cwd=project_root,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout


def test_ruff_finds_nothing(project_root):
    run(project_root, 'ruff', 'check', '--no-cache', '.')


def test_mypy_strict_finds_nothing(project_root):
    run(project_root, 'mypy', '--config-file', 'setup.cfg')


def test_package_keeps_to_python_3_6(project_root):
    run(project_root, 'vermin', '--target=3.6-', '--no-tips', '--violations',
        '--no-parse-comments', '--eval-annotations', '--backport', 'typing',
        'segformer_ros', 'launch', 'setup.py')


@pytest.mark.parametrize('linter', ['ament_flake8', 'ament_pep257'])
def test_ament_linter_finds_nothing(project_root, linter):
    folders = PYTHON_FOLDERS if linter == 'ament_flake8' else ['segformer_ros', 'launch']
    run(project_root, linter + '.main', *[os.path.join(project_root, f) for f in folders])
