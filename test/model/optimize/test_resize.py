# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A network at another input size is what an export of that size is.

The same random weights are written at both sizes, independently of the package.
"""

import os

import numpy as np
import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.model.optimize import optimize as graph
from segformer_ros.model.optimize.jobs import OptimizeJobs
from segformer_ros.model.optimize.resize import at_size
from segformer_ros.model.optimize.resize import resized_spec
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.optimize.target import TENSORRT_8_2
from segformer_ros.model.optimize.verify import sample_pictures
from segformer_ros.model.spec import ModelSpec
from support.color_network import color_spec
from support.color_network import write_color_network
from support.segformer_onnx import make_segformer
from support.segformer_onnx import TINY

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
SPEC = ModelSpec('tiny', 'ade20k', 7, input_size_wh=(64, 64), output_size_wh=(16, 16))


@pytest.fixture
def exports(tmp_path, monkeypatch):
    """Return the same network exported for 64 x 64 and for 96 x 96 pixels."""
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    paths = []
    for size in (64, 96):
        paths.append(str(tmp_path / f'tiny{size}.onnx'))
        make_segformer(paths[-1], **dict(TINY, size=size))
    return paths


def logits(path, spec, picture):
    """Return (h, w, classes) of a picture (H, W, 3) RGB."""
    if spec.input_dtype == 'uint8':
        tensor = picture[np.newaxis]
    else:
        normal = (picture / 255.0 - np.asarray(spec.mean)) / spec.std
        tensor = normal.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
    with OnnxruntimeBackend(path) as backend:
        values = backend.infer({spec.input_name: tensor})[spec.output_name][0].copy()
    return values if spec.output_layout == 'nhwc' else values.transpose(1, 2, 0)


@pytest.mark.once
def test_fixed_network_at_another_size_is_an_export_of_that_size(exports):
    fixed, wanted = exports
    sized = at_size(fixed, SPEC, (96, 96))
    assert sized.spec.input_size_wh == (96, 96) and sized.spec.output_size_wh == (24, 24)
    assert (sized.source_path, sized.source_spec) == (fixed, resized_spec(SPEC, (96, 96)))
    for picture in sample_pictures((96, 96)):
        expected = logits(wanted, sized.source_spec, picture)
        assert np.abs(logits(sized.path, sized.spec, picture) - expected).max() < 1e-4


@pytest.mark.once
def test_graph_of_every_runtime_has_that_size(exports):
    fixed, wanted = exports
    sized = at_size(fixed, SPEC, (96, 96))
    jobs = OptimizeJobs(sized.source_path, sized.source_spec,
                        runnable=(sized.path, sized.spec))
    assert jobs.original.path == sized.path
    picture = sample_pictures((96, 96))[1]
    expected = logits(wanted, sized.source_spec, picture)
    for target in (ONNXRUNTIME, TENSORRT_8_2):
        made = graph.optimize(sized.source_path, sized.source_spec, target)
        assert made.changes == graph.FOLDED
        assert 'at 96 x 96 instead of 64 x 64' in made.detail
        assert np.abs(logits(made.path, made.spec, picture) - expected).max() < 1e-4
        assert jobs.find(target) == made


def test_sides_need_not_be_equal(exports):
    sized = at_size(exports[0], SPEC, (128, 96))
    picture = sample_pictures((128, 96))[1]
    found = logits(sized.path, sized.spec, picture)
    assert found.shape == (24, 32, 7)
    assert np.isfinite(found).all()


@pytest.mark.once
def test_sizes_have_graphs_of_their_own(exports):
    one, other = (at_size(exports[0], SPEC, size) for size in ((96, 96), (128, 96)))
    assert one.path != other.path
    # The second one replaces the first neither on disk nor for the next start.
    assert os.path.exists(one.path) and os.path.exists(other.path)
    made = os.stat(one.path).st_mtime_ns, os.stat(one.path).st_ino
    assert at_size(exports[0], SPEC, (96, 96)) == one
    assert (os.stat(one.path).st_mtime_ns, os.stat(one.path).st_ino) == made


def test_own_size_and_none_leave_the_file_as_it_is(exports):
    for size in (None, (64, 64)):
        sized = at_size(exports[0], SPEC, size)
        assert (sized.path, sized.spec) == (exports[0], SPEC)
        assert (sized.source_path, sized.source_spec) == (exports[0], SPEC)


def test_fixed_network_of_another_kind_is_refused_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    path = write_color_network(tmp_path / 'colors.onnx')
    with pytest.raises(ModelError, match='size is fixed to 64 x 64.*not a SegFormer.*'
                                         'expected 64 x 64.*Leave input_size'):
        at_size(path, color_spec(), (96, 96))


def test_network_of_open_size_runs_as_it_is(tmp_path):
    path = write_color_network(tmp_path / 'colors.onnx', dynamic=True)
    sized = at_size(path, color_spec(), (96, 64))
    assert sized.path == path
    assert (sized.spec.input_size_wh, sized.spec.output_size_wh) == ((96, 64), (24, 16))


@pytest.mark.parametrize('size', [(28, 64), (64, 4100), (66, 64), (64, 0)])
def test_sizes_that_fit_no_grid_are_refused(size):
    with pytest.raises(ConfigurationError, match=r'from 32 to 4096 that are multiples of 4'):
        resized_spec(SPEC, size)
