# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A floor of noise as a camera sees it from a known place."""

import math

import cv2
import numpy as np
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.camera_poses import Mount

DEGREE = math.radians(1.0)
WIDTH, HEIGHT, FOCAL = 320, 240, 208.0
FLOOR, WALL = 1, 2
IS_GROUND = np.arange(256) == FLOOR
TOLD = Mount(0.8, 22.0 * DEGREE, 0.0, 0.0, 0.2)
# Metres of a pixel of the floor's picture.
TEXEL = 0.01


def floor_picture():
    """Return grey noise, coarse and fine."""
    random = np.random.RandomState(4)
    fine = random.randint(0, 255, (1500, 1500)).astype(np.float32)
    coarse = cv2.resize(random.randint(0, 255, (150, 150)).astype(np.float32), (1500, 1500))
    return np.clip(0.4 * cv2.GaussianBlur(fine, (0, 0), 1.5) + 0.6 * coarse, 0, 255).astype(
        np.uint8)


def seen(floor, world_from_base, mount):
    """Return image and mask of a pinhole, each pixel's ray met with the plane one by one."""
    c, s = math.cos(mount.pitch), math.sin(mount.pitch)
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    right = (u - 0.5 * (WIDTH - 1)) / FOCAL
    down = (v - 0.5 * (HEIGHT - 1)) / FOCAL
    # Ahead and up of a ray from a camera that looks below the horizon.
    ahead, up = c - s * down, -s - c * down
    with np.errstate(divide='ignore'):
        scale = np.where(up < -0.02, -mount.height / up, np.nan)
    x, y = mount.x + scale * ahead, -scale * right
    wx = world_from_base[0, 0] * x + world_from_base[0, 1] * y + world_from_base[0, 3]
    wy = world_from_base[1, 0] * x + world_from_base[1, 1] * y + world_from_base[1, 3]
    image = cv2.remap(floor, (wx / TEXEL + 300).astype(np.float32),
                      (wy / TEXEL + 750).astype(np.float32), cv2.INTER_LINEAR)
    mask = np.where(np.isfinite(scale) & (scale * ahead < 6.0), FLOOR, WALL).astype(np.uint8)
    return np.repeat(image[:, :, None], 3, axis=2), mask


def camera():
    """Return the model of the pinhole."""
    return CameraModel(Calibration(WIDTH, HEIGHT, 'none', (), (
        FOCAL, 0.0, 0.5 * (WIDTH - 1), 0.0, FOCAL, 0.5 * (HEIGHT - 1), 0.0, 0.0, 1.0)))
