# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A classifier that sees single pixels fails: the labels need texture, shape and context."""

import numpy as np
import pytest
import random_views

from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.textures.bank import CLASSES
from segformer_ros.simulation.world.world import World

pytestmark = [pytest.mark.once, pytest.mark.slow]

KINDS = ('indoor', 'indoor', 'outdoor', 'outdoor', 'aerial')
BINS = 32


def pictures(first_seed, count, textures):
    pixels, labels = [], []
    for index in range(count):
        world = World(KINDS[index % len(KINDS)], first_seed + index, textures)
        random = np.random.RandomState(first_seed + index)
        renderer = Renderer(random_views.rays_with_view(64, 48, 75.0),
                            random_views.random_sensor(random))
        view = random_views.random_view(world, random)
        frame = renderer.render(world, view.camera_to_world, view.time)
        pixels.append(frame.image.reshape(-1, 3))
        labels.append(frame.labels.ravel())
    return np.concatenate(pixels), np.concatenate(labels)


def cells(pixels):
    r, g, b = (pixels.astype(int) * BINS // 256).T
    return (r * BINS + g) * BINS + b


def smoothed(table):
    # Neighbouring colours vote too, so that rare colours do not fail for want of data.
    cube = table.reshape(BINS, BINS, BINS, -1)
    for axis in range(3):
        padded = np.concatenate([cube.take([0], axis), cube, cube.take([-1], axis)], axis)
        size = cube.shape[axis]
        cube = (padded.take(range(size), axis) + 2 * padded.take(range(1, size + 1), axis)
                + padded.take(range(2, size + 2), axis))
    return cube.reshape(BINS ** 3, -1)


def mean_iou(truth, found):
    scores = []
    for class_id in np.unique(truth):
        either = ((truth == class_id) | (found == class_id)).sum()
        scores.append(((truth == class_id) & (found == class_id)).sum() / float(either))
    return float(np.mean(scores))


@pytest.fixture(scope='module')
def train_pixels():
    return pictures(0, 60, 'train')


@pytest.fixture(scope='module')
def held_out_pixels():
    return pictures(500000, 25, 'held_out')


@pytest.mark.parametrize('balance', [0.0, 0.5, 1.0])
def test_per_pixel_color_classifier_stays_below_0_35(balance, train_pixels, held_out_pixels):
    pixels, labels = train_pixels
    table = np.zeros((BINS ** 3, 256))
    np.add.at(table, (cells(pixels), labels), 1.0)
    # From the most likely class (0) to every class equally likely before the colour is seen.
    table = smoothed(table) / np.maximum(table.sum(axis=0), 1.0) ** balance
    pixels, truth = held_out_pixels
    found = table[cells(pixels)].argmax(axis=1)
    assert len(np.unique(truth)) >= 25
    score = mean_iou(truth, found)
    assert 0.02 < score < 0.35


def test_worlds_show_every_class_they_promise(train_pixels):
    _, labels = train_pixels
    assert set(np.unique(labels)) == set(CLASSES)
    assert len(CLASSES) >= 25
