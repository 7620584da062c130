# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Send every frame of a source through a network and count what comes out."""

import math
from typing import (Any, Callable, Dict, IO, List, NamedTuple, Optional, Sequence, Tuple,
                    Union)

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.confusion import ConfusionMatrix
from segformer_ros.evaluation.metrics.confusion import IGNORED
from segformer_ros.evaluation.metrics.label_map import LabelMap
from segformer_ros.evaluation.metrics.performance import Usage
from segformer_ros.evaluation.metrics.performance import UsageMeter
from segformer_ros.evaluation.metrics.temporal import TemporalConsistencyMeter
from segformer_ros.evaluation.metrics.totals import Totals
from segformer_ros.evaluation.run import records as run_records
from segformer_ros.evaluation.run.sinks import FrameSink
from segformer_ros.evaluation.run.worst_frames import WorstFrame
from segformer_ros.evaluation.run.worst_frames import WorstFrames
from segformer_ros.evaluation.sources import frames as source_frames
from segformer_ros.segmentation.segmenter import Segmentation
from segformer_ros.segmentation.segmenter import Segmenter


class RunSettings(NamedTuple):
    """
    What is measured.

    ``rotate`` is that of the camera, as in the live node; ``rotations`` are (topic, degrees) of
    those cameras that differ. ``worst`` frames are kept as pictures.
    """

    rotate: int = 0
    rotations: Tuple[Tuple[str, int], ...] = ()
    with_boundary: bool = True
    worst: int = 6


class SourceResult(NamedTuple):
    """What one source came to; ``records_path`` holds a line for every frame."""

    name: str
    consecutive: bool
    totals: Totals
    worst: List[WorstFrame]
    records_path: str
    usage: Usage


class SourceRunner:
    """
    Evaluates one source.

    :param segmenter: under test
    :param label_map: from the network's classes and the labels to the classes of the figures
    :param settings: what is measured
    :param reference: a second network, whose masks take the place of labels
    :param sinks: take each frame's result further
    """

    def __init__(self, segmenter: Segmenter, label_map: LabelMap, settings: RunSettings,
                 reference: Optional[Segmenter] = None, sinks: Sequence[FrameSink] = ()) -> None:
        self._segmenter = segmenter
        self._label_map = label_map
        self._settings = settings
        self._reference = reference
        self._sinks = sinks
        self._rotations = dict(settings.rotations)

    def run(self, source: source_frames.FrameSource, records_path: str,
            on_frame: Callable[[], None] = lambda: None) -> SourceResult:
        """
        Evaluate every frame from the first to the last.

        :param source: where they come from
        :param records_path: file to write, one line a frame
        :param on_frame: called after each frame, left out or not
        """
        meter = UsageMeter()
        num_classes = len(self._label_map.truth)
        totals = Totals(num_classes, self._settings.with_boundary)
        # Of each camera by itself.
        meters: Dict[str, TemporalConsistencyMeter] = {}
        worst = WorstFrames(self._settings.worst, self._label_map.truth.palette())
        try:
            with open(records_path, 'w', encoding='utf-8') as records:
                for item in source.frames():
                    left_out: Optional[source_frames.LeftOut]
                    if isinstance(item, source_frames.LeftOut):
                        left_out, broken = item, list(meters.values())
                    else:
                        broken = [meters.setdefault(item.topic,
                                                    TemporalConsistencyMeter(num_classes))]
                        left_out = self._add(source, item, totals, broken[0], worst, records)
                    if left_out is not None:
                        totals.leave_out(left_out)
                        for consistency in broken:
                            consistency.skip()
                    on_frame()
            for consistency in meters.values():
                totals.consistency.merge(consistency.counts)
            for sink in self._sinks:
                sink.count(totals)
        finally:
            for sink in self._sinks:
                sink.close()
        return SourceResult(source.name, source.consecutive, totals, worst.frames(), records_path,
                            meter.read())

    def _add(self, source: source_frames.FrameSource, frame: source_frames.Frame, totals: Totals,
             consistency: TemporalConsistencyMeter, worst: WorstFrames,
             records: IO[str]) -> Optional[source_frames.LeftOut]:
        try:
            segmentation = self._segmenter.segment(frame.image, self._rotation(frame))
        except InvalidInputError as error:
            return source_frames.LeftOut(f'{source.name} #{frame.position}',
                                         source_frames.BAD_IMAGE, str(error))
        prediction = self._label_map.predicted(segmentation.mask)
        truth = self._truth(frame)
        if isinstance(truth, source_frames.LeftOut):
            return truth._replace(name=f'{source.name} #{frame.position}')
        totals.frames += 1
        changed = consistency.add(prediction, truth) if source.consecutive else float('nan')
        score = float('nan') if segmentation.confidence is None else \
            float(segmentation.confidence.mean()) / 255.0
        facts: Dict[str, Any] = {
            'position': frame.position, 'name': frame.name,
            'flicker': run_records.rounded(changed), 'confidence': run_records.rounded(score)}
        if truth is not None:
            score = self._compare(truth, prediction, segmentation, totals, facts)
        if not math.isnan(score):
            worst.offer(score, source.name, frame.position, frame.name, frame.image, truth,
                        prediction)
        run_records.write_record(records, run_records.FrameRecord(
            facts, (frame.decode_seconds,) + tuple(segmentation.timings)))
        for sink in self._sinks:
            sink.add(frame, segmentation)
        return None

    def _rotation(self, frame: source_frames.Frame) -> int:
        return self._rotations.get(frame.topic, self._settings.rotate)

    def _truth(self, frame: source_frames.Frame
               ) -> Union[arrays.UInt8, source_frames.LeftOut, None]:
        if self._reference is not None:
            other = self._reference.segment(frame.image, self._rotation(frame),
                                            with_confidence=False)
            return self._label_map.predicted(other.mask)
        if frame.labels is None:
            return None
        if frame.labels.shape != frame.image.shape[:2]:
            (high, wide), (height, width) = frame.labels.shape, frame.image.shape[:2]
            return source_frames.LeftOut(
                '', source_frames.LABEL_SIZE,
                f'labels of {wide} x {high}, image of {width} x {height}')
        try:
            return self._label_map.labelled(frame.labels)
        except InvalidInputError as error:
            return source_frames.LeftOut('', source_frames.BAD_LABELS, str(error))

    def _compare(self, truth: arrays.UInt8, prediction: arrays.UInt8,
                 segmentation: Segmentation, totals: Totals, facts: Dict[str, Any]) -> float:
        """Count one labelled frame; return its pixel accuracy."""
        matrix = ConfusionMatrix(len(self._label_map.truth))
        matrix.add(truth, prediction)
        totals.labelled_frames += 1
        totals.label_pixels += truth.size
        totals.ignored_pixels += int(np.count_nonzero(truth == IGNORED))
        totals.confusion.merge(matrix)
        if totals.boundary is not None:
            totals.boundary.add(truth, prediction)
        if segmentation.confidence is not None:
            totals.confidence.add(segmentation.confidence, truth == prediction,
                                  truth < matrix.num_classes)
        counts = matrix.class_counts()
        facts['classes'] = counts.to_sparse()
        labelled = int(counts.truth.sum())
        return int(counts.intersection.sum()) / labelled if labelled else float('nan')
