# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One line on disk for every frame, so that memory does not grow with a recording's length."""

import array
import json
import math
from typing import Any, Dict, IO, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.evaluation.metrics.performance import STAGES

# Figures are rounded, so that the last bit of a sum is nobody's concern.
DIGITS = 6


class FrameRecord(NamedTuple):
    """
    What is kept of a frame.

    ``facts`` are the same in every run; ``timings`` are seconds by stage and are not.
    """

    facts: Dict[str, Any]
    timings: Tuple[float, ...]


def write_record(stream: IO[str], record: FrameRecord) -> None:
    """Append one frame to an open file."""
    stream.write(compact_json([record.facts, list(record.timings)]) + '\n')


def read_records(path: str) -> Iterator[FrameRecord]:
    """Yield the frames of a file in their order."""
    with open(path, encoding='utf-8') as stream:
        for line in stream:
            facts, timings = json.loads(line)
            yield FrameRecord(facts, tuple(timings))


def read_series(paths: Sequence[str]) -> Tuple[arrays.Float64, ...]:
    """
    Return what changes from frame to frame, over several files.

    :param paths: of the records, in the order of the report
    :return: timings (F, stages) in seconds, and quality (F,): the share of labelled pixels that
        are right, or the mean confidence without labels, NaN where there is neither
    """
    timings = array.array('d')
    quality = array.array('d')
    for path in paths:
        for record in read_records(path):
            timings.extend(record.timings)
            quality.append(_quality(record.facts))
    return np.array(timings).reshape(len(quality), len(STAGES)), np.array(quality)


def _quality(facts: Dict[str, Any]) -> float:
    classes = facts.get('classes')
    if classes is None:
        confidence = facts['confidence']
        return float('nan') if confidence is None else float(confidence)
    labelled = sum(counts[0] for counts in classes.values())
    right = sum(counts[2] for counts in classes.values())
    return right / labelled if labelled else float('nan')


def rounded(value: float) -> Optional[float]:
    """Return a figure for JSON: six digits, None in the place of NaN."""
    return None if math.isnan(value) else round(float(value), DIGITS)


def compact_json(value: Any) -> str:
    """Return JSON without blanks, keys sorted, and NaN refused: JSON has none."""
    return json.dumps(value, sort_keys=True, separators=(',', ':'), allow_nan=False)
