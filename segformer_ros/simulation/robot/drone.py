# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A multirotor in wind: commands in, true pose and a noisy one out."""

import math
from typing import NamedTuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.simulation.robot.imu import GRAVITY

STEP = 0.02
"""Seconds of one step of the motion."""
# Seconds in which thrust, wind and errors of the pose follow what asks for them.
_THRUST_TIME = 0.15
_CLIMB_TIME = 0.3
_GUST_TIME = 2.0
_DRIFT_TIME = 20.0
# Gains of the velocity loop, 1/s and 1/s^2, and the most that its integral may hold against wind.
_GAIN, _INTEGRAL_GAIN, _MOST_INTEGRAL = 2.0, 0.8, 3.0


class Airframe(NamedTuple):
    """
    What a drone can do, and where its camera is.

    ``speed``, ``climb`` and ``sink`` metres per second that it follows at most, which it may
    overshoot for a moment; ``tilt`` radians at most; ``drag`` 1/s, how fast it takes the air's
    speed; ``radius`` with propellers and ``height`` of the body, metres; ``camera`` metres of the
    lens above the lowest point.
    """

    speed: float = 3.0
    climb: float = 2.0
    sink: float = 1.5
    tilt: float = 0.35
    drag: float = 0.25
    radius: float = 0.35
    height: float = 0.35
    camera: float = 0.15


class Air(NamedTuple):
    """Wind from a random side: its mean, and the standard deviation of gusts; metres a second."""

    wind: float = 3.0
    gusts: float = 1.0


class PoseErrors(NamedTuple):
    """
    How far the told pose is off.

    Standard deviations: ``drift`` metres, an error that wanders within tens of seconds, up too;
    ``noise`` metres and ``tilt`` radians of each reading; ``heading`` radians for a whole flight.
    """

    drift: float = 0.1
    noise: float = 0.02
    tilt: float = math.radians(0.5)
    heading: float = math.radians(1.0)


USUAL_FRAME = Airframe()
BREEZE, CALM = Air(), Air(0.0, 0.0)
USUAL, EXACT = PoseErrors(), PoseErrors(0.0, 0.0, 0.0, 0.0)


class Drone:
    """
    A drone that follows speeds; the same commands give the same flight.

    Thrust leans it against wind and into turns, and the camera is fixed to it. It stands on the
    ground from the moment at which it touches it, and never flies again.

    :param start: x, y, z of the lowest point, metres
    :param heading: radians; it keeps it
    :param airframe: limits
    :param air: wind
    :param errors: of the told pose
    :param seed: of wind and errors
    """

    def __init__(self, start: arrays.Float64, heading: float, airframe: Airframe = USUAL_FRAME,
                 air: Air = BREEZE, errors: PoseErrors = USUAL, seed: int = 0) -> None:
        self._airframe = airframe
        self._air = air
        self._errors = errors
        self._random = np.random.RandomState([seed, 57])
        self._heading = heading
        self._told_heading = heading + errors.heading * self._random.randn()
        side = self._random.uniform(-math.pi, math.pi)
        self._mean_wind = air.wind * np.array([math.cos(side), math.sin(side)])
        self._gust = air.gusts * self._random.randn(2)
        self._drift = errors.drift * self._random.randn(3)
        self.time = 0.0
        self.place = np.array(start, float)
        """x, y, z of its lowest point, metres."""
        self.velocity = np.zeros(3)
        self.on_ground = False
        self._thrust = np.zeros(2)
        self._integral = np.zeros(2)
        self._wanted = np.zeros(3)

    def command(self, velocity: arrays.Float64) -> None:
        """
        Ask for a velocity; what the airframe cannot do is cut off.

        :param velocity: x, y, z, metres per second
        """
        frame = self._airframe
        across = float(np.hypot(velocity[0], velocity[1]))
        share = min(1.0, frame.speed / across) if across > 0.0 else 1.0
        self._wanted = np.array([velocity[0] * share, velocity[1] * share,
                                 min(max(velocity[2], -frame.sink), frame.climb)])

    def advance(self, time: float) -> None:
        """
        Fly on to a time, in steps; an earlier time than the present changes nothing.

        :param time: seconds
        """
        while time - self.time > 1e-9:
            self._step(min(STEP, time - self.time))

    def camera_pose(self) -> arrays.Float64:
        """Return where the camera truly is, looking down from the body: world_from_optical."""
        return self._camera_at(self.place, self._lean(), self._heading)

    def told_pose(self) -> arrays.Float64:
        """Return a reading of the camera's pose, with its errors: odom_from_optical, (4, 4)."""
        errors, random = self._errors, self._random
        place = self.place + self._drift + errors.noise * random.randn(3)
        lean = self._lean() + errors.tilt * random.randn(2)
        return self._camera_at(place, lean, self._told_heading)

    def _lean(self) -> arrays.Float64:
        """Return the angles by which thrust leans it along x and y of the world, radians."""
        return np.arctan2(self._thrust, GRAVITY)

    def _camera_at(self, place: arrays.Float64, lean: arrays.Float64, heading: float
                   ) -> arrays.Float64:
        up = np.array([math.tan(lean[0]), math.tan(lean[1]), 1.0])
        up /= np.linalg.norm(up)
        # The image's top is to the front: x of the camera to the right, y to the back.
        front = np.array([math.cos(heading), math.sin(heading), 0.0])
        right = np.cross(front, up)
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, 0], pose[:3, 1], pose[:3, 2] = right, np.cross(-up, right), -up
        pose[:3, 3] = place + self._airframe.camera * up
        return pose

    def _step(self, passed: float) -> None:
        self.time += passed
        frame, random = self._airframe, self._random
        self._gust = _wandering(self._gust, self._air.gusts, _GUST_TIME, passed, random)
        self._drift = _wandering(self._drift, self._errors.drift, _DRIFT_TIME, passed, random)
        if self.on_ground:
            return
        off = self._wanted[:2] - self.velocity[:2]
        self._integral = np.clip(self._integral + _INTEGRAL_GAIN * off * passed,
                                 -_MOST_INTEGRAL, _MOST_INTEGRAL)
        asked = _GAIN * off + self._integral
        most = GRAVITY * math.tan(frame.tilt)
        size = float(np.hypot(asked[0], asked[1]))
        if size > most:
            asked *= most / size
        self._thrust += (asked - self._thrust) * min(1.0, passed / _THRUST_TIME)
        wind = self._mean_wind + self._gust
        self.velocity[:2] += (self._thrust + frame.drag * (wind - self.velocity[:2])) * passed
        self.velocity[2] += (self._wanted[2] - self.velocity[2]) * min(1.0, passed / _CLIMB_TIME)
        self.place += self.velocity * passed
        if self.place[2] <= 0.0:
            self.place[2] = 0.0
            self.velocity[:] = 0.0
            self._thrust[:] = 0.0
            self.on_ground = True


def _wandering(value: arrays.Float64, spread: float, time: float, passed: float,
               random: np.random.RandomState) -> arrays.Float64:
    """Return a random value a step later: its spread is kept, it is forgotten within a time."""
    kept = math.exp(-passed / time)
    return kept * value + spread * math.sqrt(1.0 - kept * kept) * random.randn(*value.shape)
