# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Stamps that are believed, and clocks that go back."""

import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.settings import TimeSettings
from segformer_ros.costmap.time_jumps import TimeJumps


def watch():
    return TimeJumps(TimeSettings(jump_back=0.5, future=1.0))


def test_a_loop_of_one_camera_is_a_jump_and_later_stamps_are_none():
    clock = watch()
    stamps = [10.0, 10.1, 10.05, 60.0, 10.0, 10.1]
    assert [clock.check_image('a', stamp, None, 30.0) for stamp in stamps] == [
        False, False, False, False, True, False]


def test_cameras_with_different_latency_do_not_jump():
    clock = watch()
    for step in range(5):
        assert not clock.check_image('fast', 10.0 + step, None, 30.0)
        assert not clock.check_image('slow', 8.0 + step, None, 30.0)


def test_after_a_jump_the_other_cameras_old_stamps_are_forgotten():
    clock = watch()
    clock.check_image('a', 100.0, None, 30.0)
    clock.check_image('b', 100.0, None, 30.0)
    assert clock.check_image('a', 5.0, None, 30.0)
    assert not clock.check_image('b', 5.0, None, 30.0)


def test_the_clock_itself_may_jump_too():
    clock = watch()
    clock.check_image('a', 100.0, None, 30.0)
    assert [clock.check_now(now) for now in (100.0, 100.2, 99.9, 3.0, 3.1)] == [
        False, False, False, True, False]
    assert not clock.check_image('a', 3.0, None, 30.0)


@pytest.mark.parametrize('stamp', [0.0, -1.0, float('nan'), float('inf')])
def test_images_without_a_stamp_are_named(stamp):
    with pytest.raises(InvalidInputError, match='no time stamp.*header.stamp'):
        watch().check_image('a', stamp, None, 30.0)


@pytest.mark.parametrize('stamp, words', [(102.0, '2.000 s ahead of the clock.*use_sim_time'),
                                          (60.0, '40.000 s behind')])
def test_images_and_clock_that_disagree_are_named_and_change_nothing(stamp, words):
    clock = watch()
    clock.check_image('a', 99.0, 100.0, 30.0)
    with pytest.raises(InvalidInputError, match=words):
        clock.check_image('a', stamp, 100.0, 30.0)
    assert not clock.check_image('a', 99.1, 100.0, 30.0)
