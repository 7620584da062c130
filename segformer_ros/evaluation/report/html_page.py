# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The report for people: one HTML file that needs no network and fits a phone."""

import base64
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from segformer_ros.common import install
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.resources import find
from segformer_ros.evaluation.metrics import performance
from segformer_ros.evaluation.report import charts
from segformer_ros.evaluation.report import format
from segformer_ros.evaluation.report.document import Report
from segformer_ros.evaluation.run import grid_frames
from segformer_ros.evaluation.run import grid_pictures
from segformer_ros.evaluation.run.worst_frames import OTHER_COLOR

TEMPLATE = 'config/report.html'
STYLE = 'config/report.css'

# Rows that are shown at once; more stand behind a fold.
OPEN_ROWS = 25
# Left-out frames that are named; the JSON report has more.
SHOWN_LEFT_OUT = 8
# Rows of the confusion matrix: the classes with most pixels.
MATRIX_CLASSES = 16

OTHER_NAME = 'none of these'

# (key of a figure, its name, its name where masks are compared with masks, shown larger)
HEADLINES = (('grid_obstacles_found', 'obstacles found in the costmap', '', True),
             ('mean_iou', 'mean IoU', 'mean IoU of the two', True),
             ('pixel_accuracy', 'pixels right', 'pixels that agree', True),
             ('mean_boundary_iou', 'mean boundary IoU', '', False),
             ('frequency_weighted_iou', 'frequency weighted IoU', '', False),
             ('calibration_error', 'calibration error', '', False),
             ('flicker', 'flicker', '', False),
             ('grid_agreement', 'costmap cells that agree', '', False))

DEFINITIONS = (
    ('mean IoU', 'Intersection over union of each class, pooled over all frames, averaged over '
     'the classes that are in the labels or in the masks. (Long, Shelhamer, Darrell, CVPR 2015)'),
    ('pixels right', 'Share of labelled pixels whose class is the label. (the same)'),
    ('frequency weighted IoU', 'IoU averaged with the share of each class. (the same)'),
    ('boundary IoU', 'IoU of the bands along the outlines, 2 % of the image diagonal wide. '
     '(Cheng et al., CVPR 2021)'),
    ('calibration error', 'Mean gap between confidence and share of right pixels, 15 bins. The '
     'confidence is a lower bound of the softmax probability, so some gap is expected. '
     '(Guo et al., ICML 2017)'),
    ('flicker', 'Share of pixels whose class changes from one frame to the next; motion of '
     'camera and scene included. Steady flicker looks only where the label stays the same.'),
    ('latency', 'From the stored message to mask and confidence, one frame at a time.'))


def import_jinja2() -> Any:
    """
    Return the module jinja2.

    :raises ConfigurationError: it is not installed
    """
    try:
        import jinja2
    except ImportError as error:
        raise ConfigurationError(
            'Jinja2 cannot be imported, which writes the HTML report', got=error,
            remedy=install.with_extra('evaluation')) from error
    return jinja2


def render_html(report: Report) -> str:
    """
    Return the page.

    Sections with the attribute ``data-varies`` hold figures of speed; all else is the same in
    every run on the same input.

    :raises ConfigurationError: Jinja2 is not installed
    """
    jinja2 = import_jinja2()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined,
                                     trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        figure=format.figure, plural=format.plural, costmap_text=format.costmap_text,
        number=charts.number, thousands='{:,}'.format)
    document = report.document
    has_classes = bool(document['by_class'])
    summary = document['performance']['latency_ms']
    page: str = environment.from_string(_read(TEMPLATE)).render(
        doc=document, style=_read(STYLE), open_rows=OPEN_ROWS, shown_left_out=SHOWN_LEFT_OUT,
        scope=_scope(document), chips=_chips(document), headlines=_headlines(document),
        speed=_speed(document['performance']), classes=_classes(document),
        confusion=_confusion(document) if has_classes else None, charts=_charts(report),
        latency=summary and {
            'columns': list(performance.LATENCY_COLUMNS),
            'rows': format.latency_rows(summary, performance.STAGES + (performance.TOTAL,))},
        heights={'columns': format.HEIGHT_COLUMNS, 'rows': format.height_rows(
            document['costmap']['heights'] if document['costmap'] else [])},
        recordings={'columns': format.RECORDING_COLUMNS,
                    'rows': format.recording_rows(document['inputs'])},
        grids=_grids(report), grid_legend=_grid_legend(report),
        worst=_worst(report), legend=_legend(document), run=_run(document['performance']),
        inputs=[[entry['name'], f"{entry['frames']:,}", f"{entry['left_out']:,}",
                 format.figure(entry['pixel_accuracy']), format.figure(entry['mean_iou'])]
                for entry in document['inputs']],
        definitions=DEFINITIONS)
    return page


def _read(path: str) -> str:
    with open(find(path), encoding='utf-8') as stream:
        return stream.read()


def _scope(document: Dict[str, Any]) -> str:
    against = {
        'labels': f"compared with labels ({len(document['classes'])} classes, mapping "
                  f"{document['mapping']})",
        'reference': 'compared with a reference: agreement, not correctness',
        'nothing': 'without labels: speed and steadiness only'}[document['against']]
    return (f"{format.plural(document['frames'], 'frame')} of "
            f"{format.plural(len(document['inputs']), 'input')}, {against}")


def _chips(document: Dict[str, Any]) -> List[str]:
    network = document['network']
    chips = [f"{network['backend']} {network['backend_version']}", network['precision'],
             f"{network['graph']} graph", network['device'], f"{network['resize']} resize",
             f"{network['postprocess']} postprocessing"]
    if network['threshold']:
        chips.append(f"threshold {network['threshold']}")
    if document['rotate']:
        chips.append(f"camera turned by {document['rotate']}°")
    return chips


def _headlines(document: Dict[str, Any]) -> List[Tuple[str, str, str, bool]]:
    figures, is_agreement = document['figures'], document['against'] == 'reference'
    return [(format.figure(figures[key]), '', (is_agreement and agreement) or name, leads)
            for key, name, agreement, leads in HEADLINES if figures.get(key) is not None]


def _speed(measured: Dict[str, Any]) -> List[Tuple[str, str, str, bool]]:
    if not measured['latency_ms']:
        return []
    total = measured['latency_ms'][performance.TOTAL]
    return [(format.milliseconds(total['p50']), 'ms', 'median latency', False),
            (format.milliseconds(total['p95']), 'ms', '95th percentile', False),
            (f"{measured['frames_per_second']:.1f}", 'fps', 'one camera, one process', False),
            (f"{measured['peak_memory_mb']:.0f}", 'MB', 'peak memory', False)]


def _classes(document: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the classes that occur with colour and share of the pixels, the best first."""
    total = max(1, sum(entry['truth_pixels'] for entry in document['by_class']))
    rows = [dict(entry, color=color, share=entry['truth_pixels'] / total)
            for entry, color in zip(document['by_class'], document['colors'])
            if entry['iou'] is not None]
    return sorted(rows, key=lambda row: -row['iou'])


def _confusion(document: Dict[str, Any]) -> Dict[str, Any]:
    """Return where the pixels of each class went, as shares of its pixels."""
    counts = np.array(document['confusion'], np.int64)
    names = document['classes']
    size = counts.sum(axis=1) + counts[:, :-1].sum(axis=0)
    shown = [i for i in sorted(np.argsort(-size, kind='stable')[:MATRIX_CLASSES].tolist())
             if size[i]]
    totals = counts.sum(axis=1)
    rest = totals - counts[:, shown].sum(axis=1)
    rows = [(names[i], (np.append(counts[i, shown], rest[i]) / totals[i]).tolist(), place)
            for place, i in enumerate(shown) if totals[i]]
    hint = 'Row: label. Column: mask. Per cent of the label\'s pixels.'
    if len(shown) < np.count_nonzero(size):
        hint += f' The {len(shown)} classes with most pixels.'
    return {'columns': [names[i] for i in shown] + [OTHER_NAME], 'rows': rows, 'hint': hint}


def _charts(report: Report) -> Dict[str, str]:
    """Return the charts as SVG and HTML, empty where there is nothing to draw."""
    document = report.document
    # The first frame of every input but the first.
    ends = np.cumsum([entry['frames'] for entry in document['inputs']])
    edges = [int(end) for end in ends[:-1] if 0 < end < len(report.timings)]
    drawn = dict.fromkeys(('quality', 'histogram', 'timeline', 'reliability'), '')
    if document['by_class']:
        drawn['reliability'] = charts.reliability(**document['calibration'])
    if not np.isnan(report.quality).all():
        label = {'labels': 'share of pixels right', 'reference': 'share of pixels that agree',
                 'nothing': 'mean confidence'}[document['against']]
        drawn['quality'] = charts.timeline(report.quality, 1.0, '', label, False, edges)
    summary = document['performance']['latency_ms']
    if summary:
        total = 1000.0 * report.timings.sum(axis=1)
        drawn['histogram'] = charts.histogram(
            total, 'ms', 'milliseconds a frame',
            [(name, summary[performance.TOTAL][name]) for name in ('p50', 'p95', 'p99')])
        drawn['timeline'] = charts.timeline(total, charts.nice_top(float(total.max())), 'ms',
                                            'milliseconds, frame by frame', True, edges)
    return drawn


def _worst(report: Report) -> List[Dict[str, Optional[str]]]:
    against = report.document['against']
    what = {'labels': 'of the pixels right', 'reference': 'of the pixels agree',
            'nothing': 'mean confidence'}[against]
    frames = []
    for frame in report.worst:
        score = f'{what} {frame.score:.2f}' if against == 'nothing' else \
            f'{100 * frame.score:.1f} % {what}'
        frames.append({
            'title': f'{score}: {frame.source}, {frame.name}',
            'image': _data('jpeg', frame.image), 'prediction': _data('png', frame.prediction),
            'truth': None if frame.truth is None else _data('png', frame.truth)})
    return frames


def _grids(report: Report) -> List[Dict[str, str]]:
    frames = []
    for picture in report.grids:
        score = '' if picture.contacts is None else \
            f'{picture.found:,} of {picture.contacts:,} true contacts marked: '
        frames.append({'title': f'{score}{picture.source}, {picture.name}',
                       'image': _data('jpeg', picture.image),
                       'grid': _data('png', picture.grid)})
    return frames


def _grid_legend(report: Report) -> List[Tuple[str, Tuple[int, int, int]]]:
    legend = [('free', grid_pictures.FREE_COLOR), ('costly', grid_pictures.COSTLY_COLOR),
              ('obstacle', grid_pictures.LETHAL_COLOR), ('not seen', grid_pictures.UNKNOWN_COLOR),
              ('robot', grid_pictures.ROBOT_COLOR)]
    if any(picture.contacts for picture in report.grids):
        legend += [('true contact, marked', grid_frames.FOUND_COLOR),
                   ('true contact, missed', grid_frames.MISSED_COLOR)]
    return legend


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _legend(document: Dict[str, Any]) -> List[Tuple[str, List[int]]]:
    entries = list(zip(document['classes'], document['colors']))
    if document['by_class']:
        entries = [entry for entry, row in zip(entries, document['by_class'])
                   if row['iou'] is not None]
    return entries + [(OTHER_NAME, list(OTHER_COLOR)), ('not labelled', [0, 0, 0])]


def _run(measured: Dict[str, Any]) -> List[Tuple[str, Any]]:
    return ([('date', measured['date'])] + sorted(measured['machine'].items())
            + sorted(measured['backend'].items())
            + [('workers', measured['workers']),
               ('wall time', f"{measured['wall_seconds']:.1f} s"),
               ('processor time', f"{measured['cpu_seconds']:.1f} s"),
               ('peak memory', f"{measured['peak_memory_mb']:.0f} MB")])
