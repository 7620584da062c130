# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Render a captured folder in a world whose textures no network has seen, with true labels.

OUT/capture is what the node's capture would have written: pictures, the shipped network's masks,
a manifest. OUT/labels has the true class ids, as a person would correct the masks to. OUT/held_out
is another such pair, from other rooms or streets of the same make. To try the training tools and
to measure what they are worth.
"""

import argparse
import json
import os
import sys
from typing import List, Optional

import cv2
import numpy as np
from tqdm import tqdm

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path[:0] = [ROOT, os.path.join(ROOT, 'tools', 'worlds')]

import random_views  # noqa: E402, I100
from segformer_ros.model.classes import load_class_table  # noqa: E402, I100
from segformer_ros.segmentation.load_model import load_model  # noqa: E402
from segformer_ros.segmentation.segmenter import Segmenter  # noqa: E402
from segformer_ros.simulation.render.renderer import Renderer  # noqa: E402
from segformer_ros.simulation.textures.bank import RECIPES  # noqa: E402
from segformer_ros.simulation.textures.patterns import PATTERNS  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402

# Far above the seeds of make_dataset.py.
FIRST_SEED, HELD_OUT_SEED = 7000000, 7500000
VIEWS_PER_WORLD = 5
COLORS = 10
VIEW_DEGREES = 70.0


def retextured(world: World, make: int) -> World:
    """
    Give every class of a world patterns and colours that the texture bank never gives it.

    :param world: changed in place, and returned
    :param make: the same number gives the same materials in every world: one building, one town
    """
    known = {}
    for class_id, families, _ in RECIPES.values():
        known.setdefault(class_id, set()).update(families)
    # An own count for each class: how many materials of it a world has does not shift the others.
    seen = dict.fromkeys(known, 0)
    for index, material in enumerate(world.materials):
        class_id = material.class_id
        random = np.random.RandomState([make, class_id, seen[class_id] % 2])
        seen[class_id] += 1
        others = sorted(set(PATTERNS) - known[class_id])
        base = random.uniform(0.1, 0.9, 3)
        palette = np.clip(base + random.normal(0.0, 0.18, (COLORS, 3)), 0.02, 0.98)
        world.materials[index] = material._replace(
            pattern=others[random.randint(len(others))], palette=palette.astype(np.float32),
            scale=float(random.uniform(0.5, 2.0)), salt=int(random.randint(1, 10000)))
    return world


def render_set(folder: str, kind: str, make: int, first_seed: int, frames: int,
               size_wh: 'tuple[int, int]', segmenter: Segmenter, names: List[str]) -> None:
    """Write FOLDER/capture and FOLDER/labels."""
    capture, labels = os.path.join(folder, 'capture'), os.path.join(folder, 'labels')
    for each in (os.path.join(capture, 'images'), os.path.join(capture, 'masks'), labels):
        os.makedirs(each, exist_ok=True)
    rays = random_views.rays_with_view(size_wh[0], size_wh[1], VIEW_DEGREES)
    with open(os.path.join(capture, 'classes.json'), 'w', encoding='utf-8') as stream:
        json.dump(names, stream)
    with open(os.path.join(capture, 'manifest.jsonl'), 'w', encoding='utf-8') as manifest:
        for number in tqdm(range(frames), desc=f'rendering {folder}'):
            if number % VIEWS_PER_WORLD == 0:
                seed = first_seed + number // VIEWS_PER_WORLD
                world = retextured(World(kind, seed), make)
                random = np.random.RandomState([seed, 4243])
                renderer = Renderer(rays, random_views.random_sensor(random))
            view = random_views.random_view(world, random)
            frame = renderer.render(world, view.camera_to_world, view.time)
            name = f'{kind}_{seed}_{number % VIEWS_PER_WORLD}'
            found = segmenter.segment(frame.image)
            row = {'id': name, 'stamp_ns': 1700000000000000000 + number * 500000000,
                   'camera': 'front', 'frame_id': 'camera', 'reason': 'unsure',
                   'score': round(float(found.confidence.mean()) / 255.0, 4),
                   'image': f'images/{name}.png', 'mask': f'masks/{name}.png',
                   'confidence': None, 'camera_info': None, 'pose': None,
                   'model': {'name': segmenter.spec.name, 'digest': ''}, 'blurred': []}
            cv2.imwrite(os.path.join(capture, row['image']), frame.image[..., ::-1])
            cv2.imwrite(os.path.join(capture, row['mask']), found.mask)
            cv2.imwrite(os.path.join(labels, name + '.png'), frame.labels)
            manifest.write(json.dumps(row) + '\n')


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--out', required=True)
    parser.add_argument('--frames', type=int, default=50)
    parser.add_argument('--held-out', type=int, default=40)
    parser.add_argument('--kind', choices=('indoor', 'outdoor'), default='indoor')
    parser.add_argument('--make', type=int, default=1, help='another number: other materials')
    parser.add_argument('--size', type=int, nargs=2, default=(320, 240),
                        metavar=('WIDTH', 'HEIGHT'))
    parser.add_argument('--model', default='segformer_sim')
    options = parser.parse_args(arguments)
    segmenter = load_model(options.model, threads=1)
    names = list(load_class_table(segmenter.spec.classes).names)
    for folder, first, frames in ((options.out, FIRST_SEED, options.frames),
                                  (os.path.join(options.out, 'held_out'), HELD_OUT_SEED,
                                   options.held_out)):
        render_set(folder, options.kind, options.make, first, frames, tuple(options.size),
                   segmenter, names)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
