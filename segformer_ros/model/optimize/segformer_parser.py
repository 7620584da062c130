# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Find the SegFormer in an ONNX graph by what it computes, not by its names."""

from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from segformer_ros.model.optimize import patterns as patterns
from segformer_ros.model.optimize import reader
from segformer_ros.model.optimize import segformer_layers

# Whole numbers are shapes and axes.
WEIGHT_DTYPES = ('FLOAT', 'INT64', 'INT32', 'BOOL')


def recognise(model: Any, input_name: str, output_name: str) -> segformer_layers.Segformer:
    """
    Read a SegFormer from an ONNX graph.

    The graph is walked from the logits back to the input. Steps that only move values are
    skipped, so any exporter's way of writing shapes will do. Whether the result computes the
    same is for a comparison to tell, which whoever uses it must make.

    :param model: an ``onnx.ModelProto`` with float32 weights
    :param input_name: of the image tensor
    :param output_name: of the logits
    :raises NotRecognisedError: it is another network, or written in a way not known here
    """
    view = reader.GraphReader(model)
    for name, dtype in view.weight_dtypes():
        if dtype not in WEIGHT_DTYPES:
            raise reader.NotRecognisedError(
                f'weight {name!r} is {dtype}; only float32 networks are rewritten')
    classifier, tensor = patterns.required(patterns.linear(view, output_name), 'classifier',
                                           output_name)
    activation = patterns.required(view.node(tensor, 'Relu'), 'ReLU before the classifier', tensor)
    fuse, tensor = _fuse(view, activation.input[0])
    concatenation = patterns.required(view.node(tensor, 'Concat'), 'concatenation of stages',
                                      tensor)
    branches = [_branch(view, name) for name in concatenation.input]
    stages = _stages(view, input_name, {tensor for _, tensor in branches})
    if len(stages) != len(branches):
        raise reader.NotRecognisedError(
            f'{len(stages)} stages, but {len(branches)} of them reach the head')
    widths = [projection.bias.size for projection, _ in branches]
    parts = np.split(fuse.weight, np.cumsum(widths)[:-1])
    order = [[tensor for _, tensor in branches].index(name) for name in stages]
    return segformer_layers.Segformer(
        tuple(stages.values()),
        segformer_layers.Head(
            tuple(branches[index][0] for index in order),
            segformer_layers.Linear(np.concatenate([parts[index] for index in order]), fuse.bias),
            classifier))


def _fuse(view: reader.GraphReader, tensor: str) -> Tuple[segformer_layers.Linear, str]:
    batch_norm = patterns.batch_norm(view, tensor)
    if batch_norm is None:
        found: Tuple[segformer_layers.Linear,
                     str] = patterns.required(patterns.linear(view, tensor), 'fusing convolution',
                                              tensor)
        return found
    gain, shift, tensor = batch_norm
    layer, tensor = patterns.required(patterns.linear(view, tensor), 'fusing convolution', tensor)
    return segformer_layers.Linear((layer.weight * gain).astype(np.float32),
                  (layer.bias * gain + shift).astype(np.float32)), tensor


def _branch(view: reader.GraphReader, tensor: str) -> Tuple[segformer_layers.Linear, str]:
    """Return one input of the head: its projection and the stage's output tensor."""
    resize = view.node(tensor, 'Resize', 'Upsample')
    if resize is not None:
        mode = reader.attribute(resize, 'mode', b'nearest')
        corners = reader.attribute(resize, 'coordinate_transformation_mode', b'half_pixel')
        if mode not in (b'linear', b'bilinear') or corners not in (
                b'half_pixel', b'pytorch_half_pixel'):
            raise reader.NotRecognisedError(f'the head resizes with {mode} {corners}')
        tensor = resize.input[0]
    layer, tensor = patterns.required(patterns.linear(view, tensor), 'projection in the head',
                                      tensor)
    return layer, view.source(tensor)


def _stages(view: reader.GraphReader, input_name: str,
            outputs: 'set[str]') -> Dict[str, segformer_layers.Stage]:
    """Return the stages by the tensors they end in, first stage first."""
    found: Dict[str, segformer_layers.Stage] = {}
    before: Dict[str, str] = {}
    for output in outputs:
        tensor = output
        while tensor != input_name and tensor not in found:
            stage, previous = _stage(view, tensor)
            found[tensor], before[tensor] = stage, previous
            tensor = previous
    after = {previous: tensor for tensor, previous in before.items()}
    ordered: Dict[str, segformer_layers.Stage] = {}
    tensor = input_name
    while tensor in after:
        tensor = after[tensor]
        ordered[tensor] = found[tensor]
    if set(ordered) != outputs:
        raise reader.NotRecognisedError(f'the stages do not form one chain from {input_name!r}')
    return ordered


def _stage(view: reader.GraphReader, output: str) -> Tuple[segformer_layers.Stage, str]:
    closing, tensor = patterns.required(patterns.norm(view, output), 'normalisation after a stage',
                               output)
    blocks: List[segformer_layers.Block] = []
    while True:
        block = _block(view, tensor)
        if block is None:
            break
        blocks.insert(0, block[0])
        tensor = block[1]
    opening, tensor = patterns.required(patterns.norm(view, tensor), 'block or patch embedding',
                                        tensor)
    embedding, tensor = patterns.required(patterns.convolution(view, tensor), 'patch embedding',
                                          tensor)
    if not blocks or embedding.groups != 1:
        raise reader.NotRecognisedError(f'no transformer block before tensor {output!r}')
    return segformer_layers.Stage(embedding, opening, tuple(blocks), closing), view.source(tensor)


def _block(view: reader.GraphReader, tensor: str) -> Optional[Tuple[segformer_layers.Block, str]]:
    """Match a block by its end; None where the residual stream begins."""
    half = _residual(view, tensor)
    if half is None:
        return None
    contract, activated = patterns.required(patterns.linear(view, half[0]), 'end of Mix-FFN',
                                            half[0])
    inner = patterns.required(patterns.gelu(view, activated), 'GELU', activated)
    depthwise, expanded = patterns.required(patterns.convolution(view, inner), 'depthwise conv',
                                            inner)
    if depthwise.groups != depthwise.weight.shape[0]:
        raise reader.NotRecognisedError(f'convolution in Mix-FFN at {inner!r} is not depthwise')
    expand, normed = patterns.required(patterns.linear(view, expanded), 'start of Mix-FFN',
                                       expanded)
    mlp_norm, middle = patterns.required(patterns.norm(view, normed), 'normalisation', normed)
    _same(view, middle, half[1])
    half = patterns.required(_residual(view, middle), 'attention with residual', middle)
    attention, normed = _attention(view, half[0])
    attention_norm, start = patterns.required(patterns.norm(view, normed), 'normalisation', normed)
    _same(view, start, half[1])
    return segformer_layers.Block(attention_norm, attention, mlp_norm, expand, depthwise,
                                  contract), start


def _residual(view: reader.GraphReader, tensor: str) -> Optional[Tuple[str, str]]:
    """Match ``branch + stream``; a branch ends in a linear layer, the stream does not."""
    node = view.node(tensor, 'Add')
    if node is None or len(view.operands(node)[0]) != 2:
        return None
    for branch, stream in (node.input, tuple(node.input)[::-1]):
        if patterns.linear(view, branch) is not None and patterns.linear(view, stream) is None:
            return branch, stream
    return None


def _attention(view: reader.GraphReader, tensor: str) -> Tuple[segformer_layers.Attention, str]:
    output, context = patterns.required(patterns.linear(view, tensor), 'output projection', tensor)
    mixed = patterns.required(view.node(context, 'MatMul'), 'weighted values', context)
    softmax = patterns.required(view.node(mixed.input[0], 'Softmax'), 'softmax', mixed.input[0])
    scale, query_end, key_end = patterns.required(
        patterns.scores(view, softmax.input[0]), 'attention scores', softmax.input[0])
    query, stream = patterns.required(patterns.linear(view, query_end), 'query projection',
                                      query_end)
    key, short = patterns.required(patterns.linear(view, key_end), 'key projection', key_end)
    value, other = patterns.required(patterns.linear(view, mixed.input[1]), 'value projection',
                            mixed.input[1])
    _same(view, short, other)
    stream = view.source(stream)
    reduction = None
    if view.source(short) != stream:
        norm, tensor = patterns.required(patterns.norm(view, short), 'reduced keys', short)
        shrink, tensor = patterns.required(patterns.convolution(view, tensor), 'reduction', tensor)
        _same(view, tensor, stream)
        reduction = segformer_layers.Reduction(shrink, norm)
    share = query.bias.size * scale * scale
    heads = int(share + 0.5)
    if heads == 0 or not patterns.close(share, heads) or query.bias.size % heads:
        raise reader.NotRecognisedError(
            f'scale {scale} of {query.bias.size} channels fits no number of heads')
    return segformer_layers.Attention(query, key, value, output, reduction, heads, scale), stream


def _same(view: reader.GraphReader, tensor: str, other: str) -> None:
    if view.source(tensor) != view.source(other):
        raise reader.NotRecognisedError(f'{tensor!r} and {other!r} should be one tensor')
