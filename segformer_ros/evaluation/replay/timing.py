# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From what was heard during a replay to latencies and staleness."""

from typing import List, NamedTuple, Sequence, Tuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError

NANO = 1e-9

# The age of the newest mask is sampled this often, in seconds of the recording ...
SAMPLING_S = 1e-3
# ... and more rarely in recordings of more than a quarter of an hour.
MAX_SAMPLES = 1000000

# Nanoseconds of the message, and seconds of one steady clock at which it was heard.
Heard = Tuple[int, float]


class ReplayEvents(NamedTuple):
    """
    Messages in the order in which they were heard.

    ``images`` and ``masks`` are with the stamps of their headers, ``clock`` with the time told.
    """

    images: Sequence[Heard]
    masks: Sequence[Heard]
    clock: Sequence[Heard]


class MaskTimes(NamedTuple):
    """
    One mask.

    ``image_to_mask`` is in seconds of the wall, NaN where the image was not heard.
    ``stamp_to_mask`` is in seconds of the recording: the age at which the mask came.
    """

    stamp_ns: int
    image_to_mask: float
    stamp_to_mask: float


def mask_times(events: ReplayEvents, rate: float) -> List[MaskTimes]:
    """
    Return the latencies of every mask, in their order.

    :param events: of one replay
    :param rate: seconds of the recording in a second of the wall
    :raises InvalidInputError: masks came, but no clock was heard
    """
    if not events.masks:
        return []
    image_heard = dict(reversed(events.images))
    stamps, told = _mask_series(events, rate)
    return [MaskTimes(stamp_ns, heard - image_heard.get(stamp_ns, float('nan')), float(age))
            for (stamp_ns, heard), age in zip(events.masks, told - stamps)]


def staleness(events: ReplayEvents, rate: float) -> arrays.Float64:
    """
    Return the age of the newest mask through the replay, at even intervals.

    The age runs from the stamp of the newest mask that has come; it is taken from the first
    mask to the last mask or image, whichever is later, so that a node that falls silent shows.

    :param events: of one replay
    :param rate: seconds of the recording in a second of the wall
    :return: (S,) seconds of the recording; empty without masks
    :raises InvalidInputError: masks came, but no clock was heard
    """
    if not events.masks:
        return np.empty(0)
    stamps, told = _mask_series(events, rate)
    last = max(heard for series in (events.masks, events.images) for _, heard in series)
    start = told[0]
    end = _recording_times(events.clock, [last], rate, events.masks[0][0])[0]
    samples = int(min(MAX_SAMPLES, np.ceil((end - start) / SAMPLING_S) + 1))
    moments = np.linspace(start, end, samples)
    newest = np.maximum.accumulate(stamps)
    ages: arrays.Float64 = moments - newest[
        np.searchsorted(told, moments, side='right') - 1]
    return ages


def _mask_series(events: ReplayEvents,
                 rate: float) -> Tuple[arrays.Float64, arrays.Float64]:
    """Return stamps and arrivals of the masks, seconds of the recording from the first stamp."""
    base_ns = events.masks[0][0]
    stamps = np.array([NANO * (stamp_ns - base_ns) for stamp_ns, _ in events.masks])
    return stamps, _recording_times(events.clock, [heard for _, heard in events.masks], rate,
                                    base_ns)


def _recording_times(clock: Sequence[Heard], heard: Sequence[float], rate: float,
                     base_ns: int) -> arrays.Float64:
    """Return what the player's clock said at given moments, seconds since ``base_ns``."""
    if not clock:
        raise InvalidInputError('No clock was heard', expected='/clock from the player',
                                remedy='Play with "--clock".')
    told = np.array([NANO * (time_ns - base_ns) for time_ns, _ in clock])
    at = np.array([moment for _, moment in clock])
    # A player that sleeps before it starts sets its clock back when it does.
    run = np.concatenate([[0], np.cumsum(np.diff(told) < 0)])
    offsets = told - rate * at
    # A message that was on its way for long tells too early a time: the largest offset of a run
    # is that of its fastest message.
    best = np.full(run[-1] + 1, -np.inf)
    np.maximum.at(best, run, offsets)
    last = np.maximum(np.searchsorted(at, heard, side='right') - 1, 0)
    times: arrays.Float64 = best[run[last]] + rate * np.asarray(heard)
    return times
