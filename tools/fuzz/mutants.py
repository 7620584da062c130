#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Plant each fault that fuzzing once missed back into a copy of the checkout, and fuzz its target.

``python tools/fuzz/mutants.py [NUMBER ...]`` runs those mutants of test/data/fuzz_mutants.yaml,
all by default; nothing is changed in the checkout. It prints how many executions each took, and
ends with status 1 where one was not found.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, 'tools', 'measure')]

from checkout_copy import checkout_copy  # noqa: E402, I100

TABLE = os.path.join(ROOT, 'test', 'data', 'fuzz_mutants.yaml')
SEED = 1


def load():
    """Return the mutants: mappings with fault, target, path, before and after."""
    with open(TABLE, encoding='utf-8') as stream:
        return yaml.safe_load(stream)['mutants']


def executions_to_find(mutant, copy, seconds):
    """
    Fuzz a mutant.

    :param copy: folder of the checkout's copy; it is as it was afterwards
    :param seconds: given up after them
    :return: executions until something broke, None where nothing did
    """
    path = os.path.join(copy, mutant['path'])
    with open(path, encoding='utf-8') as stream:
        original = stream.read()
    if original.count(mutant['before']) != 1:
        raise SystemExit(f'{mutant["path"]} does not hold {mutant["before"]!r} once')
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(original.replace(mutant['before'], mutant['after']))
    try:
        done = subprocess.run(
            [sys.executable, os.path.join(copy, 'tools', 'fuzz', 'fuzz.py'), mutant['target'],
             '--seconds', str(seconds), '--seed', str(SEED), '--random'],
            cwd=copy, env=dict(os.environ, PYTHONPATH=copy), check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    finally:
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(original)
        shutil.rmtree(os.path.join(copy, 'tools', 'fuzz', 'corpus', mutant['target']),
                      ignore_errors=True)
    if done.returncode == 0:
        return None
    match = re.search(r'(\d+) executions until this one', done.stdout)
    if match is None:
        raise SystemExit(done.stdout)
    return int(match.group(1))


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('numbers', nargs='*', type=int, help='of mutants, from 0')
    parser.add_argument('--seconds', type=int, default=60)
    options = parser.parse_args()
    missed = 0
    with checkout_copy() as copy:
        for number, mutant in enumerate(load()):
            if options.numbers and number not in options.numbers:
                continue
            found = executions_to_find(mutant, copy, options.seconds)
            missed += found is None
            print(number, mutant['target'], 'NOT FOUND' if found is None else
                  f'found after {found} executions', mutant['fault'], flush=True)
    return int(missed > 0)


if __name__ == '__main__':
    raise SystemExit(main())
