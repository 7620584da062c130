# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The landing control with an ideal drone: it goes down where it is told, or up again."""

import math

import numpy as np
import pytest
from segformer_ros.costmap.landing import LandingSite
from segformer_ros.evaluation.drive import lander as drive_lander

SETTINGS = drive_lander.LanderSettings()
SITE = LandingSite(3.0, -2.0, 1.5, 0.0)
STEP = 0.05


class Flight:
    """An ideal drone: it flies as it is told."""

    def __init__(self):
        self.lander = drive_lander.Lander()
        self.place = np.array([0.0, 0.0, SETTINGS.height])
        self.now = 0.0
        self.places = []

    def fly(self, seconds, site, until=None):
        """Fly while a site is told twice a second, None for silence; stop early on a condition."""
        end = self.now + seconds
        while self.now < end - 1e-9 and not (until is not None and until(self)):
            self.now += STEP
            if site is not None and round(self.now / STEP) % 10 == 0:
                self.lander.on_site(site, self.now)
            self.place = self.place + STEP * self.lander.velocity(self.place, self.now)
            self.places.append(self.place.copy())
            if self.place[2] <= 0.0:
                self.lander.landed()
                break
        return self


def below(height):
    return lambda flight: flight.place[2] < height


def test_it_lands_in_the_middle_of_the_disc_and_comes_down_slowly_at_the_end():
    flight = Flight().fly(60.0, SITE)
    assert flight.lander.state == drive_lander.DOWN and flight.lander.aborts == 0
    assert math.hypot(flight.place[0] - SITE.x, flight.place[1] - SITE.y) < 0.1 * SITE.radius
    speeds = -np.diff(np.array(flight.places)[:, 2]) / STEP
    heights = np.array(flight.places)[1:, 2]
    assert speeds.max() == pytest.approx(SETTINGS.sink)
    assert speeds[heights < SETTINGS.slow_below - 0.1].max() == pytest.approx(SETTINGS.slow_sink)
    # It sinks only above the disc's middle.
    off = np.hypot(*(np.array(flight.places)[1:, :2] - [SITE.x, SITE.y]).T)
    assert off[speeds > 0.5].max() < SETTINGS.near * SITE.radius + 0.01
    np.testing.assert_array_equal(flight.lander.velocity(flight.place, flight.now), 0.0)


def test_without_a_site_it_stays_up():
    flight = Flight().fly(30.0, None)
    assert flight.lander.state == drive_lander.SEARCH
    assert flight.place[2] == pytest.approx(SETTINGS.height)


@pytest.mark.parametrize('height', [9.0, 3.0, 0.5])
def test_it_climbs_as_soon_as_no_site_is_told_any_more(height):
    flight = Flight().fly(60.0, SITE, below(height))
    silent = flight.now
    flight.fly(60.0, None, lambda each: each.lander.state == drive_lander.CLIMB)
    assert SETTINGS.patience - 0.5 < flight.now - silent <= SETTINGS.patience + 2 * STEP
    assert flight.lander.aborts == 1 and 'no site' in flight.lander.reason
    flight.fly(20.0, None)
    assert flight.place[2] == pytest.approx(SETTINGS.height, abs=0.6)
    # Straight up: what came in stands beside it.
    assert np.ptp(np.array(flight.places)[-100:, :2], axis=0).max() < 1e-9


def test_one_grid_without_a_site_is_no_reason_to_climb():
    flight = Flight().fly(60.0, SITE, below(6.0))
    flight.lander.on_site(None, flight.now)
    flight.fly(60.0, SITE)
    assert flight.lander.state == drive_lander.DOWN and flight.lander.aborts == 0


def test_it_climbs_when_another_site_is_told_and_does_not_dash_there_near_the_ground():
    flight = Flight().fly(60.0, SITE, below(3.0))
    at = flight.place[:2].copy()
    other = SITE._replace(x=SITE.x + 4.0)
    flight.fly(1.0, other)
    assert flight.lander.aborts == 1 and 'another site' in flight.lander.reason
    np.testing.assert_allclose(flight.place[:2], at, atol=0.1)
    flight.fly(60.0, other)
    assert flight.lander.state == drive_lander.DOWN
    assert math.hypot(flight.place[0] - other.x, flight.place[1] - other.y) < 0.2


def test_it_descends_only_when_one_and_the_same_site_was_told_for_long_enough():
    lander = drive_lander.Lander()
    place = np.array([SITE.x, SITE.y, SETTINGS.height])
    elsewhere, sinks = SITE._replace(x=SITE.x + SITE.radius + 0.1), []
    for step in range(120):
        now = STEP * step
        # Told elsewhere at first, then right below it, where it hovers.
        lander.on_site(elsewhere if now < 1.5 - 1e-6 else SITE, now)
        if lander.velocity(place, now)[2] < 0.0:
            sinks.append(now)
    assert sinks[0] == pytest.approx(1.5 + SETTINGS.steady, abs=STEP + 1e-6)
    assert lander.aborts == 0


@pytest.mark.parametrize('radius', [0.6, 1.5, 3.0])
def test_it_sinks_within_a_share_of_the_radius_however_large_the_disc(radius):
    lander, site = drive_lander.Lander(), SITE._replace(radius=radius)

    def sinks(share, now):
        lander.on_site(site, now)
        place = np.array([SITE.x + share * radius, SITE.y, 8.0])
        return lander.velocity(place, now)[2] < 0.0
    assert not sinks(SETTINGS.near - 0.01, 0.0)
    # Long enough, and not near enough to begin, near enough, and off again.
    assert [sinks(SETTINGS.near + off, 5.0 + number)
            for number, off in enumerate((0.01, -0.01, 0.01))] == [False, True, False]


def test_a_disc_that_shrinks_to_one_side_is_followed():
    flight = Flight().fly(60.0, SITE, below(5.0))
    smaller = SITE._replace(x=SITE.x + 0.8, radius=1.0)
    flight.fly(60.0, smaller)
    assert flight.lander.state == drive_lander.DOWN and flight.lander.aborts == 0
    assert math.hypot(flight.place[0] - smaller.x, flight.place[1] - smaller.y) < 0.35


def test_a_place_that_it_left_is_taken_again_only_after_a_rest():
    flight = Flight().fly(60.0, SITE, below(5.0))
    flight.fly(SETTINGS.patience + 1.0, None)
    left = flight.now
    flight.fly(SETTINGS.rest - 5.0, SITE._replace(x=SITE.x + SETTINGS.avoid - 0.1))
    assert flight.lander.state == drive_lander.SEARCH
    flight.fly(60.0, SITE)
    assert flight.lander.state == drive_lander.DOWN and flight.now - left > SETTINGS.rest - 2.0
