# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A progress line on a terminal: share done, rate and time left."""

import collections
import shutil
import sys
import time
from typing import Callable, Deque, Optional, TextIO, Tuple

REDRAW_S = 0.1
"""Least time between two lines on a terminal; elsewhere (a log) it is LOG_S."""
LOG_S = 5.0
RATE_WINDOW_S = 5.0


class ProgressLine:
    """
    Show how far something with a known or unknown end has come.

    On a terminal one line is drawn again and again; in a file or pipe a new line comes every
    few seconds. The rate is that of the last five seconds, so a stalled transfer shows.

    :param label: what is being done
    :param stream: where to, by default stderr
    :param format_amount: text of an amount, by default of bytes
    :param clock: seconds, for tests
    """

    def __init__(self, label: str, stream: Optional[TextIO] = None,
                 format_amount: Optional[Callable[[float], str]] = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._label = label
        self._stream = sys.stderr if stream is None else stream
        self._amount = format_amount or bytes_text
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._samples: Deque[Tuple[float, int]] = collections.deque()
        self._drawn_at: Optional[float] = None
        self._last: Tuple[int, Optional[int]] = (0, None)

    def update(self, done: int, total: Optional[int]) -> None:
        """Take the amount done so far and the whole one; draw if it is time to."""
        now = self._clock()
        if self._samples and done < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[1][0] >= RATE_WINDOW_S:
            self._samples.popleft()
        self._last = (done, total)
        pause = REDRAW_S if self._is_terminal else LOG_S
        if self._drawn_at is None or now - self._drawn_at >= pause:
            self._drawn_at = now
            self._draw()

    def finish(self) -> None:
        """Draw the last state and end the line; without an update before nothing is drawn."""
        if self._drawn_at is None:
            return
        self._draw()
        if self._is_terminal:
            self._stream.write('\n')
            self._stream.flush()

    def text(self, width: int) -> str:
        """Return the line, at most ``width`` characters long."""
        done, total = self._last
        rate = self._rate()
        facts = self._amount(done)
        if total:
            facts = f'{100.0 * done / total:3.0f} %  {facts} of {self._amount(total)}'
        if rate is not None:
            facts += f'  {self._amount(rate)}/s'
            if total and rate > 0 and done < total:
                facts += f'  {duration_text((total - done) / rate)} left'
        room = width - len(self._label) - len(facts) - 5
        bar = ''
        if total and room >= 8:
            cells = min(room, 30)
            full = int(cells * min(done / total, 1.0))
            bar = ' [{}{}]'.format('#' * full, '.' * (cells - full))
        return f'{self._label}{bar}  {facts}'[:width]

    def _rate(self) -> Optional[float]:
        if len(self._samples) < 2:
            return None
        (start, before), (end, after) = self._samples[0], self._samples[-1]
        return (after - before) / (end - start) if end > start else None

    def _draw(self) -> None:
        if not self._is_terminal:
            self._stream.write(self.text(200) + '\n')
        else:
            # A full line would wrap; \033[K clears what a longer line left behind.
            width = shutil.get_terminal_size().columns - 1
            self._stream.write('\r' + self.text(width) + '\033[K')
        self._stream.flush()


def bytes_text(amount: float) -> str:
    """Return ``7.9 MB``: decimal units, as download pages use."""
    for unit in ('B', 'kB', 'MB'):
        if abs(amount) < 1000:
            return f'{amount:.0f} {unit}' if unit == 'B' else f'{amount:.1f} {unit}'
        amount /= 1000.0
    return f'{amount:.1f} GB'


def duration_text(seconds: float) -> str:
    """Return ``12 s``, ``3:05 min`` or ``1:02 h``."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f'{whole} s'
    if whole < 3600:
        return '{}:{:02d} min'.format(*divmod(whole, 60))
    return '{}:{:02d} h'.format(*divmod(whole // 60, 60))
