# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The sections of the HTML report."""

import base64
from typing import Any
from typing import Dict


from segformer_ros.evaluation import report_charts as charts
from segformer_ros.evaluation.performance import STAGES
from segformer_ros.evaluation.report import Report
from segformer_ros.evaluation.report_pieces import fact_list
from segformer_ros.evaluation.report_pieces import figure
from segformer_ros.evaluation.report_pieces import input_edges
from segformer_ros.evaluation.report_pieces import milliseconds
from segformer_ros.evaluation.report_pieces import OPEN_ROWS
from segformer_ros.evaluation.report_pieces import OTHER_NAME
from segformer_ros.evaluation.report_pieces import plural
from segformer_ros.evaluation.report_pieces import section
from segformer_ros.evaluation.report_pieces import swatch
from segformer_ros.evaluation.report_pieces import table
from segformer_ros.evaluation.report_pieces import text
from segformer_ros.evaluation.worst_frames import OTHER_COLOR

DEFINITIONS = (
    ('mean IoU', 'Intersection over union of each class, pooled over all frames, averaged over '
     'the classes that are in the labels or in the masks.',
     'Long, Shelhamer, Darrell, CVPR 2015'),
    ('pixels right', 'Share of labelled pixels whose class is the label.', 'the same'),
    ('frequency weighted IoU', 'IoU averaged with the share of each class.', 'the same'),
    ('boundary IoU', 'IoU of the bands along the outlines, 2 % of the image diagonal wide.',
     'Cheng et al., CVPR 2021'),
    ('calibration error', 'Mean gap between confidence and share of right pixels, 15 bins. The '
     'confidence is a lower bound of the softmax probability, so some gap is expected.',
     'Guo et al., ICML 2017'),
    ('flicker', 'Share of pixels whose class changes from one frame to the next; motion of '
     'camera and scene included. Steady flicker looks only where the label stays the same.', ''),
    ('latency', 'From the stored message to mask and confidence, one frame at a time.', ''))


def left_out(document: Dict[str, Any]) -> str:
    """Return a warning about what was not evaluated, nothing if all was."""
    facts = document['left_out']
    if not facts['listed'] and not document['notes']:
        return ''
    lines = ['{}: {}'.format(entry['name'], entry['message']) for entry in facts['listed'][:8]]
    hidden = len(facts['listed']) - len(lines)
    lines += document['notes']
    title = 'Left out: {}.'.format(plural(facts['frames'], 'frame'))
    if facts['inputs_of_unknown_loss']:
        title += ' {} lost an unknown number more.'.format(
            plural(facts['inputs_of_unknown_loss'], 'input'))
    reasons = '; '.join('{}: {}'.format(count, reason)
                        for reason, count in facts['by_reason'].items() if count)
    return '<section class="warning"><p><b>{}</b> {}</p><ul>{}</ul>{}</section>'.format(
        text(title if facts['listed'] else 'Notes'), text(reasons),
        ''.join('<li>{}</li>'.format(text(line)) for line in lines),
        '<p>and {} more in the JSON report</p>'.format(hidden) if hidden > 0 else '')


def latency(report: Report) -> str:
    """Return histogram, timeline and table of the latencies."""
    summary = report.document['performance']['latency_ms']
    if not summary:
        return ''
    total = 1000.0 * report.timings.sum(axis=1)
    marks = [(name, summary['total'][name]) for name in ('p50', 'p95', 'p99')]
    columns = ('mean', 'p50', 'p90', 'p95', 'p99', 'max')
    rows = [[stage] + [milliseconds(summary[stage][column]) for column in columns]
            for stage in list(STAGES) + ['total']]
    body = '<div class="grid"><div><h3>How often</h3>{}</div><div><h3>When</h3>{}</div></div>{}'
    return section('Latency', body.format(
        charts.histogram(total, 'ms', 'milliseconds a frame', marks),
        charts.timeline(total, charts.nice_top(float(total.max())), 'ms',
                        'milliseconds, frame by frame', True, input_edges(report)),
        table([''] + list(columns), rows)), varies=True)


def worst(report: Report) -> str:
    """Return the worst frames as triples of pictures."""
    if not report.worst:
        return ''
    against = report.document['against']
    what = {'labels': 'of the pixels right', 'reference': 'of the pixels agree',
            'nothing': 'mean confidence'}[against]
    truth_name = 'labels' if against == 'labels' else 'reference'
    parts = []
    for frame in report.worst:
        pictures = [_picture('image', frame.image, 'jpeg', '')]
        if frame.truth is not None:
            pictures.append(_picture(truth_name, frame.truth, 'png', 'mask'))
        pictures.append(_picture('mask', frame.prediction, 'png', 'mask'))
        score = '{:.1f} % {}'.format(100 * frame.score, what) if against != 'nothing' else \
            '{} {:.2f}'.format(what, frame.score)
        title = text('{}: {}, {}'.format(score, frame.source, frame.name))
        parts.append('<div class="worst"><h3>{}</h3><div class="triple">{}</div></div>'.format(
            title, ''.join(pictures)))
    return section('Worst frames', ''.join(parts) + _legend(report.document))


def inputs(document: Dict[str, Any]) -> str:
    """Return a row for each input."""
    rows = [[text(entry['name']), '{:,}'.format(entry['frames']),
             '{:,}'.format(entry['left_out']), figure(entry['pixel_accuracy']),
             figure(entry['mean_iou'])] for entry in document['inputs']]
    body = table(['', 'frames', 'left out', 'pixels right', 'mean IoU'], rows, 'named')
    if len(rows) > OPEN_ROWS:
        body = '<details><summary>{}</summary>{}</details>'.format(
            plural(len(rows), 'input'), body)
    return section('Inputs', body)


def facts(document: Dict[str, Any]) -> str:
    """Return machine and run."""
    measured = document['performance']
    rows = [('date', measured['date'])] + sorted(measured['machine'].items())
    rows += sorted(measured['backend'].items())
    rows += [('workers', measured['workers']),
             ('wall time', '{:.1f} s'.format(measured['wall_seconds'])),
             ('processor time', '{:.1f} s'.format(measured['cpu_seconds'])),
             ('peak memory', '{:.0f} MB'.format(measured['peak_memory_mb']))]
    return section('Machine and run', fact_list(rows), varies=True)


def definitions() -> str:
    """Return what the figures mean, folded."""
    rows = [(name, meaning + (' ({})'.format(source) if source else ''))
            for name, meaning, source in DEFINITIONS]
    return '<section><div class="card"><details><summary>What the figures mean</summary>{}' \
        '</details></div></section>'.format(fact_list(rows))


def _picture(name: str, content: bytes, kind: str, shape_class: str) -> str:
    return '<figure class="{}"><img src="data:image/{};base64,{}" alt="{}"><figcaption>{}' \
        '</figcaption></figure>'.format(
            shape_class, kind, base64.b64encode(content).decode('ascii'), name, name)


def _legend(document: Dict[str, Any]) -> str:
    entries = [(color, name) for color, name, row in zip(
        document['colors'], document['classes'], document['by_class'] or document['colors'])
        if not document['by_class'] or row['iou'] is not None]
    entries += [(list(OTHER_COLOR), OTHER_NAME), ([0, 0, 0], 'not labelled')]
    return '<div class="legend">{}</div>'.format(''.join(
        '<span>{}{}</span>'.format(swatch(color), text(name)) for color, name in entries))
