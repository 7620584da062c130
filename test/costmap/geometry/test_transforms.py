# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Poses: conversions, mounts, drones, and what cannot be a camera."""

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.geometry import transforms as poses

ANGLES = st.floats(-3.1, 3.1)
QUATERNIONS = st.tuples(*[st.floats(-1.0, 1.0)] * 4).filter(
    lambda q: np.linalg.norm(q) > 0.2)


def opencv_turn(roll, pitch, yaw):
    about = [cv2.Rodrigues(axis * angle)[0] for axis, angle in zip(
        np.eye(3), (roll, pitch, yaw))]
    return about[2].dot(about[1]).dot(about[0])


@settings(deadline=None, max_examples=50)
@given(ANGLES, st.floats(-1.5, 1.5), ANGLES)
def test_turn_is_roll_then_pitch_then_yaw_about_fixed_axes(roll, pitch, yaw):
    np.testing.assert_allclose(poses.turn(roll, pitch, yaw), opencv_turn(roll, pitch, yaw),
                               atol=1e-9)


@settings(deadline=None, max_examples=50)
@given(QUATERNIONS)
def test_quaternions_become_the_rotation_about_their_axis(quaternion):
    q = np.array(quaternion) / np.linalg.norm(quaternion)
    half = np.arctan2(np.linalg.norm(q[:3]), q[3])
    axis = q[:3] / max(np.linalg.norm(q[:3]), 1e-12)
    matrix = poses.pose_matrix((1.0, 2.0, 3.0), quaternion)
    np.testing.assert_allclose(matrix[:3, :3], cv2.Rodrigues(axis * 2.0 * half)[0], atol=1e-7)
    np.testing.assert_allclose(poses.inverse(matrix).dot(matrix), np.eye(4), atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(QUATERNIONS, QUATERNIONS, st.floats(0.0, 1.0))
def test_slerp_equals_scipy(first, second, share):
    rotation = pytest.importorskip('scipy.spatial.transform',
                                   reason='scipy is not installed for this Python')
    first, second = poses.unit_quaternion(first), poses.unit_quaternion(second)
    if abs(first.dot(second)) < 1e-3:
        return  # half a turn apart: both ways are as short
    expected = rotation.Slerp([0.0, 1.0], rotation.Rotation.from_quat(
        np.stack([first, second])))([share]).as_matrix()[0]
    found = poses.rotation_of(poses.slerp(first, second, share))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_level_mount_looks_ahead():
    matrix = poses.mount_pose(0.5, 0.0, x=0.2, y=-0.1)
    np.testing.assert_allclose(matrix[:3, 3], [0.2, -0.1, 0.5])
    np.testing.assert_allclose(matrix[:3, :3].dot([0, 0, 1]), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(matrix[:3, :3].dot([1, 0, 0]), [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(matrix[:3, :3].dot([0, 1, 0]), [0, 0, -1], atol=1e-12)


def test_pitch_looks_down_roll_lowers_the_right_side_and_yaw_turns_left():
    ahead = poses.mount_pose(0.5, 0.3)[:3, :3].dot([0, 0, 1])
    np.testing.assert_allclose(ahead, [np.cos(0.3), 0, -np.sin(0.3)], atol=1e-12)
    right = poses.mount_pose(0.5, 0.0, roll=0.2)[:3, :3].dot([1, 0, 0])
    np.testing.assert_allclose(right, [0, -np.cos(0.2), -np.sin(0.2)], atol=1e-12)
    turned = poses.mount_pose(0.5, 0.0, yaw=np.pi / 2)[:3, :3].dot([0, 0, 1])
    np.testing.assert_allclose(turned, [0, 1, 0], atol=1e-12)


def test_a_drones_ground_lies_below_its_camera():
    odom_from_camera = np.eye(4)
    odom_from_camera[:3, :3] = poses.turn(0.1, 0.2, 0.3).dot(np.diag([1.0, -1.0, -1.0]))
    odom_from_camera[:3, 3] = 4.0, 5.0, 12.0
    pose = poses.pose_above_ground(odom_from_camera, 10.0)
    np.testing.assert_allclose(pose.odom_from_ground.dot(pose.ground_from_camera),
                               odom_from_camera, atol=1e-12)
    np.testing.assert_allclose(pose.odom_from_ground[:3, 3], [4.0, 5.0, 2.0])
    assert pose.ground_from_camera[2, 3] == 10.0


def test_a_tilted_range_finder_is_higher_than_its_cosine_says():
    # The beam is the sensor's x axis; pitching by 90 degrees points it straight down.
    down = np.eye(4)
    down[:3, :3] = poses.turn(0.0, np.pi / 2, 0.0)
    assert poses.height_from_range(5.0, down) == pytest.approx(5.0)
    tilted = np.eye(4)
    tilted[:3, :3] = poses.turn(0.0, np.pi / 2 - 0.4, 1.0)
    assert poses.height_from_range(5.0, tilted) == pytest.approx(5.0 * np.cos(0.4))
    with pytest.raises(InvalidInputError, match='no echo'):
        poses.height_from_range(float('inf'), down)
    for distance in (0.1, 12.01):
        with pytest.raises(InvalidInputError, match='0.2 to 12.0, the limits'):
            poses.height_from_range(distance, down, (0.2, 12.0))
    assert poses.height_from_range(12.0, down, (0.2, 12.0)) == pytest.approx(12.0)
    with pytest.raises(InvalidInputError, match='does not point down'):
        poses.height_from_range(5.0, np.eye(4))


@pytest.mark.parametrize('quaternion', [(0.0,) * 4, (0.0, 0.0, 0.0, float('nan'))])
def test_an_unset_rotation_is_no_quaternion(quaternion):
    with pytest.raises(InvalidInputError, match='not a quaternion'):
        poses.pose_matrix((0.0, 0.0, 0.0), quaternion)


def test_a_body_frame_taken_for_an_optical_one_is_named():
    body = np.eye(4)
    body[:3, :3] = poses.turn(0.0, 0.35, 0.0)
    body[:3, 3] = 0.0, 0.0, 0.8
    with pytest.raises(TransformError, match='looks up.*70 degrees.*optical frame'):
        poses.check_camera_pose(poses.CameraPose(np.eye(4), body))


def test_a_camera_below_the_ground_and_one_nowhere_are_named():
    with pytest.raises(TransformError, match='not above the ground.*-0.200'):
        poses.check_camera_pose(poses.CameraPose(np.eye(4), poses.mount_pose(-0.2, 0.3)))
    with pytest.raises(TransformError, match='not finite'):
        poses.check_camera_pose(poses.CameraPose(np.eye(4) * np.nan, poses.mount_pose(1.0, 0.3)))


def test_cameras_that_look_down_or_ahead_pass():
    for pitch in (-0.3, 0.0, 0.35, np.pi / 2):
        poses.check_camera_pose(poses.CameraPose(np.eye(4), poses.mount_pose(0.8, pitch)))
