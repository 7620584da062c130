#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Count what a frame reads and writes beside its network, for the table in docs/segmentation.md.

Prints a Markdown table in kB. Nothing is timed and no network runs: the stages run on logits of
zeros, and the sizes are those of the arrays that they took and made.

usage: frame_bytes.py
"""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from segformer_ros.common import resources  # noqa: E402, I100
from segformer_ros.evaluation.benchmark import cold_caches  # noqa: E402
from segformer_ros.evaluation.benchmark.pipelines import CameraImage  # noqa: E402
from segformer_ros.model.optimize.target import ONNXRUNTIME  # noqa: E402
from segformer_ros.model.spec import load_model_spec  # noqa: E402
from segformer_ros.segmentation.kernel_build import load_kernels  # noqa: E402
from segformer_ros.segmentation.postprocessing import Postprocessor  # noqa: E402
from segformer_ros.segmentation.preprocessing import Preprocessor  # noqa: E402

MODELS = ('segformer_b0_ade20k', 'segformer_sim')
SIZES_WH = ((640, 480), (1280, 720), (512, 512))
STAGES = ('convert', 'pre', 'post', 'message')


def traffic(spec, size_wh, make):
    """Return the bytes of each stage; ``make`` as :func:`cold_caches.our_stages`."""
    kernels = load_kernels().kernels
    outputs = {output.name: np.zeros(output.shape, output.dtype)
               for output in spec.output_tensors()}
    image = CameraImage(np.zeros(size_wh[::-1] + (3,), np.uint8))
    way = make(image, outputs, Preprocessor(spec, kernels), Postprocessor(spec, kernels))
    for _, step in way.steps:
        step()
    return way.traffic()


def table():
    """Return the lines of the table."""
    lines = [f"| network, camera | way | {' | '.join(STAGES)} | sum | share |",
             '|---|---|' + '---|' * (len(STAGES) + 2)]
    for model in MODELS:
        spec = ONNXRUNTIME.optimized_spec(
            load_model_spec(resources.find(f'config/models/{model}.yaml')))
        for size_wh in SIZES_WH:
            sums = {}
            for name, make in ((cold_caches.SEPARATE, cold_caches.separate_stages),
                               (cold_caches.OURS, cold_caches.our_stages)):
                found = traffic(spec, size_wh, make)
                sums[name] = sum(each.read + each.written for each in found.values())
                cells = [f'{found[stage].read / 1e3:.0f} + {found[stage].written / 1e3:.0f}'
                         for stage in STAGES]
                share = sums[name] / sums[cold_caches.SEPARATE]
                lines.append('| {}, {} x {} | {} | {} | {:.0f} | {:.2f} |'.format(
                    spec.name, *size_wh, name, ' | '.join(cells), sums[name] / 1e3, share))
    return lines


if __name__ == '__main__':
    print('\n'.join(table()))
