#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Feed one parser with bytes that coverage leads to: python -m pip install atheris, then this.

Every target of test/support/fuzz_targets.py can be named. Without atheris bytes are changed at
random, which finds less. Inputs that broke something lie in corpus/<target>/ and are tried
first; whatever breaks something new is written there. executions.json sums up the runs.
"""

import argparse
import importlib.util
import json
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'test')]
COUNTS = os.path.join(HERE, 'executions.json')
LONGEST = 4096


def main():
    """Return 0 if nothing broke."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('target')
    parser.add_argument('--seconds', type=int, default=60)
    parser.add_argument('--corpus', default=os.path.join(HERE, 'corpus'))
    parser.add_argument('--seed', type=int, help='of what is changed at random, without atheris')
    parser.add_argument('--random', action='store_true', help='leave atheris alone')
    options = parser.parse_args()
    guided = not options.random and importlib.util.find_spec('atheris') is not None
    if guided:
        import atheris
        with atheris.instrument_imports(include=['segformer_ros', 'yaml']):
            from support import fuzz_targets
    else:
        from support import fuzz_targets
    run = Counted(fuzz_targets.TARGETS[options.target], options.target)
    kept = os.path.join(options.corpus, options.target)
    start = list(fuzz_targets.seeds(ROOT)[options.target]) + read_all(kept)
    if guided:
        folder = os.path.join(fuzz_targets.FOLDER, 'seeds')
        os.makedirs(folder)
        for number, content in enumerate(start):
            with open(os.path.join(folder, str(number)), 'wb') as stream:
                stream.write(content)
        atheris.Setup([sys.argv[0], folder, f'-max_total_time={options.seconds}',
                       f'-max_len={max([LONGEST] + [len(each) for each in start])}',
                       '-rss_limit_mb=4096', '-verbosity=0', '-print_final_stats=1',
                       f'-artifact_prefix={kept}/'], run)
        os.makedirs(kept, exist_ok=True)
        atheris.Fuzz()
        return 0
    return at_random(run, start, options, kept)


class Counted:
    """A target that counts its runs, and adds them to the file now and then."""

    def __init__(self, target, name):
        self._target = target
        self._name = name
        self._count = 0
        self.total = 0
        """Executions of this process."""
        self._written = time.monotonic()

    def __call__(self, data):
        """Run it once."""
        self._count += 1
        self.total += 1
        if time.monotonic() - self._written > 2.0:
            self.write()
        self._target(data)

    def write(self):
        """Add the runs since the last time."""
        counts = {}
        if os.path.exists(COUNTS):
            with open(COUNTS, encoding='utf-8') as stream:
                counts = json.load(stream)
        counts[self._name] = counts.get(self._name, 0) + self._count
        self._count, self._written = 0, time.monotonic()
        with open(COUNTS, 'w', encoding='utf-8') as stream:
            json.dump(counts, stream, indent=1, sort_keys=True)
            stream.write('\n')


def read_all(folder):
    """Return the contents of a folder's files."""
    contents = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        with open(os.path.join(folder, name), 'rb') as stream:
            contents.append(stream.read())
    return contents


def at_random(run, start, options, kept):
    """Change the seeds at random; keep the first input that breaks something."""
    chance = random.Random(time.time() if options.seed is None else options.seed)
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        data = bytearray(chance.choice(start))
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(data) + 1)
            data[at:at + chance.choice([0, 0, 1, 4, 16])] = bytes(
                chance.randrange(256) for _ in range(chance.choice([0, 1, 1, 2, 8])))
        try:
            run(bytes(data))
        except Exception:
            print(f'{run.total} executions until this one', file=sys.stderr)
            os.makedirs(kept, exist_ok=True)
            with open(os.path.join(kept, f'crash-{time.time_ns()}'), 'wb') as stream:
                stream.write(data)
            raise
    run.write()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
