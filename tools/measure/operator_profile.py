#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Say where the time of the optimized graph goes by operator, and how near that is to the peak.

onnxruntime profiles the graph with one thread; of each node the fastest run counts, since what
else a machine does only adds. The peak is that of a large float32 matrix product by the same
onnxruntime, in turn with the runs. Multiplications and additions are counted from the shapes,
those that fill up a block of channels included.

usage: operator_profile.py [--rounds N] SPEC.yaml MODEL.onnx
"""

import argparse
import json
import os
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path[:0] = [ROOT, os.path.join(ROOT, 'test')]

from segformer_ros.common.errors import BackendError  # noqa: E402, I100
from segformer_ros.common.telemetry import import_onnxruntime  # noqa: E402
from segformer_ros.evaluation.metrics.performance import machine_description  # noqa: E402
from segformer_ros.model.optimize.optimize import optimize  # noqa: E402
from segformer_ros.model.optimize.target import ONNXRUNTIME  # noqa: E402
from segformer_ros.model.spec import load_model_spec  # noqa: E402
from support import onnx_writer as w  # noqa: E402

onnxruntime = import_onnxruntime()

PRODUCTS = ('MatMul', 'FusedMatMul', 'Gemm', 'FusedGemm')
CONVOLUTIONS = ('Conv', 'FusedConv')
ATTENTIONS = ('MultiHeadAttention', 'Attention')
# Three matrices of 4 MiB: all of the product is in the kernel's inner loop.
PEAK_SIDE = 1024


def session(model, profile=None):
    """Return a session with one thread, which writes a profile where a prefix is given."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    return onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])


def square_product(side):
    """Return an ONNX file that multiplies by a square matrix, packed beforehand as weights are."""
    shape = (side, side)
    weights = np.random.RandomState(3).uniform(-1, 1, shape).astype('f')
    return w.model(w.graph([w.node('MatMul', ['a', 'b'], ['c'])], [w.value_info('a', shape)],
                           [w.value_info('c', shape)],
                           [w.tensor('b', shape, weights.tobytes())]))


def operations(name, inputs, outputs):
    """
    Return how many multiplications and additions a node does, 0 for those that are not counted.

    :param name: of the operator
    :param inputs: shapes
    :param outputs: shapes
    """
    done = float(np.prod(outputs[0])) if outputs else 0.0
    if name in CONVOLUTIONS:
        return 2.0 * done * float(np.prod(inputs[1][1:]))
    if name in PRODUCTS:
        # What a row of the result sums over; either factor may be transposed.
        return 2.0 * done * (float(np.prod(inputs[0])) * outputs[0][-1] / done)
    if name in ATTENTIONS and len(inputs) > 1 and len(inputs[0]) == len(inputs[1]) == 3:
        batch, queries, width = inputs[0]
        return 4.0 * batch * queries * inputs[1][1] * width
    return 0.0


def kind_of(name, inputs):
    """Return the row of a node; depthwise convolutions are no matrix products."""
    if name in CONVOLUTIONS:
        return 'Conv, depthwise' if inputs[1][1] == 1 else 'Conv'
    return name


def read_profile(path):
    """
    Return the nodes of a profile.

    :return: by node, its kind, its operations, and the microseconds of its fastest run
    :raises BackendError: this onnxruntime tells no shapes there, as 1.10
    """
    with open(path, encoding='utf-8') as stream:
        events = json.load(stream)
    nodes = {}
    for event in events:
        arguments = event.get('args', {})
        if event.get('cat') != 'Node' or not event['name'].endswith('_kernel_time'):
            continue
        if 'input_type_shape' not in arguments:
            raise BackendError('Profile has no shapes', got=onnxruntime.__version__,
                               expected='an onnxruntime that tells them',
                               remedy='Take a newer one.')
        inputs, outputs = ([next(iter(entry.values())) for entry in arguments[key]]
                           for key in ('input_type_shape', 'output_type_shape'))
        name = arguments['op_name']
        key = (event['name'], arguments.get('node_index'))
        fastest = min(event['dur'], nodes[key][2] if key in nodes else event['dur'])
        nodes[key] = (kind_of(name, inputs), operations(name, inputs, outputs), fastest)
    return nodes


def profile(path, tensor, rounds):
    """
    Run a graph and a matrix product in turn.

    :param path: of the ONNX file
    :param tensor: its input
    :return: nodes of :func:`read_profile`, and the peak in operations a second
    """
    peak = session(square_product(PEAK_SIDE))
    factor = {'a': np.random.RandomState(1).uniform(-1, 1, [PEAK_SIDE] * 2).astype('f')}
    values = {tensor.name: np.random.RandomState(2).normal(0, 1, tensor.shape).astype(
        tensor.dtype)}
    fastest = float('inf')
    with tempfile.TemporaryDirectory() as folder:
        runner = session(path, os.path.join(folder, 'profile'))
        for _ in range(rounds):
            runner.run(None, values)
            started = time.perf_counter()
            peak.run(None, factor)
            fastest = min(fastest, time.perf_counter() - started)
        nodes = read_profile(runner.end_profiling())
    return nodes, 2.0 * PEAK_SIDE ** 3 / fastest


def table(nodes, peak):
    """Return lines of Markdown: a row for each kind of operator, the slowest first."""
    rows = {}
    for kind, count, time_us in nodes.values():
        row = rows.setdefault(kind, [0, 0.0, 0.0])
        row[0] += 1
        row[1] += count
        row[2] += time_us
    total = [sum(row[column] for row in rows.values()) for column in range(3)]
    lines = ['| operator | nodes | time ms | of all | GFLOP | of the peak |',
             '|---|---:|---:|---:|---:|---:|']
    for kind, (nodes_of, count, time_us) in sorted(
            rows.items(), key=lambda item: -item[1][2]) + [('all', total)]:
        share = f'{count / (time_us * 1e-6) / peak:.2f}' if count else ''
        done = f'{count / 1e9:.2f}' if count else ''
        lines.append(f'| {kind} | {nodes_of} | {time_us / 1e3:.1f} | {time_us / total[2]:.3f} | '
                     f'{done} | {share} |')
    return lines


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=15, help='runs of the graph')
    parser.add_argument('spec')
    parser.add_argument('model')
    options = parser.parse_args()
    spec = load_model_spec(options.spec)
    made = optimize(options.model, spec, ONNXRUNTIME)
    nodes, peak = profile(made.path, made.spec.input_tensor(), options.rounds)
    machine = machine_description()
    print('{} at {} x {}, one thread, {}, onnxruntime {}; peak {:.1f} GFLOP/s'.format(
        spec.name, *spec.input_size_wh, machine['processor'], onnxruntime.__version__, peak / 1e9))
    print('\n'.join([''] + table(nodes, peak)))


if __name__ == '__main__':
    main()
