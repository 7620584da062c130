#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Try kinds of export of SegFormers with random weights, and print what becomes of them as Markdown.

usage: export_table.py [--quick] [--only NETWORK] [--tensorrt PYTHON]
Rows with PyTorch in their name are written by PyTorch's exporters, where it is installed, and
compared with PyTorch. The others are written by test/support/exported_segformer.py in their
manner. Masks and confidence are compared with float64 oracles of the logits before whatever
follows them. --quick takes one small architecture. PYTHON is an interpreter that has TensorRT
for RTX.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path[:0] = [ROOT, os.path.join(ROOT, 'test')]

import numpy as np  # noqa: E402, I100
import onnx  # noqa: E402
from segformer_ros.common.errors import ModelError  # noqa: E402
from segformer_ros.common.telemetry import import_onnxruntime  # noqa: E402
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend  # noqa: E402
from segformer_ros.model.onnx_file import inspection  # noqa: E402
from segformer_ros.model.onnx_file.header import read_onnx_header  # noqa: E402
from segformer_ros.model.optimize import optimize  # noqa: E402
from segformer_ros.model.optimize import verify  # noqa: E402
from segformer_ros.model.optimize.target import TENSORRT_8_6  # noqa: E402
from segformer_ros.segmentation.segmenter import Segmenter  # noqa: E402
from support import oracles  # noqa: E402
from support.exported_segformer import Architecture  # noqa: E402
from support.exported_segformer import export_segformer  # noqa: E402
from support.exported_segformer import TINY  # noqa: E402

HEAD = ('| export | network | becomes | logits differ by | equal labels | confidence | '
        'processor time | TensorRT |\n|---|---|---|---|---|---|---|---|')
RUNS = 7
NARROW, WIDE = (32, 64, 160, 256), (64, 128, 320, 512)
BLOCKS = {'B0': (2, 2, 2, 2), 'B1': (2, 2, 2, 2), 'B2': (3, 4, 6, 3), 'B3': (3, 4, 18, 3),
          'B4': (3, 8, 27, 3), 'B5': (3, 6, 40, 3)}
PARSE = """
import sys
import tensorrt_rtx_bindings as trt
log = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(log)
network = builder.create_network(0)
parser = trt.OnnxParser(network, log)
ok = parser.parse_from_file(sys.argv[1])
print('parsed' if ok else 'refused: ' + str(parser.get_error(0))[:200])
"""


def architecture(name, classes=150):
    """Return the published one of that name."""
    return Architecture(BLOCKS[name], NARROW if name == 'B0' else WIDE, (1, 2, 5, 8),
                        (8, 4, 2, 1), 4, 256 if name in ('B0', 'B1') else 768, classes)


class Export:
    """
    One file and what is known of it.

    ``logits`` returns the logits (classes, h, w) of a normalised (1, 3, H, W) tensor.
    """

    def __init__(self, path, logits):
        self.path = path
        self.logits = logits


def by_pytorch(arch, size_wh, kind, folder):
    """Export a network with PyTorch; ``kind`` is a value of :func:`pytorch_kinds`."""
    import pytorch_exports
    path = os.path.join(folder, 'export.onnx')
    options = dict(kind)
    half = options.pop('half', None)
    network = pytorch_exports.random_network(arch, options.pop('attention', 'eager'))
    logits = pytorch_exports.export(network, size_wh, path, **options)
    if half is not None:
        pytorch_exports.to_half(path, half == 'io kept')
    return Export(path, logits)


def pytorch_kinds():
    """Return (text, options) of each row that PyTorch writes; none where it is not installed."""
    if importlib.util.find_spec('torch') is None or \
            importlib.util.find_spec('transformers') is None:
        return []
    rows = [(f'TorchScript, opset {opset}', {'opset': opset}) for opset in (11, 13, 17)]
    rows += [('TorchScript, opset 13, dynamic', {'opset': 13, 'dynamic': True}),
             ('TorchScript, opset 17, scaled dot product', {'opset': 17, 'attention': 'sdpa'}),
             ('TorchScript, opset 13, external data', {'opset': 13, 'external': True}),
             ('TorchScript, opset 13, float16, io kept', {'opset': 13, 'half': 'io kept'}),
             ('TorchScript, opset 13, float16', {'opset': 13, 'half': 'all'})]
    if importlib.util.find_spec('onnxscript') is not None:
        rows += [('dynamo, opset 18', {'opset': 18, 'dynamo': True}),
                 ('dynamo, opset 18, not optimized',
                  {'opset': 18, 'dynamo': True, 'optimize': False})]
    return rows


def by_hand(arch, size_wh, style, tail, folder):
    """Write a network in the manner of an exporter."""
    plain = os.path.join(folder, 'plain.onnx')
    path = os.path.join(folder, 'export.onnx')
    model = export_segformer(arch, size_wh, style)
    onnx.save(model, plain)
    append(model, tail, arch.classes, size_wh)
    onnx.save(model, path)
    session = open_session(plain)
    return Export(path, lambda tensor: session.run(None, {'pixel_values': tensor})[0][0])


def append(model, tail, classes, size_wh):
    """Append a tail as PyTorch's exporters write it."""
    if not tail:
        return
    helper, numbers = onnx.helper, onnx.numpy_helper
    next(node for node in model.graph.node if 'logits' in node.output).output[0] = 'small'
    shape = [1, classes, size_wh[1], size_wh[0]]
    model.graph.initializer.append(numbers.from_array(np.array(shape, np.int64), 'wanted'))
    nodes = [helper.make_node('Resize', ['small', '', '', 'wanted'], ['large'], mode='linear',
                              coordinate_transformation_mode='pytorch_half_pixel')]
    kind = onnx.TensorProto.FLOAT
    if tail == 'argmax':
        nodes.append(helper.make_node('ArgMax', ['large'], ['labels'], axis=1, keepdims=0))
        shape, kind = shape[:1] + shape[2:], onnx.TensorProto.INT64
    elif tail == 'softmax':
        nodes.append(helper.make_node('Softmax', ['large'], ['shares'], axis=1))
    nodes[-1].output[0] = 'logits'
    model.graph.node.extend(nodes)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info('logits', kind, shape))


def plans(quick):
    """
    Return (export, network, architecture, size, style, tail) of each row.

    A tail of None: the style is a kind that PyTorch writes.
    """
    base, size, name = (TINY, (64, 64), 'tiny') if quick else (
        architecture('B0'), (256, 192), 'B0')
    rows = [(text, name, base, size, style, '') for text, style in (
        ('TorchScript, opset 13, dynamic', 'torchscript'),
        ('TorchScript, opset 17, scaled dot product', 'scaled dot product'),
        ('dynamo, opset 18', 'dynamo'), ('simplified, opset 13', 'simplified'))]
    rows += [(f'{text}, {kind}', name, base, size, style, tail)
             for text, tail in (('logits upsampled', 'logits'), ('upsampled, softmax', 'softmax'),
                                ('upsampled, argmax', 'argmax'))
             for kind, style in (('TorchScript', 'torchscript'), ('dynamo', 'dynamo'))]
    rows += [(f'PyTorch: {text}', name, base, size, kind, None)
             for text, kind in pytorch_kinds()]
    if not quick:
        rows += [('TorchScript, opset 13, dynamic', each, architecture(each), (128, 96),
                  'torchscript', '') for each in ('B1', 'B2', 'B3', 'B4', 'B5')]
        rows += [('TorchScript, opset 13, dynamic', f'B0, {count} classes',
                  architecture('B0', count), (128, 96), 'torchscript', '')
                 for count in (2, 19, 255)]
    return rows


def open_session(path):
    """Return a session with one thread, for processor time."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def seconds(session, feeds):
    """Return the least processor time of a run."""
    best = float('inf')
    for _ in range(RUNS):
        began = time.process_time()
        session.run(None, feeds)
        best = min(best, time.process_time() - began)
    return best


def judge(export, arch, size_wh, folder, tensorrt):
    """Return the row's cells behind its first two."""
    header = read_onnx_header(export.path)
    draft = inspection.draft_spec(header, 'export', inspection.Knowledge(
        num_classes=arch.classes, input_size_wh=size_wh))
    spec = draft.spec
    if any(size is None for size in header.outputs[0].shape) and spec.output_kind == 'logits':
        # The rows with dynamic sizes end in the logits themselves.
        spec = spec._replace(output_size_wh=(-(-size_wh[0] // 4), -(-size_wh[1] // 4)))
    made = optimize.optimize(export.path, spec)
    labels, levels, ratio = [], [], 0.0
    with OnnxruntimeBackend(made.path, threads=1) as backend:
        segmenter = Segmenter(made.spec, backend)
        for picture in verify.sample_pictures(size_wh):
            tensor = ((picture / 255.0 - spec.mean) / spec.std).astype(np.float32)
            tensor = np.ascontiguousarray(tensor.transpose(2, 0, 1)[np.newaxis])
            logits = export.logits(tensor)
            expected = oracles.upsampled_argmax(logits, size_wh)
            got = segmenter.segment(picture)
            labels.append(np.mean(got.mask == expected[0]))
            if got.confidence is not None:
                sure = np.exp(oracles.log_confidence(logits, expected[1]))
                levels.append(np.abs(got.confidence - 255.0 * np.minimum(sure, 1.0)).max())
        feeds = {spec.input_name: tensor}
        ours = picture[np.newaxis] if made.spec.input_dtype == 'uint8' else tensor
        ratio = seconds(open_session(made.path), {made.spec.input_name: ours}) \
            / seconds(open_session(export.path), feeds)
    found = re.search(r'largest logit difference (\S+),', made.detail)
    return [made.changes, found.group(1) if found else '', f'{np.mean(labels):.3%}',
            f'within {max(levels):.1f} of 255' if levels else 'none', f'{ratio:.2f}',
            parsed(export.path, spec, folder, tensorrt)]


def parsed(path, spec, folder, tensorrt):
    """Return whether TensorRT for RTX parses what an engine would be built from."""
    if tensorrt is None:
        return 'not tried'
    graph = os.path.join(folder, 'tensorrt.onnx')
    changes, _ = optimize.write_rewritten(path, spec, TENSORRT_8_6, graph)
    done = subprocess.run(
        [tensorrt, '-c', PARSE, path if changes == optimize.UNCHANGED else graph],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, check=False)
    lines = done.stdout.strip().splitlines()
    return lines[-1] if lines else f'exit status {done.returncode}'


def main(arguments=None):
    """Print the table; return 1 if a row could not be made."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one small architecture')
    parser.add_argument('--only', metavar='NETWORK', help='such as B0: its rows alone')
    parser.add_argument('--tensorrt', metavar='PYTHON', help='that has TensorRT for RTX')
    options = parser.parse_args(arguments)
    print(HEAD)
    status = 0
    with tempfile.TemporaryDirectory() as cache:
        os.environ['SEGFORMER_ROS_CACHE'] = cache
        for kind, name, arch, size_wh, style, tail in plans(options.quick):
            if options.only not in (None, name):
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    export = by_pytorch(arch, size_wh, style, folder) if tail is None \
                        else by_hand(arch, size_wh, style, tail, folder)
                    cells = judge(export, arch, size_wh, folder, options.tensorrt)
                except ModelError as error:
                    # Right or refused: the test knows which ones are.
                    cells = [f'refused: {error.problem}'.replace('|', '/')] + [''] * 5
                except Exception as error:  # a row that fails is a row of the table
                    status = 1
                    text = ' '.join(f'{type(error).__name__}: {error}'.split())[:160]
                    cells = [text.replace('|', '/')] + [''] * 5
            print('| ' + ' | '.join([kind, name] + cells) + ' |', flush=True)
    return status


if __name__ == '__main__':
    raise SystemExit(main())
