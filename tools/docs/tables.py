# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Parameters and topics as Markdown tables, for docs/parameters.md and docs/topics.md."""

from typing import Sequence

from segformer_ros.ros.io.topics import Topic
from segformer_ros.ros.parameters.row import Row

HEAD = ('| name | type | default | range | changed | meaning |',
        '|---|---|---|---|---|---|')
LISTS = {int: 'integer array', float: 'double array'}
TYPES = {bool: 'bool', int: 'integer', float: 'double', str: 'string', list: 'string array'}


def parameter_table(rows: Sequence[Row]) -> str:
    """Return parameters as a Markdown table, for docs/parameters.md."""
    lines = [f'| `{row.name}` | {_type(row)} | `{_value(row.default)}` | {_accepted(row)} | '
             f'{row.when} | {row.description} |' for row in rows]
    return '\n'.join([*HEAD, *lines]) + '\n'


def _type(row: Row) -> str:
    if row.kind is list:
        return LISTS.get(type(row.default[0]), TYPES[list])
    return TYPES[row.kind]


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


def topic_table(topics: Sequence[Topic], prefix: str = '') -> str:
    """
    Return topics as a Markdown table, for docs/topics.md.

    :param prefix: stands before every name, ``~/`` for outputs
    """
    lines = ['| topic | type | reliability | durability | depth | what |',
             '|---|---|---|---|---|---|']
    for topic in topics:
        reliability = 'reliable' if topic.reliable else 'best effort'
        durability = 'transient local' if topic.latched else 'volatile'
        lines.append(f'| `{prefix}{topic.name}` | `{topic.type_name}` | {reliability} | '
                     f'{durability} | {topic.depth} | {topic.description} |')
    return '\n'.join(lines) + '\n'
