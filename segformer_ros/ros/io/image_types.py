# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What to do about an image topic that carries another type than the node reads."""

from typing import Any, Sequence

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.segmentation.images import video
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

RAW = 'sensor_msgs/msg/Image'
ENCODED = 'sensor_msgs/msg/CompressedImage'
PACKET = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
VIDEO = (PACKET, 'foxglove_msgs/msg/CompressedVideo')
"""Packets of a video: a picture needs those before it."""
TRANSPORTS = {RAW: 'raw', ENCODED: 'compressed', PACKET: 'ffmpeg'}
"""Values of ``image_transport``."""


def message_type_of(transport: str) -> Any:
    """
    Return the type of message that a value of ``image_transport`` reads.

    :raises ConfigurationError: the type, or the decoder of it, is not installed
    """
    if transport != TRANSPORTS[PACKET]:
        return Image if transport == TRANSPORTS[RAW] else CompressedImage
    missing = [] if video.is_installed() else ['PyAV (docs/install.md)']
    packet = packet_type()
    if packet is None:
        missing.append('ffmpeg_image_transport_msgs (apt install '
                       'ros-$ROS_DISTRO-ffmpeg-image-transport-msgs)')
    if missing:
        raise ConfigurationError(
            'Packets of a video cannot be decoded', got='image_transport: ffmpeg without '
            + ' and '.join(missing), expected='both to be installed',
            remedy=f'Install what is missing. {video.REMEDY}')
    return packet


def packet_type() -> Any:
    """Return the type of a packet of a video; None where it is not installed."""
    try:
        from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
    except ImportError:
        return None
    return FFMPEGPacket


def video_topic(topic: str) -> str:
    """
    Return where image_transport's ffmpeg plugin publishes beside a topic of images.

    :param topic: of raw images, or of compressed ones
    """
    suffix = '/compressed'
    return (topic[:-len(suffix)] if topic.endswith(suffix) else topic) + '/ffmpeg'


def remedy_for(topic: str, types: Sequence[str], way: str = 'remap image or set image_topic',
               image_transport: str = 'image_transport') -> str:
    """
    Return a sentence on what to do.

    :param topic: full name
    :param types: that it carries, none of them the one that the node reads
    :param way: to name another topic for the camera
    :param image_transport: name of that parameter of the camera
    """
    packets = sorted(set(types) & set(VIDEO))
    if packets:
        own = f'Set {image_transport}: ffmpeg, with PyAV (docs/install.md); or decode' \
            if PACKET in packets else 'Decode'
        return (f'{topic} carries packets of a video ({", ".join(packets)}), not pictures. {own} '
                'it: ros2 run image_transport republish --ros-args -p in_transport:=ffmpeg '
                f'-p out_transport:=raw -r in/ffmpeg:={topic} -r out:=<topic> (Humble: republish '
                f'ffmpeg raw), and take <topic> as image.')
    for known, transport in TRANSPORTS.items():
        if known in types:
            return f'That is another type: set {image_transport}: {transport}.'
    return f'That is another type: {way} to a topic of images ({RAW} or {ENCODED}).'
