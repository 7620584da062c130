# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Nearest-rank percentiles, which are samples themselves."""

import math
from typing import Sequence


def percentile(ordered: Sequence[float], share: float) -> float:
    """
    Return the smallest sample that at least a share of all does not exceed.

    :param ordered: one sample or more, ascending
    :param share: 0..1
    """
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]
