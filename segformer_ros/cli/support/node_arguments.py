# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command line of an executable that is a node: help, and no argument that does nothing."""

import argparse
import textwrap
from typing import Callable, List, Optional, Sequence, TYPE_CHECKING

from segformer_ros.cli.support.ros_environment import non_ros_arguments

if TYPE_CHECKING:
    from segformer_ros.ros.parameters.row import Row

USAGE = '%(prog)s [-h] [--ros-args [-p NAME:=VALUE] [-r FROM:=TO] [--params-file FILE] ...]'


def check(name: str, description: str, args: Optional[List[str]],
          parameters: Callable[[], str]) -> None:
    """
    Print the help where it is asked for, and refuse what ROS would pass over in silence.

    :param name: of the executable
    :param args: of the command line, without the program's name; None takes the process's own
    :param parameters: returns the text on parameters; called only for the help
    :raises SystemExit: help was printed (0), or an argument does nothing (2)
    """
    given = non_ros_arguments(args)
    parser = argparse.ArgumentParser(
        prog=name, usage=USAGE, description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    if '-h' in given or '--help' in given:
        parser.epilog = parameters()
    _, unknown = parser.parse_known_args(given)
    if unknown:
        parser.error(f"{' '.join(unknown)} would do nothing: parameters and remappings of ROS "
                     'stand after --ros-args, as -p NAME:=VALUE and -r FROM:=TO')


def describe_parameters(rows: 'Sequence[Row]') -> str:
    """Return the parameters of a node for its help."""
    lines = ['parameters:']
    for row in rows:
        lines.append(f'  {row.name} ({row.kind.__name__}, default {row.default!r})')
        lines += textwrap.wrap(row.description, 79, initial_indent=6 * ' ',
                               subsequent_indent=6 * ' ')
    return '\n'.join(lines)
