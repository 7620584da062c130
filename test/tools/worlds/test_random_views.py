# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Random views stay where a camera can be."""

import numpy as np
import pytest
import random_views
from segformer_ros.simulation.world.world import World


@pytest.mark.parametrize('kind, low, high', [('indoor', 0.35, 1.6), ('outdoor', 0.35, 1.6),
                                             ('aerial', 3.0, 30.0)])
def test_random_views_stay_at_the_promised_heights(kind, low, high):
    world = World(kind, 5)
    random = np.random.RandomState(0)
    for _ in range(50):
        pose = random_views.random_view(world, random).camera_to_world
        assert low <= pose[2, 3] <= high
        assert np.allclose(pose[:3, :3].dot(pose[:3, :3].T), np.eye(3))
        assert np.linalg.det(pose[:3, :3]) > 0.99
