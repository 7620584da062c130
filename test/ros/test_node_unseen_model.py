# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network that this machine never ran is run on two pictures before it makes a mask."""

import os

import numpy as np
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from support.output_networks import logits_of
from support.output_networks import picture
from support.output_networks import write_network
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer

# Nothing that the graph's judge follows: values alone tell what is behind it.
HIDDEN = ('Einsum', {'equation': 'abcd->abcd'})
SOFTMAX = [('Softmax', {'axis': 1}), HIDDEN]
LOOKING, FOUND = 'Looking at the values of', 'output_kind: probabilities, as the values'


def test_hidden_softmax_is_found_once_and_its_confidence_is_right_at_every_start(
        tmp_path, monkeypatch):
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    model = write_network(tmp_path, 5, SOFTMAX)
    logits = logits_of(picture(), 5)
    power = np.exp(logits - logits.max(axis=0))
    expected = 255.0 * (power / power.sum(axis=0)).max(axis=0)
    for start in ('first', 'second'):
        with private_domain() as domain, \
                NodeProcess(domain, tmp_path, {'model': model, 'costmap': False}) as process, \
                SegformerPeer(domain) as peer:
            peer.wait_for_state('active')
            confidences = peer.subscribe(Image, peer.output('confidence'))
            mask = pixels(peer.mask_of(rgb_message(picture())))
            assert np.array_equal(mask[8::16, 8::16], logits.argmax(axis=0)[2::4, 2::4])
            # Before it there was that of a grey image.
            confidence = pixels(confidences.wait(lambda message: pixels(message).std() > 0))
            assert np.abs(confidence[8::16, 8::16].astype(float)
                          - expected[2::4, 2::4]).max() <= 1.0
            assert (LOOKING in process.log()) == (start == 'first')
            # Until the specification is corrected.
            assert process.log().count(FOUND) == 1


def test_network_whose_values_are_not_what_is_written_is_refused_at_the_start(tmp_path):
    model = write_network(tmp_path, 1, [('Sigmoid', {}), HIDDEN], classes=2,
                          spec='output_kind: binary_logits\n')
    with private_domain() as domain, \
            NodeProcess(domain, tmp_path, {'model': model, 'costmap': False}) as process, \
            SegformerPeer(domain) as peer:
        process.wait_for_log("Cannot configure: Output 'logits' is never below 0: got values "
                             'from 0.* to .*; expected a logit.*write output_kind: '
                             'binary_probabilities')
        peer.wait_for_state('unconfigured')
        # What is corrected is another contract, and judged anew.
        with open(model[:-len('.onnx')] + '.yaml', 'r+', encoding='utf-8') as stream:
            text = stream.read().replace('binary_logits', 'binary_probabilities')
            stream.seek(0)
            stream.write(text)
            stream.truncate()
        assert peer.change_state('configure') and peer.change_state('activate')
        mask = pixels(peer.mask_of(rgb_message(picture())))
        expected = (logits_of(picture(), 1)[0] < 0).astype(int)
        assert np.array_equal(mask[8::16, 8::16], expected[2::4, 2::4])


def test_network_that_takes_over_is_looked_at_before_and_refused_while_the_other_serves(tmp_path):
    model = write_network(tmp_path, 5)
    folders = {}
    for name in ('softmax', 'sigmoid'):
        folders[name] = tmp_path / name
        folders[name].mkdir()
    softmax = write_network(folders['softmax'], 5, SOFTMAX)
    sigmoid = write_network(folders['sigmoid'], 1, [('Sigmoid', {}), HIDDEN], classes=2,
                            spec='output_kind: binary_logits\n')
    with private_domain() as domain, \
            NodeProcess(domain, tmp_path, {'model': model, 'costmap': False}) as process, \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        before = pixels(peer.mask_of(rgb_message(picture())))

        def load(path):
            assert peer.set_parameters(next_model=path) == ''
            publisher = peer.publisher(Image, '/image', 1)
            timer = peer.node.create_timer(
                0.1, lambda: publisher.publish(rgb_message(picture())))
            try:
                return peer.call(Trigger, '/segformer/load_model', Trigger.Request())
            finally:
                peer.node.destroy_timer(timer)
        answer = load(sigmoid)
        assert not answer.success
        assert "Output 'logits' is never below 0: got values" in answer.message
        assert 'write output_kind: binary_probabilities' in answer.message
        assert peer.parameter('model') == model
        assert np.array_equal(pixels(peer.mask_of(rgb_message(picture()))), before)
        answer = load(softmax)
        assert answer.success, answer.message
        assert os.path.basename(os.path.dirname(peer.parameter('model'))) == 'softmax'
        assert f'{softmax}: {FOUND}' in process.log()
