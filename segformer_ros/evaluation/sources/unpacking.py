# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Unpack what recordings hold, within bytes: 98 kB of zstd may stand for three gigabytes."""

import bz2
import importlib
import shutil
import sys
from typing import Any, Callable, List, Optional

from segformer_ros.common.errors import InvalidInputError

MOST_BYTES = 1 << 28
"""Of one chunk or message. Recorders make chunks of 1 to 4 MB, and of one message above that."""
MOST_FRAMES = 1024
"""Of one chunk or message; recorders make one. What follows a frame is copied."""
FREE_DISK = 1 << 30
"""Bytes that unpacking a file leaves free."""
_BLOCK = 1 << 20


def zstd() -> Any:
    """Return the module for zstd: of the standard library from 3.14 on, else of rosbags."""
    name = 'compression.zstd' if sys.version_info >= (3, 14) else 'backports.zstd'
    return importlib.import_module(name)


def unpack_zstd(data: bytes, size: Optional[int] = None) -> bytes:
    """
    Return the content of zstd frames.

    :param size: bytes that were promised, if any
    :raises InvalidInputError: more than promised, MOST_BYTES or MOST_FRAMES, or cut off
    """
    return _unpack(zstd().ZstdDecompressor, data, size)


def bound_rosbags() -> None:
    """Let rosbags unpack chunks within MOST_BYTES; by itself it believes every chunk."""
    mcap = importlib.import_module('rosbags.rosbag2.storage_mcap')
    ros1 = importlib.import_module('rosbags.rosbag1.reader')
    lz4 = importlib.import_module('lz4.frame').LZ4FrameDecompressor
    mcap.DECOMPRESSORS.update(
        zstd=unpack_zstd, lz4=lambda data, size: _unpack(lz4, data, size))
    ros1.decompressors.update(
        bz2=lambda data: _unpack(bz2.BZ2Decompressor, data, None),
        lz4=lambda data: _unpack(lz4, data, None))


def unpack_file(source: Any, path: str, folder: str) -> None:
    """
    Copy an open compressed file to another, and leave FREE_DISK.

    :param source: gives the content
    :param path: of the new file
    :param folder: whose disk it is on
    :raises InvalidInputError: the disk is too small
    """
    with open(path, 'wb') as sink:
        while True:
            block = source.read(_BLOCK)
            if not block:
                return
            free = shutil.disk_usage(folder).free
            if free < FREE_DISK + len(block):
                raise InvalidInputError(
                    'Disk too small to unpack a recording', got=f'{free} bytes free after '
                    f'{sink.tell()} unpacked', expected=f'more than {FREE_DISK} bytes left',
                    remedy='Set TMPDIR to a folder on a larger disk.')
            sink.write(block)


def _unpack(make: Callable[[], Any], data: bytes, size: Optional[int]) -> bytes:
    most = MOST_BYTES if size is None else size
    if most > MOST_BYTES:
        raise _too_much(f'{size} bytes promised')
    pieces: List[bytes] = []
    left = most
    while data:
        if len(pieces) == MOST_FRAMES:
            raise _too_much(f'more than {MOST_FRAMES} frames')
        decompressor = make()
        piece = decompressor.decompress(data, left + 1)
        left -= len(piece)
        if left < 0:
            raise _too_much(f'more than {most} bytes')
        if not decompressor.eof:
            raise InvalidInputError('Compressed data is cut off', got=f'{len(data)} bytes',
                                    expected='data up to their end')
        pieces.append(piece)
        data = decompressor.unused_data
    return b''.join(pieces)


def _too_much(got: str) -> InvalidInputError:
    return InvalidInputError('Compressed data unpacks to too much', got=got,
                             expected=f'what was promised, at most {MOST_BYTES} bytes')
