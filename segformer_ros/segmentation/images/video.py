# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Decode packets of a video in messages, where PyAV is installed."""

import collections
import importlib.util
import threading
import time
from typing import Any, Deque, List, Optional

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.image_header import check_size
from segformer_ros.common.image_header import MOST_PIXELS
from segformer_ros.common.table_cache import held_bytes
from segformer_ros.segmentation.images.h264 import FrameNumbers

H264 = 'h264'
CODECS = (('264', H264), ('avc', H264), ('265', 'hevc'), ('hevc', 'hevc'), ('av1', 'libdav1d'),
          ('vp9', 'vp9'), ('vp8', 'vp8'), ('libvpx', 'vp8'))
"""What names of codecs and encoders have in them, without dots, and FFmpeg's decoder for each."""
KEY = 1
"""Bit of ``flags`` that marks a key frame."""
LONGEST_NAME = 80
"""Characters that are read of the name of a codec."""
MOST_PACKETS, MOST_BYTES = 300, 1 << 25
"""Ten seconds at 30 Hz, 32 MiB: with more in wait the decoder begins anew."""
MOST_SECONDS = 2.0
"""That packets in wait may take: 29 bytes of H.264 can hold a picture of 64 megapixels."""
REMEDY = ('Decode it outside: ros2 run image_transport republish --ros-args '
          '-p in_transport:=ffmpeg -p out_transport:=raw (Humble: republish ffmpeg raw).')


class VideoDecoder:
    """
    Decodes a stream of packets, of which the newest picture is wanted now and then.

    A picture needs those before it, so every packet is taken; :meth:`add` may be called beside
    :meth:`decode`, from another thread.
    """

    def __init__(self) -> None:
        self._installed = is_installed()
        self._lock = threading.Lock()
        self._waiting: Deque[Any] = collections.deque()
        self._bytes = 0
        self._broken = False
        self._count = 0
        self._codec = ''
        self._context: Any = None
        self._numbers: Any = None

    def takes(self, message: Any) -> bool:
        """Return whether a message is a packet that can be decoded here."""
        return self._installed and codec_of(message) is not None

    def add(self, message: Any) -> None:
        """Keep a packet until a picture is asked for; nothing where it is another message."""
        if not self.takes(message):
            return
        with self._lock:
            self._waiting.append(message)
            self._bytes += held_bytes(message)
            if len(self._waiting) > MOST_PACKETS or self._bytes > MOST_BYTES:
                self._waiting.clear()
                self._bytes = 0
                self._broken = True

    def decode(self, message: Any) -> arrays.UInt8:
        """
        Return the picture of a packet that was added.

        :param message: ``sensor_msgs/CompressedImage`` of H.264, or
            ``ffmpeg_image_transport_msgs/FFMPEGPacket``
        :return: (H, W, 3) uint8 RGB
        :raises InvalidInputError: it cannot be decoded; after a loss, or where those in wait took
            longer than :data:`MOST_SECONDS`, until the next key frame
        """
        if not self.takes(message):
            raise InvalidInputError(
                'Packet of a video of an unknown codec', got=repr(_name_of(message)),
                expected='H.264, H.265, AV1, VP8 or VP9', remedy=REMEDY)
        import av
        picture, trouble = None, 'the decoder gave none'
        began = time.monotonic()
        for each in self._packets_until(message):
            if time.monotonic() - began > MOST_SECONDS:
                self._forget()
                picture, trouble = None, f'packets before it took longer than {MOST_SECONDS} s'
                break
            codec = codec_of(each)
            if codec != self._codec or self._numbers is None:
                self._forget()
                self._codec = codec or ''
                self._numbers = FrameNumbers() if codec == H264 else _PacketNumbers()
            data = bytes(each.data)
            if not (self._numbers.follows(data) if codec == H264 else self._numbers.follows(each)):
                picture, trouble = None, 'packets before it were lost'
                continue
            packet = av.Packet(data)
            self._count += 1
            packet.pts = packet.dts = self._count
            try:
                # With B-frames a later packet's picture comes first, which is not this one's.
                picture = next((
                    frame for frame in self._open_context(av).decode(packet)
                    if frame.pts == self._count), None)
            except (av.error.FFmpegError, ValueError, MemoryError) as error:
                # What follows would be guessed from what is damaged, up to the next key frame.
                self._forget()
                picture, trouble = None, str(error)
        if picture is None:
            raise InvalidInputError(
                'Packet of a video gives no picture', got=f'{_name_of(message)!r}: {trouble}',
                expected='a key frame, or what follows one without loss',
                remedy='Send key frames more often (gop_size of the encoder), without B-frames.')
        check_size(picture.width, picture.height)
        found: arrays.UInt8 = picture.to_ndarray(format='rgb24')
        return found

    def _packets_until(self, message: Any) -> List[Any]:
        with self._lock:
            if self._broken:
                self._forget()
                self._broken = False
            if not any(each is message for each in self._waiting):
                return []  # thrown away meanwhile
            taken: List[Any] = []
            while not taken or taken[-1] is not message:
                taken.append(self._waiting.popleft())
                self._bytes -= held_bytes(taken[-1])
        return taken

    def _forget(self) -> None:
        self._context = self._numbers = None

    def _open_context(self, av: Any) -> Any:
        if self._context is None:
            self._context = av.CodecContext.create(self._codec, 'r')
            # One picture for each packet, at once.
            self._context.thread_type = 'NONE'
            self._context.thread_count = 1
            self._context.options = {'flags': 'low_delay', 'max_pixels': str(MOST_PIXELS)}
        return self._context


class _PacketNumbers:
    """Follows the numbers that ffmpeg_image_transport gives to its packets, one after another."""

    def __init__(self) -> None:
        self._last: Optional[int] = None

    def follows(self, message: Any) -> bool:
        """Return whether a packet is marked as a key frame, or follows the last one."""
        # Where the mark is wrong the decoder has nothing to begin with, and refuses.
        good = bool(message.flags & KEY) or (
            self._last is not None and message.pts == self._last + 1)
        self._last = message.pts if good else None
        return good


def is_installed() -> bool:
    """Return whether PyAV is there."""
    return importlib.util.find_spec('av') is not None


def codec_of(message: Any) -> Optional[str]:
    """
    Return FFmpeg's name of the codec of a packet; None of another message.

    In a CompressedImage that is H.264 alone: its packets have no numbers, by which a loss of any
    other codec could be seen.
    """
    plain = _name_of(message).split(';')[0].lower().replace('.', '')
    codec = next((codec for part, codec in CODECS if part in plain), None)
    return codec if hasattr(message, 'pts') or codec == H264 else None


def _name_of(message: Any) -> str:
    text: str = message.encoding if hasattr(message, 'pts') else message.format
    return text[:LONGEST_NAME]
