# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ways of moving things against a slow count, cell by cell."""

import math
from unittest import mock

import numpy as np
import pytest
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.motion import marks
from segformer_ros.costmap.motion.tracks import Motion
from segformer_ros.costmap.observation import GridGeometry

GEOMETRY = GridGeometry(-3.0, -2.0, 0.05, 120, 90)
NOWHERE = (100.0, 100.0, 0.3)


def motion(x=0.0, y=0.0, vx=1.0, vy=0.0, error=0.05, speed_error=0.1, radius=0.15):
    return Motion(x, y, 10.0, vx, vy, error, speed_error, radius)


def marked(motions, seconds=2.0, standing=None, robot=NOWHERE, geometry=GEOMETRY):
    shape = geometry.height, geometry.width
    values = np.zeros(shape, np.int8)
    standing = np.zeros(shape, np.bool_) if standing is None else standing
    marks.mark_ways(values, geometry, standing.reshape(-1).__getitem__, motions, seconds, robot)
    assert set(np.unique(values)) <= {0, cost_table.LETHAL}
    return values == cost_table.LETHAL


def counted(m, seconds):
    """Return what a way covers, looked at every centimetre: surely, and at most."""
    xs, ys = GEOMETRY.centers()
    x, y = np.meshgrid(xs, ys)
    speed = math.hypot(m.vx, m.vy)
    surely, at_most = np.zeros(x.shape, np.bool_), np.zeros(x.shape, np.bool_)
    for time in np.arange(0.0, seconds + 1e-9, 0.01 / speed):
        width = max(0.27, m.radius) + 0.3 + min(0.3, m.error + m.speed_error * time)
        # Across the way, at this place: a stroke as wide as the step.
        along = ((x - m.x) * m.vx + (y - m.y) * m.vy) / speed - time * speed
        off = np.sqrt(np.maximum(0.0, (x - m.x - time * m.vx) ** 2 + (y - m.y - time * m.vy) ** 2
                                 - along ** 2))
        surely |= (off <= width - 0.01) & (np.abs(along) <= 0.006)
        at_most |= (off <= width + 0.01) & (np.abs(along) <= 0.011)
    ahead = (x - m.x) * m.vx + (y - m.y) * m.vy
    surely &= (ahead >= 0.0) & (ahead <= seconds * speed ** 2)
    return surely, at_most


@pytest.mark.parametrize('m', [
    motion(), motion(vx=-0.6, vy=0.7, radius=0.5), motion(x=-2.9, y=1.9, vx=0.4, vy=-2.0),
    motion(x=2.0, vx=2.5, speed_error=0.5), motion(x=-8.0, vx=2.9, vy=0.1)])
@pytest.mark.parametrize('seconds', [0.5, 2.0, 5.0])
def test_a_way_goes_ahead_for_its_time_and_widens(m, seconds):
    surely, at_most = counted(m, seconds)
    found = marked([m], seconds)
    assert not (surely & ~found).any() and not (found & ~at_most).any()
    assert at_most.any() or m.x < -3.0


def test_nothing_is_marked_behind_or_beside():
    found = marked([motion(x=0.0)])
    xs, ys = GEOMETRY.centers()
    assert not found[:, xs < 0.0].any() and not found[np.abs(ys) > 1.0].any()
    # A robot's width of free ground stays behind who walks away from it.
    assert found[:, xs > 0.0].any()


def test_a_way_ends_at_what_stands():
    standing = np.zeros((GEOMETRY.height, GEOMETRY.width), np.bool_)
    xs, _ = GEOMETRY.centers()
    standing[:, (xs > 1.0) & (xs < 1.1)] = True
    found = marked([motion(speed_error=0.0, error=0.0)], standing=standing)
    free = marked([motion(speed_error=0.0, error=0.0)])
    assert xs[found.any(axis=0)].max() == pytest.approx(1.0, abs=0.1)
    assert xs[free.any(axis=0)].max() == pytest.approx(2.0, abs=0.1)
    # What is marked at the walker's own feet ends nothing.
    standing[:] = False
    standing[:, np.abs(xs) < 0.3] = True
    assert (marked([motion()], standing=standing) == marked([motion()])).all()


@pytest.mark.parametrize('speed', [0.3, 1.0, 3.0])
def test_half_a_metre_before_somebody_ends_no_way_and_what_stands_behind_it_does(speed):
    standing = np.zeros((GEOMETRY.height, GEOMETRY.width), np.bool_)
    xs, _ = GEOMETRY.centers()
    walker, seconds = motion(vx=speed, speed_error=0.0), 2.5 / speed
    standing[:, np.abs(xs) < 0.45] = True
    assert (marked([walker], seconds, standing) == marked([walker], seconds)).all()
    standing[:, (xs > 0.6) & (xs < 0.7)] = True
    ends = [xs[marked([walker], seconds, each).any(axis=0)].max() for each in (standing, None)]
    assert ends == pytest.approx([0.6, 2.5], abs=0.1)


def test_a_way_that_comes_in_from_outside_ends_at_nothing_that_stands_elsewhere():
    for row in (0, -1):
        for column in (0, -1):
            standing = np.zeros((GEOMETRY.height, GEOMETRY.width), np.bool_)
            standing[row, column] = True
            found = marked([motion(x=-5.0)], 5.0, standing)
            assert found.any() and (found == marked([motion(x=-5.0)], 5.0)).all()


def test_no_cell_below_the_robot_is_marked():
    xs, ys = GEOMETRY.centers()
    away = np.hypot(*np.meshgrid(xs - 1.0, ys))
    found = marked([motion()], robot=(1.0, 0.0, 0.3))
    plain = marked([motion()])
    assert not found[away <= 0.3].any() and plain[away <= 0.3].all()
    assert (found[away > 0.3] == plain[away > 0.3]).all()


def test_in_a_crowd_those_nearest_to_the_robot_are_marked():
    motions = [motion(x=0.1 * number, y=0.5) for number in range(40)]
    with mock.patch.object(marks, '_mark') as mark:
        marked(motions, robot=(-1.0, 0.5, 0.3))
    assert [call[0][2] for call in mark.call_args_list] == motions[:marks.MOST_MARKED]


def test_outside_of_the_grid_nothing_happens():
    for m in (motion(x=50.0), motion(x=-50.0, vy=3.0), motion(y=1e6)):
        assert not marked([m]).any()
