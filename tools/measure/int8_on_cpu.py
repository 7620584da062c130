#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure what onnxruntime's own INT8 quantization gains or costs on this processor.

Prints a Markdown table: processor time of the network alone over that of the optimized float32
graph, the ways in turn, and the share of grid points whose class stays that of the float32 file.
Calibrated on, and compared on, the pictures given; without any on made ones.

usage: int8_on_cpu.py [--rounds N] [--threads N] SPEC.yaml MODEL.onnx [IMAGE...]
"""

import argparse
import contextlib
import importlib
import os
import sys
import tempfile

import cv2
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from segformer_ros.evaluation.benchmark import paired_timing  # noqa: E402, I100
from segformer_ros.evaluation.benchmark import pipelines  # noqa: E402
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend  # noqa: E402
from segformer_ros.model.optimize.optimize import optimize  # noqa: E402
from segformer_ros.model.optimize.target import ONNXRUNTIME  # noqa: E402
from segformer_ros.model.optimize.verify import sample_pictures  # noqa: E402
from segformer_ros.model.spec import load_model_spec  # noqa: E402
from segformer_ros.segmentation.preprocessing import Preprocessor  # noqa: E402

REFERENCE, FILE = 'optimized graph, float32', 'file, float32'
LINEAR, ALL = ['MatMul', 'Gemm'], ['Conv', 'MatMul', 'Gemm']


def quantized(paths, inputs, folder):
    """Yield name, source and path of each way that this onnxruntime can quantize."""
    quantization = importlib.import_module('onnxruntime.quantization')

    class Reader(quantization.CalibrationDataReader):
        def __init__(self, tensors):
            self._tensors = iter(tensors)

        def get_next(self):
            return next(self._tensors, None)

    def dynamic(source, target, operations):
        quantization.quantize_dynamic(source, target, op_types_to_quantize=operations,
                                      weight_type=quantization.QuantType.QInt8)

    def static(source, target, operations):
        quantization.quantize_static(
            source, target, Reader(inputs[source]), op_types_to_quantize=operations,
            quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            activation_type=quantization.QuantType.QUInt8)

    for kind, source, way, operations in (
            ('file, dynamic', FILE, dynamic, LINEAR), ('file, dynamic', FILE, dynamic, ALL),
            ('file, static QDQ', FILE, static, ALL),
            ('optimized graph, dynamic', REFERENCE, dynamic, LINEAR),
            ('optimized graph, static QDQ', REFERENCE, static, LINEAR),
            ('optimized graph, static QDQ', REFERENCE, static, ALL)):
        name = f'{kind}, {" + ".join(operations)}'
        target = os.path.join(folder, f'{len(os.listdir(folder))}.onnx')
        try:
            way(paths[source], target, operations)
        except Exception as error:  # of many kinds; that it cannot be done is a result
            print(f'{name}: not possible: {str(error).splitlines()[0][:200]}', file=sys.stderr)
            continue
        yield name, source, target


def classes_of(backend, tensors, spec):
    """Return the class of every grid point of every picture."""
    axis = -1 if spec.output_layout == 'nhwc' else 1
    return np.stack([backend.infer(each)[spec.output_name].argmax(axis=axis)
                     for each in tensors])


def main():
    """Quantize, time and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('spec')
    parser.add_argument('model')
    parser.add_argument('images', nargs='*')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--threads', type=int, default=1)
    options = parser.parse_args()
    spec = load_model_spec(options.spec)
    pictures = [cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB) for path in options.images] \
        or sample_pictures(spec.input_size_wh)
    ours = optimize(options.model, spec, ONNXRUNTIME)
    paths, specs = {FILE: options.model, REFERENCE: ours.path}, {FILE: spec, REFERENCE: ours.spec}
    tensors = {name: [{one.input_name: Preprocessor(one, None).run(picture, 'pillow').copy()}
                      for picture in pictures] for name, one in specs.items()}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ways = [(REFERENCE, REFERENCE, ours.path), (FILE, FILE, options.model)]
        ways += quantized(paths, {paths[name]: found for name, found in tensors.items()}, folder)
        variants, expected, agreement = [], None, {}
        for name, source, path in ways:
            backend = stack.enter_context(OnnxruntimeBackend(path, threads=options.threads))
            found = classes_of(backend, tensors[source], specs[source])
            expected = found if expected is None else expected
            agreement[name] = float(np.mean(found == expected))

            def run(backend=backend, tensor=tensors[source][0]):
                watch = pipelines.Watch()
                backend.infer(tensor)
                watch.cut(pipelines.INFER)
                return paired_timing.Run(watch.stages)

            variants.append(paired_timing.Variant(name, run))
        timing = paired_timing.time_in_pairs(variants, options.rounds)
    print('| network | processor time ms | / optimized float32 | same class |\n|---|---|---|---|')
    for name, _, _ in ways:
        print(f'| {name} | {1e3 * timing.cpu(name):.1f} | '
              f'{timing.cpu_ratio(name, REFERENCE):.2f} | {agreement[name]:.4f} |')


if __name__ == '__main__':
    main()
