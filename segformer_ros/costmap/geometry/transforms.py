# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Rigid transforms as 4 x 4 matrices named ``target_from_source``.

Frames follow REP-103: bodies are x forward, y left, z up; optical frames are z forward, x right,
y down. Quaternions are (x, y, z, w) as in geometry_msgs.
"""

import math
from typing import Any, NamedTuple, Sequence, Tuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError

# Columns: where the optical x, y and z axes point in a body frame.
BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0],
                              [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
BODY_FROM_OPTICAL.setflags(write=False)
# REP-103's z up lies 45 degrees and more above the horizon of any camera that sees ground.
_LOOKS_UP = math.sin(math.radians(45.0))


class CameraPose(NamedTuple):
    """
    Where a camera was when it took an image.

    ``ground_from_camera`` places the optical frame in the frame whose plane z = 0 is the ground
    (``base_footprint``); ``odom_from_ground`` places that frame in the costmap's frame. Both
    (4, 4) float64, at the image's stamp. They are separate because the first is constant on most
    robots, which saves work, and because a ramp moves the plane with the robot.
    """

    odom_from_ground: arrays.Float64
    ground_from_camera: arrays.Float64


def pose_matrix(translation: Sequence[float], quaternion: Sequence[float]) -> arrays.Float64:
    """
    Return a (4, 4) transform.

    :param translation: x, y, z in metres
    :param quaternion: x, y, z, w; normalised here
    :raises InvalidInputError: not finite, or a quaternion near zero
    """
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_of(unit_quaternion(quaternion))
    matrix[:3, 3] = translation
    if not np.isfinite(matrix).all():
        raise InvalidInputError('A transform is not finite', got=list(translation),
                                expected='three finite metres')
    return matrix


def components_of(transform: Any) -> Tuple[Tuple[float, ...], Tuple[float, ...]]:
    """
    Return translation and quaternion as :func:`pose_matrix` takes them.

    :param transform: with the fields of ``geometry_msgs/Transform``
    """
    shift, turned = transform.translation, transform.rotation
    return (shift.x, shift.y, shift.z), (turned.x, turned.y, turned.z, turned.w)


def unit_quaternion(quaternion: Sequence[float]) -> arrays.Float64:
    """
    Return a quaternion of length 1.

    :param quaternion: x, y, z, w
    :raises InvalidInputError: not finite, or shorter than 0.1 (an unset message has length 0)
    """
    q = np.array(quaternion, np.float64)
    length = float(np.sqrt(q.dot(q)))
    if not (math.isfinite(length) and length >= 0.1):
        raise InvalidInputError('A rotation is not a quaternion', got=list(quaternion),
                                expected='x, y, z, w of length 1',
                                remedy='Correct the publisher of the transform.')
    return q / length


def rotation_of(q: arrays.Float64) -> arrays.Float64:
    """Return the (3, 3) rotation of a unit quaternion x, y, z, w."""
    x, y, z, w = q.tolist()
    return np.array([[1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
                     [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
                     [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)]])


def quaternion_of(rotation: arrays.Float64) -> Tuple[float, float, float, float]:
    """
    Return a rotation matrix as a unit quaternion x, y, z, w with w >= 0.

    The largest of the four components is found first and the others follow from it, which is
    exact to rounding for every rotation (S. W. Shepperd, Journal of Guidance and Control 1(3),
    1978).

    :param rotation: (3, 3)
    """
    r = rotation
    trace = float(np.trace(r))
    # Four times the squares of x, y, z, w.
    squares = np.array([1.0 + 2.0 * r[0, 0] - trace, 1.0 + 2.0 * r[1, 1] - trace,
                        1.0 + 2.0 * r[2, 2] - trace, 1.0 + trace])
    largest = int(np.argmax(squares))
    x, y, z, w = {
        0: (squares[0], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]),
        1: (r[0, 1] + r[1, 0], squares[1], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]),
        2: (r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], squares[2], r[1, 0] - r[0, 1]),
        3: (r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], squares[3]),
    }[largest]
    scale = (1.0 if w >= 0.0 else -1.0) * 0.5 / float(np.sqrt(squares[largest]))
    return float(x * scale), float(y * scale), float(z * scale), float(w * scale)


def slerp(first: arrays.Float64, second: arrays.Float64, share: float) -> arrays.Float64:
    """
    Turn at constant speed from one rotation to another (Shoemake, 1985), the shorter way.

    :param first: unit quaternion
    :param second: unit quaternion
    :param share: 0 gives the first, 1 the second
    :return: unit quaternion
    """
    cosine = float(first.dot(second))
    if cosine < 0.0:
        second, cosine = -second, -cosine
    angle = math.acos(min(cosine, 1.0))
    if angle < 1e-6:
        # sin(angle) would divide 0 by 0; a chord is the arc here.
        blend = first + share * (second - first)
    else:
        blend = (math.sin((1.0 - share) * angle) * first
                 + math.sin(share * angle) * second) / math.sin(angle)
    return blend / np.sqrt(blend.dot(blend))


def inverse(matrix: arrays.Float64) -> arrays.Float64:
    """Return source_from_target of a rigid (4, 4) target_from_source."""
    result = np.eye(4)
    result[:3, :3] = matrix[:3, :3].T
    result[:3, 3] = -matrix[:3, :3].T.dot(matrix[:3, 3])
    return result


def turn(roll: float, pitch: float, yaw: float) -> arrays.Float64:
    """Return the (3, 3) rotation of fixed-axis roll, pitch, yaw in radians (REP-103)."""
    cr, sr, cp, sp = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch)
    cy, sy = math.cos(yaw), math.sin(yaw)
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cr, -sr], [0.0, sr, cr]])
    about_y = np.array([[cp, 0.0, sp], [0.0, 1.0, 0.0], [-sp, 0.0, cp]])
    about_z = np.array([[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]])
    return about_z.dot(about_y).dot(about_x)


def mount_pose(height: float, pitch: float, roll: float = 0.0, x: float = 0.0, y: float = 0.0,
               yaw: float = 0.0) -> arrays.Float64:
    """
    Return ground_from_camera of a camera whose mount was measured by hand.

    :param height: of the lens above the ground, metres
    :param pitch: downwards, radians
    :param roll: right side down, radians
    :param x: of the lens ahead of the robot's origin, metres
    :param y: of the lens to the left, metres
    :param yaw: to the left, radians
    """
    body = np.eye(4)
    body[:3, :3] = turn(roll, pitch, yaw)
    body[:3, 3] = x, y, height
    return body.dot(BODY_FROM_OPTICAL)


def planar_pose(x: float, y: float, yaw: float) -> arrays.Float64:
    """Return odom_from_ground of a robot on level ground; metres and radians."""
    matrix = np.eye(4)
    matrix[:3, :3] = turn(0.0, 0.0, yaw)
    matrix[:2, 3] = x, y
    return matrix


def pose_above_ground(odom_from_camera: arrays.Float64, height: float) -> CameraPose:
    """
    Return the pose of a camera over level ground at a known height, as drones have it.

    The ground frame keeps odom's axes and lies vertically below the camera.

    :param odom_from_camera: (4, 4); its own height is not used
    :param height: of the lens above the ground, metres
    """
    odom_from_ground = np.eye(4)
    odom_from_ground[:3, 3] = odom_from_camera[:3, 3]
    odom_from_ground[2, 3] -= height
    ground_from_camera = odom_from_camera.copy()
    ground_from_camera[:3, 3] = 0.0, 0.0, height
    return CameraPose(odom_from_ground, ground_from_camera)


def height_from_range(distance: float, odom_from_sensor: arrays.Float64,
                      limits: Tuple[float, float] = (0.0, 0.0)) -> float:
    """
    Return the height of a range finder above level ground.

    :param distance: sensor_msgs/Range.range, metres along the sensor's x axis
    :param odom_from_sensor: (4, 4) pose of its frame
    :param limits: sensor_msgs/Range.min_range and max_range, metres; a reading outside them is
        not valid, as that message says; nothing is checked where the second is not above the first
    :raises InvalidInputError: no echo, or a sensor tilted by more than 60 degrees from straight
        down, where a range says little about the height
    """
    down = -float(odom_from_sensor[2, 0])
    if not (math.isfinite(distance) and distance > 0.0):
        raise InvalidInputError('Range finder has no echo', got=distance,
                                expected='a finite distance above 0')
    low, high = limits
    if low < high and not low <= distance <= high:
        raise InvalidInputError('Range finder has no echo', got=distance,
                                expected=f'{low} to {high}, the limits in its message')
    if down < 0.5:
        angle = math.degrees(math.acos(max(-1.0, min(1.0, down))))
        raise InvalidInputError(
            'Range finder does not point down', got=f'{angle:.0f} degrees from straight down',
            expected='at most 60', remedy='Check its frame: x is the direction of the beam.')
    return distance * down


def check_camera_pose(pose: CameraPose) -> None:
    """
    Diagnose a camera pose that cannot show ground.

    :raises TransformError: not finite, below the ground, or looking up as a body frame taken for
        an optical one does
    """
    if not (np.isfinite(pose.ground_from_camera).all()
            and np.isfinite(pose.odom_from_ground).all()):
        raise TransformError('Pose of the camera is not finite')
    height = float(pose.ground_from_camera[2, 3])
    if height <= 0.01:
        raise TransformError(
            'Camera is not above the ground', got=f'height {height:.3f} m',
            expected='above 0.01 m in the ground frame',
            remedy='Use a ground frame on the floor (base_footprint), or set the mount height.')
    if pose.ground_from_camera[2, 2] > _LOOKS_UP:
        angle = math.degrees(math.asin(min(1.0, float(pose.ground_from_camera[2, 2]))))
        raise TransformError(
            'Camera looks up', got=f'its z axis {angle:.0f} degrees above the horizon',
            expected='an optical frame: z forward, x right, y down (REP-103)',
            remedy='Put the optical frame, not the camera body, into the header.frame_id.')
