# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Commands ignore what launch files add for ROS."""

import sys

import pytest
from segformer_ros.cli.support.ros_environment import non_ros_arguments
from segformer_ros.cli.support.ros_environment import own_arguments


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
