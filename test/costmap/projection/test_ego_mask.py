# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Ego masks from pictures and polygons."""

import numpy as np
from PIL import Image
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap.projection.ego_mask import ego_mask_from
from segformer_ros.costmap.projection.ego_mask import load_ego_mask
from segformer_ros.costmap.projection.ego_mask import polygon_ego_mask


def save(tmp_path, array):
    path = str(tmp_path / 'body.png')
    Image.fromarray(array).save(path)
    return path


def test_every_pixel_that_is_not_black_is_robot(tmp_path):
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[3, :] = 255, 0, 0
    picture[0, 0] = 0, 0, 40
    body = load_ego_mask(save(tmp_path, picture), (6, 4))
    assert body.dtype == np.uint8 and set(np.unique(body)) == {0, 255}
    assert np.flatnonzero(body).tolist() == [0] + list(range(18, 24))


def test_a_picture_of_another_size_is_scaled(tmp_path):
    picture = np.zeros((10, 10), np.uint8)
    picture[5:] = 255
    body = load_ego_mask(save(tmp_path, picture), (40, 20))
    assert body.shape == (20, 40)
    assert (body[:10] == 0).all() and (body[10:] == 255).all()


def test_a_polygon_in_shares_of_the_image_fits_every_size():
    for width, height in ((64, 48), (640, 480)):
        body = polygon_ego_mask([0.0, 0.5, 1.0, 0.5, 1.0, 1.0, 0.0, 1.0], (width, height))
        assert abs((body > 0).mean() - 0.5) < 0.02
        assert (body[-1] == 255).all() and (body[0] == 0).all()


@pytest.mark.parametrize('corners, words', [
    ([0.0, 0.0, 1.0, 1.0], 'incomplete'), ([0.0] * 7, 'incomplete'),
    ([0.0, 0.0, 640.0, 0.0, 640.0, 480.0], 'leaves the image'),
    ([0.0, 0.0, float('nan'), 0.0, 1.0, 1.0], 'leaves the image'),
    ([0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0], 'covers the whole image')])
def test_polygons_that_cannot_be_meant_are_refused(corners, words):
    with pytest.raises(ConfigurationError, match=words):
        polygon_ego_mask(corners, (64, 48))


def test_pictures_that_cannot_be_meant_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match='covers the whole image'):
        load_ego_mask(save(tmp_path, np.full((4, 4), 9, np.uint8)), (4, 4))
    with pytest.raises(ConfigurationError, match='cannot be read.*absent.png'):
        load_ego_mask(str(tmp_path / 'absent.png'), (4, 4))
    (tmp_path / 'text.png').write_text('no picture')
    with pytest.raises(ConfigurationError, match='cannot be read'):
        load_ego_mask(str(tmp_path / 'text.png'), (4, 4))


def test_a_parameter_names_a_polygon_or_a_picture(tmp_path):
    size = (20, 10)
    corners = [0.0, 0.5, 1.0, 0.5, 1.0, 1.0, 0.0, 1.0]
    assert np.array_equal(ego_mask_from('0 0.5  1 0.5 1 1 0 1.0', size),
                          polygon_ego_mask(corners, size))
    picture = np.zeros((10, 20), np.uint8)
    picture[7:] = 9
    path = save(tmp_path, picture)
    assert np.array_equal(ego_mask_from(path, size), load_ego_mask(path, size))
    with pytest.raises(ConfigurationError, match='cannot be read'):
        ego_mask_from('0 0.5 1 half', size)
    with pytest.raises(ConfigurationError, match='incomplete'):
        ego_mask_from('0 0.5 1', size)
