# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The report for machines: one JSON file, one line for every frame."""

import json
from typing import Any, Dict, IO, Iterator, List

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.metrics.performance import STAGES
from segformer_ros.evaluation.report.document import FORMAT
from segformer_ros.evaluation.report.document import Report
from segformer_ros.evaluation.run.records import compact_json
from segformer_ros.evaluation.run.records import read_records

# The one part that differs from run to run stands last.
VARYING = 'performance'


def write_json(report: Report, path: str) -> None:
    """
    Write the report; frames are streamed, so that their number does not matter.

    Files of two runs on the same input are equal up to the line ``"performance"``.

    :param report: finished
    :param path: is overwritten
    """
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write('{\n')
        for key, value in report.document.items():
            if key != VARYING:
                stream.write(f'{json.dumps(key)}: {_value(value)},\n')
        stream.write('"per_frame": [\n')
        _write_lines(stream, _frame_lines(report))
        stream.write(f'],\n"{VARYING}": {_value(report.document[VARYING])},\n')
        stream.write(
            f'"timings_seconds": {{"stages": {json.dumps(list(STAGES))}, "per_frame": [\n')
        _write_lines(stream, (compact_json([round(float(t), 6) for t in row])
                              for row in report.timings))
        stream.write(']}\n}\n')


def read_json(path: str) -> Dict[str, Any]:
    """
    Read a report.

    :param path: as :func:`write_json` wrote it
    :return: the document, with ``per_frame`` and ``timings_seconds``
    :raises ConfigurationError: unreadable, no report, or of another version
    """
    try:
        with open(path, encoding='utf-8') as stream:
            document = json.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError('Report cannot be read', got=f'{path} ({error})',
                                 expected='a report.json of evaluate') from error
    found = document.get('format') if isinstance(document, dict) else None
    if found != FORMAT or 'per_frame' not in document:
        raise ConfigurationError('Not a report of this version', got=f'{path} (format {found})',
                                 expected=f'format {FORMAT}',
                                 remedy='Evaluate again with this version.')
    result: Dict[str, Any] = document
    return result


def _value(value: Any) -> str:
    """Return JSON with one line for every entry of a list of lists or mappings."""
    if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        lines = ',\n'.join(compact_json(entry) for entry in value)
        return f'[\n{lines}]'
    return compact_json(value)


def _frame_lines(report: Report) -> Iterator[str]:
    for number, path in enumerate(report.records_paths):
        for record in read_records(path):
            yield compact_json(dict(record.facts, input=number))


def _write_lines(stream: IO[str], lines: Iterator[str]) -> None:
    pending: List[str] = []
    for line in lines:
        if pending:
            stream.write(pending.pop() + ',\n')
        pending.append(line)
    stream.write(''.join(line + '\n' for line in pending))
