# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Live frames are copies of the newest, and mean the same picture to every network."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.inference.base.frames import convert_frame
from segformer_ros.inference.base.frames import LiveFrames
from segformer_ros.model.spec import ModelSpec

FLOAT = ModelSpec(name='float', classes='ade20k', num_classes=150, input_size_wh=(6, 4))
LEVELS = FLOAT._replace(name='levels', input_dtype='uint8', input_layout='nhwc',
                        input_name='image')


def test_newest_frames_are_kept_oldest_first():
    frames = LiveFrames(3)
    array = np.zeros((1, 3, 4, 6), np.float32)
    for value in range(5):
        array.fill(value)
        frames.offer({'pixel_values': array})
    assert len(frames) == 3
    assert [frame['pixel_values'][0, 0, 0, 0] for frame in frames.frames(FLOAT, FLOAT)] == [
        2, 3, 4]
    frames.clear()
    assert frames.frames(FLOAT, FLOAT) == ()


def slow_normalise(levels):
    """Return what the network takes of a picture, value by value."""
    result = np.zeros((1, 3, 4, 6))
    for y in range(4):
        for x in range(6):
            for c in range(3):
                result[0, c, y, x] = (levels[0, y, x, c] / 255.0 - FLOAT.mean[c]) / FLOAT.std[c]
    return result


@settings(deadline=None, max_examples=30)
@given(strategies.integers(0, 2 ** 32 - 1))
def test_levels_become_normalised_values_and_come_back_exactly(seed):
    levels = np.random.RandomState(seed).randint(0, 256, (1, 4, 6, 3)).astype(np.uint8)
    converted = convert_frame({'image': levels}, LEVELS, FLOAT)['pixel_values']
    assert converted.dtype == np.float32 and converted.flags.c_contiguous
    np.testing.assert_allclose(converted, slow_normalise(levels), atol=1e-6)
    back = convert_frame({'pixel_values': converted}, FLOAT, LEVELS)['image']
    assert back.dtype == np.uint8 and back.flags.c_contiguous
    np.testing.assert_array_equal(back, levels)


def test_levels_come_back_from_float16_too():
    levels = np.arange(72).reshape((1, 4, 6, 3)).astype(np.uint8) * 3
    half = FLOAT._replace(input_dtype='float16')
    converted = convert_frame({'image': levels}, LEVELS, half)
    assert converted['pixel_values'].dtype == np.float16
    np.testing.assert_allclose(converted['pixel_values'], slow_normalise(levels), rtol=1e-3)
    np.testing.assert_array_equal(convert_frame(converted, half, LEVELS)['image'], levels)
    single = convert_frame(converted, half, FLOAT)['pixel_values']
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, converted['pixel_values'])


def test_layout_alone_may_change():
    target = FLOAT._replace(input_layout='nhwc')
    array = np.arange(72, dtype=np.float32).reshape(1, 3, 4, 6)
    converted = convert_frame({'pixel_values': array}, FLOAT, target)['pixel_values']
    assert converted[0, 2, 5, 1] == array[0, 1, 2, 5]


def test_other_sizes_are_refused():
    with pytest.raises(InvalidInputError, match='wrong size'):
        convert_frame({'pixel_values': np.zeros((1, 3, 4, 6), np.float32)}, FLOAT,
                      FLOAT._replace(input_size_wh=(8, 8)))
