# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Flicker between consecutive frames."""

import math

import numpy as np
import pytest

from segformer_ros.evaluation.metrics.temporal import TemporalConsistencyCounts
from segformer_ros.evaluation.metrics.temporal import TemporalConsistencyMeter


def mask(*rows):
    return np.array(rows, np.uint8)


def test_share_of_changed_pixels_is_pooled_over_pairs():
    meter = TemporalConsistencyMeter(4)
    assert math.isnan(meter.add(mask([0, 0], [0, 0]), None))
    assert meter.add(mask([0, 1], [0, 0]), None) == 0.25
    assert meter.add(mask([1, 0], [1, 1]), None) == 1.0
    assert meter.counts.changed_share() == pytest.approx(5 / 8.0)
    assert math.isnan(meter.counts.steady_changed_share())


def test_steady_flicker_looks_only_where_the_truth_stays():
    meter = TemporalConsistencyMeter(4)
    meter.add(mask([0, 0, 0, 0]), mask([0, 1, 2, 255]))
    meter.add(mask([0, 1, 1, 1]), mask([0, 1, 3, 255]))
    # Pixels 0 and 1 are steady, pixel 2 is another thing now, pixel 3 is void.
    assert meter.counts.steady == 2
    assert meter.counts.steady_changed_share() == 0.5
    assert meter.counts.changed_share() == 0.75


def test_missing_frame_and_new_size_break_the_chain():
    meter = TemporalConsistencyMeter(4)
    meter.add(mask([0, 0]), None)
    meter.skip()
    assert math.isnan(meter.add(mask([1, 1]), None))
    assert math.isnan(meter.add(mask([1], [1]), None))
    assert meter.counts.compared == 0
    assert math.isnan(meter.counts.changed_share())


def test_merging_adds_the_pairs():
    first, second = TemporalConsistencyMeter(4), TemporalConsistencyMeter(4)
    for meter, last in ((first, [0, 1]), (second, [1, 1])):
        meter.add(mask([0, 0]), mask([0, 0]))
        meter.add(mask(last), mask([0, 0]))
    total = TemporalConsistencyCounts()
    total.merge(first.counts)
    total.merge(second.counts)
    assert total.changed_share() == 0.75
    assert total.steady_changed_share() == 0.75
