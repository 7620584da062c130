# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``replay_evaluation``: how fast and how complete the live node is."""

import argparse
import contextlib
import datetime
import importlib.util
import os
import shutil
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.cli.support import command
from segformer_ros.cli.support import ros_environment
from segformer_ros.cli.support.node_process import ChildCommand
from segformer_ros.cli.support.node_process import NodeProcess
from segformer_ros.common import errors
from segformer_ros.evaluation.replay import report
from segformer_ros.evaluation.replay.recording import find_recording
from segformer_ros.evaluation.replay.recording import Recording
from segformer_ros.evaluation.report import thresholds
from segformer_ros.evaluation.run.sinks import MaskFolder
from segformer_ros.evaluation.sources.frames import stamp_text

AUTO, ROSBAG2, PACKAGE = 'auto', 'rosbag2', 'package'
PLAYERS = (AUTO, ROSBAG2, PACKAGE)

NODE = '/segformer'

STEP_S = 0.2

COUNTS = ('received', 'published', 'dropped for newer ones', 'rejected input', 'failed')


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog='replay_evaluation', formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description='Play a recording into the live node over real topics and measure latency, '
                    'drops and staleness.',
        epilog='Exit status: 0 done; 1 could not be done, with a message; 2 wrong arguments; '
               '3 a bound does not hold.')
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
    bounds = parser.add_argument_group('for continuous integration')
    bounds.add_argument('--fail-over', action='append', default=[], metavar='NAME=NUMBER',
                        help='such as drops=0, latency_p95_ms=80 or staleness_p99_ms=300; known: '
                             + ', '.join(sorted(report.FIGURES)))
    bounds.add_argument('--fail-under', action='append', default=[], metavar='NAME=NUMBER',
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
    parameters.update(_named_parameters(options))
    return parameters


def _named_parameters(options: argparse.Namespace) -> Dict[str, str]:
    parameters = {}
    for text in options.param:
        name, equals, value = text.partition('=')
        if not equals or not name:
            raise errors.ConfigurationError('Not a parameter', got=repr(text),
                                            expected='NAME=VALUE')
        parameters[name] = value
    return parameters


def _check_speed(options: argparse.Namespace) -> None:
    # Written so that NaN, which compares false with everything, is refused.
    if not (options.rate > 0 and options.clock > 0 and options.delay >= 0):
        raise errors.ConfigurationError(
            'Impossible speed',
            got=f'rate {options.rate}, clock {options.clock}, delay {options.delay}',
            expected='rate and clock above 0')


def player_command(options: argparse.Namespace, recording: Recording) -> Tuple[str, List[str]]:
    """
    Return who plays, and the command.

    :param options: parsed
    :param recording: to be played
    :raises ConfigurationError: ros2 bag is asked for and not there, or a speed makes no sense
    """
    _check_speed(options)
    # --topics comes last: it takes all words that follow.
    arguments = [recording.path, '--storage', recording.parts[0].storage,
                 '--rate', str(options.rate), '--clock', str(options.clock)]
    if options.delay > 0:
        arguments += ['--delay', str(options.delay)]
    arguments += ['--topics'] + list(recording.topics)
    ros2 = shutil.which('ros2')
    has_rosbag2 = ros2 is not None and importlib.util.find_spec('ros2bag') is not None
    if options.player == PACKAGE or (options.player == AUTO and not has_rosbag2):
        return 'bag_player of this package', [
            sys.executable, '-m', 'segformer_ros.cli.bag_player'] + arguments
    if ros2 is None:
        raise errors.ConfigurationError('There is no ros2 command', expected='ros2 bag play',
                                        remedy='Take "--player package", or install ros2bag.')
    return 'ros2 bag play', [ros2, 'bag', 'play'] + arguments


def main(args: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param args: of the command line, without the program's name
    :return: exit status, see the parser's epilog; 130 interrupted
    """
    parser = make_parser()
    options = parser.parse_args(ros_environment.own_arguments('replay_evaluation', args))
    with command.wrong_arguments(parser):
        _bounds(options)
        _named_parameters(options)
        _check_speed(options)
    return command.run('replay_evaluation', lambda: _run(options), command.NO_REPORT)


def _bounds(options: argparse.Namespace) -> Tuple[List[thresholds.Bound], List[thresholds.Bound]]:
    """Return the lower limits and the upper ones."""
    return ([thresholds.parse_bound(text, known=report.FIGURES) for text in options.fail_under],
            [thresholds.parse_bound(text, known=report.FIGURES) for text in options.fail_over])


def _run(options: argparse.Namespace) -> int:
    at_least, at_most = _bounds(options)
    recording = find_recording(options.bag, options.topic)
    ros_environment.carry_images()
    if not options.running:
        ros_environment.keep_apart()
    command.make_report_folder(options.output)
    document = report.replay_document(measure(options, recording))
    paths = [os.path.join(options.output, name) for name in ('replay.json', 'replay.md')]
    report.write_replay(document, *paths)
    print(report.render_replay(document))
    print('Reports: ' + ', '.join(paths))
    return command.judge(thresholds.failures(document, at_least, at_most, report.FIGURES))


def measure(options: argparse.Namespace, recording: Recording) -> report.Replay:
    """
    Play a recording from its first to its last message.

    :param options: parsed
    :param recording: found
    :return: what was heard
    :raises SegformerRosError: node or player failed, or the node did not get ready
    """
    try:
        from segformer_ros.ros.peers.replay_listener import ReplayListener
    except ImportError as error:
        raise errors.BackendError('A replay needs ROS', got=error,
                                  remedy='Source a ROS 2 installation.') from error
    player, playing_command = player_command(options, recording)
    save = None if options.save_masks is None else mask_writer(options.save_masks, recording.name)
    log = os.path.join(options.output, 'player.log')
    with contextlib.ExitStack() as stack:
        node = None if options.running else stack.enter_context(NodeProcess(
            'segformer_ros.cli.segformer', os.path.join(options.output, 'segformer.log'),
            node_parameters(options, recording),
            {'image': recording.image_base, 'camera_info': recording.camera_info}))
        listener = stack.enter_context(ReplayListener(
            options.node, options.camera, recording.topic, recording.is_compressed, save))
        await_active(listener, node, options.patience)
        before = counts_of(listener)
        with ChildCommand(playing_command, log) as playing:
            while not playing.has_ended:
                listener.spin(STEP_S)
                check(node)
            playing.check()
        await_last_mask(listener, node, before, options.patience)
        after = counts_of(listener)
        values = {name: dict(listener.status(name)[2]) for name in ('backend', 'camera')}
        return report.Replay(
            recording.name, recording.topic, recording.images, options.rate, player,
            listener.events(),
            report.NodeCounts(*(now - then for now, then in zip(after, before))), values,
            datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'))


def mask_writer(root: str, recording: str) -> Callable[[int, Any], None]:
    """
    Return what writes a mask by its stamp where ``evaluate --reference-masks`` finds it.

    :param root: folder
    :param recording: its name becomes a folder in it
    """
    folder = MaskFolder(root, recording)
    return lambda stamp_ns, mask: folder.write(stamp_text(stamp_ns), mask)


def await_active(listener: Any, node: Optional[NodeProcess], timeout: float) -> None:
    """
    Wait until the node takes images and publishes its counts.

    :param listener: a ReplayListener
    :param node: if it was started here
    :param timeout: seconds
    :raises BackendError: it does not get active
    """
    deadline = time.monotonic() + timeout
    while True:
        listener.spin(STEP_S)
        check(node)
        level, message, _ = listener.status('node')
        if message == 'active' and 'received' in listener.status('camera')[2]:
            return
        if level == errors.ERROR or time.monotonic() > deadline:
            raise errors.BackendError(
                'The node does not get active' if message != 'active' else
                'The node has no such camera', got=message or 'no diagnostics',
                expected=f'an active node with the camera that is asked for, within {timeout:g} s',
                remedy=f'Its last words:\n{node.last_words()}'
                if node else 'See its log, --node and --camera.')


def await_last_mask(listener: Any, node: Optional[NodeProcess], before: List[int],
                    timeout: float) -> None:
    """
    Wait until the node has finished every image, or nothing has changed for some time.

    :param listener: a ReplayListener
    :param node: if it was started here
    :param before: counts before the replay
    :param timeout: seconds without any change after which what is missing counts as lost
    """
    played = changed = time.monotonic()
    last: Any = None
    while time.monotonic() < changed + timeout:
        listener.spin(STEP_S)
        check(node)
        received, *rest = (now - then for now, then in zip(counts_of(listener), before))
        if listener.diagnostics_heard > played and received == sum(rest) and \
                listener.masks >= rest[0]:
            return
        if (received, rest, listener.masks) != last:
            last, changed = (received, rest, listener.masks), time.monotonic()


def counts_of(listener: Any) -> List[int]:
    """Return the counts of the node's camera by :data:`COUNTS`."""
    values: Dict[str, str] = listener.status('camera')[2]
    return [int(values[name]) for name in COUNTS]


def check(node: Optional[NodeProcess]) -> None:
    """
    Check that the node runs.

    :raises SegformerRosError: it has ended
    """
    if node is None:
        return
    node.check()
    if node.has_ended:
        raise errors.BackendError('The node has ended',
                                  remedy=f'Its last words:\n{node.last_words()}')
