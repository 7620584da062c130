# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frames of a recording: every image once, labels joined, damage told."""

import os
import pickle

import numpy as np
from PIL import Image
import pytest

from segformer_ros.evaluation.sources import frames as reasons
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_source import BagSource
from segformer_ros.evaluation.sources.bag_source import LABEL_HOLD
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.frames import LeftOut
from segformer_ros.evaluation.sources.label_folder import LabelFolder
from support import bags

pytest.importorskip('rosbags')


def source_of(path, topic=bags.CAMERA, **options):
    bag, = find_bags(str(path))
    return BagSource('run', 'run', bag.parts[0], topic, **options)


def labels_of(number):
    return np.full((24, 32), number, np.uint8)


def test_every_image_comes_once_in_order_with_its_stamp(tmp_path):
    frames = list(source_of(bags.write_bag(tmp_path / 'run', 4)).frames())
    assert [frame.position for frame in frames] == [0, 1, 2, 3]
    assert [frame.name for frame in frames] == [
        f'1700000000.{number}00000000' for number in range(4)]
    for number, frame in enumerate(frames):
        assert np.array_equal(frame.image, bags.picture(number))
        assert frame.labels is None


def test_raw_padded_and_compressed_topics_give_the_same_pixels(tmp_path):
    with bags.BagWriter(tmp_path / 'run') as bag:
        bag.image(0)
        bag.image(0, bags.picture(0)[..., ::-1].copy(), '/bgr', 'bgr8', padding=5)
        bag.compressed(0, topic='/png')
    for topic in (bags.CAMERA, '/bgr', '/png'):
        frame, = source_of(tmp_path / 'run', topic).frames()
        assert np.array_equal(frame.image, bags.picture(0)), topic


def test_label_topic_is_joined_by_stamp(tmp_path):
    path = bags.write_bag(tmp_path / 'run', 5, labels=labels_of)
    frames = list(source_of(path, label_topic=bags.LABELS).frames())
    assert [frame.labels[0, 0] for frame in frames] == [0, 1, 2, 3, 4]


def test_labels_may_come_before_or_long_after_their_image(tmp_path):
    with bags.BagWriter(tmp_path / 'run') as bag:
        bag.image(0, labels_of(0), bags.LABELS, 'mono8', delay_ns=-10 ** 7)
        for number in range(20):
            bag.image(number)
        for number in range(1, 20):
            bag.image(20, labels_of(number), bags.LABELS, 'mono8', number, stamp_number=number)
    frames = list(source_of(tmp_path / 'run', label_topic=bags.LABELS).frames())
    assert [frame.labels[0, 0] for frame in frames] == list(range(20))


def test_image_whose_labels_never_come_is_left_out_and_the_rest_goes_on(tmp_path):
    missing = {2, LABEL_HOLD + 6}
    total = LABEL_HOLD + 9
    with bags.BagWriter(tmp_path / 'run') as bag:
        for number in range(total):
            bag.image(number)
            if number not in missing:
                bag.image(number, labels_of(number), bags.LABELS, 'mono8', delay_ns=10 ** 6)
    items = list(source_of(tmp_path / 'run', label_topic=bags.LABELS).frames())
    assert [item.position for item in items if isinstance(item, Frame)] == [
        number for number in range(total) if number not in missing]
    left_out = [item for item in items if isinstance(item, LeftOut)]
    assert [item.name for item in left_out] == [f'run #{n}' for n in sorted(missing)]
    assert {item.reason for item in left_out} == {reasons.NO_LABELS}


def test_padded_label_message_is_read_without_its_padding(tmp_path):
    labels = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32)
    with bags.BagWriter(tmp_path / 'run') as bag:
        bag.image(0)
        bag.image(0, labels, bags.LABELS, 'mono8', padding=3)
    frame, = source_of(tmp_path / 'run', label_topic=bags.LABELS).frames()
    assert np.array_equal(frame.labels, labels)


def test_label_message_of_another_encoding_is_told(tmp_path):
    with bags.BagWriter(tmp_path / 'run') as bag:
        bag.image(0)
        bag.image(0, topic=bags.LABELS, delay_ns=1)
    item, = source_of(tmp_path / 'run', label_topic=bags.LABELS).frames()
    assert item.reason == reasons.BAD_LABELS
    assert 'rgb8; expected sensor_msgs/msg/Image with encoding mono8' in item.message


def test_label_files_are_matched_from_the_first_position_on(tmp_path):
    (tmp_path / 'labels').mkdir()
    for number in range(7):
        Image.fromarray(labels_of(number)).save(
            str(tmp_path / 'labels' / f'{number:03d}.png'))
    path = bags.write_bag(tmp_path / 'run', 4)
    source = source_of(path, labels=LabelFolder(str(tmp_path / 'labels')), first_position=4)
    items = list(source.frames())
    assert [item.labels[0, 0] for item in items[:3]] == [4, 5, 6]
    assert items[3].reason == reasons.NO_LABELS


def test_broken_images_are_left_out_one_by_one(tmp_path):
    with bags.BagWriter(tmp_path / 'run') as bag:
        bag.image(0)
        bag.image(1, np.zeros((4, 4, 4), np.uint8), encoding='32FC1')
        bag.write_bytes(bags.CAMERA, b'\0\1\0\0\1', 2)
        bag.image(3)
    items = list(source_of(tmp_path / 'run').frames())
    assert [type(item) for item in items] == [Frame, LeftOut, LeftOut, Frame]
    assert items[1].reason == items[2].reason == reasons.BAD_IMAGE
    assert '32FC1' in items[1].message
    assert items[3].position == 3


def test_corrupt_jpeg_is_left_out(tmp_path):
    with bags.BagWriter(tmp_path / 'run') as bag:
        bag.compressed(0, topic='/jpeg', data=b'\xff\xd8\xff\xe0 nothing more')
        bag.compressed(1, topic='/jpeg')
    items = list(source_of(tmp_path / 'run', '/jpeg').frames())
    assert items[0].reason == reasons.BAD_IMAGE
    assert np.array_equal(items[1].image, bags.picture(1))


def test_cut_file_gives_its_sound_frames_and_counts_the_lost_ones(tmp_path):
    with bags.BagWriter(tmp_path / 'run') as bag:
        for number in range(12):
            bag.image(number, bags.picture(number, 240, 320))
    file = bags.storage_file(tmp_path / 'run')
    with open(file, 'rb+') as stream:
        stream.truncate(os.path.getsize(file) // 2)
    items = list(source_of(tmp_path / 'run', expected=12).frames())
    sound = [item for item in items if isinstance(item, Frame)]
    lost, = [item for item in items if isinstance(item, LeftOut)]
    assert 0 < len(sound) < 12
    assert (lost.reason, lost.frames) == (reasons.LOST, 12 - len(sound))
    assert 'is cut off' in lost.message


def test_images_that_the_metadata_promises_and_the_file_lacks_are_counted(tmp_path):
    items = list(source_of(bags.write_bag(tmp_path / 'run', 3), expected=5).frames())
    assert items[3] == LeftOut('run', reasons.LOST, '2 of 5 images are not in the file', 2)


def test_file_that_cannot_be_opened_is_one_lost_input(tmp_path):
    source = source_of(bags.write_bag(tmp_path / 'run', 3), expected=3)
    with open(source.part.path, 'wb') as stream:
        stream.write(b'rubbish')
    lost, = source.frames()
    assert (lost.reason, lost.frames) == (reasons.LOST, 3)


def test_source_can_be_pickled_and_read_twice(tmp_path):
    source = pickle.loads(pickle.dumps(source_of(bags.write_bag(tmp_path / 'run', 3))))
    for _ in range(2):
        assert len(list(source.frames())) == 3
