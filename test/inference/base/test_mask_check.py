# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The verdict on an engine follows from its masks alone, and nothing rare hides in it."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.inference.base import mask_check as self_check
from segformer_ros.inference.base.mask_check import compare_masks
from segformer_ros.model.spec import ModelSpec

SHAPE = (1, 50, 100)


def mask(*patches):
    """Return a mask of class 0 with patches of (class id, number of pixels)."""
    flat = np.zeros(5000, np.int64)
    start = 0
    for class_id, pixels in patches:
        flat[start:start + pixels] = class_id
        start += pixels
    return flat.reshape(SHAPE)


def slow_figures(references, candidates):
    """Return agreement and IoU by class, pixel by pixel."""
    same = total = 0
    inter, union, size = {}, {}, {}
    for reference, candidate in zip(references, candidates):
        for r, c in zip(reference.ravel().tolist(), candidate.ravel().tolist()):
            total += 1
            same += r == c
            size[r] = size.get(r, 0) + 1
            inter[r] = inter.get(r, 0) + (r == c)
            for class_id in {r, c}:
                union[class_id] = union.get(class_id, 0) + 1
    return same / total, {k: (size[k] / total, inter[k] / union[k]) for k in size}


@pytest.mark.smoke
def test_equal_masks_pass():
    check = compare_masks([mask((7, 100))] * 2, [mask((7, 100))] * 2, True, 1, 1)
    assert check.passed and check.reason == ''
    assert (check.agreement, check.lowest_iou) == (1.0, 1.0)
    assert str(check) == ('agreement 1.0000, lowest IoU 1.0000 (class 0) '
                          'on 1 live and 1 bundled frames')


def test_lost_person_fails_though_99_percent_agree():
    # 40 of 5000 pixels are 0.8 %.
    check = compare_masks([mask((12, 40))], [mask()], True, 1, 0)
    assert check.agreement == 0.992
    assert not check.passed
    assert 'class 12 keeps IoU 0.000' in check.reason
    assert (check.lowest_iou_class, check.lowest_iou) == (12, 0.0)


def test_person_lost_in_one_of_many_frames_fails():
    references = [mask((12, 40))] + [mask()] * 9
    check = compare_masks(references, [mask()] * 10, True, 10, 0)
    # Too rare over all frames to be checked there.
    assert check.lowest_iou > 0.99
    assert 'class 12 keeps IoU 0.000 in frame 0' in check.reason
    assert not check.passed


def test_thing_below_the_checked_share_may_change():
    assert compare_masks([mask((12, 25))], [mask()], True, 1, 0).passed
    assert not compare_masks([mask((12, 26))], [mask()], True, 1, 0).passed


def test_agreement_below_the_minimum_fails():
    reference = np.arange(5000).reshape(SHAPE) % 4
    candidate = reference.copy()
    candidate.ravel()[:51] = (candidate.ravel()[:51] + 1) % 4
    check = compare_masks([reference], [candidate], True, 0, 1)
    assert not check.passed
    assert check.reason.startswith('agreement 0.9898 (minimum 0.99)')
    candidate.ravel()[:1] = reference.ravel()[:1]
    assert compare_masks([reference], [candidate], True, 0, 1).passed


def test_values_that_are_not_finite_fail_though_masks_agree():
    check = compare_masks([mask()], [mask()], False, 1, 0)
    assert not check.passed
    assert 'not finite' in check.reason


def test_of_several_faults_the_agreement_is_told_first():
    check = compare_masks([mask((12, 100))], [mask()], False, 1, 0)
    assert check.reason == (
        'agreement 0.9800 (minimum 0.99); values that are not finite; '
        'class 12 keeps IoU 0.000 in frame 0 (minimum 0.5); '
        'class 12 keeps IoU 0.000 (minimum 0.9)')


@pytest.mark.parametrize('reference, candidate', [
    ([], []), ([mask()], []), ([mask()], [mask()[:, :10]])])
def test_nothing_to_compare_is_an_error(reference, candidate):
    with pytest.raises(InvalidInputError, match='cannot be compared'):
        compare_masks(reference, candidate, True, 0, 0)


@settings(deadline=None, max_examples=40)
@given(strategies.integers(0, 2 ** 32 - 1), strategies.integers(1, 4),
       strategies.sampled_from([0.0, 0.002, 0.02, 0.3]))
def test_figures_equal_those_counted_pixel_by_pixel(seed, count, noise):
    random = np.random.RandomState(seed)
    references = [random.randint(0, 5, (1, 12, 16)) for _ in range(count)]
    candidates = [np.where(random.random_sample(entry.shape) < noise,
                           random.randint(0, 7, entry.shape), entry) for entry in references]
    agreement, rows = slow_figures(references, candidates)
    check = compare_masks(references, candidates, True, count, 0)
    assert check.agreement == pytest.approx(agreement)
    checked = {k: iou for k, (share, iou) in rows.items() if share > self_check.CHECKED_SHARE}
    assert check.lowest_iou == pytest.approx(min(checked.values()))
    assert checked[check.lowest_iou_class] == pytest.approx(check.lowest_iou)
    frames = [slow_figures([r], [c])[1] for r, c in zip(references, candidates)]
    lost = any(share > self_check.CHECKED_SHARE and iou < self_check.MINIMUM_FRAME_IOU
               for rows_of in frames for share, iou in rows_of.values())
    assert check.passed == (agreement >= 0.99 and min(checked.values()) >= 0.9 and not lost)


def test_result_survives_being_stored_and_damaged_ones_are_type_errors():
    check = compare_masks([mask((3, 60))], [mask((3, 60))], True, 1, 0)
    assert self_check.self_check_from_json(dict(check._asdict())) == check
    for change in ({'passed': 'yes'}, {'agreement': None}, {'extra': 1}):
        with pytest.raises(TypeError):
            self_check.self_check_from_json(dict(check._asdict(), **change))


@pytest.mark.parametrize('kind, values, class_axis, expected', [
    ('logits', [[[[1.0, 5.0]], [[2.0, 4.0]], [[2.0, -1.0]]]], 1, [[[1, 0]]]),
    ('probabilities', [[[[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]]], 3, [[[2, 0]]]),
    # One channel, that of class 0: the other class where it is below its middle.
    ('binary_logits', [[[[-0.1, 0.0, 0.1]]]], 1, [[[1, 0, 0]]]),
    ('binary_probabilities', [[[[0.49], [0.5], [0.51]]]], 3, [[[1, 0, 0]]]),
    ('labels', [[[[3, 0, 7]]]], 1, [[[3, 0, 7]]]), ('labels', [[[3, 0, 7]]], 1, [[[3, 0, 7]]])])
def test_class_ids_follow_from_each_kind_of_output(kind, values, class_axis, expected):
    dtype = np.int64 if kind == 'labels' else np.float32
    found = self_check.class_ids(np.array(values, dtype), kind, class_axis)
    assert found.tolist() == expected


@pytest.mark.parametrize('layout, axis', [('nchw', 1), ('nhwc', 3)])
def test_channels_lie_where_the_layout_says(layout, axis):
    spec = ModelSpec('x', 'ade20k', 3, input_size_wh=(8, 8), output_layout=layout,
                     output_size_wh=(4, 4))
    assert self_check.class_axis_of(spec) == axis


def test_a_class_keeps_half_of_itself_in_each_frame_and_nine_tenths_over_all():
    # 200 frames of 5000 pixels; class 12 has 100 in one of them: 0.01 % of all.
    many = [mask()] * 199
    for lost, passes in ((50, True), (51, False)):
        check = compare_masks([mask((12, 100))] + many, [mask((12, 100 - lost))] + many, True,
                              200, 0)
        assert check.passed is passes, check.reason
    # 1000 pixels of one frame, of which so many may be lost: 2 % of its pixels differ by 100.
    for lost, passes in ((100, True), (101, False)):
        references, candidates = [mask((12, 1000))] * 3, [mask((12, 1000 - lost))] * 3
        # Agreement is not what decides here.
        others = [mask()] * 7
        check = compare_masks(references + others, candidates + others, True, 10, 0)
        assert check.agreement >= 0.99
        assert check.passed is passes, check.reason


@pytest.mark.parametrize('change', [
    {'reason': None}, {'finite': 1}, {'lowest_iou': 'high'}, {'lowest_iou_class': 'person'},
    {'live_frames': 1.5}, {'bundled_frames': None}])
def test_every_field_of_a_stored_result_is_of_its_kind(change):
    check = compare_masks([mask((3, 60))], [mask((3, 60))], True, 1, 0)
    with pytest.raises(TypeError, match='|'.join(change)):
        self_check.self_check_from_json(dict(check._asdict(), **change))
    # No class was checked where none is large enough.
    none = check._replace(lowest_iou_class=None, lowest_iou=1)
    assert self_check.self_check_from_json(dict(none._asdict())) == none
