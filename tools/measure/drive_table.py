#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Make the tables of docs/nav2.md from the figures that closed_loop.py wrote.

usage: drive_table.py docs/nav2.md drive_output/closed_loop.json
"""

import collections
import json
import os
import sys
from typing import Any, Dict, List, Sequence, Tuple

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TOOLS, 'docs')]

import marked  # noqa: E402, I100

MARKS = marked.Marks('<!-- drives: made by tools/measure/drive_table.py -->',
                     '<!-- end of drives -->')
COLUMNS = ('worlds', 'labels', 'cameras', 'depth', 'fault', 'goals reached', 'contacts',
           'stops without cause', 'least clearance', 'nearer than 0.1 m', 'way / best, median',
           'worst', 'above 1.5')
FAULT_COLUMNS = ('fault', 'labels', 'faults', 'stood at its end', 'stood after, worst',
                 'went on', 'went on after, worst')
EVENT_COLUMNS = ('worlds', 'labels', 'cameras', 'depth', 'fault', 'what', 'thing', 'cause',
                 'times')
WHAT = {'contact': 'contact', 'close': 'nearer than 0.1 m', 'stop': 'stop without cause',
        'failed': 'goal not reached', 'way': 'way above 1.5'}
FAR_WAY = 1.5
CLOSE = 0.1

Rows = List[Dict[str, Any]]
# World, labels, number of cameras, depth, fault.
Name = Tuple[str, str, int, str, str]


def main(page: str, path: str) -> None:
    """Replace the tables in a page by those of a file of figures."""
    with open(path, encoding='utf-8') as stream:
        rows = json.load(stream)['worlds']
    marked.replace(page, MARKS, table(rows))


def table(rows: Rows) -> str:
    """Return the tables as Markdown."""
    if not rows:
        return ''
    parts = [_markdown(COLUMNS, [drive_row(name, found) for name, found in _groups(rows)])]
    faults = [row for row in rows if row['faults']]
    if faults:
        parts.append(_markdown(FAULT_COLUMNS, [
            fault_row(fault, labels, [row for row in faults if (
                row['fault'], row['labels']) == (fault, labels)])
            for fault, labels in dict.fromkeys((row['fault'], row['labels']) for row in faults)]))
    events = event_rows(rows)
    if events:
        parts.append(_markdown(EVENT_COLUMNS, events))
    dates = sorted({row['date'] for row in rows})
    parts.append('{} drives, {} m, {} s of processor time, {}.\n'.format(
        len(rows), round(sum(goal['length'] for row in rows for goal in row['goals'])),
        round(sum(row['processor_seconds'] for row in rows)), ' and '.join(dates)))
    return '\n'.join(parts)


def path_ratio(goal: Dict[str, Any]) -> Any:
    """Return the way against the best one; None where either is not known."""
    if not goal['best'] or not goal['reached']:
        return None
    return (goal['length'] + goal['remaining']) / goal['best']


def drive_row(name: Name, rows: Rows) -> Sequence[Any]:
    """Return one row for the drives in worlds of one kind, with the same labels and fault."""
    goals = [goal for row in rows for goal in row['goals']]
    ratios = sorted(ratio for ratio in map(path_ratio, goals) if ratio is not None)
    kind, labels, cameras, depth, fault = name
    return (f'{kind} {_spans([row["seed"] for row in rows])}', labels, cameras, depth,
            fault, f'{sum(goal["reached"] for goal in goals)} of {len(goals)}',
            sum(goal['contacts'] for goal in goals), sum(goal['stops'] for goal in goals),
            f'{min(goal["clearance"] for goal in goals):.2f} m',
            sum(goal['clearance'] < CLOSE for goal in goals),
            f'{ratios[len(ratios) // 2]:.2f}' if ratios else '-',
            f'{ratios[-1]:.2f}' if ratios else '-', sum(ratio > FAR_WAY for ratio in ratios))


def fault_row(fault: str, labels: str, rows: Rows) -> Sequence[Any]:
    """Return one row about how soon the robot stood, and went on."""
    figures = [found for row in rows for found in row['faults']]
    stood = [found['stood_after'] for found in figures if found['stood_after'] is not None]
    went = [found['went_on_after'] for found in figures if found['went_on_after'] is not None]
    return (fault, labels, len(figures), len(stood), f'{max(stood):.2f} s' if stood else '-',
            len(went), f'{max(went):.2f} s' if went else '-')


def event_rows(rows: Rows) -> List[Sequence[Any]]:
    """Return one row for each kind of thing that went wrong and its cause, with its number."""
    counts: Any = collections.Counter()
    for row in rows:
        where = _name_of(row)
        for event in row['events']:
            thing = event['name'] or '-'
            if event['bottom'] > 0.02:
                thing += f', from {event["bottom"]:.1f} m up'
            counts[where + (WHAT[event['what']], thing, event['cause'])] += 1
    return [key + (times,) for key, times in counts.items()]


def _name_of(row: Dict[str, Any]) -> Name:
    return row['world'], row['labels'], row['cameras'], row['depth'], row['fault']


def _groups(rows: Rows) -> List[Tuple[Name, Rows]]:
    found: Dict[Name, Rows] = {}
    for row in rows:
        found.setdefault(_name_of(row), []).append(row)
    return list(found.items())


def _spans(seeds: List[int]) -> str:
    """Return ``0-4, 7`` for the seeds 0 to 4 and 7."""
    spans: List[List[int]] = []
    for seed in sorted(seeds):
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ', '.join(f'{first}' if first == last else f'{first}-{last}' for first, last in spans)


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = ['| {} |'.format(' | '.join(columns)), '|{}'.format('---|' * len(columns))]
    lines += ['| {} |'.format(' | '.join(str(value) for value in row)) for row in rows]
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    main(*sys.argv[1:])
