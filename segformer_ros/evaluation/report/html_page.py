# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The report for people: one HTML file that needs no network and fits a phone."""

import base64
import html
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from segformer_ros.common.resources import find
from segformer_ros.evaluation.metrics.performance import STAGES
from segformer_ros.evaluation.report import charts as charts
from segformer_ros.evaluation.report import format
from segformer_ros.evaluation.report.document import Report
from segformer_ros.evaluation.run.worst_frames import OTHER_COLOR

# Rows that are shown at once; more stand behind a fold.
OPEN_ROWS = 25

OTHER_NAME = 'none of these'


def text(value: Any) -> str:
    """Return a value as text that is safe in HTML."""
    return html.escape(str(value))


def section(title: str, body: str, hint: str = '', varies: bool = False) -> str:
    """Return a section in a card; ``varies`` marks figures that differ from run to run."""
    return '<section{}><div class="card"><h2>{}</h2>{}{}</div></section>'.format(
        ' data-varies' if varies else '', text(title),
        f'<p class="hint">{text(hint)}</p>' if hint else '', body)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], table_class: str = '') -> str:
    """Return a table; cells are HTML, the first column holds names."""
    return '<div class="scroll"><table class="{}"><tr>{}</tr>{}</table></div>'.format(
        table_class, ''.join(f'<th>{cell}</th>' for cell in head),
        ''.join('<tr>{}</tr>'.format(''.join(f'<td>{cell}</td>' for cell in row))
                for row in rows))


def swatch(color: Sequence[int]) -> str:
    """Return a small square of a colour."""
    return '<span class="swatch" style="background:rgb({})"></span>'.format(
        ','.join(map(str, color)))


def fact_list(rows: Sequence[Tuple[str, Any]]) -> str:
    """Return names and values below each other."""
    return '<dl>{}</dl>'.format(''.join(f'<dt>{text(name)}</dt><dd>{text(value)}</dd>'
                                        for name, value in rows))


def input_edges(report: Report) -> List[int]:
    """Return the first frame of every input but the first."""
    ends = np.cumsum([entry['frames'] for entry in report.document['inputs']])
    return [int(end) for end in ends[:-1] if 0 < end < len(report.timings)]


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
    head = '<th></th>' + ''.join(f'<th class="column"><span>{text(name)}</span></th>'
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
        hint += f' The {len(shown)} classes with most pixels.'
    return section(
        'Confusion', f'<div class="scroll"><table class="matrix"><tr>{head}</tr>{rows}</table>'
        '</div>', hint)


def calibration(document: Dict[str, Any]) -> str:
    """Return the reliability diagram."""
    facts = document['calibration']
    return section('Calibration', charts.reliability(
        facts['pixels'], facts['confidence'], facts['accuracy']),
        'Solid: measured. Dashed: confidence that keeps its word. Expected calibration error '
        '{}.'.format(format.figure(document['figures']['calibration_error'])))


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
                format.figure(figures['grid_agreement']), cells['both_known'])),
            ('lethal cells found, within one cell', '{} of {:,}'.format(
                format.figure(figures['grid_recall']), cells['lethal_reference'])),
            ('lethal cells justified, within one cell', '{} of {:,}'.format(
                format.figure(figures['grid_precision']), cells['lethal_grid'])),
            ('known here alone', '{:,}'.format(cells['only_grid'])),
            ('known in the reference alone', '{:,}'.format(cells['only_reference']))])
    return section('Costmap', body, format.costmap_text(facts))


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
                value=format.figure(entry['iou']), share=100.0 * entry['truth_pixels'] / total,
                hint='IoU {}, boundary IoU {}, found {}, precision {}'.format(
                    format.figure(entry['iou']), format.figure(entry['boundary_iou']),
                    format.figure(entry['accuracy']), format.figure(entry['precision'])))


def _cell(share: float, row_name: str, column: int, shown: Sequence[int], names: Sequence[str],
          row: int) -> str:
    name = names[shown[column]] if column < len(shown) else OTHER_NAME
    kinds = (['strong'] if share > 0.55 else []) + (
        ['right'] if column < len(shown) and shown[column] == row else [])
    return '<td class="{}" style="--share:{}" title="{}: {:.1f} % called {}">{}</td>'.format(
        ' '.join(kinds), charts.number(share), text(row_name), 100 * share, text(name),
        f'<span>{100 * share:.0f}</span>' if share >= 0.005 else '')


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
    title = 'Left out: {}.'.format(format.plural(facts['frames'], 'frame'))
    if facts['inputs_of_unknown_loss']:
        title += ' {} lost an unknown number more.'.format(
            format.plural(facts['inputs_of_unknown_loss'], 'input'))
    reasons = '; '.join(f'{count}: {reason}'
                        for reason, count in facts['by_reason'].items() if count)
    return '<section class="warning"><p><b>{}</b> {}</p><ul>{}</ul>{}</section>'.format(
        text(title if facts['listed'] else 'Notes'), text(reasons),
        ''.join(f'<li>{text(line)}</li>' for line in lines),
        f'<p>and {hidden} more in the JSON report</p>' if hidden > 0 else '')


def latency(report: Report) -> str:
    """Return histogram, timeline and table of the latencies."""
    summary = report.document['performance']['latency_ms']
    if not summary:
        return ''
    total = 1000.0 * report.timings.sum(axis=1)
    marks = [(name, summary['total'][name]) for name in ('p50', 'p95', 'p99')]
    columns = ('mean', 'p50', 'p90', 'p95', 'p99', 'max')
    rows = [[stage] + [format.milliseconds(summary[stage][column]) for column in columns]
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
        score = f'{100 * frame.score:.1f} % {what}' if against != 'nothing' else \
            f'{what} {frame.score:.2f}'
        title = text(f'{score}: {frame.source}, {frame.name}')
        parts.append('<div class="worst"><h3>{}</h3><div class="triple">{}</div></div>'.format(
            title, ''.join(pictures)))
    return section('Worst frames', ''.join(parts) + _legend(report.document))


def inputs(document: Dict[str, Any]) -> str:
    """Return a row for each input."""
    rows = [[text(entry['name']), '{:,}'.format(entry['frames']),
             '{:,}'.format(entry['left_out']), format.figure(entry['pixel_accuracy']),
             format.figure(entry['mean_iou'])] for entry in document['inputs']]
    body = table(['', 'frames', 'left out', 'pixels right', 'mean IoU'], rows, 'named')
    if len(rows) > OPEN_ROWS:
        body = '<details><summary>{}</summary>{}</details>'.format(
            format.plural(len(rows), 'input'), body)
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
    rows = [(name, meaning + (f' ({source})' if source else ''))
            for name, meaning, source in DEFINITIONS]
    return f'<section><div class="card"><details><summary>What the figures mean</summary>{fact_list(rows)}' \
        '</details></div></section>'


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
        f'<span>{swatch(color)}{text(name)}</span>' for color, name in entries))


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
    body: List[str] = [_header(document), left_out(document), _headlines(document)]
    if document['by_class']:
        body.append(class_bars(document))
        body.append(f'<div class="grid">{confusion(document)}{calibration(document)}</div>')
    body += [costmap(document), frame_quality(report),
             latency(report), worst(report), inputs(document),
             facts(document), definitions()]
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
            f'<li>{text(chip)}</li>' for chip in chips)))


def _scope(document: Dict[str, Any]) -> str:
    frames = format.plural(document['frames'], 'frame')
    inputs = format.plural(len(document['inputs']), 'input')
    against = {
        'labels': 'compared with labels ({} classes, mapping {})'.format(
            len(document['classes']), document['mapping']),
        'reference': 'compared with a reference: agreement, not correctness',
        'nothing': 'without labels: speed and steadiness only'}[document['against']]
    return f'{frames} of {inputs}, {against}'


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
    cards = ''.join(_head(format.figure(figures.get(key)), '', name, lead)
                    for key, name, lead in shown if figures.get(key) is not None)
    measured = document['performance']
    speed = ''
    if measured['latency_ms']:
        total = measured['latency_ms']['total']
        speed = (_head(format.milliseconds(total['p50']), 'ms', 'median latency', False)
                 + _head(format.milliseconds(total['p95']), 'ms', '95th percentile', False)
                 + _head('{:.1f}'.format(measured['frames_per_second']), 'fps',
                         'one camera, one process', False)
                 + _head('{:.0f}'.format(measured['peak_memory_mb']), 'MB', 'peak memory', False))
    return (f'<section><div class="heads">{cards}</div></section>' if cards else '') + (
        f'<section data-varies><div class="heads">{speed}</div></section>'
        if speed else '')


def _head(value: str, unit: str, name: str, lead: bool) -> str:
    return '<div class="card head{}"><div class="value">{}{}</div><div class="name">{}</div>' \
        '</div>'.format(' lead' if lead else '', value,
                        f' <small>{unit}</small>' if unit else '', name)
