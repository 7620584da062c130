# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``replay_evaluation``: how fast and how complete the live node is."""

import argparse
import contextlib
import datetime
import os
import sys
import time
from typing import Any
from typing import Dict
from typing import List
from typing import Optional

from segformer_ros.cli import dds_environment
from segformer_ros.cli.child_process import ChildCommand
from segformer_ros.cli.child_process import ChildProcess
from segformer_ros.cli.own_arguments import own_arguments
from segformer_ros.cli.replay_options import DONE
from segformer_ros.cli.replay_options import FAILED
from segformer_ros.cli.replay_options import GATE_CLOSED
from segformer_ros.cli.replay_options import INTERRUPTED
from segformer_ros.cli.replay_options import make_parser
from segformer_ros.cli.replay_options import node_parameters
from segformer_ros.cli.replay_options import player_command
from segformer_ros.errors import BackendError
from segformer_ros.errors import SegformerRosError
from segformer_ros.evaluation import gates
from segformer_ros.evaluation.frames import stamp_text
from segformer_ros.evaluation.replay_input import find_recording
from segformer_ros.evaluation.replay_input import Recording
from segformer_ros.evaluation.replay_report import FIGURES
from segformer_ros.evaluation.replay_report import NodeCounts
from segformer_ros.evaluation.replay_report import render_replay
from segformer_ros.evaluation.replay_report import Replay
from segformer_ros.evaluation.replay_report import replay_document
from segformer_ros.evaluation.replay_report import write_replay
from segformer_ros.evaluation.sinks import file_name

STEP_S = 0.2

# Diagnostics come once a second.
ERROR_LEVEL = 2

COUNTS = ('received', 'published', 'dropped for newer ones', 'rejected input', 'failed')


def main(args: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param args: of the command line, without the program's name
    :return: exit status, see the parser's epilog; 130 interrupted
    """
    options = make_parser().parse_args(own_arguments(args))
    try:
        return _run(options)
    except SegformerRosError as error:
        print('replay_evaluation: {}'.format(error), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print('\nInterrupted; no report is written.', file=sys.stderr)
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    at_most = [gates.parse_bound(text, known=FIGURES) for text in options.fail_over]
    at_least = [gates.parse_bound(text, known=FIGURES) for text in options.fail_under]
    recording = find_recording(options.bag, options.topic)
    dds_environment.carry_images()
    if not options.running:
        dds_environment.keep_apart()
    os.makedirs(options.output, exist_ok=True)
    document = replay_document(measure(options, recording))
    paths = [os.path.join(options.output, name) for name in ('replay.json', 'replay.md')]
    write_replay(document, *paths)
    print(render_replay(document))
    print('Reports: {}'.format(', '.join(paths)))
    problems = gates.failures(document, at_least, at_most, FIGURES)
    for problem in problems:
        print('FAILED: {}'.format(problem), file=sys.stderr)
    return GATE_CLOSED if problems else DONE


def measure(options: argparse.Namespace, recording: Recording) -> Replay:
    """
    Play a recording from its first to its last message.

    :param options: parsed
    :param recording: found
    :return: what was heard
    :raises SegformerRosError: node or player failed, or the node did not get ready
    """
    try:
        from segformer_ros.ros.replay_listener import ReplayListener
    except ImportError as error:
        raise BackendError('A replay needs ROS', got=error,
                           remedy='Source a ROS 2 installation.') from error
    player, command = player_command(options, recording)
    save = None if options.save_masks is None else MaskWriter(options.save_masks, recording.name)
    log = os.path.join(options.output, 'player.log')
    with contextlib.ExitStack() as stack:
        node = None if options.running else stack.enter_context(ChildProcess(
            'segformer_ros.cli.segformer', os.path.join(options.output, 'segformer.log'),
            node_parameters(options, recording),
            {'image': recording.image_base, 'camera_info': recording.camera_info}))
        listener = stack.enter_context(ReplayListener(
            options.node, options.camera, recording.topic, recording.is_compressed, save))
        await_active(listener, node, options.patience)
        before = counts_of(listener)
        with ChildCommand(command, log) as playing:
            while not playing.has_ended:
                listener.spin(STEP_S)
                check(node)
            playing.check()
        await_last_mask(listener, node, before, options.patience)
        after = counts_of(listener)
        values = {name: dict(listener.status(name)[2]) for name in ('backend', 'camera')}
        return Replay(
            recording.name, recording.topic, recording.images, options.rate, player,
            listener.events(), NodeCounts(*(now - then for now, then in zip(after, before))),
            values,
            datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'))


class MaskWriter:
    """
    Writes masks where ``evaluate --reference-masks`` finds them.

    :param root: folder
    :param recording: its name becomes a folder in it
    """

    def __init__(self, root: str, recording: str) -> None:
        self._folder = os.path.join(root, *file_name(recording).split('/'))
        os.makedirs(self._folder, exist_ok=True)

    def __call__(self, stamp_ns: int, mask: Any) -> None:
        """Write one mask under its stamp."""
        from PIL import Image
        Image.fromarray(mask).save(os.path.join(self._folder, stamp_text(stamp_ns) + '.png'))


def await_active(listener: Any, node: Optional[ChildProcess], patience: float) -> None:
    """
    Return once the node takes images and tells its counts.

    :param listener: a ReplayListener
    :param node: if it was started here
    :param patience: seconds
    :raises BackendError: it does not get active
    """
    deadline = time.monotonic() + patience
    while True:
        listener.spin(STEP_S)
        check(node)
        level, message, _ = listener.status('node')
        if message == 'active' and 'received' in listener.status('camera')[2]:
            return
        if level == ERROR_LEVEL or time.monotonic() > deadline:
            raise BackendError(
                'The node does not get active' if message != 'active' else
                'The node has no such camera', got=message or 'no diagnostics',
                expected='an active node with the camera that is asked for, within {:g} s'.format(
                    patience),
                remedy='Its last words:\n{}'.format(node.last_words()) if node else
                'See its log, --node and --camera.')


def await_last_mask(listener: Any, node: Optional[ChildProcess], before: List[int],
                    patience: float) -> None:
    """
    Return once the node has nothing in work, or nothing has changed for some time.

    :param listener: a ReplayListener
    :param node: if it was started here
    :param before: counts before the replay
    :param patience: seconds without any change after which what is missing counts as lost
    """
    played = changed = time.monotonic()
    last: Any = None
    while time.monotonic() < changed + patience:
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


def check(node: Optional[ChildProcess]) -> None:
    """
    Return while the node runs.

    :raises SegformerRosError: it has ended
    """
    if node is None:
        return
    node.check()
    if node.has_ended:
        raise BackendError('The node has ended',
                           remedy='Its last words:\n{}'.format(node.last_words()))


if __name__ == '__main__':
    raise SystemExit(main())
