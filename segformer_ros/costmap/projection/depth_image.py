# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Depth images as ROS has them, turned into metres.

REP-118: 16UC1 holds millimetres with 0 for none, 32FC1 metres with NaN for none.
compressedDepth puts 12 bytes before a PNG: an int32 and two float32 that say how 32FC1 was
quantised (compressed_depth_image_transport): depth = a / (value - b).
"""

import struct
from typing import Any, Optional

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import image_header
from segformer_ros.common.errors import InvalidInputError

_HEADER = struct.Struct('<iff')
_TYPES = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}


def depth_in_meters(image: arrays.Array) -> arrays.Float32:
    """
    Return a depth image in metres.

    :param image: (H, W) uint16 millimetres, or float32 or float64 metres
    :return: (H, W) float32; 0 or not finite where nothing was measured
    :raises InvalidInputError: another type or shape
    """
    if image.ndim == 2 and image.dtype == np.uint16:
        return image * np.float32(0.001)
    if image.ndim == 2 and image.dtype in (np.float32, np.float64):
        return image.astype(np.float32, copy=False)
    raise InvalidInputError('Not a depth image', got=f'{image.dtype} of shape {image.shape}',
                            expected='16UC1 (millimetres) or 32FC1 (metres)')


def depth_of_message(message: Any) -> arrays.Float32:
    """
    Return the depth of an Image or compressedDepth message in metres.

    :param message: with the fields of ``sensor_msgs/Image`` or ``sensor_msgs/CompressedImage``
    :return: (H, W) float32
    :raises InvalidInputError: another encoding, or data that do not fit
    """
    if hasattr(message, 'format'):
        return decode_compressed_depth(bytes(message.data), message.format)
    return depth_of_image(message)


def depth_of_image(message: Any) -> arrays.Float32:
    """
    Return the depth of an Image message in metres.

    :param message: any object with the fields of ``sensor_msgs/Image``
    :return: (H, W) float32; 0 or not finite where nothing was measured
    :raises InvalidInputError: another encoding, or data that do not fit
    """
    if message.encoding not in _TYPES:
        raise InvalidInputError('Not a depth image', got=repr(message.encoding),
                                expected='16UC1 or 32FC1')
    image_header.check_size(message.width, message.height)
    dtype = np.dtype(('>' if message.is_bigendian else '<') + _TYPES[message.encoding])
    row_bytes = message.width * dtype.itemsize
    if message.step < row_bytes or len(message.data) < message.step * message.height:
        raise InvalidInputError('Depth image too short',
                                got=f'{len(message.data)} bytes, step {message.step}',
                                expected=f'{message.height} rows of {row_bytes} bytes')
    rows = np.asarray(message.data, np.uint8)[:message.step * message.height].reshape(
        message.height, message.step)[:, :row_bytes]
    return depth_in_meters(np.ascontiguousarray(rows).view(dtype).astype(dtype.newbyteorder('=')))


def decode_compressed_depth(data: bytes, message_format: str) -> arrays.Float32:
    """
    Return the depth of a compressedDepth message, or of a plain PNG of 16UC1, in metres.

    :param data: CompressedImage.data
    :param message_format: CompressedImage.format, such as ``16UC1; compressedDepth png`` or
        ``16UC1; png compressed``
    :return: (H, W) float32; 0 or NaN where nothing was measured
    :raises InvalidInputError: not depth, or damaged
    """
    encoding = message_format.split(';', 1)[0].strip()
    if 'compressedDepth' not in message_format and encoding in ('16UC1', 'mono16') and \
            data.startswith(image_header.PNG_START):
        return depth_in_meters(_whole(data, 0))
    if 'compressedDepth' not in message_format or encoding not in ('16UC1', '32FC1'):
        raise InvalidInputError('Not a compressed depth image', got=repr(message_format),
                                expected="'16UC1; compressedDepth' or '32FC1; compressedDepth'",
                                remedy='Subscribe to the compressedDepth topic.')
    if 'rvl' in message_format.lower():
        raise InvalidInputError('RVL depth compression is not supported',
                                got=repr(message_format), expected='png',
                                remedy="Set the publisher's compressedDepth format to png.")
    picture = _whole(data, _HEADER.size)
    if encoding == '16UC1':
        return depth_in_meters(picture)
    _, scale, offset = _HEADER.unpack_from(data)
    with np.errstate(divide='ignore', invalid='ignore'):
        depth = np.float32(scale) / (picture.astype(np.float32) - np.float32(offset))
    depth[picture == 0] = np.nan
    return depth


def _whole(data: bytes, start: int) -> arrays.Array:
    picture = _png_picture(data[start:])
    if picture is None or picture.ndim != 2 or picture.dtype != np.uint16:
        raise InvalidInputError('Compressed depth image is damaged',
                                got=f'{len(data)} bytes',
                                expected=f'{start} bytes and a 16-bit grey PNG')
    return picture


def _png_picture(data: bytes) -> Optional[arrays.Array]:
    """Return what a PNG holds, None if it is none."""
    if not data.startswith(image_header.PNG_START):
        return None
    return cv2.imdecode(np.frombuffer(data, np.uint8, image_header.png_header(data).length),
                        cv2.IMREAD_UNCHANGED)
