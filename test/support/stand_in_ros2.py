# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A stand-in for the command ``ros2``, which has no wheel.

It takes exactly the options of Humble's that the package and its README use, in their documented
forms. Bags are played with the package's own player, launch files run on the strict fake_launch.
"""

import argparse
import os
import signal
import subprocess
import sys
import time


AS_IN = {'kilted': 'jazzy', 'lyrical': 'rolling'}
"""Whose arguments of launch hold for a distribution, where not its own."""


def make_parser():
    """Return a parser with the documented options of ros2 bag play."""
    parser = argparse.ArgumentParser(prog='ros2 bag play')
    parser.add_argument('bag_file', type=existing)
    parser.add_argument('-s', '--storage', choices=['sqlite3', 'mcap'])
    parser.add_argument('-r', '--rate', type=float, default=1.0)
    parser.add_argument('--topics', default=[], nargs='+')
    parser.add_argument('--clock', type=float, nargs='?', const=40, default=0)
    parser.add_argument('-d', '--delay', type=float, default=0.0)
    return parser


def existing(path):
    """Return a path that exists."""
    if not os.path.exists(path):
        raise argparse.ArgumentTypeError('no such bag: ' + path)
    return path


def play(words):
    """Play a bag."""
    options = make_parser().parse_args(words)
    from segformer_ros.cli.bag_player import main as player
    print(f'stand-in for ros2 bag play: {vars(options)}')
    return player([options.bag_file, '--rate', str(options.rate), '--clock', str(options.clock),
                   '--delay', str(options.delay)] + (['--topics'] + options.topics
                                                     if options.topics else []))


def executable_of(package, name):
    """Return the path of an executable, found as ``ros2 run`` finds it."""
    from ament_index_python.packages import get_package_prefix
    path = os.path.join(get_package_prefix(package), 'lib', package, name)
    if not os.access(path, os.X_OK):
        raise SystemExit('No executable found')
    return path


def run(words):
    """Become the executable of a package."""
    path = executable_of(*words[:2])
    os.execv(path, [path] + words[2:])


def text_of(value):
    """Return a parameter as YAML on one line, which is what ``-p name:=value`` takes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return '[' + ', '.join(text_of(each) for each in value) + ']'
    return f"'{value}'" if value == '' else str(value)


def command_of(process):
    """Return the words with which launch_ros starts a Node."""
    words = [executable_of(process['package'], process['executable'])] + process['arguments']
    words += ['--ros-args', '-r', '__node:=' + process['name']]
    if process['namespace']:
        words += ['-r', '__ns:=/' + process['namespace'].strip('/')]
    for given in process['parameters']:
        for name, value in given.items() if isinstance(given, dict) else ():
            words += ['-p', f'{name}:={text_of(value)}']
        if not isinstance(given, dict):
            words += ['--params-file', given]
    for old, new in process['remappings']:
        words += ['-r', f'{old}:={new}']
    return words


def launch(words):
    """Start what a launch file describes; pass the signals on, end with the last process."""
    from ament_index_python.packages import get_package_share_directory
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from support import fake_launch
    share = get_package_share_directory(words[0])
    distribution = os.environ.get('ROS_DISTRO', 'humble')
    fake_launch.PROJECT_ROOT = share
    # Launch files of ours look at the command line of ros2.
    sys.argv[:] = ['ros2', 'launch'] + words
    found = fake_launch.run(os.path.join(share, 'launch', words[1]),
                            AS_IN.get(distribution, distribution), words[2:])
    running = [subprocess.Popen(command_of(each), env=dict(os.environ, **each['additional_env']))
               for each in found]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: [each.send_signal(signal.SIGINT)
                                                     for each in running])
    return max([each.wait() for each in running], default=0)


def echo(words):
    """Print the next message of a topic without its arrays."""
    parser = argparse.ArgumentParser(prog='ros2 topic echo')
    parser.add_argument('--once', action='store_true', required=True)
    parser.add_argument('--no-arr', action='store_true', required=True)
    parser.add_argument('topic_name')
    topic = parser.parse_args(words).topic_name
    import importlib
    import rclpy
    from rclpy.qos import DurabilityPolicy
    from rclpy.qos import QoSProfile
    rclpy.init()
    node = rclpy.create_node('_ros2cli_stand_in')
    try:
        publishers, received = [], []
        while not publishers:
            publishers = node.get_publishers_info_by_topic(topic)
            time.sleep(0.1)
        package, _, name = publishers[0].topic_type.split('/')
        latched = all(each.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
                      for each in publishers)
        node.create_subscription(
            getattr(importlib.import_module(package + '.msg'), name), topic, received.append,
            QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else
                       DurabilityPolicy.VOLATILE))
        while not received:
            rclpy.spin_once(node, timeout_sec=0.5)
        print_fields(received[0], '')
        print('---')
    finally:
        node.destroy_node()
        rclpy.shutdown()
    return 0


def print_fields(message, indent):
    """Print the fields of a message as ros2 topic echo does, arrays by their length alone."""
    for name, kind in message.get_fields_and_field_types().items():
        value = getattr(message, name)
        if hasattr(value, 'get_fields_and_field_types'):
            print(f'{indent}{name}:')
            print_fields(value, indent + '  ')
        elif kind.startswith('sequence<') or kind.endswith(']'):
            print(f"{indent}{name}: '<{kind.replace('<', ', ').rstrip('>')}: "
                  f"length: {len(value)}>'")
        else:
            print(f'{indent}{name}: {value}')


VERBS = {('bag', 'play'): play, ('run',): run, ('launch',): launch, ('topic', 'echo'): echo}


def main(words):
    """Do what the first one or two words say; any other is a mistake of the caller."""
    for verb, function in VERBS.items():
        if tuple(words[:len(verb)]) == verb:
            return function(words[len(verb):])
    raise AssertionError(words)


def install(folder, python=sys.executable, script=os.path.abspath(__file__)):
    """
    Write an executable ``ros2`` into a folder.

    :param script: path of this file where the executable is called
    """
    path = os.path.join(str(folder), 'ros2')
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(f'#!/bin/sh\nexec {python} {script} "$@"\n')
    os.chmod(path, 0o755)


if __name__ == '__main__':
    raise SystemExit(main(sys.argv[1:]))
