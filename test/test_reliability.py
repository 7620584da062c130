# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""docs/reliability.md: tests that it names exist, rows are whole, promises have mutants."""

import ast
import os
import re

import promise_mutants
import pytest

NAMED = re.compile(r'`(test/[\w/]+\.py)::(\w+)`')


@pytest.fixture(scope='module')
def page(project_root):
    with open(os.path.join(project_root, 'docs', 'reliability.md'), encoding='utf-8') as stream:
        return stream.read()


def rows_of(page, title):
    """Return the cells of each row of the table below a title, without its head."""
    (section,) = re.findall(rf'^## {title}\n(.*?)(?=^## |\Z)', page, re.DOTALL | re.MULTILINE)
    lines = [line for line in section.split('\n') if line.startswith('|')]
    return [line.strip('| ').split(' | ') for line in lines[2:]]


def functions_of(path):
    with open(path, encoding='utf-8') as stream:
        return {node.name for node in ast.walk(ast.parse(stream.read()))
                if isinstance(node, ast.FunctionDef)}


def test_each_test_that_the_page_names_exists(project_root, page):
    named = set(NAMED.findall(page))
    assert len(named) > 80
    missing = [(path, name) for path, name in sorted(named)
               if name not in functions_of(os.path.join(project_root, path))]
    assert missing == []


def test_each_situation_says_what_node_and_doctor_say_and_names_a_test(page):
    rows = rows_of(page, 'Situations from public bug reports')
    assert len(rows) >= 39
    for row in rows:
        assert len(row) == 5 and all(cell.strip() for cell in row), row
        assert NAMED.search(row[4]), row[0]
        assert 'nothing yet' not in row[3] and 'not looked at' not in row[3], row[0]
    situations = [row[0] for row in rows]
    assert sorted(set(situations)) == sorted(situations)


def test_each_promise_has_a_mutant_whose_test_it_names(project_root, page):
    mutants = promise_mutants.load()
    promises = rows_of(page, 'Promises')
    texts = [promise for promise, _ in promises]
    # A promise without one is told by name in the file, with the reason.
    assert {mutant.promise for mutant in mutants} | set(promise_mutants.without()) == set(texts)
    held_by = dict(promises)
    for mutant in mutants:
        assert f'`{mutant.test}`' in held_by[mutant.promise], mutant.test
        with open(os.path.join(project_root, mutant.path), encoding='utf-8') as stream:
            # Once: a mutant that changes nothing, or two places, proves nothing.
            assert stream.read().count(mutant.before) == 1, (mutant.path, mutant.before)
        assert mutant.before != mutant.after
