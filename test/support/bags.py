# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write small recordings for tests with the rosbags library."""

import os
import shutil

import cv2
import numpy as np

CAMERA = '/camera/image_raw'
LABELS = '/camera/labels'
START_S = 1700000000


def picture(number, height=24, width=32):
    """Return an RGB picture that differs from every other number's."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([(rows * 7 + number * 31) % 256, (columns * 5 + number * 17) % 256,
                     (rows + columns) * 3 % 256], axis=-1).astype(np.uint8)


class BagWriter:
    """
    A recording under way.

    :param path: folder of the recording, or file of a ROS 1 bag
    :param storage: ``mcap``, ``sqlite3`` or ``ros1``
    :param compression: '', ``file``, ``message``, or for mcap ``storage``
    """

    def __init__(self, path, storage='mcap', compression=''):
        from rosbags import rosbag1
        from rosbags import rosbag2
        from rosbags import typesys
        self._is_ros1 = storage == 'ros1'
        if self._is_ros1:
            self._types = typesys.get_typestore(typesys.Stores.ROS1_NOETIC)
            self._writer = rosbag1.Writer(str(path))
        else:
            self._types = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
            self._writer = rosbag2.Writer(
                str(path), version=9,
                storage_plugin=getattr(rosbag2.StoragePlugin, storage.upper()))
            if compression:
                self._writer.set_compression(
                    getattr(rosbag2.CompressionMode, compression.upper()),
                    rosbag2.CompressionFormat.ZSTD)
        self._connections = {}
        self._sequence = 0

    def __enter__(self):
        self._writer.open()
        return self

    def __exit__(self, *exception):
        self._writer.close()

    def header(self, number, frame_id='camera_optical_frame', step_ns=10 ** 8):
        """Return a header whose stamp is that of frame ``number``, 0.1 s apart."""
        stamp_ns = START_S * 10 ** 9 + number * step_ns
        types = self._types.types
        stamp = types['builtin_interfaces/msg/Time'](
            sec=stamp_ns // 10 ** 9, nanosec=stamp_ns % 10 ** 9)
        if self._is_ros1:
            return types['std_msgs/msg/Header'](seq=number, stamp=stamp, frame_id=frame_id)
        return types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)

    def make(self, type_name, **fields):
        """Return a message; ``type_name`` as in ``nav_msgs/OccupancyGrid``."""
        return self._types.types[type_name.replace('/', '/msg/')](**fields)

    def write(self, topic, message, number, delay_ns=0, is_latched=False):
        """Write any message as if it was received at the stamp of frame ``number``."""
        from segformer_ros.evaluation.sources.bag_reader import latched_qos
        type_name = message.__msgtype__
        if topic not in self._connections:
            options = {'offered_qos_profiles': [latched_qos()]} if is_latched else {}
            self._connections[topic] = self._writer.add_connection(
                topic, type_name, typestore=self._types, **options)
        serialize = self._types.serialize_ros1 if self._is_ros1 else self._types.serialize_cdr
        self.write_bytes(topic, bytes(serialize(message, type_name)), number, delay_ns)

    def write_bytes(self, topic, data, number, delay_ns=0):
        """Write raw bytes to a topic that has a message already."""
        self._writer.write(self._connections[topic],
                           START_S * 10 ** 9 + number * 10 ** 8 + delay_ns, data)

    def image(self, number, pixels=None, topic=CAMERA, encoding='rgb8', padding=0,
              delay_ns=0, stamp_number=None, is_latched=False, height=None):
        """
        Write an Image message.

        :param padding: bytes that are added to every row
        :param height: that the message tells; by default that of ``pixels``
        """
        pixels = picture(number) if pixels is None else pixels
        rows = pixels.reshape(pixels.shape[0], -1)
        rows = np.pad(rows, ((0, 0), (0, padding)), mode='constant')
        message = self._types.types['sensor_msgs/msg/Image'](
            header=self.header(number if stamp_number is None else stamp_number),
            height=height or pixels.shape[0], width=pixels.shape[1], encoding=encoding,
            is_bigendian=0, step=rows.shape[1], data=rows.reshape(-1).copy())
        self.write(topic, message, number, delay_ns, is_latched)

    def compressed(self, number, pixels=None, topic=CAMERA + '/compressed', data=None):
        """Write a CompressedImage message; PNG unless ``data`` is given."""
        pixels = picture(number) if pixels is None else pixels
        if data is None:
            data = cv2.imencode('.png', pixels[..., ::-1])[1].reshape(-1)
        message = self._types.types['sensor_msgs/msg/CompressedImage'](
            header=self.header(number), format='rgb8; png compressed bgr8',
            data=np.frombuffer(bytes(bytearray(data)), np.uint8))
        self.write(topic, message, number)


def write_bag(path, frames=6, storage='mcap', compression='', labels=None, first=0):
    """
    Write a recording of one camera.

    :param labels: function from frame number to (H, W) labels for the topic LABELS
    :return: the path as text
    """
    with BagWriter(path, storage, compression) as bag:
        for number in range(first, first + frames):
            bag.image(number)
            if labels is not None:
                bag.image(number, labels(number), LABELS, 'mono8', delay_ns=5 * 10 ** 6)
    return str(path)


def storage_file(bag):
    """Return the one storage file of a recording's folder."""
    names = [name for name in os.listdir(str(bag)) if name != 'metadata.yaml']
    assert len(names) == 1, names
    return os.path.join(str(bag), names[0])


def split_bag(path, parts, frames_each=3, storage='mcap'):
    """Write a recording of several files, as ``ros2 bag record --max-bag-duration`` does."""
    import yaml
    path = str(path)
    os.makedirs(path)
    merged = None
    for part in range(parts):
        single = write_bag(f'{path}_{part}', frames_each, storage,
                           first=part * frames_each)
        with open(os.path.join(single, 'metadata.yaml')) as stream:
            content = yaml.safe_load(stream)
        information = content['rosbag2_bagfile_information']
        file = os.path.basename(storage_file(single))
        shutil.move(storage_file(single), path)
        shutil.rmtree(single)
        if merged is None:
            merged = content
            merged_information = information
        else:
            merged_information['relative_file_paths'].append(file)
            merged_information['files'] += information['files']
            merged_information['message_count'] += information['message_count']
            for mine, theirs in zip(merged_information['topics_with_message_count'],
                                    information['topics_with_message_count']):
                mine['message_count'] += theirs['message_count']
    with open(os.path.join(path, 'metadata.yaml'), 'w') as stream:
        yaml.safe_dump(merged, stream)
    return path
