# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Everything that reads what somebody else wrote, as functions of bytes.

Each target returns whether the bytes were accepted. An error of the package's own family is an
answer; anything else that comes out is a fault, whoever finds it: hypothesis in the tests, or
atheris in tools/fuzz.
"""

import array
import importlib.util
import json
import os
import struct
import tempfile
import types
import unittest.mock

import numpy as np
from segformer_ros.common.private_files import CACHE_VARIABLE
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry.camera_model import calibration_of
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer
from segformer_ros.costmap.projection.depth_image import decode_compressed_depth
from segformer_ros.costmap.projection.depth_image import depth_of_image
from segformer_ros.costmap.projection.ego_mask import ego_mask_from
from segformer_ros.costmap.projection.ego_mask import load_ego_mask
from segformer_ros.evaluation.metrics.label_map import load_label_map
from segformer_ros.evaluation.report.document import FORMAT
from segformer_ros.evaluation.report.document import read_json
from segformer_ros.evaluation.sources.bag_files import BagPart
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_reader import BagPartReader
from segformer_ros.evaluation.sources.mcap_recovery import find_truncation
from segformer_ros.evaluation.sources.mcap_recovery import MAGIC
from segformer_ros.evaluation.sources.mcap_recovery import RepairedFile
from segformer_ros.evaluation.sources.mcap_recovery import TAIL
from segformer_ros.inference.trt.cache import EngineCache
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.classes import load_grouping
from segformer_ros.model.huggingface import class_table_from_huggingface
from segformer_ros.model.huggingface import read_preprocessor
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.optimize.cache import OptimizedModelCache
from segformer_ros.model.spec import load_model_spec
from segformer_ros.ros.parameters.node import camera_rows
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.row import fault
from segformer_ros.segmentation.images.compressed import compressed_to_rgb
from segformer_ros.segmentation.images.compressed import encode_jpeg
from segformer_ros.segmentation.images.compressed import encode_png
from segformer_ros.segmentation.images.decoding import ENCODINGS
from segformer_ros.segmentation.images.decoding import image_to_rgb
from segformer_ros.segmentation.images.h264 import FrameNumbers
from support import fuzz_limits
from support import onnx_writer
from support.fuzz_input import accepts
from support.fuzz_input import file_of
from support.fuzz_input import FOLDER
from support.fuzz_input import Numbers

ENCODING_NAMES = sorted(ENCODINGS) + ['', '32FC1', 'jpeg', 'bayer_', 'mono8 ']
LENSES = ('plumb_bob', 'rational_polynomial', 'equidistant', 'thin_prism', '', 'other')
KEY = '0123456789abcdef' * 4
ROWS = tuple(node_rows()) + tuple(camera_rows(['']))
_ADE = load_class_table('ade20k')


def onnx_header(data):
    """Read an ONNX file's header."""
    return accepts(read_onnx_header, file_of(data, '.onnx'))


def model_yaml(data):
    """Read a model's specification."""
    return accepts(load_model_spec, file_of(data, '.yaml'))


def classes_yaml(data):
    """Read a class table, and the same as a grouping."""
    path = file_of(data, '.yaml')
    return accepts(load_class_table, path) | accepts(load_grouping, path, _ADE)


def costs_yaml(data):
    """Read a cost profile."""
    return accepts(load_cost_table, file_of(data, '.yaml'), _ADE)


def config_json(data):
    """Read the class names of a checkpoint."""
    return accepts(class_table_from_huggingface, file_of(data, '.json'))


def preprocessor_json(data):
    """Read the preprocessing of a checkpoint."""
    return accepts(read_preprocessor, file_of(data, '.json'))


def engine_record(data):
    """Find the record of an engine: the cache deletes what it cannot read, and goes on."""
    os.chmod(FOLDER, 0o700)
    path = file_of(data, '-engine.json')
    os.chmod(path, 0o600)
    return bool(EngineCache(FOLDER).records())


def image(data):
    """Read a sensor_msgs/Image."""
    numbers = Numbers(data)
    encoding = ENCODING_NAMES[numbers.take('B') % len(ENCODING_NAMES)]
    # Small sizes mostly, so that some fit the data; at times those that no machine has.
    wide = numbers.take('B') % 8 == 0
    height, width, step = (numbers.take('I' if wide else 'B') for _ in range(3))
    message = types.SimpleNamespace(
        height=height, width=width, step=step * (1 if wide else 4), encoding=encoding,
        is_bigendian=numbers.take('B') % 3, data=numbers.rest())
    return accepts(image_to_rgb, message)


def depth_image(data):
    """Read a depth image, raw and compressed."""
    numbers = Numbers(data)
    message = types.SimpleNamespace(
        encoding=('16UC1', '32FC1', 'mono8')[numbers.take('B') % 3],
        height=numbers.take('B'), width=numbers.take('B'), step=numbers.take('H') % 600,
        is_bigendian=numbers.take('B') % 2, data=array.array('B', numbers.rest()))
    text = f'{message.encoding}; compressedDepth png'
    return accepts(depth_of_image, message) | accepts(
        decode_compressed_depth, bytes(message.data), text)


def compressed_image(data):
    """Read a sensor_msgs/CompressedImage."""
    return accepts(compressed_to_rgb, types.SimpleNamespace(format='jpeg', data=data))


def camera_info(data):
    """Read a CameraInfo and use it."""
    numbers = Numbers(data)
    small = numbers.take('B') % 2
    code = 'B' if small else 'I'
    roi = types.SimpleNamespace(x_offset=numbers.take(code), y_offset=numbers.take(code),
                                width=numbers.take(code), height=numbers.take(code))
    info = types.SimpleNamespace(
        width=numbers.take(code), height=numbers.take(code), roi=roi,
        binning_x=numbers.take(code) % 300, binning_y=numbers.take(code) % 300,
        distortion_model=LENSES[numbers.take('B') % len(LENSES)],
        d=[numbers.take('d') for _ in range(numbers.take('B') % 15)],
        k=[numbers.take('d') for _ in range(9)], r=[numbers.take('d') for _ in range(9)],
        p=[numbers.take('d') for _ in range(12)])

    def use():
        for rectified in (False, True):
            CameraModel(calibration_of(info), rectified=rectified).unproject(
                [0.0, 3.0, 1e9], [0.0, 2.0, -1e9])
    return accepts(use)


def h264_packets(data):
    """Follow the pictures of a stream."""
    numbers = FrameNumbers()
    return sum(numbers.follows(packet) for packet in data.split(b'\xff\xff')) > 0


def transforms(data):
    """Take transforms in and look one up."""
    numbers = Numbers(data)
    poses = TransformBuffer()
    frames = ['', 'a', 'b', 'c', '/a', 'd']

    def use():
        stamp = numbers.take('d')
        poses.insert(frames[numbers.take('B') % 6], frames[numbers.take('B') % 6], stamp,
                     [numbers.take('d') for _ in range(3)],
                     [numbers.take('d') for _ in range(4)], bool(numbers.take('B') % 2))
        poses.lookup('a', 'c', stamp)
        poses.lookup('c', 'b')
    return sum(accepts(use) for _ in range(6)) > 0


def self_mask(data):
    """Read the robot's own body from a picture or a polygon."""
    return accepts(load_ego_mask, file_of(data, '.png'), (32, 24)) | accepts(
        ego_mask_from, data.decode('utf-8', 'replace'), (32, 24))


def parameters(data):
    """Give every parameter a value that somebody sets, as JSON."""
    try:
        value = json.loads(data.decode('utf-8'))
    except (ValueError, RecursionError):
        return False
    return any(fault(row, value) is None for row in ROWS)


def mcap(data):
    """Find the sound part of a recording; with its new end it must be whole."""
    path = file_of(data, '.mcap')
    truncation = find_truncation(path)
    if truncation is None:
        return data.startswith(MAGIC)
    with RepairedFile(path, truncation).open() as stream:
        repaired = stream.read()
    assert repaired == data[:truncation.sound_end] + TAIL
    assert find_truncation(file_of(repaired, '-repaired.mcap')) is None
    return True


def mapping_yaml(data):
    """Read which classes of a network stand for which of the labels."""
    return accepts(load_label_map, file_of(data, '.yaml'))


def graph_record(data):
    """Find the record of a deployment graph: what cannot be read is as if it were not there."""
    folder = os.path.join(FOLDER, 'graphs')
    os.makedirs(folder, mode=0o700, exist_ok=True)
    # The first twelve characters of the key.
    with open(os.path.join(folder, f'input-cpu-{KEY[:12]}.json'), 'wb') as stream:
        stream.write(data)
    with unittest.mock.patch.dict(os.environ, {CACHE_VARIABLE: FOLDER}):
        return OptimizedModelCache(os.path.join(FOLDER, 'input.onnx'), 'cpu', 'here', (64, 64),
                                   KEY).read() is not None


def bag_metadata(data):
    """Find the parts of a recording by its metadata.yaml, or without it."""
    folder = os.path.join(FOLDER, 'bag')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'metadata.yaml'), 'wb') as stream:
        stream.write(data)
    return not any(bag.notes for bag in find_bags(folder))


def bag_file(data):
    """Read a recording in each of its storages, to the last message."""
    def read(part):
        with BagPartReader(part) as reader:
            reader.topics()
            for connection, _, message in reader.messages():
                reader.deserialize(message, connection.msgtype)
    accepted = [accepts(read, BagPart(file_of(data, suffix), storage)) for suffix, storage in (
        ('.db3', 'sqlite3'), ('.mcap', 'mcap'), ('.bag', 'ros1'))]
    return any(accepted)


def report_json(data):
    """Read the report of an evaluation."""
    return accepts(read_json, file_of(data, '.json'))


TARGETS = {function.__name__: function for function in (
    onnx_header, model_yaml, classes_yaml, costs_yaml, config_json, preprocessor_json,
    engine_record, image, depth_image, compressed_image, h264_packets, camera_info, transforms,
    self_mask, parameters, mcap, mapping_yaml, graph_record, bag_metadata, report_json)}
if importlib.util.find_spec('rosbags') is not None:
    TARGETS['bag_file'] = bag_file
TARGETS.update(fuzz_limits.TARGETS)
METADATA = b'''rosbag2_bagfile_information:
  relative_file_paths: [small.mcap]
  topics_with_message_count:
  - {message_count: 12, topic_metadata: {name: /camera/image_raw}}
'''


def _recordings():
    """Return the bytes of recordings of one small image, where rosbags is installed."""
    if 'bag_file' not in TARGETS:
        return {}
    from support.bags import storage_file
    from support.bags import write_bag
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for storage in ('sqlite3', 'mcap'):
            path = storage_file(write_bag(os.path.join(folder, storage), 1, storage))
            with open(path, 'rb') as stream:
                found.append(stream.read())
        with open(write_bag(os.path.join(folder, 'one.bag'), 1, 'ros1'), 'rb') as stream:
            found.append(stream.read())
    return {'bag_file': found}


def seeds(root):
    """
    Return good inputs of each target, to start from.

    :param root: of the checkout
    """
    def read(*parts):
        with open(os.path.join(root, *parts), 'rb') as stream:
            return stream.read()

    rgb = np.zeros((6, 8, 3), np.uint8)
    png, jpeg = bytes(encode_png(rgb)), bytes(encode_jpeg(rgb, 80))
    record = (b'{"format": 1, "name": "input-engine", "key": {}, "plan_sha256": null, '
              b'"plan_bytes": 0, "built": {}, "check": null, "failure": "", "failed_builds": 0, '
              b'"unfinished_loads": 0}')
    json_text = (b'{"id2label": {"0": "wall", "1": "floor"}, "num_labels": 2, '
                 b'"size": {"height": 64, "width": 64}, "image_mean": [0.1, 0.2, 0.3], '
                 b'"image_std": [1, 1, 1], "rescale_factor": 0.00392156862745098}')
    found = {
        # Small: what a real network has much of, its weights, is not looked at.
        'onnx_header': [onnx_writer.segmenter(output_shape=(1, 3, 4, 4))],
        'model_yaml': [read('config', 'models', 'segformer_sim.yaml')],
        'classes_yaml': [read('config', 'classes', 'camvid.yaml'),
                         read('config', 'groups', 'indoor.yaml')],
        'costs_yaml': [read('config', 'costs', 'landing.yaml')],
        'config_json': [json_text], 'preprocessor_json': [json_text], 'engine_record': [record],
        'image': [bytes([ENCODING_NAMES.index(name), 1, 4, 4, step // 4, 0])
                  + bytes(step * rows) for name, step, rows in (
                      ('rgb8', 12, 4), ('mono8', 4, 4), ('bayer_rggb8', 8, 4), ('nv12', 4, 6),
                      ('yuyv', 8, 4), ('rgba16', 32, 4))],
        'depth_image': [bytes([1, 2, 2, 8, 0, 0]) + bytes(16), bytes([0, 2, 2, 4, 0, 0]) + png],
        'compressed_image': [png, jpeg],
        'h264_packets': [b'\xff\xff'.join(map(bytes.fromhex, (
            '0000016742c00bda0a3684000003000400000300f23c50aa80000000016588843a0c60',
            '000001419a202ab130c40e', '000001419a402eb0433d70')))],
        'camera_info': [bytes([1, 0, 0, 0, 0, 64, 48, 0, 0, 0, 5]) + struct.pack(
            '<35d', *([0.0] * 5 + [50, 0, 32, 0, 50, 24, 0, 0, 1] + [1, 0, 0, 0, 1, 0, 0, 0, 1]
                      + [50, 0, 32, 0, 0, 50, 24, 0, 0, 0, 1, 0]))],
        'transforms': [b''.join(struct.pack('<dBB7dB', 1.0, parent, child, 0.1, 0.2, 0.3,
                                            0.0, 0.0, 0.0, 1.0, 0)
                                for parent, child in ((1, 2), (2, 3), (1, 5)))],
        'parameters': [b'0.5', b'"indoor"', b'true', b'["front", "left"]', b'3'],
        'mcap': [MAGIC + TAIL, MAGIC + b'\x01' + struct.pack('<Q', 3) + b'abc' + TAIL,
                 MAGIC + b'\x05' + struct.pack('<Q', 9) + b'cut'],
        'mapping_yaml': [read('config', 'mappings', 'ade20k_to_camvid.yaml')],
        'graph_record': [f'{{"key": "{KEY}", "sha256": null}}'.encode('ascii')],
        'bag_metadata': [METADATA],
        'report_json': [json.dumps({'format': FORMAT, 'inputs': [], 'per_frame': []}).encode()],
        'self_mask': [png, b'0.2 1.0 0.3 0.8 0.7 0.8 0.8 1.0']}
    found.update(_recordings())
    found.update(fuzz_limits.seeds())
    return found
