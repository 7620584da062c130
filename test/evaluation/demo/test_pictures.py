# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The demo's files: stills and an animation, colours and timing, with or without a costmap."""

import io
import os

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
from PIL import ImageSequence
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.demo import pictures
from segformer_ros.evaluation.demo.report import DemoFrame
from segformer_ros.evaluation.demo.true_grid import GridPair
from segformer_ros.evaluation.run.grid_pictures import GridPose
from segformer_ros.evaluation.run.grid_pictures import LETHAL_COLOR
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
    demo = pictures.DemoPictures(worlds, classes, titles, dict.fromkeys(worlds, 'mIoU 1.00'))
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
    with_grids = pictures.DemoPictures({'w': [frame(classes, [0], True)]}, classes, {'w': ''},
                                       {'w': ''})
    without = pictures.DemoPictures({'w': [frame(classes, [0])]}, classes, {'w': ''}, {'w': ''})
    assert (with_grids.animation_frames()[0] == LETHAL_COLOR).all(2).sum() > 1000
    assert not (without.animation_frames()[0] == LETHAL_COLOR).all(2).any()
    # Two rows of two against one row of three.
    assert with_grids.animation_frames()[0].shape[0] > without.animation_frames()[0].shape[0]
    assert with_grids.animation_frames()[0].shape[1] < without.animation_frames()[0].shape[1]


def test_one_frame_without_a_costmap_makes_all_show_the_truth(classes):
    demo = pictures.DemoPictures({'a': [frame(classes, [0], True)], 'b': [frame(classes, [0])]},
                                 classes, {'a': '', 'b': ''}, {'a': '', 'b': ''})
    first, second = demo.animation_frames()
    assert first.shape == second.shape
    assert not (first == LETHAL_COLOR).all(2).any()


def test_still_shows_the_frame_with_the_most_classes(classes):
    run = [frame(classes, [0]), frame(classes, [0, 3, 5]), frame(classes, [0, 3]),
           frame(classes, [1, 2, 3])]
    assert pictures.most_varied(run) is run[1]


def read_gif(path):
    with Image.open(path) as animation:
        frames = [np.array(frame.convert('RGB')) for frame in ImageSequence.Iterator(animation)]
        return frames, dict(animation.info)


def test_frames_of_few_colours_come_back_exactly(tmp_path):
    frames = [np.zeros((40, 60, 3), np.uint8) for _ in range(5)]
    for at, frame in enumerate(frames):
        frame[5:20, 10 * at:10 * at + 8] = (255, 40 * at, 7)
    kept = [(0, 0, 0)] + [(255, 40 * at, 7) for at in range(5)]
    path = str(tmp_path / 'a.gif')
    pictures.write_gif(path, frames, 0.25, kept)
    read, info = read_gif(path)
    assert len(read) == 5
    for have, want in zip(read, frames):
        assert (have == want).all()
    assert info['loop'] == 0
    assert info['duration'] == 250


def test_small_bright_thing_in_a_large_smooth_picture_keeps_its_colour(tmp_path):
    y, x = np.mgrid[:200, :300]
    frame = np.stack([x * 0.5 + 40, y * 0.6 + 60, x * 0.2 + y * 0.3 + 50], 2).astype(np.uint8)
    frame[90:96, 100:104] = (230, 20, 60)
    path = str(tmp_path / 'a.gif')
    pictures.write_gif(path, [frame, frame[::-1].copy()], 0.1)
    read, _ = read_gif(path)
    inside = read[0][90:96, 100:104].reshape(-1, 3).astype(int)
    assert np.abs(inside - (230, 20, 60)).max() <= 8
    assert np.abs(read[0].astype(int) - frame).mean() < 4


def test_kept_colours_are_in_the_palette_and_stay_near_each_other(tmp_path):
    kept = [(18, 21, 26), (16, 16, 24), (23, 23, 31), (58, 63, 72)]
    picture = np.random.RandomState(0).randint(0, 60, (80, 80, 3)).astype(np.uint8)
    for at, color in enumerate(kept):
        picture[4 * at:4 * at + 4, :8] = color
    colors = np.array(pictures.palette_of([picture], kept).getpalette(), np.uint8).reshape(-1, 3)
    assert len(colors) <= 256
    assert {tuple(int(level) for level in row) for row in colors} >= set(kept)
    pictures.write_gif(str(tmp_path / 'a.gif'), [picture], 0.1, kept)
    read, _ = read_gif(str(tmp_path / 'a.gif'))
    for at, color in enumerate(kept):
        # Pillow looks colours up in steps of 4 levels, and takes the middle of 2 x 2 x 2 of them.
        assert np.abs(read[0][4 * at:4 * at + 4, :8].astype(int) - color).max() <= 8


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10000), distinct=st.integers(1, 300), size=st.integers(1, 60))
def test_no_pixel_moves_further_than_to_the_nearest_colour(seed, distinct, size):
    random = np.random.RandomState(seed)
    colors = random.randint(0, 256, (distinct, 3)).astype(np.uint8)
    picture = colors[random.randint(0, distinct, (size, size))]
    stream = io.BytesIO()
    pictures.write_gif(stream, [picture], 0.1)
    frames, _ = read_gif(stream)
    moved = np.sqrt(np.square(frames[0].astype(int) - picture.astype(int)).sum(2))
    palette = pictures.palette_of([picture]).getpalette()
    every = np.array(palette, np.uint8).reshape(-1, 3).astype(int)
    assert len(every) <= 256
    nearest = np.sqrt(np.square(picture.reshape(-1, 1, 3).astype(int) - every).sum(2)).min(1)
    assert (moved.ravel() <= nearest + 14.0).all()
    if distinct <= 256:
        assert moved.max() <= 14.0


@pytest.mark.parametrize('frames', [
    [], [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)]], ids=['none', 'sizes'])
def test_frames_that_make_no_animation_are_refused(tmp_path, frames):
    with pytest.raises(InvalidInputError, match='make no animation'):
        pictures.write_gif(str(tmp_path / 'a.gif'), frames, 0.1)


def test_png_keeps_every_pixel(tmp_path):
    picture = np.random.RandomState(1).randint(0, 256, (30, 40, 3)).astype(np.uint8)
    pictures.write_png(str(tmp_path / 'a.png'), picture)
    with Image.open(str(tmp_path / 'a.png')) as image:
        assert (np.array(image) == picture).all()
