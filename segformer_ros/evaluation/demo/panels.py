# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compose pictures for people: panels with captions, a title and a legend of classes."""

from typing import Any, List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont
from segformer_ros.common import arrays

Color = Tuple[int, int, int]

BACKGROUND: Color = (18, 21, 26)
FRAME: Color = (52, 58, 68)
TEXT: Color = (226, 230, 236)
FAINT_TEXT: Color = (150, 158, 170)

MARGIN = 12
TITLE_SIZE = 18
CAPTION_SIZE = 14
LEGEND_SIZE = 13
_CHIP = 13
_LINE_HEIGHT = 1.6


class Panel(NamedTuple):
    """
    One picture of a sheet.

    ``image`` is RGB uint8 (H, W, 3).
    """

    caption: str
    image: arrays.UInt8


class LegendEntry(NamedTuple):
    """A colour and what it stands for."""

    name: str
    color: Color


class Sheet(NamedTuple):
    """
    What a sheet looks like, the same for all frames of an animation.

    ``panel_wh`` is the size of each panel in pixels; pictures of other proportions are centred
    in it. ``columns`` panels stand side by side. ``legends`` stand below each other.
    ``least_height`` in pixels, so that sheets with different legends can follow each other.
    """

    panel_wh: Tuple[int, int]
    columns: int
    legends: Tuple[Tuple[LegendEntry, ...], ...] = ()
    least_height: int = 0


def compose(sheet: Sheet, panels: Sequence[Panel], title: str,
            note: str = '') -> arrays.UInt8:
    """
    Draw a sheet: title at the left, note at the right, panels in rows, legend below.

    The size depends on the sheet and the number of panels only, as frames of an animation need.

    :return: RGB uint8 (H, W, 3)
    """
    width, rows = _width(sheet), -(-len(panels) // sheet.columns)
    legend = [row for entries in sheet.legends
              for row in _legend_rows(entries, width - 2 * MARGIN)]
    head = MARGIN + _line(TITLE_SIZE)
    row_height = _line(CAPTION_SIZE) + sheet.panel_wh[1] + MARGIN
    height = head + rows * row_height + len(legend) * _line(LEGEND_SIZE) + MARGIN * bool(legend)
    canvas = Image.new('RGB', (width, max(height, sheet.least_height)), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN), title, fill=TEXT, font=font(TITLE_SIZE))
    draw.text((width - MARGIN - text_width(note, CAPTION_SIZE), MARGIN + 3), note,
              fill=FAINT_TEXT, font=font(CAPTION_SIZE))
    for at, panel in enumerate(panels):
        row, column = divmod(at, sheet.columns)
        x = MARGIN + column * (sheet.panel_wh[0] + MARGIN)
        y = head + row * row_height
        draw.text((x, y + 3), panel.caption, fill=FAINT_TEXT, font=font(CAPTION_SIZE))
        canvas.paste(Image.fromarray(_fitted(panel, sheet.panel_wh)),
                     (x, y + _line(CAPTION_SIZE)))
    _draw_legend(draw, legend, head + rows * row_height)
    return np.array(canvas)


def font(size: int) -> Any:
    """Return a scalable font of this size in pixels; Pillow's fixed one if there is none."""
    try:
        return ImageFont.load_default(size)
    except TypeError:
        pass  # Pillow before 10.1 has no scalable font of its own; Ubuntu has this one.
    try:
        return ImageFont.truetype('DejaVuSans.ttf', size)
    except OSError:
        return ImageFont.load_default()


def text_width(text: str, size: int) -> int:
    """Return the width of a line of text in pixels."""
    drawn_with = font(size)
    if hasattr(drawn_with, 'getlength'):
        return int(np.ceil(drawn_with.getlength(text)))
    return int(drawn_with.getsize(text)[0])


def legend_of(masks: Sequence[arrays.UInt8], names: Sequence[str],
              palette: arrays.UInt8, least_share: float = 0.004,
              most: int = 24) -> Tuple[LegendEntry, ...]:
    """
    Return the classes of masks as a legend, the largest first.

    :param masks: (H, W) class ids, any number
    :param names: by class id
    :param palette: (256, 3) RGB by class id
    :param least_share: classes that cover less of all pixels are left out, 0..1
    :param most: entries at most
    """
    counts = np.zeros(256, np.int64)
    for mask in masks:
        counts += np.bincount(mask.ravel(), minlength=256)
    order = np.argsort(-counts[:len(names)], kind='stable')[:most]
    return tuple(LegendEntry(names[class_id], _color(palette[class_id])) for class_id in order
                 if counts[class_id] > 0 and counts[class_id] >= least_share * counts.sum())


def _color(row: arrays.UInt8) -> Color:
    red, green, blue = (int(level) for level in row)
    return red, green, blue


def _width(sheet: Sheet) -> int:
    return MARGIN + sheet.columns * (sheet.panel_wh[0] + MARGIN)


def _line(size: int) -> int:
    return round(size * _LINE_HEIGHT)


def _fitted(panel: Panel, panel_wh: Tuple[int, int]) -> arrays.UInt8:
    height, width = panel.image.shape[:2]
    scale = min(panel_wh[0] / float(width), panel_wh[1] / float(height))
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    inner = cv2.resize(panel.image, size_wh,
                       interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR)
    result = np.empty((panel_wh[1], panel_wh[0], 3), np.uint8)
    result[:] = FRAME
    top, left = (panel_wh[1] - size_wh[1]) // 2, (panel_wh[0] - size_wh[0]) // 2
    result[top:top + size_wh[1], left:left + size_wh[0]] = inner
    return result


def _legend_rows(legend: Sequence[LegendEntry],
                 width: int) -> List[List[Tuple[int, LegendEntry]]]:
    """Return rows of (x, entry), broken where the next entry would leave the sheet."""
    rows: List[List[Tuple[int, LegendEntry]]] = []
    x = width + 1
    for entry in legend:
        needed = _CHIP + 6 + text_width(entry.name, LEGEND_SIZE)
        if x + needed > width:
            rows.append([])
            x = 0
        rows[-1].append((x, entry))
        x += needed + 16
    return rows


def _draw_legend(draw: Any, rows: List[List[Tuple[int, LegendEntry]]], top: int) -> None:
    for number, row in enumerate(rows):
        y = top + number * _line(LEGEND_SIZE)
        for x, entry in row:
            left = MARGIN + x
            draw.rectangle([left, y + 3, left + _CHIP - 1, y + 2 + _CHIP], fill=entry.color,
                           outline=FRAME)
            draw.text((left + _CHIP + 6, y), entry.name, fill=TEXT, font=font(LEGEND_SIZE))
