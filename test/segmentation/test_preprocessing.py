# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The network's input is that of the checkpoint's own processor, in numpy and compiled."""

import ctypes
import json
import math
import mmap
import time

import cv2
from hypothesis import example
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest
from segformer_ros.common.image_header import MOST_SIDE
from segformer_ros.common.machine import FastProcessors
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation import preprocessing
from segformer_ros.segmentation.kernels import ORDERS
from segformer_ros.segmentation.pillow_resize import resize_axis
from segformer_ros.segmentation.preprocessing import Preprocessor
from support.thread_masks import fast_core  # noqa: F401
from support.thread_masks import Masks
from support.thread_masks import own_mask
from support.thread_masks import two_cores  # noqa: F401

SPEC = ModelSpec('test', 'ade20k', 150)
SIZES_WH = [(640, 480), (480, 640), (1280, 720), (333, 777), (512, 300), (300, 512), (512, 512),
            (100, 50), (2000, 31), (7, 5), (1, 1), (1, 900), (511, 513)]
BILINEAR = 2


def random_image(size_wh, seed=0):
    return np.random.RandomState(seed).randint(
        0, 256, (size_wh[1], size_wh[0], 3)).astype(np.uint8)


def pillow_resize(image, size_wh):
    """Resize columns, then rows: one step in Pillow up to 12, whatever the image."""
    columns = Image.fromarray(image).resize((size_wh[0], image.shape[0]), BILINEAR)
    return np.asarray(columns.resize(size_wh, BILINEAR))


def normalized(pixels, spec=SPEC):
    """Normalise in float64; (1, 3, h, w)."""
    values = (pixels / 255.0 - np.array(spec.mean)) / np.array(spec.std)
    return values.transpose(2, 0, 1)[np.newaxis]


@pytest.mark.parametrize('size_wh', SIZES_WH)
def test_pillow_resize_is_pillows_to_the_last_bit(kernels, size_wh):
    image = random_image(size_wh)
    spec = SPEC._replace(input_dtype='uint8', input_layout='nhwc')
    tensor = Preprocessor(spec, kernels, 3).run(image, 'pillow')
    assert (tensor[0] == pillow_resize(image, (512, 512))).all()


@pytest.mark.parametrize('size_wh', SIZES_WH)
def test_the_number_of_threads_does_not_change_the_resize(compiled_kernels, size_wh):
    image = random_image(size_wh)
    first, *others = [Preprocessor(SPEC, compiled_kernels.kernels, threads).run(image, 'pillow')
                      for threads in (1, 2, 4, 100)]
    assert all((other == first).all() for other in others)


@pytest.mark.parametrize('size_wh', SIZES_WH)
def test_pillow_in_one_step_differs_by_rounding_at_most(kernels, size_wh):
    image = random_image(size_wh)
    spec = SPEC._replace(input_dtype='uint8', input_layout='nhwc')
    tensor = Preprocessor(spec, kernels, 3).run(image, 'pillow')
    one_step = np.asarray(Image.fromarray(image).resize((512, 512), BILINEAR))
    assert np.abs(tensor[0].astype(int) - one_step).max() <= 1
    if size_wh[0] > size_wh[1]:
        assert (tensor[0] == one_step).all()


@settings(deadline=None, max_examples=60,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(width=st.integers(1, 300), height=st.integers(1, 300), out_width=st.integers(1, 80),
       out_height=st.integers(1, 80), seed=st.integers(0, 2 ** 31 - 1))
def test_pillow_resize_is_exact_for_any_sizes(kernels, width, height, out_width, out_height,
                                              seed):
    image = random_image((width, height), seed)
    spec = SPEC._replace(input_dtype='uint8', input_layout='nhwc',
                         input_size_wh=(out_width, out_height))
    tensor = Preprocessor(spec, kernels, 3).run(image, 'pillow')
    assert (tensor[0] == pillow_resize(image, (out_width, out_height))).all()


@pytest.mark.parametrize('value', [0, 255])
def test_uniform_images_stay_uniform(kernels, value):
    # The fixed-point weights do not sum to one exactly; nothing may wrap round.
    spec = SPEC._replace(input_dtype='uint8', input_layout='nhwc')
    for size_wh in ((640, 480), (1919, 1079), (3, 3)):
        image = np.full((size_wh[1], size_wh[0], 3), value, np.uint8)
        assert (Preprocessor(spec, kernels, 3).run(image, 'pillow') == value).all()


@pytest.mark.smoke
def test_opencv_resize_is_opencvs(kernels):
    image = random_image((640, 480))
    spec = SPEC._replace(input_dtype='uint8', input_layout='nhwc')
    tensor = Preprocessor(spec, kernels).run(image, 'opencv')
    assert (tensor[0] == cv2.resize(image, (512, 512), interpolation=cv2.INTER_LINEAR)).all()


def test_values_are_those_of_the_checkpoints_processor(kernels, shared):
    with open(shared('segformer_b0_ade/preprocessor_config.json')) as stream:
        processor = json.load(stream)
    assert processor['resample'] == BILINEAR
    image = random_image((640, 480))
    # As the processor does it: in float32, step by step.
    pixels = pillow_resize(image, (processor['size']['width'], processor['size']['height']))
    values = pixels.astype(np.float32) * np.float32(processor['rescale_factor'])
    values = (values - np.array(processor['image_mean'], np.float32)) \
        / np.array(processor['image_std'], np.float32)
    tensor = Preprocessor(SPEC, kernels).run(image, 'pillow')
    assert tensor.dtype == np.float32
    assert tensor.shape == (1, 3, 512, 512)
    assert np.abs(tensor[0] - values.transpose(2, 0, 1)).max() < 1e-6


@pytest.mark.parametrize('resize', ['pillow', 'opencv'])
def test_layouts_and_dtypes_hold_the_same_values(kernels, resize):
    image = random_image((53, 87))
    base = SPEC._replace(input_size_wh=(40, 24))
    pixels = Preprocessor(base._replace(input_dtype='uint8', input_layout='nhwc'),
                          kernels).run(image, resize)
    assert pixels.shape == (1, 24, 40, 3)
    planes = Preprocessor(base._replace(input_dtype='uint8'), kernels).run(image, resize)
    assert (planes == pixels.transpose(0, 3, 1, 2)).all()
    floats = Preprocessor(base, kernels).run(image, resize)
    assert np.abs(floats - normalized(pixels[0])).max() < 1e-6
    last = Preprocessor(base._replace(input_layout='nhwc'), kernels).run(image, resize)
    assert (last == floats.transpose(0, 2, 3, 1)).all()
    for tensor in (pixels, planes, floats, last):
        assert tensor.flags.c_contiguous


def test_red_stays_first(kernels):
    image = np.zeros((8, 8, 3), np.uint8)
    image[..., 0] = 255
    spec = SPEC._replace(input_size_wh=(4, 4), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    tensor = Preprocessor(spec, kernels, 3).run(image, 'pillow')
    assert tensor[0, :, 0, 0].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize('resize', ['pillow', 'opencv'])
def test_padded_rows_are_left_out(kernels, resize):
    image = random_image((50, 40))
    padded = np.full((40, 64, 3), 77, np.uint8)
    padded[:, :50] = image
    processor = Preprocessor(SPEC._replace(input_size_wh=(32, 32)), kernels)
    expected = processor.run(image, resize).copy()
    assert (processor.run(padded[:, :50], resize) == expected).all()


def test_the_tensor_is_reused_and_the_image_left_alone(kernels):
    image = random_image((64, 48))
    before = image.copy()
    processor = Preprocessor(SPEC._replace(input_size_wh=(32, 32)), kernels)
    first = processor.run(image, 'pillow')
    kept = first.copy()
    second = processor.run(255 - image, 'pillow')
    assert second is first
    assert not (kept == second).all()
    assert (image == before).all()


def weights_one_by_one(in_size, out_size):
    """Return first samples, taps and weights as Pillow's Resample.c makes them."""
    scale = in_size / out_size
    support = max(scale, 1.0)
    rows = []
    for index in range(out_size):
        center = (index + 0.5) * scale
        start = max(int(center - support + 0.5), 0)
        stop = min(int(center + support + 0.5), in_size)
        values = [max(0.0, 1.0 - abs((sample - center + 0.5) / support))
                  for sample in range(start, stop)]
        total = 0.0
        for value in values:
            total += value
        rows.append((start, [math.floor(value / total * (1 << 22) + 0.5) for value in values]))
    return rows


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 3000), st.integers(1, 600))
@example(16384, 512)
@example(1, 512)
@example(512, 512)
def test_resize_weights_are_bit_for_bit_those_made_one_by_one(in_size, out_size):
    axis = resize_axis(in_size, out_size)
    expected = weights_one_by_one(in_size, out_size)
    assert axis.first.tolist() == [start for start, _ in expected]
    assert axis.taps.tolist() == [len(weights) for _, weights in expected]
    most = axis.weight.shape[1]
    assert axis.weight.tolist() == [weights + [0] * (most - len(weights))
                                    for _, weights in expected]


def test_resize_weights_of_the_longest_side_take_no_time():
    started = time.process_time()
    resize_axis(MOST_SIDE, 511)
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
def test_float16_input_is_the_nearest_to_the_float32_one(kernels, layout):
    image = random_image((100, 80))
    spec = SPEC._replace(input_size_wh=(100, 80), input_layout=layout)
    half = Preprocessor(spec._replace(input_dtype='float16'), kernels).run(image, 'pillow')
    single = Preprocessor(spec, kernels).run(image, 'pillow')
    assert half.dtype == np.float16 and half.shape == single.shape
    assert (half == single.astype(np.float16)).all()
    assert len(np.unique(half)) > 200


def as_sent(image, to_rgb):
    """Return samples of which a conversion makes the image again, without OpenCV."""
    if to_rgb == 'COLOR_GRAY2RGB':
        return image[..., 0]
    alpha = 255 - image[..., :1]
    return {None: image, 'COLOR_BGR2RGB': image[..., ::-1],
            'COLOR_RGBA2RGB': np.concatenate([image, alpha], axis=2),
            'COLOR_BGRA2RGB': np.concatenate([image[..., ::-1], alpha], axis=2)}[to_rgb]


@pytest.mark.parametrize('resize', ['pillow', 'opencv'])
@pytest.mark.parametrize('to_rgb', sorted(map(str, ORDERS)))
@pytest.mark.parametrize(('dtype', 'layout', 'color_order'), [
    ('uint8', 'nhwc', 'rgb'), ('uint8', 'nchw', 'rgb'), ('float32', 'nchw', 'rgb'),
    ('float32', 'nchw', 'bgr'), ('float32', 'nhwc', 'bgr'), ('float16', 'nchw', 'rgb')])
def test_samples_in_the_order_of_the_camera_give_what_their_rgb_gives(
        kernels, resize, to_rgb, dtype, layout, color_order):
    to_rgb = None if to_rgb == 'None' else to_rgb
    spec = SPEC._replace(input_size_wh=(40, 24), input_dtype=dtype, input_layout=layout,
                         color_order=color_order)
    processor, plain = Preprocessor(spec, kernels, 3), Preprocessor(spec, None)
    # Wider and narrower than the 64 pixels that are converted at a time, and of the same size.
    for size_wh in ((53, 37), (64, 31), (65, 48), (129, 90), (40, 24), (7, 5), (1, 1)):
        image = random_image(size_wh)
        if to_rgb == 'COLOR_GRAY2RGB':
            image[...] = image[..., :1]
        sent = as_sent(image, to_rgb)
        padded = np.full((size_wh[1], size_wh[0] + 3) + sent.shape[2:], 99, np.uint8)
        padded[:, :size_wh[0]] = sent
        found = processor.run(padded[:, :size_wh[0]], resize, to_rgb)
        assert (found == plain.run(image, resize)).all()


def test_a_blue_picture_of_a_camera_that_sends_blue_first_is_blue(kernels):
    image = np.zeros((8, 8, 3), np.uint8)
    image[..., 0] = 255
    spec = SPEC._replace(input_size_wh=(4, 4), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    tensor = Preprocessor(spec, kernels, 3).run(image, 'pillow', 'COLOR_BGR2RGB')
    assert tensor[0, :, 0, 0].tolist() == [0.0, 0.0, 1.0]


def test_nothing_is_read_behind_the_last_pixel(compiled_kernels):
    # The picture ends where its memory does: the next page may not be looked at.
    page = mmap.PAGESIZE
    libc = ctypes.CDLL(None, use_errno=True)
    for channels, to_rgb in ((3, None), (3, 'COLOR_BGR2RGB'), (4, 'COLOR_BGRA2RGB'),
                             (1, 'COLOR_GRAY2RGB')):
        size = 130 * 5 * channels
        pages = -(-size // page)
        memory = mmap.mmap(-1, (pages + 1) * page)
        whole = np.frombuffer(memory, np.uint8)
        guard = ctypes.c_void_p(whole.ctypes.data + pages * page)
        assert libc.mprotect(guard, page, 0) == 0
        try:
            start = pages * page - size
            image = whole[start:start + size].reshape((5, 130) + (channels,) * (channels > 1))
            image[...] = 7
            spec = SPEC._replace(input_dtype='uint8', input_layout='nhwc', input_size_wh=(16, 16))
            for resize in ('pillow', 'opencv'):
                tensor = Preprocessor(spec, compiled_kernels.kernels, 2).run(image, resize, to_rgb)
                assert (tensor == 7).all()
        finally:
            libc.mprotect(guard, page, mmap.PROT_READ | mmap.PROT_WRITE)


def test_threads_of_a_resize_sit_on_the_fast_core(
        compiled_kernels, two_cores, fast_core, monkeypatch):  # noqa: F811
    # Two threads, as beside two fast cores, of which this machine may not have so many.
    monkeypatch.setattr(preprocessing, 'FastProcessors', lambda _: FastProcessors(1))
    preprocessor = Preprocessor(SPEC, compiled_kernels.kernels, 2)
    image = random_image((2000, 1500))
    with Masks() as masks:
        assert masks.run_until(lambda: preprocessor.run(image, 'pillow'),
                               lambda: masks.new and {fast_core} in masks.caller)
    assert masks.new == {frozenset({fast_core})}
    assert own_mask() == set(two_cores)


def test_where_cores_are_alike_no_thread_of_a_resize_is_bound(compiled_kernels,
                                                              two_cores):  # noqa: F811
    preprocessor = Preprocessor(SPEC, compiled_kernels.kernels, 2)
    image = random_image((2000, 1500))
    with Masks() as masks:
        assert masks.run_until(lambda: preprocessor.run(image, 'pillow'),
                               lambda: masks.new)
    assert masks.new == masks.caller == {frozenset(two_cores)}
