# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Sheets of panels: everything in its place, one size, legends that fit."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.evaluation.demo import panels as pictures
from segformer_ros.evaluation.demo.panels import compose
from segformer_ros.evaluation.demo.panels import legend_of
from segformer_ros.evaluation.demo.panels import LegendEntry
from segformer_ros.evaluation.demo.panels import Panel
from segformer_ros.evaluation.demo.panels import Sheet

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(color, width=80, height=60):
    image = np.empty((height, width, 3), np.uint8)
    image[:] = color
    return image


def box_of(sheet, color):
    """Return left, top, right, bottom (exclusive) of the pixels of a colour."""
    rows, columns = np.nonzero((sheet == color).all(2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_panels_stand_in_rows_and_do_not_overlap():
    sheet = compose(Sheet((80, 60), 2),
                    [Panel('one', plain(RED)), Panel('two', plain(GREEN)),
                     Panel('three', plain(BLUE))], 'title')
    red, green, blue = (box_of(sheet, color) for color in (RED, GREEN, BLUE))
    for left, top, right, bottom in (red, green, blue):
        assert (right - left, bottom - top) == (80, 60)
    assert red[1] == green[1]
    assert red[2] < green[0]
    assert red[0] == blue[0]
    assert red[3] < blue[1]
    for color, count in ((RED, 4800), (GREEN, 4800), (BLUE, 4800)):
        assert (sheet == color).all(2).sum() == count


def test_picture_of_other_proportions_is_centred_and_whole():
    sheet = compose(Sheet((80, 60), 1), [Panel('tall', plain(RED, 30, 60))], '')
    left, top, right, bottom = box_of(sheet, RED)
    frame = box_of(sheet, pictures.FRAME)
    assert (right - left, bottom - top) == (30, 60)
    assert (left + right) == (frame[0] + frame[2])
    assert (frame[2] - frame[0], frame[3] - frame[1]) == (80, 60)


def test_large_picture_is_averaged_not_sampled():
    stripes = np.zeros((60, 160, 3), np.uint8)
    stripes[:, ::2] = 255
    sheet = compose(Sheet((80, 30), 1), [Panel('', stripes)], '')
    inside = sheet[-pictures.MARGIN - 28:-pictures.MARGIN - 2, pictures.MARGIN + 2:60]
    assert np.abs(inside.astype(int) - 127).max() <= 2


def test_title_note_and_captions_are_written():
    empty = compose(Sheet((200, 50), 2), [Panel('', plain(RED)), Panel('', plain(RED))], '')
    for where, arguments in (
            ((slice(0, 40), slice(0, 150)), ('title', '', '')),
            ((slice(0, 40), slice(300, None)), ('', 'note', '')),
            ((slice(40, 68), slice(0, 150)), ('', '', 'caption'))):
        title, note, caption = arguments
        sheet = compose(Sheet((200, 50), 2),
                        [Panel(caption, plain(RED)), Panel('', plain(RED))], title, note)
        changed = (sheet != empty).any(2)
        assert changed.sum() > 20
        assert changed[where].sum() == changed.sum()


def entries(count):
    return tuple(LegendEntry(f'class number {i}', (200, i, 255 - i))
                 for i in range(count))


def test_legend_breaks_into_rows_and_stays_on_the_sheet():
    small, large = (compose(Sheet((150, 50), 2, (entries(count),)),
                            [Panel('', plain(RED))], '') for count in (1, 30))
    assert large.shape[0] > small.shape[0]
    assert large.shape[1] == small.shape[1]
    for entry in entries(30):
        left, top, right, bottom = box_of(large, entry.color)
        assert right - left >= 10 and bottom - top >= 10
        assert right < large.shape[1] and bottom < large.shape[0]


def test_each_legend_starts_a_row_of_its_own():
    sheet = compose(Sheet((300, 50), 2, (entries(1), (LegendEntry('b', (1, 2, 3)),))),
                    [Panel('', plain(RED))], '')
    first, second = box_of(sheet, (200, 0, 255)), box_of(sheet, (1, 2, 3))
    assert first[0] == second[0]
    assert first[3] < second[1]


def test_sheets_are_filled_up_to_the_least_height():
    low = compose(Sheet((80, 60), 1), [Panel('', plain(RED))], '')
    high = compose(Sheet((80, 60), 1, (), 400), [Panel('', plain(RED))], '')
    assert high.shape[0] == 400
    assert (high[:low.shape[0]] == low).all()
    assert (high[low.shape[0]:] == pictures.BACKGROUND).all()


@settings(max_examples=30, deadline=None)
@given(title=st.text(max_size=30), note=st.text(max_size=30), count=st.integers(1, 5),
       columns=st.integers(1, 3), width=st.integers(1, 200), height=st.integers(1, 200))
def test_size_depends_on_the_sheet_alone(title, note, count, columns, width, height):
    sheet = Sheet((120, 90), columns)
    expected = compose(sheet, [Panel('', plain(RED))] * count, '').shape
    panels = [Panel(note, plain(GREEN, width, height))] * count
    assert compose(sheet, panels, title, note).shape == expected


def test_legend_lists_large_classes_first_and_leaves_out_specks():
    palette = np.arange(768, dtype=np.int64).reshape(256, 3).astype(np.uint8)
    mask = np.zeros((100, 100), np.uint8)
    mask[:60] = 2
    mask[60:62] = 1
    mask[99, :3] = 3
    mask[98] = 255
    legend = legend_of([mask, mask], ['a', 'b', 'c', 'd'], palette, least_share=0.01)
    assert [entry.name for entry in legend] == ['c', 'a', 'b']
    assert legend[0].color == (6, 7, 8)
    assert len(legend_of([mask], ['a', 'b', 'c', 'd'], palette, 0.0, most=1)) == 1
    assert [e.name for e in legend_of([mask], ['a', 'b', 'c', 'd'], palette, 0.0)][-1] == 'd'


@pytest.mark.parametrize('size', [13, 18])
def test_text_width_grows_with_the_text(size):
    widths = [pictures.text_width('m' * length, size) for length in range(4)]
    assert widths[0] == 0
    assert widths == sorted(set(widths))
