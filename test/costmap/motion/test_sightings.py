# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""People in one image: where their feet really are, and who is cut off."""

import math

import numpy as np
import pytest
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.motion import sightings
from segformer_ros.costmap.observation import Obstacles
from segformer_ros.costmap.projection.depth import DepthProjector
from segformer_ros.costmap.projection.flat_ground import GroundProjector
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import prepared_labels
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.model.classes import ClassTable
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import Pinhole
from support.plane_scene import Scene

FLOOR, WALL, PERSON, DOG, SKY = range(5)
CLASSES = ClassTable('test', ['floor', 'wall', 'person', 'dog', 'sky'], np.zeros((5, 3)),
                     [False, False, True, True, False])
COSTS = CostTable('test', CLASSES, [0, 100, 100, 30, -1])
PINHOLE = Pinhole(320, 240, 208.0, 159.5, 119.5)
CAMERA = camera_model(PINHOLE)
MOUNT = mount_pose(0.8, 0.35)
SETTINGS = CostmapSettings()


def view_of(boxes, place=(0.0, 0.0, 0.0)):
    robot = planar_pose(*place)
    seen = Scene(FLOOR, (), tuple(boxes), SKY).render(PINHOLE, robot.dot(MOUNT))
    labels = prepared_labels(seen.labels, None, None, 0)
    return LabelledView(labels, None, CAMERA, CameraPose(robot, MOUNT),
                        seen.depth.astype(np.float32))


def found_in(view, with_depth=False, costs=COSTS):
    grid = CostGrid(SETTINGS.grid, SETTINGS.fusion)
    projector = DepthProjector(SETTINGS.projection, SETTINGS.depth) if with_depth else \
        GroundProjector(SETTINGS.projection)
    projection = projector.project(view, costs, grid)
    return sightings.sightings_of(projection.obstacles, view, costs)


def person(x, y, width=0.3, label=PERSON):
    return Box(x, y, width, width, label, height=1.7)


@pytest.mark.parametrize('with_depth', [False, True])
@pytest.mark.parametrize('place', [(0.0, 0.0, 0.0), (0.3, -0.4, 0.5)])
def test_each_person_has_one_place_near_their_feet_and_the_nearest_comes_first(with_depth, place):
    robot = planar_pose(*place)
    people = []
    for x, y in ((1.7, 0.1), (2.6, -0.8), (3.3, 1.4)):
        at = robot.dot([x, y, 0.0, 1.0])
        people.append(person(at[0], at[1]))
    found = found_in(view_of(people, place), with_depth)
    assert len(found) == 3
    for seen, true in zip(found, people):
        # The near side is what is seen of a box.
        assert math.hypot(seen.x - true.x, seen.y - true.y) < 0.2
        assert 0.2 < seen.extent < 0.6 and 0.05 <= seen.error < 0.25 and seen.whole
        for end in (seen.left, seen.right):
            assert math.hypot(end[0] - true.x, end[1] - true.y) < 0.35
    assert found[0].error < found[1].error < found[2].error
    c, s = math.cos(place[2]), math.sin(place[2])
    for seen in found:
        # To the left of who looks that way.
        assert c * (seen.left[1] - seen.right[1]) - s * (seen.left[0] - seen.right[0]) > 0.1


def test_what_stays_and_what_may_be_driven_over_is_nobody():
    boxes = [person(2.0, 0.0, label=WALL), person(2.0, 0.9, label=DOG)]
    assert not found_in(view_of(boxes))
    assert not found_in(view_of([]))
    # As an obstacle the dog counts.
    costs = CostTable('test', CLASSES, [0, 100, 100, 100, -1])
    found, = found_in(view_of(boxes), costs=costs)
    assert found.y == pytest.approx(0.9, abs=0.1)


@pytest.mark.parametrize('side', [1.0, -1.0])
def test_who_is_cut_off_by_either_edge_of_the_image_is_not_whole(side):
    edge = 0.5 * 320 / 208.0
    for share, whole in ((0.7, True), (0.98, False)):
        x = 2.5
        found, = found_in(view_of([person(x, side * share * edge * (x * math.cos(0.35) + 0.27))]))
        assert found.whole is whole


@pytest.mark.parametrize('y, whole', [(0.62, True), (0.28, False), (-0.28, False), (-0.62, True)])
def test_who_is_half_behind_something_nearer_is_not_whole(y, whole):
    # The box before them hides up to y = 0.34 at their distance.
    found, = found_in(view_of([Box(1.8, 0.0, 0.2, 0.4, WALL, height=1.0), person(3.0, y)]))
    assert found.whole is whole


@pytest.mark.parametrize('nearer, whole', [(-1.0, True), (0.1, True), (0.2, False), (1.0, False)])
@pytest.mark.parametrize('side', [1.0, -1.0])
def test_what_stands_right_beside_covers_only_from_a_step_nearer_on(side, nearer, whole):
    # A person 0.3 m wide, and a thing 0.02 rad beside them.
    bearing, away = math.atan2(0.15, 3.0) + 0.02, math.hypot(3.0, 0.15) - nearer
    x = np.float32([3.0, 3.0, 3.0, away * math.cos(bearing)])
    y = np.float32([-0.15, 0.0, 0.15, side * away * math.sin(bearing)])
    points = Obstacles(x, y, np.uint8([PERSON] * 3 + [WALL]), np.ones(4, np.float32),
                       np.ones(4, np.float32), np.ones(4, np.bool_))
    found, = sightings.sightings_of(points, view_of([]), COSTS)
    assert found.whole is whole


def test_who_stands_before_something_is_whole():
    found, = found_in(view_of([person(1.8, 0.0), Box(3.0, 0.0, 0.2, 3.0, WALL)]))
    assert found.whole


def test_a_wide_thing_is_known_less_well_than_a_person():
    near, wide = (found_in(view_of([Box(2.5, 0.0, 0.3, width, PERSON)]))[0]
                  for width in (0.3, 1.7))
    assert wide.extent == pytest.approx(1.7, abs=0.15) and wide.error > near.error + 0.15


@pytest.mark.parametrize('ahead', [1.5, 3.0, 5.0])
def test_the_error_of_a_place_is_the_spread_that_angles_and_legs_give_it(ahead):
    random = np.random.RandomState(6)
    # Where rays meet the ground that the pose and the pixel turn a little, each by itself.
    down = math.atan2(0.8, ahead) + sightings._PITCH * random.normal(size=100000) \
        + random.normal(size=100000) / 208.0
    places = 0.8 / np.tan(down) + sightings._SWING * random.normal(size=100000)
    points = Obstacles(np.float32([ahead]), np.float32([0.0]), np.uint8([PERSON]),
                       np.ones(1, np.float32), np.ones(1, np.float32), np.array([True]))
    found, = sightings.sightings_of(points, view_of([]), COSTS)
    assert found.error == pytest.approx(np.std(places), rel=0.06)


def test_feet_that_are_not_in_view_have_no_place():
    view = view_of([])
    points = Obstacles(np.float32([2.0, 2.1]), np.float32([0.0, 0.0]), np.uint8([PERSON] * 2),
                       np.ones(2, np.float32), np.ones(2, np.float32), np.array([False, False]))
    assert not sightings.sightings_of(points, view, COSTS)
    seen, = sightings.sightings_of(points._replace(foot_seen=np.array([True, False])), view,
                                   COSTS)
    assert (seen.x, seen.y) == pytest.approx((2.0, 0.0))


def test_a_crowd_is_bounded_to_the_nearest():
    x, y = np.meshgrid(np.arange(0.0, 40.0, 1.0) + 1.0, [0.0, 1.0, 2.0])
    x, y = x.ravel().astype(np.float32), y.ravel().astype(np.float32)
    points = Obstacles(x, y, np.full(len(x), PERSON, np.uint8), np.ones(len(x), np.float32),
                       np.ones(len(x), np.float32), np.ones(len(x), np.bool_))
    found = sightings.sightings_of(points, view_of([]), COSTS)
    away = [math.hypot(seen.x, seen.y) for seen in found]
    assert len(found) == sightings.MOST_SIGHTINGS
    assert max(away) <= np.sort(np.hypot(x, y))[sightings.MOST_SIGHTINGS - 1] + 1e-6


@pytest.mark.parametrize('ground', [0.0, 2.5, -0.7])
def test_the_places_that_an_image_shows_are_those_that_fall_well_into_it(ground):
    place = (1.0, -2.0, 0.7)
    view = view_of([], place)
    # An odometry that counts heights from elsewhere.
    raised = view.pose.odom_from_ground.copy()
    raised[2, 3] = ground
    view = view._replace(pose=view.pose._replace(odom_from_ground=raised))
    shows = sightings.shown_places(view, 5.0)
    random = np.random.RandomState(4)
    world_from_camera = planar_pose(*place).dot(MOUNT)
    counts = [0, 0]
    for x, y in random.uniform(-6.0, 6.0, (2000, 2)).tolist():
        local = (np.array([x, y, 0.0]) - world_from_camera[:3, 3]).dot(world_from_camera[:3, :3])
        u, v = 208.0 * local[:2] / local[2] + [159.5, 119.5]
        clear = local[2] > 0 and np.linalg.norm(local) < 4.7 and 17 < u < 303 and 13 < v < 227
        outside = local[2] <= 0 or np.linalg.norm(local) > 5.0 or not (0 < u < 320 and 0 < v < 240)
        counts[0] += clear
        counts[1] += outside
        assert not clear or shows(x, y)
        assert not outside or not shows(x, y)
    assert min(counts) > 100
