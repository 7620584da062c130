# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Numbers as reports show them."""

from typing import Any, Dict, Optional



def figure(value: Optional[float]) -> str:
    """Return a share with three digits, a dash where there is none."""
    return '-' if value is None else f'{value:.3f}'


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


def milliseconds(value: float) -> str:
    """Return a time with as many digits as can be told apart."""
    return f'{value:.2f}' if value < 10 else f'{value:.1f}' if value < 100 else \
        f'{value:,.0f}'
