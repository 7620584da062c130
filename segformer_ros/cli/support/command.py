# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Exit statuses, error messages and option types of the commands."""

import argparse
import sys
from typing import Callable, Tuple

from segformer_ros.common.errors import SegformerRosError

DONE = 0
FAILED = 1
INTERRUPTED = 130
"""What a shell gives for SIGINT."""


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


def size_wh(text: str) -> Tuple[int, int]:
    """
    Return width and height of an option such as ``640x480``.

    :raises argparse.ArgumentTypeError: it has another form
    """
    width, _, height = text.partition('x')
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form 640x480')
    return int(width), int(height)
