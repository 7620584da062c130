# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Style, types and the syntax floor, checked by the linters that the field uses."""

import ast
import functools
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


# Blanks and blank lines are previews in ruff; ament_flake8 takes eighty times as long for them.
@pytest.mark.parametrize('options', [(), ('--preview', '--select', 'E1,E2,E3,E7,E9,W')])
def test_ruff_finds_nothing(project_root, options):
    run(project_root, 'ruff', 'check', '--no-cache', *options, '.')


def test_mypy_strict_finds_nothing(project_root):
    run(project_root, 'mypy', '--config-file', 'setup.cfg')


def test_package_keeps_to_python_3_6(project_root):
    run(project_root, 'vermin', '--target=3.6-', '--no-tips', '--violations',
        '--no-parse-comments', '--eval-annotations', '--backport', 'typing',
        'segformer_ros', 'launch', 'examples', 'setup.py')


# Of ament_flake8 the rest of make test has all but a few rules: ruff, and the order of imports.
@pytest.mark.parametrize('linter', [
    pytest.param('ament_flake8', marks=pytest.mark.slow), 'ament_pep257'])
def test_ament_linter_finds_nothing(project_root, linter):
    folders = PYTHON_FOLDERS if linter == 'ament_flake8' else ['segformer_ros', 'launch']
    run(project_root, linter + '.main', *[os.path.join(project_root, f) for f in folders])


@functools.lru_cache(maxsize=None)
def import_style():
    """Return the style that ament_flake8.ini names; the look-up takes a tenth of a second."""
    return pytest.importorskip('flake8_import_order.styles').lookup_entry_point('google')


def wrong_imports(path, text):
    """Return what ament_flake8 says about the imports of a file."""
    checker = pytest.importorskip('flake8_import_order.checker')
    found = checker.ImportOrderChecker(path, ast.parse(text))
    found.options = {'import_order_style': import_style()}
    found.lines = text.splitlines(True)
    return [(path, error.lineno, error.message) for error in found.check_order()
            if error.code != 'I202']    # as in ament_flake8.ini


def test_imports_are_in_the_order_of_ament_flake8(project_root):
    found = []
    for path in python_files(project_root, *PYTHON_FOLDERS):
        with open(path, encoding='utf-8') as stream:
            found += wrong_imports(path, stream.read())
    assert found == []


def test_imports_in_another_order_are_found():
    assert wrong_imports('one.py', 'import os\nimport re\n\nimport pytest\n') == []
    for text in ('import re\nimport os\n', 'import pytest\nimport os\n',
                 'from os import sep\nfrom os import path\n',
                 'import pytest\n\nimport yaml\nimport ab\n'):
        assert wrong_imports('one.py', text), text


def test_codespell_finds_nothing(project_root):
    pytest.importorskip('codespell_lib', reason='codespell is not installed')
    listing = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=project_root,
        stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout.split()
    run(project_root, 'codespell_lib', *[
        name for name in listing
        if name.endswith(TEXTS) and os.path.exists(os.path.join(project_root, name))])


IS_NO = re.compile(r'(?<!there )\bis no (?!longer\b|more\b)[\w{]', re.IGNORECASE)
# Where a sentence or a part of one begins: a topic may well tell whether something serves.
TELLS = re.compile(r'(?:^|[.;:] |\band )tells? whether\b', re.IGNORECASE)


def python_files(project_root, *folders):
    """Return the paths of all Python files below folders of the checkout."""
    found = [os.path.join(folder, name) for top in folders
             for folder, _, names in os.walk(os.path.join(project_root, top))
             for name in names if name.endswith('.py')]
    found += [os.path.join(project_root, top) for top in folders if top.endswith('.py')]
    assert found
    return sorted(found)


def riddles(text):
    """Return the docstrings that do not say in plain words what a thing does."""
    return [text.split('\n')[0] for text in docstrings(text)
            if text.startswith('Tell ') or TELLS.search(' '.join(text.split()))
            or IS_NO.search(' '.join(text.split()))]


def docstrings(text):
    """Return the docstrings of a module and of all that it holds."""
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(
        node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)))
    return [ast.get_docstring(node) or '' for node in nodes]


def riddles_in_messages(text):
    """Return the string constants that say what a thing is not, those of f-strings too."""
    plain = (' '.join(value.split()) for value in strings(ast.parse(text)))
    return [value for value in plain if IS_NO.search(value)]


def strings(node):
    """Return the string constants below a node; what an f-string fills in is a pair of braces."""
    if isinstance(node, ast.JoinedStr):
        return [''.join(part.value if isinstance(part, ast.Constant) else '{}'
                        for part in node.values)]
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    return [text for child in ast.iter_child_nodes(node) for text in strings(child)]


def test_docstrings_are_plain(project_root):
    found = []
    for path in python_files(project_root, 'segformer_ros'):
        with open(path, encoding='utf-8') as stream:
            found += [(os.path.relpath(path, project_root), line)
                      for line in riddles(stream.read())]
    assert found == []


def test_docstrings_of_tests_and_tools_return_and_do_not_tell(project_root):
    found = []
    for path in python_files(project_root, 'test', 'tools'):
        with open(path, encoding='utf-8') as stream:
            found += [(os.path.relpath(path, project_root), line)
                      for line in docstrings(stream.read())
                      if TELLS.search(' '.join(line.split()))]
    assert found == []


def test_messages_are_plain(project_root):
    found = []
    for path in python_files(project_root, 'segformer_ros', 'tools', 'launch', 'examples'):
        with open(path, encoding='utf-8') as stream:
            found += [(os.path.relpath(path, project_root), line)
                      for line in riddles_in_messages(stream.read())]
    assert found == []


@pytest.mark.parametrize('message', [
    "'It is no ONNX file'", "f'{path} is no {kind} recording, whatever its name says'",
    "'It is '\n    'no ONNX file'", "'It is no {}'.format(1)", "'Frames; 0 is no limit.'"])
def test_message_that_says_what_a_thing_is_not_is_found(message):
    assert len(riddles_in_messages(f'text = ({message})\n')) == 1
    assert riddles_in_messages('text = "There is no GPU; it is no longer there"') == []


@pytest.mark.parametrize('docstring', [
    'Tell whether it runs.', 'Tells whether it runs.', 'Run it and tell whether it ran.',
    'Return the file.\n\n    :raises ModelError: it is no ONNX file\n'])
def test_docstring_that_is_not_plain_is_found(docstring):
    assert len(riddles(f'def run():\n    """{docstring}"""\n')) == 1
    assert riddles('def run():\n    """Return whether it runs. It is not a node."""\n') == []
