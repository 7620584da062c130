# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What to do about an image topic that carries another type than the node reads."""

from typing import Sequence

RAW = 'sensor_msgs/msg/Image'
ENCODED = 'sensor_msgs/msg/CompressedImage'
VIDEO = ('ffmpeg_image_transport_msgs/msg/FFMPEGPacket', 'foxglove_msgs/msg/CompressedVideo')
"""Packets of a video: a picture needs those before it."""
TRANSPORTS = {RAW: 'raw', ENCODED: 'compressed'}
"""Values of ``image_transport``."""


def video_topic(topic: str) -> str:
    """
    Return where image_transport's ffmpeg plugin publishes beside a topic of images.

    :param topic: of raw images, or of compressed ones
    """
    suffix = '/compressed'
    return (topic[:-len(suffix)] if topic.endswith(suffix) else topic) + '/ffmpeg'


def remedy_for(topic: str, types: Sequence[str], image_topic: str = 'image_topic',
               image_transport: str = 'image_transport') -> str:
    """
    Return a sentence on what to do.

    :param topic: full name
    :param types: that it carries, none of them the one that the node reads
    :param image_topic: name of that parameter of the camera
    :param image_transport: likewise
    """
    video = sorted(set(types) & set(VIDEO))
    if video:
        return (f'{topic} carries packets of a video ({", ".join(video)}), not pictures. Decode '
                'it: ros2 run image_transport republish --ros-args -p in_transport:=ffmpeg '
                f'-p out_transport:=raw -r in/ffmpeg:={topic} -r out:=<topic> (Humble: republish '
                f'ffmpeg raw), and take <topic> as image.')
    for known, transport in TRANSPORTS.items():
        if known in types:
            return f'That is another type: set {image_transport}: {transport}.'
    return (f'That is another type: remap image or set {image_topic} to a topic of images '
            f'({RAW} or {ENCODED}).')
