# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Charts for the HTML report: shapes as SVG that stretches, words as HTML that does not.

A drawing scaled as a whole has unreadable words on a phone. So the SVG has no words and
stretches freely, and the words stand around it at their own size.
"""

import html
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.evaluation.report.format import short

# Points of a line; more cannot be told apart on a screen.
POINTS = 400
HISTOGRAM_BINS = 40
# Share of the histogram's height for bars; the names of the marks stand above.
BARS_HEIGHT = 0.68
# More recordings than this are not marked off in a timeline.
MOST_EDGES = 30

# (place 0..1 along the axis, text)
Ticks = Sequence[Tuple[float, str]]


class Mark(NamedTuple):
    """A dashed line across a chart at ``place`` 0..1; ``row`` keeps texts apart."""

    place: float
    text: str
    row: int


def plot(shapes: str, x_ticks: Ticks, y_ticks: Ticks, label: str, marks: Sequence[Mark] = (),
         shape_class: str = '') -> str:
    """
    Return a chart.

    :param shapes: SVG shapes in a square of 100 x 100 whose origin is at the top left
    :param x_ticks: along the bottom
    :param y_ticks: along the left side, from the bottom up
    :param label: below, and for screen readers
    :param marks: vertical lines
    :param shape_class: ``square`` for a chart that must be one
    """
    guides = ''.join(f'<path class="guide" d="M0 {number(100 - 100 * place)}H100"/>'
                     for place, _ in y_ticks)
    y = ''.join(f'<span style="bottom:{number(100 * place)}%">{html.escape(text)}</span>'
                for place, text in y_ticks)
    x = ''.join(_x_tick(place, text) for place, text in x_ticks)
    # The ticks lie free, so that they stand at their heights; their room is kept here.
    width = 1 + max(len(text) for _, text in y_ticks)
    label = html.escape(label)
    return (f'<div class="plot {shape_class}"><div class="y" style="min-width:{width}ch">{y}</div>'
            '<div class="area">'
            '<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
            f'aria-label="{label}">{guides}{shapes}</svg>{"".join(map(_mark, marks))}</div>'
            f'<div class="x">{x}</div><div class="label">{label}</div></div>')


def histogram(values: arrays.Float64, unit: str, label: str,
              percentiles: Sequence[Tuple[str, float]]) -> str:
    """
    Return how often each value occurs, up to the 99.5th percentile.

    :param values: (F,), at least one
    :param unit: of the values
    :param label: of the axis
    :param percentiles: names and values to mark
    """
    top = nice_top(float(np.percentile(values, 99.5)))
    counts, edges = np.histogram(np.minimum(values, top), HISTOGRAM_BINS, (0.0, top))
    highest = int(counts.max())
    heights = 100.0 * BARS_HEIGHT * counts / highest
    shapes = ''.join(
        f'<rect class="bar" x="{number(100.0 * i / HISTOGRAM_BINS)}" '
        f'y="{number(100 - heights[i])}" width="{number(94.0 / HISTOGRAM_BINS)}" '
        f'height="{number(heights[i])}"><title>{short(edges[i])} to {short(edges[i + 1])} '
        f'{unit}: {count} frames</title></rect>' for i, count in enumerate(counts) if count)
    marks = [Mark(min(1.0, value / top), f'{name} {short(value)} {unit}', row)
             for row, (name, value) in enumerate(percentiles)]
    return plot(shapes, [(f, short(f * top)) for f in (0, 0.25, 0.5, 0.75, 1)],
                [(0, '0'), (BARS_HEIGHT, f'{highest:,}')], label, marks)


def timeline(values: arrays.Float64, top: float, unit: str, label: str,
             worst_is_high: bool, edges: Sequence[int]) -> str:
    """
    Return values from frame to frame; of many frames the worst of each stretch.

    :param values: (F,), at least one; NaN makes a gap
    :param top: upper end of the axis
    :param unit: of the values
    :param label: below
    :param worst_is_high: which value stands for a stretch
    :param edges: first frames of further recordings
    """
    frames = len(values)
    stretches = np.array_split(values, min(POINTS, frames))
    path = ''
    is_down = False
    for i, stretch in enumerate(stretches):
        known = stretch[~np.isnan(stretch)]
        if not known.size:
            is_down = False
            continue
        worst = float(known.max() if worst_is_high else known.min())
        x = 100.0 * (i + 0.5) / len(stretches)
        y = 100 - 100 * min(1.0, max(0.0, worst / top))
        path += f"{'L' if is_down else 'M'}{number(x)} {number(y)}"
        if not is_down:
            # A lone point would have no length and not be drawn.
            path += 'h.01'
        is_down = True
    shapes = ''.join(f'<path class="edge" d="M{number(100.0 * edge / frames)} 0V100"/>'
                     for edge in (edges if len(edges) <= MOST_EDGES else ()))
    shapes += f'<path class="line" d="{path}"/>'
    if frames > POINTS:
        label += f' (the worst of every {round(frames / POINTS)} frames)'
    return plot(shapes, [(0, '0'), (1, f'{frames:,} frames')],
                [(f, short(f * top) + (' ' + unit if unit and f == 1 else ''))
                 for f in (0, 0.5, 1)], label)


def reliability(pixels: Sequence[int], confidence: Sequence[Optional[float]],
                accuracy: Sequence[Optional[float]]) -> str:
    """
    Return the reliability diagram: accuracy over confidence, bars as faint as they are rare.

    :param pixels: by bin
    :param confidence: mean of each bin, None in empty ones
    :param accuracy: of each bin, None in empty ones
    """
    total = max(1, sum(pixels))
    most = max([1] + list(pixels))
    width = 100.0 / len(pixels)
    shapes = ''
    points: List[Tuple[float, float]] = []
    for i, count in enumerate(pixels):
        mean, right = confidence[i], accuracy[i]
        if mean is None or right is None:
            continue
        points.append((100 * mean, 100 - 100 * right))
        # Square root: a tenth of the pixels must still be seen.
        shapes += (
            f'<rect class="faint" opacity="{number(0.06 + 0.4 * (count / most) ** 0.5)}" '
            f'x="{number(width * i)}" y="{number(100 - 100 * right)}" '
            f'width="{number(width * 0.94)}" height="{number(100 * right)}"><title>confidence '
            f'{mean:.2f}: {100 * right:.0f} % right, {100.0 * count / total:.1f} % of the pixels'
            '</title></rect>')
    shapes += '<path class="ideal" d="M0 100L100 0"/>'
    if points:
        line = 'L'.join(f'{number(x)} {number(y)}' for x, y in points)
        shapes += f'<path class="line" d="M{line}"/>'
    ends = [(0, '0'), (0.5, '0.5'), (1, '1')]
    return plot(shapes, ends, ends, 'share of right pixels over confidence',
                shape_class='square')


def nice_top(value: float) -> float:
    """Return the end of an axis: a round number at or above the value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
                      if step * power >= value * (1 - 1e-9)))


def number(value: float) -> str:
    """Return a coordinate: two digits, no needless zeros."""
    text = f'{value:.2f}'.rstrip('0').rstrip('.')
    return '0' if text == '-0' else text


def _mark(mark: Mark) -> str:
    flip = ' flip' if mark.place > 0.6 else ''
    return (f'<div class="mark{flip}" style="left:{number(100 * mark.place)}%">'
            f'<b style="top:{number(1.4 * mark.row)}em">{html.escape(mark.text)}</b></div>')


def _x_tick(place: float, text: str) -> str:
    end = ' class="last"' if place >= 1 else ' class="first"' if place <= 0 else ''
    return f'<span{end} style="left:{number(100 * place)}%">{html.escape(text)}</span>'
