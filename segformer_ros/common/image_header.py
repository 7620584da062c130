# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What a JPEG or PNG says of itself, read before a decoder believes it.

Decoders take memory and time for what a header promises. 69 bytes of PNG with a wrong chunk
length cost OpenCV 5.0 four gigabytes and ten seconds (found by fuzzing), a progressive JPEG of
400 kB with 400 scans a minute, a PNG of 7 MB with 900 compressed texts two minutes and seven
gigabytes; a robot has neither.
"""

import re
import struct
from typing import NamedTuple

from PIL import Image
from segformer_ros.common.errors import InvalidInputError

JPEG_START = b'\xff\xd8'
PNG_START = b'\x89PNG\r\n\x1a\n'
MOST_PIXELS = 1 << 26
"""Larger than what any camera sends (61 megapixels in 2026), and 200 MB as RGB."""
MOST_SIDE = 1 << 14
"""Pixels; the widest line cameras have 16384. A table of a resize is as long as a side."""
LARGEST_ASPECT = 64
"""Longer side by shorter one; the flattest lidar images are 2048 x 32."""
SMALL_SIDE = 1024
"""Pixels up to which the longer side may have any aspect: so small a picture costs nothing."""
MOST_CHUNKS = 1 << 16
"""Of a PNG; encoders make one of each 8 KiB and more."""
MOST_OTHER_CHUNKS = 64
"""Of a PNG without pixels (IDAT), header and end included; libpng may write a line on each."""
MOST_TEXTS = 8
"""Compressed ones of a PNG; libpng unpacks each to 8 MB."""
MOST_SEGMENTS = 1 << 12
"""Of a JPEG, scans included."""
MOST_SCANS = 64
"""Of a progressive JPEG; encoders make 10."""
MOST_SCANNED_PIXELS = 1 << 28
"""Scans times pixels: a decoder does some 200 million a second, a Jetson Nano 50 million."""

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
_TEXTS = (b'zTXt', b'iTXt')
# A marker with its fill bytes; and the next one behind or inside a scan, where 0xff00 is a value.
# Without fill bytes there: a search would begin at each of them and go over all that follow.
_MARKER = re.compile(b'\xff+([^\xff])', re.DOTALL)
_NEXT_MARKER = re.compile(b'\xff([\x01-\xcf\xd8-\xfe])')
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
        picture is animated, has too many texts or other chunks, or a size that
        :func:`check_size` refuses
    """
    width = height = 0
    at, has_content, texts, others = len(PNG_START), False, 0, 0
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
            check_size(width, height)
        others += kind != b'IDAT'
        if others > MOST_OTHER_CHUNKS:
            raise _damaged(f'PNG of more than {MOST_OTHER_CHUNKS} chunks without pixels', data)
        texts += kind in _TEXTS
        if texts > MOST_TEXTS:
            raise _damaged(f'PNG of more than {MOST_TEXTS} compressed texts', data)
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
    Walk over the segments of a JPEG and count its scans.

    :param data: the whole file, beginning with its marker
    :raises InvalidInputError: a segment before the first scan leaves the data, there is no frame
        header before it, there are too many segments or scans, or the picture has a size that
        :func:`check_size` refuses
    """
    at, size, scans = len(JPEG_START), (0, 0), 0
    for _ in range(MOST_SEGMENTS):
        # Behind the frame header decoders skip what is no marker; before it nothing is skipped.
        match = (_NEXT_MARKER.search if size[0] else _MARKER.match)(data, at)
        if match is None or match.end() + _SEGMENT.size > len(data):
            if match is None and not size[0] and at + 4 <= len(data):
                raise _damaged(f'JPEG has no marker at byte {at}', data)
            break
        at, marker = match.end(), data[match.start(1)]
        if marker in _BARE:
            continue
        if marker == _END or (marker == _SCAN and not size[0]):
            break
        if marker in _FRAMES and not size[0] and at + _SOF.size <= len(data):
            _, _, height, width = _SOF.unpack_from(data, at)
            check_size(width, height)
            size = (width, height)
        if marker == _SCAN:
            scans += 1
            _check_scans(scans, *size)
        length, = _SEGMENT.unpack_from(data, at)
        if length < 2 and not size[0]:
            raise _damaged(f'JPEG segment of {length} bytes at byte {match.start(1) - 1}', data)
        at += length
    else:
        raise _damaged(f'JPEG of more than {MOST_SEGMENTS} segments', data)
    if not size[0]:
        raise _damaged('JPEG has no frame header', data)
    return PictureHeader(size[0], size[1], len(data))


def check_size(width: int, height: int) -> None:
    """
    Look whether a picture has a size that a camera may send.

    :param width: pixels
    :param height: pixels
    :raises InvalidInputError: no pixels or more than MOST_PIXELS, a side above MOST_SIDE, or a
        longer side above SMALL_SIDE and LARGEST_ASPECT times the shorter one
    """
    if not 0 < width * height <= MOST_PIXELS:
        expected = f'1 to {MOST_PIXELS} pixels'
    elif max(width, height) > MOST_SIDE:
        expected = f'at most {MOST_SIDE} pixels a side'
    elif max(width, height) > max(SMALL_SIDE, LARGEST_ASPECT * min(width, height)):
        expected = f'one side at most {LARGEST_ASPECT} times the other'
    else:
        return
    raise InvalidInputError('Picture of a size that cannot be used',
                            got=f'{width} x {height} pixels', expected=expected, remedy=_REMEDY)


def _check_scans(scans: int, width: int, height: int) -> None:
    most = max(1, min(MOST_SCANS, MOST_SCANNED_PIXELS // (width * height)))
    if scans > most:
        raise InvalidInputError(
            'JPEG takes too long to decode', got=f'more than {most} scans of {width} x {height} '
            'pixels', expected=f'at most {MOST_SCANS} scans, and {MOST_SCANNED_PIXELS} pixels in '
            'all scans', remedy='Turn progressive JPEG off in the camera driver.')


def _damaged(what: str, data: bytes) -> InvalidInputError:
    return InvalidInputError('Picture is damaged', got=f'{what} ({len(data)} bytes)',
                             expected='a whole JPEG or PNG', remedy=_REMEDY)
