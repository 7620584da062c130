# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Paths become sources; what cannot be used is told and does not stop the rest."""

import os
import shutil

import numpy as np
from PIL import Image
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.sources import frames as reasons
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.inputs import find_inputs
from segformer_ros.evaluation.sources.inputs import InputOptions
from support import bags

pytest.importorskip('rosbags')


def label_files(folder, count):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(np.full((24, 32), number, np.uint8)).save(
            str(folder / f'{number:03d}.png'))
    return str(folder)


def label_numbers(inputs):
    return [int(item.labels[0, 0]) for source in inputs.sources for item in source.frames()
            if isinstance(item, Frame)]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_split_bag_counts_its_images_through(tmp_path, storage):
    path = bags.split_bag(tmp_path / 'run', 3, 4, storage)
    labels = label_files(tmp_path / 'labels', 12)
    inputs = find_inputs([path], InputOptions(labels=labels))
    assert len(inputs.sources) == 3
    assert label_numbers(inputs) == list(range(12))
    assert inputs.left_out == []
    assert inputs.notes == []


def test_damaged_part_of_a_split_bag_does_not_shift_the_labels(tmp_path):
    path = bags.split_bag(tmp_path / 'run', 3, 4)
    os.remove(os.path.join(path, 'run_1.mcap'))
    labels = label_files(tmp_path / 'labels', 12)
    inputs = find_inputs([path], InputOptions(labels=labels))
    assert label_numbers(inputs) == [0, 1, 2, 3]
    assert [entry.name for entry in inputs.left_out] == ['run/run_1.mcap', 'run/run_2.mcap']
    assert 'match by stamp instead' in inputs.left_out[1].message


def test_without_labels_by_order_the_rest_of_a_damaged_bag_is_read(tmp_path):
    path = bags.split_bag(tmp_path / 'run', 3, 4)
    os.remove(os.path.join(path, 'run_1.mcap'))
    inputs = find_inputs([path], InputOptions())
    assert [source.name for source in inputs.sources] == ['run/run_0.mcap', 'run/run_2.mcap']
    assert inputs.left_out[0].reason == reasons.NOT_READ


def test_other_number_of_labels_than_images_is_noted(tmp_path):
    path = bags.write_bag(tmp_path / 'run', 5)
    inputs = find_inputs([path], InputOptions(labels=label_files(tmp_path / 'labels', 3)))
    assert '5 images of /camera/image_raw, 3 labels' in inputs.notes[0]


def test_bag_without_the_wanted_topic_does_not_stop_the_others(tmp_path):
    bags.write_bag(tmp_path / 'runs' / 'good', 2)
    with bags.BagWriter(tmp_path / 'runs' / 'other') as bag:
        bag.image(0, topic='/another/camera')
    inputs = find_inputs([str(tmp_path / 'runs')], InputOptions(topics=(bags.CAMERA,)))
    assert [source.name for source in inputs.sources] == ['runs/good']
    left_out, = inputs.left_out
    assert left_out.name == 'runs/other'
    assert '/another/camera (Image)' in left_out.message


def test_several_bags_may_have_a_label_folder_each(tmp_path):
    for name, first in (('a', 0), ('b', 100)):
        bags.write_bag(tmp_path / 'runs' / name, 2, first=first)
    labels = tmp_path / 'labels'
    label_files(labels / 'runs' / 'a', 2)
    label_files(labels / 'runs' / 'b', 3)
    os.remove(str(labels / 'runs' / 'b' / '000.png'))
    inputs = find_inputs([str(tmp_path / 'runs')], InputOptions(labels=str(labels)))
    assert label_numbers(inputs) == [0, 1, 1, 2]


def test_several_cameras_are_sources_of_their_own(tmp_path):
    with bags.BagWriter(tmp_path / 'run') as bag:
        for number in range(3):
            bag.image(number, topic='/left/image')
            bag.image(number, topic='/right/image')
    inputs = find_inputs([str(tmp_path / 'run')], InputOptions(topics=('*',)))
    assert [source.name for source in inputs.sources] == ['run/left/image', 'run/right/image']
    assert all(len(list(source.frames())) == 3 for source in inputs.sources)


def test_ros1_bags_and_photos_may_stand_beside_each_other(tmp_path):
    bags.write_bag(tmp_path / 'old.bag', 2, 'ros1')
    (tmp_path / 'photos').mkdir()
    Image.fromarray(bags.picture(0)).save(str(tmp_path / 'photos' / 'a.jpg'))
    inputs = find_inputs([str(tmp_path / 'old.bag'), str(tmp_path / 'photos')], InputOptions())
    assert [(source.name, source.consecutive, source.expected_frames())
            for source in inputs.sources] == [('old', True, 2), ('photos', False, 1)]


def test_same_name_twice_is_numbered(tmp_path):
    path = bags.write_bag(tmp_path / 'run', 1)
    shutil.copytree(path, str(tmp_path / 'copy' / 'run'))
    inputs = find_inputs([path, str(tmp_path / 'copy' / 'run')], InputOptions())
    assert [source.name for source in inputs.sources] == ['run', 'run (2)']


def test_folder_of_neither_bags_nor_photos_is_an_error(tmp_path):
    (tmp_path / 'notes.txt').write_text('nothing')
    for path in (tmp_path, tmp_path / 'notes.txt'):
        with pytest.raises(ConfigurationError, match='Nothing to evaluate'):
            find_inputs([str(path)], InputOptions())
