# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``doctor``: check this machine and the ROS graph, and name remedies."""

import argparse
import os
import sys
import tempfile
from typing import Any, Dict, List, Optional, Tuple

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.cli.support import command
from segformer_ros.cli.support.ros_environment import stdout_kept_clean
from segformer_ros.common import errors
from segformer_ros.ros.doctor import check_result
from segformer_ros.ros.doctor import parts

USAGE = 64
"""Exit status of a wrong command line, EX_USAGE of sysexits.h: argparse's 2 is taken."""
DEFAULT_NODE = '/segformer'
MODEL_PARAMETERS = {'model': 'segformer_b0_ade20k', 'model_spec': '', 'backend': 'auto',
                    'engine_cache': ''}
"""With the node's defaults, which its own rows cannot tell where ROS is missing."""


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
    results = parts.check_parts(not options.no_ros)
    if any(parts.ENDED in result.text for result in results):
        # What kills a process that imports it would kill this one, too.
        return _report(results, options.json)
    with stdout_kept_clean():
        graph, parameters, serves = _observe_graph(options)
    values = {}
    for name, default in MODEL_PARAMETERS.items():
        given = getattr(options, name)
        values[name] = parameters.get(name, default) if given is None else given
    try:
        from segformer_ros.ros.doctor.machine import check_machine
        results += check_machine(serves=serves, **values)
    except ImportError as error:
        results.append(check_result.CheckResult(
            errors.ERROR, 'machine', f'model, runtimes and cache were not looked at: {error}',
            'Install the parts that are missing, then run the doctor again.'))
    return _report(results + graph, options.json)


def _report(results: List[check_result.CheckResult], as_json: bool) -> int:
    """Print results; return the worst level: 0 is OK, 1 WARN, 2 ERROR."""
    sys.stdout.write(check_result.render_json(results) if as_json
                     else check_result.render_text(results))
    return check_result.worst(results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='doctor',
        description='Look at model, runtimes, engine cache, memory, clock, and at the ROS graph: '
                    'the node, its topics with rate and QoS, CameraInfo, TF. Changes nothing. '
                    'One line for each thing, and one for its remedy.',
        epilog='Exit status: 0 all is well, 1 warnings, 2 errors, 64 wrong command line.')
    parser.add_argument('--node', help=f'full name (default: {DEFAULT_NODE}, or the only node '
                                       'of this kind in any namespace)')
    parser.add_argument('--seconds', type=command.number_within(0, 3600, float), default=3.0,
                        help='how long messages are counted (default: %(default)s)')
    parser.add_argument('--image', default='image',
                        help='topic to look at where no active node says which one it reads')
    parser.add_argument('--camera-info', default='camera_info', metavar='TOPIC', help='likewise')
    for name, what in (('model', 'name or path'), ('model_spec', 'path of its YAML'),
                       ('backend', 'runtime that is wanted'),
                       ('engine_cache', 'folder of the engines')):
        parser.add_argument('--' + name.replace('_', '-'), dest=name, metavar='TEXT',
                            help=f'{what} (default: what the running node has)')
    parser.add_argument('--speed', type=command.number_within(0, 50, float), default=0.5,
                        metavar='M/S', help="the robot's highest, for the stop polygon of Nav2's "
                                            'collision monitor (default: %(default)s)')
    parser.add_argument('--no-ros', action='store_true', help='look at the machine alone')
    parser.add_argument('--json', action='store_true', help='write JSON')
    return parser


def _observe_graph(options: argparse.Namespace
                   ) -> Tuple[List[check_result.CheckResult], Dict[str, Any], bool]:
    """Return results, the node's parameters, and whether it is active."""
    if options.no_ros:
        return [], {}, False
    domain = parts.check_domain(os.environ.get('ROS_DOMAIN_ID'))
    if domain is not None:
        return [domain], {}, False
    faults = []
    log_folder = parts.check_log_folder()
    if log_folder is not None:
        faults.append(log_folder)
        # The doctor itself goes on.
        os.environ['ROS_LOG_DIR'] = tempfile.gettempdir()
    try:
        from segformer_ros.ros.doctor.graph import GraphObserver
        from segformer_ros.ros.doctor.topics import check_graph
    except ImportError as error:
        return faults + [check_result.CheckResult(
            errors.ERROR, 'ros', f'cannot be used: {error}',
            'Mend what is named above. ' + parts.ROS_REMEDY)], {}, False
    try:
        with GraphObserver(options.node or DEFAULT_NODE, options.node is None) as observer:
            observed = observer.observe(options.seconds, options.image, options.camera_info)
    except RuntimeError as error:
        # What rcl refuses: a middleware that is not there, a profile that cannot be read.
        return faults + [check_result.CheckResult(
            errors.ERROR, 'ros', f'cannot be used: {error}', 'Look at the variables RMW_*, '
            'ROS_* and *_PROFILES_FILE; the node reads the same ones.')], {}, False
    return faults + check_graph(observed,
                                options.speed), observed.parameters, observed.state == 'active'
