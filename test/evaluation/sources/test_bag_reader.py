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


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'ros1'])
def test_file_of_rubbish_is_refused_as_no_recording(tmp_path, storage):
    path = tmp_path / 'rubbish'
    path.write_bytes(b'rubbish' * 100)
    with pytest.raises(InvalidInputError, match=f'is not a recording of {storage}'):
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
    assert f'{sys.executable} -m pip install rosbags tqdm Jinja2' in done.stdout


@pytest.mark.parametrize('name, topic, images', [
    ('type_name_without_msg.db3', '/image', 1),
    ('type_name_without_msg_zstd.mcap', '/camera/image_raw', 2)])
def test_type_names_without_msg_are_read_as_those_with_it(shared, name, topic, images):
    with BagPartReader(part_of(shared('real/' + name))) as reader:
        found = {each.name: each.type_name for each in reader.topics()}
        assert found[topic] == IMAGE
        assert all('/msg/' in each.msgtype for each in reader.connections())
        messages = [reader.deserialize(data, connection.msgtype)
                    for connection, _, data in reader.messages([topic])]
    assert len(messages) == images
    assert all(message.width > 0 and message.data.size > 0 for message in messages)


@pytest.mark.parametrize('name, content, storage, remedy', [
    ('a.mcap', None, 'mcap', 'The file is missing'), ('a.db3', None, 'sqlite3', 'is missing'),
    ('a.bag', b'', 'ros1', 'The file is empty'),
    ('a.mcap', b'{}', 'mcap', 'is not a recording of mcap'),
    ('a.bag', b'{"a": 1}', 'ros1', 'is not a recording of ros1'),
    ('a.db3', b'{"a": 1, "long": "enough"}', 'sqlite3', 'is not a recording of sqlite3'),
    ('a.bag', b'#ROSBAG V2.0\nrubbish', 'ros1', 'rosbag reindex')])
def test_advice_is_for_what_is_wrong(tmp_path, name, content, storage, remedy):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=remedy) as caught:
        with BagPartReader(BagPart(str(path), storage)):
            pass
    assert '..' not in str(caught.value).replace('0..', '')
    assert str(caught.value).count('got ') == 1
    if 'reindex' not in remedy:
        assert 'Try' not in str(caught.value)
