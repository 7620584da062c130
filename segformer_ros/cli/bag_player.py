# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``bag_player``: what ``ros2 bag play`` does, without rosbag2."""

import argparse
import time
from typing import List, Optional

from segformer_ros.cli.support import command
from segformer_ros.cli.support import ros_environment
from segformer_ros.common.errors import ConfigurationError


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; names and meanings are those of ros2 bag play."""
    parser = argparse.ArgumentParser(
        prog='bag_player', formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description='Play a recording with rosbags and rclpy, without rosbag2.')
    parser.add_argument('bag', help='rosbag2 recording or file, mcap or sqlite3')
    parser.add_argument('-s', '--storage', help='ignored: the files tell')
    parser.add_argument('-r', '--rate', type=float, default=1.0, help='times the speed of life')
    parser.add_argument('--topics', nargs='+', default=[], help='to play; all by default')
    parser.add_argument('--clock', type=float, nargs='?', const=40.0, default=0.0, metavar='HZ',
                        help='publish /clock; 0: do not')
    parser.add_argument('-d', '--delay', type=float, default=0.0,
                        help='seconds to wait before the first message')
    return parser


def main(args: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param args: of the command line, without the program's name
    :return: 0 played to the end, 1 not, with a message; 130 interrupted
    """
    options = make_parser().parse_args(ros_environment.non_ros_arguments(args))
    ros_environment.carry_images()
    return command.run('bag_player', lambda: play(options))


def play(options: argparse.Namespace) -> int:
    """
    Play one recording.

    :return: command.DONE
    :raises SegformerRosError: it cannot be read, or an option makes no sense
    """
    import rclpy
    from segformer_ros.evaluation.replay import recording
    from segformer_ros.evaluation.sources.bag_files import find_bags
    from segformer_ros.evaluation.sources.bag_reader import BagPartReader
    from segformer_ros.evaluation.sources.bag_reader import is_latched
    from segformer_ros.ros.peers.bag_player import BagPlayer
    from segformer_ros.ros.peers.bag_player import Pace
    if options.rate <= 0 or options.clock < 0 or options.delay < 0:
        raise ConfigurationError(
            'Impossible speed',
            got=f'rate {options.rate}, clock {options.clock}, delay {options.delay}',
            expected='a rate above 0')
    bags = find_bags(options.bag)
    if len(bags) != 1:
        raise ConfigurationError('Not one recording', got=f'{len(bags)} in {options.bag}',
                                 expected='one')
    parts = bags[0].parts
    recording.refuse_ros1(parts)
    rclpy.init(args=[])
    try:
        node = rclpy.create_node('bag_player')
        player = BagPlayer(node, Pace(options.rate, options.clock))
        with BagPartReader(parts[0]) as reader:
            for connection in reader.connections():
                if connection.msgcount and (not options.topics
                                            or connection.topic in options.topics):
                    player.advertise(connection.topic, connection.msgtype, is_latched(connection))
        # Subscribers need the publishers for some time before they hear them.
        time.sleep(options.delay)
        messages = recording.ReadAhead(recording.stored_messages(parts, options.topics))
        try:
            played = player.play(messages)
        finally:
            messages.close()
        print(f'Played {played.messages} messages; the latest left {1000.0 * played.late:.1f} ms '
              'late.')
        return command.DONE
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    raise SystemExit(main())
