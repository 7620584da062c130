# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Parameters as a Markdown table, for docs/parameters.md."""

from typing import Sequence

from segformer_ros.ros.parameters.row import Row

HEAD = ('| name | type | default | range | changed | meaning |',
        '|---|---|---|---|---|---|')
TYPES = {bool: 'bool', int: 'integer', float: 'double', str: 'string', list: 'string array'}


def render_table(rows: Sequence[Row]) -> str:
    """Return some rows as a table."""
    lines = [f'| `{row.name}` | {TYPES[row.kind]} | `{_value(row.default)}` | {_accepted(row)} | '
             f'{row.when} | {row.description} |' for row in rows]
    return '\n'.join([*HEAD, *lines]) + '\n'


def _accepted(row: Row) -> str:
    if row.choices is not None:
        return ', '.join(f'`{each}`' for each in row.choices)
    if row.range is not None:
        low, high = (row.kind(limit) for limit in row.range)
        return f'{low} to {high}'
    return ''


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, (str, list)) else str(value)
