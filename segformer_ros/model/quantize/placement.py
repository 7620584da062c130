# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Write a network with 8-bit integers where that is safe (needs onnx).

The file says where a value is rounded to 8 bits: QuantizeLinear and DequantizeLinear, in pairs.
TensorRT calls this explicit quantization; it is the only kind that every version from 8.2 to 11
knows, since calibrators of its own are gone from 11 on. onnxruntime.quantization places such
pairs, too, but takes a list of names, keeps every activation of every frame in memory while it
calibrates by percentile, and quantizes what nobody excluded by name.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import ModelError
from segformer_ros.model.optimize import fp32_regions
from segformer_ros.model.optimize.mixed_precision import step_of
from segformer_ros.model.optimize.writer import import_onnx

# Part of the key of every engine that is built from such a file: raise it when the rules change.
REVISION = 'qdq-1'
OLDEST_OPSET = 13
"""A scale for each channel is known from here on."""
LEVELS = 127
"""Steps from zero to the end of the range; TensorRT knows symmetric ranges alone."""

QUANTIZE, DEQUANTIZE = 'QuantizeLinear', 'DequantizeLinear'


class Site(NamedTuple):
    """
    One layer that computes with 8-bit integers.

    ``node`` is its index in the graph, ``activation`` and ``weight`` the tensors that it
    multiplies, ``axis`` that of the weight's output channels.
    """

    node: int
    op: str
    activation: str
    weight: str
    axis: int


def find_sites(model: Any) -> List[Site]:
    """
    Return the layers to quantize: products with weights, but for the last ones.

    Convolutions and linear layers multiply by weights. The products of attention, Softmax and
    normalisation do not, and stay as they are; so does the classifier, whose logits lie close
    together.

    :param model: an ``onnx.ModelProto``
    """
    graph = model.graph
    weights = {entry.name: tuple(entry.dims) for entry in graph.initializer
               if entry.data_type == import_onnx().TensorProto.FLOAT}
    kept = fp32_regions.last_products([step_of(node) for node in graph.node])
    found = []
    for index, node in enumerate(graph.node):
        if node.op_type not in ('Conv', 'MatMul', 'Gemm') or len(node.input) < 2 \
                or index in kept or node.input[0] in weights or node.input[1] not in weights:
            continue
        found.append(Site(index, node.op_type, node.input[0], node.input[1],
                          _channel_axis(node, weights[node.input[1]])))
    return found


def _channel_axis(node: Any, shape: Sequence[int]) -> int:
    if node.op_type == 'Conv':
        return 0
    transposed = any(entry.name == 'transB' and entry.i for entry in node.attribute)
    return 0 if transposed else len(shape) - 1


def activations(sites: Sequence[Site]) -> List[str]:
    """Return the tensors whose range must be known, each once."""
    return list(dict.fromkeys(site.activation for site in sites))


def read_model(path: str) -> Any:
    """
    Return a float32 network that can be quantized.

    :return: an ``onnx.ModelProto``, with its weights
    :raises BackendError: onnx is not installed
    :raises ModelError: it cannot be read, is too old, quantized already, or has nothing to
        quantize
    """
    onnx = import_onnx()
    try:
        model = onnx.load(path)
    except Exception as error:  # of protobuf, onnx and the operating system
        raise ModelError('Model cannot be read', got=f'{path} ({error})',
                         expected='an ONNX file') from error
    opset = max([entry.version for entry in model.opset_import
                 if entry.domain in ('', 'ai.onnx')] or [0])
    if opset < OLDEST_OPSET:
        raise ModelError('Model cannot be quantized by channel', got=f'opset {opset} in {path}',
                         expected=f'opset {OLDEST_OPSET} or newer',
                         remedy='Export it with a newer opset, or leave deployment_graph true.')
    if any(node.op_type in (QUANTIZE, DEQUANTIZE) for node in model.graph.node):
        raise ModelError('Model is quantized already', got=path, expected='a float32 network')
    if not find_sites(model):
        raise ModelError('Model has no layer to quantize', got=path,
                         expected='convolutions or linear layers with float32 weights')
    return model


def weight_scales(values: arrays.Array, axis: int) -> arrays.Float32:
    """
    Return the step of each output channel: its largest magnitude over :data:`LEVELS`.

    :param values: float32 weights
    :param axis: of the output channels
    """
    others = tuple(each for each in range(values.ndim) if each != axis)
    return _steps(np.abs(values).max(axis=others))


def _steps(ends: arrays.Array) -> arrays.Float32:
    # A channel of zeros has no range; every step serves it.
    return np.asarray(np.where(ends > 0, ends, 1.0) / LEVELS, np.float32)


def quantized(model: Any, ranges: Mapping[str, float]) -> Any:
    """
    Return a copy of a network with a pair around everything that a site multiplies.

    Weights stay float32 in the file: every TensorRT since 8.2 rounds them while it builds,
    but not all take them rounded.

    :param model: of :func:`read_model`
    :param ranges: largest magnitude that each of :func:`activations` can show
    :raises ModelError: what comes of it is invalid
    """
    copy = type(model)()
    copy.CopyFrom(model)
    sites = find_sites(copy)
    writer = _Pairs(copy)
    for site in sites:
        node = copy.graph.node[site.node]
        node.input[0] = writer.around(site.activation, _steps(np.asarray(
            ranges[site.activation], np.float64)), -1)
        node.input[1] = writer.around(site.weight, weight_scales(
            writer.values(site.weight), site.axis), site.axis)
    writer.finish()
    try:
        import_onnx().checker.check_model(copy)
    except Exception as error:  # onnx's own, which derive from nothing common
        raise ModelError('Quantized model is not valid', got=error) from error
    return copy


class _Pairs:
    """Appends pairs to one model; a tensor that several layers read has one."""

    def __init__(self, model: Any) -> None:
        onnx = import_onnx()
        self._helper, self._numpy = onnx.helper, onnx.numpy_helper
        self._graph = model.graph
        self._weights = {entry.name: entry for entry in self._graph.initializer}
        self._made: Dict[Tuple[str, int], str] = {}
        self._nodes: Dict[str, List[Any]] = {}
        self._names: Set[str] = {name for node in self._graph.node for name in node.output}
        self._names.update(self._weights)

    def values(self, weight: str) -> arrays.Array:
        """Return the values of a weight."""
        return np.asarray(self._numpy.to_array(self._weights[weight]))

    def around(self, tensor: str, scale: arrays.Float32, axis: int) -> str:
        """Return the name of a tensor as it is after a pair; axis -1 has one scale for all."""
        if (tensor, axis) not in self._made:
            stem = tensor if axis < 0 else f'{tensor}/axis{axis}'
            names = [f'{stem}__{part}' for part in ('scale', 'zero', 'int8', 'back')]
            if self._names.intersection(names):
                raise ModelError('Model has a tensor of a name that is needed', got=names[0])
            self._graph.initializer.extend([
                self._numpy.from_array(scale, names[0]),
                self._numpy.from_array(np.zeros(scale.shape, np.int8), names[1])])
            attributes = {} if axis < 0 else {'axis': axis}
            self._nodes.setdefault(tensor, []).extend([
                self._helper.make_node(QUANTIZE, [tensor] + names[:2], names[2:3], names[2],
                                       **attributes),
                self._helper.make_node(DEQUANTIZE, names[2:3] + names[:2], names[3:], names[3],
                                       **attributes)])
            self._made[tensor, axis] = names[3]
        return self._made[tensor, axis]

    def finish(self) -> None:
        """Put the pairs behind what makes their tensors."""
        known = set(self._weights) | {entry.name for entry in self._graph.input}
        ordered = [pair for name, pairs in self._nodes.items() if name in known for pair in pairs]
        for node in self._graph.node:
            ordered.append(node)
            for name in node.output:
                ordered.extend(self._nodes.get(name, ()))
        nodes = [type(node).FromString(node.SerializeToString()) for node in ordered]
        del self._graph.node[:]
        self._graph.node.extend(nodes)
