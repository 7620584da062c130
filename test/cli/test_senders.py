# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Commands that send images use a transport that carries them, and end quietly when told to."""

import os
import subprocess
import sys

import pytest
from segformer_ros.cli import bag_player
from segformer_ros.cli import demo
from segformer_ros.cli import simulated_camera
from segformer_ros.cli.support import command
from segformer_ros.cli.support import ros_environment

pytest.importorskip('rclpy', reason='rclpy is not installed')

VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


@pytest.fixture(autouse=True)
def no_profile(monkeypatch):
    """Start without a profile, and leave what the tests themselves use behind."""
    for name in VARIABLES + ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        # Setting it first has monkeypatch restore it, whatever the command does.
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)


def profiles():
    return {os.path.basename(os.environ.get(name, '')) for name in VARIABLES}


def test_simulated_camera_sends_through_enough_shared_memory(monkeypatch):
    seen = []
    monkeypatch.setattr('segformer_ros.ros.node.process.run_node',
                        lambda *arguments, **options: seen.append(profiles()) or 0)
    assert simulated_camera.main([]) == 0
    assert seen == [{'fastdds.xml'}]


def test_bag_player_sends_through_enough_shared_memory(monkeypatch):
    seen = []
    monkeypatch.setattr(bag_player, 'play', lambda options: seen.append(profiles()) or 0)
    assert bag_player.main(['a_bag']) == command.DONE
    assert seen == [{'fastdds.xml'}]


def interrupt(*arguments):
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


def test_ctrl_c_ends_the_player_without_a_traceback(monkeypatch, capsys):
    monkeypatch.setattr(bag_player, 'play', interrupt)
    assert bag_player.main(['a_bag']) == command.INTERRUPTED
    assert capsys.readouterr().err == '\nInterrupted.\n'


def test_ctrl_c_ends_the_demo_without_a_traceback(monkeypatch, capsys):
    monkeypatch.setattr(demo, 'run', interrupt)
    assert demo.main([]) == 130
    assert capsys.readouterr().err == '\nInterrupted.\n'


def test_what_libraries_write_to_stdout_goes_to_stderr_while_json_is_made(capfd):
    with ros_environment.stdout_kept_clean():
        os.write(1, b'noise of a library')
    os.write(1, b'{}')
    assert capfd.readouterr() == ('{}', 'noise of a library')


@pytest.mark.parametrize('arguments, variables, words', [
    (['--topics', '/nope'], {}, 'No such topic in the recording: got /nope; expected one of '),
    (['--remap', '/nope:=/b'], {}, 'No such topic in the recording: got /nope; expected one of '),
    (['--clock', '-1'], {}, '--clock and --delay of 0 or more'),
    ([], {'ROS_DOMAIN_ID': 'robot'}, 'ROS_DOMAIN_ID (0 to 232)')])
def test_bag_player_refuses_what_would_do_nothing_without_a_traceback(
        shared, arguments, variables, words):
    bag = str(shared('bags/camvid_sqlite3'))
    done = subprocess.run(
        [sys.executable, '-m', 'segformer_ros.cli.bag_player', bag] + arguments,
        env={**os.environ, 'ROS_DOMAIN_ID': '81', **variables},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=60)
    assert done.returncode != 0
    assert words in done.stdout and 'Traceback' not in done.stdout
    assert 'deprecated' not in done.stdout
