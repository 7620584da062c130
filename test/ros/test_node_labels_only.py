# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A node whose network returns labels alone: masks, and whatever needs a confidence refused."""

import numpy as np
import pytest
from sensor_msgs.msg import Image
from support.output_networks import GRID
from support.output_networks import logits_of
from support.output_networks import picture
from support.output_networks import SIZE
from support.output_networks import write_network
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from support.segformer_onnx import make_segformer
from support.segformer_onnx import TINY
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.status_watcher import StatusWatcher


@pytest.fixture
def model(tmp_path):
    return write_network(tmp_path, 5, [('ArgMax', {'axis': 1})], ('INT64', [1, 1, GRID, GRID]),
                         'output_kind: labels\n')


def test_masks_come_without_confidence_and_what_needs_it_is_refused(tmp_path, model):
    with private_domain() as domain, \
            NodeProcess(domain, tmp_path, {'model': model, 'costmap': False}) as process, \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        mask = pixels(peer.mask_of(rgb_message(picture())))
        expected = logits_of(picture(), 5).argmax(axis=0)
        assert np.array_equal(mask, np.kron(expected, np.ones((4, 4))))
        process.wait_for_log('Not published: confidence: the network returns labels alone')
        assert peer.node.count_publishers(peer.output('mask')) == 1
        assert peer.node.count_publishers(peer.output('confidence')) == 0
        refusal = peer.set_parameters(threshold=0.5)
        assert 'Parameter threshold needs a confidence: got 0.5; expected 0' in refusal
        assert 'labels alone' in refusal
        assert 'needs a confidence' in peer.set_parameters(**{'projection.min_confidence': 10})
        assert peer.set_parameters(overlay_alpha=0.3) == ''
        assert peer.parameter('threshold') == 0.0


@pytest.mark.parametrize('has_confidence', [False, True])
def test_diagnostics_say_that_unsure_frames_are_not_told_without_a_confidence(
        tmp_path, model, has_confidence):
    if has_confidence:
        model = write_network(tmp_path, 5)
    with private_domain() as domain, \
            NodeProcess(domain, tmp_path, {'model': model, 'costmap': False}), \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        status, _ = StatusWatcher(peer).wait('capture', lambda found: found.values)
        blind = [pair.value for pair in status.values if pair.key == 'not judged']
        assert ('unsure: the network returns labels alone' in blind) is not has_confidence
        assert any(text.startswith('depth: ') for text in blind)


def test_threshold_at_the_start_keeps_the_node_from_being_configured(tmp_path, model):
    with private_domain() as domain, \
            NodeProcess(domain, tmp_path, {'model': model, 'threshold': 0.5}) as process:
        process.wait_for_log('Cannot configure: Parameter threshold needs a confidence: got 0.5')


def test_labels_of_a_segformer_get_the_confidence_of_the_network_before_them(tmp_path):
    onnx = pytest.importorskip('onnx')
    model = make_segformer(str(tmp_path / 'net.onnx'), **TINY)
    network = onnx.load(model)
    network.graph.node[-1].output[0] = 'before'
    network.graph.node.append(onnx.helper.make_node('ArgMax', ['before'], ['logits'], axis=1))
    del network.graph.output[:]
    network.graph.output.append(onnx.helper.make_tensor_value_info(
        'logits', onnx.TensorProto.INT64, [1, 1, GRID, GRID]))
    onnx.save(network, model)
    classes = ''.join(f'- {{name: c{each}, color: [{each}, 1, 2]}}\n'
                      for each in range(TINY['classes']))
    (tmp_path / 'table.yaml').write_text('name: table\nclasses:\n' + classes)
    (tmp_path / 'net.yaml').write_text(
        f'name: net\nclasses: table.yaml\nnum_classes: {TINY["classes"]}\n'
        f'input_size_wh: [{SIZE}, {SIZE}]\noutput_size_wh: [{GRID}, {GRID}]\n'
        'output_kind: labels\n')
    with private_domain() as domain, \
            NodeProcess(domain, tmp_path, {
                # However long the graph takes: the file alone has no confidence.
                'model': model, 'costmap': False, 'threshold': 0.1, 'open_timeout': 0.0}), \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        confidences = peer.subscribe(Image, peer.output('confidence'), 50)
        wait_until(lambda: peer.node.count_publishers(peer.output('confidence')), 'a publisher')

        def is_answered():
            peer.mask_of(rgb_message(picture()))
            return confidences.messages

        confidence = wait_until(is_answered, 'a confidence')[-1]
        assert pixels(confidence).shape == picture().shape[:2]
        assert len(np.unique(pixels(confidence))) > 10
        assert peer.set_parameters(threshold=0.5) == ''
