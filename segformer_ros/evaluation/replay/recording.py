# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What of a recording is played into the live node, and its messages as they are stored."""

import functools
import os
import queue
import threading
from typing import Collection, Iterator, NamedTuple, Optional, Sequence, Set, Tuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.sources import bag_reader
from segformer_ros.evaluation.sources import topic_choice
from segformer_ros.evaluation.sources.bag_files import BagPart
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_scene import TF
from segformer_ros.evaluation.sources.bag_scene import TF_STATIC

# Messages that are read before their time: a second of images at 30 Hz.
READ_AHEAD = 30

# How long a full queue keeps the reading thread from noticing that nobody listens any more.
NOTICE_S = 0.1


class Recording(NamedTuple):
    """
    One camera of one recording.

    ``path`` is what a player is given, ``topic`` that of the images, ``topics`` all that are
    played, and ``images`` their number in the files.
    """

    name: str
    path: str
    parts: Tuple[BagPart, ...]
    topic: str
    topics: Tuple[str, ...]
    images: int

    @property
    def is_compressed(self) -> bool:
        """Return whether the images are CompressedImage messages."""
        return self.topic.endswith(topic_choice.TWIN)

    @property
    def image_base(self) -> str:
        """Return the topic as image_transport names it, without ``/compressed``."""
        return topic_choice.without_transport(self.topic)

    @property
    def camera_info(self) -> str:
        """Return the topic of the CameraInfo beside the images."""
        return topic_choice.camera_info_topic(self.topic)


class Stored(NamedTuple):
    """A serialised message; ``time_ns`` is when the recorder got it."""

    topic: str
    type_name: str
    time_ns: int
    data: bytes


def find_recording(path: str, wanted: Optional[str] = None) -> Recording:
    """
    Find the one camera to replay.

    :param path: a recording, or one file of it
    :param wanted: its image topic; None for the only one
    :raises ConfigurationError: none or several recordings or cameras, or a ROS 1 bag
    :raises InvalidInputError: a file cannot be read
    """
    bags = find_bags(path)
    if len(bags) != 1:
        raise ConfigurationError('Not one recording', got=f'{len(bags)} in {path}',
                                 expected='one bag', remedy='Replay them one by one.')
    bag = bags[0]
    refuse_ros1(bag.parts)
    topic, images = '', 0
    known: Set[str] = set()
    for part in bag.parts:
        with bag_reader.BagPartReader(part) as reader:
            topics = reader.topics()
            if not topic:
                topic = _one_camera(topics, topic_choice.choose_topics(
                    topics, (wanted,) if wanted else (), None,
                    functools.partial(topic_choice.first_encoding, reader)))
        known.update(each.name for each in topics if each.messages)
        images += sum(each.messages for each in topics if each.name == topic)
    # Not everything: a recording may hold a clock, or results of this very node.
    played = [name for name in (topic, topic_choice.camera_info_topic(topic), TF, TF_STATIC)
              if name in known]
    folder = path if os.path.isfile(path) else os.path.dirname(bag.parts[0].path)
    return Recording(bag.name, folder, bag.parts, topic, tuple(played), images)


def refuse_ros1(parts: Sequence[BagPart]) -> None:
    """
    Return if the messages of a recording mean something to ROS 2.

    :raises ConfigurationError: they do not
    """
    for part in parts:
        if part.storage == 'ros1':
            raise ConfigurationError(
                'ROS 1 bags cannot be played', got=part.path,
                remedy='Convert it: "rosbags-convert --src OLD.bag --dst NEW".')


def stored_messages(parts: Sequence[BagPart], topics: Collection[str]) -> Iterator[Stored]:
    """
    Yield the messages of a recording as they are stored.

    :param parts: its files in the order of time
    :param topics: names; empty for all
    :raises InvalidInputError: a file cannot be read, or is damaged from here on
    """
    for part in parts:
        with bag_reader.BagPartReader(part) as reader:
            for connection, time_ns, data in reader.messages(topics or None):
                yield Stored(connection.topic, connection.msgtype, time_ns, bytes(data))


class ReadAhead:
    """
    Takes items in a thread of its own, so that reading does not delay who uses them.

    :param items: taken once
    :param depth: items that wait at most
    """

    def __init__(self, items: Iterator[Stored], depth: int = READ_AHEAD) -> None:
        self._items = items
        self._queue: 'queue.Queue[Optional[Stored]]' = queue.Queue(depth)
        self._error: Optional[BaseException] = None
        self._stopping = False
        self._thread = threading.Thread(target=self._read, name='read_ahead', daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Stored]:
        """Yield the items; an error of reading is raised where it happened."""
        while True:
            item = self._queue.get()
            if item is None:
                break
            yield item
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading; closing twice is allowed."""
        self._stopping = True
        self._thread.join()

    def _read(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:  # raised again in the thread that takes the items
            self._error = error
        self._put(None)

    def _put(self, item: Optional[Stored]) -> bool:
        while not self._stopping:
            try:
                self._queue.put(item, timeout=NOTICE_S)
                return True
            except queue.Full:
                continue
        return False


def _one_camera(topics: Sequence[bag_reader.TopicInfo], chosen: Sequence[str]) -> str:
    if len(chosen) != 1:
        raise ConfigurationError('Several cameras', got=', '.join(chosen), expected='one',
                                 remedy='Name one with --topic.')
    types = {topic.name: topic.type_name for topic in topics}
    if types[chosen[0]] == bag_reader.COMPRESSED_IMAGE and not chosen[0].endswith(
            topic_choice.TWIN):
        raise ConfigurationError(
            'Compressed images under an unusual name', got=chosen[0],
            expected='a name that ends in ' + topic_choice.TWIN,
            remedy='The node, like image_transport, looks for them there.')
    return chosen[0]
