# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ROS environment of a command: DDS variables, arguments, and output of libraries."""

import contextlib
import os
import socket
import sys
from typing import Iterator, List, Optional, Tuple

from segformer_ros.common import errors
from segformer_ros.common import resources

WRONG_ARGUMENTS = 2
"""Exit status, that of argparse."""
SETTING_FLAGS = ('-p', '--param', '--params-file', '-r', '--remap')
"""Those of ROS's own flags that would change what a command does."""
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
DOMAINS = range(1, 101)
"""Those whose DDS ports lie below the ports that Linux lends to anybody."""
RESERVATION_PORT = 32768
"""TCP port of domain 0 with domain_coordinator, by which tests of ROS share out domains."""
DISCOVERY_PORT, DISCOVERY_PORTS_PER_DOMAIN = 7410, 250
"""UDP port of a domain's first participant (DDSI-RTPS 2.5, 9.6.2.4)."""

_reserved: List[socket.socket] = []


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
    """
    Choose a ROS domain for this process and its children, unless the environment names one.

    It stays reserved until the process ends.

    :raises ConfigurationError: all domains are in use
    """
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    if 'ROS_DOMAIN_ID' not in os.environ:
        domain, reservation = reserve_domain()
        os.environ['ROS_DOMAIN_ID'] = str(domain)
        _reserved.append(reservation)


def reserve_domain() -> Tuple[int, socket.socket]:
    """
    Reserve a ROS domain in which nobody on this machine is.

    Other processes with this function, or with domain_coordinator, leave it alone.

    :return: the domain, and what to close when it is given back
    :raises ConfigurationError: all domains are in use
    """
    for step in range(len(DOMAINS)):
        domain = DOMAINS[(os.getpid() + step) % len(DOMAINS)]
        reservation = _bound(socket.SOCK_STREAM, RESERVATION_PORT + domain)
        if reservation is None:
            continue
        discovery = _bound(socket.SOCK_DGRAM,
                           DISCOVERY_PORT + DISCOVERY_PORTS_PER_DOMAIN * domain)
        if discovery is not None:
            discovery.close()
            return domain, reservation
        reservation.close()
    raise errors.ConfigurationError(
        'There is no free ROS domain', got=f'domains {DOMAINS[0]} to {DOMAINS[-1]} in use',
        remedy='Set ROS_DOMAIN_ID to a domain where no camera and no node of this package is.')


def _bound(kind: int, port: int) -> Optional[socket.socket]:
    """Return a socket that holds a port, None where somebody else holds it."""
    held = socket.socket(socket.AF_INET, kind)
    try:
        held.bind(('', port))
    except OSError:
        held.close()
        return None
    return held


def own_arguments(name: str, args: Optional[List[str]]) -> List[str]:
    """
    Return the arguments of a command that takes none of ROS; say which of those do nothing.

    They are no error: launch files give every process of a group some.

    :param name: of the command
    :param args: of the command line, without the program's name; None takes the process's own
    :raises SystemExit: ROS cannot read its arguments; said on stderr
    """
    kept = non_ros_arguments(args)
    _, of_ros = _split(sys.argv[1:] if args is None else args)
    # Names of nodes, such as __node:=front, are launch's own business.
    idle = [f'{flag} {word}' for flag, word in zip(of_ros, of_ros[1:])
            if flag in SETTING_FLAGS and not (
                flag in ('-r', '--remap') and
                word.partition(':=')[0].rpartition(':')[2].startswith('__'))]
    if idle:
        print(f"{name}: nothing is done with {', '.join(idle)}: this command has options of its "
              'own, see --help', file=sys.stderr)
    return kept


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
    return _split(given)[0]


def _split(given: List[str]) -> Tuple[List[str], List[str]]:
    """Return the arguments of the command, and those of ROS."""
    kept: List[str] = []
    of_ros: List[str] = []
    is_for_ros = False
    # Not what remove_ros_args returns: it also takes words such as a:=b that stand elsewhere.
    for word in given:
        if is_for_ros:
            is_for_ros = word != '--'
            of_ros.append(word)
        elif word == '--ros-args':
            is_for_ros = True
        else:
            kept.append(word)
    return kept, of_ros
