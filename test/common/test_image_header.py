# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Sizes of pictures are read from their headers, and what a decoder must not see is refused."""

import struct
import zlib

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from segformer_ros.common import image_header as picture_size
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.image_header import jpeg_header
from segformer_ros.common.image_header import MOST_PIXELS
from segformer_ros.common.image_header import png_header


def encoded(suffix, width, height, options=()):
    picture = np.random.RandomState(0).randint(0, 256, (height, width, 3)).astype(np.uint8)
    return cv2.imencode(suffix, picture, list(options))[1].tobytes()


def chunk(kind, content):
    return struct.pack('>I', len(content)) + kind + content + struct.pack(
        '>I', zlib.crc32(kind + content))


def png(*chunks):
    return picture_size.PNG_START + b''.join(chunks)


def ihdr(width, height):
    return chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))


END = chunk(b'IEND', b'')


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([1, 50, 100]), st.booleans())
def test_sizes_of_encoded_pictures_are_read(width, height, quality, progressive):
    data = encoded('.png', width, height)
    assert png_header(data + b'more') == (width, height, len(data))
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    data = encoded('.jpg', width, height, options)
    assert jpeg_header(data) == (width, height, len(data))


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_no_beginning_of_a_png_counts_as_whole(data):
    whole = encoded('.png', 20, 10)
    with pytest.raises(InvalidInputError):
        png_header(whole[:data.draw(st.integers(8, len(whole) - 1))])


def test_fill_bytes_and_thumbnails_before_the_frame_header_are_skipped():
    whole = encoded('.jpg', 30, 20)
    thumbnail = encoded('.jpg', 3, 2)
    segment = b'\xff\xe1' + struct.pack('>H', 2 + len(thumbnail)) + thumbnail
    assert jpeg_header(whole[:2] + b'\xff\xff' + segment + whole[2:])[:2] == (30, 20)


@pytest.mark.parametrize('data, got', [
    (png(ihdr(7, 6), struct.pack('>I', 0xffd9000c) + b'IDAT' + bytes(40) + END),
     'PNG chunk 1 of 4292411404 bytes leaves the data'),
    (png(ihdr(1 << 20, 1 << 20), END), '1048576 x 1048576 pixels'),
    (png(ihdr(0, 5), END), '0 x 5 pixels'),
    (png(chunk(b'IDAT', b''), END), 'PNG header is not its first chunk'),
    (png(ihdr(5, 5), ihdr(5, 5), END), 'PNG header is not its first chunk'),
    (png(ihdr(5, 5), chunk(b'acTL', bytes(8)), END), 'PNG is animated'),
    (png(ihdr(5, 5)), 'PNG ends within its chunk 1'),
    (png(ihdr(5, 5), END, b'\xff' * 20), 'PNG has no content'),
])
def test_png_that_a_decoder_must_not_see_is_refused(data, got):
    with pytest.raises(InvalidInputError, match=got):
        png_header(data)


@pytest.mark.parametrize('data, got', [
    (b'\xff\xd8\xff\xc0' + struct.pack('>HBHH', 8, 8, 65500, 65500) + bytes(9),
     '65500 x 65500 pixels'),
    (b'\xff\xd8\xff\xc2' + struct.pack('>HBHH', 8, 8, 0, 9) + bytes(9), '9 x 0 pixels'),
    (b'\xff\xd8\xff\xe0\x00\x01abcd', 'JPEG segment of 1 bytes at byte 2'),
    (b'\xff\xd8\xff\xe0\xff\xffabcd', 'JPEG has no frame header'),
    (b'\xff\xd8\xff\xda\x00\x04abcd', 'JPEG has no frame header'),
    (b'\xff\xd8abcdef', 'JPEG has no marker at byte 2'),
    (b'\xff\xd8', 'JPEG has no frame header'),
])
def test_jpeg_that_a_decoder_must_not_see_is_refused(data, got):
    with pytest.raises(InvalidInputError, match=got):
        jpeg_header(data)


def test_png_of_ever_more_chunks_comes_to_an_end(monkeypatch):
    monkeypatch.setattr(picture_size, 'MOST_CHUNKS', 5)
    with pytest.raises(InvalidInputError, match='more than 5 chunks'):
        png_header(png(ihdr(5, 5), *[chunk(b'tEXt', b'')] * 9, END))
    assert MOST_PIXELS >= 61e6
