# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The sections of the HTML report on how good the masks are."""

from typing import Any
from typing import Dict
from typing import List
from typing import Sequence

import numpy as np

from segformer_ros.evaluation import report_charts as charts
from segformer_ros.evaluation.report import Report
from segformer_ros.evaluation.report_pieces import costmap_text
from segformer_ros.evaluation.report_pieces import fact_list
from segformer_ros.evaluation.report_pieces import figure
from segformer_ros.evaluation.report_pieces import input_edges
from segformer_ros.evaluation.report_pieces import OPEN_ROWS
from segformer_ros.evaluation.report_pieces import OTHER_NAME
from segformer_ros.evaluation.report_pieces import section
from segformer_ros.evaluation.report_pieces import swatch
from segformer_ros.evaluation.report_pieces import text

# Rows of the confusion matrix: the classes with most pixels.
MATRIX_CLASSES = 16


def class_bars(document: Dict[str, Any]) -> str:
    """Return one bar for each class that occurs, the best first."""
    total = max(1, sum(entry['truth_pixels'] for entry in document['by_class']))
    rows = [(entry, color) for entry, color in zip(document['by_class'], document['colors'])
            if entry['iou'] is not None]
    rows.sort(key=lambda row: -row[0]['iou'])
    bars = [_bar(entry, color, total) for entry, color in rows]
    head = ('<div class="top">class</div><div class="top">IoU, line: boundary IoU</div>'
            '<div class="num top">IoU</div><div class="num share">of pixels</div>')
    body = '<div class="bars">{}{}</div>'.format(head, ''.join(bars[:OPEN_ROWS]))
    if len(bars) > OPEN_ROWS:
        body += '<details><summary>{} more</summary><div class="bars">{}</div></details>'.format(
            len(bars) - OPEN_ROWS, ''.join(bars[OPEN_ROWS:]))
    return section('Classes', body)


def confusion(document: Dict[str, Any]) -> str:
    """Return where the pixels of each class went, in per cent of its pixels."""
    counts = np.array(document['confusion'], np.int64)
    names = document['classes']
    size = counts.sum(axis=1) + counts[:, :-1].sum(axis=0)
    shown = sorted(np.argsort(-size, kind='stable')[:MATRIX_CLASSES].tolist())
    shown = [i for i in shown if size[i]]
    rest = counts.sum(axis=1) - counts[:, shown].sum(axis=1)
    columns = [counts[:, i] for i in shown] + [rest]
    head = '<th></th>' + ''.join('<th class="column"><span>{}</span></th>'.format(text(name))
                                 for name in [names[i] for i in shown] + [OTHER_NAME])
    rows = ''
    for i in shown:
        total = counts[i].sum()
        if total:
            rows += '<tr><th class="row">{}</th>{}</tr>'.format(text(names[i]), ''.join(
                _cell(column[i] / total, names[i], j, shown, names, i)
                for j, column in enumerate(columns)))
    hint = 'Row: label. Column: mask. Per cent of the label\'s pixels.'
    if len(shown) < np.count_nonzero(size):
        hint += ' The {} classes with most pixels.'.format(len(shown))
    return section('Confusion', '<div class="scroll"><table class="matrix"><tr>{}</tr>{}</table>'
                   '</div>'.format(head, rows), hint)


def calibration(document: Dict[str, Any]) -> str:
    """Return the reliability diagram."""
    facts = document['calibration']
    return section('Calibration', charts.reliability(
        facts['pixels'], facts['confidence'], facts['accuracy']),
        'Solid: measured. Dashed: confidence that keeps its word. Expected calibration error '
        '{}.'.format(figure(document['figures']['calibration_error'])))


def costmap(document: Dict[str, Any]) -> str:
    """Return how far the costmap agrees, nothing where none was made."""
    facts = document['costmap']
    if not facts:
        return ''
    figures, cells = document['figures'], facts['cells']
    body = ''
    if facts['compared']:
        body = fact_list([
            ('cells that agree', '{} of {:,}'.format(
                figure(figures['grid_agreement']), cells['both_known'])),
            ('lethal cells found, within one cell', '{} of {:,}'.format(
                figure(figures['grid_recall']), cells['lethal_reference'])),
            ('lethal cells justified, within one cell', '{} of {:,}'.format(
                figure(figures['grid_precision']), cells['lethal_grid'])),
            ('known here alone', '{:,}'.format(cells['only_grid'])),
            ('known in the reference alone', '{:,}'.format(cells['only_reference']))])
    return section('Costmap', body, costmap_text(facts))


def frame_quality(report: Report) -> str:
    """Return the quality from frame to frame."""
    known = report.quality[~np.isnan(report.quality)]
    if not known.size:
        return ''
    label = {'labels': 'share of pixels right', 'reference': 'share of pixels that agree',
             'nothing': 'mean confidence'}[report.document['against']]
    return section('Frame by frame', charts.timeline(
        report.quality, 1.0, '', label, False, input_edges(report)))


def _bar(entry: Dict[str, Any], color: List[int], total: int) -> str:
    tick = '' if entry['boundary_iou'] is None else \
        '<span class="tick" style="left:{}%"></span>'.format(
            charts.number(100 * entry['boundary_iou']))
    return ('<div class="name">{swatch}{name}</div>'
            '<div class="track" title="{hint}"><span class="fill" style="width:{iou}%;'
            'background:rgb({color})"></span>{tick}</div>'
            '<div class="num">{value}</div><div class="num share">{share:.1f} %</div>').format(
                swatch=swatch(color), name=text(entry['name']), tick=tick,
                iou=charts.number(100 * entry['iou']), color=','.join(map(str, color)),
                value=figure(entry['iou']), share=100.0 * entry['truth_pixels'] / total,
                hint='IoU {}, boundary IoU {}, found {}, precision {}'.format(
                    figure(entry['iou']), figure(entry['boundary_iou']),
                    figure(entry['accuracy']), figure(entry['precision'])))


def _cell(share: float, row_name: str, column: int, shown: Sequence[int], names: Sequence[str],
          row: int) -> str:
    name = names[shown[column]] if column < len(shown) else OTHER_NAME
    kinds = (['strong'] if share > 0.55 else []) + (
        ['right'] if column < len(shown) and shown[column] == row else [])
    return '<td class="{}" style="--share:{}" title="{}: {:.1f} % called {}">{}</td>'.format(
        ' '.join(kinds), charts.number(share), text(row_name), 100 * share, text(name),
        '<span>{:.0f}</span>'.format(100 * share) if share >= 0.005 else '')
