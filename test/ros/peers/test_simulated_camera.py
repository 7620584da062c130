# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Poses become messages without loss; scipy is the oracle."""

from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from segformer_ros.ros.peers.simulated_camera import quaternion_of
from segformer_ros.ros.peers.simulated_camera import transform_message

ANGLE = st.floats(-np.pi, np.pi)


@settings(deadline=None, max_examples=200)
@given(st.tuples(ANGLE, ANGLE, ANGLE))
def test_quaternion_gives_the_rotation_back(rotation_vector):
    matrix = Rotation.from_rotvec(rotation_vector).as_matrix()
    quaternion = quaternion_of(matrix)
    assert np.linalg.norm(quaternion) == pytest.approx(1.0, abs=1e-12)
    assert quaternion[3] >= 0.0
    assert np.allclose(Rotation.from_quat(quaternion).as_matrix(), matrix, atol=1e-12)


@pytest.mark.parametrize('half_turn', [(np.pi, 0, 0), (0, np.pi, 0), (0, 0, np.pi)])
def test_half_turns_are_exact(half_turn):
    matrix = Rotation.from_rotvec(half_turn).as_matrix()
    assert np.allclose(Rotation.from_quat(quaternion_of(matrix)).as_matrix(), matrix, atol=1e-15)


def test_message_names_parent_child_and_translation():
    pose = np.eye(4)
    pose[:3, 3] = 1.0, -2.0, 3.5
    message = transform_message(Time(sec=4, nanosec=5), 'odom', 'base_link', pose)
    assert (message.header.frame_id, message.child_frame_id) == ('odom', 'base_link')
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (4, 5)
    t, q = message.transform.translation, message.transform.rotation
    assert (t.x, t.y, t.z) == (1.0, -2.0, 3.5)
    assert (q.x, q.y, q.z, q.w) == (0.0, 0.0, 0.0, 1.0)
