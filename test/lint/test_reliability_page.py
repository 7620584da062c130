# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every promise of docs/reliability.md names tests that exist, and no fault is left out."""

import ast
import os
import re


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


def test_no_fault_in_the_table_failed(project_root):
    text = page(project_root)
    table = text[text.index('<!-- faults'):text.index('<!-- end of faults')]
    assert table.count('\n| ') > 40
    assert 'FAILED' not in table
