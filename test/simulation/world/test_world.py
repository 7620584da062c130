# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Worlds can be changed before they are rendered."""

import pytest
from segformer_ros.simulation.shapes import BOX
from segformer_ros.simulation.world.world import World


def test_what_hangs_low_can_be_let_down_to_the_ground():
    world = World('indoor', 1)
    hanging = [shape for shape in world.primitives(0.0) if shape.kind == BOX and
               0.0 < shape.center[2] - shape.half[2] < 0.35]
    assert len(hanging) > 5
    before = world.primitives(0.0)
    world.let_down(0.35)
    after = world.primitives(0.0)
    assert len(after) == len(before)
    assert not [shape for shape in after if shape.kind == BOX and shape.rotation[2, 2] == 1.0 and
                1e-9 < shape.center[2] - shape.half[2] < 0.35]
    for one, other in zip(before, after):
        assert other.center[2] + other.half[2] == pytest.approx(one.center[2] + one.half[2])
