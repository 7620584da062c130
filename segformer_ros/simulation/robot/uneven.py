# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What wheels roll over: kerbs and short ramps that tip the body, long slopes that tip all.

They are felt and not drawn: the picture shows the world's level ground from a body that is tipped
and lifted. On a long slope that ground is itself inclined, which an IMU alone tells.
"""

import math
from typing import NamedTuple, Tuple


class Unevenness(NamedTuple):
    """
    Kerbs and ramps by the way driven; metres, and radians.

    A kerb of ``kerb_height`` comes every 3 m and is 0.5 m long; a ramp of ``ramp_height`` every
    7 m, with 0.8 m up, 0.6 m on top and 0.8 m down; a slope of the angle ``slope`` every 24 m,
    8 m long. ``wheelbase``: from the front wheels to the rear ones.
    """

    kerb_height: float = 0.0
    ramp_height: float = 0.0
    slope: float = 0.0
    wheelbase: float = 0.4

    def height(self, way: float) -> float:
        """Return how high a wheel stands, metres."""
        return (self.kerb_height * _trapezoid((way - 1.0) % 3.0, _WHEEL, 0.5)
                + self.ramp_height * _trapezoid((way - 2.5) % 7.0, 0.8, 0.6))

    def tilt_and_lift(self, way: float) -> Tuple[float, float]:
        """
        Return how the wheels tip and lift the body.

        :param way: of the base, metres driven
        :return: radians by which it tips forward, and metres
        """
        front = self.height(way + 0.5 * self.wheelbase)
        rear = self.height(way - 0.5 * self.wheelbase)
        return math.atan2(rear - front, self.wheelbase), 0.5 * (front + rear)

    def inclination(self, way: float) -> float:
        """Return the angle at which the visible ground rises ahead, radians."""
        return self.slope * _trapezoid((way - 9.0) % 24.0, 0.3, 8.0)


# Metres in which a wheel of 0.1 m rolls up a step of some centimetres.
_WHEEL = 0.08
FLAT = Unevenness()


def _trapezoid(way: float, edge: float, top: float) -> float:
    """Return 0..1: up over an edge from 0 on, along a top and down again."""
    return min(1.0, max(0.0, min(way / edge, (2.0 * edge + top - way) / edge)))
