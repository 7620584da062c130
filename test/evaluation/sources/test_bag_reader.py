# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One file of a recording: every storage, every compression, and damage."""

import os
import subprocess
import sys

import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.sources.bag_files import BagPart
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_reader import BagPartReader
from segformer_ros.evaluation.sources.bag_reader import IMAGE
from support import bags

pytest.importorskip('rosbags')

STORAGES = [('mcap', ''), ('mcap', 'storage'), ('mcap', 'message'), ('mcap', 'file'),
            ('sqlite3', ''), ('sqlite3', 'message'), ('sqlite3', 'file'), ('ros1', '')]


def part_of(path):
    bag, = find_bags(str(path))
    part, = bag.parts
    return part


def stamps(part):
    with BagPartReader(part) as reader:
        return [reader.deserialize(data, IMAGE).header.stamp.nanosec // 10 ** 8
                for _, _, data in reader.messages([bags.CAMERA])]


@pytest.mark.parametrize('storage, compression', STORAGES)
def test_every_storage_gives_the_same_messages(tmp_path, storage, compression):
    path = tmp_path / ('run.bag' if storage == 'ros1' else 'run')
    bags.write_bag(path, 4, storage, compression)
    part = part_of(path)
    with BagPartReader(part) as reader:
        assert reader.problem is None
        topic, = reader.topics()
        assert topic == (bags.CAMERA, IMAGE, 4)
        for number, (connection, time_ns, data) in enumerate(reader.messages()):
            message = reader.deserialize(data, connection.msgtype)
            assert time_ns == bags.START_S * 10 ** 9 + number * 10 ** 8
            assert (message.data == bags.picture(number).reshape(-1)).all()
    assert number == 3


def test_file_compression_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path / 'temporary'))
    (tmp_path / 'temporary').mkdir()
    monkeypatch.setattr('tempfile.tempdir', None)
    bags.write_bag(tmp_path / 'run', 2, 'sqlite3', 'file')
    with BagPartReader(part_of(tmp_path / 'run')) as reader:
        assert os.listdir(str(tmp_path / 'temporary'))
        assert len(list(reader.messages())) == 2
    assert os.listdir(str(tmp_path / 'temporary')) == []


def test_cut_mcap_gives_the_messages_before_the_cut(tmp_path):
    # Chunks end after 1 MiB: five of these pictures each.
    with bags.BagWriter(tmp_path / 'run', 'mcap') as bag:
        for number in range(10):
            bag.image(number, bags.picture(number, 240, 320))
    part = part_of(tmp_path / 'run')
    whole = stamps(part)
    with open(part.path, 'rb+') as stream:
        stream.truncate(os.path.getsize(part.path) * 7 // 10)
    with BagPartReader(part) as reader:
        assert 'is cut off' in reader.problem
    found = stamps(part)
    assert 0 < len(found) < 10
    assert found == whole[:len(found)]


@pytest.mark.parametrize('storage, remedy', [
    ('mcap', 'mcap recover'), ('sqlite3', 'ros2 bag reindex'), ('ros1', 'rosbag reindex')])
def test_file_of_rubbish_is_refused_with_a_remedy(tmp_path, storage, remedy):
    path = tmp_path / 'rubbish'
    path.write_bytes(b'rubbish' * 100)
    with pytest.raises(InvalidInputError, match=remedy):
        with BagPartReader(BagPart(str(path), storage)):
            pytest.fail('opened')


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_damage_in_the_middle_ends_the_reading_with_an_error(tmp_path, storage):
    with bags.BagWriter(tmp_path / 'run', storage) as bag:
        for number in range(12):
            bag.image(number, bags.picture(number, 240, 320))
    part = part_of(tmp_path / 'run')
    size = os.path.getsize(part.path)
    with open(part.path, 'rb+') as stream:
        stream.seek(size // 2)
        stream.write(b'\xff' * (size // 4))
    read = 0
    with pytest.raises(InvalidInputError, match=r'damaged|cannot be read'):
        with BagPartReader(part) as reader:
            for _, _, data in reader.messages():
                reader.deserialize(data, IMAGE)
                read += 1
    assert read < 12


def test_message_of_cut_bytes_is_an_error_of_its_own(tmp_path):
    with bags.BagWriter(tmp_path / 'run') as bag:
        bag.image(0)
        bag.write_bytes(bags.CAMERA, b'\0\1\0\0\1\2\3', 1)
    with BagPartReader(part_of(tmp_path / 'run')) as reader:
        data = [data for _, _, data in reader.messages()]
        assert reader.deserialize(data[0], IMAGE).width == 32
        with pytest.raises(InvalidInputError, match='got 7 bytes'):
            reader.deserialize(data[1], IMAGE)


def test_missing_library_is_told_with_the_way_to_get_it(tmp_path):
    path = bags.write_bag(tmp_path / 'run', 1)
    program = f'''
import sys
sys.modules['rosbags'] = None
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_reader import BagPartReader
try:
    with BagPartReader(find_bags({path!r})[0].parts[0]):
        pass
except ConfigurationError as error:
    print(error)
'''
    done = subprocess.run([sys.executable, '-c', program], stdout=subprocess.PIPE,
                          universal_newlines=True, check=True)
    assert 'pip install rosbags' in done.stdout
