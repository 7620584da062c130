# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Attention as standard operations, or as the one fused operation that onnxruntime has."""

import functools

from segformer_ros.errors import BackendError
from segformer_ros.model.graph_fold import fold_attention_scale
from segformer_ros.model.graph_structure import Attention
from segformer_ros.model.graph_structure import Linear
from segformer_ros.model.graph_writer import GraphWriter
from segformer_ros.model.graph_writer import MICROSOFT


def linear(writer: GraphWriter, tensor: str, layer: Linear) -> str:
    """Append a linear layer over the last axis."""
    product = writer.op('MatMul', [tensor, writer.constant(layer.weight, 'weight')])
    return writer.op('Add', [product, writer.constant(layer.bias, 'bias')])


def attend(writer: GraphWriter, attention: Attention, tokens: str, tokens_short: str,
           length: int, length_short: int, fused: bool) -> str:
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
            projected.append(linear(writer, tensor, layer))
    if fused:
        context = writer.op('MultiHeadAttention', projected, domain=MICROSOFT,
                            num_heads=attention.heads, scale=attention.scale)
    else:
        context = _attend_by_parts(writer, attention, projected, length, length_short)
    with writer.scope('output'):
        return linear(writer, context, attention.output)


def _attend_by_parts(writer: GraphWriter, attention: Attention, projected: 'list[str]',
                     length: int, length_short: int) -> str:
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


@functools.lru_cache(maxsize=None)
def has_fused_attention() -> bool:
    """Tell whether the installed onnxruntime runs ``com.microsoft.MultiHeadAttention``."""
    try:
        import onnxruntime
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
