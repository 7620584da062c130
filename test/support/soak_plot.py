# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The plot of a soak run: four curves over the minutes, drawn with Pillow."""

from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

WIDTH, PANEL, LEFT, RIGHT, TOP = 1200, 190, 90, 20, 34
PANELS = (('rss_mb', 'resident memory [MB]', (31, 97, 141)),
          ('latency_ms', 'from image to mask, median [ms]', (175, 96, 26)),
          ('known_cells', 'cells that the costmap knows', (20, 120, 130)),
          ('threads', 'threads', (30, 132, 73)),
          ('descriptors', 'open files', (125, 60, 152)))
INK, GRID, TICK = (40, 40, 40), (222, 222, 222), (235, 180, 180)


def write(report, path):
    """Write the plot of a report as a PNG file."""
    picture = Image.new('RGB', (WIDTH, TOP + len(PANELS) * PANEL + 34), 'white')
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(15)
    end = report['samples'][-1]['at']
    draw.text((LEFT, 9), '{:g} minutes, {} disturbances (ticks), {} masks, {} wrong'.format(
        report['minutes'], len(report['faults']),
        sum(camera['masks'] for camera in report['cameras'].values()),
        sum(camera['wrong'] for camera in report['cameras'].values())), INK, font)
    for number, (key, title, color) in enumerate(PANELS):
        _panel(draw, font, report, key, title, color, TOP + number * PANEL, end)
    for step in range(7):
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / 6
        draw.text((x, TOP + len(PANELS) * PANEL + 6), f'{end / 60 * step / 6:.3g} min',
                  INK, font, anchor='ma' if 0 < step < 6 else ('la' if step == 0 else 'ra'))
    picture.save(path)


def _panel(draw, font, report, key, title, color, top, end):
    points = [(each['at'], each[key]) for each in report['samples'] if each[key] is not None]
    bottom, top = top + PANEL - 16, top + 24
    # From zero, so that a drift looks as large as it is.
    high = 1.15 * max(value for _, value in points) or 1.0
    draw.text((LEFT, top - 20), title, color, font)
    for step in range(5):
        y = bottom - (bottom - top) * step / 4
        draw.line([(LEFT, y), (WIDTH - RIGHT, y)], GRID)
        draw.text((LEFT - 8, y), f'{high * step / 4:.3g}', INK, font, anchor='rm')
    scale = (WIDTH - LEFT - RIGHT) / end
    for fault in report['faults']:
        x = LEFT + min(fault['at'], end) * scale
        draw.line([(x, bottom - 6), (x, bottom)], TICK)
    draw.line([(LEFT + at * scale, bottom - (bottom - top) * value / high)
               for at, value in points], color, 2, joint='curve')
