# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The executables that are nodes explain themselves and refuse what would do nothing."""

import os
import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

NODES = ('segformer', 'simulated_camera')


def run(name, *arguments, **environment):
    return subprocess.run(
        [sys.executable, '-m', f'segformer_ros.cli.{name}', *arguments], timeout=60, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
        env=dict(os.environ, **environment))


@pytest.mark.parametrize('name, parameter', [('segformer', 'ground_frame'),
                                             ('simulated_camera', 'base_frame')])
def test_help_names_every_parameter_and_starts_nothing(name, parameter):
    from segformer_ros.ros.parameters.node import CAMERA_ROWS
    from segformer_ros.ros.parameters.node import node_rows
    from segformer_ros.ros.peers.simulated_camera import ROWS
    done = run(name, '--help')
    assert done.returncode == 0
    assert done.stdout.startswith(f'usage: {name} [-h] [--ros-args')
    rows = ROWS if name == 'simulated_camera' else node_rows() + CAMERA_ROWS
    assert [row.name for row in rows if f'\n  {row.name} (' not in done.stdout] == []
    assert parameter in [row.name for row in rows]


@pytest.mark.parametrize('name', NODES)
@pytest.mark.parametrize('arguments, text', [
    (['image_raw'], 'image_raw would do nothing'),
    (['--rate', '5'], '--rate 5 would do nothing'),
    (['--ros-args', '--params-file', '/nowhere.yaml'], "'--params-file /nowhere.yaml'"),
    (['--ros-args', '-r', 'a:=:b c'], "'-r a:=:b c'"),
])
def test_argument_that_does_nothing_or_cannot_be_read_ends_the_start(name, arguments, text):
    done = run(name, *arguments)
    assert done.returncode == 2
    assert text in done.stdout
    assert 'Traceback' not in done.stdout


@pytest.mark.parametrize('name', NODES)
def test_ros_environment_that_cannot_be_read_ends_the_start_with_the_variable(name):
    done = run(name, ROS_DOMAIN_ID='robot')
    assert done.returncode == 2
    assert 'ROS_DOMAIN_ID is not an integral number' in done.stdout
    assert 'Traceback' not in done.stdout
