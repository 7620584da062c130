# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Accuracy against processor time over input sizes: timed in turn, one table and one plot."""

import contextlib
import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common import arrays
from segformer_ros.evaluation.benchmark import paired_timing
from segformer_ros.evaluation.benchmark import pipelines
from segformer_ros.evaluation.run.network import Network
from segformer_ros.evaluation.run.network import NetworkChoice

ROUNDS = 9
# Of the plot, in units of its own.
WIDTH, HEIGHT, MARGIN = 640, 400, 60


class SizeRow(NamedTuple):
    """
    One input size.

    ``cpu_ms`` is processor time of a whole frame over all threads, ``ratio`` that divided by the
    first size's in the same round; ``mean_iou`` and ``accuracy`` are None without labels.
    """

    size_wh: Tuple[int, int]
    cpu_ms: float
    ratio: float
    mean_iou: Optional[float]
    accuracy: Optional[float]

    @property
    def name(self) -> str:
        """Return the size for people."""
        return '{} x {}'.format(*self.size_wh)


def time_sizes(choices: Sequence[NetworkChoice], image: arrays.UInt8,
               rounds: int = ROUNDS) -> List[Tuple[float, float]]:
    """
    Segment a picture at every size, in turn.

    :param choices: the same network at different sizes
    :param image: (H, W, 3) RGB
    :return: by choice, processor milliseconds of a frame and their ratio to the first choice's
    :raises SegformerRosError: a network cannot be opened
    """
    with contextlib.ExitStack() as opened:
        variants = []
        for number, choice in enumerate(choices):
            network = opened.enter_context(Network(choice, lambda spec: []))
            variants.append(paired_timing.Variant(str(number), _run_of(network, image)))
        timing = paired_timing.time_in_pairs(variants, rounds)
    return [(1e3 * timing.cpu(name), timing.cpu_ratio(name, '0')) for name in timing.names]


def _run_of(network: Network, image: arrays.UInt8) -> Any:
    def run() -> paired_timing.Run:
        watch = pipelines.Watch()
        network.segmenter.segment(image)
        watch.cut(pipelines.INFER)
        return paired_timing.Run(watch.stages)

    return run


def rows_of(sizes: Sequence[Tuple[int, int]], times: Sequence[Tuple[float, float]],
            figures: Sequence[Dict[str, Any]]) -> List[SizeRow]:
    """
    Return the table.

    :param sizes: (width, height)
    :param times: from :func:`time_sizes`
    :param figures: ``figures`` of each size's report
    """
    return [SizeRow(size, round(cpu_ms, 3), round(ratio, 4), found.get('mean_iou'),
                    found.get('pixel_accuracy'))
            for size, (cpu_ms, ratio), found in zip(sizes, times, figures)]


def markdown(rows: Sequence[SizeRow], title: str) -> str:
    """Return the table as a page."""
    lines = [f'# {title}: input sizes', '',
             'Processor time of a whole frame over all threads, the sizes in turn; its ratio is '
             'the median within the rounds, to the first size.', '',
             '| input size | processor time ms | ratio | mean IoU | pixel accuracy |',
             '|---|---|---|---|---|']
    lines += [f'| {row.name} | {row.cpu_ms:.1f} | {row.ratio:.2f} | {_share(row.mean_iou)} | '
              f'{_share(row.accuracy)} |' for row in rows]
    return '\n'.join(lines) + '\n'


def chart_svg(rows: Sequence[SizeRow]) -> str:
    """Return the plot, mean IoU against processor time, as a file that any browser shows."""
    times = _ticks(max(row.cpu_ms for row in rows) * 1.1)
    scores = _ticks(max([row.mean_iou for row in rows if row.mean_iou is not None] + [0.01]) * 1.1)

    def place(cpu_ms: float, score: float) -> Tuple[float, float]:
        return (MARGIN + (WIDTH - 2 * MARGIN) * cpu_ms / times[-1],
                HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * score / scores[-1])

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for value in times:
        x, bottom = place(value, 0.0)
        parts.append(f'<path d="M{x:.1f} {MARGIN}V{bottom:.1f}" stroke="#ddd"/>'
                     f'<text x="{x:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">'
                     f'{value:g}</text>')
    for value in scores:
        x, y = place(0.0, value)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - MARGIN}" stroke="#ddd"/>'
                     f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    parts += [f'<path d="M{MARGIN} {MARGIN}V{HEIGHT - MARGIN}H{WIDTH - MARGIN}" fill="none" '
              'stroke="#444"/>',
              f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 16}" text-anchor="middle">'
              'processor time of a frame, ms</text>',
              f'<text x="{MARGIN}" y="{MARGIN - 16}">mean IoU</text>']
    points = sorted(place(row.cpu_ms, row.mean_iou) + (row.name,)
                    for row in rows if row.mean_iou is not None)
    if points:
        line = 'L'.join(f'{x:.1f} {y:.1f}' for x, y, _ in points)
        parts.append(f'<path d="M{line}" fill="none" stroke="#06c"/>')
    else:
        parts.append(f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT / 2:.0f}" text-anchor="middle">'
                     'no labels, no mean IoU</text>')
    # Above and below in turn, for sizes that lie close together; a white edge keeps a name
    # readable where the line goes through it.
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#06c"/>'
              f'<text x="{x:.1f}" y="{y + (22 if number % 2 else -10):.1f}" '
              f'text-anchor="middle" stroke="white" '
              f'stroke-width="4" paint-order="stroke">{name}</text>'
              for number, (x, y, name) in enumerate(points)]
    return '\n'.join(parts + ['</svg>', ''])


def _ticks(largest: float) -> List[float]:
    """Return round numbers from 0 to the first that is not below ``largest``, 3 to 6 steps."""
    power = 10.0 ** math.floor(math.log10(largest))
    step = next(power * part for part in (0.2, 0.25, 0.5, 1.0, 2.0)
                if largest <= 6.0 * power * part)
    return [round(step * number, 9) for number in range(math.ceil(largest / step - 1e-9) + 1)]


def _share(value: Optional[float]) -> str:
    return 'no labels' if value is None else f'{value:.4f}'
