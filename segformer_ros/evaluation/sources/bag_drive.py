# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A drive in a recording: its cameras' images, and what moved the robot."""

from typing import Any, Iterator, List, NamedTuple, Sequence, Tuple

from segformer_ros.calibration.motion_log import MotionLog
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.time import stamp_to_seconds
from segformer_ros.evaluation.sources import bag_reader
from segformer_ros.evaluation.sources import topic_choice
from segformer_ros.evaluation.sources.bag_files import Bag
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_scene import TF
from segformer_ros.evaluation.sources.bag_scene import TF_STATIC

ODOMETRY = 'nav_msgs/msg/Odometry'


class CameraTopics(NamedTuple):
    """A camera by its topics; ``info`` is that of its CameraInfo."""

    image: str
    info: str


def find_drive(path: str, wanted: Sequence[str], camera_infos: Sequence[str] = ()
               ) -> Tuple[Bag, List[CameraTopics]]:
    """
    Return a recording and its cameras.

    :param wanted: image topics or patterns; empty for the only camera
    :param camera_infos: topics, one for each of ``wanted``; empty for those beside the images
    :raises ConfigurationError: none or several recordings, no such camera, or another number
    :raises InvalidInputError: the file cannot be read
    """
    bags = find_bags(path)
    if len(bags) != 1:
        raise ConfigurationError('Not one recording', got=f'{len(bags)} in {path}',
                                 expected='one bag')
    with bag_reader.BagPartReader(bags[0].parts[0]) as reader:
        images = topic_choice.choose_topics(
            reader.topics(), wanted, None,
            lambda topic: topic_choice.first_encoding(reader, topic))
    if camera_infos and len(camera_infos) != len(images):
        raise ConfigurationError(
            'Not one CameraInfo for each camera', got=', '.join(camera_infos),
            expected='as many as ' + ', '.join(images))
    infos = camera_infos or [topic_choice.camera_info_topic(image) for image in images]
    return bags[0], [CameraTopics(*topics) for topics in zip(images, infos)]


def read_motion(bag: Bag, log: MotionLog, camera_infos: Sequence[str],
                odometry: str = '') -> None:
    """
    Read everything of a recording but its images.

    :param log: gets it
    :param camera_infos: topics
    :param odometry: topic of nav_msgs/Odometry, empty for transforms
    :raises InvalidInputError: a file or message cannot be read
    :raises ConfigurationError: no odometry on that topic
    """
    heard = 0
    for part in bag.parts:
        with bag_reader.BagPartReader(part) as reader:
            wanted = {TF, TF_STATIC, odometry} | set(camera_infos)
            for connection, _, data in reader.messages(wanted - {''}):
                topic = connection.topic
                if topic in log.camera_infos:
                    continue
                message = reader.deserialize(data, connection.msgtype)
                if topic in (TF, TF_STATIC):
                    log.add_transforms(message, topic == TF_STATIC)
                elif topic == odometry and connection.msgtype == ODOMETRY:
                    log.add_odometry(message)
                    heard += 1
                elif topic in camera_infos:
                    log.camera_infos[topic] = message
    if odometry and not heard:
        raise ConfigurationError('No odometry on its topic', got=odometry,
                                 expected=ODOMETRY + ' messages')


def read_images(bag: Bag, topic: str) -> Iterator[Tuple[float, str, Any]]:
    """
    Yield stamp in seconds, frame and message of each image, in the order of the file.

    :raises InvalidInputError: the file is damaged from here on
    """
    for part in bag.parts:
        with bag_reader.BagPartReader(part) as reader:
            for connection, _, data in reader.messages([topic]):
                message = reader.deserialize(data, connection.msgtype)
                yield (stamp_to_seconds(message.header.stamp),
                       message.header.frame_id, message)
