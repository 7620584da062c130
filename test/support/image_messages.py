# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Objects with the fields of image messages, with any row step; no ROS needed."""

import numpy as np


class PlainMessage:
    """The fields of ``sensor_msgs/Image`` or ``CompressedImage`` alone."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


def image_message(rows, width, encoding, padding=0, big_endian=False, height=None, filler=0xa5):
    """
    Return an image whose rows are padded with ``filler`` bytes.

    :param rows: (R, bytes of one row) uint8
    :param height: of the picture, where it differs from R (nv12, nv21)
    """
    rows = np.asarray(rows, np.uint8)
    padded = np.full((rows.shape[0], rows.shape[1] + padding), filler, np.uint8)
    padded[:, :rows.shape[1]] = rows
    return PlainMessage(
        height=rows.shape[0] if height is None else height, width=width, encoding=encoding,
        is_bigendian=int(big_endian), step=padded.shape[1], data=padded.tobytes())


def without_padding(message, row_bytes):
    """Return the same image with the smallest step, made row by row."""
    data = b''.join(bytes(message.data[start:start + row_bytes])
                    for start in range(0, len(message.data), message.step))
    return PlainMessage(height=message.height, width=message.width, encoding=message.encoding,
                        is_bigendian=message.is_bigendian, step=row_bytes, data=data)
