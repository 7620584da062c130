# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A robot that drives straight at things, with the collision monitor's rules alone between.

The world is boxes on a plane with perfect labels. Image age, image period and braking are those
that the snippet's polygon is made for; everything is looked at in steps of 0.05 s.
"""

import json
from typing import NamedTuple

import pytest
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.points import POINT_FIELDS
from segformer_ros.costmap.points import POINT_STEP
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.stopping import Delays
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.model.classes import load_class_table
from support import nav2_node_rules
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import PINHOLE
from support.plane_scene import Scene
import yaml

ADE20K = load_class_table('ade20k')
COSTS = load_cost_table('indoor', ADE20K)
FIELDS = [tuple(field) for field in POINT_FIELDS]
# Height, pitch and place ahead of the base: that of docs/nav2.md, a low one, a high one.
MOUNTS = {'docs': (0.8, 0.35, 0.0), 'low': (0.35, 0.15, 0.2), 'high': (1.3, 0.5, 0.1)}
BUMPER = 0.3
STEP = 0.05
FAR = 3.0
SPEEDS = (0.2, 0.4, 0.6)


def thing(name):
    """Return boxes whose front lies at ``FAR`` before the bumper."""
    front = FAR + BUMPER

    def standing(label, length, width, height, **more):
        return Box(front + 0.5 * length, 0.0, length, width, ADE20K.id_of(label), height=height,
                   **more)

    legs = [Box(front + x, y, 0.05, 0.05, ADE20K.id_of('table'), height=0.72)
            for x in (0.025, 0.6) for y in (-0.3, 0.3)]
    return {'wall': (standing('wall', 0.2, 8.0, 2.5),),
            'door': (standing('door', 0.05, 0.9, 2.0),),
            'table': tuple(legs) + (standing('table', 0.65, 0.7, 0.03, bottom=0.72),),
            'person': (standing('person', 0.3, 0.4, 1.7),),
            'box': (standing('box', 0.2, 0.2, 0.2),)}[name]


class Monitor(NamedTuple):
    """What the snippet says of Nav2's collision monitor."""

    polygon: list
    zone: dict
    source: dict

    def stops(self, cloud, now, base_from_stamped):
        """Return whether it stops the robot: too many points inside, or a cloud too old."""
        if cloud is None:
            return True
        points = nav2_node_rules.collision_monitor(cloud.points, self.source, cloud.stamp, now)
        if points is None:
            return True
        # The monitor moves the points by what the robot has driven since.
        return nav2_node_rules.polygon_stops(
            [(x + base_from_stamped, y) for x, y, _ in points], self.polygon, self.zone)


class Cloud(NamedTuple):
    """A cloud's points in the base frame of its stamp, and when it arrives."""

    points: object
    stamp: float
    arrives: float
    place: float


def monitor_of(project_root):
    with open(f'{project_root}/config/nav2_collision_monitor.yaml', encoding='utf-8') as stream:
        parameters = yaml.safe_load(stream)['collision_monitor']['ros__parameters']
    zone = parameters['semantic_stop']
    return Monitor(json.loads(zone['points']), zone, parameters['semantic'])


def gap_left(monitor, mount, boxes, speed, delays=Delays(), appears_at=0.0):
    """
    Drive until the robot stands, or touches something.

    :param appears_at: metres driven until the boxes are there
    :return: metres between bumper and the nearest box when it stands; None for a contact
    """
    camera = camera_model(PINHOLE)
    stage = CostmapPipeline(CostmapSettings(), COSTS)
    place, now, moving, next_image = 0.0, 10.0, speed, 10.0
    clouds, newest, stop_from = [], None, None
    front = min(box.x - 0.5 * box.length for box in boxes)
    stood = 0
    while stood < 40:
        there = boxes if place >= appears_at else ()
        if now >= next_image - 1e-9:
            pose = planar_pose(place, 0.0, 0.0)
            scene = Scene(ADE20K.id_of('floor'), (), there, ADE20K.id_of('ceiling'))
            labels = scene.render(PINHOLE, pose.dot(mount)).labels
            found = stage.process('front', CameraView(labels, None, camera,
                                                      CameraPose(pose, mount), now))
            points = nav2_rules.read_cloud(FIELDS, found.obstacle_points.tobytes(), POINT_STEP,
                                           len(found.obstacle_points))
            clouds.append(Cloud(points, now, now + delays.age, place))
            next_image += delays.period
        for cloud in clouds:
            if cloud.arrives <= now + 1e-9:
                newest = cloud
        held = monitor.stops(newest, now, 0.0 if newest is None else newest.place - place)
        if newest is None:
            # Before the first cloud it would not start at all.
            now += STEP
            continue
        stop_from = (now if stop_from is None else stop_from) if held else None
        braking = stop_from is not None and now >= stop_from + delays.reaction - 1e-9
        moving = max(0.0, moving - delays.deceleration * STEP) if braking else speed
        place += moving * STEP
        stood = stood + 1 if moving == 0.0 else 0
        now += STEP
        if place + BUMPER >= front:
            return None
    return front - place - BUMPER


def check(project_root, mount, name, speeds, **more):
    monitor = monitor_of(project_root)
    height, pitch, ahead = MOUNTS[mount]
    for speed in speeds:
        left = gap_left(monitor, mount_pose(height, pitch, x=ahead), thing(name), speed, **more)
        assert left is not None, f'{name} touched at {speed} m/s'
        assert 0.02 < left < 1.3, (name, speed, left)


@pytest.mark.once
@pytest.mark.parametrize('name', ['wall', 'person', 'box'])
def test_the_robot_stops_before_it_touches(project_root, name):
    check(project_root, 'docs', name, (0.3, 0.6))


@pytest.mark.slow
@pytest.mark.parametrize('name', ['wall', 'door', 'table', 'person', 'box'])
@pytest.mark.parametrize('mount', sorted(MOUNTS))
def test_it_stops_before_everything_with_every_mount(project_root, mount, name):
    check(project_root, mount, name, SPEEDS)


@pytest.mark.once
def test_what_appears_below_the_view_stops_it_too(project_root):
    # It comes into being 0.4 m before the bumper, where the camera sees no ground.
    monitor = monitor_of(project_root)
    mount = mount_pose(*MOUNTS['docs'][:2])
    for name in ('person', 'wall'):
        left = gap_left(monitor, mount, thing(name), 0.2, appears_at=FAR - 0.4)
        assert left is not None and 0.02 < left < 0.4


def test_without_a_polygon_that_reaches_far_enough_it_touches(project_root):
    # The rules are not so kind that every polygon would do.
    monitor = monitor_of(project_root)
    short = [[min(x, BUMPER + 0.15), y] for x, y in monitor.polygon]
    assert gap_left(monitor._replace(polygon=short), mount_pose(*MOUNTS['docs'][:2]),
                    thing('wall'), 0.6) is None
