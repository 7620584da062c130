# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The options of the command ``replay_evaluation``, and the players that it can start."""

import argparse
import importlib.util
import shutil
import sys
from typing import Any
from typing import Dict
from typing import List
from typing import Tuple

from segformer_ros.errors import ConfigurationError
from segformer_ros.evaluation.replay_input import Recording
from segformer_ros.evaluation.replay_report import FIGURES

DONE = 0
FAILED = 1
GATE_CLOSED = 3
INTERRUPTED = 130

AUTO, ROSBAG2, PACKAGE = 'auto', 'rosbag2', 'package'
PLAYERS = (AUTO, ROSBAG2, PACKAGE)

NODE = '/segformer'


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog='replay_evaluation', formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description='Play a recording into the live node over real topics and measure latency, '
                    'drops and staleness.',
        epilog='Exit status: {} done; {} could not be done, with a message; 2 wrong arguments; '
               '{} a bound does not hold.'.format(DONE, FAILED, GATE_CLOSED))
    parser.add_argument('bag', help='rosbag2 recording or file, mcap or sqlite3')
    parser.add_argument('-o', '--output', default='replay_evaluation',
                        help='folder for replay.md and replay.json')
    parser.add_argument('--topic', help='of the images; by default the only camera')
    parser.add_argument('--save-masks', metavar='FOLDER',
                        help='write every mask as PNG; costs some latency')
    parser.add_argument('--patience', type=float, default=60.0, metavar='SECONDS',
                        help='for the node to get ready, and to finish the last images')
    node = parser.add_argument_group('node that is started')
    node.add_argument('--model', help='as the parameter of the node')
    node.add_argument('--spec', help='parameter model_spec of the node')
    node.add_argument('--backend', help='as the parameter of the node')
    node.add_argument('--param', action='append', default=[], metavar='NAME=VALUE',
                      help='any other parameter of the node')
    running = parser.add_argument_group('node that runs already')
    running.add_argument('--running', action='store_true',
                         help='start no node; measure one that takes the topics of the recording '
                              'and the time from /clock')
    running.add_argument('--node', default=NODE, help='its name')
    running.add_argument('--camera', default='', help='name of its camera, if it has several')
    play = parser.add_argument_group('playing')
    play.add_argument('--player', choices=PLAYERS, default=AUTO,
                      help='ros2 bag play, or that of this package; auto: the first one there is')
    play.add_argument('--rate', type=float, default=1.0, help='times the speed of life')
    play.add_argument('--clock', type=float, default=100.0, metavar='HZ', help='of /clock')
    play.add_argument('--delay', type=float, default=2.0, metavar='SECONDS',
                      help='for player and node to find each other before the first message')
    gate = parser.add_argument_group('for continuous integration')
    gate.add_argument('--fail-over', action='append', default=[], metavar='NAME=NUMBER',
                      help='such as drops=0, latency_p95_ms=80 or staleness_p99_ms=300; known: '
                           + ', '.join(sorted(FIGURES)))
    gate.add_argument('--fail-under', action='append', default=[], metavar='NAME=NUMBER',
                      help='such as masks_per_second=10')
    return parser


def node_parameters(options: argparse.Namespace, recording: Recording) -> Dict[str, Any]:
    """
    Return the parameters of a node that is started here.

    :param options: parsed
    :param recording: to be played
    :raises ConfigurationError: a parameter is not of the form NAME=VALUE
    """
    parameters: Dict[str, Any] = {
        'use_sim_time': True,
        'image_transport': 'compressed' if recording.is_compressed else 'raw'}
    named = {'model': options.model, 'model_spec': options.spec, 'backend': options.backend}
    parameters.update({name: value for name, value in named.items() if value})
    for text in options.param:
        name, equals, value = text.partition('=')
        if not equals or not name:
            raise ConfigurationError('Not a parameter', got=repr(text), expected='NAME=VALUE')
        parameters[name] = value
    return parameters


def player_command(options: argparse.Namespace, recording: Recording) -> Tuple[str, List[str]]:
    """
    Return who plays, and the command.

    :param options: parsed
    :param recording: to be played
    :raises ConfigurationError: ros2 bag is asked for and not there, or a speed makes no sense
    """
    if options.rate <= 0 or options.clock <= 0 or options.delay < 0:
        raise ConfigurationError('Impossible speed', got='rate {}, clock {}, delay {}'.format(
            options.rate, options.clock, options.delay), expected='rate and clock above 0')
    # --topics comes last: it takes all words that follow.
    arguments = [recording.path, '--storage', recording.parts[0].storage,
                 '--rate', str(options.rate), '--clock', str(options.clock)]
    if options.delay > 0:
        arguments += ['--delay', str(options.delay)]
    arguments += ['--topics'] + list(recording.topics)
    player = options.player
    if player == AUTO:
        player = ROSBAG2 if _has_rosbag2() else PACKAGE
    if player == PACKAGE:
        return 'bag_player of this package', [
            sys.executable, '-m', 'segformer_ros.cli.bag_player'] + arguments
    ros2 = shutil.which('ros2')
    if ros2 is None:
        raise ConfigurationError('There is no ros2 command', expected='ros2 bag play',
                                 remedy='Take "--player package", or install ros2bag.')
    return 'ros2 bag play', [ros2, 'bag', 'play'] + arguments


def _has_rosbag2() -> bool:
    return shutil.which('ros2') is not None and importlib.util.find_spec('ros2bag') is not None
