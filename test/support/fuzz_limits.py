# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Targets whose bytes say how much there is of something: sizes, scans, aliases, archives, frames.

Bytes that are changed at random never become a picture of three million pixels or a JPEG of
400 scans. Here few bytes choose the numbers, the input is built of them, and what comes out is
held to what it may cost. An input that ought to be taken must be taken, too.
"""

import bz2
import hashlib
import importlib.util
import os
import socketserver
import struct
import threading
import types
import unittest.mock
import weakref
import zlib

import cv2
import numpy as np
from segformer_ros.common import image_header
from segformer_ros.common import strict_yaml
from segformer_ros.common.compiled.kernel_cache import KernelCache
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ModelError
from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer
from segformer_ros.costmap.projection.depth_image import decode_compressed_depth
from segformer_ros.costmap.projection.depth_image import depth_of_image
from segformer_ros.evaluation.sources import unpacking
from segformer_ros.evaluation.sources.bag_files import BagPart
from segformer_ros.evaluation.sources.bag_reader import BagPartReader
from segformer_ros.model.weights import download
from segformer_ros.model.weights import hub_client
from segformer_ros.model.weights.hub_name import HubName
from segformer_ros.ros.io.shared_memory import shared_memory_trouble
from segformer_ros.segmentation.exact_argmax import upsampling_axis
from segformer_ros.segmentation.images.compressed import compressed_to_rgb
from segformer_ros.segmentation.images.decoding import image_to_rgb
from segformer_ros.segmentation.pillow_resize import resize_axis
from support.fuzz_input import accepts
from support.fuzz_input import error_of
from support.fuzz_input import file_of
from support.fuzz_input import FOLDER
from support.fuzz_input import Numbers

MEGA = 1 << 20
LARGEST_TABLE = 2 * MEGA
"""Bytes of one table of one axis for a picture that was taken."""
LARGEST_CACHE = 16 * MEGA
LARGEST_PICTURE = 1 << 26
"""Pixels of a picture that is taken."""
NETWORK = (512, 128)
"""Pixels of what a network takes, and of what it gives."""


def picture_sizes(data):
    """Take a raw picture of any size, and make the tables of its axes."""
    numbers = Numbers(data)
    width, height = numbers.size(27), numbers.size(27)
    pixels = width * height
    # rgb8 is looked at where it lies, and zeros that nobody reads take no memory.
    content = np.zeros(3 * pixels if pixels <= 2 * LARGEST_PICTURE else 0, np.uint8)
    message = types.SimpleNamespace(
        height=height, width=width, step=3 * width, encoding='rgb8', is_bigendian=0, data=content)
    if not accepts(image_to_rgb, message):
        # What cameras send: 16 to 9504 pixels a side, at most three times as wide as high.
        usual = min(width, height) >= 16 and max(width, height) <= 3 * min(width, height)
        assert not usual or pixels > LARGEST_PICTURE * 3 // 4, (width, height)
        return False
    longer, shorter = max(width, height), min(width, height)
    assert pixels <= LARGEST_PICTURE and longer <= 16384
    assert longer <= 1024 or longer <= 64 * shorter
    for side in (width, height):
        for table in (resize_axis(side, NETWORK[0]), upsampling_axis(NETWORK[1], side)):
            held = sum(array.nbytes for array in table)
            assert held <= LARGEST_TABLE, f'{held} bytes for {width} x {height} pixels'
    return True


_TABLES = []


def table_caches(data):
    """Ask for tables of ever new sizes: what is kept of each kind is bounded."""
    numbers = Numbers(data)
    make = numbers.one_of((resize_axis, upsampling_axis))
    for _ in range(8):
        # A process of fuzzing lives long: what one call leaves behind counts for the next.
        table = make(1 + numbers.take('H') % 16384, 1 + numbers.take('H') % 8192)
        _TABLES.append((make, weakref.ref(table.first if make is resize_axis else table.lower),
                        sum(array.nbytes for array in table)))
    del table
    alive = {id(kept()): (maker, size) for maker, kept, size in _TABLES if kept() is not None}
    _TABLES[:] = [entry for entry in _TABLES if entry[1]() is not None]
    held = sum(size for maker, size in alive.values() if maker is make)
    assert held <= LARGEST_CACHE, f'{held} bytes of {make.__name__}'
    return True


def _progressive():
    picture = np.random.RandomState(0).randint(0, 256, (24, 32, 3)).astype(np.uint8)
    whole = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last, end = whole.rfind(b'\xff\xda'), whole.rfind(b'\xff\xd9')
    return whole[:end], whole[last:end]


_WHOLE, _SCAN = _progressive()
_SIZE_AT = _WHOLE.index(b'\xff\xc2') + 5
_BETWEEN = (b'', b'', b'rubbish', b'\xff\x00', b'\xff\xff\xff', b'\xff\xd0', b'\xff\xfe\x00\x02')


def jpeg_scans(data):
    """Read a JPEG of any size with any number of scans, and rubbish between them."""
    numbers = Numbers(data)
    width, height = 1 + numbers.size(15), 1 + numbers.size(15)
    more, comments = numbers.size(10), numbers.size(13)
    between = numbers.one_of(_BETWEEN)
    content = bytearray(_WHOLE)
    content[_SIZE_AT:_SIZE_AT + 4] = struct.pack('>HH', height, width)
    content[2:2] = b'\xff\xfe\x00\x02' * comments
    content += (between + _SCAN) * more + b'\xff\xd9'
    scans = _WHOLE.count(b'\xff\xda') + more
    error = error_of(image_header.jpeg_header, bytes(content))
    if error is not None:
        # What encoders make of a camera's picture.
        usual = more + comments < 20 and max(width, height) <= 2048 and \
            min(width, height) >= 16 and max(width, height) <= 3 * min(width, height)
        assert not usual, str(error)
        return False
    assert scans <= 64 and comments <= 4096
    assert scans * width * height <= 1 << 28
    if width * height <= 32 * 24:
        accepts(compressed_to_rgb, types.SimpleNamespace(format='jpeg', data=bytes(content)))
    return True


def _chunk(kind, content):
    return struct.pack('>I', len(content)) + kind + content + struct.pack(
        '>I', zlib.crc32(kind + content))


_TEXT = b'k\0\0' + zlib.compress(bytes(1000))
_CHUNKS = {b'tEXt': b'k\0v', b'zTXt': _TEXT, b'iTXt': _TEXT, b'gAMA': bytes(4),
           b'acTL': bytes(8), b'iCCP': _TEXT, b'eXIf': bytes(8)}


def png_chunks(data):
    """Read a PNG of any size with any number of chunks of each kind."""
    numbers = Numbers(data)
    width, height = 1 + numbers.size(17), 1 + numbers.size(17)
    counts = dict.fromkeys(_CHUNKS, 0)
    pieces = [image_header.PNG_START,
              _chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))]
    for _ in range(3):
        kind = numbers.one_of(sorted(_CHUNKS))
        count = numbers.size(8)
        counts[kind] += count
        pieces += [_chunk(kind, _CHUNKS[kind])] * count
    rows = zlib.compress(bytes(height * (1 + 3 * width))) if width * height <= 4096 else b'\0'
    pieces += [_chunk(b'IDAT', rows), _chunk(b'IEND', b'')]
    content = b''.join(pieces)
    error = error_of(image_header.png_header, content)
    texts = counts[b'zTXt'] + counts[b'iTXt']
    if error is not None:
        usual = not texts and not counts[b'acTL'] and sum(counts.values()) <= 40 and \
            max(width, height) <= 1024
        assert not usual, str(error)
        return False
    assert texts <= 8 and not counts[b'acTL'] and width * height <= LARGEST_PICTURE
    assert sum(counts.values()) < 64
    if width * height <= 4096:
        accepts(compressed_to_rgb, types.SimpleNamespace(format='png', data=content))
    return True


_TOKENS = ('a', 'b', ' ', '\n', '- ', ': ', '[', ']', '{', '}', ', ', '&a ', '&b ', '*a', '*b',
           '<<: ', 'x', '0', '"', "'", '#', '? ', '!!str ', '!!set ', '|\n', '--- ', '\n  ', '~')


def yaml_aliases(data):
    """Read YAML put together of its own signs: no value is there twice."""
    text = 'a: ' + ''.join(_TOKENS[byte % len(_TOKENS)] for byte in data)
    path = file_of(text.encode(), '.yaml')
    found = []
    error = error_of(lambda: found.append(strict_yaml.read_mapping(path)))
    accepts(strict_yaml.read_node, path)
    if error is not None:
        return False
    seen, todo = {}, list(found)
    while todo:
        value = todo.pop()
        if isinstance(value, (dict, list, set)):
            assert id(value) not in seen, f'one value stands twice: {text!r}'
            seen[id(value)] = value
            todo += [each for pair in value.items() for each in pair] \
                if isinstance(value, dict) else list(value)
    return True


def _packers():
    import lz4.frame
    return {'zstd': unpacking.zstd().compress, 'lz4': lz4.frame.compress, 'bz2': bz2.compress}


def bag_of_one_chunk(compression, promised, packed):
    """Return an MCAP file of one chunk of packed bytes."""
    def record(kind, content):
        return bytes([kind]) + struct.pack('<Q', len(content)) + content

    def text(value):
        return struct.pack('<I', len(value)) + value
    chunk = struct.pack('<QQQI', 0, 0, promised, 0) + text(compression.encode()) + \
        struct.pack('<Q', len(packed)) + packed
    magic = b'\x89MCAP0\r\n'
    return magic + record(1, text(b'ros2') + text(b'')) + record(6, chunk) + \
        record(15, bytes(4)) + record(2, bytes(20)) + magic


def zips(data):
    """Unpack what promises one size and has another."""
    from rosbags.rosbag1.reader import decompressors
    unpacking.bound_rosbags()
    numbers = Numbers(data)
    compression = numbers.one_of(('zstd', 'lz4', 'bz2'))
    size, parts = numbers.size(21), 1 + numbers.take('B') % 3
    promised = size * parts + numbers.one_of((0, 0, 1, -1, -100)) if numbers.take('B') % 2 \
        else numbers.size(32) * 4
    promised = max(0, promised)
    packed = _packers()[compression](bytes(size)) * parts
    is_whole = numbers.take('B') % 4 != 3
    if not is_whole:
        packed = packed[:-1 - numbers.take('B') % 8]
    found = []
    if compression == 'bz2':
        with unittest.mock.patch.object(unpacking, 'MOST_BYTES', promised):
            error = error_of(lambda: found.append(decompressors['bz2'](packed)))
    else:
        part = BagPart(file_of(bag_of_one_chunk(compression, promised, packed), '.mcap'), 'mcap')

        def read():
            with BagPartReader(part) as reader:
                found.extend(reader.messages())
        error = error_of(read)
        # Zeros are no records: whole ones are unpacked, and then refused as damaged.
        if is_whole and (promised > 1 << 28 or size * parts > promised):
            assert error is not None and 'too much' in str(error), (size, promised, str(error))
        if compression == 'zstd':
            error = error_of(
                lambda: found.append(unpacking.unpack_zstd(packed, promised)))
    if error is None:
        assert all(len(each) <= promised for each in found if isinstance(each, bytes))
        return True
    assert not is_whole or size * parts > promised or promised > 1 << 28 or \
        compression == 'lz4', str(error)
    return False


def _robot():
    buffer = TransformBuffer()
    for parent, child, static in (('odom', 'base', False), ('base', 'mount', True),
                                  ('mount', 'camera', True)):
        buffer.insert(parent, child, 1.0, (0, 0, 0), (0, 0, 0, 1), static)
    buffer.lookup('odom', 'camera', 1.0)
    return buffer


_POSES = [_robot(), 0]


def invented_frames(data):
    """Take transforms of ever new frames in: memory is bounded, and the robot's own stay."""
    buffer = _POSES[0]
    numbers = Numbers(data)
    length, static = numbers.size(13), bool(numbers.take('B') % 2)
    parent = numbers.one_of(('odom', 'base', 'camera', 'stranger', 'p' * length))
    for _ in range(numbers.take('B')):
        _POSES[1] += 1
        child = f'{_POSES[1]:x}'.ljust(length, 'c')
        accepts(buffer.insert, parent, child, 1.0, (0, 0, 0), (0, 0, 0, 1), static)
    accepts(buffer.lookup, 'odom', 'x' * numbers.size(20), 1.0)
    longest = max(max(len(child), len(edge.parent)) for child, edge in buffer._edges.items())
    assert longest <= 256 and len(buffer._edges) <= 4096, (longest, len(buffer._edges))
    assert np.array_equal(buffer.lookup('odom', 'camera', 1.0), np.eye(4))
    return True


_LIBRARY = np.random.RandomState(1).bytes(4096)
_NAME = 'kernels-fuzz'


def kernel_library(data):
    """Damage a library in the cache, or its record: what was changed is never given out."""
    numbers = Numbers(data)
    folder = os.path.join(FOLDER, 'kernels')
    os.makedirs(folder, mode=0o700, exist_ok=True)
    cache = KernelCache(folder)
    path = cache.temporary('.so')
    with open(path, 'wb') as stream:
        stream.write(_LIBRARY)
    cache.store(_NAME, path, sha256_of(path), 'cc')
    library = bytearray(_LIBRARY)
    suffix = numbers.one_of(('.so', '.so', '.json'))
    with open(cache.path(_NAME, suffix), 'rb') as stream:
        library = bytearray(stream.read())
    # Cut, changed, written over or left as it is.
    for _ in range(numbers.take('B') % 3):
        at = numbers.take('H') % (len(library) + 1)
        library[at:at + numbers.take('B') % 4] = bytes([numbers.take('B')])
    with open(cache.path(_NAME, suffix), 'wb') as stream:
        stream.write(library)
    given = []

    def find():
        record = cache.find(_NAME)
        given.append(cache.check_payload(_NAME, record.sha256))
    if error_of(find) is not None:
        return False
    with open(given[0], 'rb') as stream:
        digest = hashlib.sha256(stream.read()).digest()
    assert digest == hashlib.sha256(_LIBRARY).digest(), 'a changed library was given out'
    return True


def hub_answer(data):
    """Read what a server says of a repository."""
    found = []
    with unittest.mock.patch.object(hub_client, '_read', lambda url, sleep: data):
        error = error_of(lambda: found.append(hub_client.describe(
            HubName('org', 'model', 'main', None), 'main')))
    if error is not None:
        assert isinstance(error, ModelError)
        return False
    for path in found[0].files:
        assert not os.path.isabs(path) and '..' not in path.split('/') and '\\' not in path
    shown = found[0].license.name
    assert len(shown) < 1000 and shown.isprintable(), repr(shown)
    return True


class _Answers(socketserver.StreamRequestHandler):
    """Sends the bytes of the moment, whatever is asked."""

    def handle(self):
        self.rfile.readline()
        self.wfile.write(self.server.answer)


_SERVERS = []


def http_answer(data):
    """Download from a server that answers with these bytes."""
    if not _SERVERS:
        server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), _Answers)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _SERVERS.append(server)
    _SERVERS[0].answer = data
    part = os.path.join(FOLDER, 'part')
    download.discard(part)
    with unittest.mock.patch.dict(os.environ, {'no_proxy': '127.0.0.1'}), \
            unittest.mock.patch.object(download, '_log'):
        error = error_of(lambda: download.transfer(
            f'http://127.0.0.1:{_SERVERS[0].server_address[1]}/file', part,
            sleep=lambda seconds: None, limit=2000), is_logged=False)  # a command tells it once
    assert error is None or isinstance(error, ModelError)
    assert not os.path.exists(part) or os.path.getsize(part) <= 2000
    return error is None


def dds_profile(data):
    """Read a profile of Fast DDS, with little or much shared memory: too little is told."""
    numbers = Numbers(data)
    segment, whole, free = (numbers.size(32) for _ in range(3))
    free = min(free, whole)
    text = numbers.rest() + b'<segment_size>%d</segment_size>' % segment
    path = file_of(text, '.xml')
    with unittest.mock.patch.object(os, 'statvfs', lambda folder: types.SimpleNamespace(
            f_frsize=1, f_blocks=whole, f_bavail=free)):
        told = shared_memory_trouble({'FASTDDS_DEFAULT_PROFILES_FILE': path})
    assert len(told) < 1000
    if b'segment_size' not in numbers.rest():
        # The camera's process and this one take a segment each; this one needs its own now.
        assert bool(told) == (free < segment or whole < segment + segment), told
    return told == ''


def message_texts(data):
    """Read images whose texts are a stranger's: no kind of error is made of them."""
    text = data.decode('utf-8', 'replace')
    raw = types.SimpleNamespace(
        encoding=text, height=2, width=2, step=8, is_bigendian=0, data=bytes(16))
    compressed = types.SimpleNamespace(format=text, data=_WHOLE + b'\xff\xd9')
    return accepts(image_to_rgb, raw) | accepts(compressed_to_rgb, compressed) | accepts(
        depth_of_image, raw) | accepts(decode_compressed_depth, compressed.data, text)


class _Lines:
    """A logger that counts."""

    def __init__(self):
        self.count = 0

    def error(self, text):
        self.count += 1


_LOG = []


def log_lines(data):
    """Log ever new kinds: within any five seconds there is a bounded number of lines."""
    from segformer_ros.ros.io.logging import Throttle
    if not _LOG:
        lines, now = _Lines(), [0.0]
        _LOG.extend((lines, now, Throttle(lines, lambda: now[0]), []))
    lines, now, throttle, written = _LOG
    numbers = Numbers(data)
    for _ in range(numbers.take('B')):
        now[0] += numbers.take('B') / 1000.0
        before = lines.count
        throttle.error(f'kind {numbers.take("H")}', 'text')
        written += [now[0]] * (lines.count - before)
    written[:] = [when for when in written if when > now[0] - 5.0]
    assert len(written) <= 64, f'{len(written)} lines in five seconds'
    return True


TARGETS = {function.__name__: function for function in (
    picture_sizes, table_caches, jpeg_scans, png_chunks, yaml_aliases, invented_frames,
    kernel_library, hub_answer, http_answer, dds_profile, message_texts)}
if importlib.util.find_spec('rosbags') is not None:
    TARGETS['zips'] = zips
if importlib.util.find_spec('rclpy') is not None:
    TARGETS['log_lines'] = log_lines


def _size(number, bits):
    """Return what Numbers.size reads as a number."""
    length = number.bit_length()
    return struct.pack('<IB', number << (32 - length) if length else 0, length)


def seeds():
    """Return inputs of each target that are taken."""
    found = {
        'picture_sizes': [_size(640, 27) + _size(480, 27), _size(1, 27) + _size(900, 27)],
        'table_caches': [b'\0' + struct.pack('<HH', 640, 512) * 8,
                         b'\1' + struct.pack('<HH', 160, 1080) * 8],
        'jpeg_scans': [_size(31, 15) + _size(23, 15) + _size(2, 10) + _size(1, 13) + b'\2'],
        'png_chunks': [_size(7, 17) + _size(5, 17) + b'\4' + _size(2, 8) + b'\6' + _size(1, 8)],
        # a: [x, {b: 0}], and a: &a [x] with an anchor that nobody uses, also in a list.
        'yaml_aliases': [bytes([6, 16, 10, 8, 1, 5, 17, 9, 7]), bytes([11, 6, 16, 7]),
                         bytes([6, 11, 6, 16, 7, 10, 16, 7])],
        'invented_frames': [_size(9, 13) + b'\0\0\x20' + _size(5, 20)],
        'kernel_library': [bytes(8)],
        'hub_answer': [b'{"sha": "' + b'a' * 40 + b'", "siblings": [{"rfilename": "model.onnx", '
                       b'"size": 5, "blobId": "' + b'b' * 40 + b'"}], "cardData": {"license": '
                       b'["mit"], "license_name": "x"}, "tags": ["license:mit"]}'],
        'http_answer': [b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: "a"\r\n\r\nabc',
                        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
                        b'3\r\nabc\r\n0\r\n\r\n'],
        'dds_profile': [_size(1 << 24, 32) + _size(1 << 26, 32) * 2 + b'<dds/>'],
        'message_texts': [b'rgb8', b'rgb8; jpeg compressed bgr8', b'bayer_rggb8; jpeg compressed']}
    if 'zips' in TARGETS:
        found['zips'] = [kind + _size(1000, 21) + b'\0\1\0\0' for kind in (b'\0', b'\2')]
    if 'log_lines' in TARGETS:
        found['log_lines'] = [b'\x20' + bytes(range(96))]
    return found
