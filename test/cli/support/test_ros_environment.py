# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Commands ignore what launch files add for ROS, and find a domain where nobody is."""

import contextlib
import os
import socket
import subprocess
import sys

import pytest
from segformer_ros.cli.support import ros_environment
from segformer_ros.cli.support.ros_environment import non_ros_arguments
from segformer_ros.cli.support.ros_environment import own_arguments
from segformer_ros.common.errors import ConfigurationError


@pytest.mark.parametrize('given, own', [
    ([], []), (['--frames', '3'], ['--frames', '3']),
    (['--frames', '3', '--ros-args', '-r', '__node:=demo'], ['--frames', '3']),
    (['--ros-args', '-p', 'x:=1', '--', '--frames', '3'], ['--frames', '3']),
    (['--ros-args'], []),
    (['--remap', '/a:=/b', '--ros-args', '-r', 'c:=d'], ['--remap', '/a:=/b'])])
def test_arguments_of_ros_are_left_out(given, own, monkeypatch):
    assert non_ros_arguments(given) == own
    monkeypatch.setattr(sys, 'argv', ['demo'] + given)
    assert non_ros_arguments(None) == own


@pytest.mark.parametrize('given, own, told', [
    (['bag', '-r', '2'], ['bag', '-r', '2'], ''),
    (['bag', '--ros-args', '-r', '__node:=p', '-r', 'bag_player:__ns:=/r', '--log-level', 'warn'],
     ['bag'], ''),
    (['bag', '--ros-args', '-r', '/a:=/b', '-p', 'x:=1', '--', '-r', '2'], ['bag', '-r', '2'],
     'bag_player: nothing is done with -r /a:=/b, -p x:=1: this command has options of its own, '
     'see --help\n')])
def test_arguments_of_ros_that_do_nothing_are_told(given, own, told, capsys, monkeypatch):
    assert own_arguments('bag_player', given) == own
    assert capsys.readouterr().err == told
    monkeypatch.setattr(sys, 'argv', ['bag_player'] + given)
    assert own_arguments('bag_player', None) == own
    assert capsys.readouterr().err == told


APART = """
import os, sys
os.getpid = lambda: 41
from segformer_ros.cli.support import ros_environment
ros_environment.keep_apart()
print(os.environ['ROS_DOMAIN_ID'], os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'], flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def process_apart(**variables):
    kept = {name: value for name, value in os.environ.items()
            if name not in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE')}
    with subprocess.Popen([sys.executable, '-c', APART], env=dict(kept, **variables),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process.stdout.readline().decode().split()
        finally:
            process.kill()


def test_commands_that_run_beside_each_other_have_domains_of_their_own():
    with process_apart() as first, process_apart() as second, process_apart() as third:
        domains = [first[0], second[0], third[0]]
        assert len(set(domains)) == 3 and all(1 <= int(each) <= 100 for each in domains)
        assert first[1] == 'LOCALHOST'
    with process_apart(ROS_DOMAIN_ID='7', ROS_AUTOMATIC_DISCOVERY_RANGE='SUBNET') as named:
        assert named == ['7', 'SUBNET']


def test_domain_of_a_node_that_runs_is_left_alone(monkeypatch):
    rclpy = pytest.importorskip('rclpy')
    domain, reservation = ros_environment.reserve_domain()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    try:
        node = rclpy.create_node('here', context=context)
        # Nothing but the node holds the domain now; the search begins there.
        reservation.close()
        monkeypatch.setattr(os, 'getpid', lambda: domain - 1)
        other, held = ros_environment.reserve_domain()
        held.close()
        assert other != domain
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
    # Free again when the node has ended.
    again, held = ros_environment.reserve_domain()
    held.close()
    assert again == domain


def test_domains_are_shared_out_with_domain_coordinator(monkeypatch):
    coordinator = pytest.importorskip('domain_coordinator')
    with coordinator.domain_id() as theirs:
        monkeypatch.setattr(os, 'getpid', lambda: theirs - 1)
        ours, reservation = ros_environment.reserve_domain()
        with reservation:
            assert ours != theirs
            # What theirs asks for first is ours.
            wishes = iter([ours] + list(range(1, 101)))
            with coordinator.domain_id(lambda: next(wishes)) as other:
                assert other not in (ours, theirs)


def test_no_free_domain_is_told_with_what_helps(monkeypatch):
    monkeypatch.setattr(ros_environment, 'DOMAINS', range(7, 9))
    with contextlib.ExitStack() as stack:
        for domain in (7, 8):
            held = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                held.bind(('', ros_environment.RESERVATION_PORT + domain))
        with pytest.raises(ConfigurationError, match='domains 7 to 8 in use. Set ROS_DOMAIN_ID'):
            ros_environment.reserve_domain()
