# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Stamps are turned into one number and back without a loss."""

from types import SimpleNamespace

import pytest
from segformer_ros.common.time import nanoseconds_to_stamp
from segformer_ros.common.time import stamp_to_nanoseconds


@pytest.mark.parametrize('sec, nanosec, nanoseconds', [
    (0, 0, 0), (0, 1, 1), (1700000003, 999999999, 1700000003999999999)])
def test_stamps_come_back_to_the_nanosecond(sec, nanosec, nanoseconds):
    assert stamp_to_nanoseconds(SimpleNamespace(sec=sec, nanosec=nanosec)) == nanoseconds
    assert nanoseconds_to_stamp(nanoseconds) == (sec, nanosec)
