# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node's benchmark counts every image and tells who was served."""

import numpy as np
import pytest
from segformer_ros.cli.support.node_benchmark import run_node_benchmark
from segformer_ros.cli.support.node_benchmark import Scenario
from segformer_ros.model.weights.resolve import resolve_model

pytest.importorskip('rclpy', reason='rclpy is not installed')


def test_two_cameras_are_driven_measured_and_accounted_for(
        color_model, domain, tmp_path, monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    pytest.importorskip('onnxruntime')
    found = resolve_model(color_model)
    picture = np.full((48, 64, 3), (255, 0, 0), np.uint8)
    told = []
    result = run_node_benchmark(
        found.onnx_path, found.spec, picture, 1, 4.0, told.append, [Scenario('two', 2, 5.0, True)])
    assert told == ['node, two']
    scenario, = result['scenarios']
    figures = scenario['figures']
    sent, masks = (int(number) for number in figures['images sent, masks'].split(','))
    assert sent == 40
    lost = int(figures['lost on the way to the node'])
    assert masks == sent - lost - int(figures['superseded'])
    assert figures['lost inside'] == '0'
    assert sum(int(count) for count in figures['masks of each camera'].split(',')) == masks
    assert float(figures['network alone'].split()[0]) > 0
    p50, p95, longest = (float(number) for number in
                         figures['latency p50 / p95 / max'].split(' ms')[0].split(' / '))
    assert 0 < p50 <= p95 <= longest
    assert float(figures['process start to first mask'].split()[0]) > 0.3
    assert float(figures['peak memory of the process'].split()[0]) > 50
    assert figures['get_parameters p95'].endswith('answers')
    assert int(figures['page faults a mask']) >= 0
    goals = {text: value for text, _, value in scenario['goals']}
    assert goals['images lost other than superseded'] == lost
    # The last images of the drives are left out, and the longest may be one of them.
    assert p50 <= goals['age of the oldest mask, ms'] <= longest + 0.1
