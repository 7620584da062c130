# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap over real DDS with Nav2's own QoS: one node for the whole module."""

import math
import time

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from segformer_ros.costmap.geometry.transforms import planar_pose
from sensor_msgs.msg import Image
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger
from support.costmap_robot import cloud_points
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import distances
from support.costmap_robot import GridView
from support.costmap_robot import LABELS
from support.costmap_robot import LATCHED
from support.costmap_robot import PINHOLE
from support.costmap_robot import RELIABLE_50
from support.costmap_robot import SCENE
from support.costmap_robot import SENSOR_DATA_50
from support.costmap_robot import stamp_seconds
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from vision_msgs.msg import LabelInfo
from visualization_msgs.msg import Marker

CELL = 0.05
# Metres: a logit of the test network covers three rows of the picture, a tenth of a metre at 3 m.
NEAR = 0.15


@pytest.fixture(scope='module')
def robot(tmp_path_factory):
    """Return a robot whose node runs."""
    folder = tmp_path_factory.mktemp('node')
    parameters = color_parameters(folder, **{'landing.min_radius': 0.2, 'landing.clearance': 0.0})
    with private_domain() as domain, NodeProcess(domain, folder, parameters), \
            CostmapRobot(domain) as found:
        found.grids = found.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        found.wait_for_state('active')
        yield found


def seconds(message):
    return stamp_seconds(message.header.stamp)


def now(robot):
    """Return what the node's clock says as well: it is the machine's."""
    return stamp_seconds(robot.now())


def newest(robot):
    return GridView(robot.grids.messages[-1]) if robot.grids.messages else None


def seen_grid(robot):
    """Look until the box stands in the grid; return the grid."""
    def ready():
        grid = newest(robot)
        return grid if grid is not None and len(grid.lethal()) >= 8 and grid.known() > 500 \
            else None
    return robot.look_until(ready, 'the box in the grid')


def test_obstacle_ground_and_costs_stand_at_their_true_places_in_odom(robot):
    robot.pose = planar_pose(0.4, 0.1, 0.1)
    grid = seen_grid(robot)
    info = grid.message.info
    assert grid.message.header.frame_id == 'odom'
    assert (info.width, info.height, info.resolution) == (200, 200, pytest.approx(CELL))
    assert (info.origin.orientation.w, info.origin.orientation.z) == (1.0, 0.0)
    assert info.origin.position.x % CELL == pytest.approx(0.0, abs=1e-6) or \
        info.origin.position.x % CELL == pytest.approx(CELL, abs=1e-6)
    # Contacts by the renderer, which shares no code with the node.
    truth = SCENE.contacts(PINHOLE, robot.camera_pose(), 4.0)
    lethal = grid.lethal()
    assert distances(truth, lethal).max() < NEAR
    assert distances(lethal, truth).max() < NEAR
    assert grid.at(1.8, -0.2) == 0
    assert grid.at(2.4, 0.9) == 50
    assert grid.at(3.6, -0.2) == -1  # behind the box
    assert grid.at(-1.0, 0.0) == -1  # behind the robot
    assert not np.isin(grid.values, [99]).any()
    assert grid.values.min() == -1 and grid.values.max() == 100


def test_clouds_have_the_images_stamp_the_robots_frame_and_fields_for_nav2(robot):
    obstacles = robot.subscribe(PointCloud2, '/segformer/obstacle_points', SENSOR_DATA_50)
    ground = robot.subscribe(PointCloud2, '/segformer/ground_points', SENSOR_DATA_50)
    first = len(robot.sent)

    def both():
        stamps = [header.stamp for header in robot.sent[first:]]
        return next(((marks, clears) for marks in obstacles.messages for clears in ground.messages
                     if marks.width and marks.header.stamp == clears.header.stamp
                     and marks.header.stamp in stamps), None)
    marks, clears = robot.look_until(both, 'both clouds of an image')
    for cloud in (marks, clears):
        assert cloud.header.frame_id == 'base_link'
        assert [(field.name, field.offset, field.datatype) for field in cloud.fields] == [
            ('x', 0, 7), ('y', 4, 7), ('z', 8, 7), ('label', 12, 4), ('cost', 14, 2),
            ('confidence', 16, 7)]
        assert (cloud.height, cloud.is_bigendian) == (1, False)
        assert cloud.row_step == cloud.width * cloud.point_step == len(cloud.data)
    points, costs = cloud_points(marks)
    assert np.allclose(points[:, 2], 0.2) and set(costs) == {100}
    in_odom = points[:, :2].dot(robot.pose[:2, :2].T) + robot.pose[:2, 3]
    truth = SCENE.contacts(PINHOLE, robot.camera_pose(), 5.0)
    assert distances(in_odom, truth).max() < NEAR
    points, _ = cloud_points(clears)
    assert np.all(points[:, 2] == 0.0) and np.isfinite(points).all()
    assert len(points) > 30


def test_an_empty_scene_gives_an_empty_obstacle_cloud_that_still_has_its_fields(robot):
    obstacles = robot.subscribe(PointCloud2, '/segformer/obstacle_points', SENSOR_DATA_50)
    bare = SCENE._replace(boxes=())
    cloud = robot.look_until(
        lambda: next((each for each in obstacles.messages if each.width == 0), None),
        'an empty cloud', scene=bare)
    assert len(cloud.fields) == 6 and len(cloud.data) == 0


def test_a_late_subscriber_gets_the_last_grid_and_the_names_at_once(robot):
    seen_grid(robot)
    assert robot.set_parameters(costmap_rate=0.1) == ''
    try:
        def from_before():
            asked = now(robot)
            grid = robot.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED).wait()
            return seconds(grid) < asked and grid.header in [
                message.header for message in robot.grids.messages]
        # Again where a new grid came just then.
        wait_until(from_before, 'the last grid for a late subscriber')
        plain = robot.subscribe(OccupancyGrid, '/segformer/costmap', QoSProfile(depth=10))
        names = robot.subscribe(LabelInfo, '/segformer/category_label_info', LABELS)
        assert [(entry.class_id, entry.class_name) for entry in names.wait().class_map] == [
            (0, 'free'), (1, 'caution'), (2, 'obstacle')]
    finally:
        assert robot.set_parameters(costmap_rate=10.0) == ''
    # A reader without durability gets the next ones.
    plain.wait()


def test_the_category_bundle_has_one_size_and_one_header_and_only_ground_points(robot):
    mask = robot.subscribe(Image, '/segformer/category_mask', SENSOR_DATA_50)
    confidence = robot.subscribe(Image, '/segformer/category_confidence', SENSOR_DATA_50)
    points = robot.subscribe(PointCloud2, '/segformer/points', SENSOR_DATA_50)
    assert robot.set_parameters(category_width=80) == ''

    def complete():
        for cloud in points.messages:
            found = [next((each for each in inbox.messages if each.header == cloud.header), None)
                     for inbox in (mask, confidence)]
            if cloud.width == 80 and None not in found:
                return found + [cloud]
        return None
    groups, sure, cloud = robot.look_until(complete, 'a bundle')
    assert (groups.width, groups.height, groups.step) == (80, 60, 80)
    assert (sure.width, sure.height, sure.step) == (80, 60, 80)
    assert (cloud.width, cloud.height, cloud.row_step) == (80, 60, 80 * cloud.point_step)
    assert cloud.header.frame_id == robot.frame_id
    values = np.frombuffer(groups.data, np.uint8).reshape(60, 80)
    places = np.frombuffer(bytes(cloud.data), '<f4').reshape(60, 80, 3)
    # The sky has no group, and no point.
    assert values[0, 0] == 255 and np.isnan(places[0, 0]).all()
    finite = np.isfinite(places).all(axis=2)
    assert finite.sum() > 500
    local = places[finite].dot(robot.mount[:3, :3].T) + robot.mount[:3, 3]
    assert np.abs(local[:, 2]).max() < 1e-4
    # Free ground far behind the box is not shown; feet of the box are.
    assert (values[finite] == 2).any() and (values[finite] == 0).any()


def test_filter_masks_come_to_who_subscribes_and_only_when_they_change(robot):
    seen_grid(robot)
    keepout = robot.subscribe(OccupancyGrid, '/segformer/keepout_mask', LATCHED)
    speed = robot.subscribe(OccupancyGrid, '/segformer/speed_mask', LATCHED)
    clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)

    def both():
        # Perhaps not the last ones: what was seen fades while this sender is held up.
        found = [next((view for view in map(GridView, inbox.messages[::-1]) if shows(view)), None)
                 for inbox, shows in (
                     (keepout, lambda view: -1 not in (view.at(1.8, -0.2), view.at(2.4, 0.9))),
                     (speed, lambda view: view.at(2.4, 0.9) > 0))]
        return None if None in found else found
    forbidden, slow = robot.look_until(both, 'the masks')
    assert set(np.unique(forbidden.values)) <= {-1, 0, 100}
    assert forbidden.at(1.8, -0.2) == 0
    assert forbidden.at(2.4, 0.9) == 100  # cost 50 is the limit
    assert forbidden.at(-1.0, 0.0) == -1
    assert slow.values.min() == 0 and slow.values.max() <= 99
    assert slow.at(1.8, -0.2) == 0 and 10 <= slow.at(2.4, 0.9) <= 60
    robot.look_to_the_end(clouds)
    ended = now(robot)
    # Everything is forgotten in 1.5 s and a mask says so within another one; then nothing
    # changes any more.
    robot.grids.wait(lambda message: seconds(message) > ended + 3.0)
    wait_until(lambda: not GridView(keepout.messages[-1]).known(), 'the mask to fade')
    count = len(keepout.messages)
    robot.grids.wait(lambda message: seconds(message) > ended + 6.0)
    assert len(keepout.messages) == count


def test_the_landing_site_is_free_ground(robot):
    sites = robot.subscribe(PoseStamped, '/segformer/landing_site', 10)
    markers = robot.subscribe(Marker, '/segformer/landing_site/marker', 10)
    robot.look_until(lambda: sites.messages and any(
        marker.action == Marker.ADD for marker in markers.messages), 'a landing site')
    site = sites.messages[-1]
    marker = [each for each in markers.messages if each.action == Marker.ADD][-1]
    assert (site.header.frame_id, marker.type) == ('odom', Marker.CYLINDER)
    radius = marker.scale.x / 2.0
    assert radius >= 0.2
    x, y = marker.pose.position.x, marker.pose.position.y
    angles = np.linspace(0.0, 2.0 * math.pi, 60)
    rim = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
    # White ground, and none of it under the box.
    assert np.all(SCENE.ground_labels(rim[:, 0], rim[:, 1]) == SCENE.ground)
    box = SCENE.boxes[0]
    assert not np.any((np.abs(rim[:, 0] - box.x) < box.length / 2)
                      & (np.abs(rim[:, 1] - box.y) < box.width / 2))
    wait_until(lambda: markers.messages[-1].action == Marker.DELETE, 'the marker to go')


def test_the_grid_goes_on_at_its_rate_and_fades_when_the_camera_stops(robot):
    clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
    last = seconds(robot.look_to_the_end(clouds))
    ended = now(robot)

    def forty_without_images():
        found = [message for message in robot.grids.messages if seconds(message) > ended]
        return found if len(found) >= 40 else None
    grids = wait_until(forty_without_images, 'forty grids without images')
    stamps = [seconds(message) for message in grids]
    fading = [GridView(message).known() for message in grids]
    # All is forgotten in 1.5 s.
    assert all(known > 500 for stamp, known in zip(stamps, fading) if stamp < last + 1.4)
    assert all(known == 0 for stamp, known in zip(stamps, fading) if stamp > last + 1.5)
    assert fading[-1] == 0
    assert all(later <= earlier for earlier, later in zip(fading, fading[1:]))
    # Ten a second were asked for; a busy machine may be late, never ahead but for what it was
    # late before. Half of the grids, though, are on time on any machine that serves at all.
    assert (stamps[-1] - stamps[0]) / (len(stamps) - 1) > 0.09
    assert np.median(np.diff(stamps)) < 0.2


def test_clear_costmap_empties_the_grid_and_it_fills_again(robot):
    clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
    assert robot.set_parameters(fusion__forget_time=1000.0) == ''
    try:
        seen_grid(robot)
        robot.look_to_the_end(clouds)
        before = len(robot.grids.messages)
        answer = robot.call(Trigger, '/segformer/clear_costmap', Trigger.Request())
        assert answer.success
        robot.grids.wait(lambda message: GridView(message).known() == 0, after=before)
        seen_grid(robot)
    finally:
        assert robot.set_parameters(fusion__forget_time=1.5) == ''


def test_cost_profiles_change_while_running_and_wrong_ones_are_refused(robot, tmp_path):
    path = tmp_path / 'costs.yaml'
    original = robot.parameter('cost_profile')
    path.write_text('name: other\ncosts: {white: 0, green: 20, red: lethal, blue: ignore}\n')
    assert robot.set_parameters(cost_profile=str(path)) == ''
    robot.look_until(lambda: newest(robot) and newest(robot).at(2.4, 0.9) == 20, 'the new cost')
    wrong = tmp_path / 'wrong.yaml'
    wrong.write_text('name: other\ncosts: {white: 0, gren: 20, red: lethal, blue: ignore}\n')
    refusal = robot.set_parameters(cost_profile=str(wrong))
    assert "'gren'" in refusal and 'green' in refusal
    assert robot.parameter('cost_profile') == str(path)
    assert robot.set_parameters(cost_profile=original) == ''


def test_the_grids_shape_changes_while_running(robot):
    assert robot.set_parameters(grid__size=6.0, grid__resolution=0.1) == ''
    try:
        grid = robot.grids.wait(lambda message: message.info.width == 60,
                                after=len(robot.grids.messages))
        assert grid.info.resolution == pytest.approx(0.1)
        refusal = robot.set_parameters(grid__size=1.0)
        assert 'smaller than two blocks' in refusal
    finally:
        assert robot.set_parameters(grid__size=10.0, grid__resolution=0.05) == ''


def test_the_grid_follows_the_robot_and_keeps_places_in_odom(robot):
    robot.pose = planar_pose(0.4, 0.1, 0.1)
    first = seen_grid(robot).message.info.origin.position
    robot.pose = planar_pose(12.0, -7.0, 2.0)
    far = SCENE._replace(boxes=tuple(box._replace(x=10.8, y=-4.6) for box in SCENE.boxes))

    def moved():
        grid = newest(robot)
        return grid if grid.message.info.origin.position != first and \
            len(grid.lethal()) >= 4 else None
    grid = robot.look_until(moved, 'the grid at the other place', scene=far)
    robot.pose, pose = planar_pose(0.4, 0.1, 0.1), robot.pose
    truth = far.contacts(PINHOLE, pose.dot(robot.mount), 5.0)
    assert distances(grid.lethal(), truth).max() < 3.0 * CELL
    origin = grid.message.info.origin.position
    assert (origin.x - first.x) % 1.0 == pytest.approx(0.0, abs=1e-6)
    assert (origin.y - first.y) % 1.0 == pytest.approx(0.0, abs=1e-6)


def test_switching_off_sends_one_empty_cloud_and_the_grid_fades(robot):
    seen_grid(robot)
    obstacles = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
    robot.look_until(lambda: obstacles.messages, 'a cloud')
    assert robot.call(SetBool, '/segformer/enable', SetBool.Request(data=False)).success
    wait_until(lambda: obstacles.messages[-1].width == 0, 'an empty cloud')
    assert len(obstacles.messages[-1].fields) == 6
    wait_until(lambda: newest(robot).known() == 0, 'the grid to fade')
    assert robot.call(SetBool, '/segformer/enable', SetBool.Request(data=True)).success
    seen_grid(robot)


def test_deactivate_sends_an_empty_cloud_and_an_unknown_grid_and_then_nothing(robot):
    seen_grid(robot)
    obstacles = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
    robot.look_until(lambda: obstacles.messages, 'a cloud')
    asked = now(robot)
    assert robot.change_state('deactivate')
    # Stamped with the time, not that of an image.
    obstacles.wait(lambda message: message.width == 0 and seconds(message) >= asked)
    # The last one, which a late subscriber gets; some before it may be unknown, too.
    last = robot.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED).wait()
    assert GridView(last).known() == 0 and seconds(last) >= asked
    robot.grids.wait(lambda message: message.header == last.header)
    count = len(robot.grids.messages), len(obstacles.messages)
    robot.look()
    time.sleep(1.0)
    assert (len(robot.grids.messages), len(obstacles.messages)) == count
    assert robot.change_state('activate')
    seen_grid(robot)
