# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Data sets in their published layouts and in one's own."""

import cv2
import numpy as np
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.sources import frames as reasons
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.photos import find_photos
from segformer_ros.evaluation.sources.photos import SLICE
from segformer_ros.evaluation.sources.photos import sources_of_photos

PHOTO = np.full((6, 8, 3), 100, np.uint8)
LABEL = np.full((6, 8), 7, np.uint8)


def save(root, *names):
    for name in names:
        path = root.joinpath(*name.split('/'))
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
        is_label = any(part in name for part in ('annotations', 'labels', 'labelIds', 'masks'))
        cv2.imwrite(str(path), LABEL if is_label else PHOTO)


def pairs(photos, root):
    return [(photo.name, photo.label_path and photo.label_path[len(str(root)) + 1:])
            for photo in photos]


def test_ade20k_layout(tmp_path):
    save(tmp_path, 'images/validation/a.jpg', 'images/validation/b.jpg', 'images/training/c.jpg',
         'annotations/validation/a.png', 'annotations/validation/b.png')
    assert pairs(find_photos(str(tmp_path), 'validation'), tmp_path) == [
        ('a.jpg', 'annotations/validation/a.png'), ('b.jpg', 'annotations/validation/b.png')]


def test_cityscapes_layout(tmp_path):
    save(tmp_path, 'leftImg8bit/val/ulm/u_1_leftImg8bit.png',
         'gtFine/val/ulm/u_1_gtFine_color.png', 'gtFine/val/ulm/u_1_gtFine_labelIds.png')
    assert pairs(find_photos(str(tmp_path), 'val'), tmp_path) == [
        ('ulm/u_1_leftImg8bit.png', 'gtFine/val/ulm/u_1_gtFine_labelIds.png')]


def test_images_beside_labels(tmp_path):
    save(tmp_path, 'images/a.jpg', 'images/b.png', 'labels/b.png')
    assert pairs(find_photos(str(tmp_path), 'validation'), tmp_path) == [
        ('a.jpg', None), ('b.png', 'labels/b.png')]


def test_photo_and_label_in_one_folder(tmp_path):
    save(tmp_path, 'a.jpg', 'b.JPG', 'only_a_photo.png')
    cv2.imwrite(str(tmp_path / 'a.png'), LABEL)
    assert pairs(find_photos(str(tmp_path), 'validation'), tmp_path) == [
        ('a.jpg', 'a.png'), ('b.JPG', None), ('only_a_photo.png', None)]


def test_labels_from_another_folder(tmp_path):
    save(tmp_path, 'photos/a.jpg', 'labels/a.png')
    photos = find_photos(str(tmp_path / 'photos'), 'validation', str(tmp_path / 'labels'))
    assert pairs(photos, tmp_path) == [('a.jpg', 'labels/a.png')]
    with pytest.raises(ConfigurationError, match='Label folder not found'):
        find_photos(str(tmp_path / 'photos'), 'validation', str(tmp_path / 'nothing'))


def test_unusable_photos_and_labels_are_left_out_one_by_one(tmp_path):
    save(tmp_path, 'images/a.jpg', 'images/b.jpg', 'images/c.jpg', 'images/d.jpg',
         'labels/a.png', 'labels/b.png', 'labels/d.png')
    (tmp_path / 'images' / 'a.jpg').write_bytes(b'\xff\xd8 no more')
    (tmp_path / 'labels' / 'b.png').write_bytes(b'rubbish')
    source, = sources_of_photos('set', find_photos(str(tmp_path), ''), True)
    items = list(source.frames())
    assert [getattr(item, 'reason', 'fine') for item in items] == [
        reasons.BAD_IMAGE, reasons.BAD_LABELS, reasons.NO_LABELS, 'fine']
    frame = items[3]
    assert isinstance(frame, Frame)
    assert (frame.position, frame.name, frame.stamp_ns) == (3, 'd.jpg', None)
    assert np.array_equal(frame.labels, LABEL)
    assert abs(frame.image.astype(int) - PHOTO).max() <= 2


def test_labels_are_not_read_where_nobody_wants_them(tmp_path):
    save(tmp_path, 'images/a.jpg', 'labels/a.png')
    source, = sources_of_photos('set', find_photos(str(tmp_path), ''), False)
    frame, = source.frames()
    assert frame.labels is None
    assert not source.consecutive


def test_large_set_is_cut_into_slices_of_fixed_size(tmp_path):
    photos = find_photos(str(tmp_path), '') + [None] * (2 * SLICE + 3)
    sources = sources_of_photos('set', photos, True)
    assert [source.name for source in sources] == [
        'set[0:250]', 'set[250:500]', 'set[500:503]']
    assert [source.expected_frames() for source in sources] == [250, 250, 3]


def test_depth_pngs_beside_photos_are_no_photos(tmp_path):
    save(tmp_path, 'images/a.jpg', 'images/b.png', 'labels/a.png', 'plain/c.jpg')
    depth = np.full((6, 8), 1500, np.uint16)
    for name in ('images/a_depth.png', 'images/a.png', 'plain/c_depth.png'):
        cv2.imwrite(str(tmp_path / name), depth)
    assert pairs(find_photos(str(tmp_path), ''), tmp_path) == [
        ('a.jpg', 'labels/a.png'), ('b.png', None)]
    assert pairs(find_photos(str(tmp_path / 'plain'), ''), tmp_path) == [('c.jpg', None)]


def test_labels_of_16_bits_beside_their_photos_stay_labels(tmp_path):
    save(tmp_path, 'a.jpg')
    cv2.imwrite(str(tmp_path / 'a.png'), LABEL.astype(np.uint16))
    assert pairs(find_photos(str(tmp_path), ''), tmp_path) == [('a.jpg', 'a.png')]


def test_a_single_photo_is_a_data_set_of_one(tmp_path):
    save(tmp_path, 'a.jpg', 'labels/a.png', 'b.jpg', 'c.png')
    one = str(tmp_path / 'a.jpg')
    assert pairs(find_photos(one, ''), tmp_path) == [('a.jpg', None)]
    assert pairs(find_photos(one, '', str(tmp_path / 'labels')), tmp_path) == [
        ('a.jpg', 'labels/a.png')]
    assert pairs(find_photos(str(tmp_path / 'c.png'), ''), tmp_path) == [('c.png', None)]
    (tmp_path / 'x.txt').write_text('')
    assert find_photos(str(tmp_path / 'x.txt'), '') == []


def test_labels_inside_the_data_set_belong_to_the_photos_beside_them(tmp_path):
    save(tmp_path, 'images/a.jpg', 'images/b.png', 'labels/a.png', 'labels/b.png')
    assert pairs(find_photos(str(tmp_path), 'validation', str(tmp_path / 'labels')), tmp_path) == [
        ('a.jpg', 'labels/a.png'), ('b.png', 'labels/b.png')]
    # Labels from elsewhere may be sorted as the photos are.
    save(tmp_path / 'other', 'images/a.png')
    assert pairs(find_photos(str(tmp_path / 'images'), 'validation', str(
        tmp_path / 'other' / 'images')), tmp_path) == [
            ('a.jpg', 'other/images/a.png'), ('b.png', None)]
    save(tmp_path / 'set', 'images/c.jpg')
    save(tmp_path / 'other', 'images/c.png')
    assert pairs(find_photos(str(tmp_path / 'set'), 'validation', str(tmp_path / 'other')),
                 tmp_path) == [('images/c.jpg', 'other/images/c.png')]


def test_labels_of_a_single_photo_may_be_a_file(tmp_path):
    save(tmp_path, 'a.jpg', 'elsewhere/labels.png')
    label = str(tmp_path / 'elsewhere' / 'labels.png')
    assert pairs(find_photos(str(tmp_path / 'a.jpg'), 'validation', label), tmp_path) == [
        ('a.jpg', 'elsewhere/labels.png')]
    with pytest.raises(ConfigurationError, match='Labels not found'):
        find_photos(str(tmp_path / 'a.jpg'), 'validation', label + '.png')


def test_what_is_wrong_with_a_photo_is_told_without_advice_for_cameras(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'\xff\xd8\xff')
    source, = sources_of_photos('set', find_photos(str(tmp_path), 'validation'), False)
    left_out, = source.frames()
    assert 'truncated' in left_out.message and 'camera' not in left_out.message


def test_depth_images_beside_photos_are_told_by_their_names_or_bits(tmp_path):
    save(tmp_path, 'f0.jpg', 'f1.png', 'sub/f2.jpg', 'depth_map.jpg', 'depth_lonely.png',
         'indepth_f0.png', 'rgb_f0.png')
    for name in ('depth_f0', 'f0_depth', 'f0-Disp', 'disparity_f1', 'sub/depth_f2'):
        cv2.imwrite(str(tmp_path / f'{name}.png'), LABEL)
    cv2.imwrite(str(tmp_path / 'f0_raw.png'), np.full((6, 8), 900, np.uint16))
    notes = []
    photos = find_photos(str(tmp_path), 'validation', notes=notes)
    # A name alone makes no depth image: what has no photo beside it is one itself.
    assert [photo.name for photo in photos] == [
        'depth_lonely.png', 'depth_map.jpg', 'f0.jpg', 'f1.png', 'indepth_f0.png', 'rgb_f0.png',
        'sub/f2.jpg']
    assert not any(photo.label_path for photo in photos)
    note, = notes
    assert note.startswith('6 PNG files are left out as depth images')
    assert note.endswith('the first: depth_f0.png')


def test_labels_of_photos_are_no_depth_images_whatever_they_are_called(tmp_path):
    save(tmp_path, 'images/f0.png', 'images/depth_f0.png', 'labels/f0.png')
    notes = []
    assert pairs(find_photos(str(tmp_path), 'validation', notes=notes), tmp_path) == [
        ('f0.png', 'labels/f0.png')]
    assert len(notes) == 1
