# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Latencies, processor time and memory."""

import time

import numpy as np
import pytest

from segformer_ros.evaluation.metrics.performance import add_usages
from segformer_ros.evaluation.metrics.performance import latency_table
from segformer_ros.evaluation.metrics.performance import machine_description
from segformer_ros.evaluation.metrics.performance import peak_resident_bytes
from segformer_ros.evaluation.metrics.performance import summarize
from segformer_ros.evaluation.metrics.performance import Usage
from segformer_ros.evaluation.metrics.performance import UsageMeter


def percentile_by_rank(values, percent):
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100.0
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def test_summary_is_in_milliseconds_with_interpolated_percentiles():
    seconds = np.random.RandomState(0).rand(37)
    found = summarize(seconds)
    for percent in (50, 90, 95, 99):
        assert found[f'p{percent}'] == pytest.approx(
            1000 * percentile_by_rank(seconds.tolist(), percent), abs=1e-3)
    assert found['max'] == pytest.approx(1000 * max(seconds), abs=1e-3)
    assert found['mean'] == pytest.approx(1000 * sum(seconds) / 37, abs=1e-3)


def test_total_is_the_sum_of_the_stages_of_each_frame():
    table = latency_table(np.array([[0.001, 0.002, 0.1, 0.004], [0.001, 0.002, 0.2, 0.004]]))
    assert table['infer']['max'] == 200.0
    assert table['total']['mean'] == pytest.approx(157.0)
    assert latency_table(np.zeros((0, 4))) == {}


def test_meter_counts_from_its_making_on():
    meter = UsageMeter()
    cpu = time.process_time()
    while time.process_time() - cpu < 0.05:
        sum(range(1000))
    used = meter.read()
    assert used.cpu_seconds >= 0.05
    assert used.wall_seconds > 0
    assert used.peak_bytes > 10 ** 6


def test_peak_memory_rises_with_what_is_held():
    before = peak_resident_bytes()
    held = np.ones(max(8 * 10 ** 6, before // 8 + 4 * 10 ** 6))
    assert peak_resident_bytes() >= max(before, held.nbytes)


def test_usages_of_processes_add_up_but_not_their_peaks():
    assert add_usages([Usage(1.0, 2.0, 30), Usage(2.0, 1.0, 50)]) == Usage(3.0, 3.0, 50)


def test_machine_names_processor_and_versions():
    facts = machine_description()
    assert facts['processor']
    assert facts['numpy'] == np.__version__
