# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Sizes of pictures are read from their headers, and what a decoder must not see is refused."""

import struct
import time
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


@pytest.mark.parametrize('kind', [b'gAMA', b'tEXt', b'abCd'])
def test_chunks_without_pixels_are_counted(kind):
    # libpng writes a line on each that it does not like: 60,000 of a picture of 1 MB.
    content = [chunk(b'IDAT', b'x')] * 1000
    most = picture_size.MOST_OTHER_CHUNKS
    others = [chunk(kind, b'')] * (most - 2)  # beside the first and the last
    assert png_header(png(ihdr(5, 5), *others, *content, END))[:2] == (5, 5)
    with pytest.raises(InvalidInputError, match=f'more than {most} chunks without pixels'):
        png_header(png(ihdr(5, 5), *others, chunk(kind, b''), *content, END))


def progressive(width, height, scans):
    """Return a progressive JPEG whose last scan of a component is sent again and again."""
    whole = encoded('.jpg', width, height, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    last, end = whole.rfind(b'\xff\xda'), whole.rfind(b'\xff\xd9')
    usual = whole.count(b'\xff\xda')
    return whole[:end] + whole[last:end] * (scans - usual) + whole[end:]


def test_scans_of_a_jpeg_are_counted_before_it_is_decoded():
    assert jpeg_header(progressive(60, 40, picture_size.MOST_SCANS))[:2] == (60, 40)
    with pytest.raises(InvalidInputError, match='takes too long to decode'):
        jpeg_header(progressive(60, 40, picture_size.MOST_SCANS + 1))


def large(scans, width=8000, height=8000):
    """Return what jpeg_header looks at: a frame header, then scans."""
    frame = b'\xff\xc2' + struct.pack('>HBHHB', 17, 8, height, width, 3) + bytes(9)
    scan = b'\xff\xda' + struct.pack('>H', 8) + bytes(6) + b'\x12\xff\x00\x34\xff\xd0\x56'
    return b'\xff\xd8' + frame + scan * scans + b'\xff\xd9'


def test_large_pictures_may_have_fewer_scans():
    assert jpeg_header(large(4))[:2] == (8000, 8000)
    assert jpeg_header(large(1))[:2] == (8000, 8000)
    with pytest.raises(InvalidInputError, match='more than 4 scans'):
        jpeg_header(large(5))


def test_bytes_between_scans_hide_none():
    data = large(3).replace(b'\xff\xda', b'rubbish\xff\xff\xda')
    hidden = data[:-2] + b'\xff\x00\xff\xff\xff\xda\x00\x01' * 2 + b'\xff\xd9'
    with pytest.raises(InvalidInputError, match='more than 4 scans'):
        jpeg_header(hidden)


def test_jpeg_of_too_many_segments_is_refused():
    comment = b'\xff\xfe\x00\x02'
    whole = encoded('.jpg', 30, 20)
    few = picture_size.MOST_SEGMENTS - 20
    assert jpeg_header(whole[:2] + comment * few + whole[2:])[:2] == (30, 20)
    with pytest.raises(InvalidInputError, match='more than 4096 segments'):
        jpeg_header(whole[:2] + comment * 5000 + whole[2:])


def test_millions_of_fill_bytes_take_no_time():
    whole = encoded('.jpg', 30, 20)
    started = time.process_time()
    assert jpeg_header(whole[:2] + b'\xff' * 20000000 + whole[2:])[:2] == (30, 20)
    assert time.process_time() - started < 1.0


def test_fill_bytes_of_no_marker_within_a_scan_take_no_time():
    # Each begins what may be a marker: 40,000 took 6 s, a million an hour.
    whole = encoded('.jpg', 30, 20)
    started = time.process_time()
    for behind in (b'\x00', b'\xff\xd0', b''):
        data = whole[:-2] + b'\xff' * 40000 + behind + whole[-2:]
        assert jpeg_header(data)[:2] == (30, 20)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize('kind', [b'zTXt', b'iTXt'])
def test_compressed_texts_of_a_png_are_counted(kind):
    content = (chunk(b'IDAT', b'x'), END)
    text = chunk(kind, b'k\0\0' + zlib.compress(b'a' * 1000))
    assert png_header(png(ihdr(5, 5), *[text] * picture_size.MOST_TEXTS, *content))[:2] == (5, 5)
    with pytest.raises(InvalidInputError, match='more than 8 compressed texts'):
        png_header(png(ihdr(5, 5), *[text] * (picture_size.MOST_TEXTS + 1), *content))


@pytest.mark.parametrize('width, height', [
    (1, 1024), (1024, 1), (16384, 256), (256, 16384), (9504, 6336), (2048, 32)])
def test_sizes_that_cameras_send_are_taken(width, height):
    picture_size.check_size(width, height)


@pytest.mark.parametrize('width, height', [
    (1, 1025), (1025, 16), (16384, 255), (16385, 4000), (4000, 16385), (1, 3000000), (0, 5),
    (8193, 8193)])
def test_sizes_that_no_camera_sends_are_refused(width, height):
    with pytest.raises(InvalidInputError, match=f'{width} x {height} pixels'):
        picture_size.check_size(width, height)
