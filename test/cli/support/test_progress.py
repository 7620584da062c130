# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The progress line: width, rate of the last seconds, terminal and log."""

import io

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from segformer_ros.cli.support.progress import bytes_text
from segformer_ros.cli.support.progress import duration_text
from segformer_ros.cli.support.progress import ProgressLine


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self):
        return True


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def fed(samples, stream):
    """Return a line after ``(seconds, done)`` samples of a whole of 10 MB."""
    clock = Clock()
    line = ProgressLine('model', stream, clock=clock)
    for seconds, done in samples:
        clock.now = 100.0 + seconds
        line.update(done, 10000000)
    return line


@pytest.mark.smoke
def test_line_tells_share_amount_rate_and_time_left():
    line = fed([(0, 0), (1, 1000000), (2, 2000000)], io.StringIO())
    assert line.text(79) == ('model [#####....................]'
                             '   20 %  2.0 MB of 10.0 MB  1.0 MB/s  8 s left')


def test_rate_is_that_of_the_last_seconds():
    samples = [(0, 0), (1, 5000000)] + [(float(s), 5000000) for s in range(2, 9)]
    assert '0 B/s' in fed(samples, io.StringIO()).text(79)
    assert 'left' not in fed(samples, io.StringIO()).text(79)


def test_start_from_zero_again_gives_no_negative_rate():
    line = fed([(0, 0), (1, 5000000), (2, 0), (3, 1000000)], io.StringIO())
    assert '1.0 MB/s' in line.text(79)


def test_unknown_end_shows_amount_and_rate_only():
    clock = Clock()
    line = ProgressLine('model', io.StringIO(), clock=clock)
    line.update(0, None)
    clock.now += 2.0
    line.update(3000, None)
    assert line.text(79) == 'model  3.0 kB  1.5 kB/s'


def test_terminal_is_drawn_over_and_ended_with_a_newline():
    stream = Terminal()
    fed([(0, 0), (0.01, 1), (0.02, 2), (0.5, 10000000)], stream).finish()
    drawn = stream.getvalue()
    assert drawn.count('\r') == 3
    assert drawn.endswith('\n')
    assert drawn.count('\n') == 1
    assert '100 %' in drawn.split('\r')[-1]


def test_log_gets_few_whole_lines():
    stream = io.StringIO()
    fed([(s / 10.0, s) for s in range(120)], stream).finish()
    assert '\r' not in stream.getvalue()
    assert '\033' not in stream.getvalue()
    assert stream.getvalue().count('\n') == 4


def test_nothing_is_drawn_without_an_update():
    stream = Terminal()
    ProgressLine('model', stream).finish()
    assert stream.getvalue() == ''


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1 << 50)), max_size=8),
       st.one_of(st.none(), st.integers(0, 1 << 50)), st.integers(1, 200))
def test_no_sequence_of_updates_breaks_the_line(samples, total, width):
    clock = Clock()
    line = ProgressLine('model', Terminal(), clock=clock)
    for seconds, done in samples:
        clock.now += seconds
        line.update(done, total)
        assert len(line.text(width)) <= width
    line.finish()


@pytest.mark.parametrize('amount, text', [
    (0, '0 B'), (999, '999 B'), (1000, '1.0 kB'), (7939696, '7.9 MB'), (3.4e9, '3.4 GB')])
def test_bytes_are_told_in_decimal_units(amount, text):
    assert bytes_text(amount) == text


@pytest.mark.parametrize('seconds, text', [
    (0.4, '0 s'), (59.4, '59 s'), (59.6, '1:00 min'), (185, '3:05 min'), (3720, '1:02 h')])
def test_durations_are_told_in_one_unit(seconds, text):
    assert duration_text(seconds) == text
