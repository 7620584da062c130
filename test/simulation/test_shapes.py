# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where lines meet shapes, against marching along them."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import numpy as np
import pytest

from segformer_ros.simulation import shapes
from segformer_ros.simulation.textures.surface import surface_at
from support import simulation_oracle as oracle


KINDS = (shapes.BOX, shapes.CYLINDER, shapes.ELLIPSOID)
SIZES = strategies.floats(0.2, 2.0)
PLACES = strategies.floats(-3.0, 3.0)
ANGLES = strategies.floats(-3.1, 3.1)


@strategies.composite
def primitives(draw):
    """Draw a turned shape somewhere."""
    return shapes.Primitive(draw(strategies.sampled_from(KINDS)),
                            shapes.rotation_z(draw(ANGLES)).dot(shapes.rotation_y(draw(ANGLES))),
                            np.array([draw(PLACES), draw(PLACES), draw(PLACES)]),
                            np.array([draw(SIZES), draw(SIZES), draw(SIZES)]), 0)


def cross(primitive, origin, direction):
    matrix = primitive.local_from_world()
    start = [np.array([v]) for v in matrix.dot(origin - primitive.center)]
    way = [np.array([v]) for v in matrix.dot(direction)]
    near, far = shapes.span(primitive.kind, start, way)
    return float(near[0]), float(far[0])


@settings(max_examples=150, deadline=None)
@given(primitive=primitives(), x=PLACES, y=PLACES, z=PLACES, aim=strategies.floats(-1.2, 1.2),
       side=strategies.floats(-1.2, 1.2))
def test_span_bounds_exactly_the_inside(primitive, x, y, z, aim, side):
    origin = np.array([x, y, z]) * 3.0
    target = primitive.center + aim * primitive.rotation[:, 0] * primitive.half[0] + (
        side * primitive.rotation[:, 2] * primitive.half[2])
    direction = target - origin
    length = np.linalg.norm(direction)
    if length < 1e-2:
        return
    direction = direction / length
    near, far = cross(primitive, origin, direction)
    for t in np.linspace(-1.0, length + 6.0, 60):
        inside = oracle.level(primitive, origin + t * direction)
        if inside < 0.999:
            assert near <= t <= far
        elif inside > 1.001:
            assert t <= near or t >= far or near > far
    if near < far:
        for t in (near, far):
            assert oracle.level(primitive, origin + t * direction) == pytest.approx(1, abs=1e-5)


@settings(max_examples=80, deadline=None)
@given(primitive=primitives(), angle=ANGLES, tilt=strategies.floats(-1.4, 1.4))
def test_normals_are_unit_vectors_that_point_out(primitive, angle, tilt):
    way = np.array([np.cos(angle) * np.cos(tilt), np.sin(angle) * np.cos(tilt), np.sin(tilt)])
    _, far = cross(primitive, primitive.center, way)
    point = primitive.center + far * way
    x, y, z = [np.array([v]) for v in point]
    surface, normal = surface_at(primitive, x, y, z, np.array([0.01]))
    assert np.linalg.norm(normal[:, 0]) == pytest.approx(1.0)
    # The normal is the direction in which the level rises most, so a step along it leaves.
    step = 1e-4 * primitive.half.min()
    assert oracle.level(primitive, point + step * normal[:, 0]) > oracle.level(
        primitive, point - step * normal[:, 0])
    if primitive.kind == shapes.BOX:
        assert abs(surface.u[0]) <= 0.5 * surface.width[0] + 1e-6
        assert abs(surface.v[0]) <= 0.5 * surface.height[0] + 1e-6


@settings(max_examples=50, deadline=None)
@given(primitive=primitives(), x=PLACES, y=PLACES, z=PLACES)
def test_every_point_of_a_shape_is_within_its_radius(primitive, x, y, z):
    local = np.clip([x, y, z], -1, 1)
    point = primitive.center + primitive.rotation.dot(local * primitive.half)
    if oracle.level(primitive, point) <= 1.0:
        assert np.linalg.norm(point - primitive.center) <= primitive.radius + 1e-9


@given(angle=ANGLES, x=PLACES, y=PLACES, z=PLACES)
@settings(max_examples=30, deadline=None)
def test_to_local_is_a_matrix_product(angle, x, y, z):
    matrix = shapes.rotation_z(angle).dot(shapes.rotation_y(0.5 * angle))
    matrix[0, 1] = 0.0
    got = shapes.to_local(matrix, np.array([x]), np.array([y]), np.array([z]))
    assert np.allclose(np.ravel(got), matrix.dot([x, y, z]))
