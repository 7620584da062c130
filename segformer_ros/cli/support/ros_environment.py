# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ROS environment of a command: DDS variables, arguments, and output of libraries."""

import contextlib
import os
import sys
from typing import Iterator, List, Optional

from segformer_ros.common import resources

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
    """
    kept: List[str] = []
    is_for_ros = False
    # Not rclpy's remove_ros_args, which also takes words such as a:=b that stand elsewhere.
    for word in sys.argv[1:] if args is None else args:
        if is_for_ros:
            is_for_ros = word != '--'
        elif word == '--ros-args':
            is_for_ros = True
        else:
            kept.append(word)
    return kept
