# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Turn arrays into messages."""

import array
import copy
from typing import Tuple

from segformer_ros.common import arrays
from segformer_ros.costmap.geometry import camera_model
from sensor_msgs import msg as sensor_msgs
from std_msgs.msg import Header


def mono8_image(header: Header, values: arrays.UInt8) -> sensor_msgs.Image:
    """
    Return a mono8 image with ``step == width``.

    :param header: of the input image; kept as it is
    :param values: (H, W) class ids or confidences
    """
    return _image(header, values, 'mono8', 1)


def rgb8_image(header: Header, pixels: arrays.UInt8) -> sensor_msgs.Image:
    """
    Return an rgb8 image with ``step == 3 * width``.

    :param header: of the input image; kept as it is
    :param pixels: (H, W, 3) RGB
    """
    return _image(header, pixels, 'rgb8', 3)


def compressed_image(header: Header, encoded: arrays.UInt8,
                     suffix: str) -> sensor_msgs.CompressedImage:
    """
    Return an encoded rgb8 picture.

    :param header: of the input image; kept as it is
    :param encoded: the bytes of the file, one-dimensional
    :param suffix: ``jpeg`` or ``png``
    """
    # The form of image_transport's compressed plugin; viewers look for the words in it.
    return sensor_msgs.CompressedImage(header=header, format=f'rgb8; {suffix} compressed bgr8',
                                       data=byte_array(encoded))


def camera_info_like(info: sensor_msgs.CameraInfo, header: Header,
                     size_wh: Tuple[int, int]) -> sensor_msgs.CameraInfo:
    """
    Return a camera's intrinsics for the pixels of a mask.

    :param header: of the mask
    :param size_wh: of the mask
    :raises InvalidInputError: the intrinsics are of an image of another shape
    """
    result = copy.copy(info)
    result.header = header
    full = camera_model.calibration_of(info)
    scaled = camera_model.scaled_calibration(full, size_wh)
    if scaled is not full:
        result.width, result.height = scaled.width, scaled.height
        result.k, result.p = list(scaled.k), list(scaled.p)
        result.binning_x = result.binning_y = 0
        result.roi = sensor_msgs.RegionOfInterest()
    return result


def byte_array(values: arrays.Array) -> 'array.array[int]':
    """
    Return the bytes of a contiguous array in the one form that every rclpy takes fast.

    A numpy array or memoryview is checked byte by byte: 50 ms for a VGA image.
    """
    result = array.array('B')
    result.frombytes(values)  # type: ignore[arg-type]
    return result


def _image(header: Header, values: arrays.UInt8, encoding: str,
           channels: int) -> sensor_msgs.Image:
    height, width = values.shape[:2]
    return sensor_msgs.Image(header=header, height=height, width=width, encoding=encoding,
                             is_bigendian=0, step=width * channels, data=byte_array(values))
