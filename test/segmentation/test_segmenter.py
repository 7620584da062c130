# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Image in, mask out, through the real onnxruntime."""

import os

import numpy as np
from PIL import Image
import pytest
from segformer_ros.common import errors
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.model.classes import UNLABELED
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.images.decoding import Picture
from segformer_ros.segmentation.postprocessing import bytes_of
from segformer_ros.segmentation.segmenter import Segmenter
from segformer_ros.segmentation.segmenter import SegmenterSettings
from support.color_network import color_logits
from support.color_network import color_spec
from support.color_network import write_color_network
from support.oracles import log_confidence
from support.oracles import upsampled_argmax

onnxruntime = pytest.importorskip('onnxruntime')
BILINEAR = 2
RED, GREEN, BLUE, WHITE = range(4)
PHOTOS = [f'ADE_val_0000000{number}' for number in (1, 2, 3)]


@pytest.fixture
def segmenter(tmp_path, compiled):
    """Return one that finds the nearest of four colours."""
    with OnnxruntimeBackend(write_color_network(tmp_path / 'colors.onnx', scale=20.0)) as backend:
        yield Segmenter(color_spec(), backend, compiled=compiled)


def quadrants(height=96, width=128):
    """Return an image: red, green / blue, white."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:height // 2, :width // 2, 0] = 255
    image[:height // 2, width // 2:, 1] = 255
    image[height // 2:, :width // 2, 2] = 255
    image[height // 2:, width // 2:] = 255
    return image


def noise(height, width):
    return np.random.RandomState(0).randint(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.smoke
def test_colors_are_found_where_they_are(segmenter):
    result = segmenter.segment(quadrants())
    assert result.mask.shape == (96, 128)
    assert result.mask.dtype == np.uint8
    expected = np.kron([[RED, GREEN], [BLUE, WHITE]], np.ones((48, 64), int))
    assert (result.mask == expected).all()
    assert result.confidence.shape == (96, 128)
    assert result.confidence[10, 10] > 250
    assert result.confidence[48, 64] < 150
    assert all(seconds > 0 for seconds in result.timings)


@pytest.mark.parametrize('resize', ['pillow', 'opencv'])
def test_mask_and_confidence_equal_a_float64_computation(segmenter, resize):
    import cv2
    image = noise(75, 101)
    segmenter.settings = SegmenterSettings(resize=resize)
    result = segmenter.segment(image)
    small = cv2.resize(image, (64, 64)) if resize == 'opencv' else np.asarray(
        Image.fromarray(image).resize((64, 64), BILINEAR))
    logits = color_logits(small.transpose(2, 0, 1)[np.newaxis] / 255.0, 20.0)[0]
    expected = upsampled_argmax(logits, (101, 75))
    assert (expected.gap[result.mask != expected.mask] < 1e-3).all()
    assert (result.mask != expected.mask).mean() < 1e-3
    levels = 255.0 * np.exp(log_confidence(logits, expected.value))
    assert np.abs(result.confidence - levels).max() < 0.52


@pytest.mark.parametrize('rotate', [90, 180, 270])
def test_a_turned_camera_gives_the_upright_result_turned_back(segmenter, rotate):
    upright = noise(70, 110)
    mounted = np.rot90(upright, rotate // 90)
    expected = segmenter.segment(upright)
    result = segmenter.segment(mounted, rotate=rotate)
    assert result.mask.shape == mounted.shape[:2]
    assert (result.mask == np.rot90(expected.mask, rotate // 90)).all()
    assert (result.confidence == np.rot90(expected.confidence, rotate // 90)).all()
    assert result.mask.flags.c_contiguous
    assert result.confidence.flags.c_contiguous


def test_rotation_turns_clockwise_before_the_network(segmenter):
    # Upright: red above, blue below. A camera on its right side sees red on the left.
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32, 0] = 255
    image[:, 32:, 2] = 255
    assert (np.rot90(image, -1)[0, :, 0] == 255).all()
    result = segmenter.segment(image, rotate=90)
    assert (result.mask[:, :32] == RED).all()
    assert (result.mask[:, 32:] == BLUE).all()


@pytest.mark.parametrize('size', [(1, 1), (1, 300), (300, 1), (3, 5), (480, 640), (721, 1279)])
def test_any_image_size_is_served(segmenter, size):
    result = segmenter.segment(noise(*size))
    assert result.mask.shape == size
    assert result.mask.max() < 4


def test_views_and_reversed_channels_are_served(segmenter):
    image = quadrants()
    expected = segmenter.segment(image).mask
    padded = np.zeros((96, 200, 3), np.uint8)
    padded[:, :128] = image
    for view in (padded[:, :128], image[..., ::-1].copy()[..., ::-1],
                 np.asfortranarray(image), np.flipud(np.flipud(image).copy())):
        assert (segmenter.segment(view).mask == expected).all()


def test_read_only_images_are_served_and_left_alone(segmenter):
    image = quadrants()
    image.setflags(write=False)
    for rotate in (0, 90):
        segmenter.segment(image, rotate=rotate)
    assert (image == quadrants()).all()


def test_results_are_the_callers_to_keep(segmenter):
    first = segmenter.segment(quadrants())
    kept = first.mask.copy(), first.confidence.copy()
    segmenter.segment(noise(96, 128))
    assert (first.mask == kept[0]).all()
    assert (first.confidence == kept[1]).all()


def test_results_of_many_frames_are_the_callers_to_keep(segmenter):
    results, copies = [], []
    for number in range(12):
        image = np.roll(quadrants(), 7 * number, axis=1)
        result = segmenter.segment(image, rotate=90 * (number % 2))
        results.append(result)
        copies.append((result.mask.copy(), result.confidence.copy()))
    for result, (mask, confidence) in zip(results, copies):
        assert (result.mask == mask).all()
        assert (result.confidence == confidence).all()


@pytest.mark.parametrize('rotate', [0, 90, 180, 270])
@pytest.mark.parametrize('resize', ['pillow', 'opencv'])
def test_the_camera_may_send_its_channels_in_any_order(segmenter, resize, rotate):
    segmenter.settings = SegmenterSettings(resize=resize)
    image = noise(70, 90)
    alpha = np.full((70, 90, 1), 200, np.uint8)
    expected = segmenter.segment(image, rotate)
    for samples, to_rgb in (
            (image[..., ::-1].copy(), 'COLOR_BGR2RGB'), (image[..., ::-1], 'COLOR_BGR2RGB'),
            (np.concatenate([image, alpha], axis=2), 'COLOR_RGBA2RGB'),
            (np.concatenate([image[..., ::-1], alpha], axis=2), 'COLOR_BGRA2RGB')):
        found = segmenter.segment(Picture(samples, to_rgb), rotate)
        assert (found.mask == expected.mask).all()
        assert (found.confidence == expected.confidence).all()
    grey = segmenter.segment(Picture(image[..., 0].copy(), 'COLOR_GRAY2RGB'), rotate)
    expected = segmenter.segment(np.repeat(image[..., :1], 3, axis=2), rotate)
    assert (grey.mask == expected.mask).all()


@pytest.mark.parametrize(('shape', 'to_rgb'), [
    ((8, 8, 4), None), ((8, 8), None), ((8, 8, 3), 'COLOR_RGBA2RGB'),
    ((8, 8, 3), 'COLOR_GRAY2RGB'), ((8, 8, 1), 'COLOR_GRAY2RGB'), ((0, 8), 'COLOR_GRAY2RGB')])
def test_samples_that_do_not_fit_their_order_are_refused(segmenter, shape, to_rgb):
    with pytest.raises(errors.InvalidInputError):
        segmenter.segment(Picture(np.zeros(shape, np.uint8), to_rgb))


@pytest.mark.parametrize('rotate', [0, 90])
def test_masks_stand_in_memory_that_a_message_takes_as_it_is(tmp_path, compiled_kernels, rotate):
    with OnnxruntimeBackend(write_color_network(tmp_path / 'colors.onnx')) as backend:
        result = Segmenter(color_spec(), backend, compiled=compiled_kernels).segment(
            quadrants(), rotate)
    for values in result.mask, result.confidence:
        assert bytes_of(values).tobytes() == values.tobytes()


def test_settings_change_between_frames(segmenter):
    image = quadrants()
    assert not (segmenter.segment(image).mask == UNLABELED).any()
    segmenter.settings = segmenter.settings._replace(threshold=0.9)
    result = segmenter.segment(image, with_confidence=False)
    assert result.confidence is None
    assert result.mask[10, 10] == RED
    assert result.mask[48, 64] == UNLABELED
    segmenter.settings = SegmenterSettings(postprocess='fast')
    fast = segmenter.segment(noise(64, 64)).mask
    # Four pixels a logit: the nearest one gives blocks.
    assert (fast == np.kron(fast[::4, ::4], np.ones((4, 4), int))).all()


@pytest.mark.parametrize(('settings', 'message'), [
    (SegmenterSettings(resize='area'), "setting of 'resize': got 'area'; expected pillow or open"),
    (SegmenterSettings(postprocess='quick'), "got 'quick'; expected exact or fast"),
    (SegmenterSettings(threshold=1.5), r'Threshold out of range: got 1\.5'),
    (SegmenterSettings(threshold=float('nan')), 'Threshold out of range'),
])
def test_wrong_settings_are_told_and_the_old_ones_stay(segmenter, settings, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        segmenter.settings = settings
    assert segmenter.settings == SegmenterSettings()
    assert segmenter.segment(quadrants()).mask[0, 0] == RED


@pytest.mark.parametrize(('image', 'rotate', 'message'), [
    (np.zeros((0, 5, 3), np.uint8), 0, r'Not an image: got uint8\[0, 5, 3\]'),
    (np.zeros((5, 0, 3), np.uint8), 0, 'height and width above 0'),
    (np.zeros((5, 5), np.uint8), 0, r'got uint8\[5, 5\]'),
    (np.zeros((5, 5, 4), np.uint8), 0, r'got uint8\[5, 5, 4\]'),
    (np.zeros((5, 5, 3), np.float32), 0, r'got float32\[5, 5, 3\]; expected uint8'),
    (np.zeros((5, 5, 3), np.uint8), 45, 'Wrong rotation: got 45; expected one of 0, 90, 180, 270'),
])
def test_wrong_images_are_told_and_the_next_good_one_is_served(segmenter, image, rotate, message):
    with pytest.raises(errors.InvalidInputError, match=message):
        segmenter.segment(image, rotate=rotate)
    assert segmenter.segment(quadrants()).mask[0, 0] == RED


def test_no_mask_comes_from_a_network_that_returns_nan(tmp_path, compiled):
    path = write_color_network(tmp_path / 'nan.onnx', scale=float('inf'))
    with OnnxruntimeBackend(path) as backend:
        segmenter = Segmenter(color_spec(), backend, compiled=compiled)
        with pytest.raises(errors.BackendError, match='not finite'):
            segmenter.segment(quadrants())


def test_a_network_that_does_not_fit_is_refused(tmp_path):
    with OnnxruntimeBackend(write_color_network(tmp_path / 'colors.onnx')) as backend:
        with pytest.raises(errors.ModelError, match='The model has 4 classes'):
            Segmenter(color_spec(num_classes=5), backend)


def test_a_dynamic_network_is_served(tmp_path, compiled):
    path = write_color_network(tmp_path / 'dynamic.onnx', dynamic=True)
    with OnnxruntimeBackend(path) as backend:
        segmenter = Segmenter(color_spec(), backend, compiled=compiled)
        assert segmenter.segment(quadrants()).mask[0, 0] == RED


def test_a_dynamic_network_of_another_output_size_is_refused_before_the_first_frame(tmp_path):
    path = write_color_network(tmp_path / 'dynamic.onnx', dynamic=True)
    with OnnxruntimeBackend(path) as backend:
        with pytest.raises(errors.ModelError, match=(
                r'got logits float32\[1, 4, 16, 16\]; expected '
                r'logits float32\[1, 4, 32, 32\]')):
            Segmenter(color_spec(output_size_wh=(32, 32)), backend)


@pytest.fixture(scope='module')
def reference_network(shared):
    """Return the backend of a network trained on ADE20K, open."""
    with OnnxruntimeBackend(
            shared('models/ade20k_mobilenetv2_segformer_io.onnx')) as backend:
        yield backend


@pytest.mark.once
def test_photos_are_segmented_as_well_as_the_reference_says(reference_network, shared):
    segmenter = Segmenter(ModelSpec('reference', 'ade20k', 150), reference_network)
    right = labeled = 0
    for name in PHOTOS:
        image = np.asarray(Image.open(shared(f'images/ade_val/{name}.jpg')))
        truth = np.asarray(Image.open(shared(f'images/ade_val/{name}.png'))).astype(int)
        mask = segmenter.segment(image, with_confidence=False).mask
        right += int((mask == truth - 1)[truth > 0].sum())
        labeled += int((truth > 0).sum())
    # The reference computation, with OpenCV's resize, gives 0.759.
    assert right / labeled > 0.74


@pytest.fixture(scope='module')
def independent(reference_network, shared):
    """Return, for every photo, image, mask and confidence * 255 by Pillow and float64."""
    session = onnxruntime.InferenceSession(
        os.fspath(reference_network.info.model_path), providers=['CPUExecutionProvider'])
    results = {}
    for name in PHOTOS:
        image = np.asarray(Image.open(shared(f'images/ade_val/{name}.jpg')))
        size_wh = (image.shape[1], image.shape[0])
        pixels = np.asarray(Image.fromarray(image).resize((512, 512), BILINEAR), np.float64)
        tensor = (pixels / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        logits = session.run(None, {'pixel_values': tensor.transpose(2, 0, 1)[
            np.newaxis].astype(np.float32)})[0][0]
        expected = upsampled_argmax(logits, size_wh)
        results[name] = (image, expected.mask,
                         255.0 * np.exp(log_confidence(logits, expected.value)))
    return results


@pytest.mark.once
@pytest.mark.parametrize('name', PHOTOS)
def test_masks_of_photos_equal_an_independent_computation(reference_network, independent,
                                                          compiled, name):
    image, mask, confidence = independent[name]
    result = Segmenter(ModelSpec('reference', 'ade20k', 150), reference_network,
                       compiled=compiled).segment(image)
    assert (result.mask == mask).mean() >= 0.9999
    assert np.abs(result.confidence - confidence).max() < 0.6
