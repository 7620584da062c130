#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Draw the pictures of docs/nav2.md and docs/drone.md: docs/images/nav2_*.png, landing_site.png.

The worlds are the simulator's, the labels are its true ones, and the costmap pipeline is the
node's own. Nav2's costs are computed by the statement of Nav2's rules that the tests use.

usage: nav2_pictures.py
"""

import os
import sys

import cv2
import numpy as np
from PIL import Image
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'test'), os.path.join(ROOT, 'tools', 'measure')]

from segformer_ros.costmap.cost_table import load_cost_table  # noqa: E402, I100
from segformer_ros.costmap.filter_masks import keepout_mask  # noqa: E402
from segformer_ros.costmap.geometry.transforms import CameraPose  # noqa: E402
from segformer_ros.costmap.geometry.transforms import pose_above_ground  # noqa: E402
from segformer_ros.costmap.pipeline import CameraView  # noqa: E402
from segformer_ros.costmap.pipeline import CostmapPipeline  # noqa: E402
from segformer_ros.costmap.points import POINT_FIELDS  # noqa: E402
from segformer_ros.costmap.points import POINT_STEP  # noqa: E402
from segformer_ros.costmap.settings import CostmapSettings  # noqa: E402
from segformer_ros.evaluation.demo.panels import compose  # noqa: E402
from segformer_ros.evaluation.demo.panels import Panel  # noqa: E402
from segformer_ros.evaluation.demo.panels import Sheet  # noqa: E402
from segformer_ros.evaluation.demo.true_grid import LEGEND  # noqa: E402
from segformer_ros.evaluation.drive import nav2_rules  # noqa: E402
from segformer_ros.evaluation.run.grid_pictures import grid_picture  # noqa: E402
from segformer_ros.evaluation.run.grid_pictures import GridPose  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.model.classes import load_grouping  # noqa: E402
from segformer_ros.ros.parameters.costmap import costmap_parameters  # noqa: E402
from segformer_ros.simulation.world.trajectory import camera_mount  # noqa: E402
from segformer_ros.simulation.world.trajectory import Trajectory  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402
from simulated_runs import pinhole  # noqa: E402
from support.node_parameters import node_values  # noqa: E402

FOLDER = os.path.join(ROOT, 'docs', 'images')
ADE20K = load_class_table('ade20k')
SIZE_WH, FOCAL = (480, 360), 375.0
PANEL_WH = (400, 300)
# Seed and time of the drive, chosen by eye: grass, a path, a fence and a rock in view.
STREET_SEED, STREET_START, STREET_FRAMES = 8, 18.25, 16
LAND_SEED, LAND_PLACE, LAND_HEIGHT = 3, (4.0, -6.0), 14.0
LAND_PIXELS = 4
# Grids are drawn with two pixels a cell, as their cells are 0.05 m: 10 m fill 400 pixels.
SIDE = 8.0


class Drive:
    """A drive through the street: the pipeline after it, and what the last frame gave."""

    def __init__(self, pitch_error=0.0):
        renderer, self.camera = pinhole(SIZE_WH, FOCAL)
        self.costs = load_cost_table('outdoor', ADE20K)
        self.pipeline = CostmapPipeline(CostmapSettings(), self.costs)
        world = World('outdoor', STREET_SEED)
        way = Trajectory(world, 1.0, 0.8, 0.35)
        # What the robot believes of its camera; the pictures are taken with the true mount.
        believed = camera_mount(0.8, 0.35 + pitch_error)
        for number in range(STREET_FRAMES):
            time = STREET_START + 0.25 * number
            self.picture = renderer.render(world, way.camera_pose(time), time)
            self.pose = CameraPose(way.base_pose(time), believed)
            self.frame = CameraView(self.picture.labels, None, self.camera, self.pose, 1.0 + time)
            self.result = self.pipeline.process('front', self.frame)
        self.now = self.frame.stamp

    def occupancy(self):
        return self.pipeline.occupancy(self.now)

    def grid(self):
        """Return the grid as Nav2 receives it."""
        occupancy = self.occupancy()
        return nav2_rules.Grid(occupancy.values, occupancy.geometry.origin_x,
                               occupancy.geometry.origin_y, occupancy.geometry.resolution)

    def master(self):
        """Return an empty costmap around the robot."""
        x, y = (round(float(value), 1) for value in self.pose.odom_from_ground[:2, 3])
        return nav2_rules.Costmap(SIDE, 0.05, (x, y))

    def draw(self, values, origin):
        """Draw (rows, columns) occupancy values whose corner lies at ``origin``."""
        pose = self.pose.odom_from_ground
        robot = GridPose((pose[0, 3] - origin[0]) / 0.05, (pose[1, 3] - origin[1]) / 0.05,
                         float(np.arctan2(pose[1, 0], pose[0, 0])))
        return grid_picture(np.ascontiguousarray(values, np.int8), robot, PANEL_WH)

    def draw_occupancy(self):
        occupancy = self.occupancy()
        return self.draw(occupancy.values, (occupancy.geometry.origin_x,
                                            occupancy.geometry.origin_y))

    def draw_master(self, master):
        """Draw Nav2's costs, 0..254, in the colours of occupancy, 0..100."""
        return self.draw(np.rint(master.costs / 2.54), master.origin)

    def cloud(self, points):
        """Return (N, 3) points in odom, as Nav2 reads them from the message."""
        fields = [tuple(field) for field in POINT_FIELDS]
        local = nav2_rules.read_cloud(fields, points.tobytes(), POINT_STEP, len(points))
        return local.dot(self.pose.odom_from_ground[:3, :3].T) + self.pose.odom_from_ground[:3, 3]


def snippet(name):
    """Return the content of config/NAME.yaml."""
    with open(os.path.join(ROOT, 'config', name + '.yaml'), encoding='utf-8') as stream:
        return yaml.safe_load(stream)


def parameters_of(name):
    """Return the parameters of the costmap in config/NAME.yaml."""
    content = snippet(name)
    costmap = next(part for key, part in content.items() if key.endswith('costmap'))
    return next(iter(costmap.values()))['ros__parameters']


def obstacles_on(master, drive, parameters):
    """Let the ObstacleLayer of a snippet take the last clouds."""
    layer = nav2_rules.ObstacleLayer(parameters['semantic_obstacles'], master)
    origin = drive.pose.odom_from_ground[:3, 3]
    for source, points in (('sem_obstacle', drive.result.obstacle_points),
                           ('sem_ground', drive.result.ground_points)):
        if source in parameters['semantic_obstacles']['observation_sources'].split():
            layer.receive(source, drive.cloud(points), origin, 0.0)
    layer.update(master)


def draw_outputs(drive):
    """Return the sheet of what the node publishes."""
    mask = ADE20K.palette()[drive.picture.labels]
    clouds = drive.draw(np.full((400, 400), -1), drive.master().origin)
    origin = drive.pose.odom_from_ground[:2, 3]
    for points, color in ((drive.result.ground_points, (120, 220, 120)),
                          (drive.result.obstacle_points, (240, 70, 90))):
        for x, y, _ in drive.cloud(points):
            place = (np.array([x, y]) - origin) / 0.05 * 2.0 * [1.0, -1.0]
            cv2.circle(clouds, tuple(np.rint(place + np.array(PANEL_WH) / 2.0).astype(int)
                                     .tolist()), 2, color, -1, cv2.LINE_AA)
    panels = [Panel('camera', drive.picture.image), Panel('~/mask, in class colours', mask),
              Panel('~/costmap: cells of 0.05 m, after 4 m of driving', drive.draw_occupancy()),
              Panel('~/ground_points (green), ~/obstacle_points (red)', clouds)]
    return compose(Sheet(PANEL_WH, 2, (LEGEND,)), panels, 'What one camera gives')


def draw_snippets(drive):
    """Return the sheet of what Nav2 makes of each snippet."""
    panels = []
    parameters = parameters_of('nav2_local_costmap')
    for title, changes in (('nav2_local_costmap.yaml: graded', {}),
                           ('the same with trinary_costmap: true', {'trinary_costmap': True})):
        master = drive.master()
        nav2_rules.static_layer(master, drive.grid(), dict(parameters, **changes))
        obstacles_on(master, drive, parameters)
        panels.append(Panel(title, drive.draw_master(master)))
    master = drive.master()
    obstacles_on(master, drive, parameters_of('nav2_obstacle_layer'))
    panels.append(Panel('nav2_obstacle_layer.yaml: one frame', drive.draw_master(master)))
    master = drive.master()
    obstacles_on(master, drive, parameters_of('nav2_filters'))
    occupancy = drive.occupancy()
    mask = keepout_mask(occupancy.values, occupancy.geometry)
    nav2_rules.keepout_filter(
        master, drive.grid()._replace(values=mask.values),
        snippet('nav2_filters')['keepout_filter_info_server']['ros__parameters'])
    panels.append(Panel('nav2_filters.yaml: keepout from cost 50 on', drive.draw_master(master)))
    master = drive.master()
    grouping = load_grouping('outdoor', ADE20K)
    parameters = parameters_of('nav2_semantic_segmentation_layer')
    nav2_rules.semantic_layer(
        master, drive.pipeline.semantic_layer('front', drive.frame, grouping.lookup),
        dict(enumerate(grouping.table.names)), parameters['semantic_segmentation_layer']['cam'],
        drive.pose.odom_from_ground.dot(drive.pose.ground_from_camera))
    obstacles_on(master, drive, parameters)
    panels.append(Panel('nav2_semantic_segmentation_layer.yaml: one frame',
                        drive.draw_master(master)))
    panels.append(Panel('camera', drive.picture.image))
    return compose(Sheet(PANEL_WH, 2, (LEGEND,)), panels, 'What Nav2 makes of it')


def draw_tilt():
    """Return the sheet of what an error of the mount does."""
    panels = []
    for degrees in (0.0, 2.0):
        drive = Drive(np.radians(degrees))
        panels.append(Panel('camera mounted as the robot believes' if not degrees else
                            f'camera {degrees:.0f} degrees higher than believed',
                            drive.draw_occupancy()))
    return compose(Sheet(PANEL_WH, 2, (LEGEND,)), panels, 'An error of the mount')


def draw_landing():
    """Return the sheet of a landing site."""
    settings = costmap_parameters(node_values(ROOT, 'drone.yaml')).settings
    renderer, camera = pinhole(SIZE_WH, FOCAL)
    pose = camera_mount(LAND_HEIGHT, np.pi / 2, np.pi / 2)
    pose[:2, 3] = LAND_PLACE
    picture = renderer.render(World('aerial', LAND_SEED), pose, 5.0)
    pipeline = CostmapPipeline(settings, load_cost_table('landing', ADE20K))
    pipeline.process('down', CameraView(picture.labels, None, camera,
                                        pose_above_ground(pose, LAND_HEIGHT), 10.0))
    occupancy, site = pipeline.occupancy(10.0), pipeline.landing_site(10.0)
    geometry = occupancy.geometry
    around = np.linspace(0.0, 2.0 * np.pi, 100)
    ring = np.stack([site.x + site.radius * np.cos(around),
                     site.y + site.radius * np.sin(around)], axis=1)
    image = picture.image.copy()
    local = np.concatenate([ring, np.zeros((100, 1))], axis=1) - pose[:3, 3]
    local = local.dot(pose[:3, :3])
    pixels = local[:, :2] / local[:, 2:] * FOCAL + 0.5 * (np.array(SIZE_WH) - 1)
    cv2.polylines(image, [np.rint(pixels).astype(np.int32)], True, (255, 255, 255), 2, cv2.LINE_AA)
    robot = GridPose((pose[0, 3] - geometry.origin_x) / geometry.resolution,
                     (pose[1, 3] - geometry.origin_y) / geometry.resolution, 0.5 * np.pi)
    grid = grid_picture(occupancy.values, robot, PANEL_WH, LAND_PIXELS)
    cells = (ring - pose[:2, 3]) / geometry.resolution * LAND_PIXELS * [1.0, -1.0]
    cv2.polylines(grid, [np.rint(cells + np.array(PANEL_WH) / 2.0).astype(np.int32)], True,
                  (20, 110, 230), 2, cv2.LINE_AA)
    panels = [Panel(f'camera, {LAND_HEIGHT:.0f} m high', image),
              Panel(f'~/costmap and ~/landing_site, radius {site.radius:.1f} m', grid)]
    return compose(Sheet(PANEL_WH, 2, (LEGEND,)), panels, 'A place to land')


def main():
    """Write the pictures."""
    drive = Drive()
    for name, sheet in (('nav2_outputs', draw_outputs(drive)),
                        ('nav2_snippets', draw_snippets(drive)), ('nav2_tilt', draw_tilt()),
                        ('landing_site', draw_landing())):
        path = os.path.join(FOLDER, name + '.png')
        # 255 colours keep each file below 300 KB; grids have far fewer.
        picture = Image.fromarray(sheet)
        picture.quantize(colors=255, dither=Image.Dither.NONE).save(path, optimize=True)
        print(path, os.path.getsize(path) // 1024, 'KB')


if __name__ == '__main__':
    main()
