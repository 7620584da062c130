# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Rendered pictures of worlds and textures that the shipped network never saw."""

import numpy as np
import random_views
from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.world.world import World

# Above every seed of the training set and of the set that the model card reports on.
FIRST_SEED = 2000000
KINDS = ('indoor', 'outdoor', 'indoor', 'outdoor', 'aerial')


def held_out_frames(count, size_wh=(320, 240)):
    """Yield frames with exact labels; every seed a world of its own."""
    for index in range(count):
        seed = FIRST_SEED + index
        world = World(KINDS[index % len(KINDS)], seed, 'held_out')
        random = np.random.RandomState(seed)
        rays = random_views.rays_with_view(size_wh[0], size_wh[1], random.uniform(60.0, 80.0))
        renderer = Renderer(rays, random_views.random_sensor(random))
        view = random_views.random_view(world, random)
        yield renderer.render(world, view.camera_to_world, view.time)


class LabelTable:
    """Counts of (true, found) labels over many pictures."""

    def __init__(self):
        self._counts = np.zeros((256, 256), np.int64)

    def add(self, true, found):
        """Count the pixels of a picture."""
        np.add.at(self._counts, (true.ravel(), found.ravel()), 1)

    def pixel_accuracy(self):
        """Return the share of right pixels."""
        return float(np.trace(self._counts) / self._counts.sum())

    def occurring(self):
        """Return how many classes the true labels hold."""
        return int((self._counts.sum(axis=1) > 0).sum())

    def mean_iou(self):
        """Return the mean IoU over the classes that the true labels hold."""
        hits = np.diag(self._counts).astype(float)
        either = self._counts.sum(axis=0) + self._counts.sum(axis=1) - hits
        occurs = self._counts.sum(axis=1) > 0
        return float((hits[occurs] / either[occurs]).mean())
