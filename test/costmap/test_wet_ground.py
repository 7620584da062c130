# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The profile for puddles that docs/nav2.md gives: ground is known, and what stands is found."""

import re

import numpy as np
import pytest
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.model.classes import load_class_table
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import Patch
from support.plane_scene import PINHOLE
from support.plane_scene import Scene

CLASSES = load_class_table('ade20k')
EARTH, WATER, WALL, SKY = (CLASSES.names.index(name) for name in ('earth', 'water', 'wall', 'sky'))
CAMERA = camera_model(PINHOLE)
MOUNT = mount_pose(0.8, 0.35)
# Squares of water 0.6 m wide in a lattice of 1 m: 36 %.
PUDDLES = tuple(Patch(x, y, x + 0.6, y + 0.6, WATER) for x in range(-12, 13)
                for y in range(-12, 13))
SCENE = Scene(EARTH, PUDDLES, (Box(3.1, 0.35, 0.3, 0.3, WALL),), SKY)


@pytest.fixture(scope='module')
def text(project_root):
    with open(f'{project_root}/docs/nav2.md', encoding='utf-8') as stream:
        content = stream.read()
    return content[content.index('## Puddles and mud'):content.index('## With depth')]


@pytest.fixture(scope='module')
def wet_yard(text, tmp_path_factory):
    path = tmp_path_factory.mktemp('profile') / 'wet_yard.yaml'
    path.write_text(re.search(r'```yaml\n(.*?)```', text, re.DOTALL).group(1))
    return load_cost_table(str(path), CLASSES)


def driven(costs):
    """Return the share of true ground that is known and not lethal, and the lethal cells."""
    pipeline = CostmapPipeline(CostmapSettings(), costs)
    seen = np.zeros((200, 200), np.bool_)
    for number in range(20):
        pose = planar_pose(0.03 * number, 0.0, 0.01 * number)
        view = SCENE.render(PINHOLE, pose.dot(MOUNT))
        pipeline.process('front', CameraView(view.labels, None, CAMERA, CameraPose(pose, MOUNT),
                                             1.0 + 0.1 * number))
        grid = pipeline.occupancy(1.0 + 0.1 * number)
        x, y = grid.geometry.centers()
        # Where the rays of ground pixels meet the plane, by the scene's own depth.
        rays = PINHOLE.rays() * view.depth[..., None]
        points = rays[(view.labels == EARTH) | (view.labels == WATER)].dot(
            pose.dot(MOUNT)[:3, :3].T) + pose.dot(MOUNT)[:3, 3]
        away = np.hypot(*(points[:, :2] - pose[:2, 3]).T)
        points = points[(away < 5.0) & (np.abs(points[:, 2]) < 1e-6)]
        seen[np.searchsorted(y, points[:, 1]) - 1, np.searchsorted(x, points[:, 0]) - 1] = True
    values = grid.values
    free = (values >= 0) & (values < 100)
    return np.count_nonzero(free & seen) / np.count_nonzero(seen), values == 100, (x, y)


def test_a_wet_yard_can_be_driven_and_what_stands_in_it_is_found(text, wet_yard):
    dry_share, _, _ = driven(load_cost_table('outdoor', CLASSES))
    share, lethal, (x, y) = driven(wet_yard)
    told = [float(word) for word in re.findall(r'` \| ([0-9.]+) % \|', text)]
    assert told == [round(100 * dry_share), round(100 * share)]
    assert dry_share < 0.5 and share > 0.9
    rows, columns = np.nonzero(lethal)
    # The near side of the box, and nothing else.
    assert len(rows) >= 4
    assert np.hypot(x[columns] - 3.0, y[rows] - 0.35).max() < 0.4


def test_the_profile_keeps_deep_water_and_the_living_lethal(wet_yard):
    for name in ('sea', 'river', 'lake', 'swimming pool', 'wall', 'person', 'stairs', 'tree'):
        assert wet_yard.occupancy_of(name) == 100, name
    assert wet_yard.occupancy_of('water') == 90 and wet_yard.occupancy_of('sky') == -1
