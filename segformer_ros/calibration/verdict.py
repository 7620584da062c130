# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""When the estimated error of a mount is worth a warning, and what is corrected of it."""

import math
from typing import NamedTuple

from segformer_ros.calibration import ground_motion
from segformer_ros.calibration.watch import MountError
from segformer_ros.costmap.geometry.transforms import CameraPose

HOLD = 0.6
"""Seconds for which an error has to last, beyond the three over which it is estimated."""
SURE = 3.0
"""Standard deviations beyond what costs a cell."""
MOST_PITCH, MOST_HEIGHT = math.radians(3.0), 0.10
"""What is corrected at most: radians, and share of the height."""
# Standard deviations of hysteresis: below the first a warning ends, above the second a
# correction follows.
_OVER, _MOVED = 1.5, 2.0


class Correction(NamedTuple):
    """What is added to a told mount: radians of pitch downwards, metres of height."""

    pitch: float = 0.0
    height: float = 0.0

    def corrected(self, pose: CameraPose) -> CameraPose:
        """Return a pose with this correction; the same object where there is none."""
        if self == NONE:
            return pose
        mount = ground_motion.mount_of(pose.ground_from_camera)
        return pose._replace(ground_from_camera=mount._replace(
            pitch=mount.pitch + self.pitch, height=mount.height + self.height).matrix())


NONE = Correction()


class MountVerdict:
    """
    Says whether a mount is off.

    :param max_range: metres at which an error of one cell counts
    :param resolution: of a cell, metres
    :param apply: whether pitch and height are corrected while the mount is off
    """

    def __init__(self, max_range: float, resolution: float, apply: bool) -> None:
        self._max_range, self._resolution, self._apply = max_range, resolution, apply
        self.forget()

    def forget(self) -> None:
        """Begin anew, without a verdict."""
        self._since = math.inf
        self.is_off = False
        """Whether the mount is off, for longer than :data:`HOLD`."""
        self.correction = NONE
        """What is added to the mount; :data:`NONE` without ``apply``."""

    def measure_by(self, max_range: float, resolution: float) -> None:
        """Count errors by another range and cell; parameters as of the class."""
        self._max_range, self._resolution = max_range, resolution

    def limits(self, height: float) -> Correction:
        """
        Return the errors that cost one cell at ``max_range`` each.

        :param height: of the camera, metres
        """
        d = self._max_range
        return Correction(self._resolution * height / (height ** 2 + d ** 2),
                          self._resolution * height / d)

    def update(self, stamp: float, height: float, error: MountError) -> bool:
        """
        Take in an estimate; return whether verdict or correction changed.

        :param stamp: of the newest image, seconds
        :param height: of the camera as it is told, metres
        """
        limits = self.limits(height)
        if self._exceeds(error, limits, SURE):
            self._since = min(self._since, stamp)
        elif not (self.is_off and self._exceeds(error, limits, _OVER)):
            self._since = math.inf
        before = self.is_off, self.correction
        self.is_off = stamp - self._since >= HOLD
        if not self.is_off:
            self.correction = NONE
        elif self._apply:
            wanted = Correction(_clipped(error.pitch, MOST_PITCH),
                                _clipped(error.height, MOST_HEIGHT * height))
            if self.correction == NONE or (
                    abs(wanted.pitch - self.correction.pitch) > _MOVED * error.pitch_deviation
                    or abs(wanted.height - self.correction.height)
                    > _MOVED * error.height_deviation):
                self.correction = wanted
        return (self.is_off, self.correction) != before

    def _exceeds(self, error: MountError, limits: Correction, sure: float) -> bool:
        return (abs(error.pitch) > limits.pitch + sure * error.pitch_deviation
                or abs(error.height) > limits.height + sure * error.height_deviation)


def _clipped(value: float, most: float) -> float:
    return max(-most, min(most, value))
