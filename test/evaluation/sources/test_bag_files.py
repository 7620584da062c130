# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recordings are found in every form in which they lie on disks."""

import os

import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.sources.bag_files import find_bags

METADATA = """
rosbag2_bagfile_information:
  relative_file_paths: [{}]
  topics_with_message_count:
    - topic_metadata: {{name: /camera, type: sensor_msgs/msg/Image}}
      message_count: 42
"""


def touch(folder, *names):
    for name in names:
        path = folder.joinpath(*name.split('/'))
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
        path.write_bytes(b'')


def files_of(bag):
    return [os.path.basename(part.path) for part in bag.parts]


def test_metadata_names_the_files_and_the_messages(tmp_path):
    touch(tmp_path, 'run/b.mcap', 'run/a.mcap')
    (tmp_path / 'run' / 'metadata.yaml').write_text(METADATA.format('old_name/b.mcap, a.mcap'))
    bag, = find_bags(str(tmp_path / 'run'))
    assert (bag.name, files_of(bag)) == ('run', ['b.mcap', 'a.mcap'])
    assert bag.expected == {'/camera': 42}
    assert bag.notes == ()


def test_missing_metadata_is_noted_and_files_come_in_the_order_of_their_numbers(tmp_path):
    touch(tmp_path, 'run/run_10.db3', 'run/run_2.db3', 'run/notes.txt')
    bag, = find_bags(str(tmp_path / 'run'))
    assert files_of(bag) == ['run_2.db3', 'run_10.db3']
    assert [part.storage for part in bag.parts] == ['sqlite3', 'sqlite3']
    assert bag.expected == {}
    assert 'metadata.yaml is missing' in bag.notes[0]


@pytest.mark.parametrize('text', ['}{', 'other: 1', '', '[]'])
def test_unusable_metadata_is_noted_and_files_are_read_without_it(tmp_path, text):
    touch(tmp_path, 'run/run_0.mcap')
    (tmp_path / 'run' / 'metadata.yaml').write_text(text)
    bag, = find_bags(str(tmp_path / 'run'))
    assert files_of(bag) == ['run_0.mcap']
    assert 'cannot be used' in bag.notes[0]


def test_single_file_is_a_bag(tmp_path):
    touch(tmp_path, 'one.mcap', 'two.db3.zstd', 'three.bag')
    names = {}
    for name in ('one.mcap', 'two.db3.zstd', 'three.bag'):
        bag, = find_bags(str(tmp_path / name))
        names[bag.name] = (bag.parts[0].storage, bag.parts[0].is_compressed)
    assert names == {'one': ('mcap', False), 'two': ('sqlite3', True), 'three': ('ros1', False)}


def test_folder_of_bags_gives_them_all_by_name(tmp_path):
    touch(tmp_path, 'runs/b/b_0.mcap', 'runs/a/deep/x.db3', 'runs/old/1.bag', 'runs/old/2.bag',
          'runs/empty/readme.txt')
    names = [bag.name for bag in find_bags(str(tmp_path / 'runs'))]
    assert names == ['runs/a/deep', 'runs/b', 'runs/old/1', 'runs/old/2']


def test_folder_without_bags_gives_none(tmp_path):
    touch(tmp_path, 'photos/a.jpg')
    assert find_bags(str(tmp_path / 'photos')) == []


def test_missing_path_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match='Input not found'):
        find_bags(str(tmp_path / 'nothing'))
