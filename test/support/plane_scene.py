# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A plane with upright boxes, and what a pinhole camera sees of it: exact labels, depth, contacts.

Written without the package's code, so that it can be the truth for it. Everything is float64.
"""

from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """A box turned about z; metres and radians. It stands on the ground where ``bottom`` is 0."""

    x: float
    y: float
    length: float
    width: float
    label: int
    yaw: float = 0.0
    height: float = 1.5
    bottom: float = 0.0
    top_label: int = -1


class Patch(NamedTuple):
    """A rectangle of ground with a label of its own."""

    low_x: float
    low_y: float
    high_x: float
    high_y: float
    label: int


class Pinhole(NamedTuple):
    """A camera without distortion; pixels."""

    width: int = 640
    height: int = 480
    f: float = 500.0
    cx: float = 319.5
    cy: float = 239.5

    def rays(self):
        """Return (H, W, 3) directions with z = 1."""
        u, v = np.meshgrid(np.arange(self.width), np.arange(self.height))
        return np.stack([(u - self.cx) / self.f, (v - self.cy) / self.f,
                         np.ones(u.shape)], axis=-1)


PINHOLE = Pinhole(320, 240, 250.0, 159.5, 119.5)
"""The camera of most tests."""


class View(NamedTuple):
    """What a camera sees: (H, W) uint8 labels and (H, W) float64 depth along z, inf for sky."""

    labels: object
    depth: object


class Scene(NamedTuple):
    """The ground's label, patches on it (later ones on top), boxes, and the sky's label."""

    ground: int
    patches: tuple
    boxes: tuple
    sky: int

    def ground_labels(self, x, y):
        """Return the labels of ground points."""
        labels = np.full(np.shape(x), self.ground, np.uint8)
        for patch in self.patches:
            inside = ((x >= patch.low_x) & (x < patch.high_x)
                      & (y >= patch.low_y) & (y < patch.high_y))
            labels[inside] = patch.label
        return labels

    def render(self, camera, world_from_camera, rays=None):
        """
        Look at the scene.

        :param camera: Pinhole
        :param world_from_camera: (4, 4)
        :param rays: (H, W, 3) directions in the optical frame, for a lens that is no pinhole
        """
        boxed = rays is None
        rays = camera.rays() if boxed else rays
        directions = _by_axis(rays.dot(world_from_camera[:3, :3].T))
        origin = world_from_camera[:3, 3]
        with np.errstate(divide='ignore', invalid='ignore'):
            reach = np.where(directions[..., 2] < 0, -origin[2] / directions[..., 2], np.inf)
        hit = np.isfinite(reach)
        labels = np.full(reach.shape, self.sky, np.uint8)
        labels[hit] = self.ground_labels(origin[0] + reach[hit] * directions[hit, 0],
                                         origin[1] + reach[hit] * directions[hit, 1])
        for box in self.boxes:
            # Most boxes cover a small part of the picture: only that is looked at.
            part = _outline(box, camera, world_from_camera) if boxed else (slice(None),) * 2
            near, top = _enter(box, origin, directions[part])
            closer = near < reach[part]
            reach[part][closer] = near[closer]
            labels[part][closer] = box.label
            if box.top_label >= 0:
                labels[part][closer & top] = box.top_label
        return View(labels, reach * rays[..., 2])

    def contacts(self, camera, world_from_camera, far, per_pixel=2):
        """
        Return where the first boxes meet the ground, for rays on the ground that are in view.

        :return: (N, 2) world points on the ground whose image lies inside the picture and is
            not hidden
        """
        origin = world_from_camera[:3, 3]
        forward = world_from_camera[:2, 2] / np.hypot(*world_from_camera[:2, 2])
        half = np.arctan(camera.width / camera.f)
        angles = np.arctan2(forward[1], forward[0]) + np.linspace(
            -half, half, camera.width * 2 * per_pixel)
        directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        distance = np.full(len(angles), np.inf)
        for box in self.boxes:
            if box.bottom == 0.0:
                distance = np.minimum(distance, _enter_flat(box, origin[:2], directions))
        found = distance <= far
        points = origin[:2] + directions[found] * distance[found, None]
        return points[self._visible(points, camera, world_from_camera)]

    def _visible(self, points, camera, world_from_camera):
        # A hair in front of the foot, or rounding would hide it behind its own box.
        origin = world_from_camera[:3, 3]
        points = origin[:2] + (points - origin[:2]) * (1.0 - 1e-6)
        across = np.concatenate([points, np.zeros((len(points), 1))], axis=1) - origin
        local = across.dot(world_from_camera[:3, :3])
        u = camera.f * local[:, 0] / local[:, 2] + camera.cx
        v = camera.f * local[:, 1] / local[:, 2] + camera.cy
        seen = ((local[:, 2] > 0) & (u > -0.5) & (u < camera.width - 0.5)
                & (v > -0.5) & (v < camera.height - 0.5))
        for box in self.boxes:
            seen &= _enter(box, origin, across)[0] > 1.0
        return seen


def _outline(box, camera, world_from_camera):
    """Return the slices of the picture that can show a box."""
    signs = np.array([[a, b, c] for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (0.0, 1.0)])
    local = signs * [box.length, box.width, box.height]
    c, s = np.cos(box.yaw), np.sin(box.yaw)
    corners = np.stack([box.x + c * local[:, 0] - s * local[:, 1],
                        box.y + s * local[:, 0] + c * local[:, 1],
                        box.bottom + local[:, 2]], axis=1)
    seen = (corners - world_from_camera[:3, 3]).dot(world_from_camera[:3, :3])
    if (seen[:, 2] <= 0.0).all():
        return slice(0, 0), slice(0, 0)
    if (seen[:, 2] < 0.05).any():
        return slice(None), slice(None)
    u = camera.f * seen[:, 0] / seen[:, 2] + camera.cx
    v = camera.f * seen[:, 1] / seen[:, 2] + camera.cy
    return (slice(max(0, int(v.min())), max(0, int(v.max()) + 2)),
            slice(max(0, int(u.min())), max(0, int(u.max()) + 2)))


def _by_axis(vectors):
    # Each coordinate in one piece, which is faster to read than (H, W, 3) in order.
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(vectors, -1, 0)), 0, -1)


def _to_box(box, vectors):
    c, s = np.cos(box.yaw), np.sin(box.yaw)
    return (c * vectors[..., 0] + s * vectors[..., 1],
            -s * vectors[..., 0] + c * vectors[..., 1])


def _slab(origin, direction, low, high):
    with np.errstate(divide='ignore', invalid='ignore'):
        one, two = (low - origin) / direction, (high - origin) / direction
    near, far = np.minimum(one, two), np.maximum(one, two)
    along = direction == 0
    if along.any():
        near[along] = np.inf if origin < low or origin > high else -np.inf
        far[along] = np.inf
    return near, far


def _enter(box, origin, directions):
    """Return the line parameter where rays enter a box (inf for a miss), and if from above."""
    start = _to_box(box, origin[:2] - np.array([box.x, box.y]))
    flat = _to_box(box, directions[..., :2])
    near_x, far_x = _slab(start[0], flat[0], -0.5 * box.length, 0.5 * box.length)
    near_y, far_y = _slab(start[1], flat[1], -0.5 * box.width, 0.5 * box.width)
    near_z, far_z = _slab(origin[2], directions[..., 2], box.bottom, box.bottom + box.height)
    near = np.maximum(np.maximum(near_x, near_y), near_z)
    far = np.minimum(np.minimum(far_x, far_y), far_z)
    missed = (near > far) | (near <= 0)
    return np.where(missed, np.inf, near), near_z >= np.maximum(near_x, near_y)


def _enter_flat(box, origin, directions):
    start = _to_box(box, origin - np.array([box.x, box.y]))
    flat = _to_box(box, directions)
    near_x, far_x = _slab(start[0], flat[0], -0.5 * box.length, 0.5 * box.length)
    near_y, far_y = _slab(start[1], flat[1], -0.5 * box.width, 0.5 * box.width)
    near = np.maximum(near_x, near_y)
    return np.where((near > np.minimum(far_x, far_y)) | (near <= 0), np.inf, near)
