# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Commands ignore what launch files add for ROS."""

import sys

import pytest
from segformer_ros.cli.support.ros_environment import non_ros_arguments


@pytest.mark.parametrize('given, own', [
    ([], []), (['--frames', '3'], ['--frames', '3']),
    (['--frames', '3', '--ros-args', '-r', '__node:=demo'], ['--frames', '3']),
    (['--ros-args', '-p', 'x:=1', '--', '--frames', '3'], ['--frames', '3']),
    (['--ros-args'], [])])
def test_arguments_of_ros_are_left_out(given, own, monkeypatch):
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    assert non_ros_arguments(given) == own
    monkeypatch.setattr(sys, 'argv', ['demo'] + given)
    assert non_ros_arguments(None) == own


def test_without_ros_every_argument_is_the_command_s_own(monkeypatch):
    monkeypatch.setitem(sys.modules, 'rclpy.utilities', None)
    assert non_ros_arguments(['--frames', '3']) == ['--frames', '3']
