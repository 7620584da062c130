# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bounds on figures hold or are told."""

import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.report.thresholds import Bound
from segformer_ros.evaluation.report.thresholds import failures
from segformer_ros.evaluation.report.thresholds import figure_of
from segformer_ros.evaluation.report.thresholds import parse_bound

DOCUMENT = {
    'figures': {'mean_iou': 0.35, 'pixel_accuracy': None, 'flicker': 0.2},
    'left_out': {'frames': 3}, 'frames': 12, 'classes': ['road', 'sky'],
    'by_class': [{'name': 'road', 'iou': 0.7}, {'name': 'sky', 'iou': None}],
    'performance': {'frames_per_second': 14.0, 'latency_ms': {'total': {'p95': 80.0}}}}


@pytest.mark.parametrize('text, bound', [
    ('miou=0.35', Bound('miou', 0.35)), ('iou:road=1e-1', Bound('iou:road', 0.1)),
    ('iou:a=b=0.5', Bound('iou:a=b', 0.5)), ('left_out=0', Bound('left_out', 0.0))])
def test_bounds_are_read(text, bound):
    assert parse_bound(text) == bound


def test_number_alone_means_the_default_figure():
    assert parse_bound('0.01', 'miou') == Bound('miou', 0.01)


@pytest.mark.parametrize('text, message', [
    ('mIoU=0.3', r"Did you mean 'miou'"), ('0.3', 'NAME=NUMBER'),
    ('miou=good', r"Not a number.*'miou=good'")])
def test_mistakes_are_named(text, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_bound(text)


def test_figures_are_found_wherever_they_stand():
    found = [figure_of(DOCUMENT, name) for name in (
        'miou', 'accuracy', 'left_out', 'fps', 'latency_p95_ms', 'latency_p99_ms', 'iou:road',
        'iou:sky')]
    assert found == [0.35, None, 3.0, 14.0, 80.0, None, 0.7, None]


def test_class_that_is_not_in_the_report_is_an_error():
    with pytest.raises(ConfigurationError, match="'moon'; expected one of road, sky"):
        figure_of(DOCUMENT, 'iou:moon')


def test_bound_may_be_met_exactly():
    assert failures(DOCUMENT, [Bound('miou', 0.35)], [Bound('latency_p95_ms', 80.0)]) == []


def test_every_broken_bound_gives_a_sentence():
    found = failures(DOCUMENT, [Bound('miou', 0.36), Bound('iou:road', 0.5)],
                     [Bound('left_out', 0), Bound('flicker', 0.1)])
    assert found == ['miou is 0.35, below 0.36', 'left_out is 3, above 0',
                     'flicker is 0.2, above 0.1']


def test_figure_without_a_value_does_not_pass():
    assert failures(DOCUMENT, [Bound('accuracy', 0.1)], []) == ['accuracy has no value']
