#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Write a SegFormer with random weights, for measurements of speed, which weights do not change.

usage: write_random_segformer.py CONFIG.json WIDTHxHEIGHT OUTPUT.onnx
CONFIG.json is a checkpoint's configuration as Hugging Face keeps it. The specification is
written beside the model. The graph is as torch.onnx.export writes it, with dynamic shapes.
"""

import json
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir)
sys.path[:0] = [ROOT, os.path.join(ROOT, 'test')]

import onnx  # noqa: E402, I100
from support.exported_segformer import Architecture  # noqa: E402
from support.exported_segformer import export_segformer  # noqa: E402


def main():
    """Write model and specification."""
    config_path, size, output = sys.argv[1:4]
    with open(config_path, encoding='utf-8') as stream:
        config = json.load(stream)
    expansion, = set(config['mlp_ratios'])
    classes = len(config['id2label'])
    architecture = Architecture(
        tuple(config['depths']), tuple(config['hidden_sizes']),
        tuple(config['num_attention_heads']), tuple(config['sr_ratios']), expansion,
        config['decoder_hidden_size'], classes)
    width, height = (int(number) for number in size.split('x'))
    onnx.save(export_segformer(architecture, (width, height), 'torchscript'), output)
    stem = os.path.splitext(output)[0]
    with open(stem + '.yaml', 'w', encoding='utf-8') as stream:
        stream.write(
            f'name: {os.path.basename(stem)}\nclasses: ade20k\nnum_classes: {classes}\n'
            f'input_size_wh: [{width}, {height}]\n'
            f'output_size_wh: [{width // 4}, {height // 4}]\n')


if __name__ == '__main__':
    main()
