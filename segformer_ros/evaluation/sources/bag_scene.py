# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a recording tells beside its images: poses, calibration, depth, a reference grid."""

import collections
import contextlib
import math
from typing import Any, Dict, Generator, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap.camera_input import DepthImages
from segformer_ros.costmap.geometry import registration
from segformer_ros.costmap.geometry.camera_poses import CameraPoses
from segformer_ros.costmap.geometry.camera_poses import range_reading
from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer
from segformer_ros.costmap.geometry.transform_buffer import Transforms
from segformer_ros.costmap.point_cloud import CLOUD_SLOP_NS
from segformer_ros.costmap.projection.depth_image import depth_of_message
from segformer_ros.evaluation.sources import bag_reader
from segformer_ros.evaluation.sources.bag_files import BagPart

TF = '/tf'
TF_STATIC = '/tf_static'

# Seconds: transforms and depth of an image's stamp are received somewhat after the image itself.
LOOK_AHEAD = 0.5

# Depth images that are kept: half a second before its image is read, at 100 Hz and more.
KEPT_DEPTHS = 64

# Lidar clouds likewise.
KEPT_CLOUDS = 16

DEPTH_TYPES = (bag_reader.IMAGE, bag_reader.COMPRESSED_IMAGE)
CLOUD_TYPES = ('sensor_msgs/msg/PointCloud2',)
GRID_TYPES = ('nav_msgs/msg/OccupancyGrid',)
INFO_TYPES = ('sensor_msgs/msg/CameraInfo',)
RANGE_TYPES = ('sensor_msgs/msg/Range',)


class SceneTopics(NamedTuple):
    """
    Topics to follow; empty names are not followed.

    ``camera_infos`` are of one camera or of several. ``depth`` and ``cloud`` are taken as true;
    ``depths_in`` and ``range`` are what the live node makes its costmap of.
    """

    camera_infos: Tuple[str, ...]
    depth: str = ''
    grid: str = ''
    cloud: str = ''
    depths_in: Tuple[str, ...] = ()
    range: str = ''


class RecordedTransforms(Transforms):
    """
    Transforms of a recording.

    :param buffer: that they are put into
    """

    source = 'the recording'

    def __init__(self, buffer: TransformBuffer) -> None:
        self._buffer = buffer

    def lookup(self, target: str, source: str, stamp_ns: int) -> arrays.Float64:
        """Return target_from_source (4, 4)."""
        return self._buffer.lookup(target, source, stamp_ns / NANOSECONDS)

    def knows(self, frame: str) -> bool:
        """Return whether any transform names a frame."""
        return self._buffer.knows(frame)

    def clear(self) -> None:
        """Forget everything but static transforms."""
        self._buffer.clear()

    def destroy(self) -> None:
        """Do nothing: messages come from the file alone."""


class BagScene:
    """
    Follows the topics of one file, a little ahead of the images.

    :param part: the file
    :param all_parts: of the recording; /tf_static stands in the first one alone
    :param topics: to follow
    :param look_ahead: seconds after an image within which what belongs to it is received
    :raises InvalidInputError: the file cannot be opened

    ``problem`` tells the first message that could not be read; the others are still taken.
    ``camera_infos`` are the newest ones by topic; ``depths_in`` by topic the depth images that
    the live node would use.
    """

    def __init__(self, part: BagPart, all_parts: Sequence[BagPart], topics: SceneTopics,
                 look_ahead: float = LOOK_AHEAD) -> None:
        self._topics = topics
        self.problem: Optional[str] = None
        self._stack = contextlib.ExitStack()
        self._look_ahead_ns = int(look_ahead * NANOSECONDS)
        # As many for each half second that is read ahead.
        self._times = max(1, math.ceil(look_ahead / LOOK_AHEAD))
        self.poses = TransformBuffer()
        self.camera_poses = CameraPoses(RecordedTransforms(self.poses),
                                        range_topic=topics.range)
        self.depths_in = {topic: DepthImages(topic, self._times * KEPT_DEPTHS)
                          for topic in topics.depths_in}
        self.camera_infos: Dict[str, Any] = {}
        self._grid: Optional[Any] = None
        self._types: Dict[str, str] = {}
        self._depths: Dict[int, Any] = collections.OrderedDict()
        self._clouds: Dict[int, Any] = collections.OrderedDict()
        for other in all_parts:
            self._take_static(other)
        self._reader = self._stack.enter_context(bag_reader.BagPartReader(part))
        self._messages = self._follow()
        self._next = next(self._messages, None)

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._messages.close()
        self._stack.close()

    def advance(self, received_ns: int) -> None:
        """
        Take everything up to an image, and a little after it.

        :param received_ns: time at which the image was received
        """
        while self._next is not None and self._next[0] <= received_ns + self._look_ahead_ns:
            self._take(self._next[1], self._next[2])
            self._next = next(self._messages, None)

    def depth_at(self, stamp_ns: int, frame_id: str) -> Optional[arrays.Float32]:
        """
        Return the depth image that was taken with an image in metres, None if there is none.

        :param stamp_ns: of the image
        :param frame_id: of the image
        :raises InvalidInputError: it is not a depth image, or one of another place
        """
        self._check_type(self._topics.depth, DEPTH_TYPES)
        nearest = registration.nearest_stamp(self._depths, stamp_ns)
        if nearest is None:
            return None
        message = self._depths[nearest]
        depth_frame = message.header.frame_id
        registration.check_registered(
            frame_id, depth_frame,
            lambda: self.poses.lookup(frame_id, depth_frame, seconds_of(stamp_ns)))
        return depth_of_message(message)

    def cloud_at(self, stamp_ns: int) -> Optional[Any]:
        """
        Return the PointCloud2 message nearest to a stamp, None if there is none near it.

        :raises InvalidInputError: the topic is of another type
        """
        self._check_type(self._topics.cloud, CLOUD_TYPES)
        nearest = registration.nearest_stamp(self._clouds, stamp_ns, CLOUD_SLOP_NS)
        return None if nearest is None else self._clouds[nearest]

    def grid(self) -> Optional[Any]:
        """
        Return the newest message of the reference grid, None before the first.

        :raises InvalidInputError: the topic is of another type
        """
        self._check_type(self._topics.grid, GRID_TYPES)
        return self._grid

    def _check_type(self, topic: str, types: Sequence[str]) -> None:
        seen = self._types.get(topic, types[0])
        if seen not in types:
            raise InvalidInputError('Topic is of another type', got=f'{seen} on {topic}',
                                    expected=' or '.join(types),
                                    remedy='Name a topic of that type.')

    def _is_of(self, topic: str, types: Sequence[str]) -> bool:
        """Return whether a topic's last message has one of these types; keep the error if not."""
        try:
            self._check_type(topic, types)
        except InvalidInputError as error:
            self.problem = self.problem or str(error)
            return False
        return True

    def _follow(self) -> Generator[Tuple[int, str, Any], None, None]:
        told = self._topics
        topics = sorted({TF, TF_STATIC, told.depth, told.grid, told.cloud, told.range,
                         *told.camera_infos, *told.depths_in} - {''})
        messages = self._reader.messages(topics)
        while True:
            try:
                connection, time_ns, data = next(messages)
                message = self._reader.deserialize(data, connection.msgtype)
            except StopIteration:
                return
            except InvalidInputError as error:
                # After damage of the file, not of a message, the next call ends this.
                self.problem = self.problem or str(error)
                continue
            yield time_ns, connection.topic, message

    def _take_static(self, part: BagPart) -> None:
        try:
            with bag_reader.BagPartReader(part) as reader:
                for connection, _, data in reader.messages([TF_STATIC]):
                    self._take(TF_STATIC, reader.deserialize(data, connection.msgtype))
        except InvalidInputError:
            # Told where the file itself is evaluated; other files may hold the transforms.
            return

    def _take(self, topic: str, message: Any) -> None:
        if topic in (TF, TF_STATIC):
            for entry in message.transforms:
                try:
                    self.poses.insert_message(entry, topic == TF_STATIC)
                except InvalidInputError as error:
                    # As the live node: the other entries are still taken.
                    self.problem = self.problem or str(error)
        self._types[topic] = message.__msgtype__
        if topic in self.depths_in and self._is_of(topic, DEPTH_TYPES):
            self.depths_in[topic].add(message)
        if topic == self._topics.range and self._is_of(topic, RANGE_TYPES):
            self.camera_poses.add_range(range_reading(message))
        if topic in self._topics.camera_infos and self._is_of(topic, INFO_TYPES):
            self.camera_infos[topic] = message
        if topic == self._topics.grid and self._is_of(topic, GRID_TYPES):
            self._grid = message
        if topic == self._topics.depth and self._is_of(topic, DEPTH_TYPES):
            self._depths[stamp_to_nanoseconds(message.header.stamp)] = message
            if len(self._depths) > self._times * KEPT_DEPTHS:
                self._depths.pop(next(iter(self._depths)))
        if topic == self._topics.cloud and self._is_of(topic, CLOUD_TYPES):
            self._clouds[stamp_to_nanoseconds(message.header.stamp)] = message
            if len(self._clouds) > self._times * KEPT_CLOUDS:
                self._clouds.pop(next(iter(self._clouds)))


def seconds_of(time_ns: int) -> float:
    """
    Return nanoseconds as seconds, rounded the same way wherever a stamp is looked up.

    :param time_ns: since the epoch
    """
    return time_ns / NANOSECONDS
