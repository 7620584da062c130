# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Stamps of messages as nanoseconds, and back; works on the messages of any library."""

from typing import Any, Tuple

NANOSECONDS = 10 ** 9
"""In a second."""


def stamp_to_nanoseconds(stamp: Any) -> int:
    """
    Return a stamp as one number, exactly.

    :param stamp: with the fields ``sec`` and ``nanosec`` of ``builtin_interfaces/Time``
    """
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def nanoseconds_to_stamp(nanoseconds: int) -> Tuple[int, int]:
    """Return the fields ``sec`` and ``nanosec`` of a stamp."""
    return divmod(nanoseconds, NANOSECONDS)
