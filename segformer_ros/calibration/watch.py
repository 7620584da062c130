# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A watch on the mount of a camera while the robot drives.

The same residuals as a calibration's, of a few corners of the ground at a time. Odometry's own
errors of each pair are eliminated, as in solver.py. numpy is enough for it.

The newest pairs of images alone say what the pitch is. Height, roll and yaw are told by those
before them as well, fading: a bump tips a camera in a moment, while tyres and loads take their
time. Without that a bump would need twice as many pairs until it is sure.
"""

import collections
import functools
import math
from typing import Deque, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np
from segformer_ros.calibration import ground_motion
from segformer_ros.calibration import tracking
from segformer_ros.common import arrays
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.camera_poses import Mount

MOST_WIDTH = 320
"""Pixels; larger images are shrunk to a whole part of their size."""
CORNERS = 100
"""In each image at most."""
LEAST_POINTS = 8
"""Of a pair of images below which it says nothing."""
WINDOW = 6
"""Newest pairs of images that count in full: some two seconds."""
LEAST_PAIRS = 4
PACE = 0.3
"""Seconds between two images that are used, at least; of a fast robot half of _MOST_WAY."""
# Metres between two images that are compared, at most: beyond it they share too little ground.
_MOST_WAY = 1.0
# Of what is unknown, standard deviations: height as its share, then pitch, roll, yaw.
_PRIOR = np.array([0.10, math.radians(4.0), math.radians(2.0), math.radians(2.0)])
# Pairs that have left the window count this much less with each that follows, some ten seconds
# in all; and the others than pitch may have changed by so much since.
_FADING = 0.97
_CHANGED = np.array([0.015, math.radians(0.3), math.radians(0.3)])
_OTHERS = [0, 2, 3]
_STEPS = np.array([1e-4, 1e-5, 1e-5, 1e-5])
# Odometry between two images: share of the way and of the turn, and what comes on top.
_SHARE, _METRES, _RADIANS = 0.02, 0.001, 0.0005
_OWN_STEPS = np.array([1e-5, 1e-5, 1e-6])
# Standard deviation of a corner in pixels of the shrunk image, and beyond how many of them it
# pulls no harder.
_PIXEL, _LOSS = 0.15, 2.0
# What labels, floors and lenses add to any estimate: share of the height, radians.
_FLOOR = np.array([0.01, math.radians(0.1)])
# Sine of the angle below the horizon of rays that are used; seconds and radians between images.
_ROUNDS = 5
_LEAST_DESCENT, _MOST_TIME, _MOST_TURN = 0.08, 2.0, 0.4


class WatchedFrame(NamedTuple):
    """
    An image with what is known of it.

    ``stamp`` seconds; ``image`` (H, W, 3) uint8 RGB; ``mask`` (H, W) uint8 class ids; ``pose`` of
    the mount as it is told.
    """

    stamp: float
    image: arrays.UInt8
    mask: arrays.UInt8
    pose: transforms.CameraPose


class MountError(NamedTuple):
    """
    How far the mount is off, and one standard deviation of that.

    ``pitch`` radians that the camera looks lower than told; ``height`` metres that it is higher.
    ``pairs`` of images and ``points`` that say so.
    """

    pitch: float
    height: float
    pitch_deviation: float
    height_deviation: float
    pairs: int
    points: int


class _Kept(NamedTuple):
    stamp: float
    grey: arrays.UInt8
    ground: arrays.Bool
    odom_from_ground: arrays.Float64
    mount: Mount


class _Evidence(NamedTuple):
    """Normal equations of the whole error, ``matrix.dot(error) = vector``."""

    matrix: arrays.Float64
    vector: arrays.Float64
    points: int


_NO_EVIDENCE = _Evidence(np.zeros((4, 4)), np.zeros(4), 0)


def is_a_step(last_stamp: float, last_odom_from_ground: arrays.Float64, stamp: float,
              pose: transforms.CameraPose) -> bool:
    """
    Return whether an image is far enough from the last one that was used.

    :param last_stamp: seconds
    :param last_odom_from_ground: (4, 4) then
    :param stamp: seconds
    """
    if not 0.0 <= stamp - last_stamp <= _MOST_TIME:
        return True
    way = float(np.hypot(*(pose.odom_from_ground[:2, 3] - last_odom_from_ground[:2, 3])))
    # Of a fast robot sooner: two images too far apart have nothing in common.
    if stamp - last_stamp < PACE and way < 0.5 * _MOST_WAY:
        return False
    return way >= 0.7 * min(0.15, max(0.05, 0.2 * float(pose.ground_from_camera[2, 3])))


class MountWatch:
    """
    Estimates the error of a told mount from the newest pairs of images.

    Not thread-safe.

    :param camera: of the masks' size
    :param is_ground: (256,) whether a label is ground
    """

    def __init__(self, camera: CameraModel, is_ground: arrays.Bool) -> None:
        self.camera = camera
        self.is_ground = is_ground
        shrink = -(-camera.size_wh[0] // MOST_WIDTH)
        self._size_wh = (camera.size_wh[0] // shrink, camera.size_wh[1] // shrink)
        self._small = CameraModel(camera.calibration, self._size_wh, camera.rectified)
        self._last: Optional[_Kept] = None
        self._pairs: Deque[_Evidence] = collections.deque(maxlen=WINDOW)
        self._weights: List[float] = []
        self._before = _NO_EVIDENCE
        self._known = _known_of_others(_NO_EVIDENCE)
        self._error: arrays.Float64 = np.zeros(len(_PRIOR))

    def wants(self, stamp: float, pose: transforms.CameraPose) -> bool:
        """
        Return whether the robot has moved a step since the last image that was used.

        :param stamp: seconds
        """
        last = self._last
        return last is None or is_a_step(last.stamp, last.odom_from_ground, stamp, pose)

    def forget(self) -> None:
        """Begin anew: time or the place has jumped."""
        self._last = None
        self._pairs.clear()
        self._before = _NO_EVIDENCE
        self._known = _known_of_others(_NO_EVIDENCE)
        self._error = np.zeros(len(_PRIOR))

    def add(self, frame: WatchedFrame) -> bool:
        """
        Take an image that is wanted; return whether it says something about the mount.

        :param frame: no older than the one before
        """
        size = self._size_wh
        grey = cv2.resize(np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)), size,
                          interpolation=cv2.INTER_AREA)
        ground = self.is_ground[cv2.resize(frame.mask, size, interpolation=cv2.INTER_NEAREST)]
        kept = _Kept(frame.stamp, np.asarray(grey, np.uint8), ground,
                     frame.pose.odom_from_ground,
                     ground_motion.mount_of(frame.pose.ground_from_camera))
        first, self._last = self._last, kept
        if first is None or not 0.0 < kept.stamp - first.stamp <= _MOST_TIME:
            return False
        evidence = self._compare(first, kept)
        if evidence is None:
            return False
        if len(self._pairs) == WINDOW:
            self._before = _faded(self._before, self._pairs[0], self._weights[0])
            self._known = _known_of_others(self._before)
        self._pairs.append(evidence)
        self._weights = [1.0] * len(self._pairs)
        for _ in range(_ROUNDS):
            matrix, vector = self._sums()
            self._error = np.asarray(np.linalg.solve(matrix, vector), np.float64)
            # The pair between which a bump fell, and one with a wrong floor, fit nothing.
            self._weights = [1.0 / (1.0 + self._excess(each) / _LOSS ** 2)
                             for each in self._pairs]
        return True

    def error(self) -> Optional[MountError]:
        """Return how far the mount is off; None while too few pairs of images say so."""
        if len(self._pairs) < LEAST_PAIRS or self._last is None:
            return None
        matrix, _ = self._sums()
        formal = np.sqrt(np.diag(np.linalg.inv(matrix)))[:2]
        # How far the pairs disagree, against what their noise would explain.
        excess = np.average([self._excess(each) for each in self._pairs], weights=self._weights)
        scale = max(1.0, math.sqrt(float(excess)))
        deviation: arrays.Float64 = np.hypot(scale * formal, _FLOOR)
        height = self._last.mount.height
        return MountError(
            float(self._error[1]), height * float(np.expm1(self._error[0])), float(deviation[1]),
            height * float(deviation[0]), len(self._pairs),
            sum(each.points for each in self._pairs))

    def _sums(self) -> Tuple[arrays.Float64, arrays.Float64]:
        matrix, vector = self._known
        for each, weight in zip(self._pairs, self._weights):
            matrix = matrix + weight * each.matrix
            vector = vector + weight * each.vector
        return matrix, vector

    def _excess(self, evidence: _Evidence) -> float:
        """Return how far a pair contradicts the estimate: 1 is what its noise explains."""
        off = evidence.vector - evidence.matrix.dot(self._error)
        certain = evidence.matrix + np.diag(1e-3 / _PRIOR ** 2)
        return float(off.dot(np.linalg.solve(certain, off))) / len(_PRIOR)

    def _compare(self, first: _Kept, second: _Kept) -> Optional[_Evidence]:
        motion = transforms.inverse(second.odom_from_ground).dot(first.odom_from_ground)
        way = float(np.hypot(motion[0, 3], motion[1, 3]))
        turned = abs(math.atan2(motion[1, 0], motion[0, 0]))
        if way > _MOST_WAY or way < 0.02 or turned > _MOST_TURN:
            return None
        pair = _Pair(self._small, first.mount, second.mount, motion)
        usable = self._small.rays().dot(first.mount.matrix()[2, :3].astype(np.float32))
        with np.errstate(invalid='ignore'):
            low = usable < -_LEAST_DESCENT
        guess = functools.partial(pair.predict_pixels, self._error)
        tracks = tracking.track(first.grey, second.grey, first.ground & low, second.ground, guess,
                                CORNERS, tracking.whole_image(self._size_wh, guess, 8))
        if len(tracks.first) < LEAST_POINTS:
            return None
        trust = np.array([_SHARE * way + _METRES] * 2 + [_SHARE * turned + _RADIANS])
        return pair.evidence(tracks, self._error, trust)


def _faded(before: _Evidence, newest: _Evidence, weight: float) -> _Evidence:
    """Return what is known before the window, with the pair that leaves it."""
    return _Evidence(_FADING * before.matrix + weight * newest.matrix,
                     _FADING * before.vector + weight * newest.vector, 0)


def _known_of_others(before: _Evidence) -> Tuple[arrays.Float64, arrays.Float64]:
    """Return normal equations with what earlier pairs tell of all but the pitch."""
    covariance = np.linalg.inv(before.matrix + np.diag(1.0 / _PRIOR ** 2))
    found = covariance.dot(before.vector)[_OTHERS]
    # Whatever the pitch was then.
    block = np.ix_(_OTHERS, _OTHERS)
    certain = np.linalg.inv(covariance[block] + np.diag(_CHANGED ** 2))
    known, vector = np.diag(1.0 / _PRIOR ** 2), np.zeros(len(_PRIOR))
    known[block] = certain
    vector[_OTHERS] = certain.dot(found)
    return known, vector


class _Pair:
    """Two images: where the ground of the first is in the second, by an error of the mount."""

    def __init__(self, camera: CameraModel, first: Mount, second: Mount,
                 second_from_first: arrays.Float64) -> None:
        self._camera, self._mounts, self._motion = camera, (first, second), second_from_first

    def predict_pixels(self, error: arrays.Float64, pixels: arrays.Float64) -> arrays.Float64:
        return self._predict(self._camera.unproject(pixels[:, 0], pixels[:, 1]), error,
                             np.zeros(3))

    def evidence(self, tracks: tracking.Tracks, error: arrays.Float64, trust: arrays.Float64
                 ) -> Optional[_Evidence]:
        """Return the normal equations for the whole error, robustly about an estimate of it."""
        rays = self._camera.unproject(tracks.first[:, 0], tracks.first[:, 1])
        none = np.zeros(3)
        residuals = tracks.second - self._predict(rays, error, none)
        by_shared: List[arrays.Float64] = []
        for index, step in enumerate(_STEPS):
            change = np.zeros(len(_STEPS))
            change[index] = step
            by_shared.append((self._predict(rays, error + change, none)
                              - self._predict(rays, error - change, none)) / (2.0 * step))
        by_own: List[arrays.Float64] = []
        for index, step in enumerate(_OWN_STEPS):
            change = np.zeros(3)
            change[index] = step
            by_own.append((self._predict(rays, error, change)
                           - self._predict(rays, error, -change))
                          / (2.0 * step) * trust[index])
        good = np.abs(residuals).max(axis=1) < 20.0
        if good.sum() < LEAST_POINTS:
            return None
        a = np.stack(by_shared, axis=2)[good].reshape(-1, len(_STEPS)) / _PIXEL
        b = np.stack(by_own, axis=2)[good].reshape(-1, 3) / _PIXEL
        r = residuals[good].ravel() / _PIXEL
        prior = np.diag(np.concatenate([1.0 / _PRIOR ** 2, np.ones(3)]))
        both = np.concatenate([a, b], axis=1)
        weight, left = np.ones(len(r)), r
        for _ in range(4):
            found = np.linalg.solve((both.T * weight).dot(both) + prior,
                                    (both.T * weight).dot(r))
            left = r - both.dot(found)
            # Of both coordinates of a corner.
            size = np.repeat(np.hypot(left[0::2], left[1::2]), 2)
            weight = 1.0 / (1.0 + (size / _LOSS) ** 2)
        inner = np.linalg.inv((b.T * weight).dot(b) + np.eye(3))
        cross = (a.T * weight).dot(b)
        matrix = (a.T * weight).dot(a) - cross.dot(inner).dot(cross.T)
        vector = (a.T * weight).dot(r) - cross.dot(inner).dot((b.T * weight).dot(r))
        return _Evidence(matrix, vector + matrix.dot(error), int(good.sum()))

    def _predict(self, rays: arrays.Float64, error: arrays.Float64, own: arrays.Float64
                 ) -> arrays.Float64:
        first, second = (mount._replace(
            height=mount.height * math.exp(error[0]), pitch=mount.pitch + error[1],
            roll=mount.roll + error[2], yaw=mount.yaw + error[3]).matrix()
            for mount in self._mounts)
        met = ground_motion.ground_points(rays, first)
        points = np.concatenate([met, np.zeros((len(met), 1))], axis=1).dot(
            self._motion[:3, :3].T) + self._motion[:3, 3]
        c, s = math.cos(own[2]), math.sin(own[2])
        moved = np.stack([c * points[:, 0] - s * points[:, 1] + own[0],
                          s * points[:, 0] + c * points[:, 1] + own[1], points[:, 2]], axis=1)
        return ground_motion.seen_at(self._camera, moved, transforms.inverse(second))
