# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Networks to go on training: of an ONNX file, or of a transformers checkpoint."""

import os
import sys
from typing import Any, List, NamedTuple, Sequence, Tuple

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
for folder in (ROOT, os.path.join(ROOT, 'tools', 'export')):
    if folder not in sys.path:
        sys.path.append(folder)

from network import SegFormer  # noqa: E402, I100
from network import Widths  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
from segformer_ros.common.errors import ModelError  # noqa: E402
from segformer_ros.common.telemetry import import_onnxruntime  # noqa: E402
from segformer_ros.model import spec as model_spec  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.model.optimize import segformer_layers as layers  # noqa: E402
from segformer_ros.model.optimize.segformer_parser import parse_segformer  # noqa: E402
from segformer_ros.model.weights.resolve import resolve_model  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

# A class whose output no picture can raise: it was never learnt.
SILENT = -20.0
_NEVER = -50.0
# Of the weights of classes where none can be had from the former network.
_SPREAD = 0.01
# Of logits, between the file and the network that was read from it, as a share of the largest.
_TOLERANCE = 1e-3


class Former(NamedTuple):
    """
    A trained network, what it takes, and the names of its classes by id.

    ``onnx_path`` is its file, empty for a checkpoint of transformers.
    """

    network: nn.Module
    spec: model_spec.ModelSpec
    names: Tuple[str, ...]
    onnx_path: str


class Logits(nn.Module):
    """A SegformerForSemanticSegmentation with one tensor in and one out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.model(pixel_values=pixel_values).logits


def open_former(model: str) -> Former:
    """
    Return a network by the name of a model, an ONNX file, or a checkpoint's folder.

    :raises ModelError: it cannot be had, or is not a SegFormer
    """
    if os.path.isfile(os.path.join(model, 'config.json')):
        return _of_checkpoint(model)
    found = resolve_model(model)
    if found.spec.output_kind != model_spec.LOGITS:
        raise ModelError('Network cannot be trained further', got=found.spec.output_kind,
                         expected='one that ends in logits',
                         remedy='Give the checkpoint that the file was exported from.')
    return Former(from_onnx(found.onnx_path, found.spec), found.spec,
                  load_class_table(found.spec.classes).names, found.onnx_path)


def from_onnx(path: str, spec: model_spec.ModelSpec) -> SegFormer:
    """
    Return the SegFormer of an ONNX file, with its weights.

    :param path: of the file
    :param spec: of the file
    :raises ModelError: it is not a SegFormer, has other strides, or computes something else
    """
    parsed = parse_segformer(onnx.load(path), spec.input_name, spec.output_name)
    blocks = [stage.blocks[0] for stage in parsed.stages]
    reductions = [1 if block.attention.reduction is None else
                  int(block.attention.reduction.convolution.weight.shape[-1]) for block in blocks]
    channels = [int(stage.norm.gain.size) for stage in parsed.stages]
    widths = Widths(tuple(channels), tuple(block.attention.heads for block in blocks),
                    tuple(reductions), tuple(len(stage.blocks) for stage in parsed.stages),
                    int(blocks[0].expand.bias.size) // channels[0],
                    int(parsed.head.fuse.bias.size))
    network = SegFormer(parsed.num_classes, widths)
    try:
        _fill(network, parsed)
    except ValueError as error:
        raise ModelError('SegFormer has other shapes than those that can be trained here',
                         got=error, remedy='Give the checkpoint that the file was exported '
                                           'from.') from error
    network.eval()
    _compare(network, path, spec)
    return network


def with_classes(network: nn.Module, old: Sequence[str], new: Sequence[str],
                 shown: Sequence[int]) -> None:
    """
    Give a network's last layer an output for each of other classes.

    Rows move by name. A class that the labels show and the network does not know starts as
    likely as the average one; one that neither knows stays silent.

    :param network: changed in place
    :param old: names by id
    :param new: names by id
    :param shown: ids of the new classes that the labels show
    """
    owner, name = classifier_of(network)
    layer = getattr(owner, name)
    known = {label: row for row, label in enumerate(old)}
    replaced = nn.Conv2d(layer.in_channels, len(new), 1)
    awake = layer.bias > SILENT
    with torch.no_grad():
        # None is where no class of the former network is among the new ones.
        some = bool(awake.any())
        nn.init.normal_(replaced.weight, 0.0,
                        float(layer.weight[awake].std()) * 0.1 if some else _SPREAD)
        replaced.bias.fill_(float(layer.bias[awake].mean()) if some else 0.0)
        for row, label in enumerate(new):
            source = known.get(label)
            if source is not None and (awake[source] or row not in shown):
                replaced.weight[row] = layer.weight[source]
                replaced.bias[row] = layer.bias[source]
            elif row not in shown:
                replaced.weight[row] = 0.0
                replaced.bias[row] = _NEVER
    setattr(owner, name, replaced)


def classifier_of(network: nn.Module) -> Tuple[Any, str]:
    """Return the module that has the last layer, and the layer's name in it."""
    if isinstance(network, SegFormer):
        return network, 'classify'
    return network.model.decode_head, 'classifier'


def awake_classes(network: nn.Module) -> List[int]:
    """Return the ids of the classes that the network can answer."""
    owner, name = classifier_of(network)
    return [int(row) for row in torch.nonzero(getattr(owner, name).bias > SILENT)[:, 0]]


def _of_checkpoint(folder: str) -> Former:
    import export_segformer
    from segformer_ros.model.huggingface import class_table_from_huggingface
    from segformer_ros.model.huggingface import read_preprocessor
    model = export_segformer.load(folder)
    names = class_table_from_huggingface(os.path.join(folder, 'config.json')).names
    size_wh = model_spec.ModelSpec._field_defaults['input_size_wh']
    mean, std, order = model_spec.IMAGENET_MEAN, model_spec.IMAGENET_STD, 'rgb'
    preprocessor = os.path.join(folder, 'preprocessor_config.json')
    if os.path.isfile(preprocessor):
        known = read_preprocessor(preprocessor)
        size_wh = known.input_size_wh or size_wh
        mean, std, order = known.mean, known.std, known.color_order
    spec = model_spec.ModelSpec(
        name='former', classes='', num_classes=len(names), input_size_wh=size_wh, mean=mean,
        std=std, color_order=order)
    return Former(Logits(model).eval(), spec, names, '')


def _set(parameter: torch.Tensor, value: Any) -> None:
    value = torch.from_numpy(np.array(value, np.float32))
    if parameter.shape != value.shape:
        raise ValueError(f'{tuple(value.shape)} where {tuple(parameter.shape)} is known')
    with torch.no_grad():
        parameter.copy_(value)


def _linear(module: nn.Linear, layer: layers.Linear) -> None:
    _set(module.weight, layer.weight.T)
    _set(module.bias, layer.bias)


def _norm(module: nn.LayerNorm, layer: layers.Norm) -> None:
    _set(module.weight, layer.gain)
    _set(module.bias, layer.bias)
    module.eps = layer.epsilon


def _convolution(module: nn.Conv2d, layer: layers.Convolution) -> None:
    if tuple(module.stride) != layer.strides or tuple(module.padding) * 2 != layer.pads:
        raise ValueError(f'strides {layer.strides} and pads {layer.pads}')
    _set(module.weight, layer.weight)
    _set(module.bias, layer.bias)


def _fill(network: SegFormer, parsed: layers.Segformer) -> None:
    for stage, layer in zip(network.stages, parsed.stages):
        _convolution(stage.embed.project, layer.embedding)
        _norm(stage.embed.norm, layer.embedding_norm)
        _norm(stage.norm, layer.norm)
        for block, source in zip(stage.blocks, layer.blocks):
            _norm(block.norm_1, source.attention_norm)
            _norm(block.norm_2, source.mlp_norm)
            attention = source.attention
            for module, part in ((block.attention.query, attention.query),
                                 (block.attention.key, attention.key),
                                 (block.attention.value, attention.value),
                                 (block.attention.out, attention.output),
                                 (block.feed_forward.expand, source.expand),
                                 (block.feed_forward.shrink, source.contract)):
                _linear(module, part)
            if attention.reduction is not None:
                _convolution(block.attention.reduce, attention.reduction.convolution)
                _norm(block.attention.norm, attention.reduction.norm)
            _convolution(block.feed_forward.depthwise, source.depthwise)
    head = parsed.head
    if head.rectified:
        raise ValueError('a ReLU after the projections of the head, as in mmsegmentation')
    for module, part in zip(network.linears, head.projections):
        _linear(module, part)
    # The network stacks the coarsest level first, the layers the finest.
    parts = np.split(head.fuse.weight, len(head.projections))
    fused = np.concatenate(parts[::-1])
    _set(network.fuse.weight, fused.T[:, :, None, None])
    # Its normalisation lies in the weights already: here it changes nothing but adds the bias.
    _set(network.fuse_norm.running_var, np.full(head.fuse.bias.shape, 1 - network.fuse_norm.eps))
    _set(network.fuse_norm.bias, head.fuse.bias)
    _set(network.classify.weight, head.classifier.weight.T[:, :, None, None])
    _set(network.classify.bias, head.classifier.bias)


def _compare(network: SegFormer, path: str, spec: model_spec.ModelSpec) -> None:
    width, height = spec.input_size_wh
    picture = np.random.RandomState(0).normal(size=(1, 3, height, width)).astype(np.float32)
    session = import_onnxruntime().InferenceSession(path, providers=['CPUExecutionProvider'])
    given = picture if spec.input_layout == 'nchw' else picture.transpose(0, 2, 3, 1)
    if spec.input_dtype != 'float32':
        raise ModelError('Network cannot be trained further', got=spec.input_dtype,
                         expected='one that takes float32')
    expected = session.run([spec.output_name], {spec.input_name: given})[0]
    if spec.output_layout == 'nhwc':
        expected = expected.transpose(0, 3, 1, 2)
    with torch.no_grad():
        found = network(torch.from_numpy(picture)).numpy()
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    # Written so that NaN fails.
    if not difference <= _TOLERANCE:
        raise ModelError('Network that was read from the file computes something else',
                         got=f'logits that differ by {difference:.1e}',
                         expected=f'at most {_TOLERANCE:.0e}')
