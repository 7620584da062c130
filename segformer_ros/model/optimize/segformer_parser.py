# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Find the SegFormer in an ONNX graph by what it computes, not by its names."""

from typing import Any
from typing import Dict
from typing import List
from typing import Optional
from typing import Tuple

import numpy as np

from segformer_ros.model.optimize import patterns as patterns
from segformer_ros.model.optimize.patterns import required
from segformer_ros.model.optimize.segformer_layers import Attention
from segformer_ros.model.optimize.segformer_layers import Block
from segformer_ros.model.optimize.segformer_layers import Head
from segformer_ros.model.optimize.segformer_layers import Linear
from segformer_ros.model.optimize.segformer_layers import Reduction
from segformer_ros.model.optimize.segformer_layers import Segformer
from segformer_ros.model.optimize.segformer_layers import Stage
from segformer_ros.model.optimize.reader import attribute
from segformer_ros.model.optimize.reader import GraphView
from segformer_ros.model.optimize.reader import NotRecognisedError

# Whole numbers are shapes and axes.
WEIGHT_DTYPES = ('FLOAT', 'INT64', 'INT32', 'BOOL')


def recognise(model: Any, input_name: str, output_name: str) -> Segformer:
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
    view = GraphView(model)
    for name, dtype in view.weight_dtypes():
        if dtype not in WEIGHT_DTYPES:
            raise NotRecognisedError(
                f'weight {name!r} is {dtype}; only float32 networks are rewritten')
    classifier, tensor = required(patterns.linear(view, output_name), 'classifier', output_name)
    activation = required(view.node(tensor, 'Relu'), 'ReLU before the classifier', tensor)
    fuse, tensor = _fuse(view, activation.input[0])
    concatenation = required(view.node(tensor, 'Concat'), 'concatenation of stages', tensor)
    branches = [_branch(view, name) for name in concatenation.input]
    stages = _stages(view, input_name, {tensor for _, tensor in branches})
    if len(stages) != len(branches):
        raise NotRecognisedError(f'{len(stages)} stages, but {len(branches)} of them reach the head')
    widths = [projection.bias.size for projection, _ in branches]
    parts = np.split(fuse.weight, np.cumsum(widths)[:-1])
    order = [[tensor for _, tensor in branches].index(name) for name in stages]
    return Segformer(tuple(stages.values()), Head(
        tuple(branches[index][0] for index in order),
        Linear(np.concatenate([parts[index] for index in order]), fuse.bias), classifier))


def _fuse(view: GraphView, tensor: str) -> Tuple[Linear, str]:
    batch_norm = patterns.batch_norm(view, tensor)
    if batch_norm is None:
        found: Tuple[Linear, str] = required(patterns.linear(view, tensor),
                                             'fusing convolution', tensor)
        return found
    gain, shift, tensor = batch_norm
    layer, tensor = required(patterns.linear(view, tensor), 'fusing convolution', tensor)
    return Linear((layer.weight * gain).astype(np.float32),
                  (layer.bias * gain + shift).astype(np.float32)), tensor


def _branch(view: GraphView, tensor: str) -> Tuple[Linear, str]:
    """Return one input of the head: its projection and the stage's output tensor."""
    resize = view.node(tensor, 'Resize', 'Upsample')
    if resize is not None:
        mode = attribute(resize, 'mode', b'nearest')
        corners = attribute(resize, 'coordinate_transformation_mode', b'half_pixel')
        if mode not in (b'linear', b'bilinear') or corners not in (
                b'half_pixel', b'pytorch_half_pixel'):
            raise NotRecognisedError(f'the head resizes with {mode} {corners}')
        tensor = resize.input[0]
    layer, tensor = required(patterns.linear(view, tensor), 'projection in the head', tensor)
    return layer, view.source(tensor)


def _stages(view: GraphView, input_name: str, outputs: 'set[str]') -> Dict[str, Stage]:
    """Return the stages by the tensors they end in, first stage first."""
    found: Dict[str, Stage] = {}
    before: Dict[str, str] = {}
    for output in outputs:
        tensor = output
        while tensor != input_name and tensor not in found:
            stage, previous = _stage(view, tensor)
            found[tensor], before[tensor] = stage, previous
            tensor = previous
    after = {previous: tensor for tensor, previous in before.items()}
    ordered: Dict[str, Stage] = {}
    tensor = input_name
    while tensor in after:
        tensor = after[tensor]
        ordered[tensor] = found[tensor]
    if set(ordered) != outputs:
        raise NotRecognisedError(f'the stages do not form one chain from {input_name!r}')
    return ordered


def _stage(view: GraphView, output: str) -> Tuple[Stage, str]:
    closing, tensor = required(patterns.norm(view, output), 'normalisation after a stage',
                               output)
    blocks: List[Block] = []
    while True:
        block = _block(view, tensor)
        if block is None:
            break
        blocks.insert(0, block[0])
        tensor = block[1]
    opening, tensor = required(patterns.norm(view, tensor), 'block or patch embedding', tensor)
    embedding, tensor = required(patterns.convolution(view, tensor), 'patch embedding', tensor)
    if not blocks or embedding.groups != 1:
        raise NotRecognisedError(f'no transformer block before tensor {output!r}')
    return Stage(embedding, opening, tuple(blocks), closing), view.source(tensor)


def _block(view: GraphView, tensor: str) -> Optional[Tuple[Block, str]]:
    """Match a block by its end; None where the residual stream begins."""
    half = _residual(view, tensor)
    if half is None:
        return None
    contract, activated = required(patterns.linear(view, half[0]), 'end of Mix-FFN', half[0])
    inner = required(patterns.gelu(view, activated), 'GELU', activated)
    depthwise, expanded = required(patterns.convolution(view, inner), 'depthwise conv', inner)
    if depthwise.groups != depthwise.weight.shape[0]:
        raise NotRecognisedError(f'convolution in Mix-FFN at {inner!r} is not depthwise')
    expand, normed = required(patterns.linear(view, expanded), 'start of Mix-FFN', expanded)
    mlp_norm, middle = required(patterns.norm(view, normed), 'normalisation', normed)
    _same(view, middle, half[1])
    half = required(_residual(view, middle), 'attention with residual', middle)
    attention, normed = _attention(view, half[0])
    attention_norm, start = required(patterns.norm(view, normed), 'normalisation', normed)
    _same(view, start, half[1])
    return Block(attention_norm, attention, mlp_norm, expand, depthwise, contract), start


def _residual(view: GraphView, tensor: str) -> Optional[Tuple[str, str]]:
    """Match ``branch + stream``; a branch ends in a linear layer, the stream does not."""
    node = view.node(tensor, 'Add')
    if node is None or len(view.operands(node)[0]) != 2:
        return None
    for branch, stream in (node.input, tuple(node.input)[::-1]):
        if patterns.linear(view, branch) is not None and patterns.linear(view, stream) is None:
            return branch, stream
    return None


def _attention(view: GraphView, tensor: str) -> Tuple[Attention, str]:
    output, context = required(patterns.linear(view, tensor), 'output projection', tensor)
    mixed = required(view.node(context, 'MatMul'), 'weighted values', context)
    softmax = required(view.node(mixed.input[0], 'Softmax'), 'softmax', mixed.input[0])
    scale, query_end, key_end = required(
        patterns.scores(view, softmax.input[0]), 'attention scores', softmax.input[0])
    query, stream = required(patterns.linear(view, query_end), 'query projection', query_end)
    key, short = required(patterns.linear(view, key_end), 'key projection', key_end)
    value, other = required(patterns.linear(view, mixed.input[1]), 'value projection',
                            mixed.input[1])
    _same(view, short, other)
    stream = view.source(stream)
    reduction = None
    if view.source(short) != stream:
        norm, tensor = required(patterns.norm(view, short), 'reduced keys', short)
        shrink, tensor = required(patterns.convolution(view, tensor), 'reduction', tensor)
        _same(view, tensor, stream)
        reduction = Reduction(shrink, norm)
    share = query.bias.size * scale * scale
    heads = int(share + 0.5)
    if heads == 0 or not patterns.close(share, heads) or query.bias.size % heads:
        raise NotRecognisedError(f'scale {scale} of {query.bias.size} channels fits no number of heads')
    return Attention(query, key, value, output, reduction, heads, scale), stream


def _same(view: GraphView, tensor: str, other: str) -> None:
    if view.source(tensor) != view.source(other):
        raise NotRecognisedError(f'{tensor!r} and {other!r} should be one tensor')
