# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap of drives through the simulated world, compared with the world itself."""

import costmap_drive
import numpy as np
import pytest
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.pipeline import Occupancy
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.model.classes import load_class_table
from segformer_ros.simulation.render.ground_truth import ground_classes
from segformer_ros.simulation.render.ground_truth import NONE
from segformer_ros.simulation.render.ground_truth import obstacle_classes
from segformer_ros.simulation.render.renderer import pinhole_rays
from segformer_ros.simulation.render.renderer import RenderedImage
from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.world.people import walker_pose
from segformer_ros.simulation.world.trajectory import Trajectory
from segformer_ros.simulation.world.world import World

ADE20K = load_class_table('ade20k')
COSTS = load_cost_table('indoor', ADE20K)


@pytest.fixture(scope='module')
def room():
    world = World('indoor', 0)
    world.walkers = []
    return world


def test_seen_feet_stand_in_the_picture_right_above_ground_in_each_column(room):
    way = Trajectory(room, 1.0, costmap_drive.CAMERA_HEIGHT, costmap_drive.CAMERA_PITCH)
    center = 0.5 * (costmap_drive.WIDTH - 1), 0.5 * (costmap_drive.HEIGHT - 1)
    picture = Renderer(pinhole_rays(640, 480, 500.0, 500.0, *center)).render(
        room, way.camera_pose(1.0), 1.0)
    feet = costmap_drive.seen_contacts(room, picture, COSTS)
    assert len(feet) > 100
    pose = picture.camera_to_world
    local = np.concatenate([feet, np.zeros((len(feet), 1))], axis=1) - pose[:3, 3]
    local = local.dot(pose[:3, :3])
    u = np.rint(500.0 * local[:, 0] / local[:, 2] + center[0]).astype(int)
    v = np.rint(500.0 * local[:, 1] / local[:, 2] + center[1]).astype(int)
    inside = (u >= 0) & (u < 640) & (v >= 12) & (v < 468)
    kinds = COSTS.kinds[picture.labels]
    # Within a few rows the picture changes from ground (1) to an obstacle (2).
    windows = np.stack([kinds[v[inside] + row, u[inside]] for row in range(-12, 12)], axis=1)
    assert np.mean((windows == 2).any(axis=1) & (windows == 1).any(axis=1)) > 0.95


@pytest.mark.parametrize('edge', [80, 83, 85, 87, 161])
def test_coarse_labels_keep_an_edge_and_are_unsure_of_it_alone(edge):
    labels = np.full((240, 320), ADE20K.id_of('floor'), np.uint8)
    labels[:, edge:] = ADE20K.id_of('wall')
    mask, confidence = costmap_drive.coarse_labels(
        RenderedImage(None, labels, None, None, 0.0, None), (40, 30))
    # Answers are 8 pixels apart.
    assert set(np.unique(mask)) == set(np.unique(labels))
    assert abs(int((mask[100] == ADE20K.id_of('floor')).sum()) - edge) <= 2
    assert (confidence[:, :edge - 16] == 255).all() and (confidence[:, edge + 16:] == 255).all()
    assert confidence[:, edge - 3:edge + 3].min() < 160


def test_a_perfect_grid_counts_as_perfect_and_a_shifted_one_does_not(room):
    geometry = GridGeometry(-4.0, -4.0, 0.05, 160, 160)
    x, y = np.meshgrid(*geometry.centers())
    filled = obstacle_classes(room, x, y, 0.0, 0.05, 1.2) != NONE
    ground = ground_classes(room, x, y)
    values = np.where(filled, 100, COSTS.costs[ground]).astype(np.int8)
    feet = np.stack([x[filled], y[filled]], axis=1)
    perfect = costmap_drive.DriveFigures(*costmap_drive.count(
        Occupancy(values, geometry), room, feet, COSTS))
    assert perfect.shares() == {'marked': 1.0, 'right': 1.0, 'far_off': 0.0, 'graded': 1.0}
    shifted = costmap_drive.DriveFigures(*costmap_drive.count(
        Occupancy(np.roll(values, 6, axis=1), geometry), room, feet, COSTS)).shares()
    assert shifted['right'] < 0.97 and shifted['far_off'] > 0.0
    empty = costmap_drive.DriveFigures(*costmap_drive.count(
        Occupancy(np.full_like(values, -1), geometry), room, feet, COSTS))
    assert empty.marked == 0 and empty.ground == 0 and empty.lethal == 0


@pytest.mark.once
def test_the_trail_of_a_person_who_walks_through_a_room_is_gone_within_the_decay_time():
    world = World('indoor', 0)
    way = Trajectory(world, 1.0, costmap_drive.CAMERA_HEIGHT, costmap_drive.CAMERA_PITCH)
    base = way.base_pose(0.0)
    ahead, aside = base[:2, 0], base[:2, 1]
    # Across the view two metres ahead, and out of it again.
    ends = [tuple(base[:2, 3] + 2.2 * ahead + side * aside) for side in (-2.5, 2.5)]
    pace = 1.2
    world.walkers = [world.walkers[0]._replace(start=ends[0], end=ends[1], speed=pace, phase=0.0)]
    renderer = Renderer(pinhole_rays(320, 240, 250.0, 250.0, 159.5, 119.5))
    camera = CameraModel(Calibration(320, 240, 'none', (), (
        250.0, 0.0, 159.5, 0.0, 250.0, 119.5, 0.0, 0.0, 1.0)))
    stage = CostmapPipeline(CostmapSettings(), COSTS)
    person = ADE20K.id_of('person')
    last_seen = None
    marked = 0
    for time in np.arange(0.0, 5.0 / pace, 0.1):
        picture = renderer.render(world, way.camera_pose(0.0), time)
        pose = CameraPose(base, way.base_from_optical)
        stage.process('front', CameraView(picture.labels, None, camera, pose, 1.0 + time))
        if (picture.labels == person).any():
            last_seen = 1.0 + time
            x, y, _, _ = walker_pose(world.walkers[0], time)
            marked += lethal_near(stage.occupancy(1.0 + time), x, y) > 0
    # The person was in the grid on most of the way through the view.
    assert last_seen is not None and last_seen < 1.0 + time and marked > 12
    trail = [tuple(base[:2, 3] + 2.2 * ahead + side * aside)
             for side in np.arange(-1.0, 1.05, 0.1)]
    world.walkers = []
    free = [place for place in trail if (obstacle_classes(
        world, *np.meshgrid(*(value + np.arange(-0.4, 0.41, 0.05) for value in place)), 0.0,
        0.0, 2.0) == NONE).all()]
    assert len(free) > 8
    gone = stage.occupancy(last_seen + CostmapSettings().fusion.dynamic_decay_time + 0.01)
    assert [lethal_near(gone, *place) for place in free] == [0] * len(free)
    # What stands still is there for its own time.
    assert (gone.values == 100).sum() > 50


def lethal_near(occupancy, x, y):
    """Count marks within a step of a place."""
    xs, ys = np.meshgrid(*occupancy.geometry.centers())
    return int((occupancy.values[np.hypot(xs - x, ys - y) < 0.35] == 100).sum())


@pytest.mark.slow
@pytest.mark.parametrize(('kind', 'seed', 'let_down'), [
    ('indoor', 0, 0.0),
    # The bed and the cabinet of this room are overhangs, which no mask tells from feet.
    ('indoor', 1, 0.35)])
def test_costs_and_contacts_of_a_drive_through_the_simulated_world(kind, seed, let_down):
    way = costmap_drive.Way(kind, seed, load_cost_table(kind, ADE20K), let_down=let_down)
    figures = costmap_drive.drive(way, way.frames(None), CostmapSettings())
    shares = figures.shares()
    assert figures.contacts > 300 and figures.ground > 50000
    assert shares['marked'] >= 0.97
    assert shares['right'] >= 0.95
    assert figures.far_off == 0
    assert shares['graded'] >= 0.97


def test_labels_that_are_kept_are_those_of_the_pictures(tmp_path):
    way = costmap_drive.Way('indoor', 4, COSTS, length=costmap_drive.STEP)
    asked = []

    def labels_of(picture):
        asked.append(picture.time)
        return picture.labels, np.full_like(picture.labels, 200 + len(asked))
    path = str(tmp_path / 'kept.npz')
    first, again = (list(costmap_drive.kept_frames(way, labels_of, path)) for _ in range(2))
    assert asked == way.times and len(way.times) == 2
    for number, (one, other, true) in enumerate(zip(first, again, way.frames(None))):
        assert (one.mask == true.mask).all() and (other.mask == true.mask).all()
        assert np.unique(one.confidence).tolist() == [201 + number]
        assert (other.confidence == one.confidence).all() and true.confidence is None
        assert len(true.contacts) > 20
        assert (one.contacts == true.contacts).all() and (other.contacts == true.contacts).all()
    with pytest.raises(SystemExit, match='holds 2 frames, and this drive has 3'):
        list(costmap_drive.kept_frames(way.__class__('indoor', 4, COSTS, length=0.5), labels_of,
                                       path))
