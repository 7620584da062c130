# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Show text that strangers chose: cut, and without what a terminal would obey."""

import re

LONGEST = 1500
"""Characters of one fact of an error. ADE20K's 150 class names have 1400."""
_CONTROL = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069'
                      '\ud800-\udfff]')


def plain(value: object, most: int = LONGEST) -> str:
    """
    Return the text of a value, short enough for a log.

    Control characters but tab and new line become escapes, and so do marks that turn the
    direction of writing; of too long a text beginning and end are kept.

    :param most: characters
    """
    text = str(value)
    if len(text) > most:
        head = most * 2 // 3
        text = f'{text[:head]} [{len(text) - most} characters] {text[len(text) - (most - head):]}'
    return _CONTROL.sub(_escaped, text)


def _escaped(match: 're.Match[str]') -> str:
    return match.group().encode('unicode_escape').decode('ascii')


def one_line(text: object) -> str:
    """Return a text with each run of white space made one space."""
    return ' '.join(str(text).split())
