# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The layers that a SegFormer is made of, as exporters write them."""

import math
from typing import Any, List, Optional, Tuple, TYPE_CHECKING

import numpy as np
from segformer_ros.model.optimize import reader
from segformer_ros.model.optimize import segformer_layers

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

# Relative; constants such as 1 / sqrt(2) are written with three to eight digits.
CONSTANT_TOLERANCE = 1e-3


def convolution(view: reader.GraphReader,
                tensor: str) -> Optional[Tuple[segformer_layers.Convolution, str]]:
    """Match ``Conv`` without dilation; return it and its input."""
    node = view.node(tensor, 'Conv')
    if node is None:
        return None
    weight = view.constant(node.input[1])
    bias = view.constant(node.input[2]) if len(node.input) > 2 else None
    if weight is None or weight.ndim != 4 or (len(node.input) > 2 and bias is None):
        return None
    if any(step != 1 for step in reader.attribute(node, 'dilations', (1, 1))) or reader.attribute(
            node, 'auto_pad', b'NOTSET') != b'NOTSET':
        return None
    if bias is None:
        bias = np.zeros(weight.shape[0], np.float32)
    return segformer_layers.Convolution(weight, bias,
                                        tuple(reader.attribute(node, 'strides', (1, 1))),
                                        tuple(reader.attribute(node, 'pads', (0, 0, 0, 0))),
                                        reader.attribute(node, 'group', 1)), node.input[0]


def linear(view: reader.GraphReader, tensor: str) -> Optional[Tuple[segformer_layers.Linear, str]]:
    """Match a linear layer over channels: ``MatMul`` (+ ``Add``), ``Gemm``, 1 x 1 ``Conv``."""
    node = view.node(tensor, 'Add')
    if node is not None:
        variable, fixed = view.operands(node)
        inner = linear(view, variable[0]) if len(fixed) == 1 else None
        if inner is None or fixed[0].size != inner[0].bias.size:
            return None
        return segformer_layers.Linear(inner[0].weight,
                                       inner[0].bias + fixed[0].reshape(-1)), inner[1]
    node = view.node(tensor, 'MatMul')
    if node is not None:
        weight = view.constant(node.input[1])
        if weight is None or weight.ndim != 2:
            return None
        return segformer_layers.Linear(weight, np.zeros(weight.shape[1],
                                                        np.float32)), node.input[0]
    node = view.node(tensor, 'Gemm')
    if node is not None:
        return _gemm(view, node)
    node = view.node(tensor, 'Split')
    if node is not None:
        return _part(view, node, view.source(tensor))
    found = convolution(view, tensor)
    if found is None or found[0].weight.shape[2:] != (1, 1) or found[0].groups != 1 \
            or found[0].strides != (1, 1) or any(found[0].pads):
        return None
    return segformer_layers.Linear(found[0].weight[:, :, 0, 0].T, found[0].bias), found[1]


def norm(view: reader.GraphReader, tensor: str) -> Optional[Tuple[segformer_layers.Norm, str]]:
    """Match ``LayerNormalization`` over the last axis, whole or in single operations."""
    node = view.node(tensor, 'LayerNormalization')
    if node is not None:
        return _whole_norm(view, node)
    # Simplifiers drop a gain of one and a bias of zero.
    shifted = _one_of_each(view, view.node(tensor, 'Add'))
    scaled = _one_of_each(view, view.node(shifted[0] if shifted else tensor, 'Mul'))
    innermost = scaled or shifted
    ratio = view.node(innermost[0], 'Div') if innermost else None
    if ratio is None or innermost is None:
        return None
    centred = view.node(ratio.input[0], 'Sub')
    root = view.node(ratio.input[1], 'Sqrt')
    variance = _one_of_each(view, view.node(root.input[0], 'Add') if root is not None else None)
    if centred is None or variance is None or view.node(variance[0], 'ReduceMean') is None \
            or view.node(centred.input[1], 'ReduceMean') is None:
        return None
    gain = scaled[1] if scaled else np.ones_like(innermost[1])
    bias = shifted[1] if shifted else np.zeros_like(innermost[1])
    return segformer_layers.Norm(gain, bias, float(variance[1].reshape(-1)[0])), centred.input[0]


def gelu(view: reader.GraphReader, tensor: str) -> Optional[str]:
    """Match the exact GELU, ``x * (1 + erf(x / sqrt 2)) / 2``; return ``x``."""
    node = view.node(tensor, 'Gelu')
    if node is not None:
        return str(node.input[0]) if reader.attribute(node, 'approximate',
                                                      b'none') == b'none' else None
    factor, terms = product(view, tensor)
    if len(terms) != 2 or not close(factor, 0.5):
        return None
    for gate, value in (terms, terms[::-1]):
        plus = _one_of_each(view, view.node(gate, 'Add'))
        error_function = view.node(plus[0], 'Erf') if plus else None
        if plus is None or error_function is None or plus[1].size != 1 \
                or not close(float(plus[1].reshape(-1)[0]), 1.0):
            continue
        argument_factor, argument = product(view, error_function.input[0])
        if len(argument) == 1 and argument[0] == value and close(
                argument_factor, math.sqrt(0.5)):
            return value
    return None


def product(view: reader.GraphReader, tensor: str) -> Tuple[float, List[str]]:
    """Split a tensor into a constant factor and the tensors that are multiplied."""
    node = view.node(tensor, 'Mul', 'Div')
    if node is None:
        return 1.0, [view.source(tensor)]
    left, right = (view.scalar(name) for name in node.input)
    if node.op_type == 'Div':
        if not right:
            return 1.0, [view.source(tensor)]
        factor, terms = product(view, node.input[0])
        return factor / right, terms
    if left is not None or right is not None:
        constant = left if left is not None else right
        factor, terms = product(view, node.input[1] if left is not None else node.input[0])
        return factor * float(constant or 0.0), terms
    pairs = [product(view, name) for name in node.input]
    if any(view.constant(name) is not None for name in node.input):
        return 1.0, [view.source(tensor)]
    return pairs[0][0] * pairs[1][0], pairs[0][1] + pairs[1][1]


def scores(view: reader.GraphReader, tensor: str) -> Optional[Tuple[float, str, str]]:
    """Match ``scale * query @ key``; return scale, query and key."""
    factor, terms = product(view, tensor)
    node = view.node(terms[0], 'MatMul') if len(terms) == 1 else None
    if node is None:
        return None
    query_factor, query = product(view, node.input[0])
    key_factor, key = product(view, node.input[1])
    if len(query) != 1 or len(key) != 1:
        return None
    return factor * query_factor * key_factor, query[0], key[0]


def batch_norm(view: reader.GraphReader, tensor: str) -> 'Optional[Tuple[Array, Array, str]]':
    """Match ``BatchNormalization``; return its gain and shift by channel, and its input."""
    node = view.node(tensor, 'BatchNormalization')
    if node is None:
        return None
    values = [view.constant(name) for name in node.input[1:5]]
    if any(value is None for value in values):
        return None
    gain, bias, mean, variance = (np.asarray(value, np.float64) for value in values)
    factor = gain / np.sqrt(variance + reader.attribute(node, 'epsilon', 1e-5))
    return factor, bias - mean * factor, node.input[0]


def required(match: Optional[Any], what: str, tensor: str) -> Any:
    """
    Return the match.

    :raises NotRecognisedError: there is none
    """
    if match is None:
        raise reader.NotRecognisedError(f'no {what} at tensor {tensor!r}')
    return match


def close(value: float, wanted: float) -> bool:
    """Tell whether a constant of the graph is the wanted one."""
    return abs(value - wanted) <= CONSTANT_TOLERANCE * abs(wanted)


def _gemm(view: reader.GraphReader, node: Any) -> Optional[Tuple[segformer_layers.Linear, str]]:
    weight = view.constant(node.input[1])
    bias = view.constant(node.input[2]) if len(node.input) > 2 else None
    plain = reader.attribute(node, 'alpha', 1.0) == 1.0 and reader.attribute(node, 'beta', 1.0) == 1.0 \
        and not reader.attribute(node, 'transA', 0)
    if weight is None or not plain or (len(node.input) > 2 and bias is None):
        return None
    if reader.attribute(node, 'transB', 0):
        weight = weight.T
    if bias is None:
        bias = np.zeros(weight.shape[1], np.float32)
    return segformer_layers.Linear(weight, bias.reshape(-1)), node.input[0]


def _part(view: reader.GraphReader, node: Any,
          tensor: str) -> Optional[Tuple[segformer_layers.Linear, str]]:
    """Match one output of a linear layer that was merged from several."""
    whole = linear(view, node.input[0])
    sizes = view.constant(node.input[1]) if len(node.input) > 1 else reader.attribute(
        node, 'split', [1] * len(node.output))
    if whole is None or sizes is None:
        return None
    bounds = np.cumsum([0] + list(sizes)) * whole[0].bias.size // int(np.sum(sizes))
    index = list(node.output).index(tensor)
    part = slice(bounds[index], bounds[index + 1])
    return segformer_layers.Linear(whole[0].weight[:, part], whole[0].bias[part]), whole[1]


def _whole_norm(view: reader.GraphReader,
                node: Any) -> Optional[Tuple[segformer_layers.Norm, str]]:
    gain = view.constant(node.input[1])
    bias = view.constant(node.input[2]) if len(node.input) > 2 else None
    if gain is None or gain.ndim != 1 or (len(node.input) > 2 and bias is None):
        return None
    if bias is None:
        bias = np.zeros_like(gain)
    return segformer_layers.Norm(gain, bias, reader.attribute(node, 'epsilon',
                                                              1e-5)), node.input[0]


def _one_of_each(view: reader.GraphReader, node: Optional[Any]) -> 'Optional[Tuple[str, Array]]':
    """Return the variable and the constant operand of a node that has one of each."""
    if node is None:
        return None
    variable, fixed = view.operands(node)
    return (variable[0], fixed[0]) if len(variable) == len(fixed) == 1 else None
