# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The network under test is the one that was asked for, or none at all."""

import importlib.util

import numpy as np
import pytest

from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.metrics.label_map import SAME
from segformer_ros.evaluation.run.job import find_label_map
from segformer_ros.evaluation.run.job import sample_inputs
from segformer_ros.evaluation.run.job import SAMPLES
from segformer_ros.evaluation.run.network import Network
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_source import BagSource
from segformer_ros.model.classes import load_class_table
from support import bags


def test_facts_name_what_runs(color_case):
    with Network(color_case.choice, lambda spec: []) as network:
        facts = network.facts()
        backend = network.backend
    assert facts['model'] == facts['classes'] == 'colors'
    assert (facts['backend'], facts['device'], facts['resize']) == ('onnxruntime', 'cpu',
                                                                    'pillow')
    assert facts['details']['threads'] == '1'
    assert not backend.is_open


def test_graph_is_that_of_the_live_node_unless_the_original_is_asked_for(color_case):
    masks = {}
    for graph in ('deployment', 'original'):
        with Network(color_case.choice._replace(graph=graph), lambda spec: []) as network:
            assert network.facts()['graph'] == graph
            name, = [spec.name for spec in network.backend.inputs]
            dtypes = {spec.name: np.dtype(spec.dtype) for spec in network.backend.inputs}
            assert (dtypes[name] == np.uint8) == (graph == 'deployment')
            masks[graph] = network.segmenter.segment(color_case.image(0)).mask
    assert np.mean(masks['deployment'] == masks['original']) > 0.99
    with pytest.raises(ConfigurationError, match=r"graph: got 'mine'; expected deployment or or"):
        Network(color_case.choice._replace(graph='mine'), lambda spec: [])


def test_unknown_backend_is_refused(color_case):
    with pytest.raises(ConfigurationError,
                       match=r"'cuda'; expected onnxruntime or openvino or tensorrt"):
        Network(color_case.choice._replace(backend='cuda'), lambda spec: [])


@pytest.mark.skipif(importlib.util.find_spec('tensorrt') is not None,
                    reason='this machine has TensorRT')
def test_tensorrt_is_never_replaced_silently(color_case):
    with pytest.raises(BackendError):
        Network(color_case.choice._replace(backend='tensorrt'), lambda spec: [])


def test_new_engine_is_checked_with_the_first_frames_of_the_input(color_case):
    bag, = find_bags(color_case.bag('samples', SAMPLES + 2))
    source = BagSource('samples', 'samples', bag.parts[0], bags.CAMERA)
    choice = color_case.choice._replace(graph='original')
    with Network(choice, lambda spec: []) as network:
        inputs = sample_inputs(source, network.spec, 'pillow')
        outputs = [network.backend.infer(sample)['logits'].copy() for sample in inputs]
    assert len(inputs) == SAMPLES
    # Different frames: the buffer of the preprocessor is not handed out again and again.
    assert not np.array_equal(outputs[0], outputs[1])


def test_mapping_must_be_for_the_network():
    camvid = load_class_table('camvid')
    assert find_label_map(SAME, camvid).truth.names == camvid.names
    with pytest.raises(ConfigurationError, match=r"network of 'camvid'.*one of 'ade20k'"):
        find_label_map('ade20k_to_camvid', camvid)
