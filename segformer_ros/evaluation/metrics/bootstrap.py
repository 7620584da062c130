# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
How sure a difference between two models on the same frames is.

Paired bootstrap (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 10
and 13): frames are drawn with replacement, the same ones for both models, and the percentiles of
the difference of the pooled figures are its interval. Consecutive frames show nearly the same,
so whole blocks of them are drawn (H. R. Kuensch, The Jackknife and the Bootstrap for General
Stationary Observations, Annals of Statistics, 1989): single frames would make the interval far
too narrow.
"""

from typing import Dict, List, NamedTuple, Sequence

import numpy as np
from segformer_ros.common import arrays

DRAWS = 2000
SEED = 20260101
CONFIDENCE = 0.95

# Draws that are counted at once; bounds the memory, whatever the number of frames.
CHUNK = 64


class Interval(NamedTuple):
    """A difference and the interval it lies in with :data:`CONFIDENCE`."""

    difference: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Return whether the interval leaves zero out."""
        return self.low > 0.0 or self.high < 0.0


class Stretch(NamedTuple):
    """Frames of one input: where they lie in the arrays, and whether they follow in time."""

    start: int
    stop: int
    consecutive: bool


def block_length(frames: int) -> int:
    """
    Return the length of a block of consecutive frames.

    The cube root of their number, the order that is best for variances (P. Hall, J. L. Horowitz,
    B.-Y. Jing, On Blocking Rules for the Bootstrap with Dependent Data, Biometrika, 1995).
    """
    return max(1, round(frames ** (1.0 / 3.0)))


def paired_intervals(first: arrays.Int64, second: arrays.Int64,
                     stretches: Sequence[Stretch], draws: int = DRAWS,
                     seed: int = SEED) -> 'Dict[str, Interval]':
    """
    Return the differences (second minus first) of mean IoU and pixel accuracy.

    :param first: (F, 3, N) counts of true, predicted and common pixels by frame and class
    :param second: likewise, of the same frames
    :param stretches: together all F frames
    :param draws: of frames
    :param seed: the same seed gives the same interval
    :return: by ``miou`` and ``accuracy``
    """
    differences: Dict[str, List[float]] = {'miou': [], 'accuracy': []}
    random = np.random.RandomState(seed)
    both = [counts.reshape(len(counts), -1).astype(np.float64) for counts in (first, second)]
    classes = first.shape[2]
    for start in range(0, draws, CHUNK):
        weights = np.stack([_draw(random, stretches, len(first))
                            for _ in range(min(CHUNK, draws - start))])
        scores = [_scores(weights.dot(counts).reshape(-1, 3, classes)) for counts in both]
        for name, values in differences.items():
            values.extend((scores[1][name] - scores[0][name]).tolist())
    plain = [_scores(counts.sum(axis=0).reshape(1, 3, classes)) for counts in both]
    tail = 50.0 * (1.0 - CONFIDENCE)
    result = {}
    for name, values in differences.items():
        known = np.array(values)[~np.isnan(values)]
        low, high = np.percentile(known, [tail, 100.0 - tail]) if known.size else (
            float('nan'), float('nan'))
        result[name] = Interval(float(plain[1][name][0] - plain[0][name][0]), float(low),
                                float(high))
    return result


def _draw(random: np.random.RandomState, stretches: Sequence[Stretch],
          frames: int) -> arrays.Float64:
    """Return how often each frame is drawn."""
    weights: arrays.Float64 = np.zeros(frames)
    for stretch in stretches:
        size = stretch.stop - stretch.start
        length = block_length(size) if stretch.consecutive else 1
        blocks = -(-size // length)
        starts = random.randint(0, size - length + 1, blocks)
        drawn = (starts[:, np.newaxis] + np.arange(length)).reshape(-1)[:size]
        weights[stretch.start:stretch.stop] += np.bincount(drawn, minlength=size)
    return weights


def _scores(counts: arrays.Float64) -> Dict[str, arrays.Float64]:
    """Return both figures of (D, 3, N) pooled counts, each (D,)."""
    truth, predicted, common = counts[:, 0], counts[:, 1], counts[:, 2]
    union = truth + predicted - common
    occurs = union > 0
    with np.errstate(divide='ignore', invalid='ignore'):
        iou = np.where(occurs, common / np.where(occurs, union, 1.0), 0.0)
        return {'miou': iou.sum(axis=1) / occurs.sum(axis=1),
                'accuracy': common.sum(axis=1) / truth.sum(axis=1)}
