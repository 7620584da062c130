# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Landing sites over the simulated land, with the settings of config/drone.yaml."""

import cv2
import numpy as np
import pytest
from segformer_ros.costmap.camera_model import Calibration
from segformer_ros.costmap.camera_model import CameraModel
from segformer_ros.costmap.cost_table import GROUND
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.frame import Frame
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.poses import pose_above_ground
from segformer_ros.model.classes import load_class_table
from segformer_ros.ros.costmap_parameters import costmap_parameters
from segformer_ros.simulation.ground_truth import ground_classes
from segformer_ros.simulation.ground_truth import NONE
from segformer_ros.simulation.ground_truth import obstacle_classes
from segformer_ros.simulation.renderer import pinhole_rays
from segformer_ros.simulation.renderer import Renderer
from segformer_ros.simulation.trajectory import camera_mount
from segformer_ros.simulation.world import World
from support.node_parameters import node_values

WIDTH, HEIGHT, FOCAL = 320, 240, 250.0
CENTER = 0.5 * (WIDTH - 1), 0.5 * (HEIGHT - 1)
CAMERA = CameraModel(Calibration(WIDTH, HEIGHT, 'none', (), (
    FOCAL, 0, CENTER[0], 0, FOCAL, CENTER[1], 0, 0, 1)))
RENDERER = Renderer(pinhole_rays(WIDTH, HEIGHT, FOCAL, FOCAL, *CENTER))
# Spacing of the places that are asked for the truth, metres; obstacles are larger.
SPACING = 0.1
SKYWARD = 1000.0


class Truth:
    """What is truly landable in a world, and what of it one picture shows."""

    def __init__(self, world, frame, costs, settings):
        self.world, self.frame = world, frame
        self.cheap = (costs.kinds == GROUND) & (costs.costs <= settings.landing.max_cost)

    def free(self, x, y):
        """Return where the ground is cheap and nothing stands on it or hangs over it."""
        place = tuple(self.frame.camera_to_world[:2, 3])
        standing = obstacle_classes(self.world, x, y, self.frame.time, 0.05, SKYWARD, place)
        return self.cheap[ground_classes(self.world, x, y)] & (standing == NONE)

    def largest_radius(self):
        """Return the radius of the largest free disc of ground that is in view."""
        pose = self.frame.camera_to_world
        reach = np.arange(-25.0, 25.0, SPACING)
        x, y = np.meshgrid(pose[0, 3] + reach, pose[1, 3] + reach)
        away = np.stack([x - pose[0, 3], y - pose[1, 3], np.full(x.shape, -pose[2, 3])], axis=-1)
        local = away.dot(pose[:3, :3])
        u = np.rint(FOCAL * local[..., 0] / local[..., 2] + CENTER[0])
        v = np.rint(FOCAL * local[..., 1] / local[..., 2] + CENTER[1])
        inside = (local[..., 2] > 0) & (u >= 0) & (u < WIDTH) & (v >= 0) & (v < HEIGHT)
        depth = self.frame.depth[np.where(inside, v, 0).astype(int),
                                 np.where(inside, u, 0).astype(int)]
        seen = inside & (np.abs(depth - local[..., 2]) < 0.05 * local[..., 2])
        good = np.zeros(x.shape, np.uint8)
        good[seen] = self.free(x[seen], y[seen])
        return float(cv2.distanceTransform(good, cv2.DIST_L2, 5).max()) * SPACING


def survey(project_root, count, first_seed):
    """Return how many sites were reported, wholly free, possible, and found where possible."""
    settings = costmap_parameters(node_values(project_root, 'drone.yaml')).settings
    costs = load_cost_table('landing', load_class_table('ade20k'))
    random = np.random.RandomState(first_seed)
    counts = np.zeros(4, int)
    for number in range(count):
        world = World('aerial', first_seed + number // 4)
        pose = camera_mount(random.uniform(5.0, 25.0), np.pi / 2 - random.uniform(-0.2, 0.2),
                            random.uniform(-3.1, 3.1), random.uniform(-0.2, 0.2))
        pose[:2, 3] = random.uniform(-25.0, 25.0), random.uniform(-15.0, 15.0)
        frame = RENDERER.render(world, pose, random.uniform(0.0, 60.0))
        truth = Truth(world, frame, costs, settings)
        stage = CostmapPipeline(settings, costs)
        stage.process('down', Frame(frame.labels, None, CAMERA,
                                    pose_above_ground(pose, pose[2, 3]), 10.0))
        site = stage.landing_site(10.0)
        possible = truth.largest_radius() >= settings.landing.min_radius
        counts += [site is not None, site is not None and wholly_free(truth, site), possible,
                   possible and site is not None]
    return counts


def wholly_free(truth, site):
    side = np.linspace(-site.radius, site.radius, 80)
    dx, dy = (part.reshape(-1) for part in np.meshgrid(side, side))
    disc = np.hypot(dx, dy) <= site.radius
    return truth.free(site.x + dx[disc], site.y + dy[disc]).all()


def check(counts):
    reported, free, possible, found = counts
    assert free >= 0.99 * reported
    assert found >= 0.9 * possible


def test_sites_over_the_simulated_land_are_free_and_found(project_root):
    counts = survey(project_root, 14, 100)
    assert counts[2] > 8
    check(counts)


@pytest.mark.slow
def test_sites_over_much_simulated_land_are_free_and_found(project_root):
    check(survey(project_root, 240, 200))
