# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Stamps of messages as numbers."""

from typing import Any

NANOSECONDS = 1000000000
"""Of a second."""


def stamp_to_nanoseconds(stamp: Any) -> int:
    """
    Return a stamp in nanoseconds.

    :param stamp: with ``sec`` and ``nanosec``, as builtin_interfaces/Time has them
    """
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)
