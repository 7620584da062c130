# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Label files are found by stamp or order, and only usable ones are read."""

import os

import numpy as np
from PIL import Image
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.sources.label_folder import LabelFolder
from segformer_ros.evaluation.sources.label_folder import read_labels
from segformer_ros.evaluation.sources.label_folder import stamp_of_name


def folder_of(tmp_path, *names):
    for name in names:
        Image.fromarray(np.zeros((2, 3), np.uint8)).save(str(tmp_path / name))
    return str(tmp_path)


def found(labels, position, stamp_ns):
    path = labels.find(position, stamp_ns)
    return path and os.path.basename(path)


@pytest.mark.parametrize('name, stamp_ns', [
    ('1700000003.000000000.png', 1700000003 * 10 ** 9),
    ('1700000003.5.png', 1700000003500000000),
    ('1700000003_000000005.png', 1700000003000000005),
    ('1700000003-25.png', 1700000003250000000),
    ('1700000003000000005.png', 1700000003000000005),
    ('0001TP_008550.png', None),
    ('000012.png', None),
])
def test_stamp_is_read_from_the_usual_file_names(name, stamp_ns):
    assert stamp_of_name(name) == stamp_ns


def test_files_named_by_stamps_are_matched_by_the_nearest_within_a_millisecond(tmp_path):
    labels = LabelFolder(folder_of(tmp_path, '10.000001.png', '10.1.png', '9.0.png'))
    assert labels.match == 'stamp'
    assert found(labels, 0, 10 * 10 ** 9) == '10.000001.png'
    assert found(labels, 0, 10 * 10 ** 9 + 10 ** 8 - 900000) == '10.1.png'
    assert found(labels, 0, 10 * 10 ** 9 + 2 * 10 ** 6) is None
    assert found(labels, 0, 10 ** 12) is None
    assert found(labels, 0, None) is None


@pytest.mark.parametrize('away, is_found', [
    (0, True), (10 ** 6, True), (-10 ** 6, True), (10 ** 6 + 1, False), (-10 ** 6 - 1, False)])
def test_label_a_whole_millisecond_away_belongs_to_the_image_and_none_beyond(
        tmp_path, away, is_found):
    labels = LabelFolder(folder_of(tmp_path, '10.5.png'))
    assert found(labels, 0, 10500000000 + away) == ('10.5.png' if is_found else None)


def test_other_files_are_matched_by_their_sorted_order(tmp_path):
    labels = LabelFolder(folder_of(tmp_path, 'b.png', 'a.png'))
    assert labels.match == 'order'
    assert [found(labels, position, 0) for position in range(3)] == ['a.png', 'b.png', None]


def test_list_file_gives_the_order(tmp_path):
    folder = folder_of(tmp_path, 'a.png', 'b.png')
    (tmp_path / 'order.txt').write_text('b.png\n\na.png\n')
    labels = LabelFolder(folder, list_file=str(tmp_path / 'order.txt'))
    assert [found(labels, position, 0) for position in range(2)] == ['b.png', 'a.png']


def test_file_listed_twice_is_an_error(tmp_path):
    folder = folder_of(tmp_path, 'a.png')
    (tmp_path / 'order.txt').write_text('a.png\na.png\n')
    with pytest.raises(ConfigurationError, match='lines 1 and 2'):
        LabelFolder(folder, list_file=str(tmp_path / 'order.txt'))


def test_stamp_match_needs_stamps(tmp_path):
    with pytest.raises(ConfigurationError, match=r'not named by a stamp.*a\.png'):
        LabelFolder(folder_of(tmp_path, 'a.png'), 'stamp')


@pytest.mark.parametrize('folder, message', [
    ('missing', 'Label folder cannot be read'), ('.', 'No labels in folder')])
def test_folder_without_labels_is_an_error(tmp_path, folder, message):
    with pytest.raises(ConfigurationError, match=message):
        LabelFolder(str(tmp_path / folder))


def saved(tmp_path, image):
    path = str(tmp_path / 'labels.png')
    image.save(path)
    return path


VALUES = np.array([[0, 7], [255, 1]], np.uint8)


def test_grey_palette_and_16_bit_files_give_their_values(tmp_path):
    palette = Image.fromarray(VALUES, 'P')
    palette.putpalette(list(range(256)) * 3)
    wide = Image.fromarray(VALUES.astype(np.uint16))
    grey_in_colour = Image.fromarray(np.repeat(VALUES[..., None], 3, axis=2))
    for image in (Image.fromarray(VALUES), palette, wide, grey_in_colour):
        labels = read_labels(saved(tmp_path, image))
        assert labels.dtype == np.uint8
        assert np.array_equal(labels, VALUES)


@pytest.mark.parametrize('alpha', [0, 128, 255])
def test_alpha_of_a_picture_that_is_grey_throughout_does_not_matter(tmp_path, alpha):
    picture = np.repeat(VALUES[..., None], 4, axis=2)
    picture[..., 3] = alpha
    assert np.array_equal(read_labels(saved(tmp_path, Image.fromarray(picture))), VALUES)
    grey = Image.fromarray(np.ascontiguousarray(picture[..., 2:]), 'LA')
    assert np.array_equal(read_labels(saved(tmp_path, grey)), VALUES)


def test_coloured_file_is_refused(tmp_path):
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 0] = (255, 0, 0)
    with pytest.raises(InvalidInputError, match='coloured picture'):
        read_labels(saved(tmp_path, Image.fromarray(picture)))


def test_values_above_255_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match=r'0\.\.300'):
        read_labels(saved(tmp_path, Image.fromarray(np.array([[0, 300]], np.uint16))))


def test_damaged_and_missing_files_are_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.random.RandomState(0).randint(
        0, 255, (50, 50)).astype(np.uint8)))
    with open(path, 'rb+') as stream:
        stream.truncate(300)
    for bad in (path, str(tmp_path / 'missing.png')):
        with pytest.raises(InvalidInputError, match='cannot be read'):
            read_labels(bad)
