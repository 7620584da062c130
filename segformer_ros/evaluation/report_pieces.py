# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Small parts of which the sections of the HTML report are made."""

import html
from typing import Any
from typing import Dict
from typing import List
from typing import Optional
from typing import Sequence
from typing import Tuple

import numpy as np

from segformer_ros.evaluation.report import Report

# Rows that are shown at once; more stand behind a fold.
OPEN_ROWS = 25

OTHER_NAME = 'none of these'


def text(value: Any) -> str:
    """Return a value as text that is safe in HTML."""
    return html.escape(str(value))


def figure(value: Optional[float]) -> str:
    """Return a share with three digits, a dash where there is none."""
    return '-' if value is None else '{:.3f}'.format(value)


def plural(count: int, word: str) -> str:
    """Return ``1 frame``, ``2 frames``."""
    return '{:,} {}{}'.format(count, word, '' if count == 1 else 's')


def costmap_text(facts: Dict[str, Any]) -> str:
    """Return a sentence on the grids that were made, plain text."""
    sentence = '{}, {}.'.format(
        plural(facts['grids'], 'grid'), '{:,} of them compared'.format(facts['compared'])
        if facts['compared'] else 'compared with nothing')
    if facts['without']:
        sentence += ' {} without a grid; the first: {}'.format(
            plural(facts['without'], 'frame'), facts['first_problem'])
    return sentence


def section(title: str, body: str, hint: str = '', varies: bool = False) -> str:
    """Return a section in a card; ``varies`` marks figures that differ from run to run."""
    return '<section{}><div class="card"><h2>{}</h2>{}{}</div></section>'.format(
        ' data-varies' if varies else '', text(title),
        '<p class="hint">{}</p>'.format(text(hint)) if hint else '', body)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], table_class: str = '') -> str:
    """Return a table; cells are HTML, the first column holds names."""
    return '<div class="scroll"><table class="{}"><tr>{}</tr>{}</table></div>'.format(
        table_class, ''.join('<th>{}</th>'.format(cell) for cell in head),
        ''.join('<tr>{}</tr>'.format(''.join('<td>{}</td>'.format(cell) for cell in row))
                for row in rows))


def milliseconds(value: float) -> str:
    """Return a time with as many digits as can be told apart."""
    return '{:.2f}'.format(value) if value < 10 else '{:.1f}'.format(value) if value < 100 else \
        '{:,.0f}'.format(value)


def swatch(color: Sequence[int]) -> str:
    """Return a small square of a colour."""
    return '<span class="swatch" style="background:rgb({})"></span>'.format(
        ','.join(map(str, color)))


def fact_list(rows: Sequence[Tuple[str, Any]]) -> str:
    """Return names and values below each other."""
    return '<dl>{}</dl>'.format(''.join('<dt>{}</dt><dd>{}</dd>'.format(text(name), text(value))
                                        for name, value in rows))


def input_edges(report: Report) -> List[int]:
    """Return the first frame of every input but the first."""
    ends = np.cumsum([entry['frames'] for entry in report.document['inputs']])
    return [int(end) for end in ends[:-1] if 0 < end < len(report.timings)]
