# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Expensive outputs are made only for those who subscribe."""

import numpy as np
import pytest
from segformer_ros.model.classes import load_class_table
from segformer_ros.ros.io import topics
from segformer_ros.ros.node import outputs as outputs_module
from segformer_ros.ros.node.outputs import Outputs
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.node import snapshot
from segformer_ros.segmentation.images.decoding import Picture
from segformer_ros.segmentation.segmenter import Segmentation
from segformer_ros.segmentation.segmenter import Timings
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from support.ros_graph import Peer
from support.ros_graph import wait_until

PARAMETERS = snapshot({row.name: row.default for row in node_rows() + CAMERA_ROWS})
PICTURE = Picture(np.zeros((6, 8, 3), np.uint8))
RESULT = Segmentation(np.zeros((6, 8), np.uint8), None, Timings(0.0, 0.0, 0.0))
WORK = ('colorize', 'overlay', 'encode_png', 'encode_jpeg')


@pytest.fixture
def work(monkeypatch):
    """Return the list of expensive functions as they are called; they do their work."""
    called = []

    def spied(name, function):
        def run(*arguments):
            called.append(name)
            return function(*arguments)
        return run

    for name in WORK:
        holder = outputs_module.pictures if name in ('colorize', 'overlay') else outputs_module
        monkeypatch.setattr(holder, name, spied(name, getattr(holder, name)))
    return called


@pytest.mark.parametrize('topic, message_type, expected', [
    (None, None, []),
    (topics.MASK, Image, []),
    (topics.COLOR_MASK, Image, ['colorize']),
    (topics.COLOR_MASK_COMPRESSED, CompressedImage, ['colorize', 'encode_png']),
    (topics.OVERLAY, Image, ['overlay', 'colorize']),
    (topics.OVERLAY_COMPRESSED, CompressedImage, ['overlay', 'colorize', 'encode_jpeg']),
])
def test_only_what_is_subscribed_to_is_made(domain, work, topic, message_type, expected):
    with Peer(domain, 'segformer') as publishing, Peer(domain) as reading:
        outputs = Outputs(publishing.node, '', load_class_table('ade20k'))
        inbox = None
        if topic is not None:
            inbox = reading.subscribe(message_type, '/segformer/' + topic.name)
            wait_until(lambda: outputs.is_wanted(topic), 'the subscription')
        outputs.publish(Header(), PICTURE, RESULT, None, PARAMETERS)
        assert work == expected
        if inbox is not None:
            inbox.wait()
        outputs.destroy()


def test_destroy_leaves_no_publisher(domain):
    with Peer(domain, 'segformer') as publishing:
        before = len(list(publishing.node.publishers))
        outputs = Outputs(publishing.node, 'front', load_class_table('ade20k'))
        assert len(list(publishing.node.publishers)) == before + len(topics.OUTPUTS)
        outputs.destroy()
        assert len(list(publishing.node.publishers)) == before
