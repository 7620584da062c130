# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Results of checks, and how they are printed: one line each, and one for the remedy."""

import json
from typing import List, NamedTuple, Sequence

from segformer_ros.common import errors
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.text import one_line
from segformer_ros.common.text import plain

LEVEL_NAMES = ('ok', 'warn', 'error')
"""As they are printed, by the levels of diagnostics."""
SUBJECT_WIDTH = 13
LONGEST_TEXT = 8000
"""Characters; an error of the package has at most some 6000."""


class CheckResult(NamedTuple):
    """
    The result of one check.

    ``level`` is that of diagnostics: ``errors.ERROR`` means that masks, or what was asked for,
    cannot work; ``errors.WARN`` that something is less than it could be. ``remedy`` is a
    sentence, empty where there is nothing to do.
    """

    level: int
    subject: str
    text: str
    remedy: str = ''


def from_error(level: int, subject: str, error: SegformerRosError) -> CheckResult:
    """Return an error of the package as a result, with its remedy apart from its text."""
    text = str(error)
    remedy = error.remedy or ''
    if remedy and text.endswith(remedy):
        text = text[:-len(remedy)].rstrip()
    return CheckResult(level, subject, text, remedy)


def worst(results: Sequence[CheckResult]) -> int:
    """Return the highest level; OK where there are no results."""
    return max((result.level for result in results), default=errors.OK)


def render_text(results: Sequence[CheckResult]) -> str:
    """Return results for people."""
    lines: List[str] = []
    for result in results:
        name = LEVEL_NAMES[result.level]
        name = name if result.level == errors.OK else name.upper()
        lines.append(f'{name:6}{result.subject:{SUBJECT_WIDTH}} {_shown(result.text)}')
        if result.remedy:
            lines.append(' ' * (7 + SUBJECT_WIDTH) + f'remedy: {_shown(result.remedy)}')
    levels = [result.level for result in results]
    lines.append('{} errors, {} warnings, {} ok'.format(
        *(levels.count(level) for level in (errors.ERROR, errors.WARN, errors.OK))))
    return '\n'.join(lines) + '\n'


def _shown(text: str) -> str:
    # Names of nodes, frames and lens models are strangers' texts.
    return plain(one_line(text), LONGEST_TEXT)


def render_json(results: Sequence[CheckResult]) -> str:
    """Return results for scripts."""
    return json.dumps({
        'worst': LEVEL_NAMES[worst(results)],
        'findings': [dict(result._asdict(), level=LEVEL_NAMES[result.level])
                     for result in results]}, indent=1) + '\n'
