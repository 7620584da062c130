# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Latencies and staleness of replays that were made up, so that the truth is known."""

import math

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.replay.timing import mask_times
from segformer_ros.evaluation.replay.timing import ReplayEvents
from segformer_ros.evaluation.replay.timing import staleness

START_NS = 1700000000 * 10 ** 9
ROUNDING = 1e-6
"""Seconds; stamps are whole nanoseconds, and moments differences of doubles."""


def recorded_ns(seconds):
    return START_NS + int(round(seconds * 1e9))


def made_up(frames, rate, began=50.0, clock_delay=lambda number: 0.0):
    """
    Return what is heard of frames (stamp, received by the recorder, seconds until its mask).

    Stamps and receive times are seconds of the recording; a mask takes seconds of the wall, None
    never comes.
    """
    images = [(recorded_ns(stamp), began + received / rate) for stamp, received, _ in frames]
    masks = sorted(((recorded_ns(stamp), began + received / rate + taken)
                    for stamp, received, taken in frames if taken is not None),
                   key=lambda heard: heard[1])
    ticks = [0.01 * number for number in range(1000)]
    clock = [(recorded_ns(rate * tick), began + tick + clock_delay(number))
             for number, tick in enumerate(ticks)]
    return ReplayEvents(images, masks, clock)


@pytest.mark.parametrize('rate', [1.0, 4.0, 0.5])
def test_latencies_are_those_of_the_frames(rate):
    events = made_up([(0.1, 0.15, 0.03), (0.3, 0.33, None), (0.5, 0.54, 0.07)], rate)
    first, second = mask_times(events, rate)
    assert [first.stamp_ns, second.stamp_ns] == [recorded_ns(0.1), recorded_ns(0.5)]
    assert first.image_to_mask == pytest.approx(0.03)
    assert second.image_to_mask == pytest.approx(0.07)
    # The recording's own delay, and the wall's seconds as seconds of the recording.
    assert first.stamp_to_mask == pytest.approx(0.05 + rate * 0.03, abs=1e-6)
    assert second.stamp_to_mask == pytest.approx(0.04 + rate * 0.07, abs=1e-6)


def test_mask_of_an_image_that_was_not_heard_has_its_age_alone():
    events = made_up([(0.1, 0.15, 0.03)], 1.0)._replace(images=[])
    only, = mask_times(events, 1.0)
    assert math.isnan(only.image_to_mask)
    assert only.stamp_to_mask == pytest.approx(0.08, abs=1e-6)


def test_late_clock_messages_do_not_make_masks_younger():
    events = made_up([(1.0, 1.0, 0.2)], 1.0, clock_delay=lambda n: 0.0 if n % 7 == 0 else 0.009)
    assert mask_times(events, 1.0)[0].stamp_to_mask == pytest.approx(0.2, abs=1e-6)


def test_clock_that_is_set_back_when_playing_starts_counts_from_then():
    events = made_up([(1.0, 1.0, 0.2)], 1.0)
    waiting = [(recorded_ns(0.1 * number), 47.0 + 0.1 * number) for number in range(25)]
    events = events._replace(clock=waiting + list(events.clock))
    assert mask_times(events, 1.0)[0].stamp_to_mask == pytest.approx(0.2, abs=1e-6)
    assert staleness(events, 1.0)[0] == pytest.approx(0.2, abs=1e-6)


def test_without_masks_there_is_nothing_and_without_a_clock_an_error():
    events = made_up([(0.1, 0.1, None)], 1.0)
    assert mask_times(events, 1.0) == []
    assert staleness(events, 1.0).size == 0
    silent = made_up([(0.1, 0.1, 0.1)], 1.0)._replace(clock=[])
    for function in (mask_times, staleness):
        with pytest.raises(InvalidInputError, match=r'No clock.*--clock'):
            function(silent, 1.0)


def ages_between_masks(frames, rate):
    """Return from when until when which age of the newest mask grew, in order."""
    shown = sorted((received + rate * taken, stamp) for stamp, received, taken in frames
                   if taken is not None)
    end = max(shown[-1][0], max(received for _, received, _ in frames))
    newest, spans = -math.inf, []
    for number, (moment, stamp) in enumerate(shown):
        newest = max(newest, stamp)
        until = shown[number + 1][0] if number + 1 < len(shown) else end
        spans.append((moment, until, moment - newest, until - newest))
    return spans


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0.05, 0.4), st.floats(0.0, 0.05),
                          st.one_of(st.none(), st.floats(0.01, 0.8))), min_size=2, max_size=8),
       st.sampled_from([0.5, 1.0, 3.0]))
def test_staleness_equals_the_areas_under_the_age(steps, rate):
    stamps = np.cumsum([step for step, _, _ in steps])
    frames = [(float(stamp), float(stamp) + delay, taken)
              for stamp, (_, delay, taken) in zip(stamps, steps)]
    if len([1 for frame in frames if frame[2] is not None]) < 2:
        frames = [(stamp, received, 0.1) for stamp, received, _ in frames]
    ages = staleness(made_up(frames, rate), rate)
    spans = ages_between_masks(frames, rate)
    took = spans[-1][1] - spans[0][0]
    # An age that lasts for less than two samples may be seen or not.
    assert ages.max() <= max(oldest for _, _, _, oldest in spans) + ROUNDING
    lasting = [span for span in spans if span[1] - span[0] >= 0.002] + spans[-1:]
    assert ages.max() >= max(oldest for _, _, _, oldest in lasting) - 0.001 - ROUNDING
    assert ages.min() >= min(youngest for _, _, youngest, _ in spans) - ROUNDING
    if took > ROUNDING:
        area = sum((end - begin) * (youngest + oldest) / 2.0
                   for begin, end, youngest, oldest in spans)
        # Each sample stands for a step: it is wrong by at most what the age changes meanwhile.
        jumps = sum(abs(before[3] - after[2]) for before, after in zip(spans, spans[1:]))
        step = min(0.001, took)
        assert ages.mean() == pytest.approx(
            area / took, abs=2.0 * (jumps + took) * step / took + ROUNDING)


@pytest.mark.parametrize('frames, mean', [
    # Both masks come at once, as late as the last image: the newer one is seen, for no time.
    ([(1.0, 1.0, 0.5), (1.5, 1.5, 0.0)], 0.0),
    # Their time is 2 ms of an age that grows, then 2 ms of one that is younger by 0.25 s.
    ([(1.0, 1.0, 0.500), (1.25, 1.25, 0.252), (1.25, 1.504, None)], 0.377)])
def test_staleness_of_masks_that_come_within_milliseconds(frames, mean):
    # Five samples are the least that the second case has: an uneven one costs a tenth.
    assert staleness(made_up(frames, 1.0), 1.0).mean() == pytest.approx(mean, abs=0.03)


def test_node_that_falls_silent_gets_staler_until_the_last_image():
    frames = [(0.1 * number, 0.1 * number, 0.02 if number < 3 else None) for number in range(20)]
    ages = staleness(made_up(frames, 1.0), 1.0)
    assert ages.max() == pytest.approx(1.9 - 0.2, abs=0.002)
