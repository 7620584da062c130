# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Find the SegFormer in an ONNX graph by what it computes, not by its names."""

import math
from typing import Any, Callable, Dict, List, Optional, Tuple, TypeVar

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.model.optimize import reader
from segformer_ros.model.optimize import segformer_layers as layers

T = TypeVar('T')
# Whole numbers are shapes and axes.
WEIGHT_DTYPES = ('FLOAT', 'INT64', 'INT32', 'BOOL')
# Relative; constants such as 1 / sqrt(2) are written with three to eight digits.
CONSTANT_TOLERANCE = 1e-3


def parse_segformer(model: Any, input_name: str, output_name: str) -> layers.Segformer:
    """
    Read a SegFormer from an ONNX graph.

    The graph is walked from the logits back to the input. Steps that only move values are
    skipped, so any exporter's way of writing shapes will do. Whether the result computes the
    same is not known here: whoever uses it must compare.

    :param model: an ``onnx.ModelProto`` with float32 weights
    :param input_name: of the image tensor
    :param output_name: of the logits
    :raises UnsupportedGraphError: it is another network, or written in a way not known here
    """
    graph = reader.GraphReader(model)
    for name, dtype in graph.weight_dtypes():
        if dtype not in WEIGHT_DTYPES:
            raise reader.UnsupportedGraphError(
                f'weight {name!r} is {dtype}; only float32 networks are rewritten')
    return _SegformerParser(graph).network(input_name, output_name)


class _LayerParser:
    """
    The layers that a SegFormer is made of, as exporters write them.

    Each method takes the tensor that a layer computes, and returns the layer and its input, or
    None where another layer computes it.
    """

    def __init__(self, graph: reader.GraphReader) -> None:
        self._graph = graph

    def convolution(self, tensor: str) -> Optional[Tuple[layers.Convolution, str]]:
        """Match ``Conv`` without dilation."""
        node = self._graph.node(tensor, 'Conv')
        if node is None:
            return None
        weight, bias, is_whole = self._weight_and_bias(node)
        if weight is None or weight.ndim != 4 or not is_whole:
            return None
        if any(step != 1 for step in reader.attribute(node, 'dilations', (1, 1))) \
                or reader.attribute(node, 'auto_pad', b'NOTSET') != b'NOTSET':
            return None
        if bias is None:
            bias = np.zeros(weight.shape[0], np.float32)
        return layers.Convolution(
            weight, bias, tuple(reader.attribute(node, 'strides', (1, 1))),
            tuple(reader.attribute(node, 'pads', (0, 0, 0, 0))),
            reader.attribute(node, 'group', 1)), node.input[0]

    def linear(self, tensor: str) -> Optional[Tuple[layers.Linear, str]]:
        """Match a linear layer over channels: ``MatMul`` (+ ``Add``), ``Gemm``, 1 x 1 ``Conv``."""
        node = self._graph.node(tensor, 'Add', 'MatMul', 'Gemm', 'Split', 'Gather')
        if node is None:
            found = self.convolution(tensor)
            if found is None or found[0].weight.shape[2:] != (1, 1) or found[0].groups != 1 \
                    or found[0].strides != (1, 1) or any(found[0].pads):
                return None
            return layers.Linear(found[0].weight[:, :, 0, 0].T, found[0].bias), found[1]
        if node.op_type == 'Add':
            variable, fixed = self._graph.operands(node)
            inner = self.linear(variable[0]) if len(fixed) == 1 else None
            if inner is None or fixed[0].size != inner[0].bias.size:
                return None
            return inner[0]._replace(bias=inner[0].bias + fixed[0].reshape(-1)), inner[1]
        if node.op_type == 'Gemm':
            return self._gemm(node)
        if node.op_type == 'Split':
            return self._part(node, self._graph.source(tensor))
        if node.op_type == 'Gather':
            return self._gathered(node)
        weight = self._graph.constant(node.input[1])
        if weight is None or weight.ndim != 2:
            return None
        return layers.Linear(weight, np.zeros(weight.shape[1], np.float32)), node.input[0]

    def norm(self, tensor: str) -> Optional[Tuple[layers.Norm, str]]:
        """Match ``LayerNormalization`` over the last axis, whole or in single operations."""
        graph = self._graph
        node = graph.node(tensor, 'LayerNormalization')
        if node is not None:
            gain, bias, is_whole = self._weight_and_bias(node)
            if gain is None or gain.ndim != 1 or not is_whole:
                return None
            return layers.Norm(gain, np.zeros_like(gain) if bias is None else bias,
                               reader.attribute(node, 'epsilon', 1e-5)), node.input[0]
        # Simplifiers drop a gain of one and a bias of zero.
        shifted = self._one_of_each(graph.node(tensor, 'Add'))
        scaled = self._one_of_each(graph.node(shifted[0] if shifted else tensor, 'Mul'))
        innermost = scaled or shifted
        ratio = graph.node(innermost[0], 'Div') if innermost else None
        if ratio is None or innermost is None:
            return None
        centred = graph.node(ratio.input[0], 'Sub')
        root = graph.node(ratio.input[1], 'Sqrt')
        variance = self._one_of_each(root and graph.node(root.input[0], 'Add'))
        if centred is None or variance is None or graph.node(variance[0], 'ReduceMean') is None \
                or graph.node(centred.input[1], 'ReduceMean') is None:
            return None
        gain = scaled[1] if scaled else np.ones_like(innermost[1])
        bias = shifted[1] if shifted else np.zeros_like(innermost[1])
        return layers.Norm(gain, bias, float(variance[1].reshape(-1)[0])), centred.input[0]

    def gelu(self, tensor: str) -> Optional[str]:
        """Match the exact GELU, ``x * (1 + erf(x / sqrt 2)) / 2``; return ``x``."""
        node = self._graph.node(tensor, 'Gelu')
        if node is not None:
            exact = reader.attribute(node, 'approximate', b'none') == b'none'
            return str(node.input[0]) if exact else None
        factor, terms = self.product(tensor)
        if len(terms) != 2 or not _is_close(factor, 0.5):
            return None
        for gate, value in (terms, terms[::-1]):
            plus = self._one_of_each(self._graph.node(gate, 'Add'))
            error_function = self._graph.node(plus[0], 'Erf') if plus else None
            if plus is None or error_function is None or plus[1].size != 1 \
                    or not _is_close(float(plus[1].reshape(-1)[0]), 1.0):
                continue
            argument_factor, argument = self.product(error_function.input[0])
            if argument == [value] and _is_close(argument_factor, math.sqrt(0.5)):
                return value
        return None

    def product(self, tensor: str) -> Tuple[float, List[str]]:
        """Split a tensor into a constant factor and the tensors that are multiplied."""
        graph = self._graph
        node = graph.node(tensor, 'Mul', 'Div')
        if node is None:
            return 1.0, [graph.source(tensor)]
        left, right = (graph.scalar(name) for name in node.input)
        if node.op_type == 'Div':
            if not right:
                return 1.0, [graph.source(tensor)]
            factor, terms = self.product(node.input[0])
            return factor / right, terms
        if left is not None or right is not None:
            constant = left if left is not None else right
            factor, terms = self.product(node.input[1] if left is not None else node.input[0])
            return factor * float(constant or 0.0), terms
        if any(graph.constant(name) is not None for name in node.input):
            return 1.0, [graph.source(tensor)]
        (factor, terms), (other_factor, other_terms) = map(self.product, node.input)
        return factor * other_factor, terms + other_terms

    def scores(self, tensor: str) -> Optional[Tuple[float, str, str]]:
        """Match ``scale * query @ key``; return scale, query and key."""
        factor, terms = self.product(tensor)
        node = self._graph.node(terms[0], 'MatMul') if len(terms) == 1 else None
        if node is None:
            return None
        query_factor, query = self.product(node.input[0])
        key_factor, key = self.product(node.input[1])
        if len(query) != 1 or len(key) != 1:
            return None
        return factor * query_factor * key_factor, query[0], key[0]

    def batch_norm(self, tensor: str) -> Optional[Tuple[arrays.Array, arrays.Array, str]]:
        """Match ``BatchNormalization``; return its gain and shift by channel, and its input."""
        node = self._graph.node(tensor, 'BatchNormalization')
        if node is None:
            return None
        values = [self._graph.constant(name) for name in node.input[1:5]]
        if any(value is None for value in values):
            return None
        gain, bias, mean, variance = (np.asarray(value, np.float64) for value in values)
        factor = gain / np.sqrt(variance + reader.attribute(node, 'epsilon', 1e-5))
        return factor, bias - mean * factor, node.input[0]

    def _gemm(self, node: Any) -> Optional[Tuple[layers.Linear, str]]:
        weight, bias, is_whole = self._weight_and_bias(node)
        plain = not reader.attribute(node, 'transA', 0) \
            and all(reader.attribute(node, name, 1.0) == 1.0 for name in ('alpha', 'beta'))
        if weight is None or not plain or not is_whole:
            return None
        if reader.attribute(node, 'transB', 0):
            weight = weight.T
        if bias is None:
            bias = np.zeros(weight.shape[1], np.float32)
        return layers.Linear(weight, bias.reshape(-1)), node.input[0]

    def _part(self, node: Any, tensor: str) -> Optional[Tuple[layers.Linear, str]]:
        """Match one output of a linear layer that was merged from several."""
        whole = self.linear(node.input[0])
        sizes = self._graph.constant(node.input[1]) if len(node.input) > 1 else reader.attribute(
            node, 'split', [1] * len(node.output))
        if whole is None or sizes is None:
            return None
        bounds = np.cumsum([0] + list(sizes)) * whole[0].bias.size // int(np.sum(sizes))
        index = list(node.output).index(tensor)
        part = slice(bounds[index], bounds[index + 1])
        return layers.Linear(whole[0].weight[:, part], whole[0].bias[part]), whole[1]

    def _gathered(self, node: Any) -> Optional[Tuple[layers.Linear, str]]:
        """
        Match one part of a merged linear layer that is taken by its number.

        ``kv(x).reshape(batch, tokens, 2, heads, width)`` and then ``[0]`` and ``[1]``, as NVIDIA's
        own code and segmentation_models_pytorch have it. The parts are as many as are taken.
        """
        whole = self.linear(node.input[0])
        if whole is None:
            return None
        numbers = {self._graph.scalar(each.input[1]) for each in self._graph.siblings(node)}
        index, count = self._graph.scalar(node.input[1]), len(numbers)
        if index is None or numbers != set(range(count)) or whole[0].bias.size % count:
            return None
        width = whole[0].bias.size // count
        part = slice(int(index) * width, (int(index) + 1) * width)
        return layers.Linear(whole[0].weight[:, part], whole[0].bias[part]), whole[1]

    def _weight_and_bias(self, node: Any) -> Tuple[
            Optional[arrays.Array], Optional[arrays.Array], bool]:
        """Return the second and third input, and whether none of them depends on the image."""
        weight, bias = ([self._graph.constant(name) for name in node.input[1:3]] + [None])[:2]
        return weight, bias, len(node.input) <= 2 or bias is not None

    def _one_of_each(self, node: Optional[Any]) -> Optional[Tuple[str, arrays.Array]]:
        """Return the variable and the constant operand of a node that has one of each."""
        if node is None:
            return None
        variable, fixed = self._graph.operands(node)
        return (variable[0], fixed[0]) if len(variable) == len(fixed) == 1 else None


class _SegformerParser(_LayerParser):
    """The parts of a SegFormer, made of these layers."""

    def network(self, input_name: str, output_name: str) -> layers.Segformer:
        classifier, tensor = self._need(self.linear, output_name, 'classifier')
        activation = self._need_node('Relu', tensor, 'ReLU before the classifier')
        fuse, tensor = self._normed(activation.input[0], 'fusing convolution')
        concatenation = self._need_node('Concat', tensor, 'concatenation of stages')
        projections, ends, rectified = zip(*map(self._branch, concatenation.input))
        if len(set(rectified)) != 1:
            raise reader.UnsupportedGraphError('a ReLU after some projections in the head alone')
        stages = self._stages(input_name, set(ends))
        if len(stages) != len(ends):
            raise reader.UnsupportedGraphError(
                f'{len(stages)} stages, but {len(ends)} of them reach the head')
        parts = np.split(fuse.weight, np.cumsum([each.bias.size for each in projections])[:-1])
        order = [ends.index(name) for name in stages]
        fuse = fuse._replace(weight=np.concatenate([parts[index] for index in order]))
        return layers.Segformer(tuple(stages.values()), layers.Head(
            tuple(projections[index] for index in order), fuse, classifier, rectified[0]))

    def _need(self, match: Callable[[str], Optional[T]], tensor: str, what: str) -> T:
        """
        Return what is matched.

        :raises UnsupportedGraphError: something else computes the tensor
        """
        found = match(tensor)
        if found is None:
            raise reader.UnsupportedGraphError(f'no {what} at tensor {tensor!r}')
        return found

    def _need_node(self, op_type: str, tensor: str, what: str) -> Any:
        return self._need(lambda name: self._graph.node(name, op_type), tensor, what)

    def _need_same(self, tensor: str, other: str) -> None:
        if self._graph.source(tensor) != self._graph.source(other):
            raise reader.UnsupportedGraphError(f'{tensor!r} and {other!r} should be one tensor')

    def _normed(self, tensor: str, what: str) -> Tuple[layers.Linear, str]:
        """Return a linear layer, with a batch normalisation after it folded in."""
        batch_norm = self.batch_norm(tensor)
        if batch_norm is None:
            return self._need(self.linear, tensor, what)
        gain, shift, tensor = batch_norm
        layer, tensor = self._need(self.linear, tensor, what)
        return layers.Linear((layer.weight * gain).astype(np.float32),
                             (layer.bias * gain + shift).astype(np.float32)), tensor

    def _branch(self, tensor: str) -> Tuple[layers.Linear, str, bool]:
        """Return one input of the head: projection, the stage's tensor, whether ReLU follows."""
        resize = self._graph.node(tensor, 'Resize', 'Upsample')
        if resize is not None:
            mode = reader.attribute(resize, 'mode', b'nearest')
            corners = reader.attribute(resize, 'coordinate_transformation_mode', b'half_pixel')
            if mode not in (b'linear', b'bilinear') or corners not in (
                    b'half_pixel', b'pytorch_half_pixel'):
                raise reader.UnsupportedGraphError(f'the head resizes with {mode} {corners}')
            tensor = resize.input[0]
        relu = self._graph.node(tensor, 'Relu')
        layer, tensor = self._normed(tensor if relu is None else relu.input[0],
                                     'projection in the head')
        return layer, self._graph.source(tensor), relu is not None

    def _stages(self, input_name: str, outputs: 'set[str]') -> Dict[str, layers.Stage]:
        """Return the stages by the tensors they end in, first stage first."""
        found: Dict[str, layers.Stage] = {}
        after: Dict[str, str] = {}
        for output in outputs:
            tensor = output
            while tensor != input_name and tensor not in found:
                found[tensor], previous = self._stage(tensor)
                after[previous] = tensor
                tensor = previous
        ordered: Dict[str, layers.Stage] = {}
        tensor = input_name
        while tensor in after:
            tensor = after[tensor]
            ordered[tensor] = found[tensor]
        if set(ordered) != outputs:
            raise reader.UnsupportedGraphError(
                f'the stages do not form one chain from {input_name!r}')
        return ordered

    def _stage(self, output: str) -> Tuple[layers.Stage, str]:
        closing, tensor = self._need(self.norm, output, 'normalisation after a stage')
        blocks: List[layers.Block] = []
        while True:
            block = self._block(tensor)
            if block is None:
                break
            blocks.insert(0, block[0])
            tensor = block[1]
        opening, tensor = self._need(self.norm, tensor, 'block or patch embedding')
        embedding, tensor = self._need(self.convolution, tensor, 'patch embedding')
        if not blocks or embedding.groups != 1:
            raise reader.UnsupportedGraphError(f'no transformer block before tensor {output!r}')
        return layers.Stage(embedding, opening, tuple(blocks), closing), self._graph.source(tensor)

    def _block(self, tensor: str) -> Optional[Tuple[layers.Block, str]]:
        """Match a block by its end; None where the residual stream begins."""
        half = self._residual(tensor)
        if half is None:
            return None
        contract, activated = self._need(self.linear, half[0], 'end of Mix-FFN')
        inner = self._need(self.gelu, activated, 'GELU')
        depthwise, expanded = self._need(self.convolution, inner, 'depthwise conv')
        if depthwise.groups != depthwise.weight.shape[0]:
            raise reader.UnsupportedGraphError(
                f'convolution in Mix-FFN at {inner!r} is not depthwise')
        expand, normed = self._need(self.linear, expanded, 'start of Mix-FFN')
        mlp_norm, middle = self._need(self.norm, normed, 'normalisation')
        self._need_same(middle, half[1])
        half = self._need(self._residual, middle, 'attention with residual')
        attention, normed = self._attention(half[0])
        attention_norm, start = self._need(self.norm, normed, 'normalisation')
        self._need_same(start, half[1])
        return layers.Block(
            attention_norm, attention, mlp_norm, expand, depthwise, contract), start

    def _weighted(self, context: str) -> Tuple[float, str, str, str]:
        """Match the values weighted by a softmax; return scale, query, key and value."""
        whole = self._graph.node(context, 'Attention')
        if whole is not None:
            return self._whole_attention(whole)
        mixed = self._need_node('MatMul', context, 'weighted values')
        softmax = self._need_node('Softmax', self._unguarded(mixed.input[0]), 'softmax')
        return self._need(self.scores, softmax.input[0], 'attention scores') + (mixed.input[1],)

    def _unguarded(self, tensor: str) -> str:
        """Return the softmax behind ``Where(IsNaN(softmax), 0, softmax)``, for masked rows."""
        where = self._graph.node(tensor, 'Where')
        if where is None:
            return tensor
        test = self._need_node('IsNaN', where.input[0], 'IsNaN')
        self._need_same(test.input[0], where.input[2])
        return str(where.input[2])

    def _whole_attention(self, node: Any) -> Tuple[float, str, str, str]:
        """Match ``Attention`` of opset 23 without mask, causality or cache."""
        if any(node.input[3:]) or any(reader.attribute(node, name, 0) for name in (
                'is_causal', 'softcap', 'qk_matmul_output_mode')):
            raise reader.UnsupportedGraphError('attention with a mask')
        query, key, value = node.input[:3]
        return reader.attribute(node, 'scale', 0.0), query, key, value

    def _residual(self, tensor: str) -> Optional[Tuple[str, str]]:
        """Match ``branch + stream``; a branch ends in a linear layer, the stream does not."""
        node = self._graph.node(tensor, 'Add')
        if node is None or len(self._graph.operands(node)[0]) != 2:
            return None
        for branch, stream in (node.input, tuple(node.input)[::-1]):
            if self.linear(branch) is not None and self.linear(stream) is None:
                return branch, stream
        return None

    def _attention(self, tensor: str) -> Tuple[layers.Attention, str]:
        output, context = self._need(self.linear, tensor, 'output projection')
        scale, query_end, key_end, value_end = self._weighted(context)
        query, stream = self._need(self.linear, query_end, 'query projection')
        key, short = self._need(self.linear, key_end, 'key projection')
        value, other = self._need(self.linear, value_end, 'value projection')
        self._need_same(short, other)
        stream = self._graph.source(stream)
        reduction = None
        if self._graph.source(short) != stream:
            norm, tensor = self._need(self.norm, short, 'reduced keys')
            shrink, tensor = self._need(self.convolution, tensor, 'reduction')
            self._need_same(tensor, stream)
            reduction = layers.Reduction(shrink, norm)
        if scale == 0.0:
            raise reader.UnsupportedGraphError('attention whose scale is not stated')
        share = query.bias.size * scale * scale
        heads = int(share + 0.5)
        if heads == 0 or not _is_close(share, heads) or query.bias.size % heads:
            raise reader.UnsupportedGraphError(
                f'scale {scale} of {query.bias.size} channels fits no number of heads')
        return layers.Attention(query, key, value, output, reduction, heads, scale), stream


def _is_close(value: float, wanted: float) -> bool:
    return abs(value - wanted) <= CONSTANT_TOLERANCE * abs(wanted)
