# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``bag_player``: what ``ros2 bag play`` does, without rosbag2."""

import argparse
import math
from typing import Dict, List, Optional, Set

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.cli.support import command
from segformer_ros.cli.support import ros_environment
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.strict_yaml import nearest_text
from segformer_ros.ros.node.stop_signal import StopRequest


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; names and meanings are those of ros2 bag play."""
    parser = argparse.ArgumentParser(
        prog='bag_player', formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description='Play a recording with rosbags and rclpy, without rosbag2.')
    parser.add_argument('bag', help='rosbag2 recording or file, mcap or sqlite3')
    parser.add_argument('-s', '--storage', help='ignored: the files tell')
    parser.add_argument('-r', '--rate', type=float, default=1.0, help='times the speed of life')
    parser.add_argument('-l', '--loop', action='store_true',
                        help='start over at the end, until Ctrl-C; /clock goes back then')
    parser.add_argument('-m', '--remap', nargs='+', default=[], metavar='OLD:=NEW',
                        help='publish recorded topics under other names')
    parser.add_argument('--topics', nargs='+', default=[], help='to play; all by default')
    parser.add_argument('--clock', type=float, nargs='?', const=40.0, default=0.0, metavar='HZ',
                        help='publish /clock; 0: do not')
    parser.add_argument('-d', '--delay', type=float, default=0.0,
                        help='seconds to wait before the first message, of each loop')
    return parser


def main(args: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param args: of the command line, without the program's name
    :return: 0 played to the end, 1 not, with a message; 130 interrupted
    """
    options = make_parser().parse_args(ros_environment.own_arguments('bag_player', args))
    ros_environment.carry_images()
    return command.run('bag_player', lambda: play(options))


def play(options: argparse.Namespace) -> int:
    """
    Play one recording.

    :return: command.DONE
    :raises SegformerRosError: it cannot be read, or an option makes no sense
    :raises KeyboardInterrupt: SIGINT or SIGTERM came
    """
    # Not rclpy's handlers: what is published after theirs is an error.
    stop = StopRequest()
    from segformer_ros.evaluation.replay import recording
    from segformer_ros.evaluation.sources.bag_files import find_bags
    from segformer_ros.evaluation.sources.bag_reader import BagPartReader
    from segformer_ros.evaluation.sources.bag_reader import is_latched
    from segformer_ros.ros.peers.bag_player import BagPlayer
    from segformer_ros.ros.peers.bag_player import Pace
    from segformer_ros.ros.peers.standalone_node import StandaloneNode
    if not (0 < options.rate < math.inf and 0 <= options.clock < math.inf
            and 0 <= options.delay < math.inf):
        raise ConfigurationError(
            'Impossible speed',
            got=f'rate {options.rate}, clock {options.clock}, delay {options.delay}',
            expected='a finite --rate above 0, a finite --clock and --delay of 0 or more')
    remaps = parse_remaps(options.remap)
    for name in remaps:
        if options.topics and name not in options.topics:
            raise ConfigurationError('A remapped topic is not played', got=name,
                                     expected='one of --topics ' + ' '.join(options.topics))
    bags = find_bags(options.bag)
    if len(bags) != 1:
        raise ConfigurationError('Not one recording', got=f'{len(bags)} in {options.bag}',
                                 expected='one')
    parts = bags[0].parts
    recording.refuse_ros1(parts)
    # It takes its publishers out of the graph before the process ends.
    with StandaloneNode('bag_player', args=[]) as peer:
        player = BagPlayer(peer.node, Pace(options.rate, options.clock), remaps,
                           lambda: stop.requested)
        with BagPartReader(parts[0]) as reader:
            _check_topics([*options.topics, *remaps],
                          {each.topic for each in reader.connections()})
            for connection in reader.connections():
                if connection.msgcount and (not options.topics
                                            or connection.topic in options.topics):
                    player.advertise(connection.topic, connection.msgtype, is_latched(connection))
        messages, late = 0, 0.0
        # Subscribers need the publishers for some time before they hear them.
        while player.pause(options.delay):
            stored = recording.ReadAhead(recording.stored_messages(parts, options.topics))
            try:
                played = player.play(stored)
            finally:
                stored.close()
            messages, late = messages + played.messages, max(late, played.late)
            if not (options.loop and played.messages):
                break
        if messages:
            player.finish()
        print(f'Played {messages} messages; the latest left {1000.0 * late:.1f} ms late.',
              flush=True)
    if stop.requested:
        raise KeyboardInterrupt
    return command.DONE


def _check_topics(wanted: List[str], recorded: Set[str]) -> None:
    for name in wanted:
        if name not in recorded:
            raise ConfigurationError('No such topic in the recording', got=name,
                                     expected='one of ' + ', '.join(sorted(recorded)),
                                     remedy=nearest_text(name, recorded))


def parse_remaps(words: List[str]) -> Dict[str, str]:
    """
    Return the new names by the recorded ones.

    :param words: such as ``/camera:=/front/image``
    :raises ConfigurationError: they have another form, or name one topic twice
    """
    from rclpy.exceptions import InvalidTopicNameException
    from rclpy.validate_full_topic_name import validate_full_topic_name
    remaps: Dict[str, str] = {}
    for word in words:
        old, new = ('/' + name.lstrip('/') for name in word.partition(':=')[::2])
        try:
            for name in (old, new):
                validate_full_topic_name(name)
        except InvalidTopicNameException as error:
            raise ConfigurationError('Unusable --remap', got=word, expected='OLD:=NEW',
                                     remedy=str(error)) from error
        if old in remaps:
            raise ConfigurationError('Topic remapped twice', got=old, expected='once')
        remaps[old] = new
    return remaps
