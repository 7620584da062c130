# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Notices clocks that go back (a bag that loops, a simulation reset) or run ahead."""

import math
from typing import Dict, Optional

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.settings import TimeSettings


class TimeJumps:
    """
    Compares stamps with the earlier ones of the same source.

    Sources are kept apart: cameras have different latencies, and all stamps lie behind the
    clock, so stamps of two sources out of order are not a jump.

    :param settings: what is believed
    """

    def __init__(self, settings: TimeSettings) -> None:
        self.settings = settings
        self._images: Dict[str, float] = {}
        self._now: Optional[float] = None

    def check_image(self, camera: str, stamp: float, now: Optional[float], oldest: float) -> bool:
        """
        Take in an image's stamp.

        :param camera: name of the source
        :param stamp: seconds
        :param now: the clock's time in seconds, or None where there is no clock (bags offline)
        :param oldest: seconds behind the clock at which an image says nothing any more
        :return: whether time went back; all earlier stamps are forgotten then
        :raises InvalidInputError: as :meth:`check_stamp`; nothing has changed then
        """
        self.check_stamp(stamp, now, oldest)
        last = self._images.get(camera, -math.inf)
        jumped = stamp < last - self.settings.jump_back
        if jumped:
            self._images = {}
        self._images[camera] = stamp
        return jumped

    def check_stamp(self, stamp: float, now: Optional[float], oldest: float) -> None:
        """
        Compare an image's stamp with the clock; nothing is remembered.

        :param stamp: seconds
        :param now: the clock's time in seconds, or None where there is no clock
        :param oldest: seconds behind the clock at which an image says nothing any more
        :raises InvalidInputError: a stamp that is zero, not finite, ahead of the clock, or too old
        """
        if not (math.isfinite(stamp) and stamp > 0.0):
            raise InvalidInputError('Image has no time stamp', got=stamp,
                                    expected='seconds above 0',
                                    remedy='Fill header.stamp in the camera driver.')
        if now is not None and not now - oldest <= stamp <= now + self.settings.future:
            raise InvalidInputError(
                'Image and clock disagree',
                got=f"{abs(stamp - now):.3f} s {'ahead of' if stamp > now else 'behind'} the "
                    'clock',
                expected=f'at most {self.settings.future} s ahead and {oldest} s behind',
                remedy='Synchronise the clocks; with a bag or a simulation set use_sim_time.')

    def check_now(self, now: float) -> bool:
        """
        Take in the clock's own time.

        :param now: seconds
        :return: whether time went back; all earlier stamps are forgotten then
        """
        jumped = self._now is not None and now < self._now - self.settings.jump_back
        if jumped:
            self._images = {}
        self._now = now
        return jumped
