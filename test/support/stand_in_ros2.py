# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A stand-in for ``ros2 bag play``, which has no wheel.

It takes exactly the options of Humble's that the package uses, in their documented forms, and
plays with the package's own player.
"""

import argparse
import os
import sys


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


def main(words):
    """Play."""
    assert words[:2] == ['bag', 'play'], words
    options = make_parser().parse_args(words[2:])
    from segformer_ros.cli.bag_player import main as play
    print(f'stand-in for ros2 bag play: {vars(options)}')
    return play([options.bag_file, '--rate', str(options.rate), '--clock', str(options.clock),
                 '--delay', str(options.delay)] + (['--topics'] + options.topics
                                                   if options.topics else []))


def install(folder):
    """Write an executable ``ros2`` into a folder."""
    path = os.path.join(str(folder), 'ros2')
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(f'#!/bin/sh\nexec {sys.executable} {os.path.abspath(__file__)} "$@"\n')
    os.chmod(path, 0o755)


if __name__ == '__main__':
    raise SystemExit(main(sys.argv[1:]))
