# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Masks and confidences against slow float64 computations, in numpy and compiled."""

import cv2
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.common.machine import FastProcessors
from segformer_ros.model.classes import UNLABELED
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation import postprocessing
from segformer_ros.segmentation.postprocessing import Postprocessor
from support.oracles import log_confidence
from support.oracles import upsample
from support.oracles import upsampled_argmax
from support.thread_masks import fast_core  # noqa: F401
from support.thread_masks import Masks
from support.thread_masks import own_mask
from support.thread_masks import two_cores  # noqa: F401

# Two classes this close, relative to the logits, are a tie in float32.
TIE = 1e-5
# (classes, (h, w), (width, height) of the mask)
SIZES = [
    (150, (16, 16), (61, 47)), (5, (7, 9), (100, 3)), (1, (4, 4), (9, 9)), (2, (1, 1), (5, 5)),
    (255, (8, 12), (96, 64)), (20, (30, 30), (11, 7)), (3, (16, 1), (20, 40)),
    (19, (32, 64), (512, 256)), (10, (64, 64), (32, 32)), (17, (9, 70), (300, 41)),
    (16, (33, 33), (33, 33)), (150, (12, 16), (641, 481))]


def random_logits(classes, shape_hw, smooth, seed=0):
    """Return (C, h, w); smooth ones have regions as photographs do."""
    logits = np.random.RandomState(seed).normal(0, 3, (classes,) + shape_hw).astype(np.float32)
    if smooth:
        logits = np.stack([cv2.blur(plane, (5, 5)) for plane in logits]) * 4
    return logits


def run(kernels, logits, size_wh, layout='nchw', method='exact', threshold=0.0,
        with_confidence=True, logsumexp=None, threads=3):
    """Postprocess logits (C, h, w)."""
    spec = ModelSpec('test', 'ade20k', len(logits), output_layout=layout,
                     output_size_wh=logits.shape[:0:-1],
                     logsumexp_name=None if logsumexp is None else 'lse')
    given_logits = logits if layout == 'nchw' else np.ascontiguousarray(logits.transpose(1, 2, 0))
    outputs = {'logits': given_logits[np.newaxis]}
    if logsumexp is not None:
        outputs['lse'] = logsumexp[np.newaxis]
    return Postprocessor(spec, kernels, threads).run(outputs, size_wh, method, threshold,
                                                     with_confidence)


def levels(logits, size_wh):
    """Return 255 times the confidence as it is defined, float64."""
    return 255.0 * np.exp(log_confidence(logits, upsampled_argmax(logits, size_wh).value))


def assert_mask_is_exact(mask, logits, size_wh):
    expected = upsampled_argmax(logits, size_wh)
    different = mask != expected.mask
    assert (expected.gap[different] < TIE * np.abs(logits).max()).all()
    # Ties of random numbers are rare; many of them would hide a fault.
    assert different.mean() < 1e-4


@pytest.mark.parametrize('smooth', [False, True])
@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
@pytest.mark.parametrize(('classes', 'shape_hw', 'size_wh'), SIZES)
def test_mask_is_the_argmax_of_upsampled_logits(kernels, classes, shape_hw, size_wh, layout,
                                                smooth):
    logits = random_logits(classes, shape_hw, smooth)
    mask, _ = run(kernels, logits, size_wh, layout)
    assert mask.shape == size_wh[::-1]
    assert mask.dtype == np.uint8
    assert mask.flags.c_contiguous
    assert_mask_is_exact(mask, logits, size_wh)


@settings(deadline=None, max_examples=60,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(classes=st.integers(1, 40), height=st.integers(1, 20), width=st.integers(1, 20),
       out_height=st.integers(1, 90), out_width=st.integers(1, 90),
       layout=st.sampled_from(['nchw', 'nhwc']), seed=st.integers(0, 2 ** 31 - 1))
def test_mask_and_confidence_are_exact_for_any_sizes(
        kernels, classes, height, width, out_height, out_width, layout, seed):
    logits = random_logits(classes, (height, width), False, seed)
    mask, confidence = run(kernels, logits, (out_width, out_height), layout)
    expected = upsampled_argmax(logits, (out_width, out_height))
    assert (expected.gap[mask != expected.mask] < TIE * np.abs(logits).max()).all()
    assert np.abs(confidence - levels(logits, (out_width, out_height))).max() < 0.501


@pytest.mark.smoke
def test_a_class_that_wins_at_no_grid_point_can_win_between_them(kernels):
    # Second everywhere, by a little: in the middle its rivals' averages fall below it.
    logits = np.array([[[10.0, 0.0]], [[9.0, 9.0]], [[0.0, 10.0]]], np.float32)
    mask, _ = run(kernels, logits, (41, 1))
    values = upsample(logits, (41, 1))
    assert (mask == values.argmax(axis=0)).all()
    assert set(mask.ravel()) == {0, 1, 2}


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
def test_equal_logits_go_to_the_lowest_class(kernels, layout):
    logits = np.zeros((7, 5, 6), np.float32)
    logits[:2] = -1.0
    mask, confidence = run(kernels, logits, (31, 23), layout)
    assert (mask == 2).all()
    assert (confidence == round(255.0 / (5 + 2 * np.exp(-1.0)))).all()


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
def test_of_two_classes_that_are_equal_everywhere_the_lower_wins_everywhere(kernels, layout):
    logits = random_logits(6, (9, 9), False)
    mask, _ = run(kernels, np.concatenate([logits, logits]), (50, 50), layout)
    assert (mask == run(kernels, logits, (50, 50), layout)[0]).all()


def test_exact_and_fast_agree_at_the_size_of_the_logits(kernels):
    logits = random_logits(11, (13, 17), False)
    exact = run(kernels, logits, (17, 13), method='exact')
    fast = run(kernels, logits, (17, 13), method='fast')
    assert (exact[0] == logits.argmax(axis=0)).all()
    assert (fast[0] == exact[0]).all()
    assert (fast[1] == exact[1]).all()


def test_fast_gives_every_pixel_the_argmax_of_its_nearest_grid_point(kernels):
    logits = random_logits(9, (6, 10), False)
    mask, confidence = run(kernels, logits, (50, 42), method='fast')
    labels = logits.argmax(axis=0)
    assert (mask == np.kron(labels, np.ones((7, 5), int))).all()
    assert confidence.shape == mask.shape
    assert mask.flags.c_contiguous


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
@pytest.mark.parametrize('smooth', [False, True])
def test_confidence_is_the_defined_one(kernels, layout, smooth):
    logits = random_logits(150, (16, 20), smooth)
    _, confidence = run(kernels, logits, (133, 101), layout)
    expected = levels(logits, (133, 101))
    assert confidence.dtype == np.uint8
    assert np.abs(confidence - expected).max() < 0.501


def test_confidence_never_exceeds_the_softmax_and_meets_it_at_grid_points(kernels):
    logits = random_logits(12, (5, 5), False)
    _, confidence = run(kernels, logits, (25, 25))
    values = upsample(logits, (25, 25))
    softmax = 255.0 * np.exp(values.max(axis=0) - np.log(np.exp(values).sum(axis=0)))
    assert (confidence <= softmax + 0.501).all()
    grid_points = np.ix_(np.arange(2, 25, 5), np.arange(2, 25, 5))
    assert np.abs(confidence - softmax)[grid_points].max() < 0.501


@pytest.mark.parametrize('scale', [1e-6, 1.0, 50.0, 1e4])
def test_confidence_holds_for_flat_and_for_extreme_logits(kernels, scale):
    logits = (random_logits(30, (6, 6), False) * scale).astype(np.float32)
    _, confidence = run(kernels, logits, (20, 20))
    expected = levels(logits, (20, 20))
    # Differences of large logits carry their float32 rounding.
    assert np.abs(confidence - expected).max() < 0.501 + 255 * scale * 1e-5


def test_confidence_is_left_out_when_not_asked_for(kernels):
    logits = random_logits(9, (6, 6), True)
    mask, confidence = run(kernels, logits, (30, 30), with_confidence=False)
    assert confidence is None
    assert (mask == run(kernels, logits, (30, 30))[0]).all()


@pytest.mark.parametrize('method', ['exact', 'fast'])
@pytest.mark.parametrize('with_confidence', [False, True])
def test_pixels_below_the_threshold_become_unlabeled(kernels, method, with_confidence):
    logits = random_logits(9, (8, 8), False)
    plain, confidence = run(kernels, logits, (60, 44), method=method)
    mask, _ = run(kernels, logits, (60, 44), method=method, threshold=0.6,
                  with_confidence=with_confidence)
    # 153 = 0.6 * 255: pixels of that very level may lie on either side.
    assert (mask[confidence < 153] == UNLABELED).all()
    assert (mask[confidence > 153] == plain[confidence > 153]).all()
    assert 0.05 < (mask == UNLABELED).mean() < 0.95


def test_a_threshold_of_one_leaves_only_certainty(kernels):
    logits = np.zeros((2, 1, 2), np.float32)
    logits[0, 0, 0] = 200.0
    mask, confidence = run(kernels, logits, (2, 1), threshold=1.0)
    assert mask.tolist() == [[0, UNLABELED]]
    assert confidence.tolist() == [[255, 128]]


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
def test_a_log_sum_exp_from_the_network_is_used(kernels, layout):
    logits = random_logits(20, (9, 9), True)
    logsumexp = np.log(np.exp(logits.astype(np.float64)).sum(axis=0)).astype(np.float32)
    own = run(kernels, logits, (50, 40), layout)
    given_one = run(kernels, logits, (50, 40), layout, logsumexp=logsumexp)
    assert (own[0] == given_one[0]).all()
    assert np.abs(own[1].astype(int) - given_one[1]).max() <= 1
    doubled = run(kernels, logits, (50, 40), layout, logsumexp=logsumexp + np.float32(np.log(2)))
    assert np.abs(own[1] / 2.0 - doubled[1]).max() <= 1.0


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
@pytest.mark.parametrize(('classes', 'shape_hw', 'size_wh'), SIZES)
def test_the_number_of_threads_changes_nothing(compiled_kernels, classes, shape_hw, size_wh,
                                               layout):
    logits = random_logits(classes, shape_hw, smooth=True)
    results = [run(compiled_kernels.kernels, logits, size_wh, layout, threshold=0.1,
                   threads=threads) for threads in (1, 2, 4, 100)]
    for mask, confidence in results[1:]:
        assert (mask == results[0][0]).all()
        assert (confidence == results[0][1]).all()


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
@pytest.mark.parametrize('size_wh', [(40, 30), (200, 160), (5, 3)])
def test_a_logit_that_is_not_finite_is_found_whichever_thread_meets_it(
        compiled_kernels, layout, size_wh):
    logits = random_logits(4, (40, 12), smooth=False)
    for row in range(40):
        spoiled = logits.copy()
        spoiled[2, row, 7] = np.nan
        for threads in (1, 4):
            with pytest.raises(BackendError, match='not finite'):
                run(compiled_kernels.kernels, spoiled, size_wh, layout, threads=threads)


def test_rows_between_two_threads_are_filled_whoever_comes_first(compiled_kernels):
    # 64 rows of cells are eight tasks; which thread ends first differs from run to run.
    logits = random_logits(6, (64, 24), True)
    alone = run(compiled_kernels.kernels, logits, (48, 256), 'nhwc', threshold=0.3, threads=1)
    for _ in range(200):
        found = run(compiled_kernels.kernels, logits, (48, 256), 'nhwc', threshold=0.3, threads=4)
        assert all(np.array_equal(*pair) for pair in zip(alone, found))


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
@pytest.mark.parametrize('method', ['exact', 'fast'])
@pytest.mark.parametrize('place', [(0, 0, 0), (4, 8, 10), (3, 2, 7)])
def test_no_mask_is_made_from_logits_that_are_not_finite(kernels, value, layout, method, place):
    logits = random_logits(5, (9, 11), False)
    logits[place] = value
    with pytest.raises(BackendError, match='not finite'):
        run(kernels, logits, (40, 30), layout, method)
    with pytest.raises(BackendError, match='not finite'):
        run(kernels, logits, (40, 30), layout, method, with_confidence=False)


def test_no_confidence_is_made_from_a_log_sum_exp_that_is_not_finite(kernels):
    logits = random_logits(5, (9, 11), False)
    logsumexp = np.full((9, 11), np.nan, np.float32)
    with pytest.raises(BackendError, match='not finite'):
        run(kernels, logits, (40, 30), logsumexp=logsumexp)


def test_a_log_sum_exp_that_is_less_than_its_largest_logit_gives_certainty_at_most(kernels):
    # As the float16 of a network may round it.
    logits = np.array([[[5.0, 5.0, 0.0]], [[-3.0, 4.0, 0.0]]], np.float32)
    logsumexp = np.array([[4.99, 4.0, 1.0]], np.float32)
    mask, confidence = run(kernels, logits, (3, 1), logsumexp=logsumexp)
    assert mask.tolist() == [[0, 0, 0]]
    assert confidence.tolist() == [[255, 255, round(255.0 * np.exp(-1.0))]]


def test_results_are_the_callers_to_keep(kernels):
    spec = ModelSpec('test', 'ade20k', 6, output_size_wh=(8, 8))
    processor = Postprocessor(spec, kernels)
    first = [{'logits': random_logits(6, (8, 8), False, seed)[np.newaxis]} for seed in (1, 2)]
    mask, confidence = processor.run(first[0], (30, 30), 'exact', 0.0, True)
    kept = mask.copy(), confidence.copy()
    processor.run(first[1], (30, 30), 'exact', 0.0, True)
    assert (mask == kept[0]).all()
    assert (confidence == kept[1]).all()


def test_inputs_stay_as_they_were(kernels):
    logits = random_logits(6, (8, 8), False)
    before = logits.copy()
    run(kernels, logits, (30, 30), threshold=0.5)
    assert (logits == before).all()


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
def test_numpy_and_compiled_masks_are_the_same_to_the_last_pixel(compiled_kernels, layout):
    for seed, smooth in ((0, False), (1, True)):
        logits = random_logits(150, (32, 32), smooth, seed)
        slow = run(None, logits, (160, 120), layout, threshold=0.2)
        fast = run(compiled_kernels.kernels, logits, (160, 120), layout, threshold=0.2)
        assert (slow[0] == fast[0]).all()
        assert np.abs(slow[1].astype(int) - fast[1]).max() <= 1


@pytest.mark.parametrize('label, is_taken', [
    (-1, False), (0, True), (4, True), (5, False), (254, False), (255, True), (256, False)])
def test_labels_of_the_network_are_those_of_its_classes_or_none_at_all(label, is_taken):
    spec = ModelSpec('test', 'ade20k', 5, output_kind='labels', output_layout='nhw',
                     output_size_wh=(3, 2))
    labels = np.array([[[0, 1, 2], [3, label, 4]]], np.int64)
    post = Postprocessor(spec, None)
    if is_taken:
        mask, confidence = post.run({'logits': labels}, (6, 4), 'exact', 0.0, True)
        assert confidence is None
        assert mask.tolist() == np.kron(labels[0], np.ones((2, 2), int)).tolist()
    else:
        with pytest.raises(BackendError, match=f'labels without a class: got {label}; '
                                               'expected 0 to 4, or 255'):
            post.run({'logits': labels}, (6, 4), 'exact', 0.0, True)


def test_threads_of_a_mask_sit_on_the_fast_core(
        compiled_kernels, two_cores, fast_core, monkeypatch):  # noqa: F811
    # Two threads, as beside two fast cores, of which this machine may not have so many.
    monkeypatch.setattr(postprocessing, 'FastProcessors', lambda _: FastProcessors(1))
    logits = random_logits(150, (128, 128), smooth=True)
    with Masks() as masks:
        assert masks.run_until(
            lambda: run(compiled_kernels.kernels, logits, (2048, 1536), threads=2),
            lambda: masks.new and {fast_core} in masks.caller)
    assert masks.new == {frozenset({fast_core})}
    assert own_mask() == set(two_cores)


def test_where_cores_are_alike_no_thread_of_a_mask_is_bound(compiled_kernels,
                                                            two_cores):  # noqa: F811
    logits = random_logits(150, (128, 128), smooth=True)
    with Masks() as masks:
        assert masks.run_until(
            lambda: run(compiled_kernels.kernels, logits, (2048, 1536), threads=2),
            lambda: masks.new)
    assert masks.new == masks.caller == {frozenset(two_cores)}
