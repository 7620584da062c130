# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The report as Markdown, short enough for a pull request."""

from typing import Any, Dict, List, Sequence

from segformer_ros.evaluation.metrics import performance
from segformer_ros.evaluation.report import format
from segformer_ros.evaluation.report.document import Report

# Left-out frames that are named; the JSON report has more.
NAMED = 5

NAMES = (('mean_iou', 'mean IoU'), ('pixel_accuracy', 'pixel accuracy'),
         ('mean_accuracy', 'mean class accuracy'), ('frequency_weighted_iou',
                                                    'frequency weighted IoU'),
         ('mean_boundary_iou', 'mean boundary IoU'), ('calibration_error', 'calibration error'),
         ('flicker', 'flicker'), ('steady_flicker', 'flicker where the label stays'),
         ('grid_obstacles_found', 'true contacts marked, within two cells'),
         ('grid_marks_justified', 'marks justified, within two cells'),
         ('grid_ground_free', 'true ground known free'),
         ('grid_ground_blocked', 'true ground blocked'),
         ('grid_obstacles_free', 'obstacles shown free'),
         ('grid_agreement', 'costmap cells that agree'), ('grid_recall',
                                                          'lethal cells found, within one cell'),
         ('grid_precision', 'lethal cells justified, within one cell'))


def render_markdown(report: Report) -> str:
    """Return the page; figures of speed stand under the last heading."""
    document = report.document
    found = document['costmap'] and format.obstacles_text(document['costmap'])
    lines = ['# ' + escaped(document['network']['model']), '']
    lines += [f'**{found}**', ''] if found else []
    lines += [f"{format.plural(document['frames'], 'frame')}, "
              f"{format.plural(len(document['inputs']), 'input')}. "
              '{backend} {backend_version}, {precision}, {graph} graph, {resize} resize, '
              '{postprocess} postprocessing.'.format(**document['network']), '',
              _against(document), '']
    lines += _left_out(document)
    if document['costmap']:
        lines += ['Costmap: ' + format.costmap_text(document['costmap']), '']
        if document['costmap']['heights']:
            lines += table(format.HEIGHT_COLUMNS, format.height_rows(
                document['costmap']['heights']))
        if len(document['inputs']) > 1:
            lines += table(format.RECORDING_COLUMNS, [
                [escaped(cell) for cell in row]
                for row in format.recording_rows(document['inputs'])])
    rows = [[name, format.figure(document['figures'][key])] for key, name in NAMES
            if document['figures'].get(key) is not None]
    if rows:
        lines += table(['figure', 'value'], rows)
    if document['by_class']:
        lines += ['## Classes', ''] + table(
            ['class', 'IoU', 'boundary IoU', 'found', 'precision', 'pixels'],
            [[escaped(entry['name'])]
             + [format.figure(entry[key])
                for key in ('iou', 'boundary_iou', 'accuracy', 'precision')]
             + [f"{entry['truth_pixels']:,}"]
             for entry in document['by_class'] if entry['iou'] is not None])
    if len(document['inputs']) > 1:
        lines += ['## Inputs', ''] + table(
            ['input', 'frames', 'left out', 'pixel accuracy', 'mean IoU'],
            [[escaped(entry['name']), str(entry['frames']), str(entry['left_out']),
              format.figure(entry['pixel_accuracy']), format.figure(entry['mean_iou'])]
             for entry in document['inputs']])
    return '\n'.join(lines + _speed(document['performance'])) + '\n'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> List[str]:
    """Return the lines of a table and a blank one; the first column is left, others right."""
    return [table_row(head), '|---|' + '---:|' * (len(head) - 1)] + [
        table_row(row) for row in rows] + ['']


def table_row(cells: Sequence[str]) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(cells)} |"


def escaped(name: Any) -> str:
    """Return text without what means something in a Markdown table."""
    return str(name).replace('|', '\\|').replace('\n', ' ')


def _against(document: Dict[str, Any]) -> str:
    return {'labels': f"Compared with labels, mapping `{document['mapping']}`.",
            'reference': 'Compared with a reference: agreement, not correctness.',
            'nothing': 'Without labels.'}[document['against']]


def _left_out(document: Dict[str, Any]) -> List[str]:
    facts = document['left_out']
    lines = []
    if facts['listed']:
        unknown = facts['inputs_of_unknown_loss']
        lines.append(f"**Left out: {format.plural(facts['frames'], 'frame')}.**" + (
            f" {format.plural(unknown, 'input')} lost an unknown number more." if unknown else ''))
        lines += [f"- {escaped(entry['name'])}: {escaped(entry['message'])}"
                  for entry in facts['listed'][:NAMED]]
        if len(facts['listed']) > NAMED:
            reasons = ', '.join(f'{reason}: {count}'
                                for reason, count in facts['by_reason'].items())
            lines.append(f'- ... ({reasons})')
        lines.append('')
    notes = [f'- {escaped(note)}' for note in document['notes']]
    return lines + (notes + [''] if notes else [])


def _speed(measured: Dict[str, Any]) -> List[str]:
    lines = ['## Speed', '']
    if measured['latency_ms']:
        lines += table(('ms',) + performance.LATENCY_COLUMNS, format.latency_rows(
            measured['latency_ms'], performance.STAGES + (performance.TOTAL,)))
    lines.append('{frames_per_second} frames a second for one camera in one process, '
                 '{cpu_seconds_per_frame} s of processor time a frame, at most '
                 '{peak_memory_mb:.0f} MB. {machine[processor]}, {machine[cores]} cores, '
                 '{date}.'.format(**measured))
    return lines
