# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Small faults for C sources, in the place of what cosmic-ray plants in Python."""

import re
from typing import List, NamedTuple

# Comments, strings and the lines of the preprocessor are left alone.
_LEFT_ALONE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|^[ \t]*#(?:\\\n|[^\n])*',
                         re.DOTALL | re.MULTILINE)
# Binary operators stand between blanks here; pointers, casts and signs do not.
_OPERATORS = {
    '<': ('<=', '>'), '<=': ('<', '>='), '>': ('>=', '<'), '>=': ('>', '<='), '==': ('!=',),
    '!=': ('==',), '+': ('-',), '-': ('+',), '*': ('/',), '/': ('*',), '&&': ('||',),
    '||': ('&&',), '+=': ('-=',), '-=': ('+=',), '<<': ('>>',), '>>': ('<<',), '&': ('|',),
    '|': ('&',), '|=': ('&=',)}
_OPERATOR = re.compile(r'(?<= )(?:{})(?=[ \n])'.format(
    '|'.join(re.escape(text) for text in sorted(_OPERATORS, key=len, reverse=True))))
_NUMBER = re.compile(r'(?<![\w.])(?:0x[0-9a-f]+|\d+\.\d+(?:e-?\d+)?f?|\d+)(?![\w.])')
_WORDS = {'continue': 'break', 'break': 'continue'}
_WORD = re.compile(r'\b(?:continue|break)\b(?=;)')


class CMutant(NamedTuple):
    """One change: at ``offset``, ``after`` in the place of ``before``."""

    offset: int
    before: str
    after: str

    def applied(self, source: str) -> str:
        """
        Return the changed source.

        :raises ValueError: what is to be changed is not there
        """
        end = self.offset + len(self.before)
        if source[self.offset:end] != self.before:
            raise ValueError(f'{self.before!r} was expected at character {self.offset}, not '
                             f'{source[self.offset:end]!r}')
        return source[:self.offset] + self.after + source[end:]


def find(source: str) -> List[CMutant]:
    """Return all changes of a source, by place."""
    code = _LEFT_ALONE.sub(lambda match: re.sub(r'[^\n]', ' ', match.group()), source)
    found = []
    for match in _OPERATOR.finditer(code):
        found += [CMutant(match.start(), match.group(), after)
                  for after in _OPERATORS[match.group()]]
    for match in _NUMBER.finditer(code):
        found += [CMutant(match.start(), match.group(), after)
                  for after in _other_numbers(match.group())]
    for match in _WORD.finditer(code):
        found.append(CMutant(match.start(), match.group(), _WORDS[match.group()]))
    return sorted(found)


def _other_numbers(text: str) -> List[str]:
    if text.startswith('0x'):
        return [hex(int(text, 16) ^ 1)]
    if text.isdigit():
        return [str(int(text) + 1)] + ([str(int(text) - 1)] if int(text) else [])
    number, single = text.rstrip('f'), 'f' if text.endswith('f') else ''
    # A thousandth: a coefficient that is a little wrong.
    return [repr(float(number) * 1.001 if float(number) else 1.0) + single]
