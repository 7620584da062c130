# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recordings whose compressed parts stand for more than they say, or than any recorder writes."""

import bz2
import collections
import io
import resource
import struct

import pytest
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.sources import unpacking
from segformer_ros.evaluation.sources.bag_files import BagPart
from segformer_ros.evaluation.sources.bag_reader import BagPartReader

pytest.importorskip('rosbags')
lz4 = pytest.importorskip('lz4.frame')

PACKERS = {'zstd': lambda data: unpacking.zstd().compress(data), 'lz4': lz4.compress}
PROMISED = 1000


def record(kind, content):
    return bytes([kind]) + struct.pack('<Q', len(content)) + content


def text(value):
    return struct.pack('<I', len(value)) + value


def mcap(path, compression, promised, data):
    """Write an MCAP file of one chunk."""
    chunk = struct.pack('<QQQI', 0, 0, promised, 0) + text(compression.encode()) + \
        struct.pack('<Q', len(data)) + data
    magic = b'\x89MCAP0\r\n'
    path.write_bytes(magic + record(1, text(b'ros2') + text(b'')) + record(6, chunk)
                     + record(15, bytes(4)) + record(2, bytes(20)) + magic)
    return BagPart(str(path), 'mcap')


def read(part):
    with BagPartReader(part) as reader:
        return list(reader.messages())


@pytest.mark.parametrize('compression', sorted(PACKERS))
def test_chunk_that_holds_more_than_it_promises_is_refused_by_real_size(tmp_path, compression):
    bomb = PACKERS[compression](bytes(1 << 29))
    part = mcap(tmp_path / 'bomb.mcap', compression, PROMISED, bomb)
    del bomb
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidInputError, match='unpacks to too much: got more than 1000 bytes'):
        read(part)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100000


@pytest.mark.parametrize('compression', sorted(PACKERS))
def test_chunk_that_promises_too_much_is_refused_by_its_declared_size(tmp_path, compression):
    part = mcap(tmp_path / 'bomb.mcap', compression, 3 << 30, PACKERS[compression](bytes(9)))
    with pytest.raises(InvalidInputError, match='3221225472 bytes promised'):
        read(part)


@pytest.mark.parametrize('size, is_taken', [(PROMISED, True), (PROMISED + 1, False)])
def test_content_of_the_promised_size_is_taken_and_one_byte_more_is_not(size, is_taken):
    frames = PACKERS['zstd'](bytes(400)) + PACKERS['zstd'](bytes(size - 400))
    if is_taken:
        assert unpacking.unpack_zstd(frames, PROMISED) == bytes(size)
    else:
        with pytest.raises(InvalidInputError, match='too much'):
            unpacking.unpack_zstd(frames, PROMISED)


@pytest.mark.parametrize('pack', [*PACKERS.values(), bz2.compress])
def test_frames_of_nothing_are_counted(pack):
    # Each was cut off the rest, which was copied: 1.8 MB of them took 8 s, 18 MB a quarter of
    # an hour.
    make = {bz2.compress: bz2.BZ2Decompressor, lz4.compress: lz4.LZ4FrameDecompressor}.get(
        pack, unpacking.zstd().ZstdDecompressor)
    parts = [pack(b'ab'), pack(b''), pack(b'c')]
    assert unpacking._unpack(make, b''.join(parts), None) == b'abc'
    most = unpacking.MOST_FRAMES
    assert unpacking._unpack(make, pack(b'a') * most, None) == b'a' * most
    with pytest.raises(InvalidInputError, match=f'more than {most} frames'):
        unpacking._unpack(make, pack(b'') * (most + 1), None)


def test_cut_off_data_are_told():
    with pytest.raises(InvalidInputError, match='cut off'):
        unpacking.unpack_zstd(PACKERS['zstd'](bytes(range(256)) * 9)[:-3])


def test_chunks_of_ros_1_are_bounded_too(monkeypatch):
    monkeypatch.setattr(unpacking, 'MOST_BYTES', PROMISED)
    unpacking.bound_rosbags()
    from rosbags.rosbag1.reader import decompressors
    for name, pack in (('bz2', bz2.compress), ('lz4', lz4.compress)):
        assert decompressors[name](pack(bytes(PROMISED))) == bytes(PROMISED)
        with pytest.raises(InvalidInputError, match='too much'):
            decompressors[name](pack(bytes(PROMISED + 1)))


def test_unpacking_a_file_leaves_the_disk_some_room(tmp_path, monkeypatch):
    usage = collections.namedtuple('usage', 'free')
    target = str(tmp_path / 'file')
    unpacking.unpack_file(io.BytesIO(b'whole'), target, str(tmp_path))
    with open(target, 'rb') as stream:
        assert stream.read() == b'whole'
    monkeypatch.setattr('shutil.disk_usage', lambda path: usage(unpacking.FREE_DISK + 4))
    with pytest.raises(InvalidInputError, match='Disk too small'):
        unpacking.unpack_file(io.BytesIO(b'whole'), target, str(tmp_path))
