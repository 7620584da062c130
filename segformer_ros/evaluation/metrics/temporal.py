# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Temporal consistency: pixels that keep or change their class from one frame to the next.

``flicker`` of the report is the share of all pixels that change; it needs no truth, and holds the
motion of the camera and of the scene too, so it compares models on one recording, not recordings.
``steady_flicker`` looks only where the true class stays the same in both frames, which takes
nearly all of that motion out. Both are the complement of an unwarped temporal consistency; the
warped one of S. Varghese et al., Unsupervised Temporal Consistency Metric for Video Segmentation
in Highly-Automated Driving, CVPR Workshops 2020, needs optical flow and inherits its errors.
"""

from typing import Optional

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.evaluation.metrics.confusion import ratio


class TemporalConsistencyCounts:
    """Pixels compared and pixels changed over pairs of consecutive frames."""

    def __init__(self) -> None:
        self.compared = 0
        self.changed = 0
        self.steady = 0
        self.steady_changed = 0

    def merge(self, other: 'TemporalConsistencyCounts') -> None:
        """Add the counts of other pairs."""
        self.compared += other.compared
        self.changed += other.changed
        self.steady += other.steady
        self.steady_changed += other.steady_changed

    def changed_share(self) -> float:
        """Return the share of pixels that change, 0..1, NaN without pairs."""
        return float(ratio(self.changed, self.compared))

    def steady_changed_share(self) -> float:
        """Return the share among pixels whose true class stays, 0..1, NaN without them."""
        return float(ratio(self.steady_changed, self.steady))


class TemporalConsistencyMeter:
    """
    Compares each frame with the one before it.

    :param num_classes: truth values from here on are ignored
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._prediction: Optional[arrays.UInt8] = None
        self._truth: Optional[arrays.UInt8] = None
        self.counts = TemporalConsistencyCounts()

    def add(self, prediction: arrays.UInt8,
            truth: Optional[arrays.UInt8]) -> float:
        """
        Take the next frame.

        A frame of another size starts anew, like the first one.

        :param prediction: (H, W) uint8 class ids; kept until the next call
        :param truth: (H, W) uint8 class ids, or None; kept until the next call
        :return: the share of pixels that changed, NaN for a frame without a predecessor
        """
        last, last_truth = self._prediction, self._truth
        self._prediction, self._truth = prediction, truth
        if last is None or last.shape != prediction.shape:
            return float('nan')
        changed = prediction != last
        self.counts.compared += changed.size
        self.counts.changed += int(np.count_nonzero(changed))
        if truth is not None and last_truth is not None:
            steady = (truth == last_truth) & (truth < self._num_classes)
            self.counts.steady += int(np.count_nonzero(steady))
            self.counts.steady_changed += int(np.count_nonzero(changed & steady))
        return float(np.mean(changed))

    def skip(self) -> None:
        """Start anew: a frame is missing, so that the next one has no predecessor."""
        self._prediction = None
        self._truth = None
