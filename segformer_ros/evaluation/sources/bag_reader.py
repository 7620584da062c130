# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Read one file of a recording with the rosbags library, without a ROS installation."""

import contextlib
import os
import pathlib
import tempfile
from typing import Any, Collection, Dict, Iterator, List, NamedTuple, Optional, Tuple

from segformer_ros.common import install
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.text import one_line
from segformer_ros.evaluation.sources import unpacking
from segformer_ros.evaluation.sources.bag_files import BagPart
from segformer_ros.evaluation.sources.bag_files import COMPRESSED
from segformer_ros.evaluation.sources.mcap_recovery import find_truncation
from segformer_ros.evaluation.sources.mcap_recovery import RepairedFile

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'

# Start of a zstd frame. CDR data starts with 0x00, so that a message compressed by the recorder
# is known without its metadata.
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'

_MAGIC = {'mcap': b'\x89MCAP0\r\n', 'sqlite3': b'SQLite format 3\x00', 'ros1': b'#ROSBAG V'}


class TopicInfo(NamedTuple):
    """A topic of one file; ``type_name`` has ROS 2's form, ``sensor_msgs/msg/Image``."""

    name: str
    type_name: str
    messages: int


class BagPartReader:
    """
    One open file of a recording, for use in a ``with`` block.

    Opening checks the file; a file without its end is read as far as it goes, and ``problem``
    then says so.

    :param part: the file
    :raises ConfigurationError: rosbags is not installed
    :raises InvalidInputError: the file cannot be read at all
    """

    def __init__(self, part: BagPart) -> None:
        self.part = part
        self.problem: Optional[str] = None
        self._stack = contextlib.ExitStack()
        self._reader: Any = None
        self._typestore: Any = None

    def __enter__(self) -> 'BagPartReader':
        """Open the file."""
        try:
            self._open()
        except ConfigurationError:
            self._stack.close()
            raise
        except Exception as error:  # damaged data leaves the library in a dozen different ways
            self._stack.close()
            raise InvalidInputError(
                'Bag file cannot be read',
                got=f'{self.part.path} ({type(error).__name__}: {_bare(error)})',
                expected=f'a whole {self.part.storage} file',
                remedy=self._remedy()) from error
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file."""
        self._stack.close()

    def topics(self) -> List[TopicInfo]:
        """Return the topics by name."""
        topics: Dict[str, TopicInfo] = {}
        for connection in self._reader.connections:
            known = topics.get(connection.topic)
            messages = connection.msgcount + (known.messages if known else 0)
            topics[connection.topic] = TopicInfo(
                connection.topic, ros2_type_name(connection.msgtype), messages)
        return [topics[name] for name in sorted(topics)]

    def connections(self) -> List[Any]:
        """Return the library's own description of the topics."""
        return [_renamed(connection) for connection in self._reader.connections]

    def messages(self, topics: Optional[Collection[str]] = None) -> Iterator[
            Tuple[Any, int, bytes]]:
        """
        Yield (connection, receive time in ns, serialised message) in the order of time.

        :param topics: names; None for all
        :raises InvalidInputError: from here on the file is damaged
        """
        chosen = [connection for connection in self._reader.connections
                  if topics is None or connection.topic in topics]
        if not chosen:
            return
        iterator = self._reader.messages(connections=chosen)
        while True:
            try:
                connection, time_ns, data = next(iterator)
                if data[:4] == ZSTD_MAGIC:
                    data = unpacking.unpack_zstd(data)
            except StopIteration:
                return
            except Exception as error:  # as in __enter__
                raise InvalidInputError('Bag file is damaged',
                                        got=f'{self.part.path} ({type(error).__name__}: '
                                        f'{_bare(error)})',
                                        expected=f'a whole {self.part.storage} file',
                                        remedy=self._remedy()) from error
            yield _renamed(connection), time_ns, data

    def deserialize(self, data: bytes, type_name: str) -> Any:
        """
        Return a message with the fields of the ROS type.

        :param data: as :meth:`messages` gives it
        :param type_name: one of the common interfaces
        :raises InvalidInputError: the bytes are not such a message
        """
        read = self._typestore.deserialize_ros1 if self.part.storage == 'ros1' else \
            self._typestore.deserialize_cdr
        try:
            return read(data, type_name)
        except Exception as error:  # cut bytes leave numpy and struct errors
            raise InvalidInputError('Message cannot be read',
                                    got=f'{len(data)} bytes ({type(error).__name__}: {error})',
                                    expected=type_name) from error

    def _open(self) -> None:
        rosbag1, rosbag2, typesys = import_rosbags()
        path: Any = pathlib.Path(self.part.path)
        if self.part.is_compressed:
            path = self._decompressed(path)
        if self.part.storage == 'ros1':
            self._typestore = typesys.get_typestore(typesys.Stores.ROS1_NOETIC)
            self._reader = self._stack.enter_context(rosbag1.Reader(path))
            return
        # Image and CompressedImage are the same in every ROS 2 distribution.
        self._typestore = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
        if self.part.storage == 'mcap':
            truncation = find_truncation(str(path))
            if truncation is not None:
                self.problem = (
                    f'{os.path.basename(self.part.path)} is cut off: {truncation.sound_end} of '
                    f'{truncation.file_bytes} bytes are sound')
                path = RepairedFile(str(path), truncation)
        self._reader = self._stack.enter_context(rosbag2.Reader(path))

    def _decompressed(self, path: pathlib.Path) -> pathlib.Path:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        target = pathlib.Path(folder) / path.name[:-len(COMPRESSED)]
        with unpacking.zstd().open(str(path), 'rb') as source:
            unpacking.unpack_file(source, str(target), folder)
        return target

    def _remedy(self) -> str:
        # Only what is a recording, and damaged, can be mended.
        if not os.path.exists(self.part.path):
            return 'The file is missing: copy the whole recording.'
        if os.path.getsize(self.part.path) == 0:
            return 'The file is empty: nothing was recorded, or it was not copied.'
        magic = _MAGIC[self.part.storage]
        with open(self.part.path, 'rb') as stream:
            start = stream.read(len(magic))
        if not self.part.is_compressed and start != magic[:len(start)]:
            return f'The file is not a recording of {self.part.storage}, whatever its name says.'
        return {'ros1': 'Try "rosbag reindex" on it.',
                'sqlite3': 'Try "ros2 bag reindex" on its folder.',
                'mcap': 'Try "mcap recover" on it.'}[self.part.storage]


def ros2_type_name(type_name: str) -> str:
    """Return ROS 2's form of a type name; some recorders leave ``/msg/`` out."""
    package, slash, name = type_name.partition('/')
    return type_name if not slash or '/' in name else f'{package}/msg/{name}'


def _renamed(connection: Any) -> Any:
    return connection._replace(msgtype=ros2_type_name(connection.msgtype))


def import_rosbags() -> Tuple[Any, Any, Any]:
    """
    Return the modules rosbag1, rosbag2 and typesys of rosbags.

    :raises ConfigurationError: it is not installed
    """
    try:
        from rosbags import rosbag1
        from rosbags import rosbag2
        from rosbags import typesys
    except ImportError as error:
        raise ConfigurationError('rosbags cannot be imported', got=error,
                                 remedy=install.with_extra('evaluation')) from error
    unpacking.bound_rosbags()
    return rosbag1, rosbag2, typesys


def latched_qos() -> Any:
    """Return the library's description of a reliable, transient local topic of depth 1."""
    from rosbags import interfaces
    endless = interfaces.QosTime(2147483647, 4294967295)
    return interfaces.Qos(interfaces.QosHistory.KEEP_LAST, 1, interfaces.QosReliability.RELIABLE,
                          interfaces.QosDurability.TRANSIENT_LOCAL, endless, endless,
                          interfaces.QosLiveliness.AUTOMATIC, endless, False)


def is_latched(connection: Any) -> bool:
    """
    Return whether the recorded publisher of a topic was transient local.

    :param connection: the library's, of a rosbag2 recording
    """
    from rosbags import interfaces
    return any(profile.durability == interfaces.QosDurability.TRANSIENT_LOCAL
               for profile in connection.ext.offered_qos_profiles)


def _bare(error: Exception) -> str:
    return one_line(error).rstrip('.')
