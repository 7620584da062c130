# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The image encodings that a camera may send, and how a message of each becomes RGB."""

import re
from typing import Any, Callable, Dict, NamedTuple, Optional

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import image_header
from segformer_ros.common.errors import InvalidInputError

# How files of pictures begin, where no row of pixels does but by intent.
_FILES = {'PNG': re.compile(re.escape(image_header.PNG_START)),
          'JPEG': re.compile(re.escape(image_header.JPEG_START) + b'\xff'),
          'WebP': re.compile(b'RIFF.{4}WEBP', re.DOTALL), 'GIF': re.compile(b'GIF8[79]a')}
_MOST_HEADER = 1 << 18
"""Bytes of a JPEG before its picture; EXIF and colour profiles take some 64 KiB each."""
TO_8_BIT = 255.0 / 65535.0
"""16 bit samples are scaled, not cut, as cv_bridge does."""
PLAIN = 'plain'
"""Interleaved channels; 8 bit ones are read where they lie."""
BAYER_OR_YUV422 = 'bayer or yuv 4:2:2'
"""One colour filter value per pixel, or one chroma pair per two pixels."""
MEASUREMENTS = ('16UC', '16SC', '32FC', '32SC', '64FC')
"""How the names of encodings begin that hold depth or ranges."""
PLANAR = 'planar'
"""A luma plane, then a half-height plane of interleaved chroma (nv12, nv21)."""


_CHANNELS: Dict[Optional[str], int] = {
    None: 3, 'COLOR_BGR2RGB': 3, 'COLOR_RGBA2RGB': 4, 'COLOR_BGRA2RGB': 4, 'COLOR_GRAY2RGB': 1}


class Picture:
    """
    The samples of a picture as the camera sent them, and RGB once somebody asks for it.

    A network needs each of its values once. Making RGB of it first would write the whole picture
    to memory and read it again; so whoever resizes converts on the way.

    :param samples: (H, W) or (H, W, channels) uint8; rows may be padded. They must not be changed
        while the picture lives
    :param to_rgb: name of OpenCV's conversion, of those between 8-bit channels that lie side by
        side; None where they are RGB
    """

    def __init__(self, samples: arrays.UInt8, to_rgb: Optional[str] = None) -> None:
        self.samples = samples
        self.to_rgb = to_rgb
        self._rgb = samples if to_rgb is None else None

    @property
    def channels(self) -> int:
        """Return how many values a pixel of the samples has; the samples of one are (H, W)."""
        return _CHANNELS[self.to_rgb]

    @property
    def rgb(self) -> arrays.UInt8:
        """Return (H, W, 3) uint8 RGB, converted at the first call; rows may be padded."""
        if self._rgb is None:
            self._rgb = cv2.cvtColor(  # type: ignore[assignment]
                self.samples, getattr(cv2, str(self.to_rgb)))
        return self._rgb  # type: ignore[return-value]


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


def image_to_picture(message: Any, fallback: 'Optional[Callable[[Any, Encoding], '
                                             'Optional[arrays.UInt8]]]' = None) -> Picture:
    """
    Return the picture of a ``sensor_msgs/Image``.

    Plain encodings of 8 bits are a view of the message's own memory, with the rows where they
    lie: neither copied nor, where the rows are padded, contiguous. All others are converted in
    one pass from that memory. The message must not be changed while the picture lives.

    :param message: any object with the fields of ``sensor_msgs/Image``
    :param fallback: another way, such as cv_bridge, to decode a Bayer or YUV 4:2:2 image whose
        layout was checked; returns (H, W, 3) uint8 RGB, or None where it cannot be used
    :raises InvalidInputError: size, step, length or encoding cannot be a picture
    """
    encoding = find_encoding(message.encoding)
    _check_not_compressed(message)
    _check_layout(message, encoding)
    if encoding.family == BAYER_OR_YUV422 and fallback is not None:
        rgb = fallback(message, encoding)
        if rgb is not None:
            return Picture(rgb)
    rows = message.height * 3 // 2 if encoding.family == PLANAR else message.height
    samples = _samples(message, encoding, rows)
    if encoding.family == PLAIN and encoding.sample_bytes == 1:
        return Picture(samples, encoding.to_rgb)
    return Picture(samples_to_rgb(samples, encoding))


def image_to_rgb(message: Any, fallback: 'Optional[Callable[[Any, Encoding], '
                                         'Optional[arrays.UInt8]]]' = None) -> arrays.UInt8:
    """Return the same as (H, W, 3) uint8 RGB; see :func:`image_to_picture`."""
    return image_to_picture(message, fallback).rgb


def samples_to_rgb(samples: arrays.Array, encoding: Encoding
                   ) -> arrays.UInt8:
    """
    Return samples of an encoding as (H, W, 3) uint8 RGB.

    :param samples: (H, W) or (H, W, channels) uint8 or uint16
    """
    if encoding.to_rgb is not None:
        samples = cv2.cvtColor(samples, getattr(cv2, encoding.to_rgb))
    if samples.dtype == np.uint16:
        samples = cv2.convertScaleAbs(samples, alpha=TO_8_BIT)
    return samples


def _samples(message: Any, encoding: Encoding, rows: int) -> arrays.Array:
    """View the message's bytes as (rows, W[, channels]) samples in this machine's byte order."""
    order = '>' if message.is_bigendian else '<'
    dtype = np.dtype(np.uint8) if encoding.sample_bytes == 1 else np.dtype(order + 'u2')
    shape = [rows, message.width]
    strides = [message.step, encoding.pixel_bytes]
    if encoding.channels > 1:
        shape.append(encoding.channels)
        strides.append(encoding.sample_bytes)
    flat = np.frombuffer(message.data, np.uint8)
    samples: arrays.Array = np.ndarray(
        tuple(shape), dtype, buffer=flat, strides=tuple(strides))
    if encoding.sample_bytes == 2:
        # Also moves odd steps to aligned memory, which OpenCV needs.
        samples = np.ascontiguousarray(samples, np.dtype(np.uint16))
    return samples


def _check_not_compressed(message: Any) -> None:
    start = bytes(message.data[:12])
    name = next((name for name, begins in _FILES.items() if begins.match(start)), '')
    if name == 'JPEG':
        # Pixels may begin so: white and pink. The segments up to the frame header cannot.
        try:
            image_header.jpeg_header(bytes(message.data[:_MOST_HEADER]))
        except InvalidInputError:
            return
    if name:
        raise InvalidInputError(
            f'{name} file inside an Image message', got=f'encoding {message.encoding!r}',
            expected='pixels', remedy='Publish it as sensor_msgs/CompressedImage and set '
            'image_transport: compressed, or decode it in the camera driver.')


def _check_layout(message: Any, encoding: Encoding) -> None:
    width, height, step = message.width, message.height, message.step
    if width < encoding.smallest or height < encoding.smallest:
        raise InvalidInputError(
            'Image of zero size' if 0 in (width, height) else 'Image too small',
            got=f'{width} x {height}',
            expected=f'at least {encoding.smallest} x {encoding.smallest} pixels',
            remedy='Check the camera driver.')
    if width % encoding.width_multiple or height % encoding.height_multiple:
        raise InvalidInputError(
            'Image size impossible for its encoding',
            got=f'{width} x {height} {message.encoding}',
            expected=f'multiples of {encoding.width_multiple} x {encoding.height_multiple}')
    image_header.check_size(width, height)
    row_bytes = width * encoding.pixel_bytes
    if step < row_bytes:
        raise InvalidInputError(
            'Wrong row step', got=f'{step} bytes',
            expected=f'at least {row_bytes} for {width} pixels of {message.encoding}',
            remedy='Check encoding, width and step in the camera driver.')
    length = step * height
    if encoding.family == PLANAR:
        length += step * (height // 2)
    if len(message.data) != length:
        problem = 'Image data too short' if len(message.data) < length else 'Image data too long'
        raise InvalidInputError(
            problem, got=f'{len(message.data)} bytes',
            expected=f'{length} for {width} x {height} {message.encoding} with step {step}',
            remedy='Check encoding, height and step in the camera driver.')
