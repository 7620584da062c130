# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What of a recording is played, and that stored messages come as they are."""

import itertools
import threading

import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.replay.recording import find_recording
from segformer_ros.evaluation.replay.recording import ReadAhead
from segformer_ros.evaluation.replay.recording import Stored
from segformer_ros.evaluation.replay.recording import stored_messages
from segformer_ros.evaluation.sources.bag_files import find_bags
from support import bags

pytest.importorskip('rosbags')


def write(path, topics=(bags.CAMERA, '/segformer/mask', bags.LABELS), storage='mcap'):
    with bags.BagWriter(path, storage) as bag:
        for topic in topics:
            for number in range(3):
                if topic.endswith('/compressed'):
                    bag.compressed(number, topic=topic)
                else:
                    bag.image(number, topic=topic, encoding='rgb8'
                              if topic.endswith('image_raw') else '8UC3')
        if storage != 'ros1':
            bag.write('/tf_static', bag.make('tf2_msgs/TFMessage', transforms=[]), 0)
    return str(path)


def test_camera_and_transforms_are_played_and_nothing_else(tmp_path):
    recording = find_recording(write(tmp_path / 'bag'), bags.CAMERA)
    assert recording.topic == recording.image_base == bags.CAMERA
    assert recording.topics == (bags.CAMERA, '/tf_static')
    assert (recording.images, recording.is_compressed) == (3, False)
    assert recording.camera_info == '/camera/camera_info'
    assert recording.path == str(tmp_path / 'bag')
    assert find_recording(bags.storage_file(tmp_path / 'bag'), bags.CAMERA).path == \
        bags.storage_file(tmp_path / 'bag')


def test_compressed_camera_is_named_as_image_transport_does(tmp_path):
    recording = find_recording(write(tmp_path / 'bag', [bags.CAMERA + '/compressed']))
    assert recording.is_compressed
    assert recording.image_base == bags.CAMERA
    odd = write(tmp_path / 'odd', ['/jpeg/compressed'])
    assert find_recording(odd).image_base == '/jpeg'
    with bags.BagWriter(tmp_path / 'unusual') as bag:
        bag.compressed(0, topic='/jpeg')
    with pytest.raises(ConfigurationError, match=r'unusual name: got /jpeg; expected.*compressed'):
        find_recording(str(tmp_path / 'unusual'))


def test_images_of_all_files_are_counted(tmp_path):
    recording = find_recording(bags.split_bag(tmp_path / 'split', 3, 2))
    assert recording.images == 6
    assert len(recording.parts) == 3


def test_what_cannot_be_played_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match='Several cameras'):
        find_recording(write(tmp_path / 'two', ['/left/image_raw', '/right/image_raw']), '/*')
    with pytest.raises(ConfigurationError, match='ROS 1.*rosbags-convert'):
        find_recording(write(tmp_path / 'old.bag', [bags.CAMERA], 'ros1'))
    bags.write_bag(tmp_path / 'many' / 'a', 1)
    bags.write_bag(tmp_path / 'many' / 'b', 1)
    with pytest.raises(ConfigurationError, match='Not one recording: got 2 in'):
        find_recording(str(tmp_path / 'many'))
    with pytest.raises(ConfigurationError, match='No image topic of that name'):
        find_recording(str(tmp_path / 'two'), '/front')


def test_stored_messages_of_all_files_come_in_time_and_byte_for_byte(tmp_path):
    from rosbags import rosbag2
    path = bags.split_bag(tmp_path / 'split', 2, 2)
    bag, = find_bags(path)
    found = list(stored_messages(bag.parts, [bags.CAMERA]))
    assert [entry.time_ns for entry in found] == sorted(entry.time_ns for entry in found)
    with rosbag2.Reader(path) as reader:
        expected = [(connection.topic, connection.msgtype, time_ns, bytes(data))
                    for connection, time_ns, data in reader.messages()]
    assert [tuple(entry) for entry in found] == expected
    assert list(stored_messages(bag.parts, ['/none'])) == []
    assert len(list(stored_messages(bag.parts, []))) == 4


def stored(number):
    return Stored('/topic', 'std_msgs/msg/Empty', number, b'')


def test_reading_ahead_gives_everything_in_order_and_then_the_error():
    def items():
        for number in range(50):
            yield stored(number)
        raise InvalidInputError('Bag file is damaged')

    ahead = ReadAhead(items(), 3)
    seen = []
    with pytest.raises(InvalidInputError, match='damaged'):
        for item in ahead:
            seen.append(item.time_ns)
    ahead.close()
    assert seen == list(range(50))


def test_reading_ahead_is_bounded_and_ends_when_closed():
    taken = []

    def items():
        for number in itertools.count():
            taken.append(number)
            yield stored(number)

    before = threading.active_count()
    ahead = ReadAhead(items(), 3)
    iterator = iter(ahead)
    assert next(iterator).time_ns == 0
    ahead.close()
    ahead.close()
    assert threading.active_count() == before
    # One was taken out, three wait, one is in the hand of the reader.
    assert len(taken) <= 5
