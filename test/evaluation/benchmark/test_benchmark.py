# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap can be timed like a pipeline; every runtime that is installed is timed."""

import contextlib
import importlib.util
import json
import pathlib

import numpy as np
import pytest
from segformer_ros.evaluation.benchmark import benchmark
from segformer_ros.evaluation.benchmark import report
from support.color_network import color_spec
from support.color_network import write_color_network


@pytest.mark.parametrize('mount', [benchmark.FIXED, benchmark.MOVING])
def test_costmap_variant_goes_through_all_its_stages(mount):
    variant = benchmark.costmap_variant(np.full((48, 64), 3, np.uint8), mount)
    for _ in range(2):
        assert set(variant.run().stages) == {'project', 'fuse', 'fill'}


def test_goals_are_those_of_a_segformer_of_their_size():
    figures = pathlib.Path(__file__).parents[3] / 'docs' / 'performance.json'
    models = {model['name']: model for model in json.loads(figures.read_text())['models']}
    names = [row[0] for row in report.goals(models['segformer_b0_random'])]
    assert 'network, optimized / original' in names and len(names) == 17
    # Of another size, and not a SegFormer.
    assert report.goals(models['segformer_sim']) == []
    assert report.goals(models['ade20k_mobilenetv2']) == []
    page = report.markdown({'machine': {}, 'versions': {}, 'date': '', 'commands': [],
                            'models': list(models.values())})
    assert page.count('| goal | at most |') == 1


def others(path, ours):
    with contextlib.ExitStack() as opened:
        found = list(benchmark._open_others(path, color_spec(), ours, color_spec(), 1, opened))
        return {each.name: (each.backend is not None, benchmark.runtime_text(each.backend)
                            if each.backend else each.problem) for each in found}


def test_openvino_is_a_peer_where_it_is_installed(tmp_path):
    pytest.importorskip('onnxruntime')
    found = others(write_color_network(tmp_path / 'a.onnx'),
                   write_color_network(tmp_path / 'b.onnx'))
    names = {benchmark.OPENVINO_ORIGINAL, benchmark.OPENVINO_OPTIMIZED}
    if importlib.util.find_spec('openvino') is None:
        assert not names & set(found)
        return
    for name in names:
        ran, text = found[name]
        assert ran and text.startswith('openvino ') and text.endswith('CPU, fp32')


def test_runtime_that_does_not_run_is_a_line(tmp_path):
    pytest.importorskip('openvino')
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(b'no model')
    found = others(write_color_network(tmp_path / 'a.onnx'), str(broken))
    assert found[benchmark.OPENVINO_ORIGINAL][0]
    assert found[benchmark.OPENVINO_OPTIMIZED] == (False, found[benchmark.OPENVINO_OPTIMIZED][1])
    assert found[benchmark.OPENVINO_OPTIMIZED][1].startswith('not run: ')
