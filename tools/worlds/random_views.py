# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Cameras and views for data sets, drawn at random in simulated worlds."""

from typing import NamedTuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.simulation.render.renderer import pinhole_rays
from segformer_ros.simulation.render.sensor import Sensor
from segformer_ros.simulation.world.trajectory import camera_mount
from segformer_ros.simulation.world.trajectory import Trajectory
from segformer_ros.simulation.world.world import World


def rays_with_view(width: int, height: int, degrees: float) -> arrays.Float32:
    """
    Return the rays of an ideal camera by its horizontal field of view.

    :param width: image width, pixels; ``height`` likewise
    :param degrees: horizontal field of view, below 180
    :return: directions with z = 1 in the optical frame, (H, W, 3)
    """
    f = 0.5 * width / np.tan(np.radians(degrees) / 2)
    return pinhole_rays(width, height, f, f, 0.5 * (width - 1), 0.5 * (height - 1))


def random_sensor(random: np.random.RandomState) -> Sensor:
    """Draw a camera for a data set."""
    return Sensor(exposure=float(np.exp(random.normal(0.0, 0.28))),
                  white_balance=(float(np.exp(random.normal(0.0, 0.13))),
                                 float(np.exp(random.normal(0.0, 0.13)))),
                  noise=float(random.uniform(0.003, 0.025)),
                  vignette=float(random.uniform(0.0, 0.3)),
                  softness=float(random.uniform(0.1, 0.35)))


class View(NamedTuple):
    """A camera pose, world_from_optical (4, 4), and a time in seconds."""

    camera_to_world: arrays.Float64
    time: float


def random_view(world: World, random: np.random.RandomState) -> View:
    """
    Draw a view for a data set, near the route, in any plausible direction.

    :return: the view; ground cameras 0.35 to 1.6 m high, drones 3 to 30 m
    """
    base = Trajectory(world, speed=1.0).base_pose(float(random.uniform(0.0, world.route_length)))
    side = float(random.uniform(-0.3, 0.3))
    if world.kind == 'aerial':
        height = float(np.exp(random.uniform(np.log(3.0), np.log(30.0))))
        mount = camera_mount(height, float(np.pi / 2 - abs(random.normal(0.0, 0.22))),
                             float(random.uniform(-np.pi, np.pi)),
                             float(random.normal(0.0, 0.04)))
        side *= 10.0
    else:
        spread = 1.2 if world.kind == 'outdoor' else 1.0
        mount = camera_mount(float(random.uniform(0.35, 1.6)),
                             float(random.uniform(-0.05, 0.45)),
                             float(np.clip(random.normal(0.0, spread), -2.8, 2.8)),
                             float(random.normal(0.0, 0.02)))
    offset = np.eye(4)
    offset[1, 3] = side
    return View(base.dot(offset).dot(mount), float(random.uniform(0.0, 100.0)))
