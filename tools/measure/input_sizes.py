#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Compare input sizes of the shipped network, for the table and the plot in docs/evaluation.md.

Renders pictures with exact labels of worlds that the network never saw, runs ``evaluate
--input-size`` on them, and puts what that writes into the page.

usage: input_sizes.py [--pictures 40]
"""

import argparse
import datetime
import os
import shutil
import sys
import tempfile

import cv2
import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path[:0] = [ROOT, os.path.join(ROOT, 'tools', 'worlds'), os.path.join(ROOT, 'tools', 'docs')]

import marked  # noqa: E402, I100
import random_views  # noqa: E402
from segformer_ros.cli import evaluate  # noqa: E402
from segformer_ros.evaluation.metrics.performance import machine_description  # noqa: E402
from segformer_ros.simulation.render.renderer import Renderer  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402

# Above every seed of the training set, of the model card's and of the tests' pictures.
FIRST_SEED = 2500000
KINDS = ('indoor', 'outdoor', 'indoor', 'outdoor', 'aerial')
PICTURE_WH = (640, 480)
SIZES = ('384x288', '320x240', '256x192', '192x144')
MARKS = marked.Marks('<!-- input sizes: made by tools/measure/input_sizes.py -->',
                     '<!-- end of input sizes -->')
PICTURE = 'images/input_sizes.svg'


def render(folder: str, count: int) -> None:
    """Write pictures and their labels below a folder, as ``evaluate`` reads them."""
    for name in ('images', 'labels'):
        os.makedirs(os.path.join(folder, name))
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        random = np.random.RandomState(seed)
        world = World(KINDS[seed % len(KINDS)], seed, 'held_out')
        rays = random_views.rays_with_view(*PICTURE_WH, random.uniform(60.0, 80.0))
        view = random_views.random_view(world, random)
        frame = Renderer(rays, random_views.random_sensor(random)).render(
            world, view.camera_to_world, view.time)
        cv2.imwrite(os.path.join(folder, 'images', f'{seed}.png'), frame.image[:, :, ::-1])
        cv2.imwrite(os.path.join(folder, 'labels', f'{seed}.png'), frame.labels)


def part_of_page(sizes_md: str, pictures: int, today: str) -> str:
    """Return what stands between the marks: the table that ``evaluate`` wrote, and its plot."""
    machine = machine_description()
    table = sizes_md[sizes_md.index('| input size'):].rstrip('\n')
    return (f'The shipped network, whose own size is the first, on {pictures} rendered pictures '
            f'of 640 x 480 that it never saw; {machine["processor"]}, {machine["cores"]} cores, '
            f'{today}.\nThe ratio is of processor time, the sizes in turn.\n\n{table}\n\n'
            f'![Mean IoU against the processor time of a frame, by input size]({PICTURE})\n')


def main() -> int:
    """Render, evaluate, write; return the exit status of ``evaluate``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--pictures', type=int, default=40, help='how many to render')
    parser.add_argument('--docs', default=os.path.join(ROOT, 'docs'),
                        help='folder of evaluation.md and images/')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        render(folder, options.pictures)
        output = os.path.join(folder, 'out')
        arguments = [folder, '--mapping', 'same', '--model', 'segformer_sim', '--output', output]
        for size in SIZES:
            arguments += ['--input-size', size]
        status = evaluate.main(arguments)
        if status:
            return status
        with open(os.path.join(output, 'sizes.md'), encoding='utf-8') as stream:
            text = part_of_page(stream.read(), options.pictures,
                                datetime.date.today().strftime('%d %B %Y').lstrip('0'))
        marked.replace(os.path.join(options.docs, 'evaluation.md'), MARKS, text)
        shutil.copyfile(os.path.join(output, 'sizes.svg'), os.path.join(options.docs, PICTURE))
    return 0


if __name__ == '__main__':
    sys.exit(main())
