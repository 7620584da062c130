# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A lidar against the costmap, point by point, and clouds that meet the views of their moment."""

import math

import numpy as np
import pytest
from segformer_ros.capture import lidar
from segformer_ros.capture.frame import MeasuredView
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import Occupancy
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.model.classes import ClassTable

WIDTH, HEIGHT, FOCAL = 160, 120, 120.0
FLOOR, WALL, SKY, WATER = range(4)
CLASSES = ClassTable('four', ['floor', 'wall', 'sky', 'water'], [[0, 0, 0]] * 4, [False] * 4)
COSTS = CostTable('four', CLASSES, [0, 100, -1, 100], ['water'])
CAMERA = CameraModel(Calibration(WIDTH, HEIGHT, 'plumb_bob', (0.0,) * 5,
                                 (FOCAL, 0.0, 79.5, 0.0, FOCAL, 59.5, 0.0, 0.0, 1.0)))
HEIGHT_OF_CAMERA, PITCH = 0.5, 0.3
MOUNT = mount_pose(HEIGHT_OF_CAMERA, PITCH)
POSE = CameraPose(planar_pose(3.0, -2.0, 0.7), MOUNT)
GEOMETRY = GridGeometry(-1.0, -7.0, 0.1, 100, 100)
RANGE = 5.0
WALL_AT = 2.0


def scan(wall_at=WALL_AT, height=1.2):
    """Return what a lidar above the camera measures of level floor before a low wall."""
    points = []
    for elevation in np.radians(np.arange(-60.0, 2.0, 1.5)):
        for azimuth in np.radians(np.arange(-30.0, 30.1, 1.0)):
            x, y, z = (math.cos(elevation) * math.cos(azimuth),
                       math.cos(elevation) * math.sin(azimuth), math.sin(elevation))
            distances = [-height / z] if z < 0.0 else []
            if wall_at is not None and 0.0 < height + z * wall_at / x < 0.8:
                distances.append(wall_at / x)
            if distances:
                far = min(distances)
                points.append((x * far, y * far, height + z * far))
    return np.array(points)


POINTS = scan()


def row_and_column(point):
    """Return the pixel of a point, by trigonometry alone; None where it is not in view."""
    x, y, z = point[0], point[1], point[2] - HEIGHT_OF_CAMERA
    ahead = x * math.cos(PITCH) - z * math.sin(PITCH)
    down = -x * math.sin(PITCH) - z * math.cos(PITCH)
    if ahead <= 0.05:
        return None
    column = int(round(79.5 - FOCAL * y / ahead))
    row = int(round(59.5 + FOCAL * down / ahead))
    return (row, column) if 0 <= row < HEIGHT and 0 <= column < WIDTH else None


def cell_of(x, y):
    """Return row and column in the grid of a place in the ground frame."""
    world_x = 3.0 + x * math.cos(0.7) - y * math.sin(0.7)
    world_y = -2.0 + x * math.sin(0.7) + y * math.cos(0.7)
    row, column = math.floor((world_y + 7.0) / 0.1), math.floor((world_x + 1.0) / 0.1)
    return (row, column) if 0 <= row < 100 and 0 <= column < 100 else None


def expected(points, mask, values, max_range=RANGE, ego=None):
    """Return the share in words and loops: of the points that count, those that are wrong."""
    seen = []
    for point in points:
        pixel = row_and_column(point)
        if pixel is None or (ego is not None and ego[pixel]):
            continue
        out = math.hypot(point[0], point[1])
        level = abs(point[2]) <= 0.05 + 0.02 * out
        seen.append((point, pixel, out, level, math.atan2(point[1], point[0])))
    standing = {cell_of(each[0][0], each[0][1]) for each in seen
                if not each[3] and each[0][2] <= 2.0} - {None}
    judged = wrong = 0
    for point, pixel, out, level, direction in seen:
        before = any(not other[3] and other[0][2] <= 2.0 and other[2] < out - 0.3
                     and abs(other[4] - direction) < 0.005 for other in seen)
        label, cell = mask[pixel], cell_of(point[0], point[1])
        if before or out > max_range or cell is None or label not in (FLOOR, WALL, WATER):
            continue
        judged += 1
        value = values[cell]
        free = 0 <= value < 100
        if level:
            wrong += label == WALL and not free and not any(
                max(abs(cell[0] - other[0]), abs(cell[1] - other[1])) <= 2 for other in standing)
        elif point[2] <= 2.0 and label == FLOOR:
            near = values[max(0, cell[0] - 2):cell[0] + 3, max(0, cell[1] - 2):cell[1] + 3]
            wrong += free and not (near == 100).any()
    return wrong / judged


def true_mask():
    """Return the labels of the scene: floor up to the wall, wall, and sky."""
    mask = np.full((HEIGHT, WIDTH), SKY, np.uint8)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            x, y = (column - 79.5) / FOCAL, (row - 59.5) / FOCAL
            ahead = math.cos(PITCH) - y * math.sin(PITCH)
            up = -math.sin(PITCH) - y * math.cos(PITCH)
            at_wall = HEIGHT_OF_CAMERA + up * WALL_AT / ahead
            mask[row, column] = FLOOR if at_wall < 0.0 else WALL if at_wall < 0.8 else SKY
            assert abs(x) < 1.0
    return mask


def grid(wall_cells=True, beyond=-1, before=0):
    """Return a costmap of the scene: free up to the wall, lethal there, unknown beyond."""
    values = np.full((100, 100), -1, np.int8)
    for row in range(100):
        for column in range(100):
            x, y = -1.0 + 0.1 * (column + 0.5) - 3.0, -7.0 + 0.1 * (row + 0.5) + 2.0
            ahead = x * math.cos(0.7) + y * math.sin(0.7)
            if ahead > 0.0:
                values[row, column] = before if ahead < WALL_AT - 0.1 else (
                    100 if wall_cells else before) if ahead < WALL_AT + 0.15 else beyond
    return values


def share(points, mask, values, max_range=RANGE, ego=None, **settings):
    return lidar.contradicted_share(MeasuredView(
        CameraView(mask, None, CAMERA, POSE, 1.0), COSTS, DepthSettings(**settings), max_range,
        ego, Occupancy(values, GEOMETRY), points))


TRUE = true_mask()
ALL_FLOOR, ALL_WALL, ALL_WATER = (np.full((HEIGHT, WIDTH), label, np.uint8)
                                  for label in (FLOOR, WALL, WATER))


def test_lidar_that_agrees_contradicts_next_to_nothing():
    assert 0.0 <= share(POINTS, TRUE, grid()) < 0.03


@pytest.mark.parametrize('mask, values, low, high', [
    (ALL_FLOOR, grid(wall_cells=False), 0.15, 0.6),  # nobody saw the wall
    (ALL_WALL, grid(before=100), 0.4, 0.9),  # the floor is taken for a wall
    (ALL_WALL, grid(before=-1), 0.4, 0.9),  # and nothing is known behind its nearest part
    (np.where(TRUE == FLOOR, WALL, FLOOR).astype(np.uint8), grid(before=100), 0.4, 1.0)])
def test_share_is_that_of_the_points_whose_class_and_cell_are_wrong(mask, values, low, high):
    found = share(POINTS, mask, values)
    assert found == pytest.approx(expected(POINTS, mask, values), abs=0.02)
    assert low < found < high


def test_class_that_the_costmap_has_not_followed_is_not_contradicted():
    # Depth, or another look, has put it right.
    assert share(POINTS, ALL_FLOOR, grid()) < 0.03
    assert share(POINTS, ALL_WALL, grid()) < 0.03


def test_mark_two_cells_beside_counts_and_one_of_three_does_not():
    values = np.zeros((100, 100), np.int8)
    post = np.array([[1.5, 0.0, 0.1 * step] for step in range(1, 9)] * 20)
    cell = cell_of(1.5, 0.0)
    for apart, wrong in ((2, 0.0), (3, 1.0)):
        marked = values.copy()
        marked[cell[0] + apart, cell[1]] = 100
        assert share(post, ALL_FLOOR, marked) == wrong
        assert expected(post, ALL_FLOOR, marked) == wrong


def test_what_the_lidar_sees_over_a_low_wall_is_of_no_account():
    # Floor beyond the wall lies at pixels of the wall: level, named wall, and not free.
    beyond = scan(height=3.0)
    shown = [point for point in beyond if point[0] > WALL_AT + 0.5 and abs(point[2]) < 0.05
             and row_and_column(point) is not None and TRUE[row_and_column(point)] == WALL]
    assert len(shown) > 40
    assert share(beyond, TRUE, grid(beyond=100)) < 0.03
    # Without the wall in the cloud nothing hides them.
    only_floor = beyond[np.abs(beyond[:, 2]) < 0.05]
    assert share(only_floor, TRUE, grid(beyond=100)) > 0.05


def test_cells_of_which_nothing_is_known_contradict_no_ground():
    assert share(POINTS, ALL_FLOOR, np.full((100, 100), -1, np.int8)) == 0.0


@pytest.mark.parametrize('ahead, found', [(1.7, 1.0), (1.8, None)])
def test_range_is_a_circle_around_the_camera(ahead, found):
    post = np.array([[ahead, 1.0, 0.1 * step] for step in range(1, 9)] * 20)
    assert share(post, ALL_FLOOR, np.zeros((100, 100), np.int8), max_range=2.0) == found


def test_points_beyond_the_grid_are_of_no_account():
    post = np.array([[1.5, 0.0, 0.1 * step] for step in range(1, 9)] * 20)
    floor = np.array([[2.0, 0.9, 0.0]] * 200)
    # The grid ends between the two.
    north = [cell_of(*point[:2])[0] for point in (post[0], floor[0])]
    low = Occupancy(np.zeros((sum(north) // 2, 100), np.int8),
                    GEOMETRY._replace(height=sum(north) // 2))
    assert north[0] + 2 < low.geometry.height < north[1] - 2

    def share_of(points):
        return lidar.contradicted_share(MeasuredView(
            CameraView(ALL_FLOOR, None, CAMERA, POSE, 1.0), COSTS, DepthSettings(), RANGE, None,
            low, points))
    assert share_of(post) == share_of(np.concatenate([post, floor])) == 1.0
    assert share_of(floor) is None


def test_what_stands_beyond_the_grid_is_no_reason_for_a_mark_at_its_corner():
    floor = np.array([[2.0, 0.0, 0.0]] * 200)
    posts = np.array([[2.0, -0.9, 0.1 * step] for step in range(1, 9)] * 20)
    row, column = cell_of(2.0, 0.0)
    other = cell_of(2.0, -0.9)
    assert other[0] < row - 2
    corner = Occupancy(np.full((20, 20), 100, np.int8), GridGeometry(
        GEOMETRY.origin_x + 0.1 * column, GEOMETRY.origin_y + 0.1 * row, 0.1, 20, 20))
    assert lidar.contradicted_share(MeasuredView(
        CameraView(ALL_WALL, None, CAMERA, POSE, 1.0), COSTS, DepthSettings(), RANGE, None,
        corner, np.concatenate([floor, posts]))) == 1.0


def test_water_stays_dangerous_however_level_it_is():
    assert share(POINTS, ALL_WATER, grid(before=100)) == 0.0


def test_lidar_is_metric_whatever_depth_is():
    values = grid(before=100)
    assert share(POINTS, ALL_WALL, values, kind='inverse') == share(POINTS, ALL_WALL, values) > 0.4


def test_robot_itself_range_and_sky_are_left_out():
    values = grid(before=100)
    ego = np.zeros((HEIGHT, WIDTH), np.uint8)
    ego[:, :80] = 255
    mask = TRUE.copy()
    mask[:, :80] = WALL
    assert share(POINTS, mask, values) > 0.2
    found = share(POINTS, mask, values, ego=ego)
    assert found == pytest.approx(expected(POINTS, mask, values, ego=ego), abs=0.02)
    assert found < 0.05
    near = share(POINTS, ALL_FLOOR, grid(wall_cells=False), max_range=1.5)
    assert near < 0.01 < share(POINTS, ALL_FLOOR, grid(wall_cells=False))
    assert share(POINTS, np.full((HEIGHT, WIDTH), SKY, np.uint8), values) is None


@pytest.mark.parametrize('points', [
    np.zeros((0, 3)), POINTS[:5], -POINTS, POINTS * 1e30, POINTS + [500.0, 0.0, 0.0], None])
def test_cloud_that_says_too_little_says_nothing(points):
    assert share(points, ALL_WALL, grid()) is None


@pytest.mark.parametrize('count, found', [(99, None), (100, 1.0)])
def test_a_hundred_points_that_count_are_enough(count, found):
    post = np.array([[1.5, 0.0, 0.3]] * count)
    assert share(post, ALL_FLOOR, np.zeros((100, 100), np.int8)) == found


@pytest.mark.parametrize('column, row, is_seen', [
    (159.4, 60.0, True), (159.7, 60.0, False), (-0.4, 60.0, True), (-0.6, 60.0, False),
    (80.0, 119.4, True), (80.0, 119.7, False), (80.0, -0.4, True), (80.0, -0.6, False)])
def test_view_ends_with_the_outer_edges_of_its_pixels(column, row, is_seen):
    right, down = (column - 79.5) / FOCAL, (row - 59.5) / FOCAL
    ahead = 1.5 / (math.cos(PITCH) - down * math.sin(PITCH))
    up = -ahead * (math.sin(PITCH) + down * math.cos(PITCH))
    points = np.array([[1.5, -right * ahead, HEIGHT_OF_CAMERA + up]] * 200)
    found = share(points, ALL_FLOOR, np.zeros((100, 100), np.int8))
    assert (found is not None) == is_seen


def test_cloud_and_view_of_one_moment_meet_whichever_comes_first():
    matcher = lidar.CloudMatcher()
    assert matcher.add_view('', 10 ** 9, 'first') is None
    assert matcher.add_cloud(10 ** 9 + 60000000, 'late', 1) == []
    assert matcher.add_cloud(10 ** 9 + 50000000, 'cloud', 1) == ['first']
    assert matcher.add_cloud(10 ** 9 + 40000000, 'more', 1) == []
    # It came by itself, and went with a view of this camera.
    assert matcher.add_cloud(4 * 10 ** 9, 'early', 1) == []
    assert matcher.add_view('', 3 * 10 ** 9, 'waiting') is None
    assert matcher.add_cloud(3 * 10 ** 9, 'its own', 1) == ['waiting']
    assert matcher.add_view('', 3 * 10 ** 9 + 1, 'another') is None
    assert matcher.add_cloud(2 * 10 ** 9, 'next', 1) == []
    assert matcher.add_view('', 2 * 10 ** 9 - 50000001, 'apart') is None
    assert matcher.add_view('', 2 * 10 ** 9 - 50000000, 'second') == 'next'
    # Once for a camera; once for another.
    assert matcher.add_view('', 2 * 10 ** 9, 'third') is None
    assert matcher.add_view('left', 2 * 10 ** 9, 'beside') == 'next'


def test_nearest_of_several_is_taken_and_older_views_wait_no_more():
    matcher = lidar.CloudMatcher()
    for milliseconds in (0, 40, 80):
        assert matcher.add_view('', 10 ** 9 + milliseconds * 10 ** 6, milliseconds) is None
    assert matcher.add_cloud(10 ** 9 + 45 * 10 ** 6, 'cloud', 1) == [40]
    assert matcher.add_cloud(10 ** 9, 'older', 1) == []
    assert matcher.add_cloud(10 ** 9 + 100 * 10 ** 6, 'newer', 1) == [80]


def test_what_waits_is_bounded_in_number_and_bytes():
    matcher = lidar.CloudMatcher()
    for number in range(1000):
        matcher.add_cloud(number * 10 ** 9, number, 1)
    assert len(matcher._clouds) == lidar.CLOUDS_KEPT
    for number in range(5):
        matcher.add_cloud(number * 10 ** 9 + 5 * 10 ** 8, number, lidar.MOST_BYTES // 2)
    assert [value for value, _ in matcher._clouds.values()] == [3, 4]
    for number in range(1000):
        matcher.add_view('', 10 ** 12 + number * 10 ** 7, number)
    assert len(matcher._views['']) == lidar.VIEWS_KEPT
    # They reach far enough back for a cloud that is sent once its turn is complete.
    assert matcher.add_cloud(10 ** 12 + 9990 * 10 ** 6 - 150 * 10 ** 6, 'turn', 1) != []
    matcher.clear()
    assert matcher.add_cloud(10 ** 12, 'cloud', 1) == []


def test_a_recording_that_begins_again_meets_nothing_of_its_first_turn():
    matcher = lidar.CloudMatcher()
    for turn in ('first', 'second'):
        assert matcher.add_view('', 10 ** 9, turn + ' view') is None
        assert matcher.add_cloud(2 * 10 ** 9, turn + ' cloud', 1) == []
        assert matcher.add_view('', 2 * 10 ** 9, 'its view') == turn + ' cloud'
        matcher.clear()
    assert matcher.add_view('', 2 * 10 ** 9, 'view') is None
    matcher.clear()
    assert matcher.add_cloud(2 * 10 ** 9, 'cloud', 1) == []
