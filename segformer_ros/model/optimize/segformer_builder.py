# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write a SegFormer as the graph that runtimes run fastest."""

import functools
from typing import Any, NamedTuple, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError
from segformer_ros.common.telemetry import import_onnxruntime
from segformer_ros.model.optimize import io_adapters
from segformer_ros.model.optimize import segformer_layers as layers
from segformer_ros.model.optimize.reader import UnsupportedGraphError
from segformer_ros.model.optimize.target import Target
from segformer_ros.model.optimize.writer import GraphWriter
from segformer_ros.model.optimize.writer import MICROSOFT
from segformer_ros.model.spec import ModelSpec

Size = Tuple[int, int]


@functools.lru_cache(maxsize=None)
def has_fused_attention() -> bool:
    """Return whether the installed onnxruntime runs ``com.microsoft.MultiHeadAttention``."""
    try:
        onnxruntime = import_onnxruntime()
        writer = GraphWriter(13)
    except (ImportError, BackendError):
        return False
    shape = (1, 2, 4)
    names = ('query', 'key', 'value')
    writer.op('MultiHeadAttention', names, domain=MICROSOFT, output='context', num_heads=2,
              scale=0.5)
    model = writer.finish([writer.value_info(name, 'float32', shape) for name in names],
                          [writer.value_info('context', 'float32', shape)])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options,
                                     providers=['CPUExecutionProvider'])
    except Exception:  # onnxruntime has no narrower type for "no such operation"
        return False
    return True


def build(network: layers.Segformer, spec: ModelSpec, target: Target,
          fused_attention: bool, resize: str = '') -> Any:
    """
    Write the optimized model.

    Layout is chosen for the runtimes: normalisation, attention and residuals on tokens
    (1, positions, channels), everything else, Mix-FFN's linear layers included, as
    convolutions on images (1, channels, h, w). The change between them is a transpose of the
    narrow tensor, never of the four times wider one inside Mix-FFN.

    :param fused_attention: use onnxruntime's operation
    :param resize: how to enlarge the logits to the specification's size, as
        ``coordinate_transformation_mode`` names it; empty where they have that size
    :return: an ``onnx.ModelProto`` of ``target.optimized_spec(spec)``
    :raises UnsupportedGraphError: the network does not give logits of the specification's size
    """
    width, height = spec.input_size_wh
    sizes = network.stage_sizes((height, width))
    fits = resize or sizes[0][::-1] == tuple(spec.output_size_wh)
    if not fits or network.num_classes != spec.num_classes:
        raise UnsupportedGraphError(
            '{} classes at {} x {} pixels; the specification has {} at {} x {}'.format(
                network.num_classes, sizes[0][1], sizes[0][0], spec.num_classes,
                *spec.output_size_wh))
    writer = GraphWriter(target.opset)
    image, factors = io_adapters.add_input(writer, spec, target)
    first = network.stages[0]
    stages = (first._replace(embedding=fold_input_scale(first.embedding, factors)),
              ) + network.stages[1:]
    images = []
    for number, (stage, size) in enumerate(zip(stages, sizes), 1):
        with writer.scope(f'stage{number}'):
            image = _stage(writer, stage, image, size, fused_attention)
        images.append(image)
    with writer.scope('head'):
        logits = _head(writer, network.head, tuple(images), sizes[0])
        if resize:
            whole = (1, spec.num_classes) + tuple(spec.output_size_wh[::-1])
            logits = writer.op('Resize', [logits, '', '', writer.constant(whole, 'whole')],
                               mode='linear', coordinate_transformation_mode=resize)
    io_adapters.add_outputs(writer, logits, spec, target)
    return io_adapters.finish(writer, spec, target)


def _linear(writer: GraphWriter, tensor: str, layer: layers.Linear) -> str:
    """Append a linear layer over the last axis."""
    product = writer.op('MatMul', [tensor, writer.constant(layer.weight, 'weight')])
    return writer.op('Add', [product, writer.constant(layer.bias, 'bias')])


def _attend(writer: GraphWriter, attention: layers.Attention, tokens: str,
            tokens_short: str, length: int, length_short: int, fused: bool) -> str:
    """
    Append multi-head attention without its residual.

    :param tokens: (1, length, channels), normalised: where queries come from
    :param tokens_short: (1, length_short, channels): where keys and values come from
    :param fused: use ``com.microsoft.MultiHeadAttention``
    :return: (1, length, channels)
    """
    if not fused:
        attention = fold_attention_scale(attention)
    projected = []
    for name, layer, tensor in (('query', attention.query, tokens),
                                ('key', attention.key, tokens_short),
                                ('value', attention.value, tokens_short)):
        with writer.scope(name):
            projected.append(_linear(writer, tensor, layer))
    if fused:
        context = writer.op('MultiHeadAttention', projected, domain=MICROSOFT,
                            num_heads=attention.heads, scale=attention.scale)
    else:
        context = _attend_by_parts(writer, attention, projected, length, length_short)
    with writer.scope('output'):
        return _linear(writer, context, attention.output)


def _attend_by_parts(writer: GraphWriter, attention: layers.Attention,
                     projected: 'list[str]', length: int, length_short: int) -> str:
    channels = int(attention.query.bias.shape[0])
    width = channels // attention.heads
    query, key, value = (
        writer.reshape(tensor, 1, rows, attention.heads, width)
        for tensor, rows in zip(projected, (length, length_short, length_short)))
    scores = writer.op('MatMul', [writer.transpose(query, 0, 2, 1, 3),
                                  writer.transpose(key, 0, 2, 3, 1)])
    weights = writer.op('Softmax', [scores], axis=-1)
    context = writer.op('MatMul', [weights, writer.transpose(value, 0, 2, 1, 3)])
    return writer.reshape(writer.transpose(context, 0, 2, 1, 3), 1, length, channels)


def _stage(writer: GraphWriter, stage: layers.Stage, image: str, size: Size,
           fused: bool) -> str:
    with writer.scope('embedding'):
        embedded = _convolution(writer, image, stage.embedding)
        tokens = _norm(writer, _to_tokens(writer, embedded, size, stage.norm),
                       stage.embedding_norm)
    for number, block in enumerate(stage.blocks):
        with writer.scope(f'block{number}'):
            tokens = _block(writer, block, tokens, size, fused)
    with writer.scope('closing'):
        return _to_image(writer, _norm(writer, tokens, stage.norm), size, stage.norm)


def _block(writer: GraphWriter, block: layers.Block, tokens: str, size: Size,
           fused: bool) -> str:
    length = size[0] * size[1]
    with writer.scope('attention'):
        normed = short = _norm(writer, tokens, block.attention_norm)
        length_short = length
        if block.attention.reduction is not None:
            shrink, norm = block.attention.reduction
            size_short = shrink.output_size(size)
            length_short = size_short[0] * size_short[1]
            with writer.scope('reduction'):
                shrunk = _convolution(
                    writer, _to_image(writer, normed, size, block.attention_norm), shrink)
                short = _norm(writer, _to_tokens(writer, shrunk, size_short, norm), norm)
        tokens = writer.op('Add', [tokens, _attend(
            writer, block.attention, normed, short, length, length_short, fused)])
    with writer.scope('mlp'):
        normed = _norm(writer, tokens, block.mlp_norm)
        wide = _pointwise(writer, _to_image(writer, normed, size, block.mlp_norm), block.expand)
        wide = _gelu(writer, _convolution(writer, wide, block.depthwise))
        narrow = _pointwise(writer, wide, block.contract)
        return writer.op('Add', [tokens, _to_tokens(writer, narrow, size, block.mlp_norm)])


def _head(writer: GraphWriter, head: layers.Head, images: Tuple[str, ...],
          size: Size) -> str:
    if head.rectified:
        # A ReLU passes no weights: each stage keeps its projection, at its own size.
        images = tuple(_rectified(writer, number, image, projection) for number, (
            image, projection) in enumerate(zip(images, head.projections), 1))
    folded = fold_head(head)
    channels = int(folded.bias.shape[0])
    whole = writer.constant((1, channels) + size, 'size')
    total = ''
    # Smallest first: onnxruntime merges the last addition into the first stage's convolution.
    for number in range(len(images), 0, -1):
        with writer.scope(f'stage{number}'):
            bias = folded.bias if number == 1 else np.zeros_like(folded.bias)
            part = _pointwise(writer, images[number - 1],
                              layers.Linear(folded.weights[number - 1], bias))
            if number > 1:
                part = writer.op('Resize', [part, '', '', whole], mode='linear',
                                 coordinate_transformation_mode='half_pixel')
            total = writer.op('Add', [total, part]) if total else part
    return _pointwise(writer, writer.op('Relu', [total]), folded.classifier)


def _rectified(writer: GraphWriter, number: int, image: str, projection: layers.Linear) -> str:
    with writer.scope(f'projection{number}'):
        return writer.op('Relu', [_pointwise(writer, image, projection)])


def _convolution(writer: GraphWriter, image: str, layer: layers.Convolution) -> str:
    return writer.op('Conv', [image, writer.constant(layer.weight, 'weight'),
                              writer.constant(layer.bias, 'bias')],
                     kernel_shape=list(layer.weight.shape[2:]), strides=list(layer.strides),
                     pads=list(layer.pads), group=layer.groups)


def _pointwise(writer: GraphWriter, image: str, layer: layers.Linear) -> str:
    weight = np.ascontiguousarray(layer.weight.T)[:, :, np.newaxis, np.newaxis]
    return _convolution(
        writer, image, layers.Convolution(weight, layer.bias, (1, 1), (0, 0, 0, 0), 1))


def _norm(writer: GraphWriter, tokens: str, layer: layers.Norm) -> str:
    gain, bias = writer.constant(layer.gain, 'gain'), writer.constant(layer.bias, 'bias')
    if writer.opset >= 17:
        return writer.op('LayerNormalization', [tokens, gain, bias], axis=-1,
                         epsilon=layer.epsilon)
    mean = writer.op('ReduceMean', [tokens], axes=[-1], keepdims=1)
    centred = writer.op('Sub', [tokens, mean])
    squares = writer.op('Pow', [centred, writer.constant(2.0, 'two')])
    variance = writer.op('ReduceMean', [squares], axes=[-1], keepdims=1)
    deviation = writer.op('Sqrt', [writer.op(
        'Add', [variance, writer.constant(layer.epsilon, 'epsilon')])])
    ratio = writer.op('Div', [centred, deviation])
    return writer.op('Add', [writer.op('Mul', [ratio, gain]), bias])


def _gelu(writer: GraphWriter, tensor: str) -> str:
    scaled = writer.op('Div', [tensor, writer.constant(np.sqrt(2.0), 'sqrt2')])
    gate = writer.op('Add', [writer.op('Erf', [scaled]), writer.constant(1.0, 'one')])
    return writer.op('Mul', [writer.op('Mul', [tensor, gate]), writer.constant(0.5, 'half')])


def _to_tokens(writer: GraphWriter, image: str, size: Size, norm: layers.Norm) -> str:
    return writer.reshape(writer.transpose(image, 0, 2, 3, 1), 1, size[0] * size[1],
                          int(norm.gain.shape[0]))


def _to_image(writer: GraphWriter, tokens: str, size: Size, norm: layers.Norm) -> str:
    return writer.transpose(writer.reshape(tokens, 1, size[0], size[1],
                                           int(norm.gain.shape[0])), 0, 3, 1, 2)


class FoldedHead(NamedTuple):
    """
    The decode head as ``relu(sum_i up_i(x_i @ weights[i]) + bias) @ classifier``.

    ``weights`` has one (stage channels, decoder channels) float32 matrix a stage. Where the
    projections have a ReLU, x_i is what it gives, and not the stage itself.
    """

    weights: Tuple[arrays.Float32, ...]
    bias: arrays.Float32
    classifier: layers.Linear


def fold_head(head: layers.Head) -> FoldedHead:
    """
    Merge each stage's projection with its share of the fusing convolution.

    With stages x_i, projections L_i and b_i, upsampling up_i and the fusing convolution F and
    f, the head's middle is ``z = F . concat_i(up_i(L_i x_i + b_i)) + f``. L_i and F act on
    channels, up_i on positions, so they commute; interpolation weights sum to one, so b_i
    passes unchanged: ``z = sum_i up_i((F_i L_i) x_i) + (f + sum_i F_i b_i)``. The convolution
    over all stages' channels at the first stage's size, half of a SegFormer-B0's
    multiplications, is gone. With a ReLU after the projections L_i stay, and F_i alone moves
    below up_i: its multiplications are then a third.
    """
    widths = [projection.bias.size for projection in head.projections]
    parts = np.split(np.asarray(head.fuse.weight, np.float64), np.cumsum(widths)[:-1])
    bias = np.asarray(head.fuse.bias, np.float64)
    weights = []
    if head.rectified:
        return FoldedHead(tuple(part.astype(np.float32) for part in parts), head.fuse.bias,
                          head.classifier)
    for projection, part in zip(head.projections, parts):
        weights.append((np.asarray(projection.weight, np.float64) @ part).astype(np.float32))
        bias = bias + np.asarray(projection.bias, np.float64) @ part
    return FoldedHead(tuple(weights), bias.astype(np.float32), head.classifier)


def fold_input_scale(convolution: layers.Convolution,
                     scale: Sequence[float]) -> layers.Convolution:
    """
    Return a convolution that takes input multiplied by ``1 / scale`` beforehand.

    :param scale: by input channel
    """
    factors = np.asarray(scale, np.float64).reshape(1, -1, 1, 1)
    return convolution._replace(weight=(convolution.weight * factors).astype(np.float32))


def fold_attention_scale(attention: layers.Attention) -> layers.Attention:
    """Return the same attention with its scale moved into the query projection."""
    query = layers.Linear(*((values.astype(np.float64) * attention.scale).astype(np.float32)
                            for values in attention.query))
    return attention._replace(query=query, scale=1.0)
