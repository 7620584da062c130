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


@settings(deadline=None, max_examples=60)
@given(QUATERNIONS)
def test_rotations_become_the_quaternion_that_they_came_from(quaternion):
    q = np.array(quaternion) / np.linalg.norm(quaternion)
    found = np.array(poses.quaternion_of(poses.rotation_of(q)))
    # q and -q are the same rotation; w is not below zero, but for rounding where it is zero.
    assert found[3] >= 0.0
    np.testing.assert_allclose(found if found.dot(q) > 0.0 else -found, q, atol=1e-7)


@pytest.mark.parametrize('quaternion', [
    (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (0.6, 0.8, 0, 0), (0, 0.6, 0.8, 0),
    (0.8, 0, 0.6, 0), (0.9, 0.1, 0.3, 0.3), (0.1, 0.9, 0.3, 0.3), (0.3, 0.1, 0.9, 0.3),
    (0.2, -0.3, 0.1, 0.9)])
def test_half_turns_and_each_largest_component_become_their_quaternion(quaternion):
    q = np.array(quaternion, float) / np.linalg.norm(quaternion)
    found = np.array(poses.quaternion_of(poses.rotation_of(q)))
    np.testing.assert_allclose(found if found.dot(q) > 0.0 else -found, q, atol=1e-12)


@pytest.mark.parametrize('length, is_taken', [(0.1001, True), (0.0999, False), (1e150, True)])
def test_a_quaternion_of_any_length_from_a_tenth_is_taken(length, is_taken):
    q = np.array([0.5, -0.5, 0.5, 0.5])
    if is_taken:
        np.testing.assert_allclose(poses.unit_quaternion(q * length), q, atol=1e-12)
    else:
        with pytest.raises(InvalidInputError, match='not a quaternion'):
            poses.unit_quaternion(q * length)


@pytest.mark.parametrize('angle', [0.0, 1e-9, 9e-7, 2e-6, 1e-3, 1.0])
@pytest.mark.parametrize('share', [0.0, 0.25, 1.0])
def test_slerp_turns_by_its_share_however_small_the_angle(angle, share):
    # About z: the angle between the quaternions is half of that of the rotations.
    first = np.array([0.0, 0.0, np.sin(0.2), np.cos(0.2)])
    second = np.array([0.0, 0.0, np.sin(0.2 + angle), np.cos(0.2 + angle)])
    expected = 0.2 + share * angle
    for turned in (second, -second):
        np.testing.assert_allclose(
            poses.slerp(first, turned, share),
            [0.0, 0.0, np.sin(expected), np.cos(expected)], atol=1e-14 + 1e-9 * angle)


@pytest.mark.parametrize('from_down, is_taken', [(59.9, True), (60.1, False)])
def test_a_beam_counts_up_to_sixty_degrees_from_straight_down(from_down, is_taken):
    beam = np.eye(4)
    beam[:3, :3] = poses.turn(0.0, np.radians(90.0 - from_down), 0.0)
    if is_taken:
        assert poses.height_from_range(2.0, beam) == pytest.approx(
            2.0 * np.cos(np.radians(from_down)))
    else:
        with pytest.raises(InvalidInputError, match='60 degrees from straight down'):
            poses.height_from_range(2.0, beam)


@pytest.mark.parametrize('distance, limits, is_taken', [
    (0.2, (0.2, 12.0), True), (0.19, (0.2, 12.0), False), (5.0, (0.0, 0.0), True),
    (5.0, (3.0, 3.0), True), (5.0, (12.0, 0.2), True), (1e-3, (0.0, 0.0), True),
    (0.0, (0.0, 0.0), False), (-1.0, (0.0, 0.0), False)])
def test_a_range_counts_within_the_limits_that_its_driver_gives(distance, limits, is_taken):
    down = np.eye(4)
    down[:3, :3] = poses.turn(0.0, np.pi / 2, 0.0)
    if is_taken:
        assert poses.height_from_range(distance, down, limits) == pytest.approx(distance)
    else:
        with pytest.raises(InvalidInputError, match='no echo'):
            poses.height_from_range(distance, down, limits)


@pytest.mark.parametrize('height, is_taken', [(0.0101, True), (0.0099, False)])
def test_a_camera_is_above_the_ground_from_a_centimetre(height, is_taken):
    pose = poses.CameraPose(np.eye(4), poses.mount_pose(height, 0.3))
    if is_taken:
        poses.check_camera_pose(pose)
    else:
        with pytest.raises(TransformError, match='not above the ground'):
            poses.check_camera_pose(pose)


@pytest.mark.parametrize('degrees_up, is_taken', [(44.9, True), (45.1, False)])
def test_a_camera_may_look_up_to_half_way_up(degrees_up, is_taken):
    pose = poses.CameraPose(np.eye(4), poses.mount_pose(1.0, -np.radians(degrees_up)))
    if is_taken:
        poses.check_camera_pose(pose)
    else:
        with pytest.raises(TransformError, match='45 degrees above the horizon'):
            poses.check_camera_pose(pose)


@pytest.mark.parametrize('which', [0, 1])
def test_either_pose_of_a_camera_that_is_not_finite_is_named(which):
    pair = [np.eye(4), poses.mount_pose(1.0, 0.3)]
    pair[which] = pair[which].copy()
    pair[which][0, 3] = np.inf
    with pytest.raises(TransformError, match='not finite'):
        poses.check_camera_pose(poses.CameraPose(*pair))
