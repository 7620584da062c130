# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The shipped network fits the package and works in the pure path, on every Python."""

import os

import pytest
from segformer_ros.common import resources
from segformer_ros.model.spec import load_model_spec
from segformer_ros.segmentation.segmenter import Segmenter
from support.held_out_worlds import held_out_frames
from support.held_out_worlds import LabelTable

pytest.importorskip('onnxruntime')


@pytest.fixture(scope='module')
def model_path():
    """Return the path of the shipped network."""
    return resources.find('models/segformer_sim.onnx')


def test_shipped_network_is_small(model_path):
    assert os.path.getsize(model_path) <= 6 * 10 ** 6


def test_shipped_network_names_most_pixels_of_held_out_worlds(model_path):
    from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend

    spec = load_model_spec(resources.find('config/models/segformer_sim.yaml'))
    table = LabelTable()
    with OnnxruntimeBackend(model_path, threads=1) as backend:
        segmenter = Segmenter(spec, backend)
        for frame in held_out_frames(10):
            table.add(frame.labels, segmenter.segment(frame.image, with_confidence=False).mask)
    # test/ros/test_node_shipped_model.py has the mean IoU, over more pictures.
    assert table.pixel_accuracy() > 0.80
