# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Write an ONNX file with 16-bit arithmetic where that is safe (needs onnx).

A runtime that obeys types (TensorRT 10 and later, strongly typed) computes exactly what such a
file says. General converters exist; this one is shorter than the list of exceptions they need:
onnxconverter-common 1.16 returns float16 outputs when told to keep float32 ones and the last
node stays float32, as it does here.
"""

from typing import Any, Dict, List, NamedTuple, Set

import numpy as np
from segformer_ros.common.errors import ModelError
from segformer_ros.model.optimize import fp32_regions
from segformer_ros.model.optimize.writer import import_onnx

# Part of the key of every engine that is built from such a file: raise it when the rules change.
REVISION = 'mixed-onnx-1'

_KINDS: Dict[str, str] = {
    'Softmax': fp32_regions.SOFTMAX, 'LogSoftmax': fp32_regions.SOFTMAX,
    'LayerNormalization': fp32_regions.NORMALIZATION,
    'InstanceNormalization': fp32_regions.NORMALIZATION,
    'ReduceMean': fp32_regions.REDUCTION, 'ReduceSum': fp32_regions.REDUCTION,
    'Conv': fp32_regions.CONVOLUTION, 'MatMul': fp32_regions.MATRIX_PRODUCT,
    'Gemm': fp32_regions.MATRIX_PRODUCT, 'Constant': fp32_regions.CONSTANT,
}
_KINDS.update(dict.fromkeys(
    ('Add', 'Sub', 'Mul', 'Div', 'Pow', 'Sqrt', 'Reciprocal', 'Cast', 'Identity'),
    fp32_regions.ELEMENTWISE))

# Operators that may compute with 16 bits: every float input and output has one type, and
# TensorRT has them for float16. What is not here keeps 32 bits.
_FP16_OPS = frozenset((
    'Add', 'Sub', 'Mul', 'Div', 'Sqrt', 'Erf', 'Relu', 'LeakyRelu', 'Clip', 'Sigmoid', 'Tanh',
    'HardSigmoid', 'HardSwish', 'Gelu', 'Conv', 'ConvTranspose', 'MatMul', 'Gemm', 'AveragePool',
    'MaxPool', 'GlobalAveragePool', 'BatchNormalization', 'Transpose', 'Reshape', 'Flatten',
    'Squeeze', 'Unsqueeze', 'Concat', 'Slice', 'Split', 'Gather', 'Expand', 'Identity'))

_LAYOUT_OPS = frozenset(('Transpose', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Identity'))

_SUFFIX = '__fp16'


def step_of(node: Any) -> fp32_regions.Step:
    """Return a node of an ``onnx.GraphProto`` as the search for regions sees it."""
    return fp32_regions.Step(
        _KINDS.get(node.op_type, fp32_regions.OTHER),
        tuple(name for name in node.input if name), tuple(node.output))


class MixedModel(NamedTuple):
    """A serialised ONNX file, and how many of its original nodes compute with 32 bits."""

    onnx: bytes
    fp32_nodes: int
    nodes: int


def convert_to_mixed_precision(model_path: str) -> MixedModel:
    """
    Return a copy of a float32 network in which most arithmetic is float16.

    Inputs and outputs keep float32. Layer normalisation, softmax and the decode head stay
    float32; explicit Casts lie at the borders.

    :raises BackendError: onnx is not installed
    :raises ModelError: the file cannot be read or converted
    """
    onnx = import_onnx()
    try:
        # Shape inference knows the element type of every tensor.
        model = onnx.shape_inference.infer_shapes(onnx.load(model_path), strict_mode=True)
        conversion = _Conversion(model)
        conversion.run()
        onnx.checker.check_model(model)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError('Model cannot be converted to mixed precision',
                         got=f'{model_path} ({error})', expected='an ONNX file',
                         remedy='Use precision: fp32.') from error
    return MixedModel(model.SerializeToString(), conversion.fp32_nodes, conversion.nodes)


class _Conversion:
    """Rewrites one model in place."""

    def __init__(self, model: Any) -> None:
        import onnx
        self._helper = onnx.helper
        self._numpy = onnx.numpy_helper
        self._float16 = onnx.TensorProto.FLOAT16
        self._float32 = onnx.TensorProto.FLOAT
        self._graph = model.graph
        if any(attribute.type in (attribute.GRAPH, attribute.GRAPHS)
               for node in self._graph.node for attribute in node.attribute):
            raise ModelError('Model with control flow cannot be converted to mixed precision',
                             remedy='Use precision: fp32.')
        self._weights = {entry.name: entry for entry in self._graph.initializer}
        self._float_tensors = self._find_float_tensors()
        self._made: Set[str] = set()
        self._nodes: List[Any] = []
        self.nodes = len(self._graph.node)
        self.fp32_nodes = 0

    def run(self) -> None:
        """Rewrite the graph."""
        keeps_fp32 = self._fp32_nodes()
        wanted = {entry.name for entry in self._graph.output}
        wanted.update(name for index in keeps_fp32
                      for name in self._graph.node[index].input)
        for index, node in enumerate(list(self._graph.node)):
            if index in keeps_fp32:
                self._nodes.append(node)
            else:
                self._append_fp16(node, wanted)
        self.fp32_nodes = len(keeps_fp32)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        # Weights of which only the float16 copy is read would double the file.
        read = {name for node in self._nodes for name in node.input} | {
            entry.name for entry in self._graph.output}
        kept = [entry for entry in self._graph.initializer if entry.name in read]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)
        # Types and shapes between inputs and outputs are stale now; runtimes infer their own.
        del self._graph.value_info[:]

    def _append_fp16(self, node: Any, wanted: Set[str]) -> None:
        for position, name in enumerate(node.input):
            if name in self._float_tensors:
                node.input[position] = self._as_fp16(name)
        outputs = [name for name in node.output if name in self._float_tensors]
        for position, name in enumerate(node.output):
            if name in self._float_tensors:
                node.output[position] = name + _SUFFIX
                self._made.add(name + _SUFFIX)
        self._nodes.append(node)
        for name in outputs:
            if name in wanted:
                self._append_cast(name + _SUFFIX, name, self._float32)

    def _as_fp16(self, name: str) -> str:
        half = name + _SUFFIX
        if half not in self._made:
            self._made.add(half)
            if name in self._weights:
                values = self._numpy.to_array(self._weights[name]).astype(np.float16)
                self._graph.initializer.append(self._numpy.from_array(values, half))
            else:
                self._append_cast(name, half, self._float16)
        return half

    def _append_cast(self, source: str, target: str, kind: int) -> None:
        self._nodes.append(self._helper.make_node('Cast', [source], [target],
                                                  'cast_to_' + target, to=kind))

    def _fp32_nodes(self) -> Set[int]:
        steps = [step_of(node) for node in self._graph.node]
        regions = fp32_regions.find_fp32_regions(steps, tuple(self._weights))
        keep = regions.union()
        # Both factors are integers. Below opset 19 their scales are float32; a Cast behind those
        # would hide from TensorRT that the product is one of integers.
        back = {name for node in self._graph.node if node.op_type == 'DequantizeLinear'
                for name in node.output}
        for index, node in enumerate(self._graph.node):
            if len(node.input) > 1 and back.issuperset(node.input[:2]):
                keep.add(index)
            floats = [name for name in list(node.input) + list(node.output)
                      if name in self._float_tensors]
            if node.op_type not in _FP16_OPS or not floats or any(map(self._overflows, floats)):
                keep.add(index)
        return keep | self._layout_between(keep)

    def _layout_between(self, keep: Set[int]) -> Set[int]:
        # A step that only moves values between two that keep 32 bits keeps them too.
        producer = {name: index for index, node in enumerate(self._graph.node)
                    for name in node.output}
        consumers: Dict[str, List[int]] = {}
        for index, node in enumerate(self._graph.node):
            for name in node.input:
                consumers.setdefault(name, []).append(index)
        moving = {index for index, node in enumerate(self._graph.node)
                  if node.op_type in _LAYOUT_OPS and index not in keep}
        while True:
            between = {
                index for index in moving
                if producer.get(self._graph.node[index].input[0]) in keep | moving | {None}
                and all(reader in keep or reader in moving
                        for reader in consumers.get(self._graph.node[index].output[0], ()))}
            if between == moving:
                return moving
            moving = between

    def _overflows(self, name: str) -> bool:
        if name not in self._weights:
            return False
        values = self._numpy.to_array(self._weights[name])
        return bool(values.size and np.abs(values).max() > np.finfo(np.float16).max)

    def _find_float_tensors(self) -> Set[str]:
        infos = list(self._graph.input) + list(self._graph.value_info) + list(self._graph.output)
        found = {info.name for info in infos
                 if info.type.tensor_type.elem_type == self._float32}
        found.update(name for name, tensor in self._weights.items()
                     if tensor.data_type == self._float32)
        return found
