# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Numbers as reports show them; a dash stands where there is none."""

import math
from typing import Any, Dict, List, Optional, Sequence

from segformer_ros.evaluation.metrics.performance import LATENCY_COLUMNS

NONE = '-'


def figure(value: Optional[float], form: str = '.3f') -> str:
    """
    Return a share with three digits, or a number in another form.

    :param value: None or NaN where there is none
    :param form: a format specification, such as ``+.3f`` for a difference
    """
    return NONE if value is None or math.isnan(value) else format(value, form)


def short(value: float) -> str:
    """Return a number in three digits, or whole with thousands apart; no needless zeros."""
    return f'{value:.3g}' if abs(value) < 1000 else f'{value:,.0f}'


def milliseconds(value: float) -> str:
    """Return a time with as many digits as can be told apart."""
    return f'{value:.2f}' if value < 10 else f'{value:.1f}' if value < 100 else f'{value:,.0f}'


def plural(count: int, word: str) -> str:
    """Return ``1 frame``, ``2 frames``."""
    return f'{count:,} {word}' if count == 1 else f'{count:,} {word}s'


def latency_rows(summaries: Dict[str, Dict[str, float]], names: Sequence[str]) -> List[List[str]]:
    """
    Return the rows of a table with :data:`LATENCY_COLUMNS`, headed by their names.

    :param summaries: milliseconds by name
    :param names: of the rows
    """
    return [[name] + [milliseconds(summaries[name][column]) for column in LATENCY_COLUMNS]
            for name in names]


HEIGHT_COLUMNS = ('within', 'obstacles found in 1 cell', '2 cells', '3 cells',
                  'marks justified in 1 cell', '2 cells', '3 cells', 'ground known free',
                  'ground blocked', 'obstacles shown free')


def height_rows(heights: Sequence[Dict[str, Any]]) -> List[List[str]]:
    """Return the rows of a table with :data:`HEIGHT_COLUMNS`, one for each range."""
    keys = ('marked_1', 'marked_2', 'marked_3', 'justified_1', 'justified_2', 'justified_3',
            'ground_free', 'ground_blocked', 'standing_free')
    return [[f"{entry['range']:g} m"] + [figure(entry['shares'][key]) for key in keys]
            for entry in heights]


RECORDING_COLUMNS = ('costmap of', 'grids', 'without', 'compared', 'obstacles found',
                     'marks justified', 'ground known free', 'ground blocked',
                     'obstacles shown free', 'cells that agree')


def recording_rows(inputs: Sequence[Dict[str, Any]]) -> List[List[str]]:
    """Return the rows of a table with :data:`RECORDING_COLUMNS`, one for each with a grid."""
    rows = []
    for entry in inputs:
        costmap = entry['costmap']
        if costmap is None:
            continue
        # Of the widest range, which holds the others; nothing without heights.
        shares = costmap['heights'][-1]['shares'] if costmap['heights'] else {}
        rows.append([entry['name']] + [f'{costmap[key]:,}' for key in (
            'grids', 'without', 'compared')] + [figure(shares.get(key)) for key in (
                'marked_2', 'justified_2', 'ground_free', 'ground_blocked', 'standing_free')]
            + [figure(costmap['agreement'])])
    return rows


def obstacles_text(facts: Dict[str, Any]) -> str:
    """Return a sentence on the obstacles that the grids found, empty without heights."""
    if not facts['heights']:
        return ''
    widest = facts['heights'][-1]
    shares = widest['shares']
    return ('Obstacles found: {} of {:,} true contacts within {:g} m, to within two cells; marks '
            'justified: {}.'.format(*[
                percent(shares['marked_2']), widest['contacts'], widest['range'],
                percent(shares['justified_2'])]))


def percent(value: Optional[float]) -> str:
    """Return a share in per cent, or a dash."""
    return NONE if value is None or math.isnan(value) else f'{100 * value:.1f} %'


def costmap_text(facts: Dict[str, Any]) -> str:
    """Return a sentence on the grids that were made, plain text."""
    compared = f"{facts['compared']:,} of them compared" if facts['compared'] else \
        'compared with nothing'
    sentence = f"{plural(facts['grids'], 'grid')}, {compared}."
    if facts['without']:
        sentence += (f" {plural(facts['without'], 'frame')} without a grid; the first: "
                     f"{facts['first_problem']}")
    if facts['grids'] > facts['compared'] and facts['first_gap']:
        sentence += f" The first that was not compared: {facts['first_gap']}"
    return ' '.join(filter(None, (sentence, refusal_text(facts))))


def refusal_text(facts: Dict[str, Any]) -> str:
    """Return a sentence on depth images that were not used, empty where all were."""
    if not facts['depth_refused']:
        return ''
    return (f"Depth was left out in {facts['depth_refused']:,} of "
            f"{plural(facts['grids'], 'grid')}; the first: {facts['first_refusal']}")
