# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Image messages become the right RGB pixels, whatever their layout."""

import io

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import PIL.Image
import pytest
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.segmentation.images.decoding import ENCODINGS
from segformer_ros.segmentation.images.decoding import image_to_picture
from segformer_ros.segmentation.images.decoding import image_to_rgb
from support.image_messages import image_message
from support.image_messages import without_padding

ROSBAGS_NAMES = {'8UC1': 'mono8', '8UC3': 'bgr8', '8UC4': 'bgra8'}
EIGHT_BIT = sorted(name for name, layout in ENCODINGS.items() if layout.sample_bytes == 1)
SIXTEEN_BIT = sorted(name for name, layout in ENCODINGS.items() if layout.sample_bytes == 2)


@st.composite
def messages(draw, names, largest=24):
    """Draw an image of random bytes: encoding, size, padding and byte order."""
    name = draw(st.sampled_from(names))
    layout = ENCODINGS[name]
    width = draw(st.integers(layout.smallest, largest)) * layout.width_multiple
    height = draw(st.integers(layout.smallest, largest)) * layout.height_multiple
    rows = height * 3 // 2 if layout.family == 'planar' else height
    seed = draw(st.integers(0, 2 ** 16))
    samples = np.random.RandomState(seed).randint(
        0, 256, (rows, width * layout.pixel_bytes), dtype=np.uint8)
    return image_message(samples, width, name, padding=draw(st.integers(0, 9)),
                         big_endian=draw(st.booleans()), height=height)


def rosbags_rgb(message):
    """Return the picture as rosbags-image reads it: rows first freed of their padding."""
    oracle = pytest.importorskip('rosbags.image')
    layout = ENCODINGS[message.encoding]
    compact = without_padding(message, message.width * layout.pixel_bytes)
    if layout.family == 'planar':
        # It counts the rows of chroma as rows of the picture.
        compact.height = compact.height * 3 // 2
    compact.is_bigendian = bool(compact.is_bigendian) and layout.sample_bytes == 2
    compact.encoding = ROSBAGS_NAMES.get(message.encoding, message.encoding)
    return oracle.image_to_cvimage(compact, {1: 'rgb8', 2: 'rgb16'}[layout.sample_bytes])


@settings(deadline=None, max_examples=150)
@given(messages(EIGHT_BIT))
def test_8_bit_images_equal_the_independent_reader(message):
    assert np.array_equal(image_to_rgb(message), rosbags_rgb(message))


@settings(deadline=None, max_examples=100)
@given(messages(SIXTEEN_BIT))
def test_16_bit_images_equal_the_independent_reader_scaled_to_8_bit(message):
    # 65535 / 255 = 257, rounded to the nearest.
    expected = np.rint(rosbags_rgb(message).astype(np.float64) / 257.0)
    assert np.array_equal(image_to_rgb(message), expected)


@pytest.mark.parametrize('name', sorted(ENCODINGS))
def test_every_encoding_gives_rgb_bytes_of_the_messages_size(name):
    layout = ENCODINGS[name]
    rows = 12 if layout.family == 'planar' else 8
    image = image_to_rgb(image_message(
        np.full((rows, 6 * layout.pixel_bytes), 90), 6, name, padding=2, height=8))
    assert image.dtype == np.uint8
    assert image.shape == (8, 6, 3)


def test_rgb8_is_a_view_of_the_messages_own_memory_with_padded_rows_left_out():
    message = image_message(np.arange(36).reshape(3, 12), 4, 'rgb8', padding=5)
    image = image_to_rgb(message)
    assert np.shares_memory(image, np.frombuffer(message.data, np.uint8))
    assert image.strides == (17, 3, 1)
    assert image[2, 3].tolist() == [33, 34, 35]


@pytest.mark.parametrize('name, pixel, rgb', [
    ('rgb8', [1, 2, 3], [1, 2, 3]),
    ('bgr8', [1, 2, 3], [3, 2, 1]),
    ('rgba8', [1, 2, 3, 4], [1, 2, 3]),
    ('bgra8', [1, 2, 3, 4], [3, 2, 1]),
    ('mono8', [7], [7, 7, 7]),
    ('8UC3', [1, 2, 3], [3, 2, 1]),
    ('8UC4', [1, 2, 3, 4], [3, 2, 1]),
])
def test_plain_pixels_by_hand(name, pixel, rgb):
    message = image_message(np.tile(pixel, (2, 3)), 3, name, padding=1)
    assert np.array_equal(image_to_rgb(message), np.tile(rgb, (2, 3, 1)))


@pytest.mark.parametrize('big_endian, pixel', [(False, [0x01, 0x80]), (True, [0x80, 0x01])])
def test_byte_order_of_mono16_is_honoured(big_endian, pixel):
    message = image_message(np.tile(pixel, (2, 3)), 3, 'mono16', 3, big_endian)
    # 0x8001 / 257 = 127.5...
    assert image_to_rgb(message).tolist() == [[[128] * 3] * 3] * 2


@pytest.mark.parametrize('name, first_row, second_row', [
    ('bayer_rggb8', 'rg', 'gb'), ('bayer_bggr8', 'bg', 'gr'),
    ('bayer_gbrg8', 'gb', 'rg'), ('bayer_grbg8', 'gr', 'bg')])
def test_bayer_pattern_is_read_from_the_top_left_pixel(name, first_row, second_row):
    level = {'r': 200, 'g': 120, 'b': 40}
    cell = np.array([[level[color] for color in row] for row in (first_row, second_row)])
    image = image_to_rgb(image_message(np.tile(cell, (4, 4)), 8, name))
    assert np.all(image == [200, 120, 40])


def test_yuv_grey_has_no_colour():
    uyvy = image_to_rgb(image_message(np.tile([128, 126], (2, 4)), 4, 'yuv422'))
    nv12 = image_to_rgb(image_message(
        np.concatenate([np.full((2, 4), 126), np.full((1, 4), 128)]), 4, 'nv12', height=2))
    assert np.array_equal(uyvy, nv12)
    assert np.ptp(uyvy) == 0


def broken(message, **fields):
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def good(name='rgb8'):
    return image_message(np.zeros((4, 4 * ENCODINGS[name].pixel_bytes)), 4, name)


@pytest.mark.parametrize('message, text', [
    (broken(good(), width=0), 'Image of zero size: got 0 x 4'),
    (broken(good(), height=0), 'Image of zero size: got 4 x 0'),
    (broken(good(), step=11), 'Wrong row step: got 11 bytes; expected at least 12 for 4 '
                              'pixels of rgb8'),
    (broken(good(), step=13), 'Image data too short: got 48 bytes; expected 52'),
    (broken(good(), data=b'123'), 'Image data too short: got 3 bytes; expected 48'),
    (broken(good(), data=bytes(49)), 'Image data too long: got 49 bytes; expected 48'),
    (broken(good(), encoding=''), "Unsupported image encoding: got ''"),
    (broken(good(), encoding='h264'), "Unsupported image encoding: got 'h264'.*pixel format"),
    (broken(good(), encoding='32FC1'), "Unsupported image encoding: got '32FC1'.*measurements"),
    (broken(good(), encoding='16UC1'), "Unsupported image encoding: got '16UC1'.*measurements"),
    (broken(good('yuv422'), width=3, step=8), 'impossible for its encoding: got 3 x 4 yuv422'),
    (broken(good('bayer_rggb8'), width=2), 'Image too small: got 2 x 4; expected at least 3'),
    (image_message(np.zeros((4, 4)), 4, 'nv12', height=3),
     'impossible for its encoding: got 4 x 3 nv12'),
    (image_message(np.zeros((4, 4)), 4, 'nv12', height=4), 'Image data too short.*expected 24'),
])
def test_impossible_images_are_refused_with_got_and_expected(message, text):
    with pytest.raises(InvalidInputError, match=text):
        image_to_rgb(message)


@settings(deadline=None, max_examples=200)
@given(st.builds(
    dict, width=st.integers(0, 9), height=st.integers(0, 9), step=st.integers(0, 40),
    encoding=st.sampled_from(sorted(ENCODINGS)), data=st.binary(max_size=200)))
def test_any_fields_give_a_picture_of_that_size_or_a_refusal(fields):
    message = broken(good(), **fields)
    try:
        image = image_to_rgb(message)
    except InvalidInputError:
        return
    assert image.shape == (fields['height'], fields['width'], 3)
    assert len(fields['data']) >= fields['height'] * fields['width'] * \
        ENCODINGS[fields['encoding']].pixel_bytes


@pytest.mark.parametrize('width, height', [(1, 3000000), (3000000, 1), (20000, 400)])
def test_raw_images_of_sizes_that_no_camera_sends_are_refused(width, height):
    message = image_message(np.zeros((height, width), np.uint8), width, 'mono8')
    with pytest.raises(InvalidInputError, match=f'{width} x {height} pixels'):
        image_to_rgb(message)


@pytest.mark.parametrize('suffix, name', [('.jpg', 'JPEG'), ('.png', 'PNG')])
@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'mono8', 'bayer_rggb8', 'yuv422'])
def test_a_compressed_file_in_the_place_of_pixels_is_named_whatever_its_length(
        suffix, name, encoding):
    pixels = np.random.RandomState(1).randint(0, 256, (48, 64, 3), np.uint8)
    done, file = cv2.imencode(suffix, pixels)
    assert done
    layout = ENCODINGS[encoding]
    row_bytes = 64 * layout.pixel_bytes
    # As long as the file, and padded to what the size asks for, as fixed buffers are.
    for length in (len(file), 480 * row_bytes):
        message = image_message(np.zeros((480, row_bytes), np.uint8), 64, encoding, height=480)
        message.data = file.tobytes() + bytes(max(0, length - len(file)))
        with pytest.raises(InvalidInputError,
                           match=f'{name} file inside an Image message.*CompressedImage'):
            image_to_rgb(message)


@pytest.mark.parametrize('kind, name', [('WEBP', 'WebP'), ('GIF', 'GIF')])
def test_other_files_of_pictures_are_named_too(kind, name):
    file = io.BytesIO()
    picture = np.random.RandomState(1).randint(0, 256, (48, 64, 3), np.uint8)
    PIL.Image.fromarray(picture).save(file, kind)
    message = image_message(np.zeros((480, 192), np.uint8), 64, 'rgb8', height=480)
    message.data = file.getvalue() + bytes(480 * 192 - len(file.getvalue()))
    with pytest.raises(InvalidInputError, match=f'{name} file inside an Image message'):
        image_to_rgb(message)
    # A RIFF file of something else is no picture, and so pixels.
    message.data = b'RIFF\0\0\0\0WAVE' + bytes(480 * 192 - 12)
    assert image_to_rgb(message).shape == (480, 64, 3)


def test_pixels_that_begin_like_a_jpeg_are_pixels():
    samples = np.random.RandomState(2).randint(0, 256, (24, 96), dtype=np.uint8)
    samples[0, :4] = 0xff, 0xd8, 0xff, 0xe0
    samples[0, 4:6] = 0xff, 0xff
    assert np.array_equal(image_to_rgb(image_message(samples, 32, 'rgb8')),
                          samples.reshape(24, 32, 3))


@pytest.mark.parametrize('name', ['rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', '8UC3'])
def test_plain_8_bit_images_are_not_copied_until_rgb_is_wanted(name):
    channels = ENCODINGS[name].channels
    message = image_message(np.random.RandomState(0).randint(
        0, 256, (6, 5 * channels), dtype=np.uint8), 5, name, padding=3)
    picture = image_to_picture(message)
    assert np.shares_memory(picture.samples, np.frombuffer(message.data, np.uint8))
    assert picture.samples.shape == (6, 5, channels)[:2 + (channels > 1)]
    assert picture.channels == channels
    assert np.array_equal(picture.rgb, image_to_rgb(message))
    assert picture.rgb is picture.rgb


@pytest.mark.parametrize('name', ['yuyv', 'nv12', 'bayer_rggb8', 'rgb16'])
def test_other_images_are_rgb_at_once(name):
    layout = ENCODINGS[name]
    rows = 9 if layout.family == 'planar' else 6
    picture = image_to_picture(image_message(np.random.RandomState(0).randint(
        0, 256, (rows, 6 * layout.pixel_bytes), dtype=np.uint8), 6, name, height=6))
    assert picture.samples is picture.rgb and picture.rgb.shape == (6, 6, 3)
