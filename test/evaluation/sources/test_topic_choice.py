# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The camera's topic is found, or the question is put back with the names to choose from."""

import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.sources.bag_reader import COMPRESSED_IMAGE
from segformer_ros.evaluation.sources.bag_reader import IMAGE
from segformer_ros.evaluation.sources.bag_reader import TopicInfo
from segformer_ros.evaluation.sources.topic_choice import camera_info_topic
from segformer_ros.evaluation.sources.topic_choice import choose_topics

ENCODINGS = {'/front/image': 'rgb8', '/rear/image': 'bayer_rggb8', '/depth': '16UC1',
             '/mask': 'mono8', '/labels': 'mono8', '/grey': 'mono8'}


def topic(name, type_name=IMAGE, messages=10):
    return TopicInfo(name, type_name, messages)


def choose(topics, wanted=(), label_topic=None):
    return choose_topics(topics, wanted, label_topic, ENCODINGS.__getitem__)


FRONT = topic('/front/image')
TWIN = topic('/front/image/compressed', COMPRESSED_IMAGE)
OTHERS = [topic('/depth'), topic('/mask'), topic('/tf', 'tf2_msgs/msg/TFMessage'),
          topic('/rear/image', messages=0)]


def test_the_one_colour_camera_is_found_among_depth_and_masks():
    assert choose([FRONT, TWIN] + OTHERS) == ['/front/image']


def test_compressed_topic_alone_is_found():
    assert choose([TWIN] + OTHERS) == ['/front/image/compressed']


def test_compressed_twin_is_taken_when_it_is_named():
    assert choose([FRONT, TWIN], ['/front/image/compressed']) == ['/front/image/compressed']


def test_pattern_takes_every_camera_once():
    topics = [FRONT, TWIN, topic('/rear/image'), topic('/tf', 'tf2_msgs/msg/TFMessage')]
    assert choose(topics, ['/*']) == ['/front/image', '/rear/image']


def test_label_topic_is_no_camera():
    assert choose([FRONT, topic('/labels')], ['/*'], '/labels') == ['/front/image']


@pytest.mark.parametrize('other', ['/tf', '/front/image/compressed'])
def test_label_topic_of_another_type_is_told(other):
    with pytest.raises(ConfigurationError, match=f'Label topic is of another type: got .* on '
                                                 f'{other}; expected sensor_msgs/msg/Image'):
        choose([FRONT, TWIN] + OTHERS, ['/front/image'], other)


def test_label_topic_that_is_not_in_this_file_is_no_mistake():
    assert choose([FRONT], (), '/labels') == ['/front/image']


def test_mono_camera_is_taken_when_it_is_named():
    assert choose([topic('/grey')], ['/grey']) == ['/grey']


def test_several_cameras_are_asked_about():
    with pytest.raises(ConfigurationError, match=r'Several cameras.*/front/image, /rear/image'):
        choose([FRONT, topic('/rear/image')])


def test_wrong_name_lists_the_topics_there_are():
    with pytest.raises(ConfigurationError, match=r'/fron; .*/front/image \(Image\), /depth'):
        choose([FRONT, topic('/depth')], ['/fron'])


def test_recording_without_a_camera_lists_what_it_has():
    with pytest.raises(ConfigurationError, match=r'/depth \(Image\)'):
        choose([topic('/depth')])
    with pytest.raises(ConfigurationError, match='no topics at all'):
        choose([])


@pytest.mark.parametrize('image, info', [
    ('/camera/image_raw', '/camera/camera_info'),
    ('/camera/image_raw/compressed', '/camera/camera_info'), ('/image', '/camera_info')])
def test_calibration_is_looked_for_beside_the_image(image, info):
    assert camera_info_topic(image) == info
