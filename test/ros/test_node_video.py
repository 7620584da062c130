# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""H.264 in CompressedImage over real DDS, where PyAV is installed: masks of the right pictures."""

import fractions

import numpy as np
import pytest
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage
from support.ros_graph import NodeProcess
from support.segformer_peer import pixels
from support.segformer_peer import SegformerPeer
from support.tiny_model import COLORS

av = pytest.importorskip('av', reason='PyAV is not installed')

SIDE = 64


def packets(names):
    """Return an H.264 message for each colour of a list."""
    context = av.CodecContext.create('libx264', 'w')
    context.width, context.height, context.pix_fmt = SIDE, SIDE, 'yuv420p'
    context.time_base, context.gop_size = fractions.Fraction(1, 30), 100
    context.options = {'tune': 'zerolatency', 'crf': '5'}
    found = []
    for number, name in enumerate(names):
        picture = np.full((SIDE, SIDE, 3), COLORS[name], np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
        frame.pts = number
        found += [CompressedImage(format='h264', data=bytes(each))
                  for each in context.encode(frame)]
    return found


def test_each_mask_is_that_of_its_packet_also_when_others_were_dropped(
        domain, tmp_path, color_model):
    names = [('red', 'blue', 'green')[number % 3] for number in range(40)]
    ids = {name: number for number, name in enumerate(COLORS)}
    parameters = {
        'model': color_model, 'image_transport': 'compressed', 'costmap': 'false',
        # Of a video nothing may be lost on the way.
        'qos_overrides./image/compressed.subscription.reliability': 'reliable',
        'qos_overrides./image/compressed.subscription.depth': '30'}
    with NodeProcess(domain, tmp_path, parameters), \
            SegformerPeer(domain, compressed=True) as peer:
        peer.wait_for_state('active')
        peer.image_qos = QoSProfile(depth=30)
        for number, message in enumerate(packets(names)):
            # Some come so fast that only the newest of them gets a mask.
            if number % 5:
                peer.send(message)
                continue
            mask = pixels(peer.mask_of(message))
            assert mask.shape == (SIDE, SIDE)
            assert set(np.unique(mask)) == {ids[names[number]]}, (number, names[number])
