# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A differential drive: commands in, pose, odometry and contacts out."""

import collections
import math
from typing import Deque, NamedTuple, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.simulation.robot.imu import Motion
from segformer_ros.simulation.robot.surroundings import Surroundings
from segformer_ros.simulation.robot.uneven import FLAT
from segformer_ros.simulation.robot.uneven import Unevenness

STEP = 0.02
"""Seconds of one step of the motion."""
# Seconds in which the body follows a change of its acceleration.
_PITCH_TIME = 0.15
# Metres that a robot which stands at a thing may come nearer by rounding.
_TOUCH = 1e-3
# Metres from a thing at which a contact is over: what pushes on and on is one contact.
_APART = 0.03


class Drive(NamedTuple):
    """
    What the wheels can do, and how well their turns are measured.

    ``speed`` and ``reverse`` metres per second; ``turn_rate`` radians per second;
    ``acceleration`` and ``deceleration`` metres per second squared; ``turn_acceleration`` radians
    per second squared; ``latency`` seconds until a command acts; ``timeout`` seconds after the
    last command until the robot brakes by itself; ``noise`` standard deviation of the odometry
    after a metre, metres, and after a radian, radians; ``pitch`` radians by which the body tips
    forward at 1 m/s^2 of braking; ``radius`` of the body, metres; ``uneven`` what it rolls over.
    """

    speed: float = 0.6
    reverse: float = 0.2
    turn_rate: float = 1.5
    acceleration: float = 1.0
    deceleration: float = 1.0
    turn_acceleration: float = 4.0
    latency: float = 0.0
    timeout: float = 0.5
    noise: float = 0.0
    pitch: float = 0.0
    radius: float = 0.25
    uneven: Unevenness = FLAT


class Pose2D(NamedTuple):
    """A pose on the ground: metres, and radians from the x axis."""

    x: float
    y: float
    yaw: float


class Robot:
    """
    A round robot that drives until it touches something; turning on the spot always works.

    The same commands at the same times give the same motion.

    :param surroundings: what it can touch
    :param drive: limits and errors
    :param start: where it stands at first, and where its odometry begins
    :param seed: of the odometry's noise
    """

    def __init__(self, surroundings: Surroundings, drive: Drive, start: Pose2D,
                 seed: int = 0) -> None:
        self._surroundings = surroundings
        self._drive = drive
        self._start = start
        self._seed = seed
        self.reset(0.0)

    def reset(self, time: float) -> None:
        """
        Stand at the start again, with a fresh odometry.

        :param time: seconds
        """
        self.time = time
        self.place = self._start
        """Where it truly is."""
        self.odometry = self._start
        """Where its wheels say that it is."""
        self.speed = 0.0
        self.turn_rate = 0.0
        self.tilt = 0.0
        """How far braking has tipped the body forward, radians."""
        self.way = 0.0
        """Metres driven, those backwards taken off."""
        self._acceleration = 0.0
        self._pitch_rate = 0.0
        self.in_contact = False
        self.contacts = 0
        """Times at which it ran into something."""
        self.clearance = math.inf
        """Least distance between body and things so far, metres."""
        self._commands: Deque[Tuple[float, float, float]] = collections.deque(maxlen=1000)
        self._wanted = (-math.inf, 0.0, 0.0)
        self._random = np.random.RandomState(self._seed)

    def command(self, time: float, speed: float, turn_rate: float) -> None:
        """
        Ask for speeds; what the drive cannot do is cut off.

        :param time: at which the command came, seconds
        :param speed: metres per second
        :param turn_rate: radians per second to the left
        """
        self._commands.append((time, speed, turn_rate))

    def advance(self, time: float) -> None:
        """
        Move on to a time, in steps; an earlier time than the present changes nothing.

        :param time: seconds
        """
        while time - self.time > 1e-9:
            self._step(min(STEP, time - self.time))

    def pose(self) -> arrays.Float64:
        """Return where the base truly is, tilted as it is: world_from_base, (4, 4)."""
        tilt, lift = self._drive.uneven.tilt_and_lift(self.way)
        return pose_of(self.place, self.tilt + tilt, lift)

    def motion(self) -> Motion:
        """Return how the body moves against gravity, as an IMU feels it."""
        return Motion(self._pitch(), self.place.yaw, self._pitch_rate, self.turn_rate,
                      self._acceleration, self.speed)

    def _pitch(self) -> float:
        uneven = self._drive.uneven
        return (self.tilt + uneven.tilt_and_lift(self.way)[0] - uneven.inclination(self.way))

    def _step(self, passed: float) -> None:
        drive = self._drive
        self.time += passed
        while self._commands and self._commands[0][0] + drive.latency <= self.time + 1e-9:
            self._wanted = self._commands.popleft()
        stamp, speed, turn_rate = self._wanted
        # Written so that NaN stops it.
        if not self.time - stamp - drive.latency <= drive.timeout or not (
                math.isfinite(speed) and math.isfinite(turn_rate)):
            speed = turn_rate = 0.0
        before, pitch = self.speed, self._pitch()
        self.speed = _towards(self.speed, min(max(speed, -drive.reverse), drive.speed), passed,
                              drive.acceleration, drive.deceleration)
        self.turn_rate = _towards(
            self.turn_rate, min(max(turn_rate, -drive.turn_rate), drive.turn_rate), passed,
            drive.turn_acceleration, drive.turn_acceleration)
        moved, turned = self.speed * passed, self.turn_rate * passed
        moved = self._moved(moved, turned)
        self.place = _along(self.place, moved, turned)
        self.odometry = _along(self.odometry, self._measured(moved), self._measured(turned))
        tilt = -drive.pitch * (self.speed - before) / passed
        self.tilt += (tilt - self.tilt) * min(1.0, passed / _PITCH_TIME)
        self.way += moved
        self._acceleration = (self.speed - before) / passed
        self._pitch_rate = (self._pitch() - pitch) / passed

    def _moved(self, moved: float, turned: float) -> float:
        """Return how far the robot gets of a step, and take note of what it touches."""
        radius = self._drive.radius
        now = self._surroundings.distance(self.place.x, self.place.y, self.time)
        ahead = _along(self.place, moved, turned)
        then = self._surroundings.distance(ahead.x, ahead.y, self.time)
        touches = then < radius and then < now - _TOUCH * abs(moved)
        # Somebody may also walk into a robot that stands.
        touched = (touches or min(now, then) < radius - 2.0 * _TOUCH
                   or (self.in_contact and then < radius + _APART))
        if touched and not self.in_contact:
            self.contacts += 1
        self.in_contact = touched
        self.clearance = min(self.clearance, max(0.0, (now if touches else then) - radius))
        if touches:
            self.clearance = 0.0
            self.speed = 0.0
            return 0.0
        return moved

    def _measured(self, step: float) -> float:
        noise = self._drive.noise
        return step + noise * math.sqrt(abs(step)) * self._random.randn() if noise else step


def pose_of(place: Pose2D, tilt: float = 0.0, lift: float = 0.0) -> arrays.Float64:
    """
    Return a place as world_from_base, (4, 4).

    :param tilt: radians by which the base tips forward about its own y axis
    :param lift: metres above the ground
    """
    c, s, ct, st = math.cos(place.yaw), math.sin(place.yaw), math.cos(tilt), math.sin(tilt)
    return np.array([[c * ct, -s, c * st, place.x], [s * ct, c, s * st, place.y],
                     [-st, 0.0, ct, lift], [0.0, 0.0, 0.0, 1.0]])


def _towards(now: float, wanted: float, passed: float, faster: float, slower: float) -> float:
    """Return a speed after a step; ``slower`` is the rate at which it may come nearer to 0."""
    rate = slower if abs(wanted) < abs(now) or wanted * now < 0.0 else faster
    return min(max(wanted, now - rate * passed), now + rate * passed)


def _along(place: Pose2D, moved: float, turned: float) -> Pose2D:
    """Return a place after a short arc, which is taken as its chord."""
    middle = place.yaw + 0.5 * turned
    return Pose2D(place.x + moved * math.cos(middle), place.y + moved * math.sin(middle),
                  (place.yaw + turned + math.pi) % (2.0 * math.pi) - math.pi)
