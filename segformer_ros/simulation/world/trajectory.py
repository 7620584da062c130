# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the robot and its camera are: along a world's route, or at random."""

from typing import Any, NamedTuple, Optional

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.simulation.world.world import World

# base_from_optical of a camera that looks along the robot's x axis (REP-103).
_FORWARD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
# Default height above the ground, metres, and tilt below the horizon, radians.
_MOUNTS = {'indoor': (0.9, 0.20), 'outdoor': (1.1, 0.18), 'aerial': (12.0, np.pi / 2)}


def camera_mount(height: float, pitch: float, yaw: float = 0.0,
                 roll: float = 0.0) -> arrays.Float64:
    """
    Return where a camera sits on a robot.

    :param height: above the ground, metres
    :param pitch: radians below the horizon; pi / 2 looks straight down
    :param yaw: radians to the left
    :param roll: radians about the viewing direction, clockwise as seen in the image
    :return: base_from_optical, (4, 4)
    """
    cp, sp, cy, sy, cr, sr = (np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw),
                              np.cos(roll), np.sin(roll))
    tilt = np.array([[cp, 0.0, sp], [0.0, 1.0, 0.0], [-sp, 0.0, cp]])
    turn = np.array([[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]])
    bank = np.array([[cr, sr, 0.0], [-sr, cr, 0.0], [0.0, 0.0, 1.0]])
    pose = np.eye(4)
    pose[:3, :3] = turn.dot(tilt).dot(_FORWARD).dot(bank)
    pose[2, 3] = height
    return pose


class Trajectory:
    """
    A drive along the world's route at constant speed.

    A loop is driven again and again; at the end of an open route the robot stops. The base of
    a drone follows the same route on the ground below it.

    :param speed: metres per second
    :param height: of the camera above the ground, metres; None takes what is usual in a world of
        this kind
    :param pitch: radians below the horizon; None likewise
    """

    def __init__(self, world: World, speed: float = 0.8, height: Optional[float] = None,
                 pitch: Optional[float] = None) -> None:
        usual_height, usual_pitch = _MOUNTS[world.kind]
        self.speed = speed
        self.base_from_optical = camera_mount(usual_height if height is None else height,
                                              usual_pitch if pitch is None else pitch)
        self._world = world

    @property
    def duration(self) -> float:
        """Return the seconds until the route's end (one round of a loop)."""
        return self._world.route_length / self.speed

    def base_pose(self, time: float) -> arrays.Float64:
        """
        Return the robot's pose on the ground, with x along the route.

        :param time: seconds since the start
        :return: world_from_base, (4, 4)
        """
        s = self.speed * time
        if not self._world.closed:
            s = min(max(s, 0.0), self._world.route_length)
        return _on_route(self._world, s)

    def camera_pose(self, time: float) -> arrays.Float64:
        """
        Return the camera's pose.

        :param time: seconds since the start
        :return: world_from_optical, (4, 4)
        """
        return self.base_pose(time).dot(self.base_from_optical)


def _on_route(world: World, s: float) -> arrays.Float64:
    x, y = world.route(s)
    ahead = world.route(s + 0.05)
    behind = world.route(s - 0.05)
    heading = np.arctan2(ahead[1] - behind[1], ahead[0] - behind[0])
    c, t = np.cos(heading), np.sin(heading)
    return np.array([[c, -t, 0.0, x], [t, c, 0.0, y], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])


class View(NamedTuple):
    """A camera pose, world_from_optical (4, 4), and a time in seconds."""

    camera_to_world: arrays.Float64
    time: float


def random_view(world: World, random: Any) -> View:
    """
    Draw a view for a data set, near the route, in any plausible direction.

    :param random: a RandomState
    :return: the view; ground cameras 0.35 to 1.6 m high, drones 3 to 30 m
    """
    base = _on_route(world, float(random.uniform(0.0, world.route_length)))
    side = float(random.uniform(-0.3, 0.3))
    if world.kind == 'aerial':
        height = float(np.exp(random.uniform(np.log(3.0), np.log(30.0))))
        mount = camera_mount(height, float(np.pi / 2 - abs(random.normal(0.0, 0.22))),
                             float(random.uniform(-np.pi, np.pi)),
                             float(random.normal(0.0, 0.04)))
        side *= 10.0
    else:
        spread = 1.2 if world.kind == 'outdoor' else 1.0
        mount = camera_mount(float(random.uniform(0.35, 1.6)),
                             float(random.uniform(-0.05, 0.45)),
                             float(np.clip(random.normal(0.0, spread), -2.8, 2.8)),
                             float(random.normal(0.0, 0.02)))
    offset = np.eye(4)
    offset[1, 3] = side
    return View(base.dot(offset).dot(mount), float(random.uniform(0.0, 100.0)))
