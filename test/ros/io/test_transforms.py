# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Transforms from topics, with and without a time that goes back; camera poses from them."""

import tracemalloc

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.spatial.transform import Slerp
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.geometry.camera_poses import CameraPoses
from segformer_ros.costmap.geometry.camera_poses import RangeReading
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.ros.io.transforms import BufferedTransforms
from segformer_ros.ros.parameters.costmap import costmap_parameters
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.node import snapshot
from segformer_ros.ros.peers.simulated_camera import transform_message
from segformer_ros.ros.peers.simulated_camera import TransformPublisher
from support.ros_graph import Peer
from support.ros_graph import wait_until
from tf2_msgs.msg import TFMessage

SECOND = 1000000000
MOUNT = mount_pose(0.8, 0.3, x=0.2)


def known(transforms, target, source, stamp_ns):
    try:
        return transforms.lookup(target, source, stamp_ns)
    except TransformError:
        return None


@pytest.fixture
def tree(domain):
    """Lend a sender and a receiver of transforms."""
    with Peer(domain) as sending, Peer(domain) as receiving:
        sender = TransformPublisher(sending.node)
        # Before the receiver is there: /tf_static is latched.
        sender.send_static([transform_message(Time(), 'base', 'eye', MOUNT)])
        transforms = BufferedTransforms(receiving.node)
        wait_until(lambda: sending.node.count_subscribers('/tf'), 'the receiver')

        def send(seconds, pose):
            whole = int(seconds)
            stamp = Time(sec=whole, nanosec=int(round((seconds - whole) * 1e9)))
            sender.send([transform_message(stamp, 'odom', 'base', pose)])
        yield send, transforms
        transforms.destroy()


def test_poses_between_two_messages_are_interpolated_as_scipy_does(tree):
    send, transforms = tree
    first, second = planar_pose(1.0, 2.0, 0.3), planar_pose(3.0, -1.0, 2.5)

    def arrived():
        send(10.0, first)
        send(12.0, second)
        return known(transforms, 'odom', 'eye', 11 * SECOND) is not None
    wait_until(arrived, 'both poses and the mount')
    between = Slerp([10.0, 12.0], Rotation.from_matrix([first[:3, :3], second[:3, :3]]))
    for share in (0.0, 0.25, 0.5, 1.0):
        expected = np.eye(4)
        expected[:3, :3] = between(10.0 + 2.0 * share).as_matrix()
        expected[:3, 3] = (1.0 - share) * first[:3, 3] + share * second[:3, 3]
        found = transforms.lookup('odom', 'eye', int((10.0 + 2.0 * share) * SECOND))
        assert np.allclose(found, expected.dot(MOUNT), atol=1e-6)
    for outside in (9.9, 12.1):
        with pytest.raises(TransformError, match='No transform'):
            transforms.lookup('odom', 'eye', int(outside * SECOND))
    with pytest.raises(TransformError, match='Unknown frame'):
        transforms.lookup('odom', 'nose', 11 * SECOND)


def test_a_time_that_went_back_far_does_not_stand_in_the_way_of_new_transforms(tree):
    send, transforms = tree
    wait_until(lambda: send(500.0, planar_pose(1.0, 0.0, 0.0)) or known(
        transforms, 'odom', 'eye', 500 * SECOND) is not None, 'the first time')
    wait_until(lambda: send(20.0, planar_pose(2.0, 0.0, 0.0)) or known(
        transforms, 'odom', 'eye', 20 * SECOND) is not None, 'the second time')
    assert known(transforms, 'odom', 'eye', 500 * SECOND) is None
    assert transforms.lookup('odom', 'base', 20 * SECOND)[0, 3] == pytest.approx(2.0)
    # What was sent last comes last: then none is under way that would fill what is cleared.
    send(21.0, planar_pose(2.0, 0.0, 0.0))
    wait_until(lambda: known(transforms, 'odom', 'base', 21 * SECOND) is not None, 'the last one')
    transforms.clear()
    assert known(transforms, 'odom', 'base', 20 * SECOND) is None
    # What never moves is kept.
    assert np.allclose(transforms.lookup('base', 'eye', 0), MOUNT, atol=1e-6)


def test_slashes_before_the_name_of_a_frame_fill_no_memory(domain):
    with Peer(domain) as peer:
        transforms = BufferedTransforms(peer.node)
        tracemalloc.start()
        try:
            for number in range(200):
                transforms._on_dynamic(TFMessage(transforms=[transform_message(
                    Time(sec=10), '/' * number + 'odom', '/' * (number + 50000) + 'base',
                    planar_pose(1.0, 0.0, 0.0))]))
            assert tracemalloc.get_traced_memory()[0] < 2000000
        finally:
            tracemalloc.stop()
        assert transforms.lookup('odom', 'base', 10 * SECOND)[0, 3] == pytest.approx(1.0)
        transforms.destroy()


class Table:
    """Transforms by name, the same at all times."""

    source = 'a table'

    def __init__(self, **poses):
        self.poses = poses

    def lookup(self, target, source, stamp_ns):
        try:
            return self.poses[f'{target}_{source}']
        except KeyError:
            raise TransformError('Unknown frame', got=source) from None

    def clear(self):
        self.poses = {}

    def destroy(self):
        self.clear()


def setup(**changes):
    values = dict({row.name: row.default for row in node_rows() + CAMERA_ROWS}, **changes)
    return snapshot(values).cameras[0].mount, costmap_parameters(values).frames


def test_the_cameras_pose_is_that_of_transforms_or_of_the_mount():
    robot = planar_pose(4.0, 5.0, 1.0)
    poses = CameraPoses(Table(odom_base_footprint=robot, base_footprint_eye=MOUNT))
    mount, frames = setup()
    found = poses.pose_of(mount, 'eye', SECOND, frames)
    assert np.array_equal(found.odom_from_ground, robot)
    assert np.array_equal(found.ground_from_camera, MOUNT)
    with pytest.raises(InvalidInputError, match='no frame_id'):
        poses.pose_of(mount, '', SECOND, frames)
    mount, frames = setup(**{'mount.height': 1.2, 'mount.pitch': 0.1, 'mount.y': -0.3})
    found = poses.pose_of(mount, '', SECOND, frames)
    assert np.allclose(found.ground_from_camera, mount_pose(1.2, 0.1, y=-0.3))
    mount, frames = setup(odom_frame='base_footprint')
    found = poses.pose_of(mount, 'eye', SECOND, frames)
    assert np.array_equal(found.odom_from_ground, np.eye(4))


def test_the_height_of_a_drone_is_that_of_odometry_or_of_its_range_finder():
    down = mount_pose(0.0, np.pi / 2)
    camera_at = planar_pose(1.0, 2.0, 0.0).dot(down)
    camera_at[2, 3] = 30.0
    # The beam points down along its x axis, a quarter of a metre below the camera.
    beam = np.eye(4)
    beam[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    beam[:3, 3] = 1.0, 2.0, 29.75
    poses = CameraPoses(Table(odom_eye=camera_at, odom_beam=beam))
    mount, frames = setup(**{'projection.mode': 'overhead'})
    assert poses.pose_of(mount, 'eye', SECOND, frames).ground_from_camera[2, 3] == 30.0
    mount, frames = setup(**{'projection.mode': 'overhead', 'height_source': 'range'})
    with pytest.raises(TransformError, match='No range was received'):
        poses.pose_of(mount, 'eye', SECOND, frames)
    poses.add_range(RangeReading(6.0, 'beam', SECOND))
    found = poses.pose_of(mount, 'eye', SECOND, frames)
    assert found.ground_from_camera[2, 3] == pytest.approx(6.25)
    assert found.odom_from_ground[:3, 3] == pytest.approx([1.0, 2.0, 23.75])
    # One after the image: its pose may not be known yet, and one before is at hand.
    poses.add_range(RangeReading(9.0, 'later', SECOND + 20000000))
    found = poses.pose_of(mount, 'eye', SECOND, frames)
    assert found.ground_from_camera[2, 3] == pytest.approx(6.25)
    with pytest.raises(TransformError, match='too far apart'):
        poses.pose_of(mount, 'eye', 3 * SECOND, frames)
    poses.add_range(RangeReading(float('inf'), 'beam', SECOND))
    with pytest.raises(InvalidInputError, match='no echo'):
        poses.pose_of(mount, 'eye', SECOND, frames)
