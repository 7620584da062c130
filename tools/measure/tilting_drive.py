#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure what an IMU is worth on a robot that brakes and rolls over kerbs, ramps and slopes.

One drive through each world, with the same masks for every row: without an IMU, with its
orientation, with gyroscope and accelerometer alone, and with the tilt that is true. Odometry lies
in the plane, as that of wheels does. Prints a Markdown table.

--feet is the same without pictures: feet of things go through the true pose into the picture and
through the pose that is told back to the ground.

usage: tilting_drive.py [--labels true,network] [--worlds indoor:0,outdoor:0] [--length 20]
                        [--slope 3] [--slope-time 8]
       tilting_drive.py --tilt [--length 40]
       tilting_drive.py --feet [--length 40] [--slope 3]
"""

import argparse
import math
import os
import sys
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

import numpy as np

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.dirname(TOOLS), os.path.join(TOOLS, 'worlds'),
                os.path.join(TOOLS, 'measure')]

import costmap_drive  # noqa: E402, I100
from segformer_ros.common.errors import TransformError  # noqa: E402
from segformer_ros.costmap import cost_table  # noqa: E402
from segformer_ros.costmap import pipeline as costmap_pipeline  # noqa: E402
from segformer_ros.costmap.geometry import lift  # noqa: E402
from segformer_ros.costmap.geometry import tilt  # noqa: E402
from segformer_ros.costmap.geometry import transforms  # noqa: E402
from segformer_ros.costmap.settings import CostmapSettings  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.simulation.robot import imu as simulated_imu  # noqa: E402
from segformer_ros.simulation.robot.uneven import Unevenness  # noqa: E402
from segformer_ros.simulation.world.trajectory import Trajectory  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402
import simulated_runs  # noqa: E402

# Metres a second, and per second squared; every so many seconds it brakes to a stand.
SPEED, BRAKE, EVERY = 0.8, 1.5, 6.0
# Degrees of a soft body at 1 m/s^2, and seconds in which it follows.
SOFTNESS, BODY_TIME = math.radians(2.0), 0.15
STEP, FRAME = 0.01, 0.25
KERB, RAMP = 0.03, 0.06
VARIANTS = ('none', 'orientation', 'gyroscope and accelerometer', 'true tilt')
COLUMNS = ('world', 'labels', 'IMU', 'feet compared', 'range off, median', 'range off, 95 %',
           'contacts marked within 1 cell', 'marks', 'beyond 3 cells', 'right cost')


class Moment(NamedTuple):
    """Seconds, pose in the plane, true pose, and the motion that an IMU feels."""

    time: float
    planar: Any
    true: Any
    motion: simulated_imu.Motion


def motion_of(way: Trajectory, uneven: Unevenness, length: float) -> List[Moment]:
    """Return a drive in steps of :data:`STEP`, after two seconds at a stand."""
    driven, speed, body, time, moments = 0.0, 0.0, 0.0, 0.0, []
    pitch_before, yaw_before = 0.0, None
    while driven < length:
        before = speed
        # Stands for a moment after each brake.
        wanted = 0.0 if time < 2.0 or (time - 2.0) % EVERY > EVERY - 1.2 else SPEED
        speed += max(-BRAKE * STEP, min(BRAKE * STEP, wanted - speed))
        driven += speed * STEP
        acceleration = (speed - before) / STEP
        body += (-SOFTNESS * acceleration - body) * STEP / BODY_TIME
        tipped, lift = uneven.tilt_and_lift(driven)
        planar = way.place_at(driven)
        yaw = math.atan2(planar[1, 0], planar[0, 0])
        turn_rate = 0.0 if yaw_before is None else math.remainder(yaw - yaw_before,
                                                                  2.0 * math.pi) / STEP
        true = planar.copy()
        true[:3, :3] = planar[:3, :3].dot(transforms.turn(0.0, body + tipped, 0.0))
        true[2, 3] = lift
        pitch = body + tipped - uneven.inclination(driven)
        moments.append(Moment(time, planar, true, simulated_imu.Motion(
            pitch, yaw, (pitch - pitch_before) / STEP, turn_rate, acceleration, speed)))
        pitch_before, yaw_before = pitch, yaw
        time += STEP
    return moments


def tilt_rows(world: World, length: float) -> List[Tuple[Any, ...]]:
    """Return how far the pitch is off by slope_time, without and with long slopes."""
    way = Trajectory(world, SPEED)
    rows: List[Tuple[Any, ...]] = []
    for slope_time in (None, 0.0, 2.0, 4.0, 8.0, 15.0, 30.0):
        found: List[str] = []
        for slope in (0.0, 3.0):
            imu = simulated_imu.SimulatedImu(simulated_imu.ImuErrors(offset=math.radians(0.5)), 0)
            buffer = tilt.TiltBuffer(slope_time or 0.0)
            off: List[float] = []
            moments = motion_of(way, Unevenness(KERB, RAMP, math.radians(slope)), length)
            for number, moment in enumerate(moments):
                stamp = 1.0 + moment.time
                buffer.add(tilt.ImuSample(stamp, imu.measure(moment.motion).orientation))
                if moment.time < 4.0 or number % 10:
                    continue
                told = 0.0 if slope_time is None else math.asin(
                    -buffer.tilt_at(stamp, np.eye(3))[2, 0])
                off.append(abs(math.degrees(told + math.asin(float(
                    transforms.inverse(moment.planar).dot(moment.true)[2, 0])))))
            found += [f'{np.mean(off):.2f}', f'{100.0 * np.mean(np.array(off) > 0.5):.0f} %']
        rows.append(('no IMU' if slope_time is None else f'{slope_time:g} s', *found))
    return rows


class ToldPose:
    """A camera's pose as an IMU tells it, as in the node: tilt, and lift after the way driven."""

    def __init__(self, slope_time: float) -> None:
        self.buffer = tilt.TiltBuffer(slope_time)
        self._lift = lift.Lift()

    def at(self, stamp: float, pose: transforms.CameraPose
           ) -> Tuple[transforms.CameraPose, transforms.CameraPose]:
        """
        Return a pose with the tilt alone, and one with the lift as well.

        :raises TransformError: the samples do not reach there
        """
        tipped = tilt.tipped(pose, self.buffer.tilt_at(stamp, np.eye(3)))
        mean = None if self._lift.stamp == -math.inf else self.buffer.mean_tilt(
            self._lift.stamp, stamp, np.eye(3))
        return tipped, lift.lifted(tipped, self._lift.move(stamp, pose.odom_from_ground, mean))


def looks(mount: Trajectory, imu: simulated_imu.SimulatedImu, told: Dict[str, ToldPose],
          options: argparse.Namespace) -> Iterator[Tuple[float, Moment]]:
    """Yield stamp and moment of each image; before, both IMUs have told what they measured."""
    looked = -1.0
    for moment in motion_of(mount, Unevenness(KERB, RAMP, math.radians(options.slope)),
                            options.length):
        stamp, measured = 1.0 + moment.time, imu.measure(moment.motion)
        told['orientation'].buffer.add(tilt.ImuSample(stamp, measured.orientation))
        told[VARIANTS[2]].buffer.add(tilt.ImuSample(
            stamp, None, tuple(measured.turn_rate), tuple(measured.acceleration)))
        if moment.time - looked < FRAME - 1e-6 or moment.time < 2.0:
            continue
        looked = moment.time
        yield stamp, moment


def feet_rows(world: World, options: argparse.Namespace) -> List[Tuple[Any, ...]]:
    """Return how far feet within 4 m are off by what is told of the body."""
    mount = Trajectory(world, SPEED, costmap_drive.CAMERA_HEIGHT, costmap_drive.CAMERA_PITCH)
    imu = simulated_imu.SimulatedImu(simulated_imu.ImuErrors(offset=math.radians(0.5)), 0)
    told = {name: ToldPose(options.slope_time) for name in VARIANTS[1:3]}
    random = np.random.RandomState(0)
    off: Dict[str, List[Any]] = {}
    for stamp, moment in looks(mount, imu, told, options):
        pose = transforms.CameraPose(moment.planar, mount.base_from_optical)
        moved = transforms.inverse(moment.planar).dot(moment.true)
        level = moved.copy()
        level[2, 3] = 0.0
        poses = {'none': pose.ground_from_camera,
                 'true tilt, no lift': level.dot(mount.base_from_optical)}
        for name, each in told.items():
            tipped, lifted = each.at(stamp, pose)
            poses[name + ', tilt alone'] = tipped.ground_from_camera
            poses[name] = lifted.ground_from_camera
        away, aside = random.uniform(1.2, 4.0, 60), random.uniform(-0.5, 0.5, 60)
        feet = np.stack([away * np.cos(aside), away * np.sin(aside), np.zeros(60), np.ones(60)])
        rays = transforms.inverse(moved.dot(mount.base_from_optical)).dot(feet)[:3]
        for name, matrix in poses.items():
            x, y, z = matrix[:3, :3].dot(rays)
            reach = np.where(z < -1e-3, -matrix[2, 3] / np.minimum(z, -1e-3), np.inf)
            with np.errstate(invalid='ignore'):
                off.setdefault(name, []).append(np.hypot(
                    matrix[0, 3] + reach * x - feet[0], matrix[1, 3] + reach * y - feet[1]))
    return [(name, f'{np.median(each):.3f} m', f'{np.percentile(each, 95):.3f} m',
             f'{100.0 * np.mean(np.array(each) > 0.175):.1f} %')
            for name, each in sorted(off.items())]


def feet_off(clouds: Any, planar: Any, contacts: Any, camera: Any) -> Any:
    """
    Return how far the range of each true foot is off by the nearest point in its direction.

    :param clouds: obstacle points in the ground frame
    :param contacts: (N, 2) metres in the world
    :param camera: (2,) where the camera truly is
    """
    if not len(clouds) or not len(contacts):
        return np.zeros(0)
    points = np.stack([clouds['x'], clouds['y']], axis=1).astype(float)
    points = points.dot(planar[:2, :2].T) + planar[:2, 3] - camera
    true = contacts - camera
    bearing = np.arctan2(points[:, 1], points[:, 0])
    wanted = np.arctan2(true[:, 1], true[:, 0])
    apart = np.abs((wanted[:, None] - bearing + np.pi) % (2.0 * np.pi) - np.pi)
    # The nearest of those within a third of a degree: what stands behind is another foot.
    ranges = np.where(apart < 0.006, np.hypot(points[:, 0], points[:, 1]), np.inf)
    nearest = ranges.min(axis=1)
    seen = np.isfinite(nearest)
    return np.abs(nearest - np.hypot(true[:, 0], true[:, 1]))[seen]


def measure(kind: str, seed: int, labels: str, network: Any,
            options: argparse.Namespace) -> List[Tuple[Any, ...]]:
    """Return a row for each of :data:`VARIANTS`."""
    costs = cost_table.load_cost_table(kind, load_class_table('ade20k'))
    world = World(kind, seed)
    world.walkers = []
    mount = Trajectory(world, SPEED, costmap_drive.CAMERA_HEIGHT, costmap_drive.CAMERA_PITCH)
    rays, camera = simulated_runs.pinhole((costmap_drive.WIDTH, costmap_drive.HEIGHT),
                                          costmap_drive.FOCAL)
    pipelines = {name: costmap_pipeline.CostmapPipeline(CostmapSettings(), costs)
                 for name in VARIANTS}
    told = {name: ToldPose(options.slope_time) for name in VARIANTS[1:3]}
    imu = simulated_imu.SimulatedImu(simulated_imu.ImuErrors(offset=math.radians(0.5)), seed)
    off: Dict[str, List[Any]] = {name: [] for name in VARIANTS}
    totals = {name: np.zeros(len(costmap_drive.DriveFigures._fields), np.int64)
              for name in VARIANTS}
    contacts, refused = np.zeros((0, 2)), 0
    for frames, (stamp, moment) in enumerate(looks(mount, imu, told, options), 1):
        picture = rays.render(world, moment.true.dot(mount.base_from_optical), moment.time)
        seen = costmap_drive.seen_contacts(world, picture, costs)
        contacts = np.concatenate([contacts, seen])
        mask, confidence = picture.labels, None
        if labels != 'true':
            found = network.segmenter.segment(picture.image)
            mask, confidence = found.mask, found.confidence
        for name, pipeline in pipelines.items():
            pose = transforms.CameraPose(moment.planar, mount.base_from_optical)
            if name in told:
                try:
                    pose = told[name].at(stamp, pose)[1]
                except TransformError:
                    refused += 1
            elif name == 'true tilt':
                pose = pose._replace(ground_from_camera=transforms.inverse(moment.planar).dot(
                    moment.true).dot(mount.base_from_optical))
            result = pipeline.process('front', costmap_pipeline.CameraView(
                mask, confidence, camera, pose, stamp))
            off[name].append(feet_off(result.obstacle_points, moment.planar, seen,
                                      picture.camera_to_world[:2, 3]))
            grid = pipeline.occupancy(stamp)
            contacts = contacts[grid.geometry.indices(contacts[:, 0], contacts[:, 1])[1]]
            if frames % costmap_drive.EVERY == 0:
                totals[name] += costmap_drive.count(grid, world, contacts, costs)
    if refused:
        print(f'{refused} images without a tilt', file=sys.stderr)
    rows = []
    for name in VARIANTS:
        figures = costmap_drive.DriveFigures(*[int(value) for value in totals[name]])
        shares = figures.shares()
        ranges = np.concatenate(off[name])
        rows.append((f'{kind} {seed}', labels, name, len(ranges),
                     f'{np.median(ranges):.3f} m', f'{np.percentile(ranges, 95):.3f} m',
                     f"{100.0 * shares['marked']:.1f} %", figures.lethal,
                     f"{100.0 * shares['far_off']:.1f} %", f"{100.0 * shares['graded']:.1f} %"))
    return rows


def main() -> None:
    """Measure every world with every kind of labels and print the table."""
    from segformer_ros.evaluation.run.network import Network
    from segformer_ros.evaluation.run.network import NetworkChoice
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', default='segformer_sim', help='name or path')
    parser.add_argument('--labels', default='true,network', help='true, network or both')
    parser.add_argument('--worlds', default='indoor:0,outdoor:0', help='kind:seed,...')
    parser.add_argument('--length', type=float, default=20.0, help='metres')
    parser.add_argument('--slope', type=float, default=0.0, help='degrees of long slopes')
    parser.add_argument('--slope-time', type=float, default=8.0, help='seconds, imu.slope_time')
    parser.add_argument('--tilt', action='store_true', help='the pitch alone, by slope_time')
    parser.add_argument('--feet', action='store_true', help='feet without pictures')
    options = parser.parse_args()
    if options.feet:
        kind, seed = options.worlds.split(',')[0].split(':')
        print('| IMU | range off, median | 95 % | beyond 3 cells |\n|---|---|---|---|')
        for row in feet_rows(World(kind, int(seed)), options):
            print('| {} |'.format(' | '.join(row)), flush=True)
        return
    if options.tilt:
        kind, seed = options.worlds.split(',')[0].split(':')
        for row in tilt_rows(World(kind, int(seed)), options.length):
            print('| {} |'.format(' | '.join(row)), flush=True)
        return
    print('| {} |\n|{}'.format(' | '.join(COLUMNS), '---|' * len(COLUMNS)), flush=True)
    with Network(NetworkChoice(options.model), lambda spec: []) as network:
        for labels in options.labels.split(','):
            for world in options.worlds.split(','):
                kind, seed = world.split(':')
                for row in measure(kind, int(seed), labels, network, options):
                    print('| {} |'.format(' | '.join(str(value) for value in row)), flush=True)


if __name__ == '__main__':
    main()
