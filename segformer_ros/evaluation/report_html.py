# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The report for people: one HTML file that needs no network and fits a phone."""

from typing import Any
from typing import Dict
from typing import List

from segformer_ros.evaluation import report_quality as quality
from segformer_ros.evaluation import report_sections as sections
from segformer_ros.evaluation.report import Report
from segformer_ros.evaluation.report_pieces import figure
from segformer_ros.evaluation.report_pieces import milliseconds
from segformer_ros.evaluation.report_pieces import plural
from segformer_ros.evaluation.report_pieces import text
from segformer_ros.resources import find

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""


def write_html(report: Report, path: str) -> None:
    """
    Write the page.

    Sections with the attribute ``data-varies`` hold figures of speed; all else is the same in
    every run on the same input.

    :param report: finished
    :param path: is overwritten
    """
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(render_html(report))


def render_html(report: Report) -> str:
    """Return the page."""
    document = report.document
    with open(find('config/report.css'), encoding='utf-8') as stream:
        style = stream.read()
    body: List[str] = [_header(document), sections.left_out(document), _headlines(document)]
    if document['by_class']:
        body.append(quality.class_bars(document))
        body.append('<div class="grid">{}{}</div>'.format(
            quality.confusion(document), quality.calibration(document)))
    body += [quality.costmap(document), quality.frame_quality(report),
             sections.latency(report), sections.worst(report), sections.inputs(document),
             sections.facts(document), sections.definitions()]
    return PAGE.format(title=text('Evaluation of ' + document['network']['model']), style=style,
                       body='\n'.join(part for part in body if part))


def _header(document: Dict[str, Any]) -> str:
    network = document['network']
    chips = ['{} {}'.format(network['backend'], network['backend_version']),
             network['precision'], network['graph'] + ' graph', network['device'],
             '{} resize'.format(network['resize']),
             '{} postprocessing'.format(network['postprocess'])]
    if network['threshold']:
        chips.append('threshold {}'.format(network['threshold']))
    if document['rotate']:
        chips.append('camera turned by {}°'.format(document['rotate']))
    return '<header><p>Segmentation on recordings</p><h1>{}</h1><p>{}</p>{}</header>'.format(
        text(network['model']), text(_scope(document)),
        '<ul class="chips">{}</ul>'.format(''.join(
            '<li>{}</li>'.format(text(chip)) for chip in chips)))


def _scope(document: Dict[str, Any]) -> str:
    frames = plural(document['frames'], 'frame')
    inputs = plural(len(document['inputs']), 'input')
    against = {
        'labels': 'compared with labels ({} classes, mapping {})'.format(
            len(document['classes']), document['mapping']),
        'reference': 'compared with a reference: agreement, not correctness',
        'nothing': 'without labels: speed and steadiness only'}[document['against']]
    return '{} of {}, {}'.format(frames, inputs, against)


def _headlines(document: Dict[str, Any]) -> str:
    figures = document['figures']
    is_agreement = document['against'] == 'reference'
    shown = [
        ('mean_iou', 'mean IoU of the two' if is_agreement else 'mean IoU', True),
        ('pixel_accuracy', 'pixels that agree' if is_agreement else 'pixels right', True),
        ('mean_boundary_iou', 'mean boundary IoU', False),
        ('frequency_weighted_iou', 'frequency weighted IoU', False),
        ('calibration_error', 'calibration error', False),
        ('flicker', 'flicker', False),
        ('grid_agreement', 'costmap cells that agree', False)]
    cards = ''.join(_head(figure(figures.get(key)), '', name, lead)
                    for key, name, lead in shown if figures.get(key) is not None)
    measured = document['performance']
    speed = ''
    if measured['latency_ms']:
        total = measured['latency_ms']['total']
        speed = (_head(milliseconds(total['p50']), 'ms', 'median latency', False)
                 + _head(milliseconds(total['p95']), 'ms', '95th percentile', False)
                 + _head('{:.1f}'.format(measured['frames_per_second']), 'fps',
                         'one camera, one process', False)
                 + _head('{:.0f}'.format(measured['peak_memory_mb']), 'MB', 'peak memory', False))
    return ('<section><div class="heads">{}</div></section>'.format(cards) if cards else '') + (
        '<section data-varies><div class="heads">{}</div></section>'.format(speed)
        if speed else '')


def _head(value: str, unit: str, name: str, lead: bool) -> str:
    return '<div class="card head{}"><div class="value">{}{}</div><div class="name">{}</div>' \
        '</div>'.format(' lead' if lead else '', value,
                        ' <small>{}</small>'.format(unit) if unit else '', name)
