#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure in how many images an obstacle has to be seen until its foot is lethal.

A box of 0.3 m stands before a camera on flat floor, drawn with perfect labels. It stands there
from the first image on, or appears on floor that was seen free for fifty images. Images come every
0.1 s, and nothing else moves. Prints a Markdown table.

usage: costmap_sightings.py [--height 0.8] [--pitch 0.35] [--confidence 1.0,0.7,0.4]
"""

import argparse
import os
import sys
from typing import Optional

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from segformer_ros.costmap import cost_table  # noqa: E402
from segformer_ros.costmap import pipeline as costmap_pipeline  # noqa: E402
from segformer_ros.costmap.geometry import transforms  # noqa: E402
from segformer_ros.costmap.geometry.camera_model import Calibration  # noqa: E402
from segformer_ros.costmap.geometry.camera_model import CameraModel  # noqa: E402
from segformer_ros.costmap.settings import CostmapSettings  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402

WIDTH, HEIGHT, FOCAL = 640, 480, 500.0
RANGES = (1.0, 1.5, 2.0, 3.0, 4.0, 4.8)
# Half the width and the height of the box, metres; how near the foot a mark has to be.
_HALF, _TALL, _NEAR = 0.15, 0.5, 0.075
_BEFORE, _MOST = 50, 40


def mask_of_box(ground_from_camera: 'np.ndarray', ahead: Optional[float], floor: int, box: int
                ) -> 'np.ndarray':
    """
    Return the labels (HEIGHT, WIDTH) of flat floor and of a box that stands on it.

    :param ground_from_camera: (4, 4) of a camera above the ground frame's origin
    :param ahead: metres from the camera's foot to the front of the box; None for no box
    """
    u, v = np.meshgrid(np.arange(WIDTH) - 0.5 * (WIDTH - 1), np.arange(HEIGHT)
                       - 0.5 * (HEIGHT - 1))
    rays = np.stack([u / FOCAL, v / FOCAL, np.ones(u.shape)], axis=-1).dot(
        ground_from_camera[:3, :3].T)
    mask = np.where(rays[..., 2] < 0.0, floor, cost_table_sky()).astype(np.uint8)
    if ahead is not None:
        scale = ahead / np.maximum(rays[..., 0], 1e-9)
        z = ground_from_camera[2, 3] + scale * rays[..., 2]
        mask[(np.abs(scale * rays[..., 1]) < _HALF) & (z > 0.0) & (z < _TALL)] = box
    return mask


def cost_table_sky() -> int:
    """Return the class of what is neither ground nor obstacle."""
    return load_class_table('ade20k').id_of('sky')


def images_until_lethal(ahead: float, kind: str, confidence: float, known: bool, height: float,
                        pitch: float) -> Optional[int]:
    """
    Return in which image of an obstacle its foot is lethal, from 1 on; None if in none of 40.

    :param ahead: metres from the camera's foot
    :param kind: class of the box
    :param confidence: of all pixels, 0..1
    :param known: whether its floor was seen free before
    """
    classes = load_class_table('ade20k')
    camera = CameraModel(Calibration(WIDTH, HEIGHT, 'none', (), (
        FOCAL, 0.0, 0.5 * (WIDTH - 1), 0.0, FOCAL, 0.5 * (HEIGHT - 1), 0.0, 0.0, 1.0)))
    pose = transforms.CameraPose(np.eye(4), transforms.mount_pose(height, pitch))
    sure = np.full((HEIGHT, WIDTH), round(255 * confidence), np.uint8)
    stage = costmap_pipeline.CostmapPipeline(
        CostmapSettings(), cost_table.load_cost_table('indoor', classes))
    empty, full = (mask_of_box(pose.ground_from_camera, where, classes.id_of('floor'),
                               classes.id_of(kind)) for where in (None, ahead))
    before = _BEFORE if known else 0
    for number in range(before + _MOST):
        stamp = 1.0 + 0.1 * number
        stage.process('front', costmap_pipeline.CameraView(
            full if number >= before else empty, sure, camera, pose, stamp))
        grid = stage.occupancy(stamp)
        x, y = np.meshgrid(*grid.geometry.centers())
        near = (np.abs(x - ahead) < _NEAR) & (np.abs(y) < _HALF)
        if number >= before and (grid.values[near] == cost_table.LETHAL).any():
            return number - before + 1
    return None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--height', type=float, default=0.8, help='of the camera, metres')
    parser.add_argument('--pitch', type=float, default=0.35, help='of the camera, radians')
    parser.add_argument('--confidence', default='1.0,0.7,0.4', help='0..1, several with commas')
    options = parser.parse_args()
    print('| obstacle | floor before | confidence | {} |\n|{}'.format(
        ' | '.join(f'{ahead:g} m' for ahead in RANGES), '---|' * (len(RANGES) + 3)))
    for kind in ('box', 'person'):
        for known in (False, True):
            for confidence in options.confidence.split(','):
                counts = [images_until_lethal(ahead, kind, float(confidence), known,
                                              options.height, options.pitch) for ahead in RANGES]
                print('| {} | {} | {} | {} |'.format(
                    kind, 'seen free' if known else 'not seen', confidence,
                    ' | '.join('never' if each is None else str(each) for each in counts)),
                    flush=True)


if __name__ == '__main__':
    main()
