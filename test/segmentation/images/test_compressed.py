# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compressed images are decoded whole or not at all."""

import io

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.segmentation.images import compressed
from support.image_messages import PlainMessage


def smooth_image(height=40, width=56):
    """Return a picture that JPEG holds well."""
    rows, cols = np.mgrid[0:height, 0:width]
    return np.stack([3 * rows, 2 * cols, 100 + rows + cols], axis=2).astype(np.uint8)


def encoded(kind, image=None, **options):
    """Return a file of Pillow's making."""
    stream = io.BytesIO()
    Image.fromarray(smooth_image() if image is None else image).save(stream, kind, **options)
    return stream.getvalue()


def message(data, text='jpeg'):
    return PlainMessage(format=text, data=data)


def test_png_is_decoded_exactly():
    image = smooth_image()
    assert np.array_equal(compressed.compressed_to_rgb(message(encoded('PNG'), 'png')), image)


def test_jpeg_is_decoded_as_pillow_does_it():
    data = encoded('JPEG', quality=90)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert('RGB')).astype(int)
    difference = np.abs(compressed.compressed_to_rgb(message(data)) - expected)
    # Builds of libjpeg round the inverse transform differently.
    assert difference.max() <= 4
    assert difference.mean() < 1.0


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_grey_files_become_rgb(kind):
    data = encoded(kind, np.full((20, 30), 77, np.uint8))
    image = compressed.compressed_to_rgb(message(data))
    assert image.shape == (20, 30, 3)
    assert np.abs(image.astype(int) - 77).max() <= 1


def test_content_decides_whatever_format_says():
    assert compressed.compressed_to_rgb(message(encoded('PNG'), 'jpeg')).shape == (40, 56, 3)


def test_exif_orientation_is_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees"
    data = encoded('JPEG', exif=exif.tobytes())
    assert compressed.compressed_to_rgb(message(data)).shape == (40, 56, 3)


def test_jpeg_may_be_followed_by_padding():
    assert compressed.compressed_to_rgb(message(encoded('JPEG') + bytes(100))).shape == (40, 56, 3)


@pytest.mark.parametrize('data, text', [
    (b'', 'Compressed image is empty: got 0 bytes'),
    (b'garbage that is no picture', 'neither JPEG nor PNG.*first bytes 67617262'),
    (encoded('GIF'), 'neither JPEG nor PNG'),
    (encoded('JPEG')[:-2], 'truncated'),
    (encoded('JPEG')[:400], 'truncated'),
    (encoded('PNG')[:-9], 'truncated'),
    (b'\xff\xd8' + bytes(50) + b'\xff\xda\xff\xd9', 'JPEG has no marker at byte 2'),
    (b'\xff\xd8\xff\xc0\x00\x08\x08\x00\x10\x00\x10\x00\xff\xda\x00\x02\xff\xd9',
     'cannot be decoded'),
    (encoded('PNG')[:8] + b'\0\0\0\x0dIHDR\0\1\0\0\0\1\0\0' + encoded('PNG')[24:],
     '65536 x 65536 pixels'),
])
def test_what_is_no_whole_picture_is_refused(data, text):
    with pytest.raises(InvalidInputError, match=text):
        compressed.compressed_to_rgb(message(data))


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(1, 600), kind=st.sampled_from(['JPEG', 'PNG']))
def test_a_file_cut_anywhere_is_refused(cut, kind):
    data = encoded(kind)
    with pytest.raises(InvalidInputError):
        compressed.compressed_to_rgb(message(data[:max(0, len(data) - cut)]))


def test_a_whole_thumbnail_does_not_make_a_cut_picture_whole():
    thumbnail = encoded('JPEG', smooth_image()[::4, ::4])
    data = encoded('JPEG', exif=b'Exif\0\0' + thumbnail)
    assert compressed.compressed_to_rgb(message(data)).shape == (40, 56, 3)
    with pytest.raises(InvalidInputError, match='truncated'):
        compressed.compressed_to_rgb(message(data[:-50]))


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_decoded_never_anything_else(data):
    for start in (b'', b'\xff\xd8', b'\x89PNG\r\n\x1a\n'):
        try:
            image = compressed.compressed_to_rgb(message(start + data))
        except InvalidInputError:
            continue
        assert image.ndim == 3


def test_encoded_png_is_lossless_and_jpeg_close():
    image = smooth_image()
    for make, kind, difference in ((compressed.encode_png, 'PNG', 0),
                                   (lambda rgb: compressed.encode_jpeg(rgb, 95), 'JPEG', 6)):
        file = Image.open(io.BytesIO(make(image).tobytes()))
        assert file.format == kind
        assert np.abs(np.asarray(file.convert('RGB')).astype(int) - image).max() <= difference


def test_jpeg_quality_rules_the_size():
    image = np.random.RandomState(0).randint(0, 256, (60, 60, 3), dtype=np.uint8)
    assert len(compressed.encode_jpeg(image, 10)) < len(compressed.encode_jpeg(image, 90)) / 2


def mosaic_of(color, pattern, size=(24, 32)):
    """Return what a sensor under a colour filter sees of one colour, (H, W) uint8."""
    channels = [color['rgb'.index(letter)] for letter in pattern]
    return np.tile(np.array(channels, np.uint8).reshape(2, 2), (size[0] // 2, size[1] // 2))


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('codec, tolerance', [('PNG', 0), ('JPEG', 4)])
def test_a_mosaic_in_a_file_is_demosaiced_by_the_pattern_of_its_format(
        pattern, codec, tolerance):
    color = (200, 120, 40)
    options = {'quality': 100} if codec == 'JPEG' else {}
    data = encoded(codec, mosaic_of(color, pattern), **options)
    found = compressed.compressed_to_rgb(
        message(data, f'bayer_{pattern}8; {codec.lower()} compressed '))
    assert found.shape == (24, 32, 3)
    assert np.abs(found[2:-2, 2:-2].astype(int) - color).max() <= tolerance


def test_a_mosaic_of_16_bit_in_a_png_is_demosaiced_and_scaled():
    color = (200, 120, 40)
    data = encoded('PNG', mosaic_of(color, 'rggb').astype(np.uint16) * 257)
    found = compressed.compressed_to_rgb(message(data, 'bayer_rggb16; png compressed '))
    assert found.dtype == np.uint8
    assert np.array_equal(found[2:-2, 2:-2], np.broadcast_to(color, (20, 28, 3)))


def test_a_demosaiced_file_that_kept_the_name_of_its_mosaic_is_taken_as_it_is():
    image = smooth_image()
    found = compressed.compressed_to_rgb(
        message(encoded('PNG', image), 'bayer_rggb8; png compressed bgr8'))
    assert np.array_equal(found, image)


@pytest.mark.parametrize('text, swapped', [
    ('rgb8; jpeg compressed bgr8', False), ('bgr8; jpeg compressed bgr8', False),
    ('rgb8; jpeg compressed rgb8', True), ('rgb8; png compressed rgb8', True),
    ('bgr8; jpeg compressed rgb8', True), ('rgba8;png compressed rgba8', True),
    ('jpeg', False), ('png', False), ('rgb8; jpeg', False), ('', False)])
def test_the_order_that_the_format_names_is_kept(text, swapped):
    image = smooth_image()
    # An encoder that wants blue first was given red first.
    data = encoded('PNG', image[..., ::-1] if swapped else image)
    assert np.array_equal(compressed.compressed_to_rgb(message(data, text)), image)


@pytest.mark.parametrize('text, words', [
    ('16UC1; png compressed ', "'16UC1'.*16UC1 holds measurements"),
    ('16UC1; compressedDepth png', '16UC1 holds measurements'),
    ('32FC1; compressedDepth png', '32FC1 holds measurements')])
def test_depth_is_no_picture(text, words):
    data = encoded('PNG', np.full((20, 30), 1500, np.uint16))
    with pytest.raises(InvalidInputError, match=words):
        compressed.compressed_to_rgb(message(data, text))


@pytest.mark.parametrize('data, text', [
    (b'\0\0\0\1\x67\x42', 'jpeg'), (b'\0\0\1\x65\x88', ''), (b'\x12\0\x0a', 'av1'),
    (b'\1\2\3\4', 'h264'), (b'\1\2\3\4', 'H.265'), (b'\1\2\3\4', 'hevc'),
    (b'\1\2\3\4', 'h264;yuv420p;bgr8;bgr8')])
def test_a_packet_of_a_video_names_the_republisher(data, text):
    with pytest.raises(InvalidInputError,
                       match='packet of a video.*image_transport republish.*in_transport:=ffmpeg'):
        compressed.compressed_to_rgb(message(data, text))
