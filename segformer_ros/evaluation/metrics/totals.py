# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Everything that is counted over the frames of one evaluation."""

from typing import Dict, List, Optional

from segformer_ros.evaluation.metrics.boundary import BoundaryCounts
from segformer_ros.evaluation.metrics.calibration import ConfidenceCounts
from segformer_ros.evaluation.metrics.confusion import ConfusionMatrix
from segformer_ros.evaluation.metrics.grid_agreement import GridCounts
from segformer_ros.evaluation.metrics.temporal import TemporalConsistencyCounts
from segformer_ros.evaluation.sources.frames import LeftOut

# Left-out frames that a report lists one by one; the rest is counted by reason.
LISTED = 50


class Totals:
    """
    Counts that add up: of one source, and by :meth:`merge` of all.

    :param num_classes: of the truth
    :param with_boundary: count outlines too
    """

    def __init__(self, num_classes: int, with_boundary: bool) -> None:
        self.frames = 0
        self.labelled_frames = 0
        # Of labelled frames, and those among them whose value is left out.
        self.label_pixels = self.ignored_pixels = 0
        self.confusion = ConfusionMatrix(num_classes)
        self.boundary: Optional[BoundaryCounts] = \
            BoundaryCounts(num_classes) if with_boundary else None
        self.confidence = ConfidenceCounts()
        self.consistency = TemporalConsistencyCounts()
        self.grids = GridCounts()
        self.left_out_frames: Dict[str, int] = {}
        self.left_out_listed: List[LeftOut] = []
        self.unknown_losses = 0

    def leave_out(self, item: LeftOut) -> None:
        """Count what could not be evaluated."""
        self.left_out_frames[item.reason] = \
            self.left_out_frames.get(item.reason, 0) + item.frames
        self.unknown_losses += item.frames == 0
        if len(self.left_out_listed) < LISTED:
            self.left_out_listed.append(item)

    def merge(self, other: 'Totals') -> None:
        """Add the counts of further frames, which follow these."""
        self.frames += other.frames
        self.labelled_frames += other.labelled_frames
        self.label_pixels += other.label_pixels
        self.ignored_pixels += other.ignored_pixels
        self.confusion.merge(other.confusion)
        if self.boundary is not None and other.boundary is not None:
            self.boundary.merge(other.boundary)
        self.confidence.merge(other.confidence)
        self.consistency.merge(other.consistency)
        self.grids.merge(other.grids)
        for reason, frames in other.left_out_frames.items():
            self.left_out_frames[reason] = self.left_out_frames.get(reason, 0) + frames
        self.unknown_losses += other.unknown_losses
        room = LISTED - len(self.left_out_listed)
        self.left_out_listed += other.left_out_listed[:room]
