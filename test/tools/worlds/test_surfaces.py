# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""First surfaces agree with what is rendered; a world can be changed before it is rendered."""

import numpy as np
import pytest
import random_views
from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.shapes import BOX
from segformer_ros.simulation.world.trajectory import Trajectory
from segformer_ros.simulation.world.world import World
import surfaces


@pytest.mark.parametrize('kind', ['indoor', 'outdoor', 'aerial'])
def test_first_surfaces_agree_with_the_rendered_pixels(kind):
    world = World(kind, 11)
    pose = Trajectory(world).camera_pose(6.0)
    rays = random_views.rays_with_view(40, 30, 70.0)
    frame = Renderer(rays).render(world, pose, 6.0)
    directions = rays.reshape(-1, 3).astype(float).dot(pose[:3, :3].T)
    distance, classes = surfaces.first_surfaces(world, pose[:3, 3], directions, 6.0)
    rendered = np.linalg.norm(rays.reshape(-1, 3), axis=1) * frame.depth.ravel()
    finite = np.isfinite(rendered)
    assert np.array_equal(finite, np.isfinite(distance))
    # Single pixels may differ where a ray grazes an edge: float32 against another order.
    close = np.abs(distance[finite] - rendered[finite]) < 1e-3 * rendered[finite] + 1e-3
    assert close.mean() > 0.995
    assert (classes == frame.labels.ravel()).mean() > 0.995


def test_what_hangs_low_can_be_let_down_to_the_ground():
    world = World('indoor', 1)
    hanging = [shape for shape in world.primitives(0.0) if shape.kind == BOX and
               0.0 < shape.center[2] - shape.half[2] < 0.35]
    assert len(hanging) > 5
    before = world.primitives(0.0)
    surfaces.let_down(world, 0.35)
    after = world.primitives(0.0)
    assert len(after) == len(before)
    assert not [shape for shape in after if shape.kind == BOX and shape.rotation[2, 2] == 1.0 and
                1e-9 < shape.center[2] - shape.half[2] < 0.35]
    for one, other in zip(before, after):
        assert other.center[2] + other.half[2] == pytest.approx(one.center[2] + one.half[2])
