#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Plant sampled faults in the package, and count those that its tests notice.

``make mutants`` calls it. cosmic-ray makes the faults of Python and keeps them with their results
(mutants_output/*.sqlite), so that a run that was stopped goes on; those of C come from
c_mutants.py. test/data/mutation_rooms.yaml says how many each module gets, which tests have to
notice them, and why some need not. The checkout is never changed: a copy is.
"""

import argparse
import collections
import contextlib
import difflib
import json
import os
import random
import re
import signal
import subprocess
import sys
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple
import uuid

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TOOLS, 'docs')]

import c_mutants  # noqa: E402, I100
from checkout_copy import checkout_copy  # noqa: E402
from checkout_copy import ROOT  # noqa: E402
from forked_tests import ForkedTests  # noqa: E402
import marked  # noqa: E402
import yaml  # noqa: E402

TABLE = os.path.join(ROOT, 'test', 'data', 'mutation_rooms.yaml')
MARKS = marked.Marks('<!-- mutants: made by make mutants -->', '<!-- end of mutants -->')
C_OPERATOR = 'c/replace'
CPU_SECONDS, WALL_SECONDS = 120, 300
"""Limits of one mutant's tests: a loop without end, and a lock that nobody opens."""
_BINARY = {'Add_Sub', 'Sub_Add', 'Mul_Div', 'Div_Mul', 'FloorDiv_Div', 'Mod_FloorDiv', 'Pow_Mul',
           'LShift_RShift', 'RShift_LShift', 'BitAnd_BitOr', 'BitOr_BitAnd', 'BitXor_BitAnd'}
_UNARY = {'USub_UAdd', 'Delete_USub', 'Delete_Not', 'Delete_Invert'}
_ORDER = ('Eq', 'NotEq', 'Lt', 'LtE', 'Gt', 'GtE')
_COMPARISONS = {f'{one}_{other}' for one in _ORDER for other in _ORDER} | {
    'Is_IsNot', 'IsNot_Is', 'In_NotIn', 'NotIn_In'}


class Module(NamedTuple):
    """A file that gets faults, and the tests that have to notice them."""

    room: str
    path: str
    mutants: int
    tests: List[str]


class Change(NamedTuple):
    """A fault: the operator of cosmic-ray, and which of its places in the file."""

    place: Tuple[int, int]
    operator: str
    occurrence: int
    end: Tuple[int, int]
    arguments: str = '{}'


class Mutant(NamedTuple):
    """A fault that was planted: the line before and after, and what the tests said."""

    room: str
    path: str
    line: int
    before: str
    after: str
    outcome: str
    why: str


def is_telling(operator: str) -> bool:
    """Return whether tests can miss what an operator of cosmic-ray does, unlike a TypeError."""
    name, _, change = operator.partition('Operator_')
    return change in {'core/ReplaceBinary': _BINARY, 'core/ReplaceUnary': _UNARY,
                      'core/ReplaceComparison': _COMPARISONS}.get(name, {change})


def sample(changes: Iterable[Change], count: int, seed: str) -> List[Change]:
    """
    Return so many changes, each at a place of its own.

    A larger count gives the same ones and more.
    """
    at = collections.defaultdict(list)  # type: Dict[Tuple[int, int], List[Change]]
    for change in changes:
        at[change.place].append(change)
    places = sorted(at)
    random.Random(seed).shuffle(places)
    return [random.Random(f'{seed} {place}').choice(sorted(at[place]))
            for place in places[:count]]


def load(path: str) -> Tuple[List[Module], List[Dict[str, Any]]]:
    """Return the modules, and the changes that may survive with their reasons."""
    with open(path, encoding='utf-8') as stream:
        content = yaml.safe_load(stream)
    return [Module(room, **row) for room, rows in content['rooms'].items() for row in rows], \
        content.get('survivors') or []


def changed_lines(diff: str) -> Tuple[int, str, str]:
    """Return the number of a diff's first line that was changed, and the lines on both sides."""
    number, lines = 0, {'-': [], '+': []}  # type: int, Dict[str, List[str]]
    seen = False
    for line in diff.split('\n'):
        start = re.match(r'@@ -(\d+)', line)
        if start:
            number, seen = int(start.group(1)), True
        elif seen and line[:1] in lines:
            lines[line[0]].append(line[1:].strip())
        elif seen and not lines['-'] + lines['+']:
            number += 1
    return number, ' '.join(lines['-']), ' '.join(lines['+'])


def outcome_of(test_outcome: Optional[str], output: str) -> str:
    """Return killed, survived, stopped (by a limit, or a process that ended), or not run."""
    if test_outcome == 'survived':
        return 'survived'
    if test_outcome != 'killed':
        return 'not run'
    return 'killed' if re.search(r'\d+ (failed|errors?)\b', output) or 'Error' in output \
        else 'stopped'


class Session:
    """
    The faults of one module with their results, in a file of their own.

    :param folder: where it is kept; a changed module is another file
    """

    def __init__(self, folder: str, module: Module, seed: int) -> None:
        from cosmic_ray.work_db import WorkDB
        with open(module.path, encoding='utf-8') as stream:
            self._source = stream.read()
        digest = uuid.uuid5(uuid.NAMESPACE_URL, self._source).hex[:8]
        name = module.path.replace(os.sep, '.')
        self.module = module
        self._seed = f'{seed} {module.path}'
        self._db = WorkDB(os.path.join(folder, f'{name}-{seed}-{digest}.sqlite'),
                          WorkDB.Mode.create)

    def fill(self) -> None:
        """Add the faults that are missing."""
        from cosmic_ray.work_item import MutationSpec
        from cosmic_ray.work_item import WorkItem
        if self._db.num_work_items >= self.module.mutants:
            return
        there = {_change(item) for item in self._db.work_items}
        self._db.add_work_items([
            WorkItem.single(uuid.uuid4().hex, MutationSpec(
                module_path=self.module.path, operator_name=change.operator,
                occurrence=change.occurrence, start_pos=change.place, end_pos=change.end,
                operator_args=json.loads(change.arguments)))
            for change in sample(self._changes(), self.module.mutants, self._seed)
            if change not in there])

    def _changes(self) -> Iterator[Change]:
        from cosmic_ray import plugins
        from cosmic_ray.ast import ast_nodes
        from cosmic_ray.ast import get_ast
        if self.module.path.endswith('.c'):
            for mutant in c_mutants.find(self._source):
                yield _c_change(self._source, mutant)
            return
        nodes = list(ast_nodes(get_ast(self._source)))
        # cosmic-ray 8.7 expects names alone after "except", and fails at anything else.
        is_odd = any(node.type == 'except_clause' and not re.match(
            r'except\s+(\w+|\((\w+,?\s*)+\))(\s+as\s+\w+)?\s*$', node.get_code().strip())
            for node in nodes)
        for name in filter(is_telling, plugins.operator_names()):
            operator = plugins.get_operator(name)
            if operator.arguments() or (is_odd and name == 'core/ExceptionReplacer'):
                continue
            places = [place for node in nodes for place in operator().mutation_positions(node)]
            for occurrence, (start, end) in enumerate(places):
                yield Change(tuple(start), name, occurrence, tuple(end))

    def waiting(self, again: bool) -> List[Any]:
        """Return the work items without a result; ``again``: those that survived, instead."""
        if not again:
            items = list(self._db.pending_work_items)
        else:
            items = [item for item, result in self._db.completed_work_items
                     if not result.is_killed]
        return sorted(items, key=lambda item: random.Random(str(_change(item))).random())

    def run(self, item: Any, tests: ForkedTests) -> Mutant:
        """
        Plant one fault, run the tests, and keep what they said.

        :raises SystemExit: the tests cannot be run
        """
        from cosmic_ray.work_item import TestOutcome
        from cosmic_ray.work_item import WorkerOutcome
        from cosmic_ray.work_item import WorkResult
        with self._planted(item) as changed:
            if changed is None:
                result = WorkResult(WorkerOutcome.NO_TEST)
            else:
                status, output = tests.run(self.module.tests)
                # No fault makes a package go; somebody has changed the environment.
                gone = re.search("No module named '(?!segformer_ros).*", output)
                if gone:
                    raise SystemExit(gone.group())
                result = WorkResult(
                    WorkerOutcome.NORMAL, output,
                    TestOutcome.KILLED if status else TestOutcome.SURVIVED,
                    '\n'.join(difflib.unified_diff(
                        self._source.split('\n'), changed.split('\n'), lineterm='')))
        self._db.set_result(item.job_id, result)
        return _mutant(self.module, result)

    @contextlib.contextmanager
    def _planted(self, item: Any) -> Iterator[Optional[str]]:
        from cosmic_ray import plugins
        from cosmic_ray.mutating import use_mutation
        mutation, = item.mutations
        if mutation.operator_name != C_OPERATOR:
            operator = plugins.get_operator(mutation.operator_name)()
            with use_mutation(mutation.module_path, operator, mutation.occurrence) as (_, changed):
                yield changed
            return
        changed = c_mutants.CMutant(**mutation.operator_args).applied(self._source)
        try:
            with open(self.module.path, 'w', encoding='utf-8') as stream:
                stream.write(changed)
            yield changed
        finally:
            with open(self.module.path, 'w', encoding='utf-8') as stream:
                stream.write(self._source)

    def mutants(self) -> List[Mutant]:
        """Return what was run, by line."""
        return sorted(_mutant(self.module, result)
                      for _, result in self._db.completed_work_items)


def _change(item: Any) -> Change:
    mutation, = item.mutations
    return Change(tuple(mutation.start_pos), mutation.operator_name, mutation.occurrence,
                  tuple(mutation.end_pos), json.dumps(mutation.operator_args, sort_keys=True))


def _c_change(source: str, mutant: c_mutants.CMutant) -> Change:
    head = source[:mutant.offset]
    line, column = head.count('\n') + 1, len(head) - head.rfind('\n') - 1
    return Change((line, column), C_OPERATOR, 0, (line, column + len(mutant.before)),
                  json.dumps(mutant._asdict(), sort_keys=True))


def _mutant(module: Module, result: Any) -> Mutant:
    outcome = outcome_of(result.test_outcome and result.test_outcome.value, result.output or '')
    last = [line for line in (result.output or '').split('\n')
            if line.startswith(('FAILED', 'ERROR'))]
    return Mutant(module.room, module.path, *changed_lines(result.diff or ''), outcome,
                  last[0] if last else '')


def with_reasons(mutants: List[Mutant], reasons: List[Dict[str, Any]]) -> List[Mutant]:
    """Return the mutants, those that survived with the reason why they may."""
    known = {(row['path'], row['before'], row['after']): row for row in reasons}
    result = []
    for mutant in mutants:
        row = known.get((mutant.path, mutant.before, mutant.after))
        if mutant.outcome != 'survived' or row is None:
            result.append(mutant)
        else:
            result.append(mutant._replace(
                why=row['why'], outcome='equivalent' if row['equivalent'] else 'survived'))
    return result


def table(mutants: List[Mutant], modules: List[Module]) -> str:
    """Return the counts of every room as Markdown; ``run`` leaves out what could not be."""
    lines = ['| room | drawn | run | killed | of them stopped | equivalent | survived | score |',
             '|---|---|---|---|---|---|---|---|']
    rooms = list(dict.fromkeys(module.room for module in modules))
    for name, part in [(room, [room]) for room in rooms] + [('**all**', rooms)]:
        count = collections.Counter(mutant.outcome for mutant in mutants if mutant.room in part)
        drawn = sum(module.mutants for module in modules if module.room in part)
        killed = count['killed'] + count['stopped']
        counted = killed + count['survived']
        score = f'{100.0 * killed / counted:.0f} %' if counted else ''
        lines.append(f'| {name} | {drawn} | {counted + count["equivalent"]} | {killed} | '
                     f'{count["stopped"]} | {count["equivalent"]} | {count["survived"]} | '
                     f'{score} |')
    return '\n'.join(lines) + '\n'


def run(sessions: List[Session], forked: ForkedTests, most: Optional[int], again: bool,
        trust: bool = False) -> None:
    """
    Run what waits, one of each module after another.

    :param most: so many at most
    :param again: run those that survived, instead
    :param trust: the tests are known to be green
    :raises SystemExit: tests are red without a fault
    """
    waiting = [(rank, number, session, item) for number, session in enumerate(sessions)
               for rank, item in enumerate(session.waiting(again))]
    waiting.sort(key=lambda row: row[:2])
    green = set()
    for number, (_, _, session, item) in enumerate(waiting[:most]):
        tests = tuple(session.module.tests)
        if not (trust or tests in green) and forked.run(session.module.tests).status:
            raise SystemExit(f'red without a fault: {" ".join(tests)}')
        green.add(tests)
        mutant = session.run(item, forked)
        print(f'{number + 1}/{len(waiting[:most])} {mutant.outcome}: {mutant.path}:{mutant.line}: '
              f'{mutant.before}  ->  {mutant.after}  {mutant.why}', flush=True)


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command; return 1 where less than 90 % are killed."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('--table', default=TABLE, help='of rooms, YAML')
    parser.add_argument('--output', default='mutants_output', help='folder of the session')
    parser.add_argument('--python', default=sys.executable, help='runs the tests')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--rooms', nargs='*', help='these alone')
    parser.add_argument('--most', type=int, help='run so many at most; 0: only report')
    parser.add_argument('--trust', action='store_true',
                        help='do not run the tests without a fault first')
    parser.add_argument('--survivors', action='store_true', help='run those that survived again')
    parser.add_argument('--docs', help='page that gets the table')
    given = parser.parse_args(arguments)
    # So that the copy is deleted, and no test goes on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    output = os.path.abspath(given.output)
    docs = given.docs and os.path.abspath(given.docs)
    python = given.python if os.sep not in given.python else os.path.abspath(given.python)
    modules, reasons = load(given.table)
    os.makedirs(output, exist_ok=True)
    with checkout_copy() as copy:
        # Kernels are kept by their digest, tests find the package and the shared material, and
        # no plugin that they do not use is loaded: half of the time of many.
        os.environ.update(
            PYTHONPATH=copy, PYTEST_DISABLE_PLUGIN_AUTOLOAD='1',
            XDG_CACHE_HOME=os.path.join(output, 'cache'),
            SEGFORMER_ROS_SHARED=os.environ.get('SEGFORMER_ROS_SHARED')
            or os.path.join(ROOT, os.pardir, 'shared'))
        os.chdir(copy)
        # By digest, since a change within one second keeps the time of its file.
        subprocess.run([python, '-m', 'compileall', '-q', '--invalidation-mode', 'checked-hash',
                        'segformer_ros'], check=True)
        sessions = [Session(output, module, given.seed) for module in modules
                    if not given.rooms or module.room in given.rooms]
        for session in sessions:
            session.fill()
        with contextlib.closing(ForkedTests(python, CPU_SECONDS, WALL_SECONDS)) as forked:
            run(sessions, forked, given.most, given.survivors, given.trust)
        found = with_reasons([mutant for session in sessions for mutant in session.mutants()],
                             reasons)
    os.chdir(ROOT)
    with open(os.path.join(output, 'mutants.json'), 'w', encoding='utf-8') as stream:
        json.dump([mutant._asdict() for mutant in found], stream, indent=1)
    print(table(found, modules))
    for mutant in found:
        if mutant.outcome in ('survived', 'not run'):
            print(f'{mutant.outcome}: {mutant.path}:{mutant.line}: {mutant.before}  ->  '
                  f'{mutant.after}  {mutant.why}')
    if docs:
        marked.replace(docs, MARKS, table(found, modules))
    count = collections.Counter(mutant.outcome for mutant in found)
    killed = count['killed'] + count['stopped']
    return int(killed < 0.9 * (killed + count['survived']))


if __name__ == '__main__':
    raise SystemExit(main())
