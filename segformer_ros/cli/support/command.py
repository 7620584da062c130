# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Exit statuses, error messages and option types of the commands."""

import argparse
import contextlib
import os
import sys
from typing import Any, Callable, Iterator, Sequence, Tuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import SegformerRosError

DONE = 0
FAILED = 1
THRESHOLD_MISSED = 3
INTERRUPTED = 130
"""What a shell gives for SIGINT."""
NO_REPORT = 'Interrupted; no report is written.'


def run(name: str, task: Callable[[], int], on_interrupt: str = 'Interrupted.') -> int:
    """
    Run the task of a command and print the package's errors without a traceback.

    :param name: of the command
    :param task: returns an exit status
    :param on_interrupt: printed after Ctrl-C
    :return: the task's status, FAILED or INTERRUPTED
    """
    try:
        return task()
    except SegformerRosError as error:
        print(f'{name}: {error}', file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print('\n' + on_interrupt, file=sys.stderr)
        return INTERRUPTED


@contextlib.contextmanager
def wrong_arguments(parser: argparse.ArgumentParser) -> Iterator[None]:
    """
    End the command as ``parser`` does, with status 2, where its options cannot be used.

    What is around has to look at options alone: a file that is not there is no wrong argument.
    """
    try:
        yield
    except ConfigurationError as error:
        parser.error(str(error))


@contextlib.contextmanager
def report_folder(folder: str) -> Iterator[None]:
    """
    Turn what the system refuses into an error that names the folder of reports.

    :raises ConfigurationError: instead of any OSError of what is around
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError('Report cannot be written', got=f'{folder} ({error.strerror})',
                                 expected='a folder that can be written to') from error


def make_report_folder(folder: str) -> None:
    """
    Make a folder for reports where there is none.

    :raises ConfigurationError: it cannot be made
    """
    with report_folder(folder):
        os.makedirs(folder, exist_ok=True)


def judge(problems: Sequence[str]) -> int:
    """Print what does not hold; return DONE or THRESHOLD_MISSED."""
    for problem in problems:
        print(f'FAILED: {problem}', file=sys.stderr)
    return THRESHOLD_MISSED if problems else DONE


def size_wh(text: str) -> Tuple[int, int]:
    """
    Return width and height of an option such as ``640x480``.

    :raises argparse.ArgumentTypeError: it has another form
    """
    width, _, height = text.partition('x')
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form 640x480')
    return int(width), int(height)


def number_within(low: float, high: float, kind: Callable[[str], Any] = int,
                  above: bool = False) -> Callable[[str], Any]:
    """
    Return the type of an option that is a number within bounds.

    :param low: least value
    :param high: highest value
    :param kind: ``int`` or ``float``
    :param above: whether ``low`` itself is refused
    """
    bounds = f'above {low}, up to {high}' if above else f'from {low} to {high}'
    expected = 'whole number ' if kind is int else 'number '

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        # Written so that NaN, which compares false with everything, is refused.
        if value is None or not low <= value <= high or (above and value == low):
            raise argparse.ArgumentTypeError(f'{text!r} is not a {expected}{bounds}')
        return value

    return convert
