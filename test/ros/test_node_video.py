# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Packets of a video over real DDS, where PyAV is installed: masks of the right pictures."""

import fractions
import os

import numpy as np
import pytest
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage
from support.ros_graph import NodeProcess
from support.ros_graph import wait_until
from support.segformer_peer import pixels
from support.segformer_peer import SegformerPeer
from support.tiny_model import COLORS

av = pytest.importorskip('av', reason='PyAV is not installed')

SIDE = 64


def encoded(names, encoder='libx264', gop=100):
    """Return a packet for each colour of a list."""
    context = av.CodecContext.create(encoder, 'w')
    context.width, context.height, context.pix_fmt = SIDE, SIDE, 'yuv420p'
    context.time_base, context.gop_size = fractions.Fraction(1, 30), gop
    # No key frames of its own where the colour changes.
    context.options = {'tune': 'zerolatency', 'crf': '5', 'sc_threshold': '0',
                       'x265-params': 'log-level=none:scenecut=0'}
    found = []
    for number, name in enumerate(names):
        picture = np.full((SIDE, SIDE, 3), COLORS[name], np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
        frame.pts = number
        found += context.encode(frame)
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
        messages = [CompressedImage(format='h264', data=bytes(each)) for each in encoded(names)]
        for number, message in enumerate(messages):
            # Some come so fast that only the newest of them gets a mask.
            if number % 5:
                peer.send(message)
                continue
            mask = pixels(peer.mask_of(message))
            assert mask.shape == (SIDE, SIDE)
            assert set(np.unique(mask)) == {ids[names[number]]}, (number, names[number])


@pytest.mark.parametrize('encoder', ['libx264', 'libx265'])
def test_each_mask_is_that_of_its_packet_of_the_transport_and_none_comes_after_a_loss(
        domain, tmp_path, color_model, encoder):
    messages_of = pytest.importorskip('ffmpeg_image_transport_msgs.msg',
                                      reason='ffmpeg_image_transport_msgs is not installed')
    names = [('red', 'blue', 'green')[number % 3] for number in range(36)]
    ids = {name: number for number, name in enumerate(COLORS)}
    packets = [messages_of.FFMPEGPacket(
        encoding=encoder, width=SIDE, height=SIDE, pts=each.pts, flags=int(each.is_keyframe),
        data=bytes(each)) for each in encoded(names, encoder, gop=12)]
    assert [number for number, each in enumerate(packets) if each.flags] == [0, 12, 24]
    for number, packet in enumerate(packets):
        packet.header.stamp.sec = number + 1
    parameters = {
        'model': color_model, 'image_transport': 'ffmpeg', 'costmap': 'false',
        'image_topic': '/camera/image_raw',
        'qos_overrides./camera/image_raw/ffmpeg.subscription.reliability': 'reliable'}
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        publisher = peer.publisher(messages_of.FFMPEGPacket, '/camera/image_raw/ffmpeg',
                                   QoSProfile(depth=30))
        wait_until(publisher.get_subscription_count, 'the subscription of packets')
        for number, packet in enumerate(packets):
            if number == 17:
                continue  # lost
            publisher.publish(packet)
            if number in range(18, 24):
                continue
            mask = pixels(peer.masks.wait(
                lambda mask, second=number + 1: mask.header.stamp.sec == second))
            assert set(np.unique(mask)) == {ids[names[number]]}, (number, names[number])
        told = {mask.header.stamp.sec - 1 for mask in peer.masks.messages}
        assert not told & set(range(17, 24))


def test_packets_without_their_decoder_name_what_is_missing_and_the_republisher(
        domain, tmp_path, color_model):
    # Stands before what is installed, and cannot be imported.
    hidden = tmp_path / 'hidden'
    (hidden / 'ffmpeg_image_transport_msgs').mkdir(parents=True)
    (hidden / 'ffmpeg_image_transport_msgs' / '__init__.py').write_text(
        "raise ImportError('not installed')")
    parameters = {'model': color_model, 'image_transport': 'ffmpeg'}
    path = os.pathsep.join([str(hidden), os.environ.get('PYTHONPATH', '')])
    with NodeProcess(domain, tmp_path, parameters, environment={'PYTHONPATH': path}) as process:
        process.wait_for_log('republish')
        said = process.log()
    assert 'image_transport: ffmpeg without ffmpeg_image_transport_msgs (apt install' in said
    assert 'in_transport:=ffmpeg' in said and 'Traceback' not in said
