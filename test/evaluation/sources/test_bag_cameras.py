# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Several cameras of one recording as one source: every image once, as they were received."""

import os
import pickle

import numpy as np
from PIL import Image
import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.run import annotated_bag
from segformer_ros.evaluation.run.job import Job
from segformer_ros.evaluation.run.job import JobRunner
from segformer_ros.evaluation.run.network import NetworkChoice
from segformer_ros.evaluation.run.runner import RunSettings
from segformer_ros.evaluation.sources import frames as reasons
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_reader import BagPartReader
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.inputs import find_inputs
from segformer_ros.evaluation.sources.inputs import InputOptions
from support import bags
from support import tiny_model

pytest.importorskip('rosbags')
FRONT, REAR = '/front/image', '/rear/image'
CAMERAS = (('rear', REAR), ('front', FRONT))


def write_two(path, picture=bags.picture, frames=4, broken=None):
    """Write two cameras; the rear one is received 40 ms after the front one, as every third."""
    with bags.BagWriter(path) as bag:
        for number in range(frames):
            bag.image(number, picture(number), FRONT)
            if not number % 3:
                bag.image(number, picture(number + 50), REAR, delay_ns=4 * 10 ** 7,
                          encoding='32FC7' if number == broken else 'rgb8')
    return str(path)


def source_of(path, cameras=CAMERAS):
    inputs = find_inputs([path], InputOptions(cameras=cameras))
    assert not inputs.left_out
    source, = inputs.sources
    return source, inputs.notes


def test_images_come_in_the_order_in_which_they_were_received(tmp_path):
    source, notes = source_of(write_two(tmp_path / 'run'))
    source = pickle.loads(pickle.dumps(source))
    frames = list(source.frames())
    assert [(frame.topic, frame.name) for frame in frames] == [
        (FRONT, 'front 1700000000.000000000'), (REAR, 'rear 1700000000.000000000'),
        (FRONT, 'front 1700000000.100000000'), (FRONT, 'front 1700000000.200000000'),
        (FRONT, 'front 1700000000.300000000'), (REAR, 'rear 1700000000.300000000')]
    assert [frame.position for frame in frames] == list(range(6))
    assert np.array_equal(frames[1].image, bags.picture(50))
    assert (source.expected_frames(), source.name, source.group, notes) == (6, 'run', 'run', [])


def test_what_is_damaged_in_one_camera_is_told_and_the_others_go_on(tmp_path):
    source, _ = source_of(write_two(tmp_path / 'run', broken=0))
    items = list(source.frames())
    assert [getattr(item, 'reason', '') for item in items] == [
        '', reasons.BAD_IMAGE, '', '', '', '']
    assert [item.position for item in items if isinstance(item, Frame)] == [0, 2, 3, 4, 5]
    assert items[1].name == f'run{REAR} #0'


def test_a_camera_without_images_is_told_and_none_at_all_is_an_error(tmp_path):
    path = write_two(tmp_path / 'run')
    source, notes = source_of(path, (('front', FRONT), ('left', '/left/image')))
    assert {frame.topic for frame in source.frames()} == {FRONT}
    assert notes == ['run: no images of camera left on /left/image']
    inputs = find_inputs([path], InputOptions(cameras=(('left', '/left/image'),)))
    assert not inputs.sources and '/left/image' in inputs.left_out[0].message
    with pytest.raises(ConfigurationError):
        find_inputs([str(tmp_path / 'absent')], InputOptions(cameras=CAMERAS))


def test_masks_flicker_and_rotation_are_those_of_each_camera(tmp_path, color_case):
    # Each camera always shows the same, and not the same as the other one.
    path = write_two(tmp_path / 'run', lambda number: color_case.image(number >= 50))
    source, _ = source_of(path)
    above = tiny_model.write_color_model(tmp_path, 'above', white_above=True)
    job = Job(NetworkChoice(above, threads=1), save_masks=str(tmp_path / 'masks'),
              write_bag=str(tmp_path / 'annotated'),
              run=RunSettings(rotations=((REAR, 180),)))
    with JobRunner(job) as runner:
        result = runner.run(source, str(tmp_path / 'records')).result
    assert result.totals.frames == 6
    assert result.totals.consistency.changed == 0 and result.totals.consistency.compared > 0
    masks = {name: os.path.join(str(tmp_path), 'masks', 'run' + topic)
             for name, topic in CAMERAS}
    assert [len(os.listdir(masks[name])) for name in ('front', 'rear')] == [4, 2]
    # The network calls white what is above; of the rear camera that is the lower half.
    for name, number, white, true in (('front', 0, slice(0, 20), slice(28, 48)),
                                      ('rear', 1, slice(28, 48), slice(0, 20))):
        mask = np.asarray(Image.open(os.path.join(masks[name], '1700000000.000000000.png')))
        assert np.all(mask[white] == tiny_model.WHITE)
        assert np.mean(mask[true] == color_case.truth(number)[true]) > 0.9
    bag, = find_bags(str(tmp_path / 'annotated'))
    with BagPartReader(bag.parts[0]) as reader:
        counts = {topic.name: topic.messages for topic in reader.topics()}
    assert counts['/segformer/front/mask'] == 4 and counts['/segformer/rear/mask'] == 2
    assert counts['/segformer/front/overlay/compressed'] == counts[FRONT] == 4
    assert annotated_bag.MASK not in counts
