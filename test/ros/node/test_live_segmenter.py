# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the parameters mean for the choice of a backend."""

import math

import pytest
from segformer_ros.common.errors import ModelError
from segformer_ros.model import verdicts
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.spec import ModelSpec
from segformer_ros.ros.node import live_segmenter
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.node import snapshot

SPEC = ModelSpec(name='b0', classes='ade20k', num_classes=150, input_size_wh=(64, 64),
                 output_size_wh=(16, 16))


def settings(**changes):
    """Return the settings of the selector that parameters lead to."""
    values = dict({row.name: row.default for row in node_rows() + CAMERA_ROWS}, **changes)
    model = live_segmenter.Model('b0.onnx', SPEC, load_class_table('ade20k'))
    return live_segmenter.make_selector(snapshot(values), model)._settings


@pytest.mark.parametrize('open_timeout, wait', [(4.0, 2.0), (300.0, 150.0), (0.0, math.inf)])
def test_waiting_for_a_graph_is_not_taken_for_a_backend_that_hangs(open_timeout, wait):
    assert settings(open_timeout=open_timeout).graph_timeout == wait


@pytest.mark.parametrize('open_timeout, wait', [(4.0, 4.0), (0.0, verdicts.TIMEOUT_S)])
def test_looking_at_a_network_takes_as_long_as_opening_it_may(monkeypatch, open_timeout, wait):
    looked = []

    def look(model, spec_path, limits):
        looked.append((model, spec_path, limits.seconds, limits.is_stopping()))
        raise ModelError('No such network')
    monkeypatch.setattr(verdicts, 'resolve_judged', look)
    values = dict({row.name: row.default for row in node_rows() + CAMERA_ROWS}, model='net.onnx',
                  open_timeout=open_timeout)
    for is_stopping in (False, True):
        with pytest.raises(ModelError, match='No such network'):
            live_segmenter.find_model(snapshot(values), lambda found=is_stopping: found)
        assert looked[-1] == ('net.onnx', None, wait, is_stopping)


def test_graphs_and_workspace_reach_the_engine():
    found = settings(cuda_graphs=True, workspace_mib=64, engine_cache='~/engines')
    assert found.runtime.cuda_graph
    assert found.runtime.buffers == 'auto'
    assert found.builder.workspace_mib == 64
    assert not found.cache_root.startswith('~')
