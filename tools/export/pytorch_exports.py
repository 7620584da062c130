# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""SegFormers with random weights as PyTorch's own exporters write them; needs transformers."""

import importlib
import os
import warnings

import numpy as np
import onnx
from segformer_ros.common.telemetry import import_onnxruntime
import torch


def random_network(arch, attention='eager'):
    """
    Return a SegformerForSemanticSegmentation of an Architecture.

    :param attention: ``eager`` or ``sdpa``
    """
    import transformers
    config = transformers.SegformerConfig(
        depths=list(arch.depths), hidden_sizes=list(arch.widths),
        num_attention_heads=list(arch.heads), sr_ratios=list(arch.reductions),
        mlp_ratios=[arch.expansion] * len(arch.depths), decoder_hidden_size=arch.decoder,
        num_labels=arch.classes)
    config._attn_implementation = attention
    torch.manual_seed(0)
    network = transformers.SegformerForSemanticSegmentation(config).eval()
    for name, value in [*network.named_parameters(), *network.named_buffers()]:
        # Exporters leave out biases of zero and gains of one; a trained network has none.
        if name.endswith(('bias', 'running_mean')) or (value.ndim == 1 and 'var' not in name):
            value.data += 0.1 * torch.randn(value.shape)
    return network


class Logits(torch.nn.Module):
    """A network with one tensor in and one out, whatever it returns."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, pixel_values):
        """Return the logits."""
        found = self.network(pixel_values)
        return getattr(found, 'logits', found)


def export(network, size_wh, path, opset, dynamo=False, dynamic=False, external=False,
           optimize=True):
    """
    Export a network.

    :param external: weights in a file beside it
    :param optimize: of the newer exporter: what it simplifies by itself
    :return: a function that gives PyTorch's logits (classes, h, w) of a (1, 3, H, W) tensor
    """
    module = Logits(network).eval()
    names = {'input_names': ['pixel_values'], 'output_names': ['logits']}
    sizes = {0: 'batch', 2: 'height', 3: 'width'}
    more = {'external_data': external, 'optimize': optimize} if dynamo else {}
    if dynamic:
        more['dynamic_axes'] = {'pixel_values': sizes, 'logits': sizes}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')
        torch.onnx.export(module, (torch.zeros(1, 3, size_wh[1], size_wh[0]),), path,
                          opset_version=opset, dynamo=dynamo, verbose=False, **names, **more)
    if external and not dynamo:
        model = onnx.load(path)
        onnx.save(model, path, save_as_external_data=True, all_tensors_to_one_file=True,
                  location=os.path.basename(path) + '.data', size_threshold=0)

    def logits(tensor):
        with torch.no_grad():
            return module(torch.from_numpy(tensor))[0].numpy().astype(np.float32)
    return logits


def to_half(path, keep_io):
    """Make the weights of a file float16, and its input and output, too, unless kept."""
    import_onnxruntime()
    float16 = importlib.import_module('onnxruntime.transformers.float16')
    onnx.save(float16.convert_float_to_float16(onnx.load(path), keep_io_types=keep_io), path)
