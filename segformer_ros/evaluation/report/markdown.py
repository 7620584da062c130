# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The report as Markdown, short enough for a pull request."""

from typing import Any, Dict, List, Sequence

from segformer_ros.evaluation.metrics.performance import STAGES
from segformer_ros.evaluation.metrics.performance import TOTAL
from segformer_ros.evaluation.report import format
from segformer_ros.evaluation.report.document import Report

# Left-out frames that are named; the JSON report has more.
NAMED = 5

NAMES = (('mean_iou', 'mean IoU'), ('pixel_accuracy', 'pixel accuracy'),
         ('mean_accuracy', 'mean class accuracy'),
         ('frequency_weighted_iou', 'frequency weighted IoU'),
         ('mean_boundary_iou', 'mean boundary IoU'),
         ('calibration_error', 'calibration error'), ('flicker', 'flicker'),
         ('steady_flicker', 'flicker where the label stays'),
         ('grid_agreement', 'costmap cells that agree'),
         ('grid_recall', 'lethal cells found, within one cell'),
         ('grid_precision', 'lethal cells justified, within one cell'))


def write_markdown(report: Report, path: str) -> None:
    """
    Write the page; figures of speed stand under the last heading.

    :param report: finished
    :param path: is overwritten
    """
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(render_markdown(report))


def render_markdown(report: Report) -> str:
    """Return the page."""
    document = report.document
    network = document['network']
    lines = [
        '# {}'.format(escaped(network['model'])), '',
        '{}, {}. {} {}, {}, {} graph, {} resize, {} postprocessing.'.format(
            format.plural(document['frames'], 'frame'),
            format.plural(len(document['inputs']),
                          'input'), network['backend'], network['backend_version'],
            network['precision'], network['graph'], network['resize'], network['postprocess']), '',
        _against(document), ''
    ]
    lines += _left_out(document)
    if document['costmap']:
        lines += ['Costmap: ' + format.costmap_text(document['costmap']), '']
    rows = [[name, format.figure(document['figures'][key])] for key, name in NAMES
            if document['figures'].get(key) is not None]
    if rows:
        lines += table(['figure', 'value'], rows)
    if document['by_class']:
        lines += ['## Classes', ''] + table(
            ['class', 'IoU', 'boundary IoU', 'found', 'precision', 'pixels'], [[
                escaped(entry['name']),
                format.figure(entry['iou']),
                format.figure(entry['boundary_iou']),
                format.figure(entry['accuracy']),
                format.figure(entry['precision']), '{:,}'.format(entry['truth_pixels'])
            ] for entry in document['by_class'] if entry['iou'] is not None])
    if len(document['inputs']) > 1:
        lines += ['## Inputs', ''] + table(
            ['input', 'frames', 'left out', 'pixel accuracy', 'mean IoU'],
            [[escaped(entry['name']), str(entry['frames']), str(entry['left_out']),
              format.figure(entry['pixel_accuracy']), format.figure(entry['mean_iou'])]
             for entry in document['inputs']])
    return '\n'.join(lines + _speed(document['performance'])) + '\n'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> List[str]:
    """Return the lines of a table and a blank one; the first column is left, others right."""
    lines = ['| {} |'.format(' | '.join(head)),
             '|---|{}'.format('---:|' * (len(head) - 1))]
    return lines + ['| {} |'.format(' | '.join(row)) for row in rows] + ['']


def escaped(name: Any) -> str:
    """Return text that no Markdown table takes for its own."""
    return str(name).replace('|', '\\|').replace('\n', ' ')


def _against(document: Dict[str, Any]) -> str:
    return {'labels': 'Compared with labels, mapping `{}`.'.format(document['mapping']),
            'reference': 'Compared with a reference: agreement, not correctness.',
            'nothing': 'Without labels.'}[document['against']]


def _left_out(document: Dict[str, Any]) -> List[str]:
    facts = document['left_out']
    lines = []
    if facts['listed']:
        unknown = facts['inputs_of_unknown_loss']
        lines.append('**Left out: {}.**{}'.format(
            format.plural(facts['frames'], 'frame'),
            ' {} lost an unknown number more.'.format(format.plural(unknown, 'input'))
            if unknown else ''))
        lines += ['- {}: {}'.format(escaped(entry['name']), escaped(entry['message']))
                  for entry in facts['listed'][:NAMED]]
        if len(facts['listed']) > NAMED:
            lines.append('- ... ({})'.format(', '.join(
                f'{reason}: {count}'
                for reason, count in facts['by_reason'].items())))
        lines.append('')
    notes = [f'- {escaped(note)}' for note in document['notes']]
    return lines + (notes + [''] if notes else [])


def _speed(measured: Dict[str, Any]) -> List[str]:
    lines = ['## Speed', '']
    if measured['latency_ms']:
        columns = ('mean', 'p50', 'p90', 'p95', 'p99', 'max')
        lines += table(
            ['ms'] + list(columns),
            [[stage] +
             [format.milliseconds(measured['latency_ms'][stage][column]) for column in columns]
             for stage in list(STAGES) + [TOTAL]])
    machine = measured['machine']
    lines.append('{} frames a second for one camera in one process, {} s of processor time a '
                 'frame, at most {:.0f} MB. {}, {} cores, {}.'.format(
                     measured['frames_per_second'], measured['cpu_seconds_per_frame'],
                     measured['peak_memory_mb'], machine['processor'], machine['cores'],
                     measured['date']))
    return lines
