# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
How far a robot still drives before it stands: what Nav2's stop polygon has to reach.

What a camera sees is told late. An image is taken at most one period after a thing has come
within reach, its cloud comes the image's age later, and the wheels brake some time after that::

    way = speed * (period + age + reaction) + speed^2 / (2 * deceleration)
"""

from typing import NamedTuple, Sequence, Tuple

MARGIN = 0.1
"""Metres that are left between bumper and obstacle, for errors of the projection."""


class Delays(NamedTuple):
    """
    Times of a robot, and how hard it brakes.

    ``period`` seconds between two images; ``age`` seconds from an image's stamp until its cloud
    arrives; ``reaction`` seconds from a cloud to the first slower command at the wheels;
    ``deceleration`` metres per second squared.
    """

    period: float = 0.2
    age: float = 0.5
    reaction: float = 0.1
    deceleration: float = 1.0


def way_to_stand(speed: float, delays: Delays) -> float:
    """
    Return how far a robot drives, at most, after a thing has come within reach, metres.

    :param speed: metres per second
    """
    return (speed * (delays.period + delays.age + delays.reaction)
            + speed * speed / (2.0 * delays.deceleration))


def way_after_last_image(speed: float, timeout: float, delays: Delays) -> float:
    """
    Return how far a robot drives, at most, after the last image before silence, metres.

    :param speed: metres per second
    :param timeout: seconds from that image's stamp until Nav2 calls its cloud overdue
    """
    return speed * (timeout + delays.reaction) + speed * speed / (2.0 * delays.deceleration)


def polygon_reach(bumper: float, speed: float, delays: Delays) -> float:
    """
    Return how far ahead of the base a stop polygon has to reach, metres.

    :param bumper: metres from the base to the bumper
    :param speed: metres per second
    """
    return bumper + way_to_stand(speed, delays) + MARGIN


def reach_ahead(polygon: Sequence[Tuple[float, float]]) -> float:
    """
    Return how far ahead of the base a polygon around it reaches, metres; 0 for not at all.

    :param polygon: its corners in order, x ahead and y to the left, metres
    """
    ahead = [0.0]
    for (x1, y1), (x2, y2) in zip(polygon, list(polygon[1:]) + list(polygon[:1])):
        if (y1 < 0.0) != (y2 < 0.0):
            ahead.append(x1 - (x2 - x1) * y1 / (y2 - y1))
    return max(ahead)
