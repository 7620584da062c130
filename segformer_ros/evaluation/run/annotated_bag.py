# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write a recording again with masks and overlays beside its own topics."""

import logging
import os
from typing import Any, Dict, Iterator, Optional, Set, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.time import nanoseconds_to_stamp
from segformer_ros.costmap.pipeline import Occupancy
from segformer_ros.evaluation.run.sinks import FrameSink
from segformer_ros.evaluation.sources import bag_reader
from segformer_ros.evaluation.sources.bag_source import RecordedSource
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.frames import path_below
from segformer_ros.segmentation.images.compressed import encode_jpeg
from segformer_ros.segmentation.images.palette import overlay
from segformer_ros.segmentation.segmenter import Segmentation

# The live node's topics under its usual name, so that one layout of a viewer fits both. Where
# cameras have names those follow the node's.
NODE = '/segformer'
MASK = '/segformer/mask'
CONFIDENCE = '/segformer/confidence'
OVERLAY = '/segformer/overlay/compressed'
COSTMAP = '/segformer/costmap'

ALPHA = 0.5
QUALITY = 90

# 8 is the last version of metadata.yaml that rosbag2 of Humble reads.
METADATA_VERSION = 8

_log = logging.getLogger(__name__)


class AnnotatedBag(FrameSink):
    """
    A new mcap recording for one source.

    Messages of the source are copied as they are, in their order. Those of a ROS 1 bag are left
    out: their bytes mean nothing to ROS 2.

    :param root: the recording becomes a folder in it
    :param source: whose frames come
    :param palette: (256, 3) RGB by the network's class id
    :raises ConfigurationError: it exists already
    """

    def __init__(self, root: str, source: RecordedSource, palette: arrays.UInt8) -> None:
        self.path = path_below(root, source.name)
        if os.path.exists(self.path):
            raise ConfigurationError('Recording exists already', got=self.path,
                                     remedy='Choose another folder, or remove it.')
        _, self._rosbag2, self._typesys = bag_reader.import_rosbags()
        # As the live node's: RViz's Map display asks for a latched topic.
        self._qos = {COSTMAP: [bag_reader.latched_qos()]}
        self._types = self._typesys.get_typestore(self._typesys.Stores.ROS2_JAZZY)
        self._palette = palette
        self._writer = self._rosbag2.Writer(
            self.path, version=METADATA_VERSION, storage_plugin=self._rosbag2.StoragePlugin.MCAP)
        self._writer.set_compression(self._rosbag2.CompressionMode.STORAGE,
                                     self._rosbag2.CompressionFormat.ZSTD)
        self._writer.open()
        self._outputs: Dict[str, Any] = {}
        self._copies: Dict[str, Any] = {}
        # Results of an earlier run make way for the new ones.
        self._cameras = source.cameras
        self._skipped: Set[str] = {COSTMAP} | {
            of_camera(topic, name) for topic in (MASK, CONFIDENCE, OVERLAY)
            for name in source.cameras.values()}
        self._originals = self._read_originals(source)
        self._next: Optional[Tuple[Any, int, bytes]] = next(self._originals, None)
        self._is_open = True

    def add(self, frame: Frame, segmentation: Segmentation) -> None:
        """Write one frame's results with the header and time of its image."""
        if frame.received_ns is None or frame.stamp_ns is None:
            raise InvalidInputError('Frame is not from a recording', got=frame.name)
        self._copy_until(frame.received_ns)
        header = self._header(frame)
        camera = self._cameras.get(frame.topic, '')
        self._write(of_camera(MASK, camera), self._mono8(header, segmentation.mask),
                    frame.received_ns)
        if segmentation.confidence is not None:
            self._write(of_camera(CONFIDENCE, camera),
                        self._mono8(header, segmentation.confidence), frame.received_ns)
        picture = overlay(frame.image, segmentation.mask, self._palette, ALPHA)
        self._write(of_camera(OVERLAY, camera), self._types.types[bag_reader.COMPRESSED_IMAGE](
            header=header, format='rgb8; jpeg compressed bgr8',
            data=encode_jpeg(picture, QUALITY)), frame.received_ns)

    def add_grid(self, frame: Frame, grid: Occupancy, frame_id: str) -> None:
        """
        Write the costmap at a frame's stamp; called after :meth:`add`.

        :param frame: whose stamp and time it gets
        :param grid: the costmap
        :param frame_id: of its cells
        """
        types, geometry = self._types.types, grid.geometry
        origin = types['geometry_msgs/msg/Pose'](position=types['geometry_msgs/msg/Point'](
            x=geometry.origin_x, y=geometry.origin_y,
            z=0.0), orientation=types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0))
        header = self._header(frame._replace(frame_id=frame_id))
        self._write(COSTMAP, types['nav_msgs/msg/OccupancyGrid'](
            header=header, info=types['nav_msgs/msg/MapMetaData'](
                map_load_time=header.stamp, resolution=geometry.resolution,
                width=geometry.width, height=geometry.height, origin=origin),
            data=np.ascontiguousarray(grid.values).reshape(-1)), frame.received_ns or 0)

    def close(self) -> None:
        """Copy what is left and finish the recording."""
        if self._is_open:
            self._is_open = False
            self._copy_until(None)
            self._writer.close()

    def _read_originals(self, source: RecordedSource) -> Iterator[Tuple[Any, int, bytes]]:
        if source.part.storage == 'ros1':
            _log.warning('%s: topics of a ROS 1 bag are not copied', source.name)
            return
        try:
            with bag_reader.BagPartReader(source.part) as reader:
                yield from reader.messages()
        except InvalidInputError as error:
            _log.warning('%s: not copied from here on: %s', source.name, error)

    def _copy_until(self, time_ns: Optional[int]) -> None:
        while self._next is not None and (time_ns is None or self._next[1] <= time_ns):
            connection, received_ns, data = self._next
            copy = self._copy_of(connection)
            if copy is not None:
                self._writer.write(copy, received_ns, data)
            self._next = next(self._originals, None)

    def _copy_of(self, connection: Any) -> Optional[Any]:
        topic = connection.topic
        if topic in self._copies or topic in self._skipped:
            return self._copies.get(topic)
        try:
            definition, digest = self._definition(connection)
            self._copies[topic] = self._writer.add_connection(
                topic, connection.msgtype, msgdef=definition, rihs01=digest,
                offered_qos_profiles=connection.ext.offered_qos_profiles)
        except Exception as error:  # a definition that the library cannot parse
            self._skipped.add(topic)
            _log.warning('%s is not copied: no definition of %s (%s)', topic,
                         connection.msgtype, error)
        return self._copies.get(topic)

    def _definition(self, connection: Any) -> Tuple[str, str]:
        """Return the text of a message definition and its hash."""
        text = connection.msgdef.data
        if not text:
            # sqlite3 recordings of older distributions carry none.
            return (self._types.generate_msgdef(connection.msgtype, ros_version=2)[0],
                    self._types.hash_rihs01(connection.msgtype))
        if connection.digest:
            return text, connection.digest
        types = self._typesys.get_typestore(self._typesys.Stores.EMPTY)
        types.register(self._typesys.get_types_from_msg(text, connection.msgtype))
        return text, types.hash_rihs01(connection.msgtype)

    def _header(self, frame: Frame) -> Any:
        seconds, nanoseconds = nanoseconds_to_stamp(frame.stamp_ns or 0)
        stamp = self._types.types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
        return self._types.types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame.frame_id)

    def _mono8(self, header: Any, values: arrays.UInt8) -> Any:
        height, width = values.shape
        return self._types.types[bag_reader.IMAGE](
            header=header, height=height, width=width, encoding='mono8', is_bigendian=0,
            step=width, data=np.ascontiguousarray(values).reshape(-1))

    def _write(self, topic: str, message: Any, time_ns: int) -> None:
        type_name = message.__msgtype__
        if topic not in self._outputs:
            self._outputs[topic] = self._writer.add_connection(
                topic, type_name, typestore=self._types,
                offered_qos_profiles=self._qos.get(topic, []))
        self._writer.write(self._outputs[topic], time_ns,
                           self._types.serialize_cdr(message, type_name))


def of_camera(topic: str, camera: str) -> str:
    """
    Return a topic as the live node names it for one of its cameras.

    :param topic: of a node whose camera has no name
    :param camera: its name, or nothing
    """
    return f'{NODE}/{camera}{topic[len(NODE):]}' if camera else topic
