# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Who walks, in the whole stage: marked ahead, gone with the next grid, never evidence."""

import numpy as np
import pytest
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.model.classes import ClassTable
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import Pinhole
from support.plane_scene import Scene

FLOOR, WALL, PERSON, CAR, SKY = range(5)
CLASSES = ClassTable('test', ['floor', 'wall', 'person', 'car', 'sky'], np.zeros((5, 3)),
                     [False, False, True, True, False])
COSTS = CostTable('test', CLASSES, [0, 100, 100, 100, -1])
PINHOLE = Pinhole(320, 240, 208.0, 159.5, 119.5)
CAMERA = camera_model(PINHOLE)
MOUNT = mount_pose(0.8, 0.35)
PERIOD = 0.25
LETHAL = 100


def stage_with(seconds, **others):
    settings = costmap_settings.CostmapSettings(
        moving=costmap_settings.MovingSettings(prediction_time=seconds))
    return CostmapPipeline(settings._replace(**others), COSTS)


def person(x, y, label=PERSON):
    return Box(x, y, 0.3, 0.3, label, height=1.7)


def look(stage, boxes, stamp, true=(0.0, 0.0, 0.0), believed=None, labels=None, depth=False,
         keep=True, name='front'):
    seen = Scene(FLOOR, (), tuple(boxes), SKY).render(PINHOLE, planar_pose(*true).dot(MOUNT))
    pose = CameraPose(planar_pose(*(true if believed is None else believed)), MOUNT)
    stage.process(name, CameraView(
        seen.labels if labels is None else labels(seen.labels), None, CAMERA, pose, stamp,
        seen.depth.astype(np.float32) if depth else None), keep=keep)


def lethal(stage, stamp, x, y, reach=0.1):
    occupancy = stage.occupancy(stamp)
    xs, ys = occupancy.geometry.centers()
    return bool((occupancy.values[np.ix_(np.abs(ys - y) <= reach, np.abs(xs - x) <= reach)]
                 == LETHAL).any())


def same_grid(one, two, stamp, standing=0.0):
    return (one.occupancy(stamp, standing).values == two.occupancy(stamp, standing).values).all()


@pytest.mark.parametrize('depth', [False, True])
def test_the_way_of_who_walks_is_marked_ahead_of_them_and_nowhere_else(depth):
    stage, plain = stage_with(2.0), stage_with(0.0)
    for number in range(6):
        stamp, y = 10.0 + PERIOD * number, -1.0 + 0.25 * number
        for each in (stage, plain):
            look(each, [person(2.4, y)], stamp, depth=depth)
        if number < 2:
            assert same_grid(stage, plain, stamp)
    # At 1 m/s two seconds ahead, and not a metre farther.
    assert y == 0.25
    for ahead in (0.5, 1.0, 1.5, 1.75):
        assert lethal(stage, stamp, 2.3, y + ahead) and not lethal(plain, stamp, 2.3, y + ahead)
    assert not lethal(stage, stamp, 2.3, y + 3.1)
    added = (stage.occupancy(stamp).values == LETHAL) & (plain.occupancy(stamp).values != LETHAL)
    _, ys = stage.occupancy(stamp).geometry.centers()
    assert not added[ys < y - 0.1].any()


def test_a_way_is_gone_with_the_first_grid_after_who_walked_was_gone_and_was_never_evidence():
    stage, plain = stage_with(2.0), stage_with(0.0)
    for number in range(6):
        stamp, y = 10.0 + PERIOD * number, -1.0 + 0.25 * number
        for each in (stage, plain):
            look(each, [person(2.4, y)], stamp)
    assert not same_grid(stage, plain, stamp)
    for each in (stage, plain):
        look(each, [], stamp + PERIOD)
    assert same_grid(stage, plain, stamp + PERIOD)
    for later in (0.5, 1.0, 1.6, 5.0):
        assert same_grid(stage, plain, stamp + PERIOD + later)
    assert stage.oldest_age(stamp + 6.0) == plain.oldest_age(stamp + 6.0)


def test_who_stops_blocks_nothing_ahead_from_the_next_image_on():
    stage, plain = stage_with(2.0), stage_with(0.0)
    for number in range(12):
        stamp, y = 10.0 + PERIOD * number, min(-1.0 + 0.25 * number, 0.25)
        for each in (stage, plain):
            look(each, [person(2.4, y)], stamp)
        assert bool(same_grid(stage, plain, stamp)) == (number < 2 or number > 5)


def walked_past(*stages):
    """Show somebody who walks past in six images; return the stamp of the last one."""
    for number in range(6):
        stamp = 10.0 + PERIOD * number
        for each in stages:
            look(each, [person(2.4, -1.0 + 0.25 * number)], stamp)
    return stamp


def test_without_a_new_image_a_way_ends_with_its_time():
    stage, plain = stage_with(1.0), stage_with(0.0)
    stamp = walked_past(stage, plain)
    assert not same_grid(stage, plain, stamp + 0.9)
    assert same_grid(stage, plain, stamp + 1.1)
    # A clock that stands still makes nothing younger.
    assert not same_grid(stage, plain, stamp + 0.9, 0.05)
    assert same_grid(stage, plain, stamp + 0.9, 0.2)


def test_a_way_does_not_outlive_the_mark_of_who_walks_it():
    fusion = costmap_settings.FusionSettings(dynamic_decay_time=0.6)
    stage, plain = stage_with(3.0, fusion=fusion), stage_with(0.0, fusion=fusion)
    stamp = walked_past(stage, plain)
    assert not same_grid(stage, plain, stamp + 0.55)
    assert same_grid(stage, plain, stamp + 0.65)


def test_who_walks_up_to_the_robot_is_marked_up_to_it_and_not_below_it():
    stage = stage_with(3.0)
    for number in range(6):
        stamp = 10.0 + PERIOD * number
        look(stage, [person(4.0 - 0.25 * number, 0.0)], stamp, (1.0, 0.0, 0.0))
    radius = stage.settings.projection.robot_radius
    occupancy = stage.occupancy(stamp)
    away = np.hypot(*np.meshgrid(*(axis - place for axis, place in zip(
        occupancy.geometry.centers(), (1.0, 0.0)))))
    blocked = occupancy.values == LETHAL
    assert not blocked[away < radius].any()
    assert blocked[(away > radius + 0.05) & (away < radius + 0.2)].any()


@pytest.mark.parametrize('seed', range(4))
def test_standing_people_and_parked_cars_gain_nothing_from_a_robot_that_drives_past(seed):
    random = np.random.RandomState(seed)
    boxes = [person(2.6, 0.5), person(3.2, -0.9), Box(5.0, 1.9, 4.0, 1.6, CAR, height=1.5),
             person(4.5, 0.0)]
    stage, plain = stage_with(2.0), stage_with(0.0)
    believed = np.zeros(3)
    seen = 0
    for number in range(24):
        stamp, x = 10.0 + PERIOD * number, 0.1 * number
        yaw = 0.25 * np.sin(0.6 * number)
        # An odometry with noise, and one that goes 4 per cent too far.
        believed = np.array([1.04 * x, 0.0, yaw]) + random.normal(size=3) * [0.02, 0.02, 0.01]

        def ragged(labels):
            # Feet that end some rows too early or too late, as a network's do.
            shift = random.randint(-2, 3)
            return np.roll(labels, shift, axis=0) if shift else labels
        state = random.get_state()
        for each in (stage, plain):
            random.set_state(state)
            look(each, boxes, stamp, (x, 0.0, yaw), believed, ragged)
        seen += (plain.occupancy(stamp).values == LETHAL).sum() > 10
        assert same_grid(stage, plain, stamp)
    assert seen > 12


def test_one_who_walks_is_found_by_the_same_shaky_robot():
    random = np.random.RandomState(0)
    stage, plain = stage_with(2.0), stage_with(0.0)
    shown = 0
    for number in range(10):
        stamp, x = 10.0 + PERIOD * number, 0.1 * number
        believed = np.array([1.04 * x, 0.0, 0.0]) + random.normal(size=3) * [0.02, 0.02, 0.01]
        for each in (stage, plain):
            look(each, [person(3.0, -1.2 + 0.3 * number)], stamp, (x, 0.0, 0.0), believed)
        shown += not same_grid(stage, plain, stamp)
    assert shown >= 5


@pytest.mark.parametrize('length, speed, foretold', [
    (1.7, 0.5, False), (1.7, 1.5, True), (1.7, 2.5, True), (1.7, 4.0, False), (3.5, 1.5, False)])
def test_long_things_that_go_across_are_foretold_where_their_speed_is_clear(length, speed,
                                                                            foretold):
    stage, plain = stage_with(2.0), stage_with(0.0)
    shown = 0
    for number in range(int(6.0 / (speed * PERIOD))):
        stamp, y = 10.0 + PERIOD * number, -3.0 + speed * PERIOD * number
        for each in (stage, plain):
            look(each, [Box(4.0, y, 1.2, length, CAR, height=1.5)], stamp)
        shown += not same_grid(stage, plain, stamp)
    assert (shown >= 3) if foretold else shown == 0


def test_time_that_goes_back_and_a_cleared_grid_forget_who_walked():
    for forget in ('clear', 'back', 'clock'):
        stage, plain = stage_with(2.0), stage_with(0.0)
        for each in (stage, plain):
            for number in range(6):
                look(each, [person(2.4, -1.0 + 0.25 * number)], 10.0 + PERIOD * number)
        assert not same_grid(stage, plain, 11.25)
        for each in (stage, plain):
            if forget == 'clear':
                each.clear()
            elif forget == 'clock':
                each.occupancy(5.0)
            else:
                look(each, [], 5.0)
        assert same_grid(stage, plain, 5.0) and same_grid(stage, plain, 11.25)


def test_the_time_may_change_between_frames_and_zero_switches_it_off():
    stage, plain = stage_with(2.0), stage_with(0.0)
    for number in range(6):
        for each in (stage, plain):
            look(each, [person(2.4, -1.0 + 0.25 * number)], 10.0 + PERIOD * number)
    assert lethal(stage, 11.25, 2.3, 2.0)
    stage.apply(stage.settings._replace(
        moving=costmap_settings.MovingSettings(prediction_time=1.0)))
    assert lethal(stage, 11.25, 2.3, 1.2) and not lethal(stage, 11.25, 2.3, 2.1)
    stage.apply(stage.settings._replace(
        moving=costmap_settings.MovingSettings(prediction_time=0.0)))
    assert same_grid(stage, plain, 11.25)


def test_without_odometry_nothing_goes_anywhere():
    stage, plain = stage_with(2.0), stage_with(0.0)
    for number in range(6):
        for each in (stage, plain):
            look(each, [person(2.4, -1.0 + 0.25 * number)], 10.0 + PERIOD * number, keep=False)
        assert same_grid(stage, plain, 10.0 + PERIOD * number)


def test_a_site_to_land_on_keeps_clear_of_where_somebody_walks():
    landing = costmap_settings.LandingSettings(min_radius=0.3, clearance=0.1)
    stage, plain = (stage_with(seconds, landing=landing) for seconds in (2.0, 0.0))
    for number in range(6):
        for each in (stage, plain):
            look(each, [person(2.4, -1.0 + 0.25 * number)], 10.0 + PERIOD * number)
    sites = [each.landing_site(11.25) for each in (stage, plain)]
    ways = stage.occupancy(11.25)
    xs, ys = ways.geometry.centers()
    inside = [np.hypot(*np.meshgrid(xs - site.x, ys - site.y)) < site.radius for site in sites]
    assert not (ways.values[inside[0]] == LETHAL).any()
