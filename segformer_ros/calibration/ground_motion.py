# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where a point of the ground appears in the next image, by mount and odometry."""

import math

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.camera_poses import Mount

# Sine of the angle below the horizon that a ray is bent down to at least: what a tried mount
# lifts above the horizon stays finite, and far off.
_LEAST_DESCENT = 1e-3
# Pixels that stand for a point which the lens cannot see.
_UNSEEN = 1e4


def mount_of(ground_from_camera: arrays.Float64) -> Mount:
    """
    Return the mount that a pose stands for.

    :param ground_from_camera: (4, 4), of the optical frame
    """
    body = ground_from_camera.dot(transforms.inverse(transforms.BODY_FROM_OPTICAL))
    pitch = math.asin(max(-1.0, min(1.0, -float(body[2, 0]))))
    roll = math.atan2(body[2, 1], body[2, 2])
    yaw = math.atan2(body[1, 0], body[0, 0])
    x, y, height = (float(value) for value in ground_from_camera[:3, 3])
    return Mount(height, pitch, roll, yaw, x, y)


def ground_points(rays: arrays.Float64, ground_from_camera: arrays.Float64) -> arrays.Float64:
    """
    Return where rays meet the ground.

    :param rays: (N, 3) directions in the optical frame
    :param ground_from_camera: (4, 4)
    :return: (N, 2) x and y in the ground frame, metres; far off for rays above the horizon
    """
    turned = rays.dot(ground_from_camera[:3, :3].T)
    scale = -ground_from_camera[2, 3] / np.minimum(turned[:, 2], -_LEAST_DESCENT)
    return ground_from_camera[:2, 3] + turned[:, :2] * scale[:, None]


def seen_at(camera: CameraModel, points: arrays.Float64,
            camera_from_ground: arrays.Float64) -> arrays.Float64:
    """
    Return the pixels at which points are seen.

    :param points: (N, 3) in a frame, metres
    :param camera_from_ground: (4, 4), or (N, 4, 4) with one for each point
    :return: (N, 2) columns and rows; far off where the lens does not see the point
    """
    turn, shift = camera_from_ground[..., :3, :3], camera_from_ground[..., :3, 3]
    local = np.einsum('...ij,...j->...i', turn, points) + shift
    with np.errstate(invalid='ignore', divide='ignore'):
        pixels = np.stack(camera.project(local[:, 0], local[:, 1], local[:, 2]), axis=1)
    return np.where(np.isfinite(pixels), pixels, _UNSEEN)


def predict(camera: CameraModel, rays: arrays.Float64, ground_from_camera: arrays.Float64,
            second_from_first: arrays.Float64, adjustment: arrays.Float64) -> arrays.Float64:
    """
    Return the pixels in a second image of what rays of a first one meet on the ground.

    :param rays: (N, 3) unit vectors in the optical frame
    :param ground_from_camera: (4, 4), the mount
    :param second_from_first: (N, 4, 4), by odometry: the ground frame at the first image in that
        at the second
    :param adjustment: (N, 3) what odometry is off by: metres ahead and to the left, radians to
        the left, of the ground in the second frame
    :return: (N, 2) pixels
    """
    met = ground_points(rays, ground_from_camera)
    first = np.concatenate([met, np.zeros((len(met), 1))], axis=1)
    moved = np.einsum('nij,nj->ni', second_from_first[:, :3, :3], first)
    moved += second_from_first[:, :3, 3]
    cosine, sine = np.cos(adjustment[:, 2]), np.sin(adjustment[:, 2])
    x = cosine * moved[:, 0] - sine * moved[:, 1] + adjustment[:, 0]
    y = sine * moved[:, 0] + cosine * moved[:, 1] + adjustment[:, 1]
    return seen_at(camera, np.stack([x, y, moved[:, 2]], axis=1),
                   transforms.inverse(ground_from_camera))
