# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Velocities against walkers whose way is known, and what must not seem to move."""

import math

import numpy as np
import pytest
from segformer_ros.costmap.motion import tracks
from segformer_ros.costmap.motion.sightings import Sighting

ERROR = 0.08
RATES = [4.0, 10.0, 30.0]


def sighting(x, y, error=ERROR, extent=0.3, whole=True):
    return Sighting(x, y, error, (x - 0.5 * extent, y), (x + 0.5 * extent, y), extent, whole)


def walk(rate, seconds, place_at, noise, seed=0, **others):
    """Yield time, tracker and true place after each image of one thing."""
    random = np.random.RandomState(seed)
    tracker = tracks.Tracker()
    for number in range(int(seconds * rate)):
        time = number / rate
        x, y = np.array(place_at(time)) + noise * random.normal(size=2)
        tracker.take('front', [sighting(x, y, **others)], 100.0 + time)
        yield time, tracker, place_at(time)


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('speed, way', [(0.8, 0.3), (1.4, 2.0), (2.2, -2.5)])
def test_a_walker_is_measured_within_a_second_and_within_the_stated_errors(rate, speed, way):
    vx, vy = speed * math.cos(way), speed * math.sin(way)
    off, place_off, found, asked = [], [], 0, 0
    for seed in range(20):
        for time, tracker, (x, y) in walk(
                rate, 3.0, lambda t: (1.0 + vx * t, -2.0 + vy * t), ERROR, seed):
            motions = tracker.motions(0.0)
            if time < 2.0 / rate - 1e-9 or time < 0.2:
                assert not motions
            if time >= 1.0:
                asked += 1
                found += len(motions)
            for motion in motions:
                assert motion.stamp == pytest.approx(100.0 + time)
                off += [(motion.vx - vx) / motion.speed_error, (motion.vy - vy)
                        / motion.speed_error]
                place_off += [(motion.x - x) / motion.error, (motion.y - y) / motion.error]
    # A standard deviation is one: neither boasted nor modest by more than a factor of two.
    for values in (off, place_off):
        assert 0.5 < np.sqrt(np.mean(np.square(values))) < 1.5
    assert 0.75 * asked < found <= asked


@pytest.mark.parametrize('rate', RATES)
def test_what_stands_does_not_move_by_the_noise_of_its_feet(rate):
    shown = images = 0
    for seed in range(20):
        for _, tracker, _ in walk(rate, 5.0, lambda t: (2.0, 1.0), ERROR, seed):
            images += 1
            shown += len(tracker.motions(0.0))
    assert images > 300 and shown <= 0.003 * images


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('drift', [(0.2, 0.0), (-0.1, 0.2)])
def test_what_stands_does_not_move_by_the_drift_of_an_odometry(rate, drift):
    for _, tracker, _ in walk(rate, 4.0, lambda t: (2.0 + drift[0] * t, drift[1] * t), 0.01,
                              error=0.05):
        assert not tracker.motions(0.0)


def test_a_velocity_is_that_of_the_last_second():
    # Of steady acceleration a second's line has the speed of its middle.
    for time, tracker, _ in walk(4.0, 4.0, lambda t: (0.6 * t + 0.15 * t * t, 0.0), 0.0,
                                 error=0.2):
        for motion in tracker.motions(0.0) if time >= 1.0 else ():
            assert motion.vx == pytest.approx(0.6 + 0.3 * (time - 0.5), abs=1e-6)
    assert tracker.motions(0.0)


def test_two_images_are_too_few_and_three_are_enough():
    counts = [len(tracker.motions(0.0))
              for _, tracker, _ in walk(4.0, 1.0, lambda t: (0.0, 1.2 * t), 0.0)]
    assert counts == [0, 0, 1, 1]


@pytest.mark.parametrize('rate', [4.0, 10.0])
def test_who_stops_goes_on_for_no_longer_than_a_step(rate):
    last = None
    for time, tracker, _ in walk(rate, 4.0, lambda t: (1.2 * min(t, 2.0), 0.0), 0.0):
        if tracker.motions(0.0):
            last = time
    assert 2.0 - 1.01 / rate <= last <= 2.0 + tracks._STEP


def test_who_turns_round_is_soon_measured_anew():
    found = {time: tracker.motions(0.0) for time, tracker, _ in walk(
        4.0, 4.0, lambda t: (1.2 * (t if t < 2.0 else 4.0 - t), 0.0), 0.0)}
    assert found[1.75][0].vx == pytest.approx(1.2, abs=0.01)
    assert not found[2.25] and found[2.75][0].vx == pytest.approx(-1.2, abs=0.2)
    assert found[3.75][0].vx == pytest.approx(-1.2, abs=0.01)


@pytest.mark.parametrize('rate', [4.0, 10.0])
@pytest.mark.parametrize('speed', [0.8, 1.3])
def test_who_turns_aside_is_led_along_no_wrong_way_for_longer_than_half_a_second(rate, speed):
    found = {time: tracker.motions(0.0) for time, tracker, _ in walk(
        rate, 4.0, lambda t: (speed * min(t, 1.5), speed * max(0.0, t - 1.5)), 0.0)}
    off = {time - 1.5: math.degrees(math.atan2(motions[0].vx, motions[0].vy))
           for time, motions in found.items() if time > 1.5 and motions}
    assert all(-1.0 < degrees < 91.0 for degrees in off.values())
    wrong = [time for time, degrees in off.items() if degrees > 50.0]
    assert max(wrong, default=0.0) < 0.55
    later = [degrees for time, degrees in off.items() if time > 0.8]
    assert len(later) > rate and max(later) < 25.0


def test_who_is_gone_from_the_newest_image_goes_nowhere():
    *_, (_, tracker, _) = walk(4.0, 2.0, lambda t: (1.2 * t, 0.0), 0.0)
    newest = 101.75
    assert len(tracker.motions(0.0)) == 1 and not tracker.motions(newest + 0.01)
    # That an image of another place does not show them says nothing.
    tracker.take('left', [], newest + 0.2, lambda x, y: x < 1.0)
    assert len(tracker.motions(0.0)) == 1
    tracker.take('front', [], newest + 0.25)
    assert not tracker.motions(0.0)
    # Seen again, where they should be by then.
    tracker.take('front', [sighting(1.2 * 2.25, 0.0)], newest + 0.5)
    assert tracker.motions(0.0)[0].vx == pytest.approx(1.2, abs=0.01)


@pytest.mark.parametrize('rate', [8.0, 10.0])
@pytest.mark.parametrize('seen, walks', [
    # Stains of a network, which meet a line by chance.
    ((0, 2, 7), False), ((0, 1, 2, 7), False), ((0, 5, 7), False),
    # Somebody whom a network overlooks now and then.
    ((0, 1, 2, 3, 4, 5, 6, 7), True), ((0, 1, 3, 4, 6, 7), True), ((0, 2, 4, 6, 7), True)])
def test_what_as_many_images_miss_as_see_does_not_walk(rate, seen, walks):
    tracker = tracks.Tracker()
    for number in range(8):
        time = number / rate
        tracker.take('front', [sighting(2.0, 1.1 * time)] if number in seen else [], 100.0 + time)
    assert bool(tracker.motions(0.0)) == walks


def test_a_fast_camera_that_sees_somebody_in_every_second_image_measures_them():
    tracker = tracks.Tracker()
    for number in range(121):
        here = [sighting(2.0, 1.1 * number / 60.0)] if number % 2 == 0 else []
        tracker.take('front', here, 100.0 + number / 60.0)
    motion, = tracker.motions(0.0)
    assert motion.vy == pytest.approx(1.1, abs=0.05)


def test_an_image_that_does_not_show_the_place_misses_nobody():
    tracker = tracks.Tracker()
    for number in range(8):
        here = [sighting(2.0, 0.14 * number)] if number in (0, 3, 7) else []
        tracker.take('front', here, 100.0 + number / 8.0, lambda x, y: False)
    assert len(tracker.motions(0.0)) == 1


def test_one_camera_hands_over_to_the_next():
    tracker = tracks.Tracker()
    for number in range(8):
        stamp, place = 100.0 + 0.25 * number, [sighting(0.3 * number, 1.0)]
        tracker.take('front', place if number < 4 else [], stamp, lambda x, y: x < 1.05)
        tracker.take('left', place if number >= 4 else [], stamp, lambda x, y: x > 1.05)
        assert len(tracker.motions(0.0)) == (number >= 2)
    assert tracker.motions(0.0)[0].vx == pytest.approx(1.2, abs=0.01)


@pytest.mark.parametrize('places', [
    [(2.0, 0.0), (2.0, 0.9)], [(2.0, 0.6), (2.0, -0.6)], [(1.5, 0.4), (2.0, 0.4)]])
@pytest.mark.parametrize('rate', RATES)
def test_feet_that_jump_to_and_fro_do_not_walk(places, rate):
    tracker = tracks.Tracker()
    for number in range(40):
        x, y = places[number % len(places)]
        tracker.take('front', [sighting(x, y, error=0.05)], 100.0 + number / rate)
        assert not tracker.motions(0.0)


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('jump', [0.4, 0.6, 0.9])
def test_feet_that_jump_once_do_not_walk_for_longer_than_an_image_or_two(rate, jump):
    tracker = tracks.Tracker()
    shown = 0
    for number in range(40):
        tracker.take('front', [sighting(2.0, jump * (number >= 8), error=0.05)],
                     100.0 + number / rate)
        shown += len(tracker.motions(0.0))
    # A jump of less than a walker's step in that time cannot be told from one by few images.
    assert shown <= (0 if rate == 4.0 else 2)


def test_who_one_camera_misses_and_another_sees_at_the_same_time_goes_on():
    tracker = tracks.Tracker()
    for number in range(6):
        stamp = 100.0 + 0.25 * number
        tracker.take('left', [sighting(0.3 * number, 1.0)], stamp)
        tracker.take('front', [], stamp)
    assert tracker.motions(0.0)
    # The older image of another camera says nothing of now either.
    tracker.take('right', [], stamp - 0.1)
    assert tracker.motions(0.0)


def test_an_older_image_that_shows_somebody_makes_the_newer_one_no_older():
    tracker = tracks.Tracker()
    for number in range(6):
        stamp = 100.0 + 0.25 * number
        tracker.take('front', [sighting(0.3 * number, 1.0)], stamp)
    tracker.take('left', [sighting(0.3 * 5 - 0.3, 1.0)], stamp - 0.25)
    tracker.take('right', [], stamp - 0.1)
    assert tracker.motions(0.0)


@pytest.mark.parametrize('age', [1.01, 1.6])
def test_who_is_gone_from_the_newest_image_is_not_brought_back_by_one_a_second_older(age):
    *_, (_, tracker, _) = walk(4.0, 2.0, lambda t: (1.2 * t, 0.0), 0.0)
    tracker.take('front', [], 102.0)
    assert not tracker.motions(0.0)
    tracker.take('left', [sighting(1.2 * (2.0 - age), 0.0)], 102.0 - age)
    assert not tracker.motions(0.0)
    # An image of the same time does.
    tracker.take('right', [sighting(2.4, 0.0)], 102.0)
    assert tracker.motions(0.0)


@pytest.mark.parametrize('apart, is_the_same', [(1.1, True), (1.5, False)])
def test_who_appears_farther_away_than_people_are_looked_for_is_somebody_else(apart, is_the_same):
    # 1.2 m and the error of the place, however long nobody was seen.
    tracker, pause = tracks.Tracker(), 0.75
    tracker.take('front', [sighting(0.0, 0.0)], 100.0)
    for passed in (pause, pause + 0.2):
        assert not tracker.motions(0.0)
        tracker.take('front', [sighting(apart * passed / pause, 0.0)], 100.0 + passed)
    # Places of one would lie on the line of a walker.
    assert len(tracker.motions(0.0)) == is_the_same
    assert len(tracker._tracks) == 2 - is_the_same


@pytest.mark.parametrize('pause, aside, is_the_same', [
    (0.1, 0.35, True), (0.1, 0.5, False), (0.8, 0.5, True), (0.8, 0.7, False)])
def test_a_walker_is_looked_for_farther_round_the_longer_nobody_saw_them(
        pause, aside, is_the_same):
    # 0.3 m, 0.3 m more for each second, and the error of the place.
    *_, (time, tracker, _) = walk(10.0, 2.0, lambda t: (1.2 * t, 0.0), 0.0)
    assert tracker.motions(0.0)
    tracker.take('front', [sighting(1.2 * (time + pause), aside)], 100.0 + time + pause)
    assert len(tracker._tracks) == 2 - is_the_same


def test_two_people_who_are_seen_by_turns_do_not_walk():
    random = np.random.RandomState(3)
    tracker = tracks.Tracker()
    for number in range(200):
        seen = [sighting(*(place + 0.02 * random.normal(size=2)))
                for place in ((2.0, -0.4), (2.0, 0.4)) if random.rand() < 0.6]
        tracker.take('front', seen, 100.0 + 0.1 * number)
        assert not tracker.motions(0.0)


def test_people_who_cross_keep_their_ways():
    tracker = tracks.Tracker()
    for number in range(12):
        time = 0.25 * number
        tracker.take('front', [sighting(2.0, -1.5 + time), sighting(2.6, 1.5 - time)],
                     100.0 + time)
        speeds = sorted(round(motion.vy, 2) for motion in tracker.motions(0.0))
        assert speeds == ([-1.0, 1.0] if number >= 2 else [])


def test_images_out_of_order_and_seen_twice_change_nothing():
    plain, mixed = tracks.Tracker(), tracks.Tracker()
    for number in range(8):
        time, place = 100.0 + 0.25 * number, [sighting(0.3 * number, 1.0)]
        plain.take('front', place, time)
        mixed.take('front', place, time)
        mixed.take('front', place, time)
        mixed.take('front', [sighting(0.3 * number - 0.3, 1.0)], time - 0.25)
        mixed.take('front', [], time - 0.1)
        assert mixed.motions(0.0) == plain.motions(0.0)
    assert plain.motions(0.0)


def test_two_cameras_of_different_age_give_the_velocity_of_one():
    tracker = tracks.Tracker()
    for number in range(10):
        for camera, age in (('front', 0.0), ('left', 0.15)):
            time = 0.25 * number - age
            tracker.take(camera, [sighting(1.2 * time, 0.0)], 100.0 + time)
    motion, = tracker.motions(0.0)
    assert motion.stamp == pytest.approx(102.25) and motion.x == pytest.approx(1.2 * 2.25)
    assert motion.vx == pytest.approx(1.2) and motion.vy == pytest.approx(0.0)


@pytest.mark.parametrize('side', [1.0, -1.0])
def test_a_long_side_that_comes_into_view_does_not_move_and_one_that_drives_does(side):
    parked, driving = tracks.Tracker(), tracks.Tracker()
    for number in range(8):
        time, shown = 100.0 + 0.25 * number, 1.0 + 0.5 * number
        # Its middle goes 1 m/s, and its left end stays, or its right one.
        ends = [(0.0, 3.0), (side * shown, 3.0)][::int(side)]
        parked.take('front', [Sighting(side * 0.5 * shown, 3.0, ERROR, *ends, shown, True)], time)
        place = side * 0.5 * number
        driving.take('front', [Sighting(place, 3.0, ERROR, (place - 2.0, 3.0), (place + 2.0, 3.0),
                                        4.0, True)], time)
        assert not parked.motions(0.0)
    assert driving.motions(0.0)[0].vx == pytest.approx(side * 2.0)


def test_a_long_side_that_goes_out_of_view_does_not_move_when_little_of_it_is_left():
    tracker = tracks.Tracker()
    for number in range(9):
        shown = 3.0 - 0.3 * number
        tracker.take('front', [Sighting(0.5 * shown, 3.0, ERROR, (0.0, 3.0), (shown, 3.0), shown,
                                        True)], 100.0 + 0.25 * number)
        assert not tracker.motions(0.0)
    assert shown < tracks._WIDE


def test_the_radius_is_half_of_what_the_last_image_showed_from_end_to_end():
    tracker = tracks.Tracker()
    for number, extent in enumerate((0.3, 0.5, 0.8, 0.6)):
        tracker.take('front', [sighting(0.3 * number, 1.0, extent=extent)], 100.0 + 0.25 * number)
    assert tracker.motions(0.0)[0].radius == pytest.approx(0.3)


def test_what_is_cut_off_gives_no_place_and_keeps_who_is_known_in_view():
    tracker = tracks.Tracker()
    for number in range(5):
        tracker.take('front', [sighting(0.3 * number, 1.0)], 100.0 + 0.25 * number)
    known, = tracker.motions(0.0)
    tracker.take('front', [sighting(1.2, 1.0, whole=False)], 101.25)
    assert tracker.motions(0.0) == [known]
    strange = tracks.Tracker()
    for number in range(5):
        strange.take('front', [sighting(0.3 * number, 1.0, whole=False)], 100.0 + 0.25 * number)
    assert not strange.motions(0.0)


def test_memory_is_bounded():
    random = np.random.RandomState(1)
    tracker = tracks.Tracker()
    for number in range(300):
        tracker.take('front', [sighting(*random.uniform(-5.0, 5.0, 2)) for _ in range(40)],
                     100.0 + 0.03 * number)
        held = tracker._tracks
        assert len(held) <= tracks.MOST_TRACKS
        assert max(len(track.samples) for track in held) <= tracks._MOST_SAMPLES
    tracker.take('front', [], 200.0)
    assert not tracker._tracks
    tracker.clear()
    tracker.take('front', [sighting(0.0, 0.0)], 5.0)
    assert len(tracker._tracks) == 1


def test_a_line_is_that_of_weighted_least_squares():
    random = np.random.RandomState(2)
    for count in (3, 5, 12):
        times = 1000.0 + np.sort(random.uniform(0.0, 1.0, count))
        errors = random.uniform(0.03, 0.2, count)
        x, y = random.normal(size=(2, count))
        line = tracks._line(list(zip(times.tolist(), x.tolist(), y.tolist(), errors.tolist())))
        for values, place, speed in ((x, line.x, line.vx), (y, line.y, line.vy)):
            fit, covariance = np.polyfit(times - times[-1], values, 1, w=1.0 / errors,
                                         cov='unscaled')
            assert (speed, place) == pytest.approx(tuple(fit), abs=1e-9)
            assert line.error == pytest.approx(math.sqrt(covariance[1, 1]))
            assert line.speed_error == pytest.approx(
                math.hypot(math.sqrt(covariance[0, 0]), tracks._SHARED))
