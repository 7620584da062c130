# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What a JPEG or PNG says of itself, read before a decoder believes it.

Decoders take memory for what a header promises. 69 bytes of PNG with a wrong chunk length cost
OpenCV 5.0 four gigabytes and ten seconds (found by fuzzing); a robot has neither.
"""

import struct
from typing import NamedTuple

from PIL import Image
from segformer_ros.common.errors import InvalidInputError

JPEG_START = b'\xff\xd8'
PNG_START = b'\x89PNG\r\n\x1a\n'
MOST_PIXELS = 1 << 26
"""Larger than what any camera sends (61 megapixels in 2026), and 200 MB as RGB."""
MOST_CHUNKS = 1 << 16
"""Of a PNG; encoders make one of each 8 KiB and more."""

PILLOW_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for a picture that is missing, damaged or far too large."""

_CHUNK = struct.Struct('>I4s')
_CHUNK_FRAME = 12  # length, kind and checksum
_IHDR = struct.Struct('>II')
_SEGMENT = struct.Struct('>H')
_SOF = struct.Struct('>HBHH')
# Markers of frames: all of 0xc0 to 0xcf but DHT, JPG and DAC. Markers without a segment: TEM, RST.
_FRAMES = frozenset(range(0xc0, 0xd0)) - {0xc4, 0xc8, 0xcc}
_BARE = frozenset([0x01]) | frozenset(range(0xd0, 0xd8))
_SCAN, _END = 0xda, 0xd9
_REMEDY = 'Check the link to the camera and its driver; the frame is left out.'


class PictureHeader(NamedTuple):
    """
    What was read: pixels, and the bytes that belong to the picture.

    Decoders are to be given no byte more: OpenCV 5.0 reads on behind the end of a PNG.
    """

    width: int
    height: int
    length: int


def png_header(data: bytes) -> PictureHeader:
    """
    Walk over the chunks of a PNG.

    :param data: the whole file, beginning with its signature
    :raises InvalidInputError: a chunk leaves the data, there is no header, content or end, the
        picture is animated, or has no pixels or more than MOST_PIXELS
    """
    width = height = 0
    at, has_content = len(PNG_START), False
    for number in range(MOST_CHUNKS):
        if at + _CHUNK_FRAME > len(data):
            raise _damaged(f'PNG ends within its chunk {number}', data)
        length, kind = _CHUNK.unpack_from(data, at)
        if length > len(data) - at - _CHUNK_FRAME:
            raise _damaged(f'PNG chunk {number} of {length} bytes leaves the data', data)
        if (kind == b'IHDR') != (number == 0):
            raise _damaged('PNG header is not its first chunk', data)
        if number == 0:
            width, height = _IHDR.unpack_from(data, at + 8)
            _check_pixels(width, height)
        if kind == b'acTL':
            raise _damaged('PNG is animated', data)
        has_content = has_content or kind == b'IDAT'
        at += length + _CHUNK_FRAME
        if kind == b'IEND':
            if not has_content:
                raise _damaged('PNG has no content', data)
            return PictureHeader(width, height, at)
    raise _damaged(f'PNG of more than {MOST_CHUNKS} chunks', data)


def jpeg_header(data: bytes) -> PictureHeader:
    """
    Walk over the segments of a JPEG up to its frame header.

    :param data: the whole file, beginning with its marker
    :raises InvalidInputError: a segment leaves the data, there is no frame header before the
        first scan, or the picture has no pixels or more than MOST_PIXELS
    """
    at = len(JPEG_START)
    while at + 4 <= len(data):
        if data[at] != 0xff:
            raise _damaged(f'JPEG has no marker at byte {at}', data)
        marker = data[at + 1]
        if marker == 0xff:  # a fill byte
            at += 1
            continue
        if marker in _BARE:
            at += 2
            continue
        if marker in (_SCAN, _END):
            break
        if marker in _FRAMES and at + 2 + _SOF.size <= len(data):
            _, _, height, width = _SOF.unpack_from(data, at + 2)
            _check_pixels(width, height)
            return PictureHeader(width, height, len(data))
        length, = _SEGMENT.unpack_from(data, at + 2)
        if length < 2:
            raise _damaged(f'JPEG segment of {length} bytes at byte {at}', data)
        at += 2 + length
    raise _damaged('JPEG has no frame header', data)


def _check_pixels(width: int, height: int) -> None:
    if not 0 < width * height <= MOST_PIXELS:
        raise InvalidInputError(
            'Picture of a size that cannot be used', got=f'{width} x {height} pixels',
            expected=f'1 to {MOST_PIXELS} pixels', remedy=_REMEDY)


def _damaged(what: str, data: bytes) -> InvalidInputError:
    return InvalidInputError('Picture is damaged', got=f'{what} ({len(data)} bytes)',
                             expected='a whole JPEG or PNG', remedy=_REMEDY)
