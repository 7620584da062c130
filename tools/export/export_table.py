#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Try kinds of export of SegFormers with random weights, and print what becomes of them as Markdown.

usage: export_table.py [--quick] [--only TEXT ...] [--missing PAGE] [--tensorrt PYTHON]
                       [--write PAGE]
Where PyTorch and transformers are installed its exporters write the files, and PyTorch in float64
is the oracle. Elsewhere test/support/exported_segformer.py writes them in the exporters' manner,
and onnxruntime is the oracle. Masks and confidence are compared with float64 oracles of the logits
before whatever follows them. --quick takes one tiny architecture and few rows. PYTHON is an
interpreter that has TensorRT for RTX. PAGE is a Markdown file with a table between two marks:
each row is written into it when it is made, in place of the one that is there; other rows are kept
with their dates. --missing leaves out what PAGE has already.
"""

import argparse
import datetime
import importlib.util
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path[:0] = [ROOT, os.path.join(ROOT, 'test'), os.path.join(ROOT, 'tools', 'docs')]

import marked  # noqa: E402, I100
import numpy as np  # noqa: E402
import onnx  # noqa: E402
from segformer_ros.common.errors import ModelError  # noqa: E402
from segformer_ros.common.telemetry import import_onnxruntime  # noqa: E402
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend  # noqa: E402
from segformer_ros.model.onnx_file import inspection  # noqa: E402
from segformer_ros.model.onnx_file.header import read_onnx_header  # noqa: E402
from segformer_ros.model.optimize import optimize  # noqa: E402
from segformer_ros.model.optimize import verify  # noqa: E402
from segformer_ros.model.optimize.target import TENSORRT_8_6  # noqa: E402
from segformer_ros.model.spec import BINARY  # noqa: E402
from segformer_ros.segmentation.segmenter import Segmenter  # noqa: E402
from support import oracles  # noqa: E402
from support.exported_segformer import Architecture  # noqa: E402
from support.exported_segformer import export_segformer  # noqa: E402
from support.exported_segformer import TINY  # noqa: E402

HEAD = ('| export | network | becomes | logits differ by | equal labels | confidence | '
        'processor time | TensorRT for RTX | measured |\n|---|---|---|---|---|---|---|---|---|')
MARKS = marked.Marks('<!-- exports: made by tools/export/export_table.py -->',
                     '<!-- end of exports -->')
RUNS = 5
NARROW, WIDE = (32, 64, 160, 256), (64, 128, 320, 512)
SMALL = Architecture((2, 2, 2, 2), (16, 32, 80, 128), (1, 2, 5, 8), (8, 4, 2, 1), 4, 64, 150)
BLOCKS = {'B0': (2, 2, 2, 2), 'B1': (2, 2, 2, 2), 'B2': (3, 4, 6, 3), 'B3': (3, 4, 18, 3),
          'B4': (3, 8, 27, 3), 'B5': (3, 6, 40, 3)}
LIBRARIES = {'segmentation_models_pytorch': 'segmentation_models_pytorch',
             'mmseg': 'mmsegmentation'}
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

    ``logits`` returns the logits (classes, h, w) of a normalised (1, 3, H, W) float64 tensor,
    before whatever follows them in the file.
    """

    def __init__(self, path, logits):
        self.path = path
        self.logits = logits


def by_pytorch(arch, size_wh, kind, folder):
    """Export a network with PyTorch; ``kind`` is a value of :func:`pytorch_kinds`."""
    import pytorch_exports
    path = os.path.join(folder, 'export.onnx')
    options = dict(kind)
    converted = options.pop('converted', None)
    attention = options.pop('attention', 'eager')
    library = options.pop('library', None)
    network = pytorch_exports.random_network(arch, attention) if library is None \
        else pytorch_exports.LIBRARIES[library](arch.classes)
    if converted is not None:
        network = pytorch_exports.round_to_half(network)
    logits = pytorch_exports.export(network, size_wh, path, **options)
    if converted is not None:
        pytorch_exports.to_half(path, converted == 'io kept')
    return Export(path, logits)


def has_pytorch():
    """Return whether PyTorch writes the rows."""
    return all(importlib.util.find_spec(name) for name in ('torch', 'transformers', 'onnxscript'))


def pytorch_kinds(quick):
    """Return (text, options) of each kind of export that PyTorch writes."""
    import torch
    upsampled, labels = {'enlarge': True}, {'enlarge': True, 'step': 'argmax'}
    script, new = {'opset': 13}, {'opset': 18, 'dynamo': True}
    rows = [(f'TorchScript, opset {opset}', {'opset': opset})
            for opset in ((11, 13, 20) if quick else (11, 12, 13, 14, 15, 16, 17, 18, 19, 20))]
    rows += [
        ('TorchScript, dynamic', dict(script, dynamic=True)),
        ('TorchScript, opset 17, scaled dot product', {'opset': 17, 'attention': 'sdpa'}),
        ('TorchScript, external data', dict(script, external=True)),
        ('TorchScript, converted to float16, io kept', dict(script, converted='io kept')),
        ('TorchScript, converted to float16', dict(script, converted='all')),
        ('TorchScript, exported in float16', dict(script, half=True)),
        ('TorchScript, upsampled', dict(script, tail=upsampled)),
        ('TorchScript, upsampled, dynamic', dict(script, tail=upsampled, dynamic=True)),
        ('TorchScript, upsampled, softmax', dict(script, tail=dict(upsampled, step='softmax'))),
        ('TorchScript, upsampled, argmax', dict(script, tail=labels)),
        ('TorchScript, upsampled, argmax, dynamic', dict(script, tail=labels, dynamic=True)),
        ('TorchScript, upsampled, argmax as int32 with a channel', dict(
            script, tail=dict(labels, dtype=torch.int32, channel=True))),
        ('TorchScript, argmax as uint8', dict(script, tail={
            'step': 'argmax', 'dtype': torch.uint8})),
        ('TorchScript, training mode', dict(script, training=True))]
    if quick:
        rows += [('dynamo, opset 18', new), ('dynamo, opset 23, not optimized, scaled dot product',
                 dict(new, opset=23, optimize=False, attention='sdpa')),
                 ('dynamo, upsampled, argmax', dict(new, tail=labels))]
    else:
        rows += [(f'dynamo, opset {opset}', dict(new, opset=opset)) for opset in range(11, 24)]
        rows += [(f'dynamo, opset {opset}, scaled dot product',
                  dict(new, opset=opset, attention='sdpa')) for opset in (18, 23)]
        rows += [
            ('dynamo, not optimized', dict(new, optimize=False)),
            ('dynamo, opset 23, not optimized, scaled dot product',
             dict(new, opset=23, optimize=False, attention='sdpa')),
            ('dynamo, dynamic', dict(new, dynamic=True)),
            ('dynamo, external data', dict(new, external=True)),
            ('dynamo, exported in float16', dict(new, half=True)),
            ('dynamo, upsampled', dict(new, tail=upsampled)),
            ('dynamo, upsampled, softmax', dict(new, tail=dict(upsampled, step='softmax'))),
            ('dynamo, upsampled, argmax', dict(new, tail=labels))]
    for module, name in LIBRARIES.items():
        if importlib.util.find_spec(module):
            rows += [(f'TorchScript, {name}', dict(script, library=module))]
            if not quick:
                rows += [(f'dynamo, {name}', dict(new, library=module))]
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
    return Export(path, lambda tensor: session.run(
        None, {'pixel_values': tensor.astype(np.float32)})[0][0])


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
    base, size, name = (TINY, (96, 64), 'tiny') if quick else (SMALL, (160, 128), 'small')
    if not has_pytorch():
        return [(text, name, base, size, style, tail) for text, style, tail in HAND_WRITTEN]
    rows = [(text, 'B0' if 'library' in kind else name, base, size, kind, None)
            for text, kind in pytorch_kinds(quick)]
    plain = {'opset': 13}
    if quick:
        return rows + [('TorchScript, opset 13', f'tiny, classes: {count}', TINY._replace(
            classes=count), size, plain, None) for count in (1, 255)]
    rows += [('TorchScript, opset 13', each, architecture(each), (256, 192), plain, None)
             for each in BLOCKS]
    rows += [('dynamo, opset 18', each, architecture(each), (256, 192), {
        'opset': 18, 'dynamo': True}, None) for each in ('B0', 'B1', 'B2')]
    rows += [('TorchScript, opset 13', f'small, classes: {count}', SMALL._replace(classes=count),
              size, plain, None) for count in (1, 2, 19, 255)]
    rows += [('TorchScript, opset 13', 'small, {} x {}'.format(*each), SMALL, each, plain, None)
             for each in ((128, 224), (200, 88))]
    rows += [(text, 'B0, 512 x 512', architecture('B0'), (512, 512), dict(plain, tail=tail), None)
             for text, tail in (
                 ('TorchScript, opset 13', {}), ('TorchScript, upsampled', {'enlarge': True}),
                 ('TorchScript, upsampled, argmax', {'enlarge': True, 'step': 'argmax'}))]
    return rows


HAND_WRITTEN = tuple((text, style, '') for text, style in (
    ('TorchScript, opset 13, dynamic', 'torchscript'),
    ('TorchScript, opset 17, scaled dot product', 'scaled dot product'),
    ('dynamo, opset 18', 'dynamo'), ('simplified, opset 13', 'simplified'),
    ('mmsegmentation, opset 13', 'mmsegmentation'))) + tuple(
        (f'{text}, {kind}', style, tail)
        for text, tail in (('logits upsampled', 'logits'), ('upsampled, softmax', 'softmax'),
                           ('upsampled, argmax', 'argmax'))
        for kind, style in (('TorchScript', 'torchscript'), ('dynamo', 'dynamo')))
"""Export, style of test/support/exported_segformer.py and tail, where PyTorch is missing."""


def time_ratio(segmenters, picture):
    """Return the first one's processor time, picture to mask and confidence, by the second's."""
    best = [float('inf')] * 2
    for _ in range(RUNS):
        # In turns, so that other work on the machine meets both.
        for index, segmenter in enumerate(segmenters):
            began = time.process_time()
            segmenter.segment(picture)
            best[index] = min(best[index], time.process_time() - began)
    return best[0] / best[1]


def open_session(path):
    """Return a session of the file itself."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def judge(export, arch, size_wh, folder, tensorrt):
    """Return the row's cells behind its first two."""
    header = read_onnx_header(export.path)
    spec = inspection.draft_spec(header, 'export', inspection.Knowledge(
        num_classes=arch.classes, input_size_wh=size_wh)).spec
    made = optimize.optimize(export.path, spec)
    labels, levels, distance, seen = [], [], 0.0, set()
    with OnnxruntimeBackend(made.path, threads=1) as backend, \
            OnnxruntimeBackend(export.path, threads=1) as file_backend:
        segmenter = Segmenter(made.spec, backend, threads=1)
        for picture in verify.sample_pictures(size_wh):
            tensor = (picture / 255.0 - spec.mean) / spec.std
            logits = export.logits(tensor.transpose(2, 0, 1)[np.newaxis])
            if spec.output_kind in BINARY:
                logits = np.concatenate([logits, np.zeros_like(logits)])
            expected = oracles.upsampled_argmax(logits, size_wh)
            got = segmenter.segment(picture)
            seen.update(np.unique(expected[0]))
            labels.append(np.mean(got.mask == expected[0]))
            if made.changes == optimize.FOLDED:
                values = backend.infer({made.spec.input_name: picture[np.newaxis]})[
                    made.spec.output_name][0].transpose(2, 0, 1)
                distance = max(distance, np.abs(values - logits).max())
            if got.confidence is not None:
                sure = np.exp(oracles.log_confidence(logits, expected[1]))
                levels.append(np.abs(got.confidence - 255.0 * np.minimum(sure, 1.0)).max())
        if len(seen) < min(3, made.spec.num_classes):
            raise ValueError(f'the network sees {len(seen)} classes: its weights tell nothing')
        ratio = time_ratio((segmenter, Segmenter(spec, file_backend, threads=1)), picture)
    return [made.changes, f'{distance:.1e}' if made.changes == optimize.FOLDED else '',
            f'{np.mean(labels):.3%}', f'within {max(levels):.1f} of 255' if levels else 'none',
            f'{ratio:.2f}', parsed(export.path, spec, folder, tensorrt)]


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


def rows_of(options):
    """Yield (row of the table, whether it could be made)."""
    done = set() if options.missing is None else set(read_rows(options.missing))
    for kind, name, arch, size_wh, style, tail in plans(options.quick):
        if (options.only and not any(text in f'| {kind} | {name} |' for text in options.only)) \
                or (kind, name) in done:
            continue
        with tempfile.TemporaryDirectory() as folder:
            failed = False
            try:
                export = by_pytorch(arch, size_wh, style, folder) if tail is None \
                    else by_hand(arch, size_wh, style, tail, folder)
                cells = judge(export, arch, size_wh, folder, options.tensorrt)
                opset = read_onnx_header(export.path).opset
                if tail is None and opset != style['opset']:
                    cells[0] += f', though the exporter wrote opset {opset}'
            except ModelError as error:
                # Right or refused: the test knows which ones are.
                cells = [f'refused: {error.problem}'] + [''] * 5
            except Exception as error:  # a row that fails is a row of the table
                failed = True
                text = ' '.join(f'{type(error).__name__}: {error}'.split())[:160]
                cells = [text] + [''] * 5
        cells += [datetime.date.today().isoformat()]
        yield '| ' + ' | '.join(
            cell.replace('|', '/') for cell in [kind, name] + cells) + ' |', not failed


def key_of(row):
    """Return the first two cells of a row, which no other row has."""
    return tuple(cell.strip() for cell in row.split('|')[1:3])


def read_rows(page):
    """Return the rows of a page's table by their keys."""
    return {key_of(row): row for row in marked.parts_of(page, MARKS)[1].strip().splitlines()[2:]}


def write_row(page, row):
    """Put a row into a page's table, in place of the one of the same key."""
    rows = read_rows(page)
    rows[key_of(row)] = row
    order = [(kind, name) for quick in (False, True) for kind, name in (
        plan[:2] for plan in plans(quick))]
    # Rows that are not among today's, of another machine's libraries say, keep their order.
    lines = sorted(rows, key=lambda key: order.index(key) if key in order else len(order))
    marked.replace(page, MARKS, '\n'.join([HEAD, *(rows[key] for key in lines), '']))


def main(arguments=None):
    """Print the table; return 1 if a row could not be made."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one tiny architecture, few rows')
    parser.add_argument('--only', metavar='TEXT', action='append',
                        help='rows that have it in their first cells; may be given several times')
    parser.add_argument('--missing', metavar='PAGE', help='rows that its table does not have')
    parser.add_argument('--tensorrt', metavar='PYTHON', help='that has TensorRT for RTX')
    parser.add_argument('--write', metavar='PAGE', help='put the rows into the table of it')
    options = parser.parse_args(arguments)
    status = 0
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as cache:
        os.environ['SEGFORMER_ROS_CACHE'] = cache
        for row, is_made in rows_of(options):
            print(row, flush=True)
            if is_made and options.write:
                write_row(options.write, row)
            status = status if is_made else 1
    return status


if __name__ == '__main__':
    raise SystemExit(main())
