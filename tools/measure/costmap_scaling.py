#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure how the costmap's time grows with pixels and with cells.

Prints Markdown: processor milliseconds of a frame, and how much more four times as many cost.
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

import cv2  # noqa: E402, I100
import numpy as np  # noqa: E402
from segformer_ros.evaluation.benchmark import benchmark  # noqa: E402
from segformer_ros.simulation.render.renderer import pinhole_rays  # noqa: E402
from segformer_ros.simulation.render.renderer import Renderer  # noqa: E402
from segformer_ros.simulation.world.trajectory import Trajectory  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402

VGA = (640, 480)
SIZES = ((320, 240), VGA, (1280, 960))
GRIDS = (10.0, 20.0, 40.0)
FRAMES = 30


def room():
    """Return the true labels of a furnished room."""
    world = World('indoor', 0)
    way = Trajectory(world, 1.0, 0.8, 0.35)
    return Renderer(pinhole_rays(*VGA, 500.0, 500.0, 319.5, 239.5)).render(
        world, way.camera_pose(1.0), 1.0).labels


def milliseconds(labels, size_wh, mount, grid):
    """Return the median processor time of a frame; the first ones make tables."""
    mask = cv2.resize(labels, size_wh, interpolation=cv2.INTER_NEAREST)
    variant = benchmark.costmap_variant(mask, mount, grid)
    taken = []
    for _ in range(FRAMES):
        started = time.thread_time()
        variant.run()
        taken.append(time.thread_time() - started)
    return 1e3 * float(np.median(taken[3:]))


def main():
    """Print the table."""
    cv2.setNumThreads(1)
    labels = room()
    print('| mount | four times as many | ms | each step |\n|---|---|---|---|')
    for mount in (benchmark.FIXED, benchmark.MOVING):
        for what, taken in (
                ('pixels: ' + ', '.join('{} x {}'.format(*size) for size in SIZES),
                 [milliseconds(labels, size, mount, GRIDS[0]) for size in SIZES]),
                ('cells: ' + ', '.join(f'{grid:.0f} m' for grid in GRIDS),
                 [milliseconds(labels, VGA, mount, grid) for grid in GRIDS])):
            print('| {} | {} | {} | {} |'.format(
                mount, what, ', '.join(f'{each:.1f}' for each in taken),
                ', '.join(f'x {after / before:.1f}'
                          for before, after in zip(taken, taken[1:]))), flush=True)


if __name__ == '__main__':
    main()
