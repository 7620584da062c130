# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The demo as a user starts it: real processes, real DDS, files that can be opened."""

import json
import os
import subprocess
import sys

from PIL import Image
import pytest
from segformer_ros.evaluation.run.grid_pictures import FREE_COLOR
from segformer_ros.evaluation.run.grid_pictures import ROBOT_COLOR

pytest.importorskip('rclpy', reason='rclpy is not installed')


def demo(folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != 'ROS_DOMAIN_ID'}
    return subprocess.run(
        [sys.executable, '-m', 'segformer_ros.cli.demo', '--output', str(folder), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
        env=environment, timeout=300, check=False)


def test_demo_writes_figures_pictures_and_an_animation(tmp_path):
    done = demo(tmp_path, '--frames', '3', '--size', '160', '120', '--world', 'indoor',
                '--world', 'outdoor')
    assert done.returncode == 0, done.stderr
    with open(str(tmp_path / 'summary.json'), encoding='utf-8') as stream:
        summary = json.load(stream)
    assert sorted(summary['worlds']) == ['indoor', 'outdoor']
    for figures in summary['worlds'].values():
        assert 1 <= figures['frames'] <= 3
        assert 0.0 < figures['mean_iou'] <= 1.0
        # Most of what the costmap knows is free ground, which is seen as such.
        assert 0.5 < figures['costmap_agreement'] <= 1.0
    frames = sum(figures['frames'] for figures in summary['worlds'].values())
    with Image.open(str(tmp_path / 'demo.gif')) as animation:
        assert animation.n_frames == frames
    for world in summary['worlds']:
        with Image.open(str(tmp_path / (world + '.png'))) as still:
            assert 2 * 160 < still.width < still.height
            colors = {color for _, color in still.convert('RGB').getcolors(1 << 20)}
            assert {FREE_COLOR, ROBOT_COLOR} <= colors
    assert 'mIoU' in done.stdout


def test_demo_without_its_model_tells_why_and_ends(tmp_path):
    done = demo(tmp_path, '--frames', '1', '--size', '160', '120', '--world', 'indoor',
                '--model', 'missing.onnx')
    assert done.returncode == 1
    assert 'missing.onnx' in done.stderr
    assert 'Traceback' not in done.stderr
