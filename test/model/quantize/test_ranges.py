# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Ranges of tensors, beside what numpy finds with all values in memory."""

import os

import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.model.optimize import verify
from segformer_ros.model.quantize import ranges

TINY = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'data',
                    'tiny_segformer.onnx')


@pytest.mark.parametrize('growth', [1.0, 7.0, 0.1])
def test_quantiles_are_numpys_to_one_bin(growth):
    random = np.random.RandomState(3)
    frames = [random.standard_t(3, (4, 5000)).astype('f') * growth ** number
              for number in range(4)]
    histogram = ranges.Histogram()
    for frame in frames:
        histogram.add(frame)
    magnitudes = np.abs(np.concatenate(frames)).ravel()
    assert histogram.largest == magnitudes.max()
    assert histogram.counts.sum() == magnitudes.size
    width = histogram.end / ranges.BINS
    # Doubled at most once too often.
    assert magnitudes.max() <= histogram.end < 2 * magnitudes.max() + 1e-6
    for share in (0.5, 0.9, 0.999, 0.9999):
        expected = np.sort(magnitudes)[int(np.ceil(share * magnitudes.size)) - 1]
        found = histogram.quantile(share)
        assert expected - 1e-5 <= found <= expected + width * 1.001
        above = histogram.share_above(found)
        assert above <= 1 - share + 1e-9
        assert above == pytest.approx(np.mean(magnitudes > found), abs=2e-3)
    assert histogram.quantile(1.0) == magnitudes.max()
    assert histogram.share_above(magnitudes.max()) == 0.0
    assert histogram.share_above(0.0) > 0.9


def test_tensor_of_zeros_has_no_range_and_may_grow_later():
    histogram = ranges.Histogram()
    assert histogram.quantile(0.9) == 0.0
    histogram.add(np.zeros(10, 'f'))
    assert histogram.quantile(0.9999) == histogram.largest == 0.0
    assert histogram.share_above(0.0) == 0.0
    histogram.add(np.full(10, -3.0, 'f'))
    assert histogram.quantile(0.4) < 0.01
    assert histogram.quantile(0.9) == 3.0
    assert histogram.share_above(1.0) == 0.5


def test_limit_at_the_end_of_a_bin_leaves_that_bin_below():
    """Which no rounding may spoil."""
    values = np.linspace(0.0, 1.0, 20 * ranges.BINS).astype('f')
    for largest in (0.3, 1.0, 1.7, 3.3e-5):
        histogram = ranges.Histogram()
        histogram.add(values * np.float32(largest))
        for number in range(1, ranges.BINS):
            limit = number * histogram.end / ranges.BINS
            assert histogram.share_above(limit) == histogram.counts[number:].sum() / values.size


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_value_that_is_not_finite_is_refused(value):
    with pytest.raises(InvalidInputError, match='not finite'):
        ranges.Histogram().add(np.array([1.0, value], 'f'))


def test_tensors_inside_a_network_are_observed_over_all_frames():
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    model = onnx.load(TINY)
    before = model.SerializeToString()
    random = np.random.RandomState(2)
    frames = [{'pixel_values': (random.normal(0, size, (1, 3, 64, 64))).astype('f')}
              for size in (1.0, 5.0)]
    inside = next(node.output[0] for node in model.graph.node if node.op_type == 'Erf')
    found = ranges.observe(model, ['pixel_values', inside], frames)
    assert model.SerializeToString() == before
    assert found['pixel_values'].largest == max(np.abs(f['pixel_values']).max() for f in frames)
    # The error function ends at one.
    assert 0.1 < found[inside].largest <= 1.0
    assert found[inside].counts.sum() % 2 == 0


def test_file_that_onnxruntime_refuses_is_told():
    pytest.importorskip('onnxruntime')
    with pytest.raises(BackendError, match='Graph cannot be run'):
        verify.open_session(b'no model')
