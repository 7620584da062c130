# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The fields that textures sample."""

import numpy as np
import pytest
from segformer_ros.simulation.textures import noise


def test_fractal_field_is_smooth_and_of_unit_variance():
    x, y = np.meshgrid(np.arange(0, 40, 0.05), np.arange(0, 40, 0.05))
    field = noise.fractal(x, y, 1.0)
    assert abs(field.mean()) < 0.15
    assert field.std() == pytest.approx(1.0, rel=0.1)
    assert np.abs(np.diff(field, axis=1)).max() < 1.0
    assert np.allclose(noise.fractal(x[:1] - 100, y[:1], 1.0),
                       noise.fractal(x[:1] - 100.0001, y[:1], 1.0), atol=0.02)


def test_cells_are_constant_and_differ():
    i, j = np.meshgrid(np.arange(-50, 50), np.arange(-50, 50))
    values = noise.cell_value(i, j, 3)
    assert np.array_equal(values, noise.cell_value(i.astype(float), j, 3))
    assert 0 <= values.min() < 0.02 and 0.98 < values.max() <= 1
    assert (values[:, 1:] != values[:, :-1]).mean() > 0.99


def test_lines_cover_their_share_at_any_pixel_size():
    x = np.linspace(0.0, 10.0, 20001)
    for footprint in (0.001, 0.05, 2.0):
        cover = noise.line(x, 0.5, 0.1, np.full(x.shape, footprint))
        assert 0.0 <= cover.min() <= cover.max() <= 1.0
        assert cover.mean() == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize('color, expected', [
    ((0.0, 1.0, 1.0), (1, 0, 0)), ((1 / 3.0, 1.0, 1.0), (0, 1, 0)),
    ((0.5, 0.0, 0.5), (0.25, 0.25, 0.25))])
def test_hsv_gives_linear_light(color, expected):
    assert noise.hsv(*color) == pytest.approx(expected, abs=1e-9)
