# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The images of one camera in one file of a recording, with their labels."""

import collections
import time
from typing import (Any, Deque, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple, Union)

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.evaluation.sources import bag_reader
from segformer_ros.evaluation.sources import frames as source_frames
from segformer_ros.evaluation.sources.bag_files import BagPart
from segformer_ros.evaluation.sources.label_folder import LabelFolder
from segformer_ros.evaluation.sources.label_folder import read_labels
from segformer_ros.segmentation.images.compressed import compressed_to_rgb
from segformer_ros.segmentation.images.decoding import image_to_rgb

# A label message may come this many images after its own; memory is held for as many.
LABEL_HOLD = 30


class _Image(NamedTuple):
    position: int
    stamp_ns: int
    received_ns: int
    message: Any


class RecordedSource(source_frames.FrameSource):
    """
    Images in one file of a recording.

    :param name: for reports
    :param group: the recording, and its camera where each has a source of its own
    :param part: the file
    :param all_parts: of the recording
    :param cameras: their names by the topic of their images; an only one has none
    """

    def __init__(self, name: str, group: str, part: BagPart, all_parts: Sequence[BagPart],
                 cameras: Dict[str, str]) -> None:
        super().__init__(name, group, consecutive=True)
        self.part = part
        self.all_parts = tuple(all_parts)
        self.cameras = cameras

    def mask_groups(self) -> Dict[str, str]:
        """Return the group of each topic's masks."""
        return dict.fromkeys(self.cameras, self.group)


class BagSource(RecordedSource):
    """
    One topic of one file.

    :param name: for reports
    :param group: the recording, and its camera where there are several
    :param part: the file
    :param topic: an Image or CompressedImage topic
    :param labels: label files; None without
    :param label_topic: mono8 Image topic with the same stamps; None without
    :param first_position: images of the topic in the files before this one
    :param expected: images that should be in this file; None if not known
    :param all_parts: of the recording; this file alone by default
    """

    def __init__(self, name: str, group: str, part: BagPart, topic: str,
                 labels: Optional[LabelFolder] = None, label_topic: Optional[str] = None,
                 first_position: int = 0, expected: Optional[int] = None,
                 all_parts: Sequence[BagPart] = ()) -> None:
        super().__init__(name, group, part, tuple(all_parts) or (part,), {topic: ''})
        self.topic = topic
        self._labels = labels
        self._label_topic = label_topic
        self._first_position = first_position
        self._expected = expected

    def expected_frames(self) -> Optional[int]:
        """Return what the recording's metadata tells."""
        return self._expected

    def frames(self) -> Iterator[Union[source_frames.Frame, source_frames.LeftOut]]:
        """Read the file from its beginning."""
        return (item for _, item in self.timed_frames())

    def timed_frames(self) -> Iterator[
            Tuple[int, Union[source_frames.Frame, source_frames.LeftOut]]]:
        """Yield (nanoseconds at which it was received, item); what is lost has the last time."""
        seen = last = 0
        problem = None
        try:
            with bag_reader.BagPartReader(self.part) as reader:
                problem = reader.problem
                for image, labels in self._with_labels(self._records(reader)):
                    seen += 1
                    last = image.received_ns
                    yield last, self._frame(image, labels)
        except InvalidInputError as error:
            problem = str(error)
        missing = max(0, (self._expected or 0) - seen)
        if problem is not None:
            yield last, source_frames.LeftOut(self.name, source_frames.LOST, problem, missing)
        elif missing:
            yield last, source_frames.LeftOut(
                self.name, source_frames.LOST,
                f'{missing} of {self._expected} images are not in the file', missing)

    def _records(self, reader: bag_reader.BagPartReader) -> Iterator[Tuple[str, int, Any]]:
        """Yield (topic, receive time, message or the error that reading it gave)."""
        topics = [self.topic] + ([self._label_topic] if self._label_topic else [])
        for connection, time_ns, data in reader.messages(topics):
            try:
                yield connection.topic, time_ns, reader.deserialize(data, connection.msgtype)
            except InvalidInputError as error:
                yield connection.topic, time_ns, error

    def _with_labels(self, records: Iterator[Tuple[str, int, Any]]) -> Iterator[
            Tuple[_Image, Optional[Any]]]:
        """Join images and label messages by stamp, in the order of the images."""
        waiting: Deque[_Image] = collections.deque()
        labels: Dict[int, Any] = collections.OrderedDict()
        position = self._first_position
        hold = LABEL_HOLD if self._label_topic else 0
        for topic, received_ns, message in records:
            if topic == self.topic:
                waiting.append(_Image(position, _stamp_of(message), received_ns, message))
                position += 1
            elif not isinstance(message, InvalidInputError):
                labels[_stamp_of(message)] = message
                if len(labels) > LABEL_HOLD:
                    labels.pop(next(iter(labels)))
            while waiting and (waiting[0].stamp_ns in labels or len(waiting) > hold):
                image = waiting.popleft()
                yield image, labels.pop(image.stamp_ns, None)
        for image in waiting:
            yield image, labels.pop(image.stamp_ns, None)

    def _frame(self, image: _Image,
               label_message: Optional[Any]) -> Union[source_frames.Frame, source_frames.LeftOut]:
        name = f'{self.name} #{image.position}'
        started = time.perf_counter()
        try:
            if isinstance(image.message, InvalidInputError):
                raise image.message
            rgb = decode_image_message(image.message)
        except InvalidInputError as error:
            return source_frames.LeftOut(name, source_frames.BAD_IMAGE, str(error))
        decode_seconds = time.perf_counter() - started
        stamp = source_frames.stamp_text(image.stamp_ns)
        labels = None
        if self._label_topic or self._labels is not None:
            try:
                labels = self._find_labels(image, label_message)
            except InvalidInputError as error:
                return source_frames.LeftOut(name, source_frames.BAD_LABELS, str(error))
            if labels is None:
                return source_frames.LeftOut(name, source_frames.NO_LABELS,
                                             f'no labels for the image of {stamp}')
        return source_frames.Frame(image.position, stamp, image.stamp_ns, rgb, labels,
                                   decode_seconds, image.message.header.frame_id,
                                   image.received_ns, self.topic)

    def _find_labels(self, image: _Image, message: Optional[Any]) -> Optional[arrays.UInt8]:
        if self._labels is None:
            return None if message is None else label_values(message)
        path = self._labels.find(image.position, image.stamp_ns)
        return None if path is None else read_labels(path)


def decode_image_message(message: Any) -> arrays.UInt8:
    """
    Return the picture of an Image or CompressedImage message, as the live node sees it.

    :param message: with the fields of the ROS type
    :return: (H, W, 3) RGB
    :raises InvalidInputError: it cannot be a picture
    """
    return compressed_to_rgb(message) if message.__msgtype__ == bag_reader.COMPRESSED_IMAGE else \
        image_to_rgb(message)


def label_values(message: Any) -> arrays.UInt8:
    """
    Return the label values of an Image message.

    :param message: mono8 or 8UC1, rows padded or not
    :return: (H, W) uint8
    :raises InvalidInputError: another type or encoding, or a length that does not fit
    """
    if message.__msgtype__ != bag_reader.IMAGE or message.encoding not in ('mono8', '8UC1'):
        raise InvalidInputError('Label message of the wrong kind',
                                got=f"{message.__msgtype__} {getattr(message, 'encoding', '')}",
                                expected=f'{bag_reader.IMAGE} with encoding mono8')
    if message.step < message.width or len(message.data) < message.step * message.height:
        raise InvalidInputError(
            'Label message too short', got=f'{len(message.data)} bytes, step {message.step}',
            expected=f'{message.width} x {message.height} label values')
    rows = np.asarray(message.data, np.uint8)[:message.step * message.height]
    return np.ascontiguousarray(rows.reshape(message.height, message.step)[:, :message.width])


def _stamp_of(message: Any) -> int:
    """Return the header's stamp in nanoseconds, -1 for a message that could not be read."""
    if isinstance(message, InvalidInputError):
        return -1
    return stamp_to_nanoseconds(message.header.stamp)
