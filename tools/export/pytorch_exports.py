# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""SegFormers with random weights as PyTorch's own exporters write them; needs transformers."""

import copy
import importlib
import os
import warnings

import numpy as np
import onnx
from segformer_ros.common.telemetry import import_onnxruntime
import torch

# Of the logits: their softmax is neither flat nor certain, as that of a trained network.
LOGIT_SPREAD = 4.0


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
    return with_random_weights(transformers.SegformerForSemanticSegmentation(config))


def random_smp(classes):
    """Return the Segformer of segmentation_models_pytorch, with the encoder ``mit_b0``."""
    import segmentation_models_pytorch
    return with_random_weights(segmentation_models_pytorch.Segformer(
        'mit_b0', encoder_weights=None, classes=classes))


def random_mmsegmentation(classes):
    """Return mmsegmentation's SegFormer-B0: the modules that its published files configure."""
    from mmseg.models.backbones import MixVisionTransformer
    from mmseg.models.decode_heads import SegformerHead
    backbone = MixVisionTransformer(
        embed_dims=32, num_layers=[2, 2, 2, 2], num_heads=[1, 2, 5, 8],
        sr_ratios=[8, 4, 2, 1], mlp_ratio=4, qkv_bias=True, drop_path_rate=0.1)
    head = SegformerHead(
        in_channels=[32, 64, 160, 256], in_index=[0, 1, 2, 3], channels=256, dropout_ratio=0.1,
        num_classes=classes, norm_cfg={'type': 'BN'}, align_corners=False)
    return with_random_weights(torch.nn.Sequential(backbone, head))


LIBRARIES = {'segmentation_models_pytorch': random_smp, 'mmseg': random_mmsegmentation}


def with_random_weights(network):
    """
    Draw weights that keep the size of what passes, so that the image decides the class.

    Exporters leave out biases of zero and gains of one; a trained network has none.
    """
    torch.manual_seed(0)
    last = None
    for name, value in [*network.named_parameters(), *network.named_buffers()]:
        if name.endswith('num_batches_tracked'):
            continue
        if value.ndim > 1:
            last = value
            fan_in = value[0].numel()
            value.data = torch.randn(value.shape) * fan_in ** -0.5
        elif 'var' in name:
            value.data = 0.5 + torch.rand(value.shape)
        else:
            value.data += 0.1 * torch.randn(value.shape)
    last.data *= LOGIT_SPREAD
    return network.eval()


class WithTail(torch.nn.Module):
    """
    A network with one tensor in and one out, whatever it returns, and what follows its logits.

    :param enlarge: to the size of the image
    :param step: ``softmax``, ``argmax`` or nothing
    :param dtype: of labels
    :param channel: labels keep a dimension of one channel
    """

    def __init__(self, network, enlarge=False, step='', dtype=torch.int64, channel=False):
        super().__init__()
        self.network = network
        self.enlarge, self.step = enlarge, step
        self.dtype, self.channel = dtype, channel

    def forward(self, pixel_values):
        """Return what the export gives."""
        logits = self.logits(pixel_values)
        if self.enlarge:
            logits = torch.nn.functional.interpolate(
                logits, size=pixel_values.shape[-2:], mode='bilinear', align_corners=False)
        if self.step == 'softmax':
            return logits.softmax(dim=1)
        if self.step == 'argmax':
            return logits.argmax(dim=1, keepdim=self.channel).to(self.dtype)
        return logits

    def logits(self, pixel_values):
        """Return the network's own logits."""
        found = self.network(pixel_values)
        return getattr(found, 'logits', found)


def export(network, size_wh, path, opset, dynamo=False, dynamic=False, external=False,
           optimize=True, half=False, training=False, tail=None):
    """
    Export a network.

    :param external: weights in a file beside it
    :param optimize: of the newer exporter: what it simplifies by itself
    :param half: make weights and arithmetic float16 before the export
    :param training: in the mode of training, as by mistake
    :param tail: keywords of :class:`WithTail`
    :return: a function that gives PyTorch's logits (classes, h, w) of a (1, 3, H, W) tensor,
        before the tail, in float64
    """
    module = WithTail(network, **(tail or {})).eval()
    if half:
        module.half()
    exact = copy.deepcopy(module).double()
    names = {'input_names': ['pixel_values'], 'output_names': ['logits']}
    sizes = {0: 'batch', 2: 'height', 3: 'width'}
    more = {'external_data': external, 'optimize': optimize} if dynamo else {}
    if training:
        module.train()
        more['training'] = torch.onnx.TrainingMode.TRAINING
    if dynamic:
        is_flat = module.step == 'argmax' and not module.channel
        more['dynamic_axes'] = {
            'pixel_values': sizes,
            'logits': {0: 'batch', 1: 'height', 2: 'width'} if is_flat else sizes}
    image = torch.zeros(1, 3, size_wh[1], size_wh[0], dtype=torch.float16 if half else None)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')
        torch.onnx.export(module, (image,), path, opset_version=opset, dynamo=dynamo,
                          verbose=False, **names, **more)
    if external and not dynamo:
        model = onnx.load(path)
        onnx.save(model, path, save_as_external_data=True, all_tensors_to_one_file=True,
                  location=os.path.basename(path) + '.data', size_threshold=0)

    def logits(tensor):
        with torch.no_grad():
            return exact.logits(torch.from_numpy(tensor.astype(np.float64)))[0].numpy()
    return logits


def round_to_half(network):
    """Round the weights as a converter to float16 does, so that PyTorch has the file's."""
    for value in [*network.parameters(), *network.buffers()]:
        if value.is_floating_point():
            value.data = value.data.half().float()
    return network


def to_half(path, keep_io):
    """Make the weights of a file float16, and its input and output, too, unless kept."""
    import_onnxruntime()
    float16 = importlib.import_module('onnxruntime.transformers.float16')
    onnx.save(float16.convert_float_to_float16(onnx.load(path), keep_io_types=keep_io), path)
