# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recordings are written again with masks beside their own topics."""

import os

import cv2
import numpy as np
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.run import annotated_bag
from segformer_ros.evaluation.run.job import Job
from segformer_ros.evaluation.run.job import JobRunner
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_reader import BagPartReader
from segformer_ros.evaluation.sources.bag_source import BagSource
from support import bags

OUTPUTS = (annotated_bag.MASK, annotated_bag.CONFIDENCE, annotated_bag.OVERLAY)


@pytest.fixture
def annotate(color_case, tmp_path):
    def annotate(path, root='annotated'):
        bag, = find_bags(str(path))
        source = BagSource(bag.name, bag.name, bag.parts[0], bags.CAMERA)
        with JobRunner(Job(color_case.choice, write_bag=str(tmp_path / root))) as runner:
            runner.run(source, str(tmp_path / 'records'))
        return str(tmp_path / root / bag.name)
    return annotate


def messages(path):
    """Return (topic, receive time, bytes) of a whole recording."""
    bag, = find_bags(str(path))
    with BagPartReader(bag.parts[0]) as reader:
        assert reader.problem is None
        return [(connection.topic, time_ns, bytes(data))
                for connection, time_ns, data in reader.messages()]


def decoded(path, topic):
    bag, = find_bags(str(path))
    with BagPartReader(bag.parts[0]) as reader:
        return [(time_ns, reader.deserialize(data, connection.msgtype))
                for connection, time_ns, data in reader.messages([topic])]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_own_topics_stay_as_they_were_byte_for_byte(annotate, color_case, storage):
    path = color_case.bag('annotated_' + storage, 4, storage)
    copied = [message for message in messages(annotate(path)) if message[0] not in OUTPUTS]
    assert copied == messages(path)


def test_every_image_has_a_mask_with_its_header_time_and_size(annotate, color_case):
    path = color_case.bag('annotated_headers', 4)
    written = annotate(path)
    images = decoded(path, bags.CAMERA)
    masks = decoded(written, annotated_bag.MASK)
    overlays = decoded(written, annotated_bag.OVERLAY)
    assert len(masks) == len(overlays) == 4
    for number, (image, mask, overlay) in enumerate(zip(images, masks, overlays)):
        assert image[0] == mask[0] == overlay[0]
        assert image[1].header == mask[1].header == overlay[1].header
        assert (mask[1].encoding, mask[1].step) == ('mono8', 64)
        wrong = mask[1].data.reshape(48, 64) != color_case.truth(number)
        assert wrong.mean() < 0.1
        picture = cv2.imdecode(overlay[1].data, cv2.IMREAD_COLOR)
        assert picture.shape == (48, 64, 3)


def test_metadata_is_of_the_version_that_humble_reads(annotate, color_case):
    written = annotate(color_case.bag('annotated_metadata', 2))
    with open(os.path.join(written, 'metadata.yaml')) as stream:
        text = stream.read()
    assert 'version: 8' in text
    assert 'storage_identifier: mcap' in text
    bag, = find_bags(written)
    assert bag.expected[annotated_bag.MASK] == 2
    assert bag.expected[bags.CAMERA] == 2


def test_results_of_an_earlier_run_make_way(annotate, color_case):
    once = annotate(color_case.bag('annotated_twice', 2))
    twice = annotate(once, 'again')
    assert messages(twice) == messages(once)


def test_ros1_recording_gets_the_results_alone(annotate, color_case, caplog):
    with bags.BagWriter(os.path.join(str(color_case.folder), 'old.bag'), 'ros1') as bag:
        bag.image(0, color_case.image(0))
    written = annotate(os.path.join(str(color_case.folder), 'old.bag'))
    assert sorted({topic for topic, _, _ in messages(written)}) == sorted(OUTPUTS)
    assert 'topics of a ROS 1 bag are not copied' in caplog.text


def test_cut_recording_is_copied_as_far_as_it_goes(annotate, color_case):
    path = os.path.join(str(color_case.folder), 'annotated_cut')
    with bags.BagWriter(path) as bag:
        for number in range(10):
            bag.image(number, np.kron(color_case.image(number), np.ones((5, 5, 1), np.uint8)))
    file = bags.storage_file(path)
    with open(file, 'rb+') as stream:
        stream.truncate(os.path.getsize(file) // 2)
    topics = [topic for topic, _, _ in messages(annotate(path))]
    assert 0 < topics.count(bags.CAMERA) < 10
    assert topics.count(annotated_bag.MASK) == topics.count(bags.CAMERA)


def test_recording_that_exists_is_not_overwritten(annotate, color_case):
    path = color_case.bag('annotated_once', 1)
    annotate(path)
    with pytest.raises(ConfigurationError, match='exists already'):
        annotate(path)
