# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a calibration: what is left of each track, and the ground from above."""

from typing import Tuple

import cv2
import numpy as np
from segformer_ros.calibration import ground_motion
from segformer_ros.calibration.drive import Drive
from segformer_ros.calibration.solver import Observations
from segformer_ros.calibration.solver import Solution
from segformer_ros.calibration.trajectory import Trajectory
from segformer_ros.common import arrays
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.camera_poses import Mount

# Residuals are a fraction of a pixel; drawn so many times as long.
_STRETCH = 40.0
_GOOD, _BAD = (80, 220, 120), (235, 90, 70)
_TEXT, _PAPER = (235, 238, 242), (18, 21, 26)
# Cells of the mosaic across at most; metres of one at least.
_MOST_CELLS, _LEAST_CELL = 700, 0.01
# Heights of the camera ahead up to which the mosaic shows ground, within these metres.
_HEIGHTS, _REACH = 4.0, (1.5, 5.0)
_CAPTION = 26
MOSAIC_GAP = 8
"""Pixels between the two mosaics."""


def draw_residuals(image: arrays.UInt8, seen: Observations, solution: Solution) -> arrays.UInt8:
    """
    Return an image with what the solution leaves of every track of the drive.

    :param image: RGB (H, W, 3) of the drive
    :return: RGB; green for tracks that were used, red for the others, 40 times as long
    """
    canvas = np.asarray(image // 3, np.uint8).copy()
    ends = seen.first + np.clip(_STRETCH * solution.residuals, -60.0, 60.0)
    for kept, color in ((False, _BAD), (True, _GOOD)):
        for start, end in zip(seen.first[solution.kept == kept], ends[solution.kept == kept]):
            cv2.line(canvas, _point(start), _point(end), color, 1, cv2.LINE_AA)
            cv2.circle(canvas, _point(start), 1, color, -1)
    return _captioned(canvas, f'{int(solution.kept.sum())} of {len(solution.kept)} tracks '
                      f'used, {solution.pixel:.2f} px; errors x {_STRETCH:.0f}')


def draw_mosaics(drive: Drive, camera: CameraModel, before: Mount, after: Mount,
                 delay: float = 0.0) -> arrays.UInt8:
    """
    Return the ground from above by two mounts, side by side.

    All images of the drive are laid on the ground where odometry says and averaged: what is
    laid wrong blurs.

    :param before: of the recording, or of the start
    :param after: by the calibration; ``delay`` of odometry belongs to it
    :return: RGB (H, W, 3)
    """
    frame = _Area(drive, max(before.height, after.height))
    pictures = [frame.mosaic(drive, camera, mount, late)
                for mount, late in ((before, 0.0), (after, delay))]
    seen = np.any([(picture != _PAPER).any(axis=2) for picture in pictures], axis=0)
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    if len(rows):
        pictures = [picture[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
                    for picture in pictures]
    captioned = [_captioned(picture, caption)
                 for picture, caption in zip(pictures, ('before', 'after'))]
    gap = np.full((captioned[0].shape[0], MOSAIC_GAP, 3), _PAPER, np.uint8)
    return np.hstack([captioned[0], gap, captioned[1]])


class _Area:
    """The part of the odometry's frame that a drive sees, in cells."""

    def __init__(self, drive: Drive, height: float) -> None:
        self.reach = float(np.clip(_HEIGHTS * height, *_REACH))
        places = _poses(drive.trajectory, drive, 0.0)[:, :2, 3]
        low, high = places.min(axis=0) - self.reach, places.max(axis=0) + self.reach
        self.cell = max(_LEAST_CELL, float((high - low).max()) / _MOST_CELLS)
        columns, rows = (int(np.ceil(size / self.cell)) for size in high - low)
        # North up: y falls from row to row.
        x = low[0] + self.cell * (np.arange(columns) + 0.5)
        y = high[1] - self.cell * (np.arange(rows) + 0.5)
        self.points = np.stack([*np.meshgrid(x, y), np.zeros((rows, columns))], axis=2)

    def mosaic(self, drive: Drive, camera: CameraModel, mount: Mount, delay: float
               ) -> arrays.UInt8:
        total = np.zeros(self.points.shape, np.float32)
        count = np.zeros(self.points.shape[:2], np.float32)
        flat = self.points.reshape(-1, 3)
        width, height = camera.size_wh
        for frame, odom_from_ground in zip(drive.frames, _poses(drive.trajectory, drive, delay)):
            odom_from_camera = odom_from_ground.dot(mount.matrix())
            local = transforms.inverse(odom_from_camera)
            ahead = (flat - odom_from_camera[:3, 3]).dot(odom_from_camera[:3, 2])
            near = np.hypot(*(flat[:, :2] - odom_from_camera[:2, 3]).T) < self.reach
            chosen = np.flatnonzero(near & (ahead > 0.05))
            pixels = ground_motion.seen_at(camera, flat[chosen], local)
            inside = ((pixels >= 0.0).all(axis=1) & (pixels[:, 0] <= width - 1)
                      & (pixels[:, 1] <= height - 1))
            chosen, pixels = chosen[inside], np.rint(pixels[inside]).astype(int)
            is_ground = frame.ground[pixels[:, 1], pixels[:, 0]]
            chosen, pixels = chosen[is_ground], pixels[is_ground]
            total.reshape(-1, 3)[chosen] += frame.image[pixels[:, 1], pixels[:, 0]]
            count.reshape(-1)[chosen] += 1.0
        mean = total / np.maximum(count, 1.0)[..., None]
        mean[count == 0.0] = _PAPER
        return np.asarray(mean, np.uint8)


def write_png(path: str, image: arrays.UInt8) -> None:
    """
    Write an RGB image.

    :raises OSError: the file cannot be written
    """
    done, data = cv2.imencode('.png', image[..., ::-1])
    if not done:
        raise OSError('OpenCV cannot encode PNG')
    with open(path, 'wb') as stream:
        stream.write(data.tobytes())


def _poses(trajectory: Trajectory, drive: Drive, delay: float) -> arrays.Float64:
    return trajectory.at([frame.stamp + delay for frame in drive.frames])


def _point(pixel: arrays.Float64) -> Tuple[int, int]:
    return int(round(float(pixel[0]))), int(round(float(pixel[1])))


def _captioned(image: arrays.UInt8, caption: str) -> arrays.UInt8:
    bar = np.full((_CAPTION, image.shape[1], 3), _PAPER, np.uint8)
    cv2.putText(bar, caption, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _TEXT, 1, cv2.LINE_AA)
    return np.vstack([bar, image])
