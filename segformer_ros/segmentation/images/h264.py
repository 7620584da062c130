# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Losses in a stream of H.264 packets, seen by the numbers of its pictures.

FFmpeg fills a gap with what it guesses, and says so in its log alone. Each picture that others
refer to has the next number (``frame_num``, ITU-T H.264, 7.4.3), so a gap can be seen.
"""

import itertools
from typing import Iterator, Optional

START = b'\0\0\1'
SLICE, KEY_SLICE, SEQUENCE = 1, 5, 7
"""Types of units: of a picture, of a key picture (IDR), and the stream's parameters."""
LONGEST_HEADER = 400
"""Bytes that are read of a unit; parameters with all scaling lists are shorter."""
MOST_UNITS = 64
"""Of a packet that are looked at before its first slice; encoders send four or five."""
HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)


class _Bits:
    """Reads a unit bit by bit; beyond its end an IndexError."""

    def __init__(self, unit: bytes) -> None:
        # 3 is put between two zeros and a small byte, so that no start code arises.
        self._bytes = unit.replace(b'\0\0\3', b'\0\0')
        self._at = 8

    def number(self, bits: int) -> int:
        """Return some bits as a number."""
        value = 0
        for _ in range(bits):
            value = value << 1 | self._bytes[self._at >> 3] >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def code(self) -> int:
        """Return an Exp-Golomb code."""
        zeros = 0
        while not self.number(1):
            zeros += 1
            if zeros > 31:
                raise IndexError('no code is as long')
        return (1 << zeros) - 1 + self.number(zeros)


class FrameNumbers:
    """Follows the numbers of the pictures of one stream."""

    def __init__(self) -> None:
        self._bits = 0
        self._separate = False
        self._last: Optional[int] = None

    def follows(self, packet: bytes) -> bool:
        """
        Return whether a packet is a key picture, or follows the last one without a gap.

        After a gap nothing follows until the next key picture. A loss of exactly as many
        pictures as there are numbers, 16 at least, or as lie between two key pictures, cannot be
        seen.
        """
        try:
            for unit in itertools.islice(_units(packet), MOST_UNITS):
                kind = unit[0] & 31
                if kind == SEQUENCE:
                    self._read_sequence(_Bits(unit))
                elif kind in (SLICE, KEY_SLICE):
                    return self._follows(unit, kind)
        except IndexError:
            self._last = None
        return False

    def _read_sequence(self, bits: _Bits) -> None:
        profile = bits.number(8)
        bits.number(16)
        bits.code()
        self._separate = False
        if profile in HIGH_PROFILES:
            chroma = bits.code()
            if chroma == 3:
                self._separate = bool(bits.number(1))
            bits.code()
            bits.code()
            bits.number(1)
            if bits.number(1):
                for number in range(12 if chroma == 3 else 8):
                    if bits.number(1):
                        _skip_scaling_list(bits, 16 if number < 6 else 64)
        self._bits = bits.code() + 4

    def _follows(self, unit: bytes, kind: int) -> bool:
        if not 4 <= self._bits <= 16:
            return False
        bits = _Bits(unit)
        for _ in range(3):
            bits.code()
        if self._separate:
            bits.number(2)
        number = bits.number(self._bits)
        good = kind == KEY_SLICE or (
            self._last is not None and number == (self._last + 1) % (1 << self._bits))
        if not good:
            self._last = None
        elif unit[0] >> 5 & 3:
            # Others refer to it.
            self._last = number
        return good


def _units(packet: bytes) -> Iterator[bytes]:
    at = packet.find(START)
    while at >= 0:
        at += len(START)
        following = packet.find(START, at, at + LONGEST_HEADER)
        yield packet[at:following if following >= 0 else at + LONGEST_HEADER]
        at = packet.find(START, at)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.code()
            following = (last + (code + 1 >> 1) * (1 if code & 1 else -1)) % 256
        last = following or last
