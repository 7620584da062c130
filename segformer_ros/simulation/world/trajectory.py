# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the robot and its camera are: along a world's route."""

from typing import Optional

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


def tilted(angle: float) -> arrays.Float64:
    """
    Return a rotation of an optical frame about its x axis, (4, 4).

    :param angle: radians by which it looks lower
    """
    c, s = np.cos(-angle), np.sin(-angle)
    return np.array([[1.0, 0.0, 0.0, 0.0], [0.0, c, -s, 0.0], [0.0, s, c, 0.0],
                     [0.0, 0.0, 0.0, 1.0]])


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

    def base_pose(self, time: float) -> arrays.Float64:
        """
        Return the robot's pose on the ground, with x along the route.

        :param time: seconds since the start
        :return: world_from_base, (4, 4)
        """
        return self.place_at(self.speed * time)

    def place_at(self, s: float) -> arrays.Float64:
        """
        Return the pose of a robot on the route, with x along it.

        :param s: metres from the route's beginning
        :return: world_from_base, (4, 4)
        """
        if not self._world.closed:
            s = min(max(s, 0.0), self._world.route_length)
        x, y = self._world.route(s)
        ahead = self._world.route(s + 0.05)
        behind = self._world.route(s - 0.05)
        heading = np.arctan2(ahead[1] - behind[1], ahead[0] - behind[0])
        c, t = np.cos(heading), np.sin(heading)
        return np.array([[c, -t, 0.0, x], [t, c, 0.0, y], [0.0, 0.0, 1.0, 0.0],
                         [0.0, 0.0, 0.0, 1.0]])

    def camera_pose(self, time: float) -> arrays.Float64:
        """
        Return the camera's pose.

        :param time: seconds since the start
        :return: world_from_optical, (4, 4)
        """
        return self.base_pose(time).dot(self.base_from_optical)
