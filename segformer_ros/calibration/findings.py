# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which numbers a drive determines, and in plain words why not the others."""

import math
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.calibration import drive as calibration_drive
from segformer_ros.calibration import solver
from segformer_ros.calibration.drive import Calibration
from segformer_ros.calibration.drive import Drive
from segformer_ros.common import arrays
from segformer_ros.costmap.geometry.camera_poses import Mount

LIMITS = {'height': 0.08, 'pitch': math.radians(1.0), 'roll': math.radians(1.0),
          'yaw': math.radians(1.5), 'delay': 0.03}
"""Standard deviations above which a number counts as not determined; height as its share."""
# Below these a drive is a standstill, or a turn on the spot.
_WAY, _TURN = 0.3, math.radians(10.0)
# A line is straight if headings stay within this.
_STRAIGHT = math.radians(3.0)
# Of the image; and corners in an image.
_LEAST_GROUND, _LEAST_CORNERS = 0.03, 8.0
# Standard deviation of x and y in metres: measured by hand, and where nobody told them.
_MEASURED, _GUESSED = 0.01, 0.1
# Pixels of an image 640 wide that tracks may be off; wider ones see errors of the lens larger.
# Drives that fit have 0.1 to 0.4, wrong calibrations and mounts end at the solver's 3.
_MOST_PIXELS, _MOST_PIXELS_WIDTH = 1.0, 640.0
# Images are a step apart, which moves the ground by several pixels: less is a camera that hangs.
_LEAST_SHIFT = 0.5


class Quantity(NamedTuple):
    """
    One number of a mount.

    ``value``, ``deviation`` (one standard deviation), ``start`` and, where the recording has a
    transform, ``told`` by it: metres for height, degrees for angles, seconds for the delay.
    """

    name: str
    value: float
    deviation: float
    is_determined: bool
    start: float
    told: Optional[float]


class Findings(NamedTuple):
    """
    What a drive says about one camera.

    ``mount`` has the numbers that were determined, and those of the start for the others.
    ``remarks`` are whole sentences.
    """

    camera: str
    mount: Mount
    quantities: Tuple[Quantity, ...]
    remarks: Tuple[str, ...]
    frames: int
    points: int
    pixel: float

    @property
    def is_complete(self) -> bool:
        """Return whether height and all angles were determined."""
        return bool(self.quantities) and all(
            quantity.is_determined for quantity in self.quantities[:4])


def find(camera: str, drive: Drive, calibration: Calibration,
         told: Optional[Mount] = None, guessed: Sequence[str] = ()) -> Findings:
    """
    Return what was determined.

    :param camera: name for people
    :param told: mount by the transform of the recording, if it has one
    :param guessed: ``x`` or ``y`` or both, where nobody told them
    """
    followed = calibration.followed
    on_way, lost_by_way = _remarks_on_way(drive)
    remarks = _remarks_on_images(drive, calibration) + on_way
    frames = len(drive.frames)
    if calibration.solution is None:
        return Findings(camera, drive.start, (), tuple(remarks), frames,
                        len(followed.observations.pair), 0.0)
    solution = with_place(calibration.solution, guessed)
    failures = _failures(drive, followed.observations, solution)
    remarks += failures + _remarks_on_place(solution, guessed)
    mount = drive.start
    quantities = []
    for (name, value, deviation), share in zip(solver.quantities(solution), solution.deviations):
        is_sure = bool(share < LIMITS[name]) and not failures and name not in lost_by_way
        if name == 'delay':
            quantities.append(Quantity(name, value, deviation, is_sure, 0.0, None))
            if drive.settings.most_delay <= 0.0:
                quantities[-1] = quantities[-1]._replace(is_determined=False)
            elif is_sure or not (failures or on_way):
                remarks += _remarks_on_delay(quantities[-1], drive.settings.most_delay)
            continue
        unit = 1.0 if name == 'height' else 180.0 / math.pi
        quantities.append(Quantity(
            name, value, deviation, is_sure, getattr(drive.start, name) * unit,
            None if told is None else getattr(told, name) * unit))
        if is_sure:
            mount = mount._replace(**{name: getattr(solution.mount, name)})
    lost = [quantity.name for quantity in quantities[:4] if not quantity.is_determined]
    if lost:
        remarks.append(f"This drive does not determine {' and '.join(lost)}: "
                       f"{'it is' if len(lost) == 1 else 'they are'} kept as at the start.")
    if solution.kept.mean() < 0.6:
        remarks.append(
            f'{100.0 * (1.0 - solution.kept.mean()):.0f} % of the tracks do not move as ground '
            'does: ground that is not flat, labels that are wrong, or odometry that slips.')
    return Findings(camera, mount, tuple(quantities), tuple(remarks), frames,
                    int(solution.kept.sum()), solution.pixel)


def _remarks_on_delay(delay: Quantity, most: float) -> List[str]:
    if abs(delay.value) > 0.9 * most:
        if not delay.is_determined:
            return [f'The time offset may be beyond its bound of {most:g} s: give a larger '
                    '--max-offset.']
        return [f'The time offset is at its bound of {most:g} s: the stamps of images or odometry '
                'are wrong by more, and so may be the mount. Give a larger --max-offset.']
    if delay.is_determined and abs(delay.value) > max(0.02, 3.0 * delay.deviation):
        order = 'after' if delay.value > 0 else 'before'
        return [f'Images show what odometry tells for {abs(delay.value) * 1e3:.0f} ms {order} '
                'their stamps: correct a driver, or expect smears in turns. A rolling shutter '
                'looks the same, up to half its read-out time.']
    return []


def with_place(solution: solver.Solution, guessed: Sequence[str] = ()) -> solver.Solution:
    """
    Return a solution whose deviations hold what errors of x and y do.

    :param guessed: those of ``x`` and ``y`` that nobody told
    """
    place = [_GUESSED if name in guessed else _MEASURED for name in ('x', 'y')]
    parts = [solution.deviations] + list((solution.by_place * place).T)
    return solution._replace(deviations=np.sqrt(np.sum(np.square(parts), axis=0)))


def _failures(drive: Drive, seen: solver.Observations, solution: solver.Solution) -> List[str]:
    """Return why nothing that was found is to be believed, in sentences."""
    shift = float(np.median(np.linalg.norm(seen.second - seen.first, axis=1)))
    if shift < _LEAST_SHIFT:
        return [f'Images do not move while the robot does: tracks move by {shift:.2f} px from one '
                'to the next. The camera hangs, or the wrong frames or odometry were taken.']
    width = drive.frames[0].image.shape[1]
    if solution.pixel > _MOST_PIXELS * max(1.0, width / _MOST_PIXELS_WIDTH):
        return [f'Tracks are {solution.pixel:.1f} px off where 0.1 to 0.3 are usual: wrong '
                'camera_info, a camera that is mounted upside down, wrong frames or odometry.']
    return []


def _remarks_on_place(solution: solver.Solution, guessed: Sequence[str]) -> List[str]:
    if not guessed:
        return []
    costs = []
    for index, name in enumerate(('x', 'y')):
        if name in guessed:
            share, _, _, yaw, _ = np.abs(solution.by_place[:, index]) * 0.01
            costs.append(f'a centimetre of {name} costs {math.degrees(yaw):.2f} degrees of yaw '
                         f'and {100.0 * share:.1f} % of the height')
    names = ' and '.join(guessed)
    return [f"No transform tells {names} of the lens: taken as 0 and trusted to 0.1 m. Measure "
            f"{'it' if len(guessed) == 1 else 'them'} and give "
            f"{' and '.join('--' + name for name in guessed)}; {', '.join(costs)}."]


def _remarks_on_images(drive: Drive, calibration: Calibration) -> List[str]:
    followed = calibration.followed
    remarks = []
    if drive.offered == 0:
        return ['No image was read.']
    if drive.uncovered == drive.offered:
        return ['No image has odometry at its stamp: the clocks differ, or the wrong topics or '
                'frames were taken.']
    points, pairs = len(followed.observations.pair), len(followed.observations.stamps)
    if len(drive.frames) <= calibration_drive.LEAST_PAIRS:
        remarks.append(f'Only {len(drive.frames)} images are a step apart.')
    if followed.ground < _LEAST_GROUND:
        remarks.append(
            f'Too few ground points: {100.0 * followed.ground:.1f} % of the image is labelled as '
            'ground. Check the model, or point the camera lower.')
    elif pairs and followed.corners < _LEAST_CORNERS:
        remarks.append(
            f'The ground has no texture: {followed.corners:.0f} corners in an image. Drive where '
            'the floor has joints, grain or stains, or with more light.')
    elif pairs and calibration.solution is None:
        remarks.append(f'Only {points} corners could be followed in {pairs} pairs of images.')
    return remarks


def _remarks_on_way(drive: Drive) -> Tuple[List[str], Tuple[str, ...]]:
    """Return what the way does not tell, in sentences and as names of numbers."""
    trajectory = drive.trajectory
    poses = trajectory.poses
    if drive.frames:
        within = ((trajectory.stamps >= drive.frames[0].stamp)
                  & (trajectory.stamps <= drive.frames[-1].stamp))
        # One image alone: the robot did not move a step all along.
        poses = poses[within] if within.sum() > 2 else poses
    way, turned, heading = _way_and_turn(poses)
    if way < _WAY and turned < _TURN:
        return [f'The robot stands still: {way:.2f} m in all. Nothing is determined; drive a few '
                'metres with a bend.'], solver.NAMES
    if way < _WAY:
        return [f'The robot turns on the spot: {math.degrees(turned):.0f} degrees, {way:.2f} m. '
                'That says nothing of height and yaw; drive a few metres.'], ('height', 'yaw')
    if np.ptp(heading) < _STRAIGHT:
        return ['The robot drives straight on: the time offset shows in bends alone, and yaw is '
                'against the direction that odometry calls straight. Add a bend.'], ()
    return [], ()


def _way_and_turn(poses: arrays.Float64) -> Tuple[float, float, arrays.Float64]:
    heading = np.unwrap(np.arctan2(poses[:, 1, 0], poses[:, 0, 0]))
    # Odometry of a robot that stands trembles: the way is that between its farthest places.
    coarse = poses[::max(1, len(poses) // 50)]
    steps = np.diff(coarse[:, :2, 3], axis=0)
    return (float(np.linalg.norm(steps, axis=1).sum()), float(np.ptp(heading)), heading)
