# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the doctor says: one finding a line, with one remedy."""

import json
from typing import List, NamedTuple, Sequence

from segformer_ros.common.errors import SegformerRosError

OK = 'ok'
WARN = 'warn'
ERROR = 'error'
LEVELS = (OK, WARN, ERROR)
SUBJECT_WIDTH = 13


class CheckResult(NamedTuple):
    """
    One thing that was looked at.

    ``error`` means that masks, or what was asked for, cannot work; ``warn`` that something is
    less than it could be. ``remedy`` is a sentence, empty where there is nothing to do.
    """

    level: str
    subject: str
    text: str
    remedy: str = ''


def check_result_of(level: str, subject: str, error: SegformerRosError) -> CheckResult:
    """Return an error of the package as a finding, its remedy apart."""
    text = str(error)
    remedy = error.remedy or ''
    if remedy and text.endswith(remedy):
        text = text[:-len(remedy)].rstrip()
    return CheckResult(level, subject, text, remedy)


def worst(findings: Sequence[CheckResult]) -> str:
    """Return the highest level of all; OK of none."""
    return max((finding.level for finding in findings), key=LEVELS.index, default=OK)


def render_text(findings: Sequence[CheckResult]) -> str:
    """Return findings for people: one line each, and one for each remedy."""
    lines: List[str] = []
    for finding in findings:
        lines.append(
            f'{finding.level if finding.level == OK else finding.level.upper():6}{finding.subject.ljust(SUBJECT_WIDTH)} {one_line(finding.text)}'
        )
        if finding.remedy:
            lines.append('{}remedy: {}'.format(' ' * (7 + SUBJECT_WIDTH),
                                               one_line(finding.remedy)))
    count = {level: sum(finding.level == level for finding in findings) for level in LEVELS}
    lines.append(f'{count[ERROR]} errors, {count[WARN]} warnings, {count[OK]} ok')
    return '\n'.join(lines) + '\n'


def render_json(findings: Sequence[CheckResult]) -> str:
    """Return findings for scripts."""
    return json.dumps({'worst': worst(findings),
                       'findings': [finding._asdict() for finding in findings]}, indent=1) + '\n'


def one_line(text: str) -> str:
    """Return a text without line breaks."""
    return ' '.join(text.split())
