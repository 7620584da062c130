# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Figures of a camera: counts, rates, percentiles, staleness."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.io.statistics import percentiles


def serve(statistics, now, total=0.1):
    statistics.record_served(now, 'rgb8', (640, 480), {'network': total / 2, 'total': total})


@settings(deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_percentiles_have_their_share_of_the_samples_on_either_side(samples):
    found = percentiles(samples)
    for share, value in ((0.50, found.p50), (0.95, found.p95)):
        place = share * (len(samples) - 1)
        # A rounding of the interpolation.
        assert sum(sample <= value + 1e-9 for sample in samples) >= int(place) + 1
        assert sum(sample < value - 1e-9 for sample in samples) <= -int(-place // 1)


def test_percentiles_of_nothing_are_nothing():
    assert percentiles([]) is None


@pytest.mark.parametrize('rate', [0.7, 1.0, 10.0, 30.0])
def test_rate_of_a_steady_camera(rate):
    statistics = CameraStatistics(0.0)
    moments = [n / rate for n in range(int(20 * rate))]
    for moment in moments:
        statistics.record_arrival(moment, 0, None)
    # Just before the next one would come.
    assert statistics.report(moments[-1] + 0.99 / rate).input_rate == pytest.approx(rate, 0.01)


def test_rate_falls_when_the_camera_stops():
    statistics = CameraStatistics(0.0)
    for step in range(100):
        statistics.record_arrival(0.1 * step, 0, None)
    rates = [statistics.report(9.9 + wait).input_rate for wait in (0.0, 1.0, 3.0, 6.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(10.0)
    assert rates[-1] == 0.0


def test_counts_by_what_became_of_a_frame():
    statistics = CameraStatistics(0.0)
    for stamp in (10, 20, 30, 40, 50):
        assert statistics.record_arrival(1.0, stamp, None) is False
    serve(statistics, 1.0)
    statistics.record_drop()
    statistics.record_error('bad image', rejected=True)
    statistics.record_error('bad luck', rejected=False)
    report = statistics.report(2.0)
    assert (report.received, report.published, report.dropped, report.rejected,
            report.failed) == (5, 1, 1, 1, 1)
    assert report.last_error == 'bad luck'


def test_an_error_counts_as_present_until_the_next_mask():
    statistics = CameraStatistics(0.0)
    statistics.record_error('bad image', rejected=True)
    assert statistics.report(0.0).erring
    serve(statistics, 1.0)
    report = statistics.report(1.0)
    assert not report.erring
    assert report.last_error == 'bad image'


def test_stamps_that_go_back_are_told_and_counted():
    statistics = CameraStatistics(0.0)
    told = [statistics.record_arrival(0.0, stamp, None) for stamp in (5, 6, 1, 2, 2)]
    assert told == [False, False, True, False, False]
    assert statistics.report(0.0).stamps_back == 1


def test_time_without_a_mask_counts_from_activation_or_the_last_mask():
    statistics = CameraStatistics(100.0)
    assert statistics.report(103.0).since_served == pytest.approx(3.0)
    serve(statistics, 104.0)
    assert statistics.report(106.0).since_served == pytest.approx(2.0)
    statistics.record_activated(200.0)
    assert statistics.report(201.0).since_served == pytest.approx(1.0)


def test_latency_is_of_the_last_frames_by_stage():
    statistics = CameraStatistics(0.0)
    for step in range(600):
        serve(statistics, float(step), total=10.0 if step < 300 else 0.2)
    report = statistics.report(600.0)
    assert report.latency == (0.2, 0.2)
    assert report.stages == {'network': (0.1, 0.1)}


def test_stamps_that_stand_still_are_told_after_five_images_and_not_before():
    statistics = CameraStatistics(0.0)
    for number in range(1, 5):
        statistics.record_arrival(0.1 * number, 700, None)
        assert statistics.report(1.0).frozen == ''
    statistics.record_arrival(0.6, 700, None)
    assert '5 images in a row' in statistics.report(1.0).frozen
    statistics.record_arrival(0.7, 701, None)
    assert statistics.report(1.0).frozen == ''


def test_images_without_stamps_and_images_sent_twice_are_not_frozen():
    statistics = CameraStatistics(0.0)
    for number in range(20):
        statistics.record_arrival(0.1 * number, 0, None)
    assert statistics.report(1.0).frozen == ''
    for number in range(40):
        statistics.record_arrival(0.1 * number, 1000 + number // 4, None)
        assert statistics.report(1.0).frozen == ''
