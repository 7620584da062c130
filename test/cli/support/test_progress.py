# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The progress line: amounts, rate, terminal and log."""

import io
import sys

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from segformer_ros.cli.support.progress import bytes_text
from segformer_ros.cli.support.progress import FRAMES
from segformer_ros.cli.support.progress import ProgressLine


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Return the seconds that tqdm reads, as a list of one."""
    pytest.importorskip('tqdm')
    now = [100.0]
    monkeypatch.setattr('tqdm.std.time', lambda: now[0])
    return now


@pytest.fixture
def fed(clock):
    """Return a function that draws ``(seconds, done)`` samples of a whole of 10 MB."""
    def feed(samples, stream, total=10000000):
        line = ProgressLine('model', stream=stream)
        for seconds, done in samples:
            clock[0] = 100.0 + seconds
            line.update(done, total)
        return line
    return feed


@pytest.mark.smoke
def test_line_tells_share_amount_rate_and_time_left(fed):
    stream = io.StringIO()
    fed([(0, 0), (1, 1000000), (6, 2000000)], stream)
    assert stream.getvalue().split('\n')[1] == (
        'model [##        ]  20 %  2.0 MB of 10.0 MB  333kB/s  00:23 left')


def test_start_from_zero_again_gives_no_negative_rate(fed):
    stream = io.StringIO()
    fed([(0, 0), (6, 5000000), (12, 0), (18, 1000000)], stream)
    assert '-' not in stream.getvalue()
    assert '1.0 MB of 10.0 MB' in stream.getvalue()


def test_unknown_end_shows_amount_and_rate_only(fed):
    stream = io.StringIO()
    fed([(0, 0), (6, 3000)], stream, None)
    assert stream.getvalue().split('\n')[1] == 'model  3.0 kB  500B/s'


def test_terminal_is_drawn_over_and_ended_with_a_newline(fed):
    stream = Terminal()
    fed([(0, 0), (0.01, 1), (0.02, 2), (0.5, 10000000)], stream).finish()
    drawn = stream.getvalue()
    assert drawn.count('\r') == 3
    assert drawn.endswith('\n')
    assert drawn.count('\n') == 1
    assert '100 %' in drawn.split('\r')[-1]


def test_log_gets_few_whole_lines(fed):
    stream = io.StringIO()
    fed([(s / 10.0, s) for s in range(120)], stream).finish()
    assert '\r' not in stream.getvalue()
    assert '\033' not in stream.getvalue()
    assert stream.getvalue().count('\n') == 4


def test_frames_are_counted_whole(clock):
    stream = io.StringIO()
    line = ProgressLine('evaluating', FRAMES, stream)
    for done in range(5):
        line.update(done, 4)
    line.finish()
    assert '4 frames of 4 frames' in stream.getvalue()


def test_nothing_is_drawn_without_an_update():
    stream = Terminal()
    ProgressLine('model', stream=stream).finish()
    assert stream.getvalue() == ''


def test_nothing_is_drawn_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tqdm', None)
    stream = Terminal()
    line = ProgressLine('model', stream=stream)
    line.update(1, 2)
    line.finish()
    assert stream.getvalue() == ''


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1 << 50)), max_size=8),
       st.one_of(st.none(), st.integers(0, 1 << 50)), st.integers(100, 200))
def test_no_sequence_of_updates_breaks_the_line(samples, total, width):
    pytest.importorskip('tqdm')
    with pytest.MonkeyPatch.context() as patch:
        # Where a stream has no terminal to ask, the shell's word holds.
        patch.setenv('COLUMNS', str(width))
        patch.setenv('LINES', '24')
        now = [100.0]
        patch.setattr('tqdm.std.time', lambda: now[0])
        stream = Terminal()
        line = ProgressLine('model', stream=stream)
        for seconds, done in samples:
            now[0] += seconds
            line.update(done, total)
        line.finish()
    drawn = stream.getvalue().split('\r')
    assert all(len(text.rstrip('\n')) <= width for text in drawn)
    assert [text for text in drawn[:-1] if '\n' in text] == []


@pytest.mark.parametrize('amount, text', [
    (0, '0 B'), (999, '999 B'), (1000, '1.0 kB'), (7939696, '7.9 MB'), (3.4e9, '3.4 GB')])
def test_bytes_are_told_in_decimal_units(amount, text):
    assert bytes_text(amount) == text
