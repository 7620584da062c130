# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
How sure the network is of each pixel.

The confidence is exp(upsampled winning logit - upsampled log-sum-exp). The softmax of the
upsampled logits would need all of them upsampled. Log-sum-exp is convex, so the upsampled one is
never below that of the upsampled logits: the confidence is a lower bound of that softmax, and
equal to it at the grid points.
"""

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from segformer_ros.model.classes import UNLABELED

if TYPE_CHECKING:
    import numpy.typing as npt


def log_threshold(threshold: float) -> float:
    """Return the logarithm of a confidence 0..1; 0 gives minus infinity."""
    return math.log(threshold) if threshold > 0.0 else -math.inf


def confidence_levels(excess: 'npt.NDArray[np.float32]') -> 'npt.NDArray[np.uint8]':
    """
    Return 0..255, nearest to 255 times the confidence.

    :param excess: (H, W) logarithm of the confidence; above 0 only by rounding
    """
    # The conversion rounds to nearest and saturates.
    return cv2.convertScaleAbs(cv2.exp(excess), alpha=255.0)  # type: ignore[return-value]


def clear_below(mask: 'npt.NDArray[np.uint8]', excess: 'npt.NDArray[np.float32]',
                threshold: float) -> None:
    """
    Make pixels below the threshold UNLABELED, in place.

    :param excess: (H, W) logarithm of the confidence
    :param threshold: 0..1
    """
    np.copyto(mask, UNLABELED, where=excess < np.float32(log_threshold(threshold)))
