# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which topics of a recording are the cameras' pictures."""

import fnmatch
from typing import Callable, List, Optional, Sequence

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.sources import bag_reader

# image_transport's names for the compressed twins of a topic.
TWIN, DEPTH_TWIN = '/compressed', '/compressedDepth'

# Encodings that are pictures for people. mono8 may be one, or a mask.
COLOUR = ('rgb', 'bgr', 'bayer', 'yuv', 'uyvy', 'yuyv', 'nv', '8UC3', '8UC4')


def choose_topics(topics: Sequence[bag_reader.TopicInfo], wanted: Sequence[str],
                  label_topic: Optional[str], encoding_of: Callable[[str], str]) -> List[str]:
    """
    Return the image topics to evaluate.

    A raw topic is taken before its compressed twin, unless the twin is named itself.

    :param topics: of the recording
    :param wanted: names or patterns (``/camera_*/image_raw``); empty: the one colour camera
    :param label_topic: never a camera
    :param encoding_of: gives the encoding of a topic's first message
    :raises ConfigurationError: nothing fits, several cameras do and none was named, or the label
        topic is of another type
    """
    for topic in topics:
        if topic.name == label_topic and topic.type_name != bag_reader.IMAGE:
            raise ConfigurationError('Label topic is of another type',
                                     got=f'{topic.type_name} on {topic.name}',
                                     expected=f'{bag_reader.IMAGE} with encoding mono8',
                                     remedy='Name a topic of that type.')
    pictures = [topic for topic in topics if topic.messages and topic.name != label_topic
                and topic.type_name in (bag_reader.IMAGE, bag_reader.COMPRESSED_IMAGE)]
    names = {topic.name for topic in pictures}
    if wanted:
        chosen = [name for name in sorted(names) if any(
            name == pattern or (fnmatch.fnmatchcase(name, pattern)
                                and not _is_second_twin(name, names)) for pattern in wanted)]
        if not chosen:
            raise ConfigurationError('No image topic of that name', got=', '.join(wanted),
                                     expected='one of ' + _listed(topics))
        return chosen
    chosen = [topic.name for topic in pictures if not _is_second_twin(topic.name, names)
              and (topic.type_name == bag_reader.COMPRESSED_IMAGE
                   or encoding_of(topic.name).startswith(COLOUR))]
    if not chosen:
        raise ConfigurationError('No colour image topic found', got=_listed(topics),
                                 expected='an Image or CompressedImage topic',
                                 remedy='Name a topic if one of these is a camera.')
    if len(chosen) > 1:
        raise ConfigurationError(
            'Several cameras found', got=', '.join(chosen), expected='the choice of one or more',
            remedy="Name them, or '*' for all.")
    return chosen


def first_encoding(reader: bag_reader.BagPartReader, topic: str) -> str:
    """
    Return the encoding of the first Image of a topic, empty without a message.

    :param reader: open
    :param topic: of type Image
    """
    for _, _, data in reader.messages([topic]):
        return str(reader.deserialize(data, bag_reader.IMAGE).encoding)
    return ''


def without_transport(image_topic: str) -> str:
    """Return the topic as image_transport names it, without the ending of a compressed twin."""
    for twin in (TWIN, DEPTH_TWIN):
        if image_topic.endswith(twin):
            return image_topic[:-len(twin)]
    return image_topic


def camera_info_topic(image_topic: str) -> str:
    """Return the CameraInfo topic beside an image topic, as image_transport names it."""
    return without_transport(image_topic).rsplit('/', 1)[0] + '/camera_info'


def _is_second_twin(name: str, names: 'set[str]') -> bool:
    return name.endswith(TWIN) and without_transport(name) in names


def _listed(topics: Sequence[bag_reader.TopicInfo]) -> str:
    return ', '.join(f"{topic.name} ({topic.type_name.split('/')[-1]})"
                     for topic in topics) or 'no topics at all'
