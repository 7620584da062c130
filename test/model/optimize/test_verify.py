# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The comparison that a deployment graph must pass."""

import os

import cv2
import numpy as np
import pytest

from segformer_ros.common.errors import BackendError
from segformer_ros.model.optimize import verify
from segformer_ros.model.spec import ModelSpec

SPEC = ModelSpec('scaled', 'none', 3, input_size_wh=(16, 12), output_size_wh=(16, 12))


def write(folder, name, gains, poison=None):
    """Write a network whose logits are the input's channels times ``gains``."""
    onnx = pytest.importorskip('onnx')
    numpy_helper = pytest.importorskip('onnx.numpy_helper')
    helper = onnx.helper
    gains = np.reshape(gains, (1, 3, 1, 1)).astype(np.float32)
    nodes = [helper.make_node('Mul', ['pixel_values', 'gains'], ['scaled']),
             helper.make_node('Log' if poison else 'Identity', ['scaled'], ['logits'])]
    infos = [helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, [1, 3, 12, 16])
             for key in ('pixel_values', 'logits')]
    graph = helper.make_graph(nodes, name, infos[:1], infos[1:],
                              [numpy_helper.from_array(gains, 'gains')])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)])
    model.ir_version = 7
    path = os.path.join(str(folder), name + '.onnx')
    onnx.save(model, path)
    return path


@pytest.fixture
def original(tmp_path):
    pytest.importorskip('onnxruntime')
    return write(tmp_path, 'original', [1.0, 1.0, 1.0])


def test_equal_networks_agree(tmp_path, original):
    agreement = verify.compare(original, SPEC, write(tmp_path, 'same', [1, 1, 1]), SPEC)
    assert agreement == verify.Agreement(0.0, 1.0)
    assert agreement.is_exact


def test_largest_difference_is_that_of_the_worst_logit(tmp_path, original):
    picture = np.zeros((12, 16, 3), np.uint8)
    picture[3, 5] = (255, 0, 0)
    spec = SPEC._replace(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    other = write(tmp_path, 'other', [1.25, 1, 1])
    agreement = verify.compare(original, spec, other, spec, [picture])
    assert agreement.max_logit_difference == pytest.approx(0.25)
    assert not agreement.is_exact


def test_mask_agreement_counts_cells(tmp_path, original):
    picture = np.zeros((12, 16, 3), np.uint8)
    picture[:, :, 0], picture[:6, :, 1] = 100, 150
    # The second class loses where it won: the upper half.
    other = write(tmp_path, 'other', [1, 0.5, 1])
    spec = SPEC._replace(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    agreement = verify.compare(original, spec, other, spec, [picture])
    assert agreement.mask_agreement == pytest.approx(0.5)


def test_values_that_are_not_finite_never_agree(tmp_path, original):
    other = write(tmp_path, 'bad', [1, 1, 1], poison=True)
    agreement = verify.compare(original, SPEC, other, SPEC)
    assert agreement.max_logit_difference == np.inf
    assert not agreement.is_exact


@pytest.mark.parametrize('difference, masks, exact', [
    (9.9e-4, 0.9999, True), (1e-3, 1.0, False), (0.0, 0.9998, False), (float('nan'), 1.0, False)])
def test_limits_are_a_thousandth_and_one_cell_in_ten_thousand(difference, masks, exact):
    assert verify.Agreement(difference, masks).is_exact is exact


def test_graph_that_does_not_run_is_an_error(tmp_path, original):
    (tmp_path / 'broken.onnx').write_bytes(b'no graph')
    with pytest.raises(BackendError, match='cannot be run'):
        verify.compare(original, SPEC, str(tmp_path / 'broken.onnx'), SPEC)


def test_pictures_repeat_and_have_edges_flat_parts_and_noise():
    pictures = verify.sample_pictures((512, 384))
    for one, again in zip(pictures, verify.sample_pictures((512, 384))):
        np.testing.assert_array_equal(one, again)
        assert one.shape == (384, 512, 3) and one.dtype == np.uint8
    steps = [np.abs(np.diff(picture.astype(int), axis=1)).mean(axis=2) for picture in pictures]
    # White noise differs everywhere; leaves are flat inside and far apart at their edges.
    assert np.median(steps[0]) > 50
    assert all(np.median(step) < 15 and np.percentile(step, 97) > 40 for step in steps[1:])


def test_network_that_stops_before_its_own_resize_agrees_where_it_is_enlarged_here(tmp_path):
    pytest.importorskip('onnxruntime')
    onnx = pytest.importorskip('onnx')
    helper, paths = onnx.helper, []
    # 16 x 12 pixels become 8 x 4 and, by the runtime, 16 x 12 again.
    sizes = onnx.numpy_helper.from_array(np.array([1, 3, 12, 16], np.int64), 'sizes')
    for shape in ([1, 3, 12, 16], [1, 3, 4, 8]):
        infos = [helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, each)
                 for key, each in (('pixel_values', [1, 3, 12, 16]), ('logits', shape))]
        last = helper.make_node('Identity', ['small'], ['logits']) if shape[2] == 4 \
            else helper.make_node('Resize', ['small', '', '', 'sizes'], ['logits'], mode='linear',
                                  coordinate_transformation_mode='half_pixel')
        pool = helper.make_node('AveragePool', ['pixel_values'], ['small'], kernel_shape=[3, 2],
                                strides=[3, 2])
        model = helper.make_model(helper.make_graph(
            [pool, last], 'pooled', infos[:1], infos[1:], [sizes]),
            opset_imports=[helper.make_opsetid('', 13)], ir_version=7)
        paths.append(str(tmp_path / f'{shape[2]}.onnx'))
        onnx.save(model, paths[-1])
    agreement = verify.compare(paths[0], SPEC, paths[1], SPEC._replace(output_size_wh=(8, 4)))
    assert agreement.max_logit_difference < 1e-5
    assert agreement.mask_agreement == 1.0


def test_leaves_are_wide_and_of_all_shades():
    for picture in verify.sample_pictures((512, 384))[1:]:
        # What is narrower than 15 pixels is gone, and with it what dots would be.
        wide = cv2.medianBlur(picture, 15)
        # Shades from 0 to 255 that are all as frequent deviate by 74.
        spread = wide.std(axis=(0, 1))
        assert spread.min() > 40.0 and spread.max() < 74.0
