# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The way to a stand, compared with a robot that is moved in small steps."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest
from segformer_ros.costmap.stopping import Delays
from segformer_ros.costmap.stopping import MARGIN
from segformer_ros.costmap.stopping import polygon_reach
from segformer_ros.costmap.stopping import reach_ahead
from segformer_ros.costmap.stopping import way_after_last_image
from segformer_ros.costmap.stopping import way_to_stand

STEP = 1e-3
TIMES = st.floats(0.0, 1.0)


def driven(speed, wait, deceleration):
    """Return how far a robot comes that drives on for a while and then brakes."""
    place = now = 0.0
    while speed > 0.0:
        if now >= wait:
            speed -= deceleration * STEP
        place += max(speed, 0.0) * STEP
        now += STEP
    return place


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 2.0), TIMES, TIMES, TIMES, st.floats(0.3, 4.0))
def test_the_way_to_a_stand_is_that_of_a_robot_moved_in_small_steps(
        speed, period, age, reaction, deceleration):
    delays = Delays(period, age, reaction, deceleration)
    slowly = driven(speed, period + age + reaction, deceleration)
    assert way_to_stand(speed, delays) == pytest.approx(slowly, abs=4.0 * speed * STEP)
    assert polygon_reach(0.3, speed, delays) == pytest.approx(0.3 + slowly + MARGIN,
                                                              abs=4.0 * speed * STEP)
    silent = driven(speed, 2.0 + reaction, deceleration)
    assert way_after_last_image(speed, 2.0, delays) == pytest.approx(silent,
                                                                     abs=4.0 * speed * STEP)


def test_the_way_after_the_last_image_is_the_one_that_was_measured():
    # The real Nav2: half a metre a second, and 1.95 to 2.2 s until it stood.
    way = way_after_last_image(0.5, 1.5 + 0.3, Delays())
    assert 0.5 * 1.95 <= way <= 0.5 * 2.2


@pytest.mark.parametrize('polygon', [
    [(1.1, 0.35), (1.1, -0.35), (-0.3, -0.35), (-0.3, 0.35)],
    [(0.4, 0.3), (0.9, 0.0), (0.4, -0.3), (-0.2, -0.3), (-0.2, 0.3)],
    [(0.5, -0.4), (0.8, 0.4), (-0.5, 0.3), (-0.5, -0.3)],
    [(-0.1, 0.3), (-0.1, -0.3), (-0.6, -0.3), (-0.6, 0.3)]])
def test_a_polygon_reaches_as_far_as_its_last_point_ahead(polygon):
    inside = [0.0]
    for number in range(2000):
        x, odd = number * STEP, False
        for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1]):
            if (y1 <= 1e-9 < y2 or y2 <= 1e-9 < y1) and x1 + (x2 - x1) * -y1 / (y2 - y1) > x:
                odd = not odd
        inside += [x] if odd else []
    assert reach_ahead(polygon) == pytest.approx(max(inside), abs=2 * STEP)
