# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
How far kerbs and short ramps lift a robot's body, by its tilt and the way that it drives.

Wheels that climb tip the body first: the tilt times the way is the height gained. A sum drifts,
and the ground that the camera sees is mostly that which the robot drove on last. So the lift is
the height above the median of the last metres.
"""

import math
from typing import List, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap.geometry import transforms

WAY = 4.0
"""Metres driven over whose median the ground's own height is taken."""
MOST_LIFT = 0.1
"""Metres; what lifts by more is a slope, whose ground the camera sees as well."""
DEAD_BAND = 0.005
"""Less than half a cell at 4 m from any camera above 0.8 m."""
MOST_GAP = 1.0
"""Seconds between two images after which nothing is known of the way between them."""
# Metres of way between two heights that are kept.
_APART = 0.02


class Lift:
    """The height of a body above the ground that it drives on. Not thread-safe."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, on the ground."""
        self._stamp = -math.inf
        self._pose: Optional[arrays.Float64] = None
        self._height = self._way = self._meters = 0.0
        # Way and height, by rising way.
        self._kept: List[Tuple[float, float]] = [(0.0, 0.0)]

    @property
    def stamp(self) -> float:
        """Return the time up to which the way is known, seconds; -inf where there is none."""
        return self._stamp

    @property
    def meters(self) -> float:
        """Return the lift at that time, metres."""
        return self._meters

    def move(self, stamp: float, odom_from_ground: arrays.Float64,
             tilt: Optional[arrays.Float64]) -> float:
        """
        Return the lift after a piece of the way, metres.

        :param stamp: of its end, seconds, after :attr:`stamp`
        :param odom_from_ground: (4, 4) of the robot there, with neither roll nor pitch
        :param tilt: (3, 3) mean over the piece, of :meth:`tilt.TiltBuffer.mean_tilt`; None where
            it is not known
        """
        before, self._pose = self._pose, odom_from_ground.copy()
        gap, self._stamp = stamp - self._stamp, stamp
        if before is None:
            return self._meters
        if tilt is None or gap > MOST_GAP:
            self.forget()
            self._stamp, self._pose = stamp, odom_from_ground.copy()
            return self._meters
        step = transforms.inverse(before).dot(odom_from_ground)[:2, 3]
        self._height += float(tilt[2, :2].dot(step))
        self._way += float(np.hypot(step[0], step[1]))
        if self._way - self._kept[-1][0] >= _APART:
            self._kept.append((self._way, self._height))
            while self._kept[0][0] < self._way - WAY:
                del self._kept[0]
        lift = self._height - float(np.median([height for _, height in self._kept]))
        self._meters = lift if abs(lift) <= MOST_LIFT else 0.0
        return self._meters


def lifted(pose: transforms.CameraPose, meters: float) -> transforms.CameraPose:
    """
    Return the pose of a camera on a body that stands higher than its ground frame says.

    :param meters: by which it does; less than :data:`DEAD_BAND` changes nothing, so that the
        tables of a fixed mount stay in use
    """
    if abs(meters) < DEAD_BAND:
        return pose
    up = pose.ground_from_camera.copy()
    up[2, 3] += meters
    return pose._replace(ground_from_camera=up)
