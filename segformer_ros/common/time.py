# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Stamps of messages as nanoseconds, and back; percentiles of durations.

Stamps may be those of any library.
"""

from typing import Any, Sequence, Tuple

NANOSECONDS = 10 ** 9
"""In a second."""


def stamp_to_nanoseconds(stamp: Any) -> int:
    """
    Return a stamp as one number, exactly.

    :param stamp: with the fields ``sec`` and ``nanosec`` of ``builtin_interfaces/Time``
    """
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def stamp_to_seconds(stamp: Any) -> float:
    """
    Return seconds since the epoch, exact to some 0.2 microseconds.

    :param stamp: with the fields ``sec`` and ``nanosec`` of ``builtin_interfaces/Time``
    """
    return stamp_to_nanoseconds(stamp) / NANOSECONDS


def nanoseconds_to_stamp(nanoseconds: int) -> Tuple[int, int]:
    """Return the fields ``sec`` and ``nanosec`` of a stamp."""
    return divmod(nanoseconds, NANOSECONDS)


def percentile(ordered: Sequence[float], share: float) -> float:
    """
    Return a percentile, on the line between the two nearest samples, as numpy has it by default.

    :param ordered: one sample or more, ascending
    :param share: 0..1
    """
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
