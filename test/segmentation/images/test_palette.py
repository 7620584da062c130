# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Coloured masks and overlays against plain numpy."""

import numpy as np
import pytest
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.classes import UNLABELED
from segformer_ros.segmentation.images.palette import colorize
from segformer_ros.segmentation.images.palette import overlay

PALETTE = load_class_table('ade20k').palette()


@pytest.fixture
def scene():
    """Return image and mask with some unlabeled pixels."""
    random = np.random.RandomState(0)
    mask = random.randint(0, 150, (37, 53)).astype(np.uint8)
    mask[10:20, 5:30] = UNLABELED
    return random.randint(0, 256, (37, 53, 3)).astype(np.uint8), mask


@pytest.mark.smoke
def test_every_pixel_gets_the_color_of_its_class(scene):
    _, mask = scene
    assert (colorize(mask, PALETTE) == PALETTE[mask]).all()


@pytest.mark.parametrize('alpha', [0.0, 0.3, 0.5, 1.0])
def test_overlay_blends_and_leaves_unlabeled_pixels_alone(scene, alpha):
    image, mask = scene
    expected = alpha * PALETTE[mask] + (1.0 - alpha) * image
    expected[mask == UNLABELED] = image[mask == UNLABELED]
    result = overlay(image, mask, PALETTE, alpha)
    assert result.dtype == np.uint8
    assert np.abs(result - expected).max() <= 0.501


def test_overlay_leaves_its_inputs_alone(scene):
    image, mask = scene
    before = image.copy(), mask.copy()
    overlay(image, mask, PALETTE, 0.5)
    assert (image == before[0]).all()
    assert (mask == before[1]).all()
