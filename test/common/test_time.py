# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Stamps are turned into one number and back without a loss."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.time import nanoseconds_to_stamp
from segformer_ros.common.time import percentile
from segformer_ros.common.time import stamp_to_nanoseconds


@pytest.mark.parametrize('sec, nanosec, nanoseconds', [
    (0, 0, 0), (0, 1, 1), (1700000003, 999999999, 1700000003999999999)])
def test_stamps_come_back_to_the_nanosecond(sec, nanosec, nanoseconds):
    assert stamp_to_nanoseconds(SimpleNamespace(sec=sec, nanosec=nanosec)) == nanoseconds
    assert nanoseconds_to_stamp(nanoseconds) == (sec, nanosec)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40), st.integers(0, 16))
def test_percentiles_are_those_of_numpy(samples, sixteenths):
    assert percentile(sorted(samples), sixteenths / 16) == pytest.approx(
        np.percentile(samples, 100 * sixteenths / 16))


@pytest.mark.parametrize('share, value', [(0.0, 1.0), (0.25, 2.0), (0.5, 3.0), (0.875, 11.5),
                                          (1.0, 15.0)])
def test_percentiles_lie_between_the_two_nearest_samples(share, value):
    assert percentile([1.0, 2.0, 3.0, 8.0, 15.0], share) == pytest.approx(value)
