# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The demo's files: an animation of all worlds, a still of each, with or without a costmap."""

import os

import numpy as np
from PIL import Image
import pytest

from segformer_ros.evaluation.demo.grid_pictures import GridPair
from segformer_ros.evaluation.demo.grid_pictures import GridPose
from segformer_ros.evaluation.demo.grid_pictures import LETHAL_COLOR
from segformer_ros.evaluation.demo.pictures import DemoPictures
from segformer_ros.evaluation.demo.pictures import most_varied
from segformer_ros.evaluation.demo.report import DemoFrame
from segformer_ros.model.classes import load_class_table
from segformer_ros.segmentation.images.palette import overlay


@pytest.fixture(scope='module')
def classes():
    return load_class_table('ade20k')


def frame(classes, class_ids, with_grids=False):
    """Return a frame whose truth has these classes as upright stripes."""
    truth = np.repeat(np.array(class_ids, np.uint8), 240 // len(class_ids))[np.newaxis]
    truth = np.ascontiguousarray(truth.repeat(180, 0))
    image = np.full(truth.shape + (3,), 90, np.uint8)
    grids = None
    if with_grids:
        costmap = np.zeros((100, 100), np.int8)
        costmap[60:] = 100
        grids = GridPair(costmap, costmap, GridPose(50.0, 50.0, 0.0))
    return DemoFrame(0.0, image, truth, truth, overlay(image, truth, classes.palette(), 0.5),
                     0.1, grids)


def written(folder, classes, worlds):
    titles = {world: world for world in worlds}
    demo = DemoPictures(worlds, classes, titles, dict.fromkeys(worlds, 'mIoU 1.00'))
    return demo, demo.write(str(folder), 0.3)


@pytest.mark.parametrize('with_grids', [False, True])
def test_files_of_all_worlds_are_written(tmp_path, classes, with_grids):
    # One class in one world and fourteen in the other: legends of different length.
    worlds = {'indoor': [frame(classes, [0, 3], with_grids)] * 3,
              'outdoor': [frame(classes, list(range(4, 16)), with_grids)] * 2}
    _, paths = written(tmp_path, classes, worlds)
    assert [os.path.basename(path) for path in paths] == ['indoor.png', 'outdoor.png', 'demo.gif']
    with Image.open(paths[-1]) as animation:
        # Pictures that do not change may be stored once and shown longer.
        assert 2 <= animation.n_frames <= 5
        assert animation.size[0] < 1100
    for path in paths[:2]:
        with Image.open(path) as image:
            assert image.size[0] > 2 * 240


def test_moving_run_has_a_frame_for_each_image(tmp_path, classes):
    run = [frame(classes, [0, class_id]) for class_id in (3, 12, 20, 4)]
    _, paths = written(tmp_path, classes, {'indoor': run})
    with Image.open(paths[-1]) as animation:
        assert animation.n_frames == 4


def test_costmap_takes_the_place_of_the_truth(classes):
    with_grids = DemoPictures({'w': [frame(classes, [0], True)]}, classes, {'w': ''}, {'w': ''})
    without = DemoPictures({'w': [frame(classes, [0])]}, classes, {'w': ''}, {'w': ''})
    assert (with_grids.animation_frames()[0] == LETHAL_COLOR).all(2).sum() > 1000
    assert not (without.animation_frames()[0] == LETHAL_COLOR).all(2).any()
    # Two rows of two against one row of three.
    assert with_grids.animation_frames()[0].shape[0] > without.animation_frames()[0].shape[0]
    assert with_grids.animation_frames()[0].shape[1] < without.animation_frames()[0].shape[1]


def test_one_frame_without_a_costmap_makes_all_show_the_truth(classes):
    demo = DemoPictures({'a': [frame(classes, [0], True)], 'b': [frame(classes, [0])]},
                        classes, {'a': '', 'b': ''}, {'a': '', 'b': ''})
    first, second = demo.animation_frames()
    assert first.shape == second.shape
    assert not (first == LETHAL_COLOR).all(2).any()


def test_still_shows_the_frame_with_the_most_classes(classes):
    run = [frame(classes, [0]), frame(classes, [0, 3, 5]), frame(classes, [0, 3]),
           frame(classes, [1, 2, 3])]
    assert most_varied(run) is run[1]
