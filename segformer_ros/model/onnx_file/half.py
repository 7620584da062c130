# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Read a network of 16-bit floats as the same network of 32-bit ones.

The optimized model is written from float32 weights; a runtime that wants float16 makes it from
them. So a file whose weights were rounded to float16 is given its float32 arithmetic back: what
is compared with the optimized model then differs by the order of sums alone, and not by the
rounding of every step.
"""

import math
from typing import Any, Optional

import numpy as np

# Attributes that name an element type.
_TYPE_ATTRIBUTES = ('to', 'dtype', 'softmax_precision', 'stash_type')

# Those of the GELU get back the digits that float16 took.
_CONSTANTS = (math.sqrt(2.0), math.sqrt(0.5))


def widened(model: Any) -> Optional[Any]:
    """
    Return a copy of a network with float32 in place of float16; None where it has none.

    Names stay. Inputs and outputs become float32, too.

    :param model: an ``onnx.ModelProto``; not changed
    """
    import onnx
    half = onnx.TensorProto.FLOAT16
    # Looked for first: a copy is as large as the weights.
    if not _has_half(model.graph, half) and not any(
            _nodes_have_half(function.node, half) for function in model.functions):
        return None
    copy = type(model)()
    copy.CopyFrom(model)
    change = _Widening(onnx)
    change.graph(copy.graph)
    for function in copy.functions:
        change.nodes(function.node)
    return copy


def _has_half(graph: Any, half: int) -> bool:
    return (any(tensor.data_type == half for tensor in graph.initializer)
            or any(value.type.tensor_type.elem_type == half
                   for group in (graph.input, graph.output, graph.value_info) for value in group)
            or _nodes_have_half(graph.node, half))


def _nodes_have_half(nodes: Any, half: int) -> bool:
    return any((entry.name in _TYPE_ATTRIBUTES and entry.i == half) or entry.t.data_type == half
               or any(_has_half(graph, half) for graph in [entry.g] + list(entry.graphs))
               for node in nodes for entry in node.attribute)


class _Widening:
    """Changes one model in place."""

    def __init__(self, onnx: Any) -> None:
        self._numbers = onnx.numpy_helper
        self._half = onnx.TensorProto.FLOAT16
        self._single = onnx.TensorProto.FLOAT

    def graph(self, graph: Any) -> None:
        for tensor in graph.initializer:
            self._tensor(tensor)
        for group in (graph.input, graph.output, graph.value_info):
            for value in group:
                if value.type.tensor_type.elem_type == self._half:
                    value.type.tensor_type.elem_type = self._single
        self.nodes(graph.node)

    def nodes(self, nodes: Any) -> None:
        for node in nodes:
            for entry in node.attribute:
                if entry.name in _TYPE_ATTRIBUTES and entry.i == self._half:
                    entry.i = self._single
                self._tensor(entry.t)
                for graph in [entry.g] + list(entry.graphs):
                    self.graph(graph)

    def _tensor(self, tensor: Any) -> None:
        if tensor.data_type != self._half:
            return
        values = np.asarray(self._numbers.to_array(tensor)).astype(np.float32)
        if values.size == 1:
            for constant in _CONSTANTS:
                values = np.where(values == np.float16(constant), np.float32(constant), values)
        tensor.CopyFrom(self._numbers.from_array(values, tensor.name))
