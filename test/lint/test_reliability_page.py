# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every promise of docs/reliability.md names tests that exist, and no fault is left out."""

import ast
import collections
import json
import os
import re
import shutil
import subprocess
import sys

import promise_mutants
import pytest


def page(project_root):
    with open(os.path.join(project_root, 'docs', 'reliability.md'), encoding='utf-8') as stream:
        return stream.read()


def functions(path):
    """Return the test functions of a file, with the first line of their docstrings."""
    with open(path, encoding='utf-8') as stream:
        tree = ast.parse(stream.read())
    return {node.name: (ast.get_docstring(node) or '').split('\n')[0] for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith('test_')}


def test_every_promise_is_held_by_a_test_that_exists(project_root):
    promises = re.search('## Promises\n(.*?)\n## ', page(project_root), re.DOTALL).group(1)
    rows = [line for line in promises.split('\n') if line.startswith('| ')][1:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r'`(test/[\w/]+\.py)::(\w+)`', row)
        assert named, row
        for path, name in named:
            assert name in functions(os.path.join(project_root, path)), (path, name)


def test_every_situation_names_tests_that_exist(project_root):
    table = re.search('## Situations from public bug reports\n(.*?)\n## ', page(project_root),
                      re.DOTALL).group(1)
    rows = [line for line in table.split('\n') if line.startswith('| ')]
    assert len(rows) > 39
    situations = [row.split(' | ')[0] for row in rows]
    assert len(set(situations)) == len(situations)
    for row in rows[1:]:
        # Situation, source, what the node and what the doctor say, test.
        cells = [cell.strip() for cell in row.strip('|').split('|')]
        assert len(cells) == 5 and all(cells), row
        assert 'nothing yet' not in cells[3] and 'not looked at' not in cells[3], row
        named = re.findall(r'`(test/[\w/]+\.py)::(\w+)`', cells[-1])
        assert named, row
        for path, name in named:
            assert name in functions(os.path.join(project_root, path)), (path, name)


def test_every_promise_has_a_mutant_of_a_test_that_it_names(project_root):
    promises = re.search('## Promises\n(.*?)\n## ', page(project_root), re.DOTALL).group(1)
    held_by = dict(line.strip('| ').split(' | ') for line in promises.split('\n')[2:]
                   if line.startswith('| '))
    held_by.pop('promise', None)
    mutants = promise_mutants.load()
    # A promise without one is named in the file, with the reason.
    assert {mutant.promise for mutant in mutants} | set(promise_mutants.without()) == set(held_by)
    for mutant in mutants:
        assert f'`{mutant.test}`' in held_by[mutant.promise], mutant.test
        with open(os.path.join(project_root, mutant.path), encoding='utf-8') as stream:
            # Once: a mutant that changes nothing, or two places, proves nothing.
            assert stream.read().count(mutant.before) == 1, (mutant.path, mutant.before)
        assert mutant.before != mutant.after


def fault_table(project_root):
    """Return the faults of the table in its order, and all of its text."""
    text = page(project_root)
    table = text[text.index('<!-- faults'):text.index('<!-- end of faults')]
    rows = [line.split('|')[1].strip() for line in table.split('\n') if line.startswith('| ')]
    assert rows.pop(0) == 'fault'
    return rows, table


def collected_faults(project_root):
    """Return how many cases of each fault there are; "..." stands in its name for the case."""
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '--collect-only', '-q', '-p', 'no:cacheprovider',
         '-m', 'slow', 'test/faults'], cwd=project_root, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, universal_newlines=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    tests = re.findall(r'^(test/\S+?\.py)::(\w+)', done.stdout, re.MULTILINE)
    texts = [functions(os.path.join(project_root, path))[name] for path, name in tests]
    return collections.Counter(
        text if text.endswith('...') else text.rstrip('.') for text in texts)


def missing_and_unknown(faults, rows):
    """Return the faults with too few rows, and the rows that are of no fault."""
    left, missing = list(rows), []
    # Whole names first: a name with a case fits some of them as well.
    for fault in sorted(faults, key=lambda fault: '...' in fault):
        pattern = '.+'.join(re.escape(part) for part in fault.split('...'))
        fitting = [row for row in left if re.fullmatch(pattern, row)]
        if len(fitting) != faults[fault]:
            missing.append(f'{fault}: {len(fitting)} rows of {faults[fault]}')
        left = [row for row in left if row not in fitting]
    return missing, left


def test_table_has_every_collected_fault_and_none_failed(project_root):
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    rows, table = fault_table(project_root)
    faults = collected_faults(project_root)
    assert missing_and_unknown(faults, rows) == ([], [])
    assert '{0} faults, {0} green.'.format(len(rows)) in table
    assert 'FAILED' not in table


FAULTS = '''
import pytest


@pytest.fixture
def node():
    raise OSError('does not start')


@pytest.fixture
def hanging_node():
    yield
    raise OSError('does not end')


def test_good(row):
    """Camera stops."""
    row.did = 'served on'


@pytest.mark.parametrize('case', ['lies'])
def test_set_up(node, row, case):
    """Backend ..."""


def test_tear_down(hanging_node, row):
    """Backend hangs."""
    row.did = 'served on'


def test_after(row):
    """Disk is full."""
    row.did = 'served on'
'''


def test_each_collected_fault_has_a_row_which_is_red_unless_all_of_its_test_went_well(
        project_root, tmp_path):
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    shutil.copy(os.path.join(project_root, 'test', 'faults', 'conftest.py'), str(tmp_path))
    (tmp_path / 'test_some.py').write_text(FAULTS, encoding='utf-8')
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '--maxfail', '2', '.'],
        cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
        env=dict(os.environ, FAULTS_JSON=str(tmp_path / 'faults.json'),
                 PYTHONPATH=os.path.join(project_root, 'test')), check=False)
    assert done.returncode == 1, done.stdout.decode()
    with open(str(tmp_path / 'faults.json'), encoding='utf-8') as stream:
        rows = json.load(stream)['rows']
    assert {row['fault']: row['passed'] for row in rows} == {
        'Camera stops': True, 'Backend lies': False, 'Backend hangs': False,
        'Disk is full': False}


def test_fault_without_a_row_and_a_row_without_a_fault_are_noticed():
    faults = collections.Counter({'Backend ...': 2, 'Backend hangs': 1, 'Camera stops': 1})
    assert missing_and_unknown(faults, ['Backend fails', 'Backend hangs', 'Camera falls']) == (
        ['Camera stops: 0 rows of 1', 'Backend ...: 1 rows of 2'], ['Camera falls'])
