#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure what hostile inputs cost: the right column of a table in docs/reliability.md.

``python tools/measure/hostile_inputs.py [NAME ...]`` runs each case in a process of its own and
prints its processor time, the growth of its memory, and what came of the input.
"""

import argparse
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
import types
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'test')]


def refusal(function, *arguments):
    """Return the sentence with which something is refused."""
    from segformer_ros.common.errors import SegformerRosError
    try:
        function(*arguments)
    except SegformerRosError as error:
        return f'refused: {str(error)[:100]}'
    return 'taken'


def raw_image():
    """Raw image of 1 x 3,000,000 pixels."""
    from segformer_ros.segmentation.images.decoding import image_to_rgb
    return lambda: refusal(image_to_rgb, types.SimpleNamespace(
        width=1, height=3000000, step=1, encoding='mono8', is_bigendian=0, data=bytes(3000000)))


def progressive_jpeg():
    """Progressive JPEG of 2048 x 2048 pixels with 400 scans."""
    import cv2
    import numpy as np
    from segformer_ros.segmentation.images.compressed import compressed_to_rgb
    whole = cv2.imencode('.jpg', np.zeros((2048, 2048, 3), np.uint8),
                         [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last, end = whole.rfind(b'\xff\xda'), whole.rfind(b'\xff\xd9')
    data = whole[:end] + whole[last:end] * 400 + whole[end:]
    return lambda: refusal(compressed_to_rgb, types.SimpleNamespace(format='jpeg', data=data))


def png_texts():
    """PNG with 900 compressed texts of 8 MB."""
    from segformer_ros.segmentation.images.compressed import compressed_to_rgb

    def chunk(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack(
            '>I', zlib.crc32(kind + content))
    text = chunk(b'zTXt', b'k\0\0' + zlib.compress(bytes(8000000)))
    data = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 4, 8, 2, 0, 0, 0)) \
        + text * 900 + chunk(b'IDAT', zlib.compress(bytes(52))) + chunk(b'IEND', b'')
    return lambda: refusal(compressed_to_rgb, types.SimpleNamespace(format='png', data=data))


def png_chunks():
    """PNG of 1 MB with 60,000 chunks that libpng writes a line on."""
    from segformer_ros.segmentation.images.compressed import compressed_to_rgb

    def chunk(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack(
            '>I', zlib.crc32(kind + content))
    data = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 4, 8, 2, 0, 0, 0)) \
        + chunk(b'gAMA', bytes(4)) * 60000 + chunk(b'IDAT', zlib.compress(bytes(52))) \
        + chunk(b'IEND', b'')
    return lambda: refusal(compressed_to_rgb, types.SimpleNamespace(format='png', data=data))


def fill_bytes():
    """JPEG with 80,000 fill bytes of no marker in its scan."""
    import cv2
    import numpy as np
    from segformer_ros.common.image_header import jpeg_header
    whole = cv2.imencode('.jpg', np.zeros((480, 640, 3), np.uint8))[1].tobytes()
    return lambda: refusal(jpeg_header, whole[:-2] + b'\xff' * 80000 + b'\0' + whole[-2:])


def image_sizes():
    """Images of 2,000 sizes, each with its tables."""
    import random
    from segformer_ros.segmentation.exact_argmax import upsampling_axis
    from segformer_ros.segmentation.pillow_resize import resize_axis
    chance = random.Random(1)

    def run():
        for _ in range(2000):
            side = chance.randint(16, 8000)
            resize_axis(side, 512)
            upsampling_axis(128, side)
        return 'taken'
    return run


def long_names():
    """150 transforms with names of 3 MB."""
    from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer
    buffer = TransformBuffer()

    def run():
        for number in range(150):
            found = refusal(buffer.insert, 'odom', f'{number}'.ljust(3000000, 'x'), 1.0,
                            (0, 0, 0), (0, 0, 0, 1))
        return found
    return run


def slashes():
    """150 transforms of one frame with 3 million slashes and more before its name."""
    import threading
    from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer
    from segformer_ros.ros.io.transforms import BufferedTransforms
    buffer = BufferedTransforms.__new__(BufferedTransforms)  # without a node
    buffer._lock, buffer._newest = threading.Lock(), {}
    buffer._buffer = TransformBuffer()
    made = types.SimpleNamespace
    pose = made(translation=made(x=0.0, y=0.0, z=0.0), rotation=made(x=0.0, y=0.0, z=0.0, w=1.0))

    def run():
        for number in range(150):
            buffer._insert(made(transforms=[made(
                header=made(frame_id='odom', stamp=made(sec=1, nanosec=0)), transform=pose,
                child_frame_id='/' * (3000000 + number) + 'base')]), False)
        return f'{len(buffer._newest)} names'
    return run


def invented_frames():
    """100,000 invented frames; then the robot's own are asked for."""
    from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer
    buffer = TransformBuffer()
    buffer.insert('base', 'camera', 1.0, (0, 0, 0), (0, 0, 0, 1), True)
    buffer.lookup('base', 'camera', 1.0)

    def run():
        for number in range(100000):
            buffer.insert('odom', f'frame_{number}', 1.0, (0, 0, 0), (0, 0, 0, 1))
        return 'camera: ' + refusal(buffer.lookup, 'base', 'camera', 1.0)
    return run


def alias_bomb():
    """399 bytes of YAML with nested aliases."""
    from segformer_ros.common.strict_yaml import read_mapping
    lines = ['a: &a [x, x, x, x, x, x, x, x, x]'] + [
        f'{here}: &{here} [{", ".join(["*" + above] * 9)}]' for above, here in zip(
            'abcdefgh', 'bcdefghi')]
    with tempfile.NamedTemporaryFile('w', suffix='.yaml', delete=False) as stream:
        stream.write('\n'.join(lines)[:399])
    return lambda: refusal(read_mapping, stream.name)


def bag_bomb():
    """Recording with a chunk of 98 kB that unpacks to 3 GB."""
    from segformer_ros.evaluation.sources.bag_files import BagPart
    from segformer_ros.evaluation.sources.bag_reader import BagPartReader
    from support.fuzz_limits import bag_of_one_chunk
    from segformer_ros.evaluation.sources import unpacking
    packer = unpacking.zstd().ZstdCompressor()
    packed = b''.join(packer.compress(bytes(1 << 20)) for _ in range(3000)) + packer.flush()
    with tempfile.NamedTemporaryFile(suffix='.mcap', delete=False) as stream:
        stream.write(bag_of_one_chunk('zstd', 1000, packed))

    def read():
        with BagPartReader(BagPart(stream.name, 'mcap')) as reader:
            list(reader.messages())
    return lambda: refusal(read)


def empty_frames():
    """Recording with a chunk of 1.8 MB that is 200,000 empty frames of zstd."""
    from segformer_ros.evaluation.sources import unpacking
    data = unpacking.zstd().compress(b'') * 200000
    return lambda: refusal(unpacking.unpack_zstd, data)


def damaged_kernels():
    """20 damages of the compiled kernels, each followed by a start."""
    import random
    folder = tempfile.mkdtemp()
    start = [sys.executable, '-c', 'from segformer_ros.segmentation.kernel_build import '
             'load_kernels; raise SystemExit(load_kernels().kernels is None)']
    environment = dict(os.environ, SEGFORMER_ROS_CACHE=folder, PYTHONPATH=ROOT)
    subprocess.check_call(start, env=environment)
    kernels = os.path.join(folder, 'kernels')
    library = os.path.join(kernels, next(
        name for name in os.listdir(kernels) if name.endswith('.so')))
    with open(library, 'rb') as stream:
        whole = stream.read()

    def run():
        chance = random.Random(1)
        deaths = 0
        for number in range(20):
            damaged = bytearray(whole)
            for _ in range(200):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            with open(library, 'wb') as stream:
                stream.write(damaged if number % 2 else damaged[:chance.randrange(len(damaged))])
            deaths += subprocess.call(start, env=environment, stderr=subprocess.DEVNULL) != 0
        return f'{deaths} of 20 starts died or had no kernels'
    return run


def log_of_a_day():
    """Images of an encoding of 1 MB, another one each time, 30 a second for a day."""
    from segformer_ros.common.errors import InvalidInputError
    from segformer_ros.ros.io.logging import Throttle
    from segformer_ros.segmentation.images.decoding import image_to_rgb
    written = [0]
    now = [0.0]
    logger = types.SimpleNamespace(
        warning=lambda text: written.__setitem__(0, written[0] + len(text.encode())))
    throttle = Throttle(logger, lambda: now[0])
    message = types.SimpleNamespace(width=1, height=1, step=1, is_bigendian=0, data=b'0')

    def run():
        for number in range(30 * 600):
            now[0] += 1 / 30
            message.encoding = str(number).ljust(1000000, 'x')
            try:
                image_to_rgb(message)
            except InvalidInputError as error:
                throttle.warning(error.problem, str(error))
        return f'{144 * written[0] / 1e6:.0f} MB a day, from ten minutes of it'
    return run


CASES = {case.__name__: case for case in (
    raw_image, progressive_jpeg, png_texts, png_chunks, fill_bytes, image_sizes, long_names,
    slashes, invented_frames, alias_bomb, bag_bomb, empty_frames, damaged_kernels, log_of_a_day)}


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('names', nargs='*', metavar='NAME', help=', '.join(CASES))
    parser.add_argument('--here', action='store_true', help='in this process')
    options = parser.parse_args()
    for name in options.names or CASES:
        if not options.here:
            subprocess.call([sys.executable, __file__, '--here', name])
            continue
        run = CASES[name]()
        # The largest a process ever was cannot be set back: what was prepared counts as before.
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        found = run()
        took = time.process_time() - started
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f'{CASES[name].__doc__} {took:.3f} s of processor, {grown / 1024:.0f} MB more; '
              f'{found}', flush=True)


if __name__ == '__main__':
    main()
