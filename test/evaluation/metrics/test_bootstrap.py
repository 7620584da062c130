# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The paired bootstrap: right on average, wider for what hangs together, the same every time."""

import numpy as np
import pytest

from segformer_ros.evaluation.metrics.bootstrap import block_length
from segformer_ros.evaluation.metrics.bootstrap import Interval
from segformer_ros.evaluation.metrics.bootstrap import paired_intervals
from segformer_ros.evaluation.metrics.bootstrap import Stretch
from segformer_ros.evaluation.metrics.confusion import ClassCounts
from segformer_ros.evaluation.metrics.confusion import score

PIXELS = 1000


def counts_of(accuracies):
    """Return (F, 3, 2): two classes of equal size, of which a share is right."""
    counts = np.zeros((len(accuracies), 3, 2), np.int64)
    right = np.rint(np.asarray(accuracies) * PIXELS / 2).astype(np.int64)
    counts[:, 0] = PIXELS // 2
    counts[:, 1] = PIXELS // 2
    counts[:, 2] = right[:, np.newaxis]
    return counts


def photos(frames):
    return [Stretch(0, frames, False)]


def test_difference_is_that_of_the_pooled_figures():
    random = np.random.RandomState(0)
    first = random.randint(1, 100, (20, 3, 4))
    first[:, 2] = np.minimum(first[:, 2], np.minimum(first[:, 0], first[:, 1]))
    second = first.copy()
    second[:, 2] = second[:, 2] // 2
    found = paired_intervals(first, second, photos(20), draws=50)
    scores = [score(ClassCounts(*side.sum(axis=0))) for side in (first, second)]
    assert found['miou'].difference == pytest.approx(scores[1].mean_iou - scores[0].mean_iou)
    assert found['accuracy'].difference == pytest.approx(
        scores[1].pixel_accuracy - scores[0].pixel_accuracy)


def test_interval_of_independent_frames_has_the_width_of_theory():
    random = np.random.RandomState(1)
    gain = random.normal(0.05, 0.04, 400)
    base = np.full(400, 0.5)
    found = paired_intervals(counts_of(base), counts_of(base + gain), photos(400))['accuracy']
    half_width = 1.96 * np.std(gain) / np.sqrt(400)
    assert found.low == pytest.approx(np.mean(gain) - half_width, abs=0.15 * half_width)
    assert found.high == pytest.approx(np.mean(gain) + half_width, abs=0.15 * half_width)
    assert found.is_clear


def test_frames_that_hang_together_give_a_wider_interval():
    random = np.random.RandomState(2)
    gain = np.repeat(random.normal(0.0, 0.05, 40), 10)
    base = counts_of(np.full(400, 0.5))
    other = counts_of(0.5 + gain)
    apart = paired_intervals(base, other, photos(400), draws=500)['accuracy']
    together = paired_intervals(base, other, [Stretch(0, 400, True)], draws=500)['accuracy']
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_equal_models_differ_by_nothing():
    counts = counts_of(np.random.RandomState(3).rand(30))
    assert paired_intervals(counts, counts, photos(30), draws=100)['miou'] == Interval(0, 0, 0)


def test_same_frames_give_the_same_interval_every_time():
    random = np.random.RandomState(4)
    first, second = counts_of(random.rand(50)), counts_of(random.rand(50))
    stretches = [Stretch(0, 20, True), Stretch(20, 50, False)]
    runs = [paired_intervals(first, second, stretches, draws=150) for _ in range(2)]
    assert runs[0] == runs[1]


def test_single_frame_gives_an_interval_without_width():
    found = paired_intervals(counts_of([0.5]), counts_of([0.75]), [Stretch(0, 1, True)], 20)
    assert found['accuracy'] == Interval(0.25, 0.25, 0.25)


@pytest.mark.parametrize('frames, length', [(1, 1), (8, 2), (27, 3), (1000, 10)])
def test_blocks_grow_with_the_cube_root(frames, length):
    assert block_length(frames) == length


def test_a_class_that_does_not_occur_weighs_nothing():
    random = np.random.RandomState(5)
    first, second = counts_of(random.rand(30)), counts_of(random.rand(30))
    expected = paired_intervals(first, second, photos(30), draws=60)
    absent = np.zeros((30, 3, 1), np.int64)
    found = paired_intervals(np.concatenate([first, absent], axis=2),
                             np.concatenate([second, absent], axis=2), photos(30), draws=60)
    for name in ('miou', 'accuracy'):
        assert found[name] == pytest.approx(expected[name])


@pytest.mark.parametrize('low, high, is_clear', [
    (0.01, 0.02, True), (-0.02, -0.01, True), (-0.01, 0.01, False), (0.0, 0.01, False),
    (-0.01, 0.0, False)])
def test_a_difference_is_clear_where_its_interval_leaves_zero_out(low, high, is_clear):
    assert Interval(0.5 * (low + high), low, high).is_clear is is_clear
