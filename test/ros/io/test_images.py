# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Messages are made of arrays byte for byte, with the headers that they are given."""

import array

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from rclpy.serialization import serialize_message
from segformer_ros.ros.io import images as image_messages
from segformer_ros.segmentation.postprocessing import bytes_of
from segformer_ros.segmentation.postprocessing import PixelBuffers
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header


def header():
    made = Header(frame_id='left_eye')
    made.stamp.sec, made.stamp.nanosec = 12, 345
    return made


@pytest.mark.parametrize('make, shape, encoding', [
    (image_messages.mono8_image, (3, 5), 'mono8'), (image_messages.rgb8_image, (3, 5, 3), 'rgb8')])
def test_image_holds_the_array_without_padding(make, shape, encoding):
    values = np.random.RandomState(1).randint(0, 256, shape, dtype=np.uint8)
    message = deserialize_message(serialize_message(make(header(), values)),
                                  type(make(header(), values)))
    assert message.header == header()
    assert (message.height, message.width, message.encoding) == (3, 5, encoding)
    assert message.step * message.height == len(message.data) == values.size
    assert bytes(message.data) == values.tobytes()


def test_bytes_are_filled_as_array_array_which_every_rclpy_takes_fast():
    data = image_messages.byte_array(np.arange(6, dtype=np.uint8))
    assert type(data) is array.array
    assert data.typecode == 'B'
    assert data.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_mask_becomes_a_message_without_a_copy():
    mask = PixelBuffers().take((3, 5))
    mask[...] = np.arange(15).reshape(3, 5)
    message = image_messages.mono8_image(header(), mask)
    assert message.data is bytes_of(mask)
    assert deserialize_message(serialize_message(message), type(message)).data.tolist() == list(
        range(15))
    # A part of it is copied.
    assert image_messages.byte_array(np.ascontiguousarray(mask[1:])).tolist() == list(
        range(5, 15))


def test_camera_info_keeps_everything_but_the_header():
    info = CameraInfo(width=640, height=480, distortion_model='plumb_bob', d=[0.1] * 5)
    made = image_messages.camera_info_like(info, header(), (640, 480))
    assert made.header == header()
    assert info.header == Header()
    made.header = Header()
    assert made == info


def test_camera_info_of_a_smaller_mask_has_its_size_and_its_k_and_p():
    info = CameraInfo(width=640, height=480, distortion_model='plumb_bob', d=[0.1] * 5,
                      k=[500.0, 0.0, 319.5, 0.0, 500.0, 239.5, 0.0, 0.0, 1.0],
                      p=[480.0, 0.0, 319.5, -48.0, 0.0, 480.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0],
                      binning_x=2, binning_y=2)
    info.roi.width, info.roi.height, info.roi.x_offset = 320, 240, 100
    made = image_messages.camera_info_like(info, header(), (160, 120))
    assert (made.width, made.height, made.binning_x, made.binning_y) == (160, 120, 0, 0)
    assert made.roi == RegionOfInterest()
    # (319.5 + 0.5 - 100) / 2 - 0.5 and (239.5 + 0.5) / 2 - 0.5
    assert list(made.k) == [250.0, 0.0, 109.5, 0.0, 250.0, 119.5, 0.0, 0.0, 1.0]
    assert list(made.p) == [240.0, 0.0, 109.5, -24.0, 0.0, 240.0, 119.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert list(made.d) == [0.1] * 5
    assert (info.width, info.roi.width, info.k[0]) == (640, 320, 500.0)
