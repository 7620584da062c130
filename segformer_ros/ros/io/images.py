# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Turn arrays into messages."""

import array
import copy
from typing import Any, Tuple

from segformer_ros.common import arrays
from segformer_ros.costmap.geometry import camera_model
from segformer_ros.segmentation.postprocessing import bytes_of
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
    return with_data(sensor_msgs.CompressedImage, byte_array(encoded), header=header,
                     format=f'rgb8; {suffix} compressed bgr8')


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

    A numpy array or memoryview is checked byte by byte: 50 ms for a VGA image. They are not
    copied where the array stands in such a form already, as masks do.
    """
    result = bytes_of(values)
    if result is not None:
        return result
    result = array.array('B')
    result.frombytes(values)  # type: ignore[arg-type]
    return result


def with_data(message_type: Any, data: 'array.array[int]', **fields: Any) -> Any:
    """
    Return a message that holds an array itself.

    Its constructor would copy what it is given; so would, from Jazzy on, a setter that does not
    check. One that checks takes an ``array.array`` as it is, after a look at its type code.

    :param message_type: with a field ``data``, which is left out of ``fields``
    """
    if '_check_fields' in message_type.__slots__:
        fields['check_fields'] = True
    message = message_type(**fields)
    message.data = data
    return message


def _image(header: Header, values: arrays.UInt8, encoding: str,
           channels: int) -> Any:
    height, width = values.shape[:2]
    return with_data(sensor_msgs.Image, byte_array(values), header=header, height=height,
                     width=width, encoding=encoding, is_bigendian=0, step=width * channels)
