# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Style, types and the syntax floor, checked by the linters that the field uses."""

import ast
import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.linter

PYTHON_FOLDERS = ['segformer_ros', 'launch', 'examples', 'test', 'tools', 'setup.py']
# Text that people read; what tools wrote, pictures and networks are left out.
TEXTS = ('.cfg', '.css', '.ini', '.md', '.py', '.rst', '.sh', '.toml', '.txt', '.xml', '.yaml')


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
        'segformer_ros', 'launch', 'examples', 'setup.py')


@pytest.mark.parametrize('linter', ['ament_flake8', 'ament_pep257'])
def test_ament_linter_finds_nothing(project_root, linter):
    folders = PYTHON_FOLDERS if linter == 'ament_flake8' else ['segformer_ros', 'launch']
    run(project_root, linter + '.main', *[os.path.join(project_root, f) for f in folders])


def test_codespell_finds_nothing(project_root):
    pytest.importorskip('codespell_lib', reason='codespell is not installed')
    listing = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=project_root,
        stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout.split()
    run(project_root, 'codespell_lib', *[
        name for name in listing
        if name.endswith(TEXTS) and os.path.exists(os.path.join(project_root, name))])


def riddles(text):
    """Return the docstrings that do not say in plain words what a thing does."""
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(
        node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)))
    docstrings = (ast.get_docstring(node) or '' for node in nodes)
    return [text.split('\n')[0] for text in docstrings
            if text.startswith('Tell ') or re.search(
                r'(?<!there )\bis no (?!longer)[a-z]+', ' '.join(text.split()), re.IGNORECASE)]


def test_docstrings_are_plain(project_root):
    found = []
    for folder, _, names in os.walk(os.path.join(project_root, 'segformer_ros')):
        for path in (os.path.join(folder, name) for name in names if name.endswith('.py')):
            with open(path, encoding='utf-8') as stream:
                found += [(os.path.relpath(path, project_root), line)
                          for line in riddles(stream.read())]
    assert found == []


@pytest.mark.parametrize('docstring', [
    'Tell whether it runs.', 'Return the file.\n\n    :raises ModelError: it is no ONNX file\n'])
def test_docstring_that_is_not_plain_is_found(docstring):
    assert len(riddles(f'def run():\n    """{docstring}"""\n')) == 1
    assert riddles('def run():\n    """Return whether it runs. It is not a node."""\n') == []
