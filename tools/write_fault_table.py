#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Put the results of ``make faults`` into docs/reliability.md."""

import json
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), 'docs')]

import marked  # noqa: E402, I100

MARKS = marked.Marks('<!-- faults: made by make faults -->', '<!-- end of faults -->')


def main(page, *results):
    """
    Replace the table; return 1 where a fault was not survived.

    Of a test that stands in several files of results the last one counts.
    """
    rows = {}
    for path in results:
        with open(path, encoding='utf-8') as stream:
            found = json.load(stream)
        rows.update((row['test'], row) for row in found['rows'])
    found['rows'] = list(rows.values())
    marked.replace(page, MARKS, table(found))
    return 0 if all(row['passed'] for row in found['rows']) else 1


def table(found):
    """Return the results as Markdown."""
    rows = found['rows']
    green = sum(row['passed'] for row in rows)
    lines = ['{} faults, {} green. {}, {}.'.format(
        len(rows), green, found['date'], found['machine']), '',
        '| fault | what the node did | served again after | lost |', '|---|---|---|---|']
    lines += ['| {} | {} | {} | {} |'.format(
        row['fault'], row['did'] if row['passed'] else 'FAILED', seconds(row['back_s']),
        row['lost']) for row in rows]
    return '\n'.join(lines) + '\n'


def seconds(value):
    """Return seconds for people."""
    return '' if value is None else f'{value:.2f} s'


if __name__ == '__main__':
    raise SystemExit(main(*sys.argv[1:]))
