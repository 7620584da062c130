# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Two reports on the same frames: what changed, and how sure that is, as values and as a page."""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.metrics import bootstrap
from segformer_ros.evaluation.metrics import confusion
from segformer_ros.evaluation.report import thresholds
from segformer_ros.evaluation.report.format import figure
from segformer_ros.evaluation.report.markdown import escaped
from segformer_ros.evaluation.report.markdown import table

# Classes that moved less than this are not worth a line.
LEAST_CHANGE = 0.0005

NAMES = {'miou': 'mean IoU', 'accuracy': 'pixel accuracy'}

# Of a difference, and of a figure of any size.
SIGNED, ANY, ANY_SIGNED = '+.3f', '.4g', '+.4g'

# (input's name, place in it)
_Key = Tuple[str, int]


class ClassChange(NamedTuple):
    """IoU of one class over the common frames; NaN where it does not occur."""

    name: str
    before: float
    after: float


class Comparison(NamedTuple):
    """
    What changed from one report to another.

    ``common`` frames are in both; the pixel counts of these alone are compared, so that a frame
    that one run had to leave out does not count as progress. ``figures`` are the headline
    figures of the reports as they are: name, before, after.
    """

    common: int
    only_before: int
    only_after: int
    intervals: Dict[str, bootstrap.Interval]
    classes: List[ClassChange]
    figures: List[Tuple[str, Optional[float], Optional[float]]]
    notes: List[str]


def compare_reports(before: Dict[str, Any], after: Dict[str, Any]) -> Comparison:
    """
    Compare two documents that ``read_json`` gave.

    :param before: the baseline
    :param after: the candidate
    :raises ConfigurationError: different classes or mapping, no labels, or no common frame
    """
    for key in ('classes', 'mapping', 'against'):
        if before[key] != after[key]:
            raise ConfigurationError(f'Reports cannot be compared: different {key}',
                                     got=_short(after[key]), expected=_short(before[key]))
    frames = [_labelled(before), _labelled(after)]
    common = sorted(set(frames[0]) & set(frames[1]))
    if not common:
        raise ConfigurationError(
            'Reports have no labelled frame in common',
            got='inputs ' + ', '.join(entry['name'] for entry in after['inputs'][:5]),
            expected='inputs ' + ', '.join(entry['name'] for entry in before['inputs'][:5]))
    num_classes = len(before['classes'])
    counts = [np.stack([np.stack(confusion.class_counts_from_sparse(side[key], num_classes))
                        for key in common]) for side in frames]
    consecutive = {entry['name']: bool(entry['consecutive']) for entry in before['inputs']}
    scores = [confusion.score(confusion.ClassCounts(*side.sum(axis=0))) for side in counts]
    notes = []
    if before['reference'] != after['reference']:
        notes.append('The references are different networks.')
    return Comparison(
        common=len(common), only_before=len(frames[0]) - len(common),
        only_after=len(frames[1]) - len(common),
        intervals=bootstrap.paired_intervals(counts[0], counts[1],
                                             _stretches(common, consecutive)),
        classes=[ClassChange(name, float(scores[0].iou[i]), float(scores[1].iou[i]))
                 for i, name in enumerate(before['classes'])
                 if not np.isnan(scores[0].iou[i]) or not np.isnan(scores[1].iou[i])],
        figures=[(name, thresholds.figure_of(before, name), thresholds.figure_of(after, name))
                 for name in thresholds.FIGURES if name != 'frames'], notes=notes)


def regressions(before: Dict[str, Any], after: Dict[str, Any],
                bounds: Sequence[thresholds.Bound]) -> List[str]:
    """
    Return a sentence for every figure that got worse by more than its bound.

    :param before: the baseline's document
    :param after: the candidate's
    :param bounds: allowed losses; of a latency, allowed milliseconds more
    """
    found = []
    for bound in bounds:
        old, new = (thresholds.figure_of(side, bound.name) for side in (before, after))
        if old is None:
            continue
        if new is None:
            found.append(f'{bound.name} has no value any more')
            continue
        loss = new - old if bound.name in thresholds.LESS_IS_BETTER else old - new
        # Differences of rounded figures carry an error far below the last printed digit.
        if loss > bound.limit + 1e-9:
            found.append(f'{bound.name} went from {old:g} to {new:g}, worse by {loss:g}, '
                         f'allowed {bound.limit:g}')
    return found


def _labelled(document: Dict[str, Any]) -> Dict[_Key, Dict[str, List[int]]]:
    names = [entry['name'] for entry in document['inputs']]
    frames = {(names[frame['input']], int(frame['position'])): frame['classes']
              for frame in document['per_frame'] if 'classes' in frame}
    if not frames:
        raise ConfigurationError('Report has no labelled frames', got=document['network']['model'],
                                 expected='an evaluation with labels or a reference')
    return frames


def _stretches(keys: Sequence[_Key], consecutive: Dict[str, bool]) -> List[bootstrap.Stretch]:
    """Return the ranges of equal inputs."""
    starts = [i for i, key in enumerate(keys) if i == 0 or key[0] != keys[i - 1][0]]
    return [bootstrap.Stretch(start, stop, consecutive[keys[start][0]])
            for start, stop in zip(starts, starts[1:] + [len(keys)])]


def _short(value: Any) -> str:
    return f'{len(value)} classes' if isinstance(value, list) else repr(value)


def render_comparison(comparison: Comparison, before: Dict[str, Any],
                      after: Dict[str, Any]) -> str:
    """
    Return the page.

    :param comparison: of the two documents
    :param before: the baseline's document
    :param after: the candidate's
    """
    lines = [f'# {_title(before)} to {_title(after)}', '',
             f'{comparison.common} labelled frames in common, {comparison.only_before} only '
             f'before, {comparison.only_after} only after.', '']
    lines += ['- ' + note for note in comparison.notes] + ([''] if comparison.notes else [])
    lines += table(
        ['over the common frames', 'change', f'{100 * bootstrap.CONFIDENCE:.0f} % interval', ''],
        [[NAMES[name], figure(interval.difference, SIGNED),
          f'{figure(interval.low, SIGNED)} to {figure(interval.high, SIGNED)}',
          'not clear' if not interval.is_clear else _verdict(name, 0.0, interval.difference)]
         for name, interval in sorted(comparison.intervals.items(), reverse=True)])
    moved = [change for change in comparison.classes
             if not abs(change.after - change.before) < LEAST_CHANGE]
    moved.sort(key=lambda change: (math.isnan(change.after - change.before),
                                   change.after - change.before))
    if moved:
        lines += ['## Classes that moved', ''] + table(
            ['class', 'IoU before', 'after', 'change'],
            [[escaped(change.name), figure(change.before), figure(change.after),
              figure(change.after - change.before, SIGNED)] for change in moved])
    lines += ['## All figures', ''] + table(
        ['figure', 'before', 'after', 'change', ''], [
            [name, figure(old, ANY), figure(new, ANY)]
            + (['', ''] if old is None or new is None else
               [figure(new - old, ANY_SIGNED), _verdict(name, old, new)])
            for name, old, new in comparison.figures if old is not None or new is not None])
    return '\n'.join(lines) + '\n'


def _title(document: Dict[str, Any]) -> str:
    network = document['network']
    return f"{escaped(network['model'])} ({network['backend']}, {network['precision']})"


def _verdict(name: str, old: float, new: float) -> str:
    if old == new:
        return ''
    return 'better' if (new > old) != (name in thresholds.LESS_IS_BETTER) else 'worse'
