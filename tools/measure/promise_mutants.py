#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Break each promise of docs/reliability.md in a copy of the checkout, and run the test it names.

``python tools/measure/promise_mutants.py [NUMBER ...]`` runs those mutants of
test/data/promise_mutants.yaml, all by default; nothing is changed in the checkout. It ends with
status 1 where a test stays green, or is red without its mutant.
"""

import argparse
import os
import subprocess
import sys
from typing import Any, Dict, List, NamedTuple

from checkout_copy import checkout_copy
from checkout_copy import ROOT
import yaml

TABLE = os.path.join(ROOT, 'test', 'data', 'promise_mutants.yaml')
TIMEOUT = 900.0
"""Seconds; a mutant may make a test wait for all its deadlines."""


class Mutant(NamedTuple):
    """One change of one file: where ``before`` stands, once, ``after`` is put."""

    promise: str
    test: str
    path: str
    before: str
    after: str


def _table() -> Dict[str, Any]:
    with open(TABLE, encoding='utf-8') as stream:
        found: Dict[str, Any] = yaml.safe_load(stream)
    return found


def load() -> List[Mutant]:
    """Return all mutants."""
    return [Mutant(**row) for row in _table()['mutants']]


def without() -> Dict[str, str]:
    """Return the promises that have no mutant, each with the reason."""
    return dict(_table()['without'])


def is_green(test: str, copy: str) -> bool:
    """
    Run a test.

    :param copy: folder of the checkout's copy
    """
    try:
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-q', '-x', test],
            # A change within one second keeps the time of its file, by which bytecode is known.
            cwd=copy, env=dict(os.environ, PYTHONPATH=copy, PYTHONDONTWRITEBYTECODE='1'),
            timeout=TIMEOUT, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    except subprocess.TimeoutExpired:
        return False
    # 1: tests failed. Anything else says nothing of the mutant.
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout)
    return done.returncode == 0


def is_killed(mutant: Mutant, copy: str) -> bool:
    """
    Run a mutant's test.

    :param copy: folder of the checkout's copy; it is as it was afterwards
    :return: whether the test turned red
    """
    path = os.path.join(copy, mutant.path)
    with open(path, encoding='utf-8') as stream:
        original = stream.read()
    if original.count(mutant.before) != 1:
        raise SystemExit(f'{mutant.path} does not hold {mutant.before!r} once')
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(original.replace(mutant.before, mutant.after))
    try:
        return not is_green(mutant.test, copy)
    finally:
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(original)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('numbers', nargs='*', type=int, help='of mutants, from 0')
    numbers = parser.parse_args().numbers
    survivors, green = 0, {}  # type: int, Dict[str, bool]
    with checkout_copy() as copy:
        for number, mutant in enumerate(load()):
            if numbers and number not in numbers:
                continue
            if mutant.test not in green:
                green[mutant.test] = is_green(mutant.test, copy)
            if not green[mutant.test]:
                print(number, 'red without the mutant as well', mutant.test, flush=True)
                survivors += 1
                continue
            killed = is_killed(mutant, copy)
            survivors += not killed
            print(number, 'red' if killed else 'GREEN', mutant.test, flush=True)
    return int(survivors > 0)


if __name__ == '__main__':
    raise SystemExit(main())
