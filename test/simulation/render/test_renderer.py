# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Pictures and their truth agree with the world, and with themselves."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import numpy as np
import pytest
import random_views

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.simulation.render.renderer import pinhole_rays
from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.shapes import ROOM
from segformer_ros.simulation.textures.bank import SKY
from segformer_ros.simulation.world.trajectory import Trajectory
from segformer_ros.simulation.world.world import World
from support import simulation_oracle as oracle


def fisheye_rays(width, height, half_angle):
    """Return an equidistant lens whose image circle leaves the corners blind."""
    x = (np.arange(width) - 0.5 * (width - 1)) / (0.5 * width)
    y = (np.arange(height) - 0.5 * (height - 1)) / (0.5 * width)
    x, y = np.meshgrid(x, y)
    radius = np.hypot(x, y)
    angle = radius * half_angle
    with np.errstate(invalid='ignore', divide='ignore'):
        scale = np.where(radius > 0, np.sin(angle) / radius, half_angle)
    rays = np.stack([x * scale, y * scale, np.cos(angle)], axis=2)
    rays[radius > 1.0] = np.nan
    return rays


LENSES = {'pinhole': random_views.rays_with_view(64, 48, 80.0),
          'fisheye': fisheye_rays(48, 48, 1.7)}


@pytest.mark.once
@settings(max_examples=24, deadline=None)
@given(kind=strategies.sampled_from(['indoor', 'outdoor', 'aerial']),
       seed=strategies.integers(0, 2 ** 32 - 1), lens=strategies.sampled_from(sorted(LENSES)))
def test_unprojected_depth_lies_on_the_surface_that_the_label_names(kind, seed, lens):
    world = World(kind, seed)
    random = np.random.RandomState(seed % 1000)
    view = random_views.random_view(world, random)
    frame = Renderer(LENSES[lens]).render(world, view.camera_to_world, view.time)
    pose = view.camera_to_world
    primitives = world.primitives_around(pose[0, 3], pose[1, 3], view.time)
    rows, columns = np.nonzero(np.isfinite(frame.depth))
    assert len(rows) > 100
    for pick in random.randint(len(rows), size=12):
        row, column = rows[pick], columns[pick]
        ray = np.asarray(LENSES[lens][row, column], float)
        # Un-projection by REP 118: depth is the z coordinate in the optical frame.
        optical = ray / ray[2] * float(frame.depth[row, column])
        point = pose[:3, :3].dot(optical) + pose[:3, 3]
        slack = 0.004 + 0.0008 * np.linalg.norm(optical)
        label = int(frame.labels[row, column])
        assert label in oracle.classes_at(world, primitives, point, slack)


@pytest.mark.once
@settings(max_examples=12, deadline=None)
@given(kind=strategies.sampled_from(['indoor', 'outdoor', 'aerial']),
       seed=strategies.integers(0, 10 ** 6))
def test_nothing_solid_stands_before_the_surface_that_is_seen(kind, seed):
    world = World(kind, seed)
    random = np.random.RandomState(seed % 1000)
    view = random_views.random_view(world, random)
    rays = LENSES['pinhole']
    frame = Renderer(rays).render(world, view.camera_to_world, view.time)
    pose = view.camera_to_world
    solid = [p for p in world.primitives_around(pose[0, 3], pose[1, 3], view.time)
             if p.kind != ROOM and not p.holes]
    camera_inside = [p for p in solid if oracle.depth_inside(p, pose[:3, 3]) > -0.06]
    for _ in range(4):
        row, column = random.randint(48), random.randint(64)
        reach = min(float(frame.depth[row, column]), 40.0)
        for depth in np.linspace(0.1, reach * 0.995, 25):
            point = pose[:3, :3].dot(rays[row, column] * depth) + pose[:3, 3]
            assert point[2] > -1e-3
            for primitive in solid:
                # By identity: numpy 1.19 finds comparing the arrays inside ambiguous.
                if not any(primitive is inside for inside in camera_inside):
                    assert oracle.depth_inside(primitive, point) < 0.006


@pytest.mark.parametrize('kind', ['indoor', 'outdoor', 'aerial'])
def test_same_seed_gives_the_same_bytes(kind):
    frames = []
    for _ in range(2):
        world = World(kind, 7)
        pose = Trajectory(world).camera_pose(3.0)
        frames.append(Renderer(LENSES['pinhole']).render(world, pose, 3.0, (2.0, 0.0)))
    assert frames[0].image.tobytes() == frames[1].image.tobytes()
    assert frames[0].labels.tobytes() == frames[1].labels.tobytes()
    assert frames[0].depth.tobytes() == frames[1].depth.tobytes()


@pytest.mark.parametrize('other', [('indoor', 8, 'held_out'), ('indoor', 7, 'train')])
def test_other_seed_or_texture_set_gives_another_picture(other):
    frames = []
    for kind, seed, textures in (('indoor', 7, 'held_out'), other):
        world = World(kind, seed, textures)
        pose = Trajectory(World('indoor', 7)).camera_pose(3.0)
        frames.append(Renderer(LENSES['pinhole']).render(world, pose))
    assert (frames[0].image != frames[1].image).mean() > 0.3


def test_texture_set_changes_colors_but_not_the_truth():
    pose = Trajectory(World('outdoor', 5)).camera_pose(10.0)
    first, second = [Renderer(LENSES['pinhole']).render(World('outdoor', 5, name), pose)
                     for name in ('train', 'held_out')]
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.depth, second.depth)


def test_frame_types_and_ranges():
    world = World('outdoor', 3)
    frame = Renderer(random_views.rays_with_view(50, 37, 70.0)).render(
        world, Trajectory(world).camera_pose(0.0))
    assert frame.image.shape == (37, 50, 3)
    assert frame.image.dtype == np.uint8
    assert frame.labels.shape == frame.depth.shape == (37, 50)
    assert frame.labels.dtype == np.uint8
    assert frame.depth.dtype == np.float32
    assert frame.image.flags.c_contiguous
    assert (frame.depth > 0).all()
    assert 60 < frame.image.mean() < 190


def test_sky_is_infinitely_far_and_nothing_else_is():
    world = World('outdoor', 3)
    pose = Trajectory(world, pitch=-0.15).camera_pose(0.0)
    frame = Renderer(LENSES['pinhole']).render(world, pose)
    assert (frame.labels == SKY).any()
    assert np.array_equal(np.isinf(frame.depth), frame.labels == SKY)


def test_pixels_that_the_lens_leaves_dark_are_unlabeled():
    world = World('indoor', 3)
    rays = fisheye_rays(40, 40, 1.4)
    frame = Renderer(rays).render(world, Trajectory(world).camera_pose(0.0))
    blind = np.isnan(rays).any(axis=2)
    assert blind.any()
    assert (frame.labels[blind] == 255).all()
    assert np.isnan(frame.depth[blind]).all()
    assert (frame.image[blind] == 0).all()
    assert (frame.labels[~blind] != 255).all()
    assert np.isfinite(frame.depth[~blind]).all()


def test_points_equal_a_pixel_by_pixel_unprojection():
    world = World('indoor', 3)
    pose = Trajectory(world).camera_pose(4.0)
    rays = pinhole_rays(32, 24, 25.0, 26.0, 15.0, 12.5)
    frame = Renderer(rays).render(world, pose)
    points = frame.points()
    for row, column in ((0, 0), (5, 30), (23, 16)):
        depth = float(frame.depth[row, column])
        local = [(column - 15.0) / 25.0 * depth, (row - 12.5) / 26.0 * depth, depth, 1.0]
        assert np.allclose(points[row, column], pose.dot(local)[:3], atol=1e-4)


def test_motion_blur_leaves_the_truth_alone():
    world = World('indoor', 3)
    pose = Trajectory(world).camera_pose(4.0)
    sharp = Renderer(LENSES['pinhole']).render(world, pose)
    blurred = Renderer(LENSES['pinhole']).render(world, pose, motion=(8.0, 0.0))
    assert np.array_equal(sharp.labels, blurred.labels)

    def roughness(image):
        return np.abs(np.diff(image.astype(float), axis=1)).mean()
    assert roughness(blurred.image) < 0.8 * roughness(sharp.image)


def test_rays_of_another_shape_are_refused():
    with pytest.raises(InvalidInputError, match='wrong shape'):
        Renderer(np.ones((4, 4, 2)))


@pytest.mark.parametrize('arguments, text', [
    (('desert', 1), 'no such kind'), (('indoor', -1), 'out of range'),
    (('indoor', 1, 'mine'), 'no such set')])
def test_unknown_worlds_are_refused(arguments, text):
    with pytest.raises(ConfigurationError, match=text):
        World(*arguments)


@pytest.mark.parametrize('lens', sorted(LENSES))
@pytest.mark.parametrize('kind, seed', [('indoor', 3), ('outdoor', 5), ('aerial', 1)])
def test_labels_and_depth_alone_are_those_of_the_image(kind, seed, lens):
    world, camera = World(kind, seed), Renderer(LENSES[lens])
    world.personal_space = 0.0
    way = Trajectory(world)
    for time in (0.0, 7.0, 30.0):
        picture = camera.render(world, way.camera_pose(time), time)
        labels = camera.labels(world, way.camera_pose(time), time)
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, picture.labels)
        again, depth = camera.labels_and_depth(world, way.camera_pose(time), time)
        np.testing.assert_array_equal(again, picture.labels)
        np.testing.assert_array_equal(depth, picture.depth)
    assert len(np.unique(labels)) > 2
