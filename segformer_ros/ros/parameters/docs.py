# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The table of parameters as Markdown, for docs/parameters.md."""

from typing import Sequence

from segformer_ros.ros.parameters.costmap import COSTMAP_ROWS
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.parameters.node import NODE_ROWS
from segformer_ros.ros.parameters.row import Row

HEAD = ('| name | type | default | range | changed | meaning |',
        '|---|---|---|---|---|---|')
TYPES = {bool: 'bool', int: 'integer', float: 'double', str: 'string', list: 'string array'}


def render_node_table() -> str:
    """Return the table of the node's own parameters."""
    return _render(NODE_ROWS)


def render_costmap_table() -> str:
    """Return the table of the costmap's parameters."""
    return _render(COSTMAP_ROWS)


def render_camera_table() -> str:
    """Return the table of one camera's parameters."""
    return _render(CAMERA_ROWS)


def _render(rows: Sequence[Row]) -> str:
    lines = list(HEAD) + [
        f'| `{row.name}` | {TYPES[row.kind]} | `{_value(row.default)}` | {_accepted(row)} | {row.when} | {row.description} |'
        for row in rows
    ]
    return '\n'.join(lines) + '\n'


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
