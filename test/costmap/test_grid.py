# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The rolling grid: evidence, fading, forgetting and moving, against a slow dictionary."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.observation import Evidence
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.observation import Observation
from segformer_ros.costmap.observation import strongest
from segformer_ros.costmap.settings import FusionSettings
from segformer_ros.costmap.settings import GridSettings

SHAPE = GridSettings(size=4.0, resolution=0.5, block=1.0)
FUSION = FusionSettings()


def evidence(cells, weight=1.0):
    return Evidence(np.array(cells, np.intp), np.full(len(cells), weight, np.float32))


def seen(ground=(), cost=0.0, static=(), dynamic=(), weight=1.0):
    return Observation(evidence(ground, weight), np.full(len(ground), cost, np.float32),
                       evidence(static, weight), evidence(dynamic, weight))


def grid_with(fusion=FUSION, shape=SHAPE):
    return CostGrid(shape, fusion)


@pytest.mark.smoke
def test_values_are_unknown_cost_or_lethal():
    grid = grid_with()
    grid.fuse(seen(ground=[0, 1], cost=60.0, static=[10], dynamic=[20]), 5.0)
    values = grid.to_occupancy(5.0).reshape(-1)
    assert values.dtype == np.int8
    assert values[[0, 1, 10, 20, 30]].tolist() == [60, 60, 100, 100, -1]


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 98), st.floats(0, 98), st.floats(0.05, 1.0))
def test_higher_costs_give_no_lower_values_and_never_99(low, high, weight):
    low, high = min(low, high), max(low, high)
    values = []
    for cost in (low, high):
        grid = grid_with()
        for step in range(4):
            grid.fuse(seen(ground=[0], cost=cost, weight=weight), 1.0 + step)
        values.append(int(grid.to_occupancy(4.0)[0, 0]))
    assert 0 <= values[0] <= values[1] <= 98


def test_a_still_obstacle_stays_for_its_decay_time_and_not_longer():
    for times_seen in (1, 30):
        grid = grid_with()
        for step in range(times_seen):
            grid.fuse(seen(static=[7]), 10.0 + 0.1 * step)
        last = 10.0 + 0.1 * (times_seen - 1)
        assert grid.to_occupancy(last + FUSION.static_decay_time - 0.01)[0, 7] == 100
        assert grid.to_occupancy(last + FUSION.static_decay_time + 0.01)[0, 7] == -1


def test_what_moves_is_gone_within_its_own_decay_time():
    grid = grid_with()
    for step in range(30):
        grid.fuse(seen(dynamic=[7]), 10.0 + 0.1 * step)
    assert grid.to_occupancy(12.9 + FUSION.dynamic_decay_time - 0.01)[0, 7] == 100
    assert grid.to_occupancy(12.9 + FUSION.dynamic_decay_time + 0.01)[0, 7] == -1


def test_where_a_person_stood_the_older_ground_shows_again():
    grid = grid_with()
    grid.fuse(seen(ground=[7], cost=20.0), 10.0)
    grid.fuse(seen(dynamic=[7]), 10.5)
    grid.fuse(seen(dynamic=[7]), 11.0)
    assert grid.to_occupancy(11.0)[0, 7] == 100
    assert grid.to_occupancy(13.0)[0, 7] == 20


def test_ground_is_forgotten_after_forget_time():
    grid = grid_with()
    grid.fuse(seen(ground=[3], cost=20.0), 10.0)
    assert grid.to_occupancy(10.0 + FUSION.forget_time)[0, 3] == 20
    assert grid.to_occupancy(10.01 + FUSION.forget_time)[0, 3] == -1
    # Seen again, the forgotten cost does not weigh in.
    grid.fuse(seen(ground=[3], cost=80.0, weight=0.3), 50.0)
    assert grid.to_occupancy(50.0)[0, 3] == 80


@pytest.mark.parametrize('late, shown', [(0.0, 50), (0.01, 80)])
def test_ground_that_is_just_not_forgotten_yet_weighs_in_when_it_is_seen_again(late, shown):
    grid = grid_with(FUSION._replace(cost_gain=0.5))
    grid.fuse(seen(ground=[3], cost=20.0), 10.0)
    grid.fuse(seen(ground=[3], cost=80.0), 10.0 + FUSION.forget_time + late)
    assert grid.to_occupancy(10.0 + FUSION.forget_time + late)[0, 3] == shown


def test_ground_is_told_of_its_cell_until_it_is_forgotten():
    grid = grid_with()
    cells = np.array([[3, 4], [10, 63]])
    assert not grid.shows_ground(cells).any()
    grid.fuse(seen(ground=[3, 63], static=[10]), 10.0)
    for later, expected in ((0.0, True), (FUSION.forget_time, True),
                            (FUSION.forget_time + 0.01, False)):
        grid.advance(10.0 + later)
        assert grid.shows_ground(cells).tolist() == [[expected, False], [False, expected]]


@pytest.mark.parametrize('kind, value', [('ground', 5), ('static', 100), ('dynamic', 100)])
def test_what_is_alone_in_a_grid_is_shown_as_often_as_somebody_asks(kind, value):
    grid = grid_with()
    grid.fuse(seen(cost=5.0, **{kind: [7]}), 10.0)
    for _ in range(3):
        values = grid.to_occupancy(10.1).reshape(-1)
        assert values[7] == value and (np.delete(values, 7) == -1).all()


def test_ground_seen_in_its_place_removes_an_obstacle():
    grid = grid_with()
    for step in range(20):
        grid.fuse(seen(static=[5]), 1.0 + 0.1 * step)
    frames = 0
    while grid.to_occupancy(3.0)[0, 5] == 100:
        grid.fuse(seen(ground=[5]), 3.0 + 0.1 * frames)
        frames += 1
    gap = FUSION.occupied_limit - FUSION.mark_threshold
    assert frames == int(gap / FUSION.free_gain) + 1


def test_an_obstacle_appears_within_two_frames_on_ground_long_seen_free():
    grid = grid_with()
    for step in range(50):
        grid.fuse(seen(ground=[5]), 1.0 + 0.1 * step)
    grid.fuse(seen(static=[5]), 6.1)
    grid.fuse(seen(static=[5]), 6.2)
    assert grid.to_occupancy(6.2)[0, 5] == 100


def test_what_moves_onto_ground_long_seen_free_is_lethal_in_one_image():
    # A quarter is the least confidence that is usual at the border of a person.
    for weight, value in ((1.0, 100), (0.25, 100), (0.2, 0)):
        grid = grid_with()
        for step in range(50):
            grid.fuse(seen(ground=[5]), 1.0 + 0.1 * step)
        grid.fuse(seen(dynamic=[5], weight=weight), 6.1)
        assert grid.to_occupancy(6.1)[0, 5] == value


def test_an_obstacle_wins_over_ground_in_the_same_frame():
    grid = grid_with()
    grid.fuse(seen(ground=[5, 6], cost=10.0, static=[5]), 1.0)
    assert grid.to_occupancy(1.0)[0, 5:7].tolist() == [100, 10]


def test_weak_sightings_need_several_frames():
    grid = grid_with()
    marks = []
    for step in range(4):
        grid.fuse(seen(static=[5], weight=0.3), 1.0 + 0.1 * step)
        marks.append(int(grid.to_occupancy(1.0 + 0.1 * step)[0, 5]))
    assert marks == [-1, -1, 100, 100]


def test_costs_are_exponential_averages():
    grid = grid_with()
    expected = 0.0
    grid.fuse(seen(ground=[0], cost=0.0), 1.0)
    for step in range(5):
        grid.fuse(seen(ground=[0], cost=90.0, weight=0.5), 1.1 + 0.1 * step)
        expected += FUSION.cost_gain * 0.5 * (90.0 - expected)
    assert grid.to_occupancy(1.5)[0, 0] == round(expected)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-30, 30), st.floats(-30, 30)), min_size=1, max_size=8))
def test_cells_keep_their_place_in_the_world_when_the_robot_moves(path):
    grid = grid_with()
    remembered = {}
    for step, (x, y) in enumerate(path):
        before = grid.geometry
        moved = grid.recenter(x, y)
        shape = grid.geometry
        assert moved == (shape != before)
        # The origin stays on the lattice of whole blocks, and the robot near the middle.
        for origin, position in ((shape.origin_x, x), (shape.origin_y, y)):
            assert abs(origin / SHAPE.block - round(origin / SHAPE.block)) < 1e-9
            assert abs(position - origin - 0.5 * SHAPE.size) <= 0.75 * SHAPE.block + 1e-9
        remembered = {place: cost for place, cost in remembered.items()
                      if 0 <= place[0] - shape.origin_x < SHAPE.size
                      and 0 <= place[1] - shape.origin_y < SHAPE.size}
        cell, _ = shape.indices(np.array([x]), np.array([y]))
        cost = float(step + 1)
        grid.fuse(seen(ground=cell, cost=cost), 100.0)
        place = (shape.origin_x + SHAPE.resolution * (cell[0] % 8),
                 shape.origin_y + SHAPE.resolution * (cell[0] // 8))
        old = remembered.get(place)
        remembered[place] = cost if old is None else old + FUSION.cost_gain * (cost - old)
        values = grid.to_occupancy(100.0)
        assert (values != -1).sum() == len(remembered)
        for (wx, wy), value in remembered.items():
            found, inside = shape.indices(np.array([wx + 0.1]), np.array([wy + 0.1]))
            assert inside[0]
            assert values.reshape(-1)[found[0]] == pytest.approx(value, abs=0.51)


def test_a_robot_that_trembles_on_a_block_line_does_not_move_the_grid():
    grid = grid_with()
    moves = [grid.recenter(0.5 + 0.01 * (-1) ** step, 0.0) for step in range(20)]
    assert not any(moves)


def test_a_jump_of_the_robot_leaves_nothing_behind():
    grid = grid_with()
    grid.fuse(seen(ground=range(64), cost=5.0), 1.0)
    assert grid.recenter(1000.0, -1000.0)
    assert (grid.to_occupancy(1.0) == -1).all()


@settings(deadline=None, max_examples=60)
@given(st.floats(-100, 100), st.floats(-100, 100), st.integers(1, 60), st.integers(1, 60),
       st.sampled_from([0.05, 0.1, 0.25, 1.0]), st.data())
def test_cells_to_world_and_back(origin_x, origin_y, width, height, resolution, data):
    geometry = GridGeometry(origin_x, origin_y, resolution, width, height)
    mx = data.draw(st.integers(0, width - 1))
    my = data.draw(st.integers(0, height - 1))
    xs, ys = geometry.centers()
    cells, inside = geometry.indices(np.array([xs[mx]]), np.array([ys[my]]))
    assert inside[0] and cells[0] == my * width + mx
    _, outside = geometry.indices(np.array([origin_x - 0.01 * resolution]), np.array([ys[my]]))
    assert not outside[0]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(['ground', 'static', 'dynamic']),
                          st.lists(st.integers(0, 63), min_size=1, max_size=6, unique=True),
                          st.floats(0.0, 8.0), st.floats(0.1, 1.0)),
                min_size=1, max_size=12))
def test_known_cells_are_never_older_than_forget_time_and_counts_add_up(events):
    grid = grid_with()
    now = 1000.0
    last = {}
    for kind, cells, wait, weight in events:
        now += wait
        grid.fuse(seen(weight=weight, **{kind: cells}), now)
        last.update({cell: now for cell in cells})
        values = grid.to_occupancy(now).reshape(-1)
        unknown = (values == -1).sum()
        assert unknown + ((values >= 0) & (values <= 98)).sum() + (values == 100).sum() == 64
        assert unknown >= 64 - len(last)
        assert 0.0 <= grid.oldest_age(now) <= FUSION.forget_time
        for cell in np.flatnonzero(values != -1):
            assert now - last[cell] <= FUSION.forget_time


def test_the_oldest_age_is_that_of_the_stalest_known_cell():
    grid = grid_with()
    assert grid.oldest_age(1.0) == 0.0
    grid.fuse(seen(ground=[0]), 10.0)
    grid.fuse(seen(static=[1]), 12.0)
    assert grid.oldest_age(15.0) == pytest.approx(5.0)
    grid.fuse(seen(ground=[0]), 16.0)
    assert grid.oldest_age(16.0) == pytest.approx(4.0)


def test_earlier_stamps_of_another_camera_do_not_turn_time_back():
    grid = grid_with()
    grid.fuse(seen(ground=[0], cost=5.0), 10.0)
    grid.fuse(seen(ground=[1], cost=6.0), 9.8)
    assert grid.to_occupancy(10.0)[0, :2].tolist() == [5, 6]
    assert grid.oldest_age(10.0) == pytest.approx(0.2)


def test_small_blobs_are_left_out_and_large_ones_kept():
    grid = grid_with(FUSION._replace(min_blob=3))
    # Cells 0, 9 and 18 touch at corners; cell 40 stands alone.
    grid.fuse(seen(static=[0, 9, 18, 40]), 1.0)
    values = grid.to_occupancy(1.0).reshape(-1)
    assert np.flatnonzero(values == 100).tolist() == [0, 9, 18]


def test_clear_forgets_everything_and_time_may_begin_anew():
    grid = grid_with()
    grid.fuse(seen(ground=[0], static=[1], dynamic=[2]), 500.0)
    grid.clear()
    assert (grid.to_occupancy(3.0) == -1).all()
    grid.fuse(seen(ground=[0], cost=4.0), 4.0)
    assert grid.to_occupancy(4.0)[0, 0] == 4


def test_gains_and_times_change_while_the_grid_lives():
    grid = grid_with()
    for step in range(10):
        grid.fuse(seen(static=[0]), 1.0 + 0.1 * step)
    grid.fusion = FUSION._replace(static_decay_time=2.0)
    assert grid.to_occupancy(3.8)[0, 0] == 100
    assert grid.to_occupancy(4.0)[0, 0] == -1
    with pytest.raises(ConfigurationError, match="'fusion.free_gain'"):
        grid.fusion = FUSION._replace(free_gain=-1.0)
    assert grid.fusion.static_decay_time == 2.0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1)), max_size=40))
def test_strongest_keeps_each_cell_once_with_its_greatest_weight(pairs):
    expected = {}
    for cell, weight in pairs:
        expected[cell] = max(expected.get(cell, 0.0), np.float32(weight))
    found = strongest(np.array([pair[0] for pair in pairs], np.intp),
                      np.array([pair[1] for pair in pairs], np.float32))
    assert dict(zip(found.cells.tolist(), found.weights)) == expected
    assert len(found.cells) == len(expected)


@pytest.mark.parametrize('confidence, expected', [(0.25, 100), (0.2, -1)])
def test_one_sighting_of_something_that_moves_is_enough_at_a_quarter_of_confidence(
        confidence, expected):
    grid = grid_with()
    grid.fuse(seen(dynamic=[7], weight=confidence), 10.0)
    assert grid.to_occupancy(10.0)[0, 7] == expected
    # A wall is still there in the next image.
    grid.fuse(seen(static=[6], weight=confidence), 10.0)
    assert grid.to_occupancy(10.0)[0, 6] == -1


def test_a_clock_that_stands_still_hides_what_is_too_old_and_gives_it_back():
    grid = grid_with(FUSION._replace(forget_time=9.0, static_decay_time=6.0,
                                     dynamic_decay_time=2.0))
    grid.fuse(seen(ground=[0], cost=40.0, static=[10], dynamic=[20]), 5.0)

    def shown(standing):
        return grid.to_occupancy(5.0, standing).reshape(-1)[[0, 10, 20]].tolist()
    assert shown(1.9) == [40, 100, 100]
    assert shown(2.1) == [40, 100, -1]
    assert shown(6.1) == [40, -1, -1]
    assert shown(8.9) == [40, -1, -1]
    assert grid.oldest_age(5.0, 8.9) == pytest.approx(8.9)
    assert shown(9.1) == [-1, -1, -1]
    assert grid.oldest_age(5.0, 9.1) == 0.0
    # The clock goes on: nothing was forgotten for it.
    assert shown(0.0) == [40, 100, 100]
    assert grid.to_occupancy(13.9).reshape(-1)[[0, 10, 20]].tolist() == [40, -1, -1]
    assert grid.to_occupancy(14.1).reshape(-1)[0] == -1


CELLS = st.lists(st.integers(0, 63), max_size=6, unique=True)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, st.floats(0.0, 4.0)), min_size=1, max_size=5),
       st.floats(0.0, 40.0))
def test_a_clock_that_stands_still_shows_what_one_that_runs_would_show(frames, standing):
    grid, runs = grid_with(), grid_with()
    stamp = 10.0
    for ground, static, dynamic, pause in frames:
        stamp += pause
        for each in (grid, runs):
            each.fuse(seen(ground, 30.0, static, dynamic), stamp)
    now = stamp + 0.5
    before = grid.to_occupancy(now)
    still = grid.to_occupancy(now, standing)
    assert np.array_equal(grid.to_occupancy(now), before)
    # To a nanosecond: sums of seconds differ in their last bits.
    later, just_before = (runs.to_occupancy(now + standing + off) for off in (-1e-9, 1e-9))
    differ = later != just_before
    assert np.array_equal(still[~differ], later[~differ])


@settings(deadline=None, max_examples=80)
@given(st.lists(st.integers(0, 63), max_size=3), st.floats(-3.0, 3.0), st.floats(-3.0, 3.0),
       st.floats(0.0, 2.5), st.floats(0.0, 2.5))
def test_an_obstacle_that_stays_is_found_in_the_cells_that_a_rectangle_touches(
        cells, x, y, wide, high):
    grid = grid_with()
    cells = sorted(set(cells))
    if cells:
        grid.fuse(seen(static=cells), 1.0)
    geometry = grid.geometry
    touched = False
    for cell in cells:
        left = geometry.origin_x + geometry.resolution * (cell % geometry.width)
        low = geometry.origin_y + geometry.resolution * (cell // geometry.width)
        # A cell holds its lower edges, not its upper ones.
        touched |= (left <= x + wide and x < left + geometry.resolution
                    and low <= y + high and y < low + geometry.resolution)
    assert grid.stands_within(np.array([x, x + wide]), np.array([y + high, y])) == touched


def test_what_moves_does_not_stand_and_what_stands_is_marked_from_the_threshold_on():
    fusion = FUSION._replace(occupied_gain=0.5, mark_threshold=0.5)
    everywhere = np.array([-9.0, 9.0])
    grid = grid_with(fusion)
    grid.fuse(seen(dynamic=[3]), 1.0)
    assert grid.lethal_cells().any() and not grid.standing_cells().any()
    assert not grid.stands_within(everywhere, everywhere)
    # At the threshold itself, and just below it.
    for weight, is_marked in ((1.0, True), (0.999, False)):
        grid = grid_with(fusion)
        grid.fuse(seen(static=[3], weight=weight), 1.0)
        assert grid.stands_within(everywhere, everywhere) is is_marked
        assert bool(grid.standing_cells()[0, 3]) is is_marked
        assert bool(grid.lethal_cells()[0, 3]) is is_marked
