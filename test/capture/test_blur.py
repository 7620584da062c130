# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""People and cars are taken out of pictures as far as the mask shows them."""

import numpy as np
import pytest
from segformer_ros.capture.blur import blur
from segformer_ros.capture.blur import blurred_classes
from segformer_ros.capture.frame import NetworkIdentity
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.classes import load_grouping


def network(table, groups=None):
    classes = load_class_table(table)
    return NetworkIdentity('net', '/nowhere', classes,
                           None if groups is None else load_grouping(groups, classes))


@pytest.mark.parametrize('table, wanted, names', [
    ('ade20k', ['person'], ['person']),
    ('ade20k', ['person', 'car'], ['person', 'car', 'bus', 'truck', 'van', 'minibike']),
    ('cityscapes', ['person'], ['person', 'rider']),
    ('cityscapes', ['car'], ['car', 'truck', 'bus', 'motorcycle']),
    ('camvid', ['car', 'person'], ['car', 'pedestrian', 'bicyclist']),
    ('ade20k', ['painting'], ['painting'])])
def test_words_mean_what_has_a_face_or_a_plate_in_every_table(table, wanted, names):
    found = blurred_classes(wanted, network(table))
    assert sorted(found.names) == sorted(names)
    classes = load_class_table(table)
    assert [classes.names[each] for each in found.ids] == list(found.names)


def test_groups_of_the_costmap_can_be_named():
    found = blurred_classes(['moving'], network('ade20k', 'indoor'))
    assert {'person', 'animal', 'bicycle', 'truck'} <= set(found.names)
    assert 'wall' not in found.names


@pytest.mark.parametrize('wanted', [['perso'], ['person', ''], ['moving']])
def test_what_the_network_cannot_see_is_refused(wanted):
    with pytest.raises(ConfigurationError, match='Nothing to blur by this name'):
        blurred_classes(wanted, network('ade20k'))


@pytest.fixture
def person():
    """Return a picture of noise, a mask with a person, and where that person is."""
    image = np.random.RandomState(3).randint(0, 255, (240, 320, 3)).astype(np.uint8)
    mask = np.zeros((240, 320), np.uint8)
    mask[60:200, 100:160] = 12
    return image, mask, mask == 12


def test_detail_is_gone_in_the_region_and_everything_far_from_it_is_untouched(person):
    image, mask, region = person
    before = image.copy()
    found = blur(image, mask, blurred_classes(['person'], network('ade20k')))
    assert (image == before).all()
    # Few values are left: 140 x 60 pixels become some blocks with a margin.
    assert len(np.unique(found[region].reshape(-1, 3), axis=0)) <= 20
    assert len(np.unique(image[region].reshape(-1, 3), axis=0)) > 5000
    # No block follows the picture below its own size.
    assert np.abs(np.diff(found[70:80, 110].astype(int), axis=0)).sum() == 0
    far = np.ones(mask.shape, bool)
    far[40:220, 80:180] = False
    assert (found[far] == image[far]).all()


def test_region_is_widened_by_a_margin(person):
    image, mask, region = person
    found = blur(image, mask, blurred_classes(['person'], network('ade20k')))
    changed = (found != image).any(axis=2)
    assert changed[56:60, 100:160].mean() > 0.9
    assert changed[60:200, 96:100].mean() > 0.9


def test_picture_without_such_a_class_is_the_same_object(person):
    image, mask, _ = person
    assert blur(image, mask, blurred_classes(['car'], network('ade20k'))) is image


def test_close_up_of_a_face_shows_colours_alone():
    image = np.random.RandomState(3).randint(0, 255, (480, 640, 3)).astype(np.uint8)
    mask = np.full((480, 640), 12, np.uint8)
    found = blur(image, mask, blurred_classes(['person'], network('ade20k')))
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= 5 * 4
