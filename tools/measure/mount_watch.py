#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure what the watch on the mount says in drives through simulated worlds.

The robot drives along the world's route at 0.5 m/s with odometry whose steps are off by 2 %. Only
images that the watch wants are rendered. First the whole drive is watched with a mount as it is
told. Then the camera is bumped so often (--bumps), spread over the drive, up and down in turn:
from that second on it is told to look higher or lower by as much as it then is off. The images
stay those of the drive.
Prints a row for each drive and a line for each bump, and with --each every estimate.

usage: mount_watch.py [--worlds indoor:0] [--seconds 60] [--bumps 10] [--degrees 1]
                      [--labels network] [--height 0.8] [--pitch 20] [--keep FOLDER] [--each]
"""

import argparse
import functools
import math
import os
import sys
import time
from typing import Any, Callable, Iterable, Iterator, List, NamedTuple, Optional

import cv2
import numpy as np

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.dirname(TOOLS)]

from segformer_ros.calibration import verdict as calibration_verdict  # noqa: E402, I100
from segformer_ros.calibration import watch as calibration_watch  # noqa: E402
from segformer_ros.calibration.ground_motion import mount_of  # noqa: E402
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
# Seconds that are watched before and after a bump.
BEFORE, AFTER = 30.0, 8.0

LabelsOf = Callable[[RenderedImage], Any]
Frames = List[calibration_watch.WatchedFrame]


class Watched(NamedTuple):
    """One estimate: seconds, the error, whether the verdict is that the mount is off."""

    time: float
    error: calibration_watch.MountError
    is_off: bool
    correction: calibration_verdict.Correction


class DriveResult(NamedTuple):
    """``milliseconds`` of processor time that each image took."""

    estimates: List[Watched]
    milliseconds: float


def camera() -> CameraModel:
    """Return the camera of every drive."""
    return CameraModel(Calibration(WIDTH, HEIGHT, 'plumb_bob', (0.0,) * 5, (
        FOCAL, 0.0, 0.5 * (WIDTH - 1), 0.0, FOCAL, 0.5 * (HEIGHT - 1), 0.0, 0.0, 1.0)))


def render_drive(kind: str, seed: int, seconds: float, mount: Mount,
                 labels_of: Optional[LabelsOf] = None
                 ) -> Iterator[calibration_watch.WatchedFrame]:
    """
    Return the images of a drive that the watch wants, with stamps from 0 on.

    :param mount: true, and as it is told
    :param labels_of: rendered image to mask; None takes the true labels
    """
    world = World(kind, seed)
    world.walkers = []
    route = Trajectory(world, SPEED)
    renderer = Renderer(camera().rays())
    random = np.random.RandomState([seed, 5])
    told = before = route.base_pose(0.0)
    last: Optional[calibration_watch.WatchedFrame] = None
    for number in range(int(seconds * RATE)):
        now = number / RATE
        true = route.base_pose(now)
        told, before = told.dot(noisy(transforms.inverse(before).dot(true), random)), true
        pose = transforms.CameraPose(told, mount.matrix())
        if last is not None and not calibration_watch.is_a_step(
                last.stamp, last.pose.odom_from_ground, now, pose):
            continue
        picture = renderer.render(world, true.dot(mount.matrix()), now)
        last = calibration_watch.WatchedFrame(
            now, picture.image, picture.labels if labels_of is None else labels_of(picture), pose)
        yield last


def kept_drive(folder: str, frames: Callable[[], Iterable[calibration_watch.WatchedFrame]]
               ) -> Frames:
    """Return the images of a folder, which is made of ``frames`` first where there is none."""
    if not os.path.isdir(folder):
        beside = folder + '.part'
        os.makedirs(beside, exist_ok=True)
        for number, frame in enumerate(frames()):
            np.savez_compressed(os.path.join(beside, f'{number:05d}.npz'), stamp=frame.stamp,
                                image=frame.image, mask=frame.mask, odom=frame.pose[0],
                                mount=frame.pose[1])
        os.rename(beside, folder)
    found: Frames = []
    for name in sorted(os.listdir(folder)):
        with np.load(os.path.join(folder, name)) as file:
            found.append(calibration_watch.WatchedFrame(
                float(file['stamp']), file['image'], file['mask'],
                transforms.CameraPose(file['odom'], file['mount'])))
    return found


def watch_drive(kind: str, frames: Iterable[calibration_watch.WatchedFrame],
                bump: float = math.inf, degrees: float = 1.0, apply: bool = False,
                tell: Callable[[Watched], None] = lambda estimate: None) -> DriveResult:
    """
    Return what the watch says of images of a drive.

    :param bump: seconds from which on the camera looks lower by ``degrees`` than it is told
    :param tell: takes each estimate at once
    """
    is_ground = load_cost_table(kind, load_class_table('ade20k')).kinds == GROUND
    watch = calibration_watch.MountWatch(camera(), is_ground)
    verdict = calibration_verdict.MountVerdict(MAX_RANGE, CELL, apply)
    estimates: List[Watched] = []
    spent, images = 0.0, 0
    for frame in frames:
        now, mount = frame.stamp, mount_of(frame.pose.ground_from_camera)
        if now >= bump:
            mount = mount._replace(pitch=mount.pitch - math.radians(degrees))
        # A stamp of zero is none.
        shown = frame._replace(stamp=1.0 + now, pose=frame.pose._replace(
            ground_from_camera=mount.matrix()))
        started = time.process_time()
        said = watch.add(shown)
        error = watch.error() if said else None
        if error is not None:
            verdict.update(shown.stamp, mount.height, error)
        spent += time.process_time() - started
        images += 1
        if error is not None:
            estimates.append(Watched(now, error, verdict.is_off, verdict.correction))
            tell(estimates[-1])
    return DriveResult(estimates, 1e3 * spent / max(1, images))


def told_after(kind: str, frames: Frames, bump: float, degrees: float) -> float:
    """Return how many seconds after a bump it was told, inf where it was not."""
    result = watch_drive(kind, [frame for frame in frames
                                if -BEFORE <= frame.stamp - bump < AFTER], bump, degrees)
    return min((each.time - bump for each in result.estimates
                if each.is_off and each.time >= bump), default=math.inf)


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
    parser.add_argument('--bumps', type=int, default=0, help='in each world')
    parser.add_argument('--degrees', type=float, default=1.0)
    parser.add_argument('--height', type=float, default=0.8, help='of the camera, metres')
    parser.add_argument('--pitch', type=float, default=20.0, help='degrees')
    parser.add_argument('--keep', metavar='FOLDER', help='of images, made if there is none')
    parser.add_argument('--each', action='store_true', help='print every estimate')
    options = parser.parse_args()
    # What is told is processor time; other threads would only wait for each other.
    cv2.setNumThreads(1)
    mount = Mount(options.height, math.radians(options.pitch), 0.0, 0.0, 0.2)
    print('| world | images used | estimates | pitch off, median | pitch off, most '
          '| told off by, median | false warnings | warned for | ms an image |\n|' + '---|' * 9,
          flush=True)
    bumps: List[str] = []

    def tell(estimate: Watched) -> None:
        if options.each:
            print_estimate(estimate)
    with Network(NetworkChoice(options.model), lambda spec: []) as network:
        labels_of = None if options.labels == 'true' else (
            lambda picture: network.segmenter.segment(picture.image, with_confidence=False).mask)
        for world in options.worlds.split(','):
            kind, seed = world.split(':')
            rendered = functools.partial(render_drive, kind, int(seed), options.seconds, mount,
                                         labels_of)
            frames = list(rendered()) if not options.keep else kept_drive(
                os.path.join(options.keep, f'{kind}-{seed}-{options.seconds:.0f}'), rendered)
            result = watch_drive(kind, frames, tell=tell)
            off = [abs(math.degrees(each.error.pitch)) for each in result.estimates]
            told = [math.degrees(each.error.pitch_deviation) for each in result.estimates]
            warned = [False] + [each.is_off for each in result.estimates]
            began = sum(now and not then for then, now in zip(warned, warned[1:]))
            print(f'| {world} | {len(frames)} | {len(off)} | {np.median(off):.2f} '
                  f'| {np.max(off):.2f} | {np.median(told):.2f} | {began} | {sum(warned)} '
                  f'| {result.milliseconds:.1f} |', flush=True)
            for number in range(options.bumps):
                moment = (number + 1) * options.seconds / (options.bumps + 1)
                degrees = options.degrees * (1 - 2 * (number % 2))
                after = told_after(kind, frames, moment, degrees)
                bumps.append(f'{world}, {moment:.1f} s, {degrees:+.1f} degrees: '
                             f'told after {after:.1f} s')
    print('\n'.join(bumps))


if __name__ == '__main__':
    main()
