# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Decode packets of H.264 in CompressedImage messages, where PyAV is installed."""

import collections
import importlib.util
import threading
from typing import Any, Deque, List

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.image_header import check_size
from segformer_ros.common.image_header import MOST_PIXELS
from segformer_ros.segmentation.images.h264 import FrameNumbers

NAMES = ('h264', 'avc1')
"""What ``format`` may say, without dots. Of no other codec a loss can be seen here."""
MOST_PACKETS, MOST_BYTES = 300, 1 << 25
"""Ten seconds at 30 Hz, 32 MiB: with more in wait the decoder begins anew."""


class VideoDecoder:
    """
    Decodes a stream of packets, of which the newest picture is wanted now and then.

    A picture needs those before it, so every packet is taken; :meth:`add` may be called beside
    :meth:`decode`, from another thread.
    """

    def __init__(self) -> None:
        self._installed = importlib.util.find_spec('av') is not None
        self._lock = threading.Lock()
        self._waiting: Deque[Any] = collections.deque()
        self._bytes = 0
        self._broken = False
        self._count = 0
        self._context: Any = None
        self._numbers = FrameNumbers()

    def takes(self, message: Any) -> bool:
        """Return whether a message is a packet that can be decoded here."""
        plain = message.format[:80].lower().replace('.', '')
        return self._installed and any(name in plain for name in NAMES)

    def add(self, message: Any) -> None:
        """Keep a packet until a picture is asked for; nothing where it is another message."""
        if not self.takes(message):
            return
        with self._lock:
            self._waiting.append(message)
            self._bytes += len(message.data)
            if len(self._waiting) > MOST_PACKETS or self._bytes > MOST_BYTES:
                self._waiting.clear()
                self._bytes = 0
                self._broken = True

    def decode(self, message: Any) -> arrays.UInt8:
        """
        Return the picture of a packet that was added.

        :return: (H, W, 3) uint8 RGB
        :raises InvalidInputError: it cannot be decoded; after a loss, until the next key frame
        """
        import av
        picture, trouble = None, 'the decoder gave none'
        for each in self._packets_until(message):
            data = bytes(each.data)
            if not self._numbers.follows(data):
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
                'Packet of a video gives no picture', got=f'{message.format[:40]!r}: {trouble}',
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
                self._bytes -= len(taken[-1].data)
        return taken

    def _forget(self) -> None:
        self._context, self._numbers = None, FrameNumbers()

    def _open_context(self, av: Any) -> Any:
        if self._context is None:
            self._context = av.CodecContext.create('h264', 'r')
            # One picture for each packet, at once.
            self._context.thread_type = 'NONE'
            self._context.thread_count = 1
            self._context.options = {'flags': 'low_delay', 'max_pixels': str(MOST_PIXELS)}
        return self._context
