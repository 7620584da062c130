# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A comparison of two reports as Markdown, for a terminal or a pull request."""

import math
from typing import Any
from typing import Dict
from typing import Optional

from segformer_ros.evaluation.bootstrap import CONFIDENCE
from segformer_ros.evaluation.compare import Comparison
from segformer_ros.evaluation.gates import LESS_IS_BETTER
from segformer_ros.evaluation.report_markdown import escaped
from segformer_ros.evaluation.report_markdown import table

# Classes that moved less than this are not worth a line.
LEAST_CHANGE = 0.0005

NAMES = {'miou': 'mean IoU', 'accuracy': 'pixel accuracy'}


def render_comparison(comparison: Comparison, before: Dict[str, Any],
                      after: Dict[str, Any]) -> str:
    """
    Return the page.

    :param comparison: of the two documents
    :param before: the baseline's document
    :param after: the candidate's
    """
    lines = ['# {} to {}'.format(_title(before), _title(after)), '',
             '{} labelled frames in common, {} only before, {} only after.'.format(
                 comparison.common, comparison.only_before, comparison.only_after), '']
    lines += ['- ' + note for note in comparison.notes] + ([''] if comparison.notes else [])
    lines += table(['over the common frames', 'change', '{:.0f} % interval'.format(
        100 * CONFIDENCE), ''], [
            [NAMES[name], _signed(interval.difference),
             '{} to {}'.format(_signed(interval.low), _signed(interval.high)),
             _verdict(interval.difference, interval.is_clear)]
            for name, interval in sorted(comparison.intervals.items(), reverse=True)])
    moved = [change for change in comparison.classes
             if not abs(change.after - change.before) < LEAST_CHANGE]
    moved.sort(key=lambda change: (math.isnan(change.after - change.before),
                                   change.after - change.before))
    if moved:
        lines += ['## Classes that moved', ''] + table(
            ['class', 'IoU before', 'after', 'change'],
            [[escaped(change.name), _number(change.before), _number(change.after),
              _signed(change.after - change.before)] for change in moved])
    lines += ['## All figures', ''] + table(
        ['figure', 'before', 'after', 'change', ''], [
            [name, _short(old), _short(new), '' if old is None or new is None else _short(
                new - old, True), _arrow(name, old, new)]
            for name, old, new in comparison.figures if old is not None or new is not None])
    return '\n'.join(lines) + '\n'


def _title(document: Dict[str, Any]) -> str:
    network = document['network']
    return '{} ({}, {})'.format(escaped(network['model']), network['backend'],
                                network['precision'])


def _verdict(difference: float, is_clear: bool) -> str:
    if not is_clear:
        return 'not clear'
    return 'better' if difference > 0 else 'worse'


def _arrow(name: str, old: Optional[float], new: Optional[float]) -> str:
    if old is None or new is None or old == new:
        return ''
    return 'better' if (new > old) != (name in LESS_IS_BETTER) else 'worse'


def _number(value: float) -> str:
    return '-' if math.isnan(value) else '{:.3f}'.format(value)


def _signed(value: float) -> str:
    return '-' if math.isnan(value) else '{:+.3f}'.format(value)


def _short(value: Optional[float], signed: bool = False) -> str:
    if value is None:
        return '-'
    return ('{:+.4g}' if signed else '{:.4g}').format(value)
