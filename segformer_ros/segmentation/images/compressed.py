# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Decode CompressedImage messages, encode pictures for them."""

from typing import Any

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import image_header
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.segmentation.images import decoding
from segformer_ros.segmentation.images.decoding import Picture
from segformer_ros.segmentation.images.decoding import samples_to_rgb

JPEG_SCAN = b'\xff\xda'
JPEG_END = b'\xff\xd9'
PNG_END = b'IEND\xaeB`\x82'
VIDEO_CODECS = ('h264', 'h265', 'hevc', 'av1', 'vp8', 'vp9', 'mpeg4', 'ffmpeg')
VIDEO_STARTS = (b'\0\0\0\1', b'\0\0\1')
"""Of H.264 and H.265: Annex B."""
REMEDY = 'Check the link to the camera; the frame is left out.'


def compressed_to_picture(message: Any) -> Picture:
    """
    Return the picture of a ``sensor_msgs/CompressedImage``.

    JPEG and PNG are known by their content, whatever ``format`` says. What the pixels mean is
    read from ``format`` as image_transport writes it: ``<encoding>; <codec> compressed <order>``.
    An orientation in the EXIF header is not applied: CameraInfo describes the pixels as they are
    stored.

    :param message: any object with the fields of ``sensor_msgs/CompressedImage``
    :raises InvalidInputError: empty, truncated, damaged, too large, or another format
    """
    data = bytes(message.data)
    name, _, codec = (part.strip() for part in message.format.partition(';'))
    if name.startswith(decoding.MEASUREMENTS):
        decoding.find_encoding(name)  # raises with the remedy
    _check_no_video(data, message.format)
    _check_complete(data, message.format)
    # Before a decoder takes memory for what the header says.
    header = image_header.png_header(data) if data.startswith(
        image_header.PNG_START) else image_header.jpeg_header(data)
    bayer = decoding.ENCODINGS.get(name) if name.startswith('bayer_') else None
    # As they are stored, without orientation: colour would be three copies of the Bayer samples.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION if bayer is None else \
        cv2.IMREAD_UNCHANGED
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8, header.length), flags)
    if bgr is None:
        raise InvalidInputError(
            'Compressed image cannot be decoded',
            got=f'{len(data)} bytes, format {message.format!r}',
            expected='an undamaged JPEG or PNG', remedy=REMEDY)
    if bayer is not None and bgr.ndim == 2:
        if min(bgr.shape) < bayer.smallest:
            raise InvalidInputError(
                'Image too small', got='{1} x {0}'.format(*bgr.shape),
                expected=f'at least {bayer.smallest} x {bayer.smallest} pixels')
        return Picture(samples_to_rgb(bgr, bayer))
    if bayer is not None and (bgr.dtype != np.uint8 or bgr.shape[2] != 3):
        raise InvalidInputError(
            'Compressed image is not what its format says', got=f'{bgr.dtype} {bgr.shape}',
            expected=f'one channel for {name}, or three of 8 bit where it was demosaiced')
    if codec.find('compressed rgb') >= 0:
        # The encoder took red for blue, so the decoder's blue is red.
        return Picture(bgr)  # type: ignore[arg-type]
    return Picture(bgr, 'COLOR_BGR2RGB')  # type: ignore[arg-type]


def compressed_to_rgb(message: Any) -> arrays.UInt8:
    """Return the same as (H, W, 3) uint8 RGB; see :func:`compressed_to_picture`."""
    return compressed_to_picture(message).rgb


def encode_jpeg(rgb: arrays.UInt8, quality: int) -> arrays.UInt8:
    """
    Return the bytes of a JPEG.

    :param rgb: (H, W, 3)
    :param quality: 1 to 100
    """
    return _encode('.jpg', rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])


def encode_png(rgb: arrays.UInt8) -> arrays.UInt8:
    """
    Return the bytes of a PNG; class colours stay exact.

    :param rgb: (H, W, 3)
    """
    # Masks are flat: level 1 leaves a hundredth of them, level 9 half of that in twice the time.
    return _encode('.png', rgb, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _encode(suffix: str, rgb: arrays.UInt8, options: Any) -> arrays.UInt8:
    done, encoded = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise InvalidInputError('Picture cannot be encoded', got=list(rgb.shape),
                                expected=f'a size that {suffix} can hold')
    return encoded.reshape(-1)


def _check_no_video(data: bytes, format_text: str) -> None:
    plain = format_text.lower().replace('.', '')
    codec = next((codec for codec in VIDEO_CODECS if codec in plain), None)
    if codec is None and not data.startswith(VIDEO_STARTS):
        return
    raise InvalidInputError(
        'Compressed image is a packet of a video',
        got=f'format {format_text[:40]!r}, first bytes {data[:8].hex()}',
        expected='a JPEG or PNG', remedy='Decode it: ros2 run image_transport republish '
        '--ros-args -p in_transport:=ffmpeg -p out_transport:=raw (Humble: republish ffmpeg raw), '
        'install PyAV for H.264 (docs/install.md), or set the driver to JPEG.')


def _check_complete(data: bytes, format_text: str) -> None:
    # OpenCV fills what is missing with grey and says so on stderr alone.
    got = f'{len(data)} bytes, format {format_text!r}'
    if not data:
        raise InvalidInputError('Compressed image is empty', got=got,
                                expected='a JPEG or PNG', remedy=REMEDY)
    if data.startswith(image_header.JPEG_START):
        # The end marker cannot occur inside a scan, where 0xff is followed by a stuffed zero.
        complete = data.rfind(JPEG_END) > data.rfind(JPEG_SCAN) >= 0
    elif data.startswith(image_header.PNG_START):
        complete = data.rfind(PNG_END) > 0
    else:
        raise InvalidInputError(
            'Compressed image is neither JPEG nor PNG',
            got=got + f', first bytes {data[:8].hex()}', expected='a JPEG or PNG',
            remedy='Set jpeg or png in the publisher; depth and video streams are not pictures.')
    if not complete:
        raise InvalidInputError('Compressed image is truncated', got=got,
                                expected='data up to its end marker', remedy=REMEDY)
