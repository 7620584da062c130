# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the demo tells at its end: figures against the truth, and the frames for pictures."""

from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.evaluation.demo.true_grid import GridPair
from segformer_ros.evaluation.metrics.confusion import ConfusionMatrix
from segformer_ros.evaluation.metrics.confusion import score
from segformer_ros.evaluation.metrics.grid_agreement import compare_grids
from segformer_ros.model.classes import ClassTable


class DemoFrame(NamedTuple):
    """
    One image with its truth and what the node made of it; all of one size.

    ``stamp``: seconds. ``image`` and ``overlay``: RGB uint8 (H, W, 3). ``truth`` and ``mask``:
    class ids uint8 (H, W). ``latency``: seconds from the image's stamp to the mask's arrival;
    the rendering of the image is part of it, as exposure and read-out are with a real camera.
    ``grids``: the costmap after this frame and the true one, where there is a costmap.
    """

    stamp: float
    image: arrays.UInt8
    truth: arrays.UInt8
    mask: arrays.UInt8
    overlay: arrays.UInt8
    latency: float
    grids: Optional[GridPair] = None


class DemoReport:
    """
    Collects frames by world and scores them.

    :param classes: of truth and masks
    """

    def __init__(self, classes: ClassTable) -> None:
        self.classes = classes
        self.frames: Dict[str, List[DemoFrame]] = {}
        """In order of arrival, by world."""

    def add(self, world: str, frame: DemoFrame) -> None:
        """Take one frame."""
        self.frames.setdefault(world, []).append(frame)

    def summary(self) -> Dict[str, Any]:
        """
        Return the figures, ready for JSON.

        ``mean_iou`` averages the classes that occur in the truth (0..1), over all worlds under
        ``all``. ``costmap_agreement``: share of the cells that the costmap knows in the state
        (free, costly, lethal) that is true of the place, None without costmaps. Rates are
        frames a second from first to last stamp; latencies are seconds.
        """
        everything = ConfusionMatrix(len(self.classes))
        worlds = {}
        for world, frames in self.frames.items():
            matrix = ConfusionMatrix(len(self.classes))
            for frame in frames:
                matrix.add(frame.truth, frame.mask)
            everything.merge(matrix)
            worlds[world] = dict(self._figures(matrix), costmap_agreement=_agreement(frames),
                                 **_pace(frames))
        return {'worlds': worlds, 'all': self._figures(everything)}

    def _figures(self, matrix: ConfusionMatrix) -> Dict[str, Any]:
        counts = matrix.class_counts()
        scores = score(counts)
        occurring = np.flatnonzero(counts.truth)
        return {
            'mean_iou': round(float(np.mean(scores.iou[occurring])), 4),
            'pixel_accuracy': round(scores.pixel_accuracy, 4),
            'iou': {self.classes.names[i]: round(float(scores.iou[i]), 4) for i in occurring}}


def _agreement(frames: List[DemoFrame]) -> Optional[float]:
    counts = [compare_grids(frame.grids.costmap, frame.grids.truth) for frame in frames
              if frame.grids is not None]
    known = sum(count.both_known for count in counts)
    return round(sum(count.same_state for count in counts) / known, 4) if known else None


def _pace(frames: List[DemoFrame]) -> Dict[str, Any]:
    stamps = np.sort([frame.stamp for frame in frames])
    span = stamps[-1] - stamps[0]
    return {'frames': len(frames),
            'rate': round((len(frames) - 1) / span, 2) if span > 0 else None,
            'median_latency': round(float(np.median([frame.latency for frame in frames])), 3)}
