# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The demo's figures, against counting by hand."""

import numpy as np
import pytest

from segformer_ros.evaluation.demo.report import DemoFrame
from segformer_ros.evaluation.demo.report import DemoReport
from segformer_ros.model.classes import load_class_table


def frame(truth, mask, stamp=0.0, latency=0.1):
    truth, mask = np.array(truth, np.uint8), np.array(mask, np.uint8)
    picture = np.zeros(truth.shape + (3,), np.uint8)
    return DemoFrame(stamp, picture, truth, mask, picture, latency)


def test_mean_iou_covers_the_classes_of_the_truth_alone():
    report = DemoReport(load_class_table('ade20k'))
    # wall (0): 3 true, 2 found, none too many. floor (3): 1 true, found. sky (2): one pixel
    # claimed where there is none, which lowers wall and is no class of its own.
    report.add('indoor', frame([[0, 0], [0, 3]], [[0, 0], [2, 3]]))
    figures = report.summary()['worlds']['indoor']
    assert figures['iou'] == {'wall': pytest.approx(2 / 3, abs=1e-4), 'floor': 1.0}
    assert figures['mean_iou'] == pytest.approx((2 / 3 + 1) / 2, abs=1e-4)
    assert figures['pixel_accuracy'] == 0.75


def test_worlds_are_pooled_and_paced():
    report = DemoReport(load_class_table('ade20k'))
    for index in range(5):
        report.add('indoor', frame([[0]], [[0]], 10.0 + 0.5 * index, 0.2 + 0.1 * index))
    report.add('outdoor', frame([[2]], [[6]]))
    summary = report.summary()
    assert summary['worlds']['indoor']['rate'] == 2.0
    assert summary['worlds']['indoor']['median_latency'] == pytest.approx(0.4)
    assert summary['worlds']['outdoor']['rate'] is None
    assert summary['all']['iou'] == {'wall': 1.0, 'sky': 0.0}
    assert summary['all']['mean_iou'] == 0.5
