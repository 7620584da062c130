# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Planted faults: which are drawn, what is planted, how they count, and how a run goes on."""

import contextlib
import os
import signal
import sys

import c_mutants
from forked_tests import ForkedTests
import mutation_score
from mutation_score import Change
from mutation_score import Module
from mutation_score import Mutant
import pytest

C_SOURCE = """/* a < b, 1 */
#define N 4 + 1
static int first(const int *a, int n) // n > 0
{
    for (int i = 0; i < n; i++) {
        if (a[i] == 7 && n > 2) {
            break;
        }
    }
    return -n + 0x0f;
}
"""
DIFF = """--- mutation diff ---
--- a/x.py
+++ b/x.py
@@ -5,7 +5,7 @@
 one
 two
 three
-    if a < b:
+    if a <= b:
 five
 six"""


def changes(places=20, operators=3):
    return [Change((place, 4), f'core/Operator{operator}', place, (place, 5))
            for place in range(places) for operator in range(operators)]


def mutant(room, outcome, before='a', after='b'):
    return Mutant(room, 'x.py', 1, before, after, outcome, '')


def test_a_draw_is_its_seeds_has_one_fault_per_place_and_grows_at_its_end():
    few = mutation_score.sample(changes(), 5, 'seed')
    assert few == mutation_score.sample(reversed(changes()), 5, 'seed')
    assert few != mutation_score.sample(changes(), 5, 'another')
    assert mutation_score.sample(changes(), 12, 'seed')[:5] == few
    every = mutation_score.sample(changes(), 99, 'seed')
    assert sorted(change.place for change in every) == [(place, 4) for place in range(20)]
    assert len({change.operator for change in every}) == 3


@pytest.mark.parametrize('operator, telling', [
    ('core/ReplaceBinaryOperator_Add_Sub', True), ('core/ReplaceBinaryOperator_Add_Pow', False),
    ('core/ReplaceBinaryOperator_Sub_Add', True), ('core/ReplaceBinaryOperator_Mul_Add', False),
    ('core/ReplaceComparisonOperator_Lt_LtE', True),
    ('core/ReplaceComparisonOperator_Is_IsNot', True),
    ('core/ReplaceComparisonOperator_IsNot_Is', True),
    ('core/ReplaceComparisonOperator_Is_Lt', False),
    ('core/ReplaceComparisonOperator_Eq_Is', False),
    ('core/ReplaceComparisonOperator_Eq_IsNot', False),
    ('core/ReplaceComparisonOperator_In_NotIn', True),
    ('core/ReplaceComparisonOperator_Lt_In', False),
    ('core/NumberReplacer', True), ('core/AddNot', True)])
def test_what_any_test_would_find_is_left_out(operator, telling):
    assert mutation_score.is_telling(operator) == telling


def test_faults_of_c_are_operators_and_numbers_of_the_code_alone():
    found = [(C_SOURCE[:each.offset].count('\n') + 1, each.before, each.after)
             for each in c_mutants.find(C_SOURCE)]
    assert found == [
        (5, '0', '1'), (5, '<', '<='), (5, '<', '>'), (6, '==', '!='), (6, '7', '6'),
        (6, '7', '8'), (6, '&&', '||'), (6, '>', '<'), (6, '>', '>='), (6, '2', '1'),
        (6, '2', '3'), (7, 'break', 'continue'), (10, '+', '-'), (10, '0x0f', '0xe')]


def test_each_fault_of_c_changes_its_place_alone():
    for each in c_mutants.find(C_SOURCE):
        changed = each.applied(C_SOURCE)
        assert changed != C_SOURCE
        assert changed[:each.offset] == C_SOURCE[:each.offset]
        assert changed.endswith(C_SOURCE[each.offset + len(each.before):])
        with pytest.raises(ValueError, match='was expected'):
            each._replace(before=each.before + '?').applied(C_SOURCE)


def test_the_line_of_a_diff_is_found():
    assert mutation_score.changed_lines(DIFF) == (8, 'if a < b:', 'if a <= b:')


@pytest.mark.parametrize('outcome, output, expected', [
    ('survived', '3 passed in 1.0s', 'survived'), ('killed', '1 failed, 3 passed', 'killed'),
    ('killed', '1 error in 0.2s', 'killed'), ('killed', '', 'stopped'),
    ('killed', 'timeout', 'stopped'), (None, '', 'not run'), ('incompetent', '', 'not run')])
def test_what_the_tests_said(outcome, output, expected):
    assert mutation_score.outcome_of(outcome, output) == expected


def test_score_is_of_those_that_are_not_equivalent():
    found = mutation_score.with_reasons([
        mutant('one', 'killed'), mutant('one', 'stopped'), mutant('one', 'survived'),
        mutant('one', 'survived', 'c'), mutant('two', 'survived', 'd'), mutant('two', 'not run'),
    ], [{'path': 'x.py', 'before': 'c', 'after': 'b', 'equivalent': True, 'why': 'the same'},
        {'path': 'x.py', 'before': 'd', 'after': 'b', 'equivalent': False, 'why': 'a log'}])
    assert [each.why for each in found] == ['', '', '', 'the same', 'a log', '']
    modules = [Module('one', 'x.py', 5, []), Module('two', 'x.py', 1, []),
               Module('two', 'y.py', 2, []), Module('three', 'z.py', 3, [])]
    assert mutation_score.table(found, modules).split('\n')[2:-1] == [
        '| one | 5 | 4 | 2 | 1 | 1 | 1 | 67 % |',
        '| two | 3 | 1 | 0 | 0 | 0 | 1 | 0 % |',
        '| three | 3 | 0 | 0 | 0 | 0 | 0 |  |',
        '| **all** | 11 | 5 | 2 | 1 | 1 | 2 | 50 % |']


def test_every_room_names_files_that_are_there(project_root):
    modules, survivors = mutation_score.load(mutation_score.TABLE)
    assert sum(module.mutants for module in modules) >= 300
    for module in modules:
        for path in [module.path] + module.tests:
            assert os.path.isfile(os.path.join(project_root, path)), path
    assert {row['path'] for row in survivors} <= {module.path for module in modules}
    assert all(row['why'] for row in survivors)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Return the only module of a project whose test overlooks its bound."""
    pytest.importorskip('cosmic_ray')
    (tmp_path / 'tiny.py').write_text(
        'def is_far(x):\n    return x > 3\n\n\ndef next_one(x):\n    return x + 1\n')
    (tmp_path / 'test_tiny.py').write_text(
        'import tiny\n\n\ndef test():\n    assert tiny.is_far(9) and not tiny.is_far(-9)\n'
        '    assert tiny.next_one(4) == 5\n')
    (tmp_path / 'session').mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    return Module('a room', 'tiny.py', 4, ['test_tiny.py'])


@pytest.fixture
def forked():
    """Lend what runs tests with this interpreter."""
    with contextlib.closing(ForkedTests(sys.executable, 60, 60.0)) as tests:
        yield tests


def test_a_run_that_was_stopped_goes_on_and_leaves_the_source_alone(tiny, forked, tmp_path):
    source = (tmp_path / 'tiny.py').read_text()
    found = []
    for most, done in ((2, 2), (None, 4), (None, 4)):
        session = mutation_score.Session('session', tiny, 1)
        session.fill()
        mutation_score.run([session], forked, most, False)
        assert set(session.mutants()) >= set(found)
        found = session.mutants()
        assert len(found) == done
        assert (tmp_path / 'tiny.py').read_text() == source
    # The bound is overlooked, 1 more or less is not.
    for each in found:
        assert each.outcome == ('killed' if each.line == 6 else 'survived') \
            or each.before == 'return x > 3', each
    assert {each.outcome for each in found} == {'killed', 'survived'}


def test_survivors_are_run_again_with_better_tests(tiny, forked, tmp_path):
    session = mutation_score.Session('session', tiny, 1)
    session.fill()
    mutation_score.run([session], forked, None, False)
    assert 'survived' in {each.outcome for each in session.mutants()}
    (tmp_path / 'test_tiny.py').write_text(
        'import tiny\n\n\ndef test():\n    assert [tiny.is_far(x) for x in (3, 3.5, 4, 5)] =='
        ' [False, True, True, True]\n    assert tiny.next_one(4) == 5\n')
    mutation_score.run([session], forked, None, True)
    assert {each.outcome for each in session.mutants()} == {'killed'}


def test_tests_that_are_red_without_a_fault_end_the_run(tiny, forked, tmp_path):
    (tmp_path / 'test_tiny.py').write_text('def test():\n    assert False\n')
    session = mutation_score.Session('session', tiny, 1)
    session.fill()
    with pytest.raises(SystemExit, match='red without a fault'):
        mutation_score.run([session], forked, None, False)
    assert session.mutants() == []


def test_a_package_that_is_gone_ends_the_run_and_kills_nothing(tiny, forked, tmp_path):
    (tmp_path / 'test_tiny.py').write_text('import not_installed\n')
    session = mutation_score.Session('session', tiny, 1)
    session.fill()
    with pytest.raises(SystemExit, match="No module named 'not_installed'"):
        mutation_score.run([session], forked, None, False, trust=True)
    assert session.mutants() == []


@pytest.mark.once
@pytest.mark.parametrize('body, limits, status', [
    ('while True:\n        pass', (1, 60), -signal.SIGXCPU),
    ('import time\n    time.sleep(600)', (60, 0.5), -signal.SIGKILL),
    ('import os\n    os.kill(os.getpid(), 11)', (60, 60), -signal.SIGSEGV)])
def test_loops_waits_and_crashes_end_in_time(tmp_path, monkeypatch, body, limits, status):
    (tmp_path / 'test_tiny.py').write_text(f'def test():\n    {body}\n')
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(ForkedTests(sys.executable, *limits)) as forked:
        result = forked.run(['test_tiny.py'])
    assert result.status == status
    assert mutation_score.outcome_of('killed', result.output) == 'stopped'


@pytest.mark.once
def test_each_run_sees_the_sources_as_they_are_and_the_dear_tests_come_last(tmp_path, monkeypatch):
    (tmp_path / 'pytest.ini').write_text(
        '[pytest]\nmarkers =\n    slow: s\n    once: o\n    linter: l\n')
    (tmp_path / 'test_tiny.py').write_text(
        'import pytest\nimport tiny\n\n\n@pytest.mark.once\ndef test_dear():\n'
        '    assert tiny.VALUE < 3\n\n\ndef test_cheap():\n    assert tiny.VALUE < 2\n\n\n'
        '@pytest.mark.slow\ndef test_slow():\n    assert False\n')
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(ForkedTests(sys.executable, 60, 60.0)) as forked:
        for value, status, red in ((1, 0, ''), (3, 1, 'test_cheap'), (1, 0, ''), (2, 1, 'cheap')):
            (tmp_path / 'tiny.py').write_text(f'VALUE = {value}\n')
            result = forked.run(['test_tiny.py'])
            assert result.status == status, result.output
            assert red in result.output
        (tmp_path / 'test_tiny.py').write_text(
            'import pytest\nimport tiny\n\n\n@pytest.mark.once\ndef test_dear():\n'
            '    assert tiny.VALUE < 2\n')
        assert forked.run(['test_tiny.py']).status == 1
