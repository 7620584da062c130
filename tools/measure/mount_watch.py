#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure what the watch on the mount says in drives through simulated worlds.

The robot drives along the world's route at 0.5 m/s with odometry whose steps are off by 2 %. With
--bump the camera looks lower from that second on. Only images that the watch wants are rendered.
Prints a row for each drive, and with --each every estimate.

usage: mount_watch.py [--worlds indoor:0] [--seconds 60] [--bump 30] [--degrees 1]
                      [--labels network] [--height 0.8] [--pitch 20] [--each]
"""

import argparse
import math
import os
import sys
import time
from typing import Any, Callable, List, NamedTuple, Optional

import cv2
import numpy as np

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.dirname(TOOLS)]

from segformer_ros.calibration import verdict as calibration_verdict  # noqa: E402, I100
from segformer_ros.calibration import watch as calibration_watch  # noqa: E402
from segformer_ros.costmap.cost_table import GROUND  # noqa: E402
from segformer_ros.costmap.cost_table import load_cost_table  # noqa: E402
from segformer_ros.costmap.geometry import transforms  # noqa: E402
from segformer_ros.costmap.geometry.camera_model import Calibration  # noqa: E402
from segformer_ros.costmap.geometry.camera_model import CameraModel  # noqa: E402
from segformer_ros.costmap.geometry.camera_poses import Mount  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.simulation.render.renderer import RenderedImage  # noqa: E402
from segformer_ros.simulation.render.renderer import Renderer  # noqa: E402
from segformer_ros.simulation.world.trajectory import Trajectory  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402

SPEED, RATE, NOISE = 0.5, 10.0, 0.02
WIDTH, HEIGHT, FOCAL = 320, 240, 208.0
MAX_RANGE, CELL = 5.0, 0.05

LabelsOf = Callable[[RenderedImage], Any]


class Watched(NamedTuple):
    """One estimate: seconds, the error, whether the verdict is that the mount is off."""

    time: float
    error: calibration_watch.MountError
    is_off: bool
    correction: calibration_verdict.Correction


class DriveResult(NamedTuple):
    """``images`` were used; ``milliseconds`` of processor time each took."""

    estimates: List[Watched]
    images: int
    milliseconds: float


def drive(kind: str, seed: int, seconds: float, mount: Mount, bump: float = math.inf,
          degrees: float = 1.0, labels_of: Optional[LabelsOf] = None, apply: bool = False,
          tell: Callable[[Watched], None] = lambda estimate: None) -> DriveResult:
    """
    Return what the watch says in a drive.

    :param mount: as it is told; true until the bump
    :param bump: seconds after which the camera looks lower by ``degrees``
    :param labels_of: rendered image to mask; None takes the true labels
    :param tell: takes each estimate at once
    """
    world = World(kind, seed)
    world.walkers = []
    route = Trajectory(world, SPEED)
    camera = CameraModel(Calibration(WIDTH, HEIGHT, 'plumb_bob', (0.0,) * 5, (
        FOCAL, 0.0, 0.5 * (WIDTH - 1), 0.0, FOCAL, 0.5 * (HEIGHT - 1), 0.0, 0.0, 1.0)))
    renderer = Renderer(camera.rays())
    is_ground = load_cost_table(kind, load_class_table('ade20k')).kinds == GROUND
    watch = calibration_watch.MountWatch(camera, is_ground)
    verdict = calibration_verdict.MountVerdict(MAX_RANGE, CELL, apply)
    random = np.random.RandomState([seed, 5])
    told = before = route.base_pose(0.0)
    estimates: List[Watched] = []
    spent, images = 0.0, 0
    for number in range(int(seconds * RATE)):
        now = number / RATE
        true = route.base_pose(now)
        told, before = told.dot(noisy(transforms.inverse(before).dot(true), random)), true
        pose = transforms.CameraPose(told, mount.matrix())
        if not watch.wants(1.0 + now, pose):
            continue
        bumped = mount._replace(pitch=mount.pitch + math.radians(degrees) * (now >= bump))
        picture = renderer.render(world, true.dot(bumped.matrix()), now)
        mask = picture.labels if labels_of is None else labels_of(picture)
        started = time.process_time()
        said = watch.add(calibration_watch.WatchedFrame(1.0 + now, picture.image, mask, pose))
        error = watch.error() if said else None
        if error is not None:
            verdict.update(1.0 + now, mount.height, error)
        spent += time.process_time() - started
        images += 1
        if error is not None:
            estimates.append(Watched(now, error, verdict.is_off, verdict.correction))
            tell(estimates[-1])
    return DriveResult(estimates, images, 1e3 * spent / max(1, images))


def print_estimate(estimate: Watched) -> None:
    """Print one estimate."""
    error = estimate.error
    print(f'{estimate.time:.1f} pitch {math.degrees(error.pitch):+.2f} +- '
          f'{math.degrees(error.pitch_deviation):.2f} height {error.height:+.3f} +- '
          f'{error.height_deviation:.3f} {error.points} {estimate.is_off}', flush=True)


def noisy(step: Any, random: np.random.RandomState) -> Any:
    """Return a step in the plane with length, direction and turn off by :data:`NOISE`."""
    way = math.hypot(step[0, 3], step[1, 3])
    off = NOISE * random.randn(3)
    return transforms.planar_pose(step[0, 3] + way * off[0], step[1, 3] + way * off[1],
                                  math.atan2(step[1, 0], step[0, 0]) * (1.0 + off[2]))


def main() -> None:
    """Drive through every world and print what the watch said."""
    from segformer_ros.evaluation.run.network import Network
    from segformer_ros.evaluation.run.network import NetworkChoice
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', default='segformer_sim', help='name or path')
    parser.add_argument('--labels', default='network', help='true or network')
    parser.add_argument('--worlds', default='indoor:0', help='kind:seed,...')
    parser.add_argument('--seconds', type=float, default=60.0)
    parser.add_argument('--bump', type=float, default=math.inf, metavar='SECONDS')
    parser.add_argument('--degrees', type=float, default=1.0)
    parser.add_argument('--height', type=float, default=0.8, help='of the camera, metres')
    parser.add_argument('--pitch', type=float, default=20.0, help='degrees')
    parser.add_argument('--each', action='store_true', help='print every estimate')
    options = parser.parse_args()
    # What is told is processor time; other threads would only wait for each other.
    cv2.setNumThreads(1)
    mount = Mount(options.height, math.radians(options.pitch), 0.0, 0.0, 0.2)
    print('| world | estimates | pitch off, median | pitch off, most | told off by, median '
          '| warned at | warned for | ms an image used | images used |\n|' + '---|' * 9,
          flush=True)
    with Network(NetworkChoice(options.model), lambda spec: []) as network:
        labels_of = None if options.labels == 'true' else (
            lambda picture: network.segmenter.segment(picture.image, with_confidence=False).mask)
        for world in options.worlds.split(','):
            kind, seed = world.split(':')
            result = drive(kind, int(seed), options.seconds, mount, options.bump,
                           options.degrees, labels_of,
                           tell=print_estimate if options.each else lambda estimate: None)
            off = [abs(math.degrees(each.error.pitch) - options.degrees
                       * (each.time > options.bump)) for each in result.estimates
                   if not 0.0 < each.time - options.bump < 4.0]
            warned = [each.time for each in result.estimates if each.is_off]
            told = [math.degrees(each.error.pitch_deviation) for each in result.estimates]
            print('| {} | {} | {:.2f} | {:.2f} | {:.2f} | {} | {} | {:.1f} | {} |'.format(
                world, len(off), np.median(off), np.max(off), np.median(told),
                f'{warned[0]:.1f} s' if warned else 'never', len(warned), result.milliseconds,
                result.images), flush=True)


if __name__ == '__main__':
    main()
