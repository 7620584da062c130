# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A SegFormer with a softmax or with one channel is still known as one and folded."""

import pytest
from segformer_ros.model.optimize import optimize
from segformer_ros.model.spec import ModelSpec
from support.segformer_onnx import make_segformer
from support.segformer_onnx import TINY

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')


@pytest.mark.parametrize('classes, step, kind', [
    (7, 'Softmax', 'probabilities'), (7, 'LogSoftmax', 'logits'), (1, '', 'binary_logits'),
    (1, 'Sigmoid', 'binary_probabilities')])
def test_what_follows_the_logits_does_not_hide_the_segformer(
        tmp_path, monkeypatch, classes, step, kind):
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    path = make_segformer(str(tmp_path / 'net.onnx'), **dict(TINY, classes=classes))
    if step:
        model = onnx.load(path)
        model.graph.node[-1].output[0] = 'before'
        axis = {'axis': 1} if 'Softmax' in step else {}
        model.graph.node.append(onnx.helper.make_node(step, ['before'], ['logits'], **axis))
        onnx.save(model, path)
    spec = ModelSpec('net', 'ade20k', max(classes, 2), input_size_wh=(64, 64),
                     output_size_wh=(16, 16), output_kind=kind)
    made = optimize.optimize(path, spec)
    assert made.changes == optimize.FOLDED, made.detail
    assert made.spec.output_kind == 'logits'
    assert 'masks equal on 100' in made.detail or 'masks equal on 99.99' in made.detail
