# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Stamps are turned into one number and back without a loss."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
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
def test_percentile_is_the_smallest_sample_that_a_share_does_not_exceed(samples, sixteenths):
    enough = [sample for sample in samples
              if 16 * sum(other <= sample for other in samples) >= sixteenths * len(samples)]
    assert percentile(sorted(samples), sixteenths / 16) == min(enough)
