# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The image encodings that a camera may send, and how each becomes RGB."""

from typing import Dict, NamedTuple, Optional

from segformer_ros.common.errors import InvalidInputError

PLAIN = 'plain'
"""Interleaved channels; 8 bit ones are read where they lie."""
BAYER_OR_YUV422 = 'bayer or yuv 4:2:2'
"""One colour filter value per pixel, or one chroma pair per two pixels."""
MEASUREMENTS = ('16UC', '16SC', '32FC', '32SC', '64FC')
"""How the names of encodings begin that hold depth or ranges."""
PLANAR = 'planar'
"""A luma plane, then a half-height plane of interleaved chroma (nv12, nv21)."""


class Encoding(NamedTuple):
    """
    The memory layout of one ``sensor_msgs/Image`` encoding.

    ``to_rgb`` is the name of OpenCV's conversion, None where the bytes are RGB already.
    Width and height must be multiples of ``width_multiple`` and ``height_multiple`` and at least
    ``smallest``.
    """

    family: str
    channels: int
    sample_bytes: int
    to_rgb: Optional[str]
    width_multiple: int = 1
    height_multiple: int = 1
    smallest: int = 1

    @property
    def pixel_bytes(self) -> int:
        """Return the bytes of one pixel in a row (of the luma plane for planar images)."""
        return self.channels * self.sample_bytes


def _bayer(opencv_pattern: str, sample_bytes: int) -> Encoding:
    # OpenCV interpolates a 3 x 3 neighbourhood and returns black where there is none.
    return Encoding(BAYER_OR_YUV422, 1, sample_bytes, f'COLOR_Bayer{opencv_pattern}2RGB',
                    smallest=3)


_UYVY = Encoding(BAYER_OR_YUV422, 2, 1, 'COLOR_YUV2RGB_UYVY', 2)
_YUYV = Encoding(BAYER_OR_YUV422, 2, 1, 'COLOR_YUV2RGB_YUYV', 2)

# ROS names a bayer pattern by its first row from pixel (0, 0); OpenCV by the second row from
# pixel (1, 1): ROS rggb is OpenCV BG.
ENCODINGS: Dict[str, Encoding] = {
    'rgb8': Encoding(PLAIN, 3, 1, None),
    'bgr8': Encoding(PLAIN, 3, 1, 'COLOR_BGR2RGB'),
    'rgba8': Encoding(PLAIN, 4, 1, 'COLOR_RGBA2RGB'),
    'bgra8': Encoding(PLAIN, 4, 1, 'COLOR_BGRA2RGB'),
    'mono8': Encoding(PLAIN, 1, 1, 'COLOR_GRAY2RGB'),
    # OpenCV users fill generic types in OpenCV's channel order.
    '8UC1': Encoding(PLAIN, 1, 1, 'COLOR_GRAY2RGB'),
    '8UC3': Encoding(PLAIN, 3, 1, 'COLOR_BGR2RGB'),
    '8UC4': Encoding(PLAIN, 4, 1, 'COLOR_BGRA2RGB'),
    'rgb16': Encoding(PLAIN, 3, 2, None),
    'bgr16': Encoding(PLAIN, 3, 2, 'COLOR_BGR2RGB'),
    'rgba16': Encoding(PLAIN, 4, 2, 'COLOR_RGBA2RGB'),
    'bgra16': Encoding(PLAIN, 4, 2, 'COLOR_BGRA2RGB'),
    'mono16': Encoding(PLAIN, 1, 2, 'COLOR_GRAY2RGB'),
    'bayer_rggb8': _bayer('BG', 1),
    'bayer_bggr8': _bayer('RG', 1),
    'bayer_gbrg8': _bayer('GR', 1),
    'bayer_grbg8': _bayer('GB', 1),
    'bayer_rggb16': _bayer('BG', 2),
    'bayer_bggr16': _bayer('RG', 2),
    'bayer_gbrg16': _bayer('GR', 2),
    'bayer_grbg16': _bayer('GB', 2),
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    'nv12': Encoding(PLANAR, 1, 1, 'COLOR_YUV2RGB_NV12', 2, 2),
    'nv21': Encoding(PLANAR, 1, 1, 'COLOR_YUV2RGB_NV21', 2, 2),
}


def find_encoding(name: str) -> Encoding:
    """
    Return the layout of an encoding.

    :raises InvalidInputError: no picture can be made of that encoding
    """
    encoding = ENCODINGS.get(name)
    if encoding is not None:
        return encoding
    if name.startswith(MEASUREMENTS):
        remedy = (f'{name} holds measurements (depth, range), not a picture: remap `image` to the '
                  "camera's colour or mono topic.")
    else:
        remedy = "Set the camera driver's pixel format, or convert with image_proc."
    raise InvalidInputError('Unsupported image encoding', got=repr(name),
                            expected='one of ' + ', '.join(ENCODINGS), remedy=remedy)
