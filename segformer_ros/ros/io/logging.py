# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Log what repeats at camera rate: at most one line in five seconds for each kind."""

import logging
from typing import Any, Callable, Dict, Iterator, Tuple

from rclpy.impl.rcutils_logger import RcutilsLogger
from segformer_ros.common.text import plain

PERIOD = 5.0
"""Seconds between two lines of the same kind."""
LONGEST_LINE = 8000
"""Characters, of a trace for example; each may hold a stranger's text."""
KINDS_KEPT = 64
"""Kinds that may be logged in one period. There are fewer; more is a fault, and is held back."""


class Throttle:
    """
    A logger that writes a kind of line at most every :data:`PERIOD` seconds.

    The kind is the text without what may differ in every frame, such as lengths, and without
    what strangers chose: who can invent kinds fills the disk. rclpy's own
    throttle goes by line of code, and would hide a second problem behind the first.

    :param logger: of the node
    :param clock: seconds that never go back
    """

    def __init__(self, logger: RcutilsLogger, clock: Callable[[], float]) -> None:
        self._logger = logger
        self._clock = clock
        self._seen: Dict[str, Tuple[float, int]] = {}

    def error(self, kind: str, text: str) -> None:
        """Log at ERROR unless that kind was logged lately."""
        for line in self._lines(kind, text):
            self._logger.error(line)

    def warning(self, kind: str, text: str) -> None:
        """Log at WARN unless that kind was logged lately."""
        for line in self._lines(kind, text):
            self._logger.warning(line)

    def info(self, kind: str, text: str) -> None:
        """Log at INFO unless that kind was logged lately."""
        for line in self._lines(kind, text):
            self._logger.info(line)

    def _lines(self, kind: str, text: str) -> Iterator[str]:
        now = self._clock()
        last, hidden = self._seen.get(kind, (float('-inf'), 0))
        if now - last < PERIOD:
            self._seen[kind] = (last, hidden + 1)
            return
        if kind not in self._seen and len(self._seen) >= KINDS_KEPT:
            self._seen = {each: seen for each, seen in self._seen.items()
                          if now - seen[0] < PERIOD}
            if len(self._seen) >= KINDS_KEPT:
                return
        self._seen[kind] = (now, 0)
        text = plain(text, LONGEST_LINE)
        yield f'{text} ({hidden} more like it)' if hidden else text


PACKAGE = 'segformer_ros'


class LogBridge(logging.Handler):
    """
    Passes the records of Python's ``logging`` of this package on to a ROS logger.

    :param logger: of rclpy
    """

    def __init__(self, logger: Any) -> None:
        super().__init__(logging.INFO)
        self._logger = logger
        package = logging.getLogger(PACKAGE)
        self._level_before = package.level
        package.setLevel(logging.INFO)
        package.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        text = plain(record.getMessage(), LONGEST_LINE)
        # One line for each severity: rclpy allows a place in the code no other.
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)

    def remove(self) -> None:
        """Pass nothing on from now on."""
        package = logging.getLogger(PACKAGE)
        package.removeHandler(self)
        package.setLevel(self._level_before)
