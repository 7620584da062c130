# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ROS environment of a command: DDS variables, arguments, and output of libraries."""

import contextlib
import os
import sys
from typing import Iterator, List, Optional

from segformer_ros.common import resources

WRONG_ARGUMENTS = 2
"""Exit status, that of argparse."""
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def carry_images() -> None:
    """Choose a DDS profile with room for images, unless the environment names one."""
    for variable in PROFILE_VARIABLES:
        os.environ.setdefault(variable, resources.find('config/fastdds.xml'))


@contextlib.contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """
    Send to stderr what libraries write to stdout themselves.

    Fast DDS reports there, in the middle of JSON, ports that killed processes left behind.
    """
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def keep_apart() -> None:
    """Choose a ROS domain for this process alone, unless the environment names one."""
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))


def non_ros_arguments(args: Optional[List[str]]) -> List[str]:
    """
    Return the arguments without those for ROS, which launch files add.

    :param args: of the command line, without the program's name; None takes the process's own
    :raises SystemExit: ROS cannot read its arguments; said on stderr
    """
    given = sys.argv[1:] if args is None else args
    try:
        from rclpy.utilities import remove_ros_args
        # Options such as --remap that stand before it are the command's own.
        start = given.index('--ros-args') if '--ros-args' in given else len(given)
        remove_ros_args([''] + given[start:])
    except ImportError:
        pass  # without ROS nothing adds any; the command says later that ROS is missing
    except RuntimeError as error:  # all errors of rclpy's C++ part
        print(f'Cannot start: {error}. Correct what stands after --ros-args, or the parameter '
              'file that it names.', file=sys.stderr)
        raise SystemExit(WRONG_ARGUMENTS) from None
    kept: List[str] = []
    is_for_ros = False
    # Not what remove_ros_args returns: it also takes words such as a:=b that stand elsewhere.
    for word in given:
        if is_for_ros:
            is_for_ros = word != '--'
        elif word == '--ros-args':
            is_for_ros = True
        else:
            kept.append(word)
    return kept
