# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``doctor``: check this machine and the ROS graph, and name remedies."""

import argparse
import math
import sys
from typing import Any, Dict, List, Optional, Tuple

from segformer_ros.cli.support.ros_environment import stdout_kept_clean
from segformer_ros.ros.doctor import check_result
from segformer_ros.ros.doctor.machine import check_machine
from segformer_ros.ros.io import status
from segformer_ros.ros.parameters.node import NODE_ROWS

USAGE = 64
"""Exit status of a wrong command line, EX_USAGE of sysexits.h: argparse's 2 is taken."""
MODEL_PARAMETERS = ('model', 'model_spec', 'backend', 'engine_cache')


def main(arguments: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param arguments: of the command line, without the program's name
    :return: exit status: 0 all is well, 1 there are warnings, 2 there are errors, 64 the
        command line is wrong
    """
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as end:
        return USAGE if end.code else 0
    with stdout_kept_clean():
        graph, parameters, serves = _observe_graph(options)
    values = {row.name: row.default for row in NODE_ROWS if row.name in MODEL_PARAMETERS}
    for name in MODEL_PARAMETERS:
        given = getattr(options, name)
        values[name] = parameters.get(name, values[name]) if given is None else given
    results = check_machine(serves=serves, **values) + graph
    sys.stdout.write(check_result.render_json(results) if options.json
                     else check_result.render_text(results))
    # The worst level: 0 is OK, 1 WARN, 2 ERROR.
    return check_result.worst(results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='doctor',
        description='Look at model, runtimes, engine cache, memory, clock, and at the ROS graph: '
                    'the node, its topics with rate and QoS, CameraInfo, TF. Changes nothing. '
                    'One line for each thing, and one for its remedy.',
        epilog='Exit status: 0 all is well, 1 warnings, 2 errors, 64 wrong command line.')
    parser.add_argument('--node', default='/segformer', help='full name (default: %(default)s)')
    parser.add_argument('--seconds', type=_seconds, default=3.0,
                        help='how long messages are counted (default: %(default)s)')
    parser.add_argument('--image', default='image',
                        help='topic to look at where no active node says which one it reads')
    parser.add_argument('--camera-info', default='camera_info', metavar='TOPIC', help='likewise')
    for name, what in (('model', 'name or path'), ('model_spec', 'path of its YAML'),
                       ('backend', 'runtime that is wanted'),
                       ('engine_cache', 'folder of the engines')):
        parser.add_argument('--' + name.replace('_', '-'), dest=name, metavar='TEXT',
                            help=f'{what} (default: what the running node has)')
    parser.add_argument('--speed', type=_speed, default=0.5, metavar='M/S',
                        help="the robot's highest, for the stop polygon of Nav2's collision "
                             'monitor (default: %(default)s)')
    parser.add_argument('--no-ros', action='store_true', help='look at the machine alone')
    parser.add_argument('--json', action='store_true', help='write JSON')
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 3600.0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 0 to 3600')
    return value


def _speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 50.0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 0 to 50')
    return value


def _observe_graph(options: argparse.Namespace
                   ) -> Tuple[List[check_result.CheckResult], Dict[str, Any], bool]:
    """Return results, the node's parameters, and whether it is active."""
    if options.no_ros:
        return [], {}, False
    try:
        from segformer_ros.ros.doctor.graph import GraphObserver
        from segformer_ros.ros.doctor.topics import check_graph
    except ImportError as error:
        return [check_result.CheckResult(
            status.ERROR, 'ros', f'cannot be used: {error}',
            'Source the setup file of ROS 2 and of the workspace, or give --no-ros.')], {}, False
    with GraphObserver(options.node) as observer:
        observed = observer.observe(options.seconds, options.image, options.camera_info)
    return check_graph(observed, options.speed), observed.parameters, observed.state == 'active'


if __name__ == '__main__':
    raise SystemExit(main())
