# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap of robots of all kinds: without TF, with two cameras, with depth, from above."""

import cv2
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.cost_table import OBSTACLE
from segformer_ros.costmap.geometry.transforms import BODY_FROM_OPTICAL
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.model.classes import load_class_table
from segformer_ros.ros.io.images import byte_array
from segformer_ros.ros.io.images import rgb8_image
from segformer_ros.simulation.render.ground_truth import NONE
from segformer_ros.simulation.render.ground_truth import obstacle_classes
from segformer_ros.simulation.world.trajectory import Trajectory
from segformer_ros.simulation.world.world import World
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from sensor_msgs.msg import PointCloud2
from sensor_msgs.msg import Range
from std_msgs.msg import Header
from support.costmap_robot import cloud_points
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import distances
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import PINHOLE
from support.costmap_robot import SCENE
from support.costmap_robot import SENSOR_DATA_50
from support.plane_scene import Box
from support.ros_graph import NodeProcess
from support.ros_graph import Peer
from support.ros_graph import wait_until
from support.tiny_model import BLUE
from support.tiny_model import COLORS
from support.tiny_model import RED
from support.tiny_model import WHITE

CELL = 0.05
# Metres: a logit of the test network covers three rows of the picture, a tenth of a metre at 3 m.
NEAR = 0.15
PALETTE = np.array(list(COLORS.values()), np.uint8)


def grid_with(robot, condition, what, **arguments):
    """Look until the newest grid fulfils a condition; return it."""
    if not hasattr(robot, 'grids'):
        robot.grids = robot.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)

    def ready():
        grid = GridView(robot.grids.messages[-1]) if robot.grids.messages else None
        return grid if grid is not None and condition(grid) else None
    return robot.look_until(ready, what, **arguments)


def test_a_mount_from_parameters_needs_neither_transforms_nor_a_frame(domain, tmp_path):
    parameters = color_parameters(tmp_path, **{
        'odom_frame': 'base_link', 'mount.height': 0.8, 'mount.pitch': 0.35, 'mount.x': 0.2})
    with NodeProcess(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        robot.pose = planar_pose(0.0, 0.0, 0.0)
        grid = grid_with(robot, lambda found: len(found.lethal()) > 8, 'the box',
                         with_pose=False, frame_id='')
        assert grid.message.header.frame_id == 'base_link'
        truth = SCENE.contacts(PINHOLE, robot.camera_pose(), 4.0)
        assert distances(grid.lethal(), truth).max() < NEAR
        assert 'mount from parameters, 0.8 m high' in node.log()
        assert 'No odometry: each image stands for itself in base_link' in node.log()
        # The robot has turned: nothing of the earlier view may be left.
        away = SCENE._replace(boxes=())
        grid_with(robot, lambda found: found.known() > 500 and not len(found.lethal()),
                  'a grid without the box', with_pose=False, scene=away)


def test_two_cameras_fill_one_grid_and_have_clouds_of_their_own(domain, tmp_path):
    scene = SCENE._replace(boxes=(Box(2.6, 0.0, 0.4, 0.6, RED), Box(0.2, 2.6, 0.6, 0.4, RED)))
    parameters = color_parameters(tmp_path, cameras='[front, left]', **{
        'fusion.static_decay_time': 20.0, 'fusion.forget_time': 30.0})
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain, 'front') as front, \
            CostmapRobot(domain, 'left', mount_pose(0.8, 0.35, y=0.2, yaw=1.57)) as left:
        clouds = {robot: robot.subscribe(PointCloud2, robot.output('obstacle_points'),
                                         SENSOR_DATA_50) for robot in (front, left)}
        front.wait_for_state('active')
        for robot in (front, left):
            robot.pose = planar_pose(0.0, 0.0, 0.0)
            robot.info.k[0] = PINHOLE.f

        def both(grid):
            left.look(scene)
            places = grid.lethal()
            return len(places) and all(np.hypot(*(places - box).T).min() < 3 * CELL
                                       for box in ([2.4, 0.0], [0.2, 2.4])) and all(
                any(message.width for message in inbox.messages) for inbox in clouds.values())
        grid_with(front, both, 'both boxes in the grid and a cloud of each', scene=scene)
        for robot, ahead in ((front, [2.4, 0.0]), (left, [0.2, 2.4])):
            points, _ = cloud_points(next(
                message for message in clouds[robot].messages[::-1] if message.width))
            assert np.hypot(*(points[:, :2] - ahead).T).min() < 3 * CELL
            assert np.hypot(*(points[:, :2] - ahead).T).max() < 1.0


@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_depth_takes_the_place_of_flat_ground(domain, tmp_path, transport):
    # A box of the floor's colour: the mask alone sees nothing there.
    scene = SCENE._replace(boxes=(Box(2.6, 0.0, 0.4, 0.6, WHITE),))
    parameters = color_parameters(tmp_path, depth_transport=transport)
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        robot.pose = planar_pose(0.0, 0.0, 0.0)
        name, kind = ('/depth', Image) if transport == 'raw' else (
            '/depth/compressedDepth', CompressedImage)
        publisher = robot.publisher(kind, name, qos_profile_sensor_data)
        depth = scene.render(PINHOLE, robot.camera_pose()).depth
        depth[~np.isfinite(depth)] = 0.0

        def with_depth(found):
            stamp = robot.now()
            header = robot.look(scene, stamp)
            publisher.publish(depth_message(kind, header, depth))
            return len(found.lethal()) > 6
        grid = grid_with(robot, with_depth, 'the box', scene=scene, stamp=None)
        front = np.stack([np.full(60, 2.4), np.linspace(-0.3, 0.3, 60)], axis=1)
        assert distances(front, grid.lethal()).max() < NEAR


def depth_message(kind, header, depth):
    """Return depth in millimetres, raw or as compressedDepth: 12 bytes and a PNG."""
    millimetres = np.round(depth * 1000.0).astype('<u2')
    if kind is Image:
        height, width = depth.shape
        return Image(header=header, height=height, width=width, encoding='16UC1',
                     step=2 * width, data=byte_array(millimetres.view(np.uint8)))
    done, png = cv2.imencode('.png', millimetres)
    assert done
    return CompressedImage(header=header, format='16UC1; compressedDepth png',
                           data=bytes(12) + png.tobytes())


def test_the_robots_own_body_is_unknown(domain, tmp_path):
    # The lower third of the picture is the robot, which looks like an obstacle.
    parameters = color_parameters(tmp_path, self_mask="'0 0.66 1 0.66 1 1 0 1'")
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        robot.pose = planar_pose(0.0, 0.0, 0.0)
        body = SCENE._replace(boxes=SCENE.boxes + (Box(1.15, 0.0, 0.1, 4.0, RED, height=0.02),))
        labels = body.render(PINHOLE, robot.camera_pose()).labels
        assert (labels[170:] == RED).any(axis=0).all()
        grid = grid_with(robot, lambda found: len(found.lethal()) > 8, 'the box', scene=body)
        truth = SCENE.contacts(PINHOLE, robot.camera_pose(), 4.0)
        assert distances(grid.lethal(), truth).max() < NEAR


def test_a_camera_from_above_takes_its_height_from_the_range_finder(domain, tmp_path):
    parameters = color_parameters(tmp_path, **{
        'projection.mode': 'overhead', 'projection.max_range': 20.0, 'height_source': 'range',
        'grid.size': 12.0})
    # Straight down: the picture's upper edge lies ahead.
    down = np.eye(4)
    down[:3, :3] = planar_pose(0, 0, 0)[:3, :3].dot(
        mount_pose(1.0, np.pi / 2)[:3, :3])
    scene = SCENE._replace(patches=(), boxes=(Box(1.0, 0.5, 0.6, 0.6, RED, height=0.3),))
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain, mount=down) as robot:
        robot.wait_for_state('active')
        robot.pose = planar_pose(0.0, 0.0, 0.0)
        robot.pose[2, 3] = 4.0
        ranges = robot.publisher(Range, '/range', qos_profile_sensor_data)
        clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', SENSOR_DATA_50)
        beam = down.dot(np.linalg.inv(BODY_FROM_OPTICAL))
        # The drone believes to be 9 m higher than it is, as barometers do.
        true_pose = robot.pose.copy()

        def ranged(found):
            stamp = robot.now()
            robot.pose = true_pose.copy()
            robot.pose[2, 3] += 9.0
            robot.send_fixed()
            robot.send_pose(stamp)
            robot.send_beam(beam)
            ranges.publish(Range(header=Header(stamp=stamp, frame_id='beam'), range=4.0))
            robot.pose = true_pose
            robot.look(scene, stamp, with_pose=False)
            return len(found.lethal()) > 20 and any(each.width for each in clouds.messages)
        grid = grid_with(robot, ranged, 'the box from above in grid and cloud', scene=scene,
                         with_pose=False)
        middle = grid.lethal().mean(axis=0)
        assert np.hypot(*(middle - [1.0, 0.5])) < 0.15
        message = next(each for each in clouds.messages[::-1] if each.width)
        points, _ = cloud_points(message)
        # In the frame of the camera: x to the right, y backwards, z down.
        assert message.header.frame_id == robot.frame_id
        assert np.hypot(*(points[:, :2].mean(axis=0) - [-0.5, -1.0])) < 0.2
        assert np.abs(points[:, 2] - 3.8).max() < 0.01


def test_a_simulated_obstacle_stands_at_its_true_place(domain, tmp_path):
    """Perfect labels of the simulated camera, its own CameraInfo and TF, and the world's truth."""
    kind, seed = 'indoor', 20260
    costs = load_cost_table(kind, load_class_table('ade20k'))
    by_class = np.full(256, BLUE, np.uint8)
    by_class[costs.kinds == OBSTACLE] = RED
    by_class[[each for each in range(150) if 0 <= costs.occupancy_of(
        costs.classes.names[each]) < 100]] = WHITE
    remaps = ('-r', 'image:=/relayed', '-r', 'camera_info:=/camera/camera_info')
    parameters = color_parameters(tmp_path, **{
        'fusion.static_decay_time': 20.0, 'fusion.forget_time': 30.0})
    camera = {'width': 320, 'height': 240, 'rate': 4.0, 'seed': seed, 'world': kind,
              'speed': 0.1, 'frames': 400, 'wait_for_subscribers': 1}
    world = World(kind, seed)
    start = Trajectory(world, 0.1).base_pose(0.0)
    steps = np.arange(0.5, 6.0, 0.01)
    # What the robot would run into first, in some directions within the view.
    expected = []
    for turn in np.linspace(-0.35, 0.35, 15):
        ahead = start[:2, :2].dot([np.cos(turn), np.sin(turn)])
        way = start[:2, 3] + steps[:, None] * ahead
        blocked = obstacle_classes(world, way[:, 0], way[:, 1], 0.0, 0.0, 0.3) != NONE
        first = way[np.argmax(blocked)]
        if blocked.any() and np.hypot(*(first - start[:2, 3])) < 4.0:
            expected.append(first)
    assert len(expected) >= 5
    with NodeProcess(domain, tmp_path, parameters, remaps), Peer(domain) as peer:
        grids = peer.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        relayed = peer.publisher(Image, '/relayed', qos_profile_sensor_data)
        peer.subscribe(Image, '/camera/image_raw')

        def relay(message):
            labels = np.frombuffer(message.data, np.uint8).reshape(240, 320)
            relayed.publish(rgb8_image(message.header, PALETTE[by_class[labels]]))
        peer.node.create_subscription(Image, '/camera/labels', relay, 5)
        with NodeProcess(domain, tmp_path, camera, ('-r', '__ns:=/camera'),
                         module='segformer_ros.cli.simulated_camera'):
            grid = wait_until(lambda: grid_that_shows(np.array(expected), grids),
                              'what lies ahead in the grid')
    lethal = grid.lethal()
    near = lethal[:, None, :] + CELL * np.array(
        [[a, b] for a in (-2, -1, 0, 1, 2) for b in (-2, -1, 0, 1, 2)])
    stands = obstacle_classes(world, near[..., 0].ravel(), near[..., 1].ravel(), 0.0,
                              0.0, 1.2).reshape(near.shape[:2]) != NONE
    assert stands.any(axis=1).mean() > 0.9


def grid_that_shows(points, grids):
    """Return the newest grid if it has lethal cells at nearly all points."""
    grid = GridView(grids.messages[-1]) if grids.messages else None
    if grid is None or len(grid.lethal()) <= 25:
        return None
    return grid if (distances(points, grid.lethal()) < 0.15).mean() > 0.8 else None
