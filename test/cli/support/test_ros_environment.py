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
    (['--ros-args'], []),
    (['--remap', '/a:=/b', '--ros-args', '-r', 'c:=d'], ['--remap', '/a:=/b'])])
def test_arguments_of_ros_are_left_out(given, own, monkeypatch):
    assert non_ros_arguments(given) == own
    monkeypatch.setattr(sys, 'argv', ['demo'] + given)
    assert non_ros_arguments(None) == own
