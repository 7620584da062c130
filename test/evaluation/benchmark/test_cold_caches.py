# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a frame moves beside its network, counted and compared with what is allocated."""

import tracemalloc

import numpy as np
import pytest
from segformer_ros.evaluation.benchmark import cold_caches
from segformer_ros.evaluation.benchmark.pipelines import CameraImage
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.segmentation.images.decoding import image_to_picture
from segformer_ros.segmentation.kernel_build import load_kernels
from segformer_ros.segmentation.postprocessing import Postprocessor
from segformer_ros.segmentation.preprocessing import Preprocessor
from support.color_network import color_spec
from support.color_network import write_color_network

SIZE_WH = (128, 96)
SENT = 3 * 128 * 96
STAGES = ['convert', 'pre', 'post', 'message']


def picture(size_wh=SIZE_WH):
    random = np.random.RandomState(0)
    return CameraImage(random.randint(0, 256, size_wh[::-1] + (3,)).astype(np.uint8))


@pytest.fixture
def kernels():
    """Return the compiled kernels."""
    found = load_kernels().kernels
    if found is None:
        pytest.skip('no compiled kernels')
    return found


def test_bytes_of_both_ways_are_those_of_their_arrays(tmp_path, kernels):
    pytest.importorskip('onnxruntime')
    spec = color_spec()
    logits = 4 * spec.num_classes * spec.output_size_wh[0] * spec.output_size_wh[1]
    tensor = 4 * 3 * spec.input_size_wh[0] * spec.input_size_wh[1]
    mask = SIZE_WH[0] * SIZE_WH[1]
    with OnnxruntimeBackend(write_color_network(tmp_path / 'colors.onnx')) as backend:
        found = cold_caches.measure(picture(), backend, spec, 1, 2)
    ours, separate = found['rows']
    assert [list(row['stages']) for row in found['rows']] == [STAGES, STAGES]
    assert {name: (row['read'], row['written']) for name, row in ours['stages'].items()} == {
        'convert': (0, 0), 'pre': (SENT, tensor), 'post': (logits, 2 * mask), 'message': (0, 0)}
    assert {name: (row['read'], row['written']) for name, row in separate['stages'].items()} == {
        'convert': (SENT, SENT), 'pre': (SENT, tensor), 'post': (logits, 2 * mask),
        'message': (4 * mask, 4 * mask)}
    assert ours['read'] == SENT + logits and ours['written'] == tensor + 2 * mask
    for row in found['rows']:
        assert 0 < row['warm_cpu_ms'] < 1000 and 0 < row['cold_cpu_ms'] < 1000


@pytest.mark.parametrize(('dtype', 'layout'), [('uint8', 'nhwc'), ('float32', 'nchw')])
def test_no_array_comes_between_message_and_tensor_nor_between_logits_and_message(
        kernels, dtype, layout):
    spec = color_spec()._replace(input_size_wh=(224, 160), input_dtype=dtype, input_layout=layout,
                                 output_layout='nhwc', output_size_wh=(56, 40))
    image = picture((640, 480))
    logits = np.random.RandomState(1).normal(
        size=(1, 40, 56, spec.num_classes)).astype(np.float32)
    preprocessor, postprocessor = Preprocessor(spec, kernels), Postprocessor(spec, kernels)
    way = cold_caches.our_stages(image, {spec.output_name: logits}, preprocessor, postprocessor)
    for _ in range(2):
        for _, step in way.steps:
            step()
    tracemalloc.start()
    try:
        for _, step in way.steps:
            step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A plane of the picture has 307,200 bytes, one of the tensor 35,840 and more; masks stand in
    # memory of the frame before the last. What is left are headers of arrays.
    assert peak < 20000
    assert preprocessor.intermediate_bytes(image_to_picture(image.message).samples, 'pillow',
                                           'COLOR_BGR2RGB') == 0


@pytest.mark.parametrize(('resize', 'to_rgb', 'expected'), [
    ('pillow', None, 480 * 64 * 3), ('pillow', 'COLOR_BGR2RGB', 480 * 64 * 3 + 640 * 480 * 3),
    ('opencv', None, 0), ('opencv', 'COLOR_BGR2RGB', 64 * 48 * 3)])
def test_arrays_in_between_are_counted_without_kernels(resize, to_rgb, expected):
    spec = color_spec()._replace(input_size_wh=(64, 48), input_dtype='uint8', input_layout='nhwc')
    image = np.zeros((480, 640, 3), np.uint8)
    assert Preprocessor(spec, None).intermediate_bytes(image, resize, to_rgb) == expected
    planes = spec._replace(input_dtype='float32', input_layout='nchw')
    assert Preprocessor(planes, None).intermediate_bytes(
        image, resize, to_rgb) == expected + 64 * 48 * 3


def test_the_last_cache_has_a_size():
    assert 1 << 14 <= cold_caches.last_cache_bytes() <= cold_caches.MOST_CACHE
