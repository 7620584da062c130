# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A progress line by tqdm: share done, rate and time left."""

import importlib
import sys
from typing import Any, Optional, TextIO

# Least time between two lines on a terminal, and in a file or pipe.
REDRAW_S = 0.1
LOG_S = 5.0

BYTES = 'B'
FRAMES = ' frames'


class ProgressLine:
    """
    Show how far something with a known or unknown end has come.

    On a terminal one line is drawn again and again; in a file or pipe a new line comes every
    few seconds. Without tqdm nothing is drawn: a download or an evaluation needs no line.

    :param label: what is being done
    :param unit: :data:`BYTES` or :data:`FRAMES`
    :param stream: where to, by default stderr
    """

    def __init__(self, label: str, unit: str = BYTES, stream: Optional[TextIO] = None) -> None:
        self._label = label
        self._unit = unit
        self._stream = sys.stderr if stream is None else stream
        self._bar: Any = None

    def update(self, done: int, total: Optional[int]) -> None:
        """Take the amount done so far and the whole one; draw if it is time to."""
        if self._bar is None:
            self._bar = self._open(done, total)
            if self._bar is None:
                return
        if done < self._bar.n:
            self._bar.reset()
        self._bar.total = total
        self._bar.bar_format = self._format(done, total)
        self._bar.update(done - self._bar.n)

    def finish(self) -> None:
        """Draw the last state and end the line; without an update before nothing is drawn."""
        if self._bar is not None:
            self._bar.close()

    def _format(self, done: int, total: Optional[int]) -> str:
        amount = bytes_text if self._unit == BYTES else '{:,} frames'.format
        if not total:
            return f'{{desc}}  {amount(done)}  {{rate_noinv_fmt}}'
        return (f'{{desc}} [{{bar}}] {{percentage:3.0f}} %  {amount(done)} of {amount(total)}'
                '  {rate_noinv_fmt}  {remaining} left')

    def _open(self, done: int, total: Optional[int]) -> Any:
        try:
            tqdm = importlib.import_module('tqdm').tqdm
        except ImportError:
            return None
        is_terminal = self._stream.isatty()
        return tqdm(desc=self._label, initial=done, total=total, unit=self._unit, ascii=' #',
                    unit_scale=self._unit == BYTES, dynamic_ncols=is_terminal,
                    bar_format=self._format(done, total),
                    mininterval=REDRAW_S if is_terminal else LOG_S, miniters=1,
                    file=self._stream if is_terminal else _WholeLines(self._stream))


class _WholeLines:
    """A stream for a log: what would overwrite a line becomes a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if text.strip():
            self._stream.write(text.strip() + '\n')

    def flush(self) -> None:
        self._stream.flush()


def bytes_text(amount: float) -> str:
    """Return ``7.9 MB``: decimal units, as download pages use."""
    for unit in ('B', 'kB', 'MB'):
        if abs(amount) < 1000:
            return f'{amount:.0f} {unit}' if unit == 'B' else f'{amount:.1f} {unit}'
        amount /= 1000.0
    return f'{amount:.1f} GB'
