# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
SegFormer networks with random weights as ONNX files, of any size (needs onnx).

The topology is the published one: overlapping patch embeddings, attention with shortened keys
and values, Mix-FFN, an all-MLP decode head. Run as a program it writes the small file that tests
on Python 3.6 use, where onnx is not installed.
"""

import math
import sys

import numpy as np

TINY = {'depths': (1, 1, 1, 1), 'hidden': (4, 8, 10, 16), 'heads': (1, 2, 5, 8), 'decoder': 16,
        'classes': 7, 'size': 64}
B0 = {'depths': (2, 2, 2, 2), 'hidden': (32, 64, 160, 256), 'heads': (1, 2, 5, 8),
      'decoder': 256, 'classes': 150, 'size': 512}
REDUCTIONS = (8, 4, 2, 1)
PATCHES = ((7, 4), (3, 2), (3, 2), (3, 2))


class _Graph:
    """Nodes and weights under construction; every method returns the name of its result."""

    def __init__(self, opset, seed):
        from onnx import helper
        from onnx import numpy_helper
        self._helper = helper
        self._to_tensor = numpy_helper.from_array
        self.opset = opset
        self.random = np.random.RandomState(seed)
        self.nodes = []
        self.weights = []

    def node(self, op, *inputs, **attributes):
        name = f't{len(self.nodes)}'
        self.nodes.append(self._helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def constant(self, values, dtype=np.float32):
        name = f'w{len(self.weights)}'
        self.weights.append(self._to_tensor(np.asarray(values, dtype), name))
        return name

    def normal(self, *shape, scale):
        return self.constant(self.random.normal(0.0, scale, shape))

    def linear(self, x, inputs, outputs):
        product = self.node('MatMul', x, self.normal(
            inputs, outputs, scale=1.0 / math.sqrt(inputs)))
        return self.node('Add', product, self.normal(outputs, scale=0.1))

    def convolution(self, x, inputs, outputs, kernel, stride, pad, groups=1):
        weight = self.normal(outputs, inputs // groups, kernel, kernel,
                             scale=1.0 / math.sqrt(inputs // groups * kernel * kernel))
        return self.node('Conv', x, weight, self.normal(outputs, scale=0.1),
                         kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4,
                         group=groups)

    def norm(self, x, channels):
        gain = self.constant(1.0 + self.random.normal(0.0, 0.1, channels))
        bias = self.normal(channels, scale=0.1)
        if self.opset >= 17:
            return self.node('LayerNormalization', x, gain, bias, axis=-1, epsilon=1e-6)
        centred = self.node('Sub', x, self.node('ReduceMean', x, axes=[-1], keepdims=1))
        square = self.node('Pow', centred, self.constant(2.0))
        variance = self.node('ReduceMean', square, axes=[-1], keepdims=1)
        root = self.node('Sqrt', self.node('Add', variance, self.constant(1e-6)))
        scaled = self.node('Mul', self.node('Div', centred, root), gain)
        return self.node('Add', scaled, bias)

    def tokens(self, x, channels, size):
        flat = self.node('Reshape', x, self.constant([1, channels, size * size], np.int64))
        return self.node('Transpose', flat, perm=[0, 2, 1])

    def image(self, x, channels, size):
        turned = self.node('Transpose', x, perm=[0, 2, 1])
        return self.node('Reshape', turned, self.constant([1, channels, size, size], np.int64))

    def heads(self, x, channels, heads, perm):
        split = self.node('Reshape', x, self.constant([1, -1, heads, channels // heads], np.int64))
        return self.node('Transpose', split, perm=perm)

    def attention(self, x, channels, heads, size, reduction):
        short = x
        if reduction > 1:
            smaller = self.convolution(self.image(x, channels, size), channels, channels,
                                       reduction, reduction, 0)
            short = self.norm(self.tokens(smaller, channels, size // reduction), channels)
        query = self.heads(self.linear(x, channels, channels), channels, heads, [0, 2, 1, 3])
        key = self.heads(self.linear(short, channels, channels), channels, heads, [0, 2, 3, 1])
        value = self.heads(self.linear(short, channels, channels), channels, heads, [0, 2, 1, 3])
        scores = self.node('Div', self.node('MatMul', query, key),
                           self.constant(math.sqrt(channels // heads)))
        mixed = self.node('MatMul', self.node('Softmax', scores, axis=-1), value)
        joined = self.node('Reshape', self.node('Transpose', mixed, perm=[0, 2, 1, 3]),
                           self.constant([1, -1, channels], np.int64))
        return self.linear(joined, channels, channels)

    def feed_forward(self, x, channels, size):
        wide = self.linear(x, channels, 4 * channels)
        deep = self.tokens(self.convolution(self.image(wide, 4 * channels, size), 4 * channels,
                                            4 * channels, 3, 1, 1, groups=4 * channels),
                           4 * channels, size)
        erf = self.node('Erf', self.node('Div', deep, self.constant(math.sqrt(2.0))))
        gelu = self.node('Mul', self.node('Mul', deep, self.node('Add', erf, self.constant(1.0))),
                         self.constant(0.5))
        return self.linear(gelu, 4 * channels, channels)


def make_segformer(path, depths, hidden, heads, decoder, classes, size, opset=13, seed=0):
    """
    Write a SegFormer with random weights: ``pixel_values`` to ``logits``, static shapes.

    :param size: width and height of the input in pixels, a multiple of 32
    """
    import onnx
    from onnx import helper
    graph = _Graph(opset, seed)
    x = 'pixel_values'
    before, now = 3, size
    heights = []
    for stage, channels in enumerate(hidden):
        kernel, stride = PATCHES[stage]
        now //= stride
        x = graph.tokens(graph.convolution(x, before, channels, kernel, stride, kernel // 2),
                         channels, now)
        x = graph.norm(x, channels)
        for _ in range(depths[stage]):
            attended = graph.attention(graph.norm(x, channels), channels, heads[stage], now,
                                       REDUCTIONS[stage])
            x = graph.node('Add', x, attended)
            fed = graph.feed_forward(graph.norm(x, channels), channels, now)
            x = graph.node('Add', x, fed)
        x = graph.image(graph.norm(x, channels), channels, now)
        heights.append((x, channels, now))
        before = channels
    merged = []
    for x, channels, now in reversed(heights):
        level = graph.image(graph.linear(graph.tokens(x, channels, now), channels, decoder),
                            decoder, now)
        merged.append(graph.node(
            'Resize', level, '', '',
            graph.constant([1, decoder, size // 4, size // 4], np.int64), mode='linear',
            coordinate_transformation_mode='pytorch_half_pixel'))
    fused = graph.convolution(graph.node('Concat', *merged, axis=1), 4 * decoder, decoder, 1, 1, 0)
    # Wide apart, as those of a trained network are: ties would make every precision a lottery.
    weight = graph.normal(classes, decoder, 1, 1, scale=4.0 / math.sqrt(decoder))
    graph.nodes.append(helper.make_node(
        'Conv', [graph.node('Relu', fused), weight, graph.normal(classes, scale=0.1)],
        ['logits'], 'classifier', kernel_shape=[1, 1]))
    float32 = onnx.TensorProto.FLOAT
    model = helper.make_model(
        helper.make_graph(
            graph.nodes, 'segformer',
            [helper.make_tensor_value_info('pixel_values', float32, [1, 3, size, size])],
            [helper.make_tensor_value_info(
                'logits', float32, [1, classes, size // 4, size // 4])], graph.weights),
        opset_imports=[helper.make_opsetid('', opset)], producer_name='segformer_ros tests')
    # onnxruntime 1.10 (Python 3.6) reads files up to IR version 8.
    model.ir_version = 7
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


if __name__ == '__main__':
    make_segformer(sys.argv[1], **TINY)
