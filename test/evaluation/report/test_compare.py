# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Two reports side by side: common frames alone, and a verdict that can be trusted."""

import copy

import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.report.compare import compare_reports
from segformer_ros.evaluation.report.compare import regressions
from segformer_ros.evaluation.report.compare import render_comparison
from segformer_ros.evaluation.report.thresholds import Bound

NETWORK = {'model': 'net', 'backend': 'onnxruntime', 'precision': 'fp32'}


def report(right_by_position, figures=None, name='run'):
    """Return a document of frames of 100 pixels of each of two classes."""
    frames = [{'input': 0, 'position': position, 'name': str(position),
               'classes': {'0': [100, 200 - right, right], '1': [100, right, 100]}}
              for position, right in sorted(right_by_position.items())]
    return {
        'classes': ['road', 'sky'], 'mapping': 'same', 'against': 'labels', 'network': NETWORK,
        'reference': None, 'inputs': [{'name': name, 'consecutive': True}], 'per_frame': frames,
        'by_class': [], 'left_out': {'frames': 0}, 'frames': len(frames),
        'figures': figures or {'mean_iou': 0.5}, 'performance': {'latency_ms': {}}}


def test_only_common_frames_are_compared():
    before = report({0: 50, 1: 50, 2: 50})
    after = report({1: 50, 2: 50, 7: 0})
    found = compare_reports(before, after)
    assert (found.common, found.only_before, found.only_after) == (2, 1, 1)
    assert found.intervals['miou'].difference == 0.0


def test_change_by_class_is_that_of_the_pooled_counts():
    found = compare_reports(report({0: 50, 1: 50}), report({0: 80, 1: 60}))
    road, sky = found.classes
    assert (road.name, sky.name) == ('road', 'sky')
    assert road.before == pytest.approx(100.0 / (200 + 300 - 100))
    assert road.after == pytest.approx(140.0 / (200 + 260 - 140))
    assert found.intervals['accuracy'].difference == pytest.approx(0.1)


def test_frames_of_other_inputs_are_not_taken_for_common_ones():
    with pytest.raises(ConfigurationError, match='no labelled frame in common'):
        compare_reports(report({0: 1}), report({0: 1}, name='other'))


@pytest.mark.parametrize('key, value', [
    ('classes', ['road']), ('mapping', 'other'), ('against', 'reference')])
def test_reports_of_different_meaning_are_not_compared(key, value):
    after = report({0: 1})
    after[key] = value
    with pytest.raises(ConfigurationError, match=f'different {key}'):
        compare_reports(report({0: 1}), after)


def test_report_without_labels_is_not_compared():
    after = copy.deepcopy(report({0: 1}))
    for frame in after['per_frame']:
        del frame['classes']
    with pytest.raises(ConfigurationError, match='no labelled frames'):
        compare_reports(report({0: 1}), after)


def test_page_says_what_rose_and_fell():
    before = report(dict.fromkeys(range(8), 50),
                    {'mean_iou': 0.5, 'flicker': 0.3, 'pixel_accuracy': None})
    after = report(dict.fromkeys(range(8), 90),
                   {'mean_iou': 0.45, 'flicker': 0.2, 'pixel_accuracy': 0.9})
    page = render_comparison(compare_reports(before, after), before, after)
    assert '8 labelled frames in common, 0 only before, 0 only after' in page
    assert '| pixel accuracy | +0.200 | +0.200 to +0.200 | better |' in page
    assert '| miou | 0.5 | 0.45 | -0.05 | worse |' in page
    assert '| flicker | 0.3 | 0.2 | -0.1 | better |' in page
    assert '| accuracy | - | 0.9 |  |  |' in page
    assert page.index('| sky |') < page.index('| road |')


def test_small_difference_of_few_frames_is_called_unclear():
    before = report({0: 50, 1: 60, 2: 50, 3: 60})
    after = report({0: 60, 1: 50, 2: 55, 3: 60})
    page = render_comparison(compare_reports(before, after), before, after)
    assert page.count('not clear') == 2


def test_regression_beyond_its_bound_is_told_and_improvement_is_not():
    before = report({0: 1}, {'mean_iou': 0.5, 'flicker': 0.2})
    after = report({0: 1}, {'mean_iou': 0.48, 'flicker': 0.1})
    assert regressions(before, after, [Bound('miou', 0.02), Bound('flicker', 0.0)]) == []
    told, = regressions(before, after, [Bound('miou', 0.01), Bound('flicker', 0.0)])
    assert told == 'miou went from 0.5 to 0.48, worse by 0.02, allowed 0.01'
    assert regressions(after, before, [Bound('flicker', 0.05)]) == [
        'flicker went from 0.1 to 0.2, worse by 0.1, allowed 0.05']


def test_figure_that_vanished_counts_as_a_regression():
    before = report({0: 1}, {'mean_iou': 0.5})
    after = report({0: 1}, {'mean_iou': None})
    assert regressions(before, after, [Bound('miou', 0.5)]) == ['miou has no value any more']
    assert regressions(after, before, [Bound('miou', 0.5)]) == []
