# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every threat of docs/security.md names a test that exists, every planted fault its place."""

import os
import re

import yaml


def threats(project_root):
    """Return the cells of each row."""
    with open(os.path.join(project_root, 'docs', 'security.md'), encoding='utf-8') as stream:
        table = re.search('## Threats\n(.*?)\n\n[^|]', stream.read(), re.DOTALL).group(1)
    rows = [line for line in table.split('\n') if line.startswith('| ')][1:]
    return [[cell.strip() for cell in row.strip('|').split(' | ')] for row in rows]


def test_every_threat_says_who_what_and_which_test_holds(project_root):
    names = {name for _, _, files in os.walk(os.path.join(project_root, 'test'))
             for name in files}
    rows = threats(project_root)
    assert len(rows) > 18
    for row in rows:
        assert len(row) == 4 and all(row), row
        named = re.findall(r'`(test_\w+\.py)`', row[-1])
        assert named and set(named) <= names, row


def test_every_planted_fault_stands_once_where_it_is_looked_for(project_root):
    def read(*parts):
        with open(os.path.join(project_root, *parts), encoding='utf-8') as stream:
            return stream.read()
    targets = ''.join(read('test', 'support', name) for name in (
        'fuzz_limits.py', 'fuzz_targets.py'))
    mutants = yaml.safe_load(read('test', 'data', 'fuzz_mutants.yaml'))['mutants']
    assert len({mutant['fault'] for mutant in mutants}) == len(mutants) > 20
    for mutant in mutants:
        assert set(mutant) == {'fault', 'target', 'path', 'before', 'after'}
        assert read(mutant['path']).count(mutant['before']) == 1, mutant
        assert mutant['before'] != mutant['after']
        assert f'\ndef {mutant["target"]}(data):' in targets, mutant['target']
