# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A benchmark's figures as Markdown, for docs/performance.md and for people."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from segformer_ros.evaluation.benchmark import benchmark
from segformer_ros.evaluation.benchmark import cold_caches
from segformer_ros.evaluation.benchmark import pipelines
from segformer_ros.evaluation.benchmark.paired_timing import TOTAL
from segformer_ros.model.optimize.optimize import FOLDED

STAGES = (pipelines.CONVERT, pipelines.PRE, pipelines.INFER, pipelines.POST, pipelines.MESSAGE)
# What the package wants to reach on two cores with SegFormer-B0 at 512 x 512.
NETWORK_GOAL = 0.53
# Of processor time: ours on OpenVINO beside the file as it is, on either runtime.
OPENVINO_GOALS = {benchmark.ORIGINAL: 0.44, benchmark.OPENVINO_ORIGINAL: 0.6}
MOVING_MOUNT_GOALS_MS = {'640x480': 5.0, '1280x720': 12.0}
MEMORY_GOAL_MB = 300.0
FIRST_MASK_GOAL_S = 1.5
FRAME_GOALS: Dict[str, Dict[str, Any]] = {
    '640x480': {benchmark.TRANSFORMERS: 0.25, benchmark.OPENCV: 0.45,
                benchmark.PLAIN: 5.0, benchmark.FAITHFUL: 6.0},
    '1280x720': {benchmark.TRANSFORMERS: 0.13, benchmark.OPENCV: 0.35,
                 benchmark.PLAIN: 8.0, benchmark.FAITHFUL: 11.0}}
GOALS_INPUT = [512, 512]
NOT_MEASURED = 'not measured'


def markdown(report: Dict[str, Any]) -> str:
    """
    Return the page.

    :param report: ``machine``, ``versions``, ``date``, ``commands``, ``models`` (from
        ``run_benchmark``) and optionally ``node``
    """
    lines = [
        '# Performance', '',
        '`make bench` measures and writes this page, but for what is written by hand at its end.',
        'All figures are from one machine; ratios carry over to others, milliseconds do not.',
        'Nothing here was measured on a Jetson or another GPU.', '',
        '| | |', '|---|---|']
    facts = dict(report['machine'], **report['versions'])
    facts.update(date=report['date'], commands=', '.join(
        f'`{command}`' for command in report['commands']))
    lines += [f'| {key} | {value} |' for key, value in facts.items()]
    lines += ['',
              'Each table is one run: in each round every way takes its turn, in random order.',
              'Times are medians. A ratio is the median of the quotients within the rounds.',
              '"Fastest" is the least of all rounds: what the work takes if nothing disturbs it.',
              'For the time beside the network ours run more rounds than the others.',
              '"CPU" is processor time over all threads; it is disturbed less by other work.']
    if not all(model['network']['quiet'] for model in report['models']):
        lines += ['', '**Other processes held the cores while this was measured.** Milliseconds '
                  'are several times those of an idle machine, and no verdict on goals in '
                  'milliseconds. Ratios, memory and processor time suffer less.']
    for model in report['models']:
        lines += _model(model)
    if report.get('node'):
        lines += _node(report['node'])
    return '\n'.join(lines) + '\n'


def goals(model: Dict[str, Any]) -> List[Sequence[Any]]:
    """
    Return what was aimed at: a sentence, the limit, and the measured values.

    Those are the median and the value of the fastest rounds, or None where not measured; of
    processor time the median alone. Only for a SegFormer, whose structure the optimized model
    folds, of the size that the goals are for.
    """
    if model['input_size_wh'] != GOALS_INPUT or model['changes'] != FOLDED:
        return []
    rows: List[Sequence[Any]] = [('network, optimized / original', NETWORK_GOAL) + _ratios(
        model['network'], benchmark.OPTIMIZED, benchmark.ORIGINAL)]
    for reference, limit in OPENVINO_GOALS.items():
        ratio = _row(model['network'], benchmark.OPENVINO_OPTIMIZED).get('cpu_ratio', {}).get(
            reference)
        rows.append((f'network, {benchmark.OPENVINO_OPTIMIZED} / {reference}, processor time',
                     limit, ratio))
    for size, limits in FRAME_GOALS.items():
        frames, memory = model['frames'].get(size), model['memory'].get(size)
        rows.extend((f'{size}, {ours} / {reference}', limits[reference])
                    + _ratios(frames, ours, reference)
                    for ours, reference in ((benchmark.FAITHFUL, benchmark.TRANSFORMERS),
                                            (benchmark.PLAIN, benchmark.OPENCV)))
        for ours in (benchmark.PLAIN, benchmark.FAITHFUL):
            row = _row(frames, ours) if frames else {}
            rows.append((f'{size}, {ours}: ms beside the network', limits[ours],
                         row.get('overhead_ms'), row.get('overhead_fastest_ms')))
        moving = _row(frames['costmap'], benchmark.MOVING) if frames else {}
        rows.append((f'{size}: ms of the costmap, {benchmark.MOVING}',
                     MOVING_MOUNT_GOALS_MS[size], moving.get('stages_ms', {}).get(TOTAL),
                     moving.get('fastest_ms')))
        peak = memory and memory['above_imports_mb']
        rows.append((f'{size}: peak MB above the imports', MEMORY_GOAL_MB, peak, peak))
        first = memory and memory.get('first_mask_s')
        rows.append((f'{size}: s from process start to first mask', FIRST_MASK_GOAL_S, first,
                     first))
    return rows


def _model(model: Dict[str, Any]) -> List[str]:
    width, height = model['input_size_wh']
    lines = ['', f"## {model['name']}, {width} x {height}, {model['threads']} threads", '',
             f"Optimized model: {model['optimized_model']}."]
    wanted = goals(model)
    if wanted:
        lines += [''] + _goal_table(wanted, ('median', 'fastest'))
    lines += ['', '### Network alone', '']
    lines += _timing_table(model['network'], (pipelines.INFER,),
                           (benchmark.ORIGINAL, benchmark.OPENVINO_ORIGINAL))
    # Reports of earlier versions do not name their runtimes.
    if model.get('runtimes'):
        lines += ['', '| network | runs on |', '|---|---|']
        lines += [f'| {name} | {text} |' for name, text in model['runtimes'].items()]
        lines += ['', f"Whole frames below run on {model['runtimes'][benchmark.OPTIMIZED]}."]
    for size, frames in model['frames'].items():
        lines += ['', f"### Whole frames, {size.replace('x', ' x ')}", '']
        lines += _timing_table(frames, STAGES, (benchmark.TRANSFORMERS, benchmark.OPENCV))
        lines += ['', f"Kernels: {frames['kernels']}."]
        lines += [f'Labels that differ, {pair}: {share:.4%}.'
                  for pair, share in frames['labels_differ'].items()]
        lines += ['', 'Costmap of that mask, 10 m at 0.05 m, one core:', '']
        lines += _timing_table(frames['costmap'], ('project', 'fuse', 'fill'), ())
    for size, caches in model.get('caches', {}).items():
        lines += ['', f"### Bytes and caches beside the network, {size.replace('x', ' x ')}", '']
        lines += _caches(caches)
    if model['memory']:
        lines += ['', '### Memory and start', '',
                  '| frames | imports MB | peak above MB | process start to first mask s |',
                  '|---|---|---|---|']
        lines += ['| {} | {imports_mb:.0f} | {above_imports_mb:.0f} | {first_mask_s:.2f} |'.format(
            size, **figures) for size, figures in model['memory'].items()]
    return lines


def _caches(caches: Dict[str, Any]) -> List[str]:
    states = (cold_caches.WARM, cold_caches.COLD)
    lines = ['| stage | reads kB | writes kB | CPU ms, caches warm | CPU ms, caches cold |',
             '|---|---|---|---|---|']
    for row in caches['rows']:
        lines += [_cache_row(f"{row['name']}: {stage}", figures, states)
                  for stage, figures in row['stages'].items()]
        lines.append(_cache_row(f"**{row['name']}**", row, states))
    ours, others = caches['rows'][0], caches['rows'][-1]
    moved = [row['read'] + row['written'] for row in (ours, others)]
    return lines + [
        '', f"{ours['name']} / {others['name']}: bytes {moved[0] / moved[1]:.2f}, "
        + ', '.join('processor time with {} caches {:.2f}'.format(
            state, ours[f'{state}_cpu_ms'] / others[f'{state}_cpu_ms']) for state in states)
        + f". Medians of {caches['rounds']} rounds; caches are cold after "
        f"{2 * caches['cache_bytes'] / 1e6:.0f} MB were read and written between two stages."]


def _cache_row(name: str, figures: Dict[str, Any], states: Sequence[str]) -> str:
    cells = [name] + [f'{figures[key] / 1e3:.0f}' for key in ('read', 'written')]
    cells += [f"{figures[f'{state}_cpu_ms']:.2f}" for state in states]
    return f"| {' | '.join(cells)} |"


def _timing_table(timing: Dict[str, Any], stages: Sequence[str],
                  references: Sequence[str]) -> List[str]:
    present = [row['name'] for row in timing['rows']]
    references = [name for name in references if name in present]
    # A timing of one stage has no sum to show.
    shown = list(stages) + ([TOTAL] if len(stages) > 1 else [])
    beside = 'overhead_ms' in timing['rows'][0]
    # Processor time first: other processes disturb it least.
    header = ['ms', 'CPU'] + shown + ['fastest'] + (['beside the network'] if beside else [])
    header += ['/ ' + name for name in references]
    lines = [f"| {' | '.join(header)} |", '|' + '---|' * len(header)]
    for row in timing['rows']:
        cells = [row['name'], f"{row['cpu_ms']:.1f}"]
        cells += [f"{row['stages_ms'][stage]:.2f}" for stage in shown]
        cells.append('{fastest_ms:.2f}'.format(**row))
        if beside:
            cells.append('{overhead_ms:.2f} (fastest {overhead_fastest_ms:.2f}, CPU '
                         '{overhead_cpu_ms:.2f})'.format(**row))
        cells += [f"CPU {row['cpu_ratio'][name]:.3f} (time {row['ratio'][name]:.3f})"
                  for name in references]
        lines.append(f"| {' | '.join(cells)} |")
    note = '{counted} of {rounds} rounds, undisturbed.' if timing['quiet'] else \
        '**Disturbed:** other processes held the cores; all {rounds} rounds count.'
    return lines + ['', note.format(**timing)]


def _node(node: Dict[str, Any]) -> List[str]:
    lines = ['', '## Node over real DDS', '', node['text']]
    for scenario in node['scenarios']:
        lines += ['', f"### Node, {scenario['name']}", '']
        lines += _goal_table(scenario['goals'], ('measured',))
        if scenario['slowdown']:
            lines += ['', ('**Disturbed:** other processes held the cores; the median run of the '
                           f"bare network took {scenario['slowdown']:.1f} times its fastest.")]
        lines += ['', '| figure | value |', '|---|---|']
        lines += [f'| {key} | {value} |' for key, value in scenario['figures'].items()]
    return lines


def _goal_table(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> List[str]:
    return [f"| goal | at most | {' | '.join(columns)} |",
            '|---|---|' + '---|' * len(columns)] + [
        '| {} | {:.4g} | {} |'.format(row[0], row[1], ' | '.join(
            [_number(value, row[1]) for value in row[2:]] + [''] * (2 + len(columns) - len(row))))
        for row in rows]


def _row(timing: Dict[str, Any], name: str) -> Dict[str, Any]:
    """Return a row, empty where the table does not have it."""
    found: Dict[str, Any] = next((row for row in timing['rows'] if row['name'] == name), {})
    return found


def _ratios(timing: Optional[Dict[str, Any]], name: str,
            reference: str) -> Tuple[Optional[float], Optional[float]]:
    row = _row(timing, name) if timing else {}
    row = row or {'ratio': {}, 'fastest_ratio': {}}
    return row['ratio'].get(reference), row['fastest_ratio'].get(reference)


def _number(value: Optional[float], limit: float) -> str:
    if value is None:
        return NOT_MEASURED
    text = f'{value:.3f}' if limit < 1.0 else f'{value:.1f}'
    return text if value <= limit else f'**{text}, missed**'
