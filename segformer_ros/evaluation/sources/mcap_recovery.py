# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Read an MCAP file whose end is missing: a full disk, a crash, an interrupted copy.

The format (mcap.dev/spec) is magic bytes, records of one byte of type and eight of length, and
a footer. Whatever lies before the first incomplete record is sound, so a reader is given that
part with a footer of our own behind it. The file itself is not touched or copied.
"""

import io
import os
import struct
from typing import Any, IO, NamedTuple, Optional

MAGIC = b'\x89MCAP0\r\n'
HEADER_BYTES = 9
FOOTER_TYPE = 0x02

# Empty data end record; footer without summary (0), summary offsets (0) or checksum (0).
TAIL = (b'\x0f' + struct.pack('<QI', 4, 0) + b'\x02' + struct.pack('<QQQI', 20, 0, 0, 0) + MAGIC)


class Truncation(NamedTuple):
    """How much of a file is sound: bytes up to ``sound_end`` of ``file_bytes``."""

    sound_end: int
    file_bytes: int


def find_truncation(path: str) -> Optional[Truncation]:
    """
    Walk over the records without reading their content.

    :param path: an MCAP file
    :return: where the sound part ends, or None if the file is whole or not an MCAP file at all
    """
    file_bytes = os.path.getsize(path)
    with open(path, 'rb') as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            return None
        offset = len(MAGIC)
        while True:
            header = stream.read(HEADER_BYTES)
            if len(header) < HEADER_BYTES:
                return Truncation(offset, file_bytes)
            end = offset + HEADER_BYTES + int(struct.unpack('<Q', header[1:])[0])
            if end > file_bytes:
                return Truncation(offset, file_bytes)
            stream.seek(end)
            if header[0] == FOOTER_TYPE:
                return None if stream.read() == MAGIC else Truncation(offset, file_bytes)
            offset = end


class RepairedFile:
    """
    The sound part of an MCAP file, in the place of a ``pathlib.Path`` to a whole one.

    :param path: the damaged file
    :param truncation: where its sound part ends
    """

    def __init__(self, path: str, truncation: Truncation) -> None:
        self._path = path
        self._sound_end = truncation.sound_end
        self.name = os.path.basename(path)
        self.suffix = '.mcap'

    def __str__(self) -> str:
        """Return the path of the damaged file."""
        return self._path

    def exists(self) -> bool:
        """Return that there is a file."""
        return True

    def is_dir(self) -> bool:
        """Return that it is not a folder."""
        return False

    def open(self, mode: str = 'rb') -> IO[bytes]:
        """
        Open the sound part with the tail behind it.

        :param mode: ``rb``
        """
        return io.BufferedReader(_Joined(open(self._path, mode), self._sound_end))


class _Joined(io.RawIOBase):
    """The beginning of one file, then :data:`TAIL`."""

    def __init__(self, stream: IO[bytes], sound_end: int) -> None:
        self._stream = stream
        self._sound_end = sound_end
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position,
                io.SEEK_END: self._sound_end + len(TAIL)}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = len(buffer)
        if self._position < self._sound_end:
            self._stream.seek(self._position)
            data = self._stream.read(min(wanted, self._sound_end - self._position))
        else:
            start = self._position - self._sound_end
            data = TAIL[start:start + wanted]
        buffer[:len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
