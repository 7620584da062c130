# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a parameter is: one row with all that ROS, its checks and the documentation need."""

from typing import Any, NamedTuple, Optional, Tuple

START = 'at start'
"""Read once when the process starts (``read_only`` for ROS tools)."""
CONFIGURE = 'while unconfigured'
"""Read by each configure; refused while the node holds what was made from it."""
LIVE = 'any time'
"""Used from the next frame on."""


class Row(NamedTuple):
    """
    One parameter.

    ``range`` is inclusive. ``choices`` are all values that are accepted. A double row takes
    whole numbers too, since YAML and ``ros2 param set`` write 10.0 as 10.
    """

    name: str
    kind: type
    default: Any
    when: str
    description: str
    range: Optional[Tuple[float, float]] = None
    choices: Optional[Tuple[Any, ...]] = None
