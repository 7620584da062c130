# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Graphs are prepared one after another while the caller works, and found from then on."""

import importlib.util
import os
import time

import pytest
from segformer_ros.model.optimize import optimize as graph
from segformer_ros.model.optimize.jobs import OptimizeJobs
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.optimize.target import TENSORRT_8_2
from segformer_ros.model.optimize.target import TENSORRT_8_6
from segformer_ros.model.spec import ModelSpec
from support.exported_segformer import export_segformer
from support.exported_segformer import TINY

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
SPEC = ModelSpec('network', 'none', TINY.classes, input_size_wh=(64, 64), output_size_wh=(16, 16))
PATIENCE_S = 120.0


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    path = str(tmp_path / 'network.onnx')
    onnx.save(export_segformer(TINY, (64, 64), 'simplified'), path)
    return path


@pytest.fixture
def queue(path):
    made = OptimizeJobs(path, SPEC)
    yield made
    made.close()


@pytest.mark.once
def test_graphs_come_one_after_another_and_are_there_at_once_the_next_time(queue, path):
    assert queue.find(ONNXRUNTIME) is None
    assert queue.preparing == ''
    for _ in range(2):
        queue.request(ONNXRUNTIME)
        queue.request(TENSORRT_8_2)
    order, give_up_at = [], time.monotonic() + PATIENCE_S
    while queue.preparing and time.monotonic() < give_up_at:
        if queue.preparing not in order:
            order.append(queue.preparing)
        queue.poll()
        time.sleep(0.01)
    assert order == ['onnxruntime', 'tensorrt_8_2']
    again = OptimizeJobs(path, SPEC)
    for target in (ONNXRUNTIME, TENSORRT_8_2):
        found = queue.find(target)
        assert found.changes == graph.FOLDED
        assert found.spec == target.optimized_spec(SPEC)
        assert again.find(target) == found
    again.request(ONNXRUNTIME)
    assert again.preparing == ''


@pytest.mark.parametrize('target', [TENSORRT_8_2, TENSORRT_8_6])
def test_graphs_for_tensorrt_do_nothing_with_a_uint8_input_but_cast_it(path, target):
    prepared = graph.optimize(path, SPEC, target)
    assert prepared.changes == graph.FOLDED
    readers = [node.op_type for node in onnx.load(prepared.path).graph.node
               if SPEC.input_name in node.input]
    assert readers == (['Cast'] if prepared.spec.input_dtype == 'uint8' else ['Conv'])


def test_poll_tells_once_that_a_graph_has_come(queue):
    queue.request(ONNXRUNTIME)
    give_up_at = time.monotonic() + PATIENCE_S
    while not queue.poll() and time.monotonic() < give_up_at:
        time.sleep(0.01)
    assert queue.find(ONNXRUNTIME).changes == graph.FOLDED
    assert queue.poll() is False


def test_waiting_ends_with_the_time_or_the_graph(queue):
    queue.request(ONNXRUNTIME)
    queue.wait(0.0)
    assert queue.preparing == 'onnxruntime'
    queue.wait(PATIENCE_S)
    assert queue.preparing == ''
    assert queue.find(ONNXRUNTIME).changes == graph.FOLDED


def test_closing_ends_the_process_and_what_it_did_not_finish_can_be_asked_for_again(queue):
    queue.request(ONNXRUNTIME)
    process = queue._child._process
    queue.close()
    queue.close()
    assert process.returncode is not None
    assert queue.find(ONNXRUNTIME) is None
    queue.request(ONNXRUNTIME)
    assert queue.preparing == 'onnxruntime'


def test_without_rewriting_every_target_gets_the_file_as_it_is(path):
    queue = OptimizeJobs(path, SPEC, rewrite=False)
    assert queue.find(ONNXRUNTIME) == queue.original
    queue.request(TENSORRT_8_2)
    assert queue.preparing == ''
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def test_without_onnx_no_process_is_started(queue, monkeypatch, caplog):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    queue.request(ONNXRUNTIME)
    assert queue.preparing == ''
    found = queue.find(ONNXRUNTIME)
    assert (found.path, found.spec, found.changes) == queue.original[:3]
    assert 'ros2 run segformer_ros install_runtime' in found.detail
    assert 'used as it is' in caplog.text


def test_a_process_that_fails_leaves_the_model_as_it_is(queue, tmp_path):
    (tmp_path / 'cache').write_bytes(b'')
    queue.request(ONNXRUNTIME)
    queue.wait(PATIENCE_S)
    found = queue.find(ONNXRUNTIME)
    assert found[:3] == queue.original[:3]
    assert 'Cached path is not private' in found.detail
