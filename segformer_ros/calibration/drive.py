# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The images of a drive that a calibration uses, and what it makes of them."""

import functools
from typing import Callable, List, NamedTuple, Optional

import cv2
import numpy as np
from segformer_ros.calibration import ground_motion
from segformer_ros.calibration import solver
from segformer_ros.calibration import tracking
from segformer_ros.calibration.trajectory import Trajectory
from segformer_ros.common import arrays
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.camera_poses import Mount

# A turn of 4 degrees moves the ground through the image as well as a step does.
_TURN = 0.07


class DriveSettings(NamedTuple):
    """
    How a drive is used.

    ``frames``: images at most. ``step``: metres between two of them; 0 takes a fifth of the
    camera's height, from 0.05 to 0.15. ``corners``: in each image at most. ``noise`` of the
    odometry. ``most_delay``: seconds that image and odometry may be apart; 0 takes their stamps
    as they are. ``least_descent``: sine of the angle below the horizon of rays that are used.
    """

    frames: int = 60
    step: float = 0.0
    corners: int = 150
    noise: solver.OdometryNoise = solver.USUAL_NOISE
    most_delay: float = 0.1
    least_descent: float = 0.08


DEFAULTS = DriveSettings()


class KeyFrame(NamedTuple):
    """An image that is used: seconds, RGB (H, W, 3) uint8, and where it shows ground (H, W)."""

    stamp: float
    image: arrays.UInt8
    ground: arrays.Bool


FindGround = Callable[[arrays.UInt8], arrays.Bool]
"""From an RGB image (H, W, 3) to where it shows ground (H, W); a network, usually."""


class Drive:
    """
    Picks images of one camera that are a step apart.

    :param trajectory: of the robot, over the whole drive
    :param start: mount to begin with
    :param find_ground: called for the images that are used alone
    :param settings: how
    """

    def __init__(self, trajectory: Trajectory, start: Mount, find_ground: FindGround,
                 settings: DriveSettings = DEFAULTS) -> None:
        self.trajectory = trajectory
        self.start = start
        self.settings = settings
        self.frames: List[KeyFrame] = []
        self.offered = 0
        self.uncovered = 0
        self._find_ground = find_ground
        self.step = settings.step or float(np.clip(0.2 * start.height, 0.05, 0.15))
        self._last: Optional[arrays.Float64] = None

    @property
    def is_full(self) -> bool:
        """Return whether no more images are used."""
        return len(self.frames) >= self.settings.frames

    def wants(self, stamp: float) -> bool:
        """
        Return whether the robot has moved a step since the last image that is used.

        :param stamp: seconds; no earlier than that of the image before
        """
        self.offered += 1
        if not self.trajectory.covers(stamp, self.settings.most_delay + 0.01):
            self.uncovered += 1
            return False
        if self.is_full:
            return False
        if self._last is None:
            return True
        moved = transforms.inverse(self._last).dot(self.trajectory.at([stamp])[0])
        turned = abs(float(np.arctan2(moved[1, 0], moved[0, 0])))
        return bool(np.linalg.norm(moved[:2, 3]) >= 0.7 * self.step or turned >= _TURN)

    def add(self, stamp: float, image: arrays.UInt8) -> bool:
        """
        Take an image if it is a step from the last one; return whether it is used.

        :param stamp: seconds
        :param image: RGB (H, W, 3) uint8
        """
        if not self.wants(stamp):
            return False
        self.take(stamp, image)
        return True

    def take(self, stamp: float, image: arrays.UInt8) -> None:
        """
        Take an image that is wanted.

        :param stamp: seconds
        :param image: RGB (H, W, 3) uint8
        """
        self.frames.append(KeyFrame(stamp, image, self._find_ground(image)))
        self._last = self.trajectory.at([stamp])[0]


class Followed(NamedTuple):
    """What was followed in a drive; ``corners`` and ``ground`` are means over the pairs."""

    observations: solver.Observations
    corners: float
    ground: float


class Calibration(NamedTuple):
    """A solved drive; ``solution`` is None where too little was followed to solve anything."""

    followed: Followed
    solution: Optional[solver.Solution]


# Corners in all images, and pairs of images, below which nothing is solved for.
LEAST_POINTS = 60
LEAST_PAIRS = 5


def calibrate(drive: Drive, camera: CameraModel) -> Calibration:
    """
    Return the mount of a drive's camera.

    Corners are followed twice: first as they are, then in images that the first result has
    brought to one place.

    :param camera: of the images' size
    :raises SegformerRosError: of :func:`solver.solve`
    """
    mount = drive.start
    solution: Optional[solver.Solution] = None
    for is_second in (False, True):
        followed = follow_ground(drive, camera, mount, is_second)
        seen = followed.observations
        if len(seen.pair) < LEAST_POINTS or len(np.unique(seen.pair)) < LEAST_PAIRS:
            return Calibration(followed, None)
        settings = drive.settings
        solution = solver.solve(
            camera, seen, drive.trajectory, drive.start, settings.noise,
            max(settings.most_delay, 1e-6), settings.most_delay > 0.0)
        mount = solution.mount
    return Calibration(followed, solution)


def follow_ground(drive: Drive, camera: CameraModel, mount: Mount, is_warped: bool) -> Followed:
    """
    Return the corners of the ground that were followed between each image and the next.

    :param mount: by which the search begins
    :param is_warped: compare images that were brought to one place by it
    """
    frames = drive.frames
    pose = mount.matrix()
    lowest = camera.rays().astype(np.float64)
    with np.errstate(invalid='ignore'):
        usable = lowest.dot(pose[2, :3]) < -drive.settings.least_descent
    greys = [np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8)
             for frame in frames]
    found: List[tracking.Tracks] = []
    indices: List[arrays.Index] = []
    stamps: List[List[float]] = []
    for index in range(len(frames) - 1):
        ends = drive.trajectory.at([frames[index].stamp, frames[index + 1].stamp])
        motion = transforms.inverse(ends[1]).dot(ends[0])
        if np.linalg.norm(motion[:2, 3]) > 4.0 * drive.step + 0.5:
            # A gap in the recording: what was seen is gone.
            continue
        predict = functools.partial(_predict, camera, pose, motion)
        tracks = tracking.track(
            greys[index], greys[index + 1], frames[index].ground & usable,
            frames[index + 1].ground, predict, drive.settings.corners,
            tracking.whole_image(camera.size_wh, predict, 4) if is_warped else None)
        found.append(tracks)
        indices.append(np.full(len(tracks.first), len(stamps)))
        stamps.append([frames[index].stamp, frames[index + 1].stamp])
    none = np.zeros((0, 2))
    observations = solver.Observations(
        np.concatenate([none] + [tracks.first for tracks in found]),
        np.concatenate([none] + [tracks.second for tracks in found]),
        np.concatenate([np.zeros(0, int)] + indices).astype(np.intp),
        np.array(stamps, np.float64).reshape(-1, 2))
    return Followed(observations,
                    float(np.mean([float(tracks.corners) for tracks in found] or [0.0])),
                    float(np.mean([frame.ground.mean() for frame in frames] or [0.0])))


def _predict(camera: CameraModel, ground_from_camera: arrays.Float64,
             second_from_first: arrays.Float64, pixels: arrays.Float64) -> arrays.Float64:
    return ground_motion.predict(
        camera, camera.unproject(pixels[:, 0], pixels[:, 1]), ground_from_camera,
        np.broadcast_to(second_from_first, (len(pixels), 4, 4)), np.zeros((len(pixels), 3)))
