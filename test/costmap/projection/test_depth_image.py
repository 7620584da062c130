# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Depth images of every ROS kind in metres."""

import struct

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.projection.depth_image import decode_compressed_depth
from segformer_ros.costmap.projection.depth_image import depth_in_meters


def png(image):
    return cv2.imencode('.png', image)[1].tobytes()


def test_millimetres_and_metres():
    found = depth_in_meters(np.array([[0, 1500]], np.uint16))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.0, 1.5]])
    metres = np.array([[np.nan, 2.5]], np.float32)
    assert depth_in_meters(metres) is metres
    assert depth_in_meters(metres.astype(np.float64)).dtype == np.float32


def test_compressed_millimetres():
    image = np.arange(12, dtype=np.uint16).reshape(3, 4) * 100
    data = struct.pack('<iff', 0, 0.0, 0.0) + png(image)
    for text in ('16UC1; compressedDepth', '16UC1; compressedDepth png'):
        np.testing.assert_allclose(decode_compressed_depth(data, text), image * 0.001, rtol=1e-6)


def test_compressed_metres_come_back_within_the_quantisation():
    # What compressed_depth_image_transport does: value = a / depth + b, 0 for no depth.
    a, b = 100.0 * (100.0 + 1.0), 1.0 - 100.0 * (100.0 + 1.0) / 10.0
    depth = np.array([[0.5, 1.0, 3.0, 9.0]], np.float32)
    values = np.floor(a / depth + b).astype(np.uint16)
    values = np.append(values, [[0]], axis=1).astype(np.uint16)
    data = struct.pack('<iff', 0, a, b) + png(values)
    found = decode_compressed_depth(data, '32FC1; compressedDepth png')
    np.testing.assert_allclose(found[0, :4], depth[0], rtol=2e-3)
    assert np.isnan(found[0, 4])


@pytest.mark.parametrize('image', [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.uint16),
                                   np.zeros(4, np.uint16)])
def test_other_images_are_no_depth(image):
    with pytest.raises(InvalidInputError, match='Not a depth image'):
        depth_in_meters(image)


@pytest.mark.parametrize('text, words', [
    ('png', 'Not a compressed depth image'), ('bgr8; jpeg compressed bgr8', 'compressedDepth'),
    ('8UC1; compressedDepth png', 'Not a compressed depth'),
    ('16UC1; compressedDepth rvl', 'RVL.*png')])
def test_other_formats_are_named(text, words):
    with pytest.raises(InvalidInputError, match=words):
        decode_compressed_depth(b'0' * 100, text)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_damaged_messages_are_refused_and_nothing_else_happens(data, real_start):
    if real_start:
        data = struct.pack('<iff', 0, 1.0, 0.0) + png(np.ones((4, 4), np.uint16))[:40] + data
    try:
        found = decode_compressed_depth(data, '16UC1; compressedDepth')
    except InvalidInputError:
        return
    assert found.dtype == np.float32 and found.ndim == 2


def test_a_colour_picture_in_the_place_of_depth_is_refused():
    data = struct.pack('<iff', 0, 0.0, 0.0) + png(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InvalidInputError, match='damaged.*16-bit grey PNG'):
        decode_compressed_depth(data, '16UC1; compressedDepth')


@pytest.mark.parametrize('text', [
    '16UC1; png compressed ', '16UC1;png', 'mono16; png compressed '])
def test_a_plain_png_of_millimetres_is_depth(text):
    millimetres = np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50
    done, png = cv2.imencode('.png', millimetres)
    assert done
    found = decode_compressed_depth(png.tobytes(), text)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, millimetres / 1000.0, atol=1e-4)


@pytest.mark.parametrize('values, text', [
    (np.zeros((30, 40), np.uint8), '16UC1; png compressed '),
    (np.zeros((30, 40, 3), np.uint16), '16UC1; png compressed '),
    (np.zeros((30, 40), np.uint16), 'rgb8; png compressed bgr8')])
def test_a_png_of_anything_else_is_no_depth(values, text):
    done, png = cv2.imencode('.png', values)
    assert done
    with pytest.raises(InvalidInputError, match='depth image'):
        decode_compressed_depth(png.tobytes(), text)
