# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Write a checkpoint as ONNX that fits the package's contract, and check it.

``pixel_values`` float32 (1, 3, H, W), ImageNet-normalised, to ``logits`` (1, N, H/4, W/4),
opset 13, IR version 7 (onnxruntime 1.10 reads it). A class that the training never saw keeps
its place with a logit far below the others.
"""

import argparse
import os
import sys
from typing import Optional, Tuple
import warnings

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from installed import check_installed
    check_installed(('numpy', 'onnx', 'onnxruntime', 'torch'))

from network import SegFormer
import numpy as np
import onnx
import torch
from torch import nn

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from segformer_ros.common.telemetry import import_onnxruntime  # noqa: E402, I100

# Low enough that softmax gives nothing, high enough for float16.
_NEVER = -50.0
_OPSET = 13
_IR_VERSION = 7
# The largest difference of logits that the check lets pass.
_TOLERANCE = 1e-4


def widened(network: SegFormer, classes: list, outputs: int) -> SegFormer:
    """Give the classifier one output for every class id below ``outputs``."""
    old = network.classify
    new = nn.Conv2d(old.in_channels, outputs, 1)
    with torch.no_grad():
        new.weight.zero_()
        new.bias.fill_(_NEVER)
        for index, class_id in enumerate(classes):
            new.weight[class_id] = old.weight[index]
            new.bias[class_id] = old.bias[index]
    network.classify = new
    return network


def export(checkpoint: str, out: str, outputs: int,
           size_wh: Optional[Tuple[int, int]] = None) -> float:
    """
    Export and compare with onnxruntime.

    :param checkpoint: file that train.py wrote
    :param out: ONNX file to write
    :param outputs: number of classes of the label space (150 for ADE20K)
    :param size_wh: of the network's input, pixels; as it was trained where None
    :return: largest difference of logits between PyTorch and onnxruntime
    """
    state = torch.load(checkpoint, weights_only=False, map_location='cpu')
    classes = state['classes']
    if max(classes) >= outputs:
        raise SystemExit(f'the data has class {max(classes)}; --outputs must be above it')
    network = SegFormer(len(classes))
    network.load_state_dict(state['average'])
    network = widened(network, classes, outputs).eval()
    width, height = size_wh or state['size_wh']
    return write_onnx(network, (width, height), out)


def write_onnx(network: nn.Module, size_wh: Tuple[int, int], out: str) -> float:
    """
    Write a network that takes normalised pictures and returns logits; compare with onnxruntime.

    :param network: in evaluation mode
    :param size_wh: of its input, pixels
    :param out: ONNX file to write
    :return: largest difference of logits between PyTorch and onnxruntime
    """
    width, height = size_wh
    example = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        # Sizes are meant to be fixed, and the result is compared below.
        warnings.simplefilter('ignore', torch.jit.TracerWarning)
        torch.onnx.export(network, (example,), out, opset_version=_OPSET, dynamo=False,
                          input_names=['pixel_values'], output_names=['logits'],
                          do_constant_folding=True)
    model = onnx.load(out)
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model)
    onnx.save(model, out)
    session = import_onnxruntime().InferenceSession(out, providers=['CPUExecutionProvider'])
    found = session.run(['logits'], {'pixel_values': example.numpy()})[0]
    with torch.no_grad():
        wanted = network(example).numpy()
    return float(np.abs(found - wanted).max())


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--checkpoint', required=True)
    parser.add_argument('--out', required=True)
    parser.add_argument('--outputs', type=int, default=150)
    parser.add_argument('--size', type=int, nargs=2, metavar=('WIDTH', 'HEIGHT'),
                        help="of the network's input; by default as it was trained")
    options = parser.parse_args()
    worst = export(options.checkpoint, options.out, options.outputs, options.size)
    if worst > _TOLERANCE:
        raise SystemExit(f'onnxruntime differs from PyTorch by {worst:.2e}')
    print(f'{options.out}: onnxruntime agrees with PyTorch to {worst:.1e}')


if __name__ == '__main__':
    main()
