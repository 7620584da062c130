# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""An IMU on the simulated robot, with noise and bias."""

import math
from typing import NamedTuple, Tuple

import numpy as np
from segformer_ros.common import arrays

GRAVITY = 9.80665
"""Metres per second squared."""


class ImuErrors(NamedTuple):
    """
    How far an IMU is off.

    Standard deviations of one sample: ``orientation`` radians, ``turn_rate`` radians per second,
    ``acceleration`` metres per second squared. ``bias`` of each axis of the gyroscope, radians
    per second. ``offset``: radians by which it sits tipped forward on the body, told by nobody.
    """

    orientation: float = math.radians(0.1)
    turn_rate: float = math.radians(0.1)
    acceleration: float = 0.05
    bias: float = math.radians(0.2)
    offset: float = 0.0


class Motion(NamedTuple):
    """
    How a body moves at a time.

    ``pitch`` forward and ``yaw`` radians against gravity and north; ``pitch_rate`` and
    ``turn_rate`` (of yaw) radians per second; ``acceleration`` ahead, metres per second squared,
    at a ``speed`` in metres per second.
    """

    pitch: float
    yaw: float = 0.0
    pitch_rate: float = 0.0
    turn_rate: float = 0.0
    acceleration: float = 0.0
    speed: float = 0.0


class Measured(NamedTuple):
    """
    One sample in the body's frame.

    ``orientation`` world_from_body as x, y, z, w; ``turn_rate`` and ``acceleration`` (3,).
    """

    orientation: Tuple[float, float, float, float]
    turn_rate: arrays.Float64
    acceleration: arrays.Float64


class SimulatedImu:
    """
    Measures motions; the same calls give the same values.

    :param errors: how far it is off
    :param seed: of the noise
    """

    def __init__(self, errors: ImuErrors, seed: int = 0) -> None:
        self._errors = errors
        self._random = np.random.RandomState([seed, 31])

    def measure(self, motion: Motion) -> Measured:
        """Return what it measures of a motion."""
        errors, random = self._errors, self._random
        pitch = motion.pitch + errors.offset
        c, s = math.cos(pitch), math.sin(pitch)
        off = errors.orientation * random.randn(2)
        orientation = quaternion(pitch + off[1], motion.yaw, off[0])
        turn_rate = np.array([-s * motion.turn_rate, motion.pitch_rate, c * motion.turn_rate])
        force = np.array([c * motion.acceleration - s * GRAVITY,
                          motion.speed * motion.turn_rate,
                          s * motion.acceleration + c * GRAVITY])
        return Measured(orientation,
                        turn_rate + errors.bias + errors.turn_rate * random.randn(3),
                        force + errors.acceleration * random.randn(3))


def quaternion(pitch: float, yaw: float, roll: float = 0.0) -> Tuple[float, float, float, float]:
    """Return fixed-axis roll, pitch and yaw as x, y, z, w (REP-103), radians."""
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(0.5 * angle), math.sin(0.5 * angle))
                                    for angle in (roll, pitch, yaw))
    return (sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy, cr * cp * cy + sr * sp * sy)
