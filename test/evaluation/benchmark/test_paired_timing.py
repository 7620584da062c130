# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Races: what is counted, and what medians and ratios they give."""

import time

import pytest

from segformer_ros.evaluation.benchmark import paired_timing as race
from segformer_ros.evaluation.benchmark.paired_timing import PairedTiming
from segformer_ros.evaluation.benchmark.paired_timing import Run
from segformer_ros.evaluation.benchmark.paired_timing import Sample
from segformer_ros.evaluation.benchmark.paired_timing import time_in_pairs
from segformer_ros.evaluation.benchmark.paired_timing import TOTAL
from segformer_ros.evaluation.benchmark.paired_timing import Variant


def sample(seconds, stalled=0.0, cpu=None, beside=0.0):
    return Sample({'work': seconds, TOTAL: seconds}, seconds if cpu is None else cpu, beside,
                  stalled)


def test_ratio_is_the_median_of_pairs_not_the_quotient_of_medians():
    # The machine slows down tenfold half way; each pair still says two to one.
    slow = [sample(seconds) for seconds in (2, 2, 2, 20, 20, 20, 22)]
    fast = [sample(seconds) for seconds in (1, 1, 1, 10, 10, 10, 11)]
    result = PairedTiming({'slow': slow, 'fast': fast})
    assert result.ratio('slow', 'fast') == 2.0
    assert result.ratio('fast', 'slow') == 0.5
    assert result.stages('slow') == {'work': 20, TOTAL: 20}


def test_fastest_is_the_least_sum_of_stages_over_all_rounds():
    row = [Sample({'a': a, 'b': b, TOTAL: a + b}, 0.0, 0.0, stalled)
           for a, b, stalled in [(1.0, 9.0, 0.0)] * 8 + [(2.0, 3.0, 0.5), (4.0, 0.5, 0.5)]]
    result = PairedTiming({'one': row})
    assert result.fastest('one') == 4.5
    assert result.fastest('one', ['a']) == 1.0
    assert result.fastest('one', ['a', 'b']) == 4.5


def test_disturbed_rounds_are_left_out_where_enough_are_quiet():
    quiet, disturbed = [sample(1)] * race.MIN_QUIET_ROUNDS, [sample(9, stalled=0.5)] * 20
    result = PairedTiming({'one': quiet + disturbed, 'other': quiet + [sample(1)] * 20})
    assert result.quiet
    assert (result.rounds, result.counted) == (27, 7)
    assert result.stages('one')[TOTAL] == 1
    assert result.ratio('one', 'other') == 1


def test_all_rounds_count_where_too_few_are_quiet_and_the_result_says_so():
    row = [sample(1)] * (race.MIN_QUIET_ROUNDS - 1) + [sample(9, stalled=0.5)] * 20
    result = PairedTiming({'one': row})
    assert not result.quiet
    assert result.counted == result.rounds == 26
    assert result.stages('one')[TOTAL] == 9


def test_silent_kernel_makes_every_round_count():
    result = PairedTiming({'one': [sample(1, stalled=None)] * 8})
    assert result.quiet and result.counted == 8


def test_processor_time_and_sums_of_stages_have_medians_of_their_own():
    rows = [Sample({'a': a, 'b': b, TOTAL: a + b}, cpu, beside, 0.0)
            for a, b, cpu, beside in ((1, 5, 10, 4), (2, 1, 30, 5), (3, 2, 20, 6))]
    result = PairedTiming({'one': rows, 'other': [sample(1, cpu=10)] * 3})
    assert result.cpu('one') == 20
    assert result.beside_cpu('one') == 5
    assert result.sum_of('one', ['a', 'b']) == 5
    assert result.cpu_ratio('one', 'other') == 2


def test_every_variant_runs_once_a_round_and_once_before():
    counts = {'one': 0, 'two': 0}

    def variant(name):
        def run():
            counts[name] += 1
            return Run({'work': 0.001})
        return Variant(name, run)

    result = time_in_pairs([variant('one'), variant('two')], rounds=5)
    assert counts == {'one': 6, 'two': 6}
    assert result.rounds == 5


def test_search_for_quiet_rounds_ends_at_its_limit(monkeypatch):
    # A pressure that always grows: no round is ever quiet.
    monkeypatch.setattr(race, 'stalled_seconds', time.perf_counter)
    done = []

    def run():
        done.append(1)
        return Run({'work': 1.0})

    # A busy machine may be held up for the whole limit: then a longer one shows the search.
    for limit in (0.2, 2.0, 20.0):
        del done[:]
        result = time_in_pairs([Variant('one', run)], rounds=3, time_limit=limit)
        assert not result.quiet
        if result.rounds > 3:
            break
    assert result.rounds > 3 and len(done) >= result.rounds


def test_sample_holds_total_and_processor_time_beside_the_network():
    def run():
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        return Run({'a': 0.25, 'b': 0.5}, network_cpu=0.04)

    taken = race.take_sample(run)
    assert taken.stages == {'a': 0.25, 'b': 0.5, TOTAL: 0.75}
    assert taken.cpu >= 0.05
    assert taken.beside_cpu == pytest.approx(taken.cpu - 0.04)


def test_pressure_file_of_the_kernel_is_read(tmp_path, monkeypatch):
    path = tmp_path / 'cpu'
    path.write_text('some avg10=1.00 avg60=0.50 avg300=0.10 total=2500000\nfull avg10=0.00\n')
    monkeypatch.setattr(race, 'PRESSURE_FILE', str(path))
    assert race.stalled_seconds() == 2.5
    monkeypatch.setattr(race, 'PRESSURE_FILE', str(tmp_path / 'none'))
    assert race.stalled_seconds() is None
