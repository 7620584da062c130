# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Render the pictures on which every engine is checked: config/self_check/*.jpg."""

import os
import sys

import numpy as np
from PIL import Image

from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.world.world import World

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'worlds'))

import random_views  # noqa: E402, I100

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                      'config', 'self_check')
SIZE_WH = (384, 288)
# Kind of world and seed, chosen by eye for many classes and people in view.
SCENES = (('indoor', 3), ('indoor', 8), ('outdoor', 2), ('outdoor', 5), ('aerial', 1))


def main():
    """Write the pictures."""
    os.makedirs(FOLDER, exist_ok=True)
    renderer = Renderer(random_views.rays_with_view(SIZE_WH[0], SIZE_WH[1], 75.0))
    for kind, seed in SCENES:
        world = World(kind, seed)
        # Of twelve views, the one that shows most classes.
        random = np.random.RandomState(seed)
        frames = [renderer.render(world, view.camera_to_world, view.time)
                  for view in (random_views.random_view(world, random) for _ in range(12))]
        best = max(frames, key=lambda frame: len(np.unique(frame.labels)))
        path = os.path.join(FOLDER, f'{kind}_{seed}.jpg')
        Image.fromarray(best.image).save(path, quality=90)
        print(path, len(np.unique(best.labels)), 'classes')


if __name__ == '__main__':
    main()
