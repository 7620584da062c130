# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Render a labelled data set: OUT/{train,val}/{images,labels}/NAME.png.

The package must be importable: run it as ``PYTHONPATH=. python tools/train/make_dataset.py``.
Run the same command again to go on where it stopped.
"""

import argparse
import multiprocessing
import os
import sys
from typing import List, NamedTuple

import cv2
import numpy as np

from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.world.world import World

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'worlds'))

import random_views  # noqa: E402, I100

# Seeds of the two sets never meet.
VAL_FIRST_SEED = 1000000
VIEWS_PER_WORLD = 2
# Share of each kind of world.
MIX = (('indoor', 0.42), ('outdoor', 0.38), ('aerial', 0.20))
# A camera's size: train.py shrinks pictures as the node does, which takes noise and jagged edges
# off them.
SIZE_WH = (640, 480)


class Job(NamedTuple):
    """One world to render."""

    folder: str
    kind: str
    seed: int
    textures: str
    width: int
    height: int


def distorted_rays(width: int, height: int, random: np.random.RandomState) -> np.ndarray:
    """
    Draw the rays of a camera: 55 to 85 degrees wide, half of them with radial distortion.

    :param width: image width, pixels; ``height`` likewise
    :return: directions in the optical frame, (H, W, 3)
    """
    half = np.tan(np.radians(random.uniform(55.0, 85.0)) / 2)
    x = (np.arange(width) - 0.5 * (width - 1)) / (0.5 * width) * half
    y = (np.arange(height) - 0.5 * (height - 1)) / (0.5 * width) * half
    x, y = np.meshgrid(x, y)
    if random.uniform() < 0.5:
        bend = 1.0 + random.uniform(-0.10, 0.20) * (x * x + y * y)
        x, y = x * bend, y * bend
    return np.stack([x, y, np.ones_like(x)], axis=2)


def render(job: Job) -> int:
    """Render the views of one world and write them; return how many."""
    last = f'{job.kind}_{job.seed:07d}_{VIEWS_PER_WORLD - 1}.png'
    if os.path.exists(os.path.join(job.folder, 'labels', last)):
        return VIEWS_PER_WORLD
    world = World(job.kind, job.seed, job.textures)
    random = np.random.RandomState([job.seed, 4242])
    for view_index in range(VIEWS_PER_WORLD):
        rays = distorted_rays(job.width, job.height, random)
        renderer = Renderer(rays, random_views.random_sensor(random))
        view = random_views.random_view(world, random)
        blur = random.normal(0.0, 2.0, 2) if random.uniform() < 0.3 else (0.0, 0.0)
        frame = renderer.render(world, view.camera_to_world, view.time,
                                (float(blur[0]), float(blur[1])))
        name = f'{job.kind}_{job.seed:07d}_{view_index}.png'
        fast = [cv2.IMWRITE_PNG_COMPRESSION, 1]
        cv2.imwrite(os.path.join(job.folder, 'images', name), frame.image[..., ::-1], fast)
        cv2.imwrite(os.path.join(job.folder, 'labels', name), frame.labels, fast)
    return VIEWS_PER_WORLD


def jobs(out: str, split: str, images: int, kinds: List[str], skip: int) -> List[Job]:
    """List the worlds of a split, kinds interleaved; ``skip`` leaves out the first seeds."""
    width, height = SIZE_WH
    textures = 'train' if split == 'train' else 'held_out'
    first = skip + (0 if split == 'train' else VAL_FIRST_SEED)
    folder = os.path.join(out, split)
    for part in ('images', 'labels'):
        os.makedirs(os.path.join(folder, part), exist_ok=True)
    random = np.random.RandomState(first)
    shares = np.array([share if kind in kinds else 0.0 for kind, share in MIX])
    drawn = random.choice([kind for kind, _ in MIX], p=shares / shares.sum(),
                          size=images // VIEWS_PER_WORLD)
    return [Job(folder, str(kind), first + index, textures, width, height)
            for index, kind in enumerate(drawn)]


def main() -> None:
    """Run the command."""
    from tqdm import tqdm
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', required=True)
    parser.add_argument('--train', type=int, default=7000, help='images to train on')
    parser.add_argument('--val', type=int, default=300, help='images to measure on')
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--kinds', nargs='+', default=[kind for kind, _ in MIX],
                        choices=[kind for kind, _ in MIX])
    parser.add_argument('--skip-seeds', type=int, default=0,
                        help='leave out this many seeds, to add to a data set')
    options = parser.parse_args()
    work = [job for split, images in (('val', options.val), ('train', options.train))
            for job in jobs(options.out, split, images, options.kinds, options.skip_seeds)]
    with multiprocessing.get_context('spawn').Pool(options.workers) as pool:
        with tqdm(total=len(work) * VIEWS_PER_WORLD, unit='image') as bar:
            for done in pool.imap_unordered(render, work):
                bar.update(done)


if __name__ == '__main__':
    main()
