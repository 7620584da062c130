# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The closed loop as a user starts it: real processes, real DDS, the shipped network."""

import json
import os
import subprocess
import sys

from PIL import Image
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('skimage')


def drive(folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != 'ROS_DOMAIN_ID'}
    return subprocess.run(
        [sys.executable, '-m', 'segformer_ros.cli.drive', '--output', str(folder), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
        env=environment, timeout=400, check=False)


@pytest.mark.slow
def test_a_robot_reaches_a_goal_without_touching_anything(tmp_path):
    done = drive(tmp_path, '--goals', '1')
    assert done.returncode == 0, done.stderr
    with open(str(tmp_path / 'drive.json'), encoding='utf-8') as stream:
        figures = json.load(stream)
    assert (figures['goals'], figures['reached'], figures['contacts']) == (1, 1, 0)
    (goal,) = figures['by_goal']
    assert 3.0 < goal['best'] < 5.0 and goal['best'] * 0.9 < goal['length'] < 2.0 * goal['best']
    assert 0.1 < figures['least_clearance'] < 1.0
    # 4 m at 0.5 m/s, turns and start included.
    assert 7.0 < figures['simulated_seconds'] < 60.0
    assert 0.0 < figures['image_to_costmap']['p50'] < 5.0
    assert all(value > 0.5 for value in figures['processor_seconds'].values())
    with Image.open(str(tmp_path / 'drive.gif')) as animation:
        assert animation.n_frames >= 4 and animation.width > 640
    page = (tmp_path / 'drive.md').read_text(encoding='utf-8')
    assert '1 of 1 goals reached, 0 contacts' in page and '| yes |' in page


def test_a_drive_without_its_model_tells_why_and_ends(tmp_path):
    done = drive(tmp_path, '--model', 'missing.onnx')
    assert done.returncode == 1
    assert 'missing.onnx' in done.stderr
    assert 'Traceback' not in done.stderr
