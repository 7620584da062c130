# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The examples that need no ROS, run as a reader would."""

import os
import re
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest
from segformer_ros.common import resources
from segformer_ros.costmap.geometry.transforms import mount_pose
from support import plane_scene

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

WALL, SKY, FLOOR = 0, 2, 3
"""Class ids of ADE20K."""


@pytest.fixture
def run(project_root, tmp_path):
    """Return a function that runs an example in an empty folder and returns what it prints."""
    path = os.pathsep.join([project_root] + os.environ.get('PYTHONPATH', '').split(os.pathsep))

    def example(name, *arguments):
        done = subprocess.run(
            [sys.executable, os.path.join(project_root, 'examples', name)] + list(arguments),
            cwd=str(tmp_path), env=dict(os.environ, PYTHONPATH=path), timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        assert done.returncode == 0, done.stdout
        return done.stdout
    return example


def test_picture_is_segmented_and_its_overlay_saved(run, tmp_path):
    picture = resources.find('config/self_check/indoor_3.jpg')
    said = run('segment_picture.py', picture, 'overlay.png')
    assert re.search(r'^floor +\d+\.\d% of the picture, confidence 0\.\d\d$', said, re.MULTILINE)
    image, overlay = (np.array(Image.open(str(path)))
                      for path in (picture, tmp_path / 'overlay.png'))
    assert overlay.shape == image.shape and (overlay != image).any(axis=2).mean() > 0.9


def test_mask_is_projected_to_where_the_wall_stands(run, tmp_path):
    # 320 / 2 / tan(70 degrees / 2) pixels are the focal length that the example computes.
    pinhole = plane_scene.Pinhole(320, 240, 160.0 / np.tan(np.radians(35.0)), 159.5, 119.5)
    scene = plane_scene.Scene(FLOOR, (), (plane_scene.Box(2.0, -0.4, 0.4, 0.4, WALL),), SKY)
    labels = scene.render(pinhole, mount_pose(0.8, np.radians(20.0))).labels
    Image.fromarray(labels).save(str(tmp_path / 'mask.png'))
    said = run('project_mask.py', 'mask.png', 'grid.png')
    assert re.match(r'[1-9]\d* cells are obstacles, [1-9]\d{2,} are free, \d\d% of', said)
    grid = np.array(Image.open(str(tmp_path / 'grid.png')))
    assert grid.shape == (200, 200)
    # 5 cm a cell, the robot in the middle: ahead is up, right is right.
    rows, columns = np.nonzero(grid == 0)
    ahead, right = (100 - rows) * 0.05, (columns - 100) * 0.05
    assert abs(ahead.min() - 1.8) < 0.15 and abs(right.mean() - 0.4) < 0.15
    assert grid[100 - 24, 100] == 255 and grid[150, 100] == 128


def test_folder_is_scored(run, project_root, tmp_path):
    picture = resources.find('config/self_check/indoor_3.jpg')
    (tmp_path / 'images').mkdir()
    (tmp_path / 'labels').mkdir()
    with Image.open(picture) as image:
        size = image.size
        for name in ('one.jpg', 'two.jpg', 'without.jpg'):
            image.save(str(tmp_path / 'images' / name))
    for name, label in (('one', FLOOR), ('two', 255)):
        Image.fromarray(np.full(size[::-1], label, np.uint8)).save(
            str(tmp_path / 'labels' / (name + '.png')))
    said = run('score_folder.py', 'images', 'labels')
    assert 'without.jpg: no label, left out' in said
    accuracy = re.search(r'^2 images: mIoU 0\.\d{3}, pixel accuracy (0\.\d{3})$', said,
                         re.MULTILINE).group(1)
    # Labels that call all of it floor: accuracy and IoU of that class are its share.
    assert re.search(rf'^floor +IoU {re.escape(accuracy)}$', said, re.MULTILINE)
    assert 0.05 < float(accuracy) < 0.95
