# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Land a drone where the node says that there is room, and go up again where there is none."""

import math
from typing import List, NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap.landing import LandingSite

SEARCH, APPROACH, DESCEND, CLIMB, DOWN = 'search', 'approach', 'descend', 'climb', 'down'


class LanderSettings(NamedTuple):
    """
    How it lands; metres, seconds, metres per second.

    ``height`` at which it searches and to which it climbs; ``patience`` after the last site that
    was told until it counts as gone; ``steady`` of one and the same site before it descends;
    ``near`` the distance from the middle, as a share of the radius, within which it sinks;
    ``sink`` speed, and ``slow_sink`` below ``slow_below``; ``climb`` and ``speed``; ``gain`` 1/s;
    ``avoid`` metres around a place that it left, where it takes no site for ``rest`` seconds.
    """

    height: float = 12.0
    patience: float = 1.2
    steady: float = 2.0
    near: float = 0.35
    sink: float = 1.2
    slow_sink: float = 0.6
    slow_below: float = 4.0
    climb: float = 2.0
    speed: float = 2.0
    gain: float = 0.8
    avoid: float = 3.0
    rest: float = 30.0


USUAL = LanderSettings()


class Lander:
    """
    Takes landing sites and poses, and gives velocities.

    It descends above one site, follows it as it is told anew, and climbs as soon as the site is
    not told any more or another one is told that does not hold the place below it.

    :param settings: how it lands
    """

    def __init__(self, settings: LanderSettings = USUAL) -> None:
        self.settings = settings
        self.state = SEARCH
        self.site: Optional[LandingSite] = None
        """What it goes for."""
        self.aborts = 0
        """Times at which it climbed again."""
        self.reason = ''
        """Why it climbed last."""
        self._told_at = -math.inf
        self._since = math.inf
        self._left: List[Tuple[float, float, float]] = []

    def on_site(self, site: Optional[LandingSite], now: float) -> None:
        """
        Take what the node told of landing sites.

        :param site: None where a marker was taken away; where nothing comes, nothing is called
        :param now: seconds
        """
        if site is None:
            # One grid without a site may be one image's fault: patience decides.
            return
        self._left = [left for left in self._left if now - left[0] < self.settings.rest]
        if any(math.hypot(site.x - x, site.y - y) < self.settings.avoid
               for _, x, y in self._left):
            return
        held = self.site
        same = held is not None and math.hypot(site.x - held.x, site.y - held.y) < held.radius
        if self.state == DESCEND and not same:
            self._climb('another site was told', now)
            return
        if not same:
            self._since = now
        self.site, self._told_at = site, now

    def velocity(self, place: arrays.Float64, now: float) -> arrays.Float64:
        """
        Return the velocity that is asked for, x, y, z.

        :param place: x, y, z of the drone's lowest point as it is told, z above the ground
        :param now: seconds, on the clock of the other calls
        """
        settings = self.settings
        if self.state == DOWN:
            return np.zeros(3)
        if self.site is not None and now - self._told_at > settings.patience:
            if self.state == DESCEND:
                self._climb('no site was told any more', now)
            self.site = None
        if self.state == CLIMB:
            if place[2] < settings.height - 0.5:
                return np.array([0.0, 0.0, settings.climb])
            self.state, self._since = SEARCH, now
        if self.site is None:
            self.state = SEARCH
            return np.array([0.0, 0.0, self._hold(place)])
        across, distance = self._towards(place, self.site)
        if self.state == SEARCH:
            self.state = APPROACH
        close = distance < settings.near * self.site.radius
        if self.state == APPROACH and close and now - self._since >= settings.steady:
            self.state = DESCEND
        if self.state != DESCEND:
            return np.array([across[0], across[1], self._hold(place)])
        sink = settings.sink if place[2] > settings.slow_below else settings.slow_sink
        return np.array([across[0], across[1], -sink if close else 0.0])

    def landed(self) -> None:
        """Take note that the drone stands on the ground."""
        self.state = DOWN

    def _towards(self, place: arrays.Float64, site: LandingSite
                 ) -> Tuple[arrays.Float64, float]:
        off = np.array([site.x - place[0], site.y - place[1]])
        distance = float(np.hypot(off[0], off[1]))
        speed = min(self.settings.speed, self.settings.gain * distance)
        return off * (speed / max(distance, 1e-9)), distance

    def _hold(self, place: arrays.Float64) -> float:
        return min(max(self.settings.height - float(place[2]), -1.0), 1.0)

    def _climb(self, reason: str, now: float) -> None:
        if self.site is not None:
            self._left.append((now, self.site.x, self.site.y))
        self.state, self.site = CLIMB, None
        self.aborts += 1
        self.reason = reason
