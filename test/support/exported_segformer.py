# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""SegFormers with random weights, written in the manner of several exporters (needs onnx)."""

import collections
import math

import numpy as np

Architecture = collections.namedtuple(
    'Architecture', 'depths widths heads reductions expansion decoder classes')
TINY = Architecture(depths=(1, 2, 1, 1), widths=(8, 12, 20, 32), heads=(1, 2, 5, 4),
                    reductions=(8, 4, 2, 1), expansion=2, decoder=17, classes=9)

Style = collections.namedtuple(
    'Style', 'opset dynamic scale merged batch_norm gate attention rectified')
STYLES = {
    # torch.onnx.export(dynamo=False) of transformers with dynamic axes, as optimum does.
    'torchscript': Style(13, True, 'divide', False, True, 'late half', '', False),
    # The same with fixed shapes, opset 17 and scaled_dot_product_attention.
    'scaled dot product': Style(17, False, 'both', False, False, 'late half', '', False),
    # torch.onnx.export(dynamo=True).
    'dynamo': Style(18, False, 'multiply', False, False, 'early half', '', False),
    # What onnxsim and onnxruntime make of it: Gemm on matrices, merged projections.
    'simplified': Style(13, False, 'multiply', True, False, 'late half', '', False),
    # NVIDIA's own code and segmentation_models_pytorch: keys and values of one linear layer.
    'pairs': Style(13, True, 'multiply', False, True, 'late half', 'pairs', False),
    # The operator of opset 23, which torch.onnx.export(dynamo=True) writes.
    'whole attention': Style(23, False, 'whole', False, False, 'early half', 'whole', False),
    # scaled_dot_product_attention as of opset 18, with its guard for rows that are masked.
    'guarded': Style(18, False, 'both', False, False, 'early half', 'guarded', False),
    # mmsegmentation: BatchNorm and ReLU after each projection of the head as well.
    'mmsegmentation': Style(13, False, 'multiply', False, True, 'late half', 'pairs', True),
}


def export_segformer(architecture, size_wh, style, seed=0, spoil=''):
    """
    Return an ``onnx.ModelProto``: ``pixel_values`` to ``logits``.

    :param style: one of STYLES
    :param spoil: what to do otherwise than a SegFormer does: ``leaky`` ReLU after each
        projection of the head, ``some relu`` after the first one alone, ``tanh`` for the GELU,
        ``turned`` images in front of the second stage
    """
    return _Exporter(architecture, size_wh, STYLES[style], seed, spoil).model()


class _Exporter:

    def __init__(self, architecture, size_wh, style, seed, spoil):
        import onnx
        from onnx import numpy_helper
        self.onnx, self.from_array = onnx, numpy_helper.from_array
        self.arch, self.style, self.spoil = architecture, style, spoil
        self.size_hw = size_wh[::-1]
        self.random = np.random.RandomState(seed)
        self.nodes, self.weights = [], []

    def model(self):
        helper, arch = self.onnx.helper, self.arch
        image, size, levels = 'pixel_values', self.size_hw, []
        for index, width in enumerate(arch.widths):
            before = 3 if index == 0 else arch.widths[index - 1]
            if self.spoil == 'turned' and index == 1:
                image, size = self.node('Transpose', image, perm=[0, 1, 3, 2]), size[::-1]
            image, size = self.stage(index, image, before, width, size)
            levels.append((image, width, size))
        self.head(levels)
        axes = ['batch', 'channels', 'height', 'width'] if self.style.dynamic else None
        first = levels[0][2]
        float32 = self.onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes, 'main_graph',
            [helper.make_tensor_value_info('pixel_values', float32,
                                           axes or (1, 3) + tuple(self.size_hw))],
            [helper.make_tensor_value_info('logits', float32,
                                           axes or (1, arch.classes) + tuple(first))],
            self.weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid('', self.style.opset)])
        model.ir_version = 7 if self.style.opset == 13 else 8 if self.style.opset < 20 else 10
        self.onnx.checker.check_model(model)
        return model

    def stage(self, index, image, before, width, size):
        arch = self.arch
        kernel, stride = (7, 4) if index == 0 else (3, 2)
        image, size = self.conv(image, before, width, kernel, stride, kernel // 2, size)
        tokens = self.norm(self.tokens(image, width, size), width)
        for _ in range(arch.depths[index]):
            attended = self.attention(self.norm(tokens, width), width, arch.heads[index],
                                      arch.reductions[index], size)
            tokens = self.node('Add', attended, tokens)
            wide = width * arch.expansion
            inner = self.linear(self.norm(tokens, width), width, wide)
            inner, _ = self.conv(self.image(inner, wide, size), wide, wide, 3, 1, 1, size, wide)
            inner = self.gelu(self.tokens(inner, wide, size))
            tokens = self.node('Add', self.linear(inner, wide, width), tokens)
        return self.image(self.norm(tokens, width), width, size), size

    def attention(self, normed, width, heads, reduction, size):
        short, short_size = normed, size
        if reduction > 1:
            shrunk, short_size = self.conv(self.image(normed, width, size), width, width,
                                           reduction, reduction, 0, size)
            short = self.norm(self.tokens(shrunk, width, short_size), width)
        each = width // heads
        if self.style.attention == 'pairs':
            query = self.linear(normed, width, width)
            key, value = self.pair(short, width, heads, short_size)
        elif self.style.merged and short == normed:
            whole = self.linear(normed, width, 3 * width)
            query, key, value = self.split(whole, width)
        else:
            query, key, value = (self.linear(tensor, width, width)
                                 for tensor in (normed, short, short))
        query = self.heads(query, size, heads, each, (0, 2, 1, 3))
        if self.style.attention != 'pairs':
            key = self.heads(key, short_size, heads, each, (
                0, 2, 1, 3) if self.style.attention == 'whole' else (0, 2, 3, 1))
            value = self.heads(value, short_size, heads, each, (0, 2, 1, 3))
        context = self.weighted(query, key, value, each)
        context = self.node('Transpose', context, perm=[0, 2, 1, 3])
        return self.linear(self.reshape(context, 1, size[0] * size[1], width), width, width)

    def pair(self, short, width, heads, size):
        """Return keys, turned, and values as the two parts of one linear layer."""
        both = self.reshape(self.linear(short, width, 2 * width), 1, size[0] * size[1], 2, heads,
                            width // heads)
        both = self.node('Transpose', both, perm=[2, 0, 3, 1, 4])
        key, value = (self.node('Gather', both, self.constant(part, np.int64), axis=0)
                      for part in (0, 1))
        return self.node('Transpose', key, perm=[0, 1, 3, 2]), value

    def weighted(self, query, key, value, each):
        if self.style.attention == 'whole':
            return self.node('Attention', query, key, value, scale=each ** -0.5)
        if self.style.scale == 'both':
            root = self.constant(each ** -0.25)
            query, key = self.node('Mul', query, root), self.node('Mul', key, root)
        scores = self.node('MatMul', query, key)
        if self.style.scale == 'divide':
            scores = self.node('Div', scores, self.constant(math.sqrt(each)))
        elif self.style.scale == 'multiply':
            scores = self.node('Mul', scores, self.constant(each ** -0.5))
        weights = self.node('Softmax', scores, axis=-1)
        weights = self.node('Cast', weights, to=self.onnx.TensorProto.FLOAT)
        if self.style.attention == 'guarded':
            weights = self.node('Where', self.node('IsNaN', weights), self.constant(0.0), weights)
        return self.node('MatMul', weights, value)

    def head(self, levels):
        arch, (height, width) = self.arch, levels[0][2]
        parts = []
        for image, channels, size in levels:
            tokens = self.linear(self.tokens(image, channels, size), channels, arch.decoder)
            part = self.image(tokens, arch.decoder, size)
            if self.style.rectified:
                part = self.node('Relu', self.batch_norm(part))
            if self.spoil == 'leaky':
                part = self.node('LeakyRelu', part)
            if self.spoil == 'some relu' and not parts:
                part = self.node('Relu', part)
            if size != (height, width) or self.style.dynamic:
                part = self.node('Resize', part, '', '', self.shape(
                    1, arch.decoder, height, width), mode='linear',
                    coordinate_transformation_mode='half_pixel')
            parts.append(part)
        joined = self.node('Concat', *parts[::-1], axis=1)
        fused, _ = self.conv(joined, arch.decoder * len(levels), arch.decoder, 1, 1, 0,
                             (height, width))
        if self.style.batch_norm:
            fused = self.batch_norm(fused)
        activated = self.node('Relu', fused)
        weight = self.weight(arch.classes, arch.decoder, 1, 1, spread=arch.decoder ** -0.5)
        self.nodes.append(self.onnx.helper.make_node(
            'Conv', [activated, weight, self.weight(arch.classes)], ['logits'],
            kernel_shape=[1, 1]))

    def batch_norm(self, image):
        channels = self.arch.decoder
        gain, bias, mean = (self.weight(channels, spread=0.3, centre=centre)
                            for centre in (1.0, 0.0, 0.0))
        variance = self.constant(self.random.uniform(0.5, 1.5, channels))
        return self.node('BatchNormalization', image, gain, bias, mean, variance, epsilon=1e-5)

    def linear(self, tensor, inputs, outputs):
        weight = self.weight(inputs, outputs, spread=inputs ** -0.5)
        bias = self.weight(outputs)
        if self.style.merged:
            return self.node('Gemm', self.reshape(tensor, -1, inputs), weight, bias)
        return self.node('Add', bias, self.node('MatMul', tensor, weight))

    def split(self, whole, width):
        names = [f'part{len(self.nodes)}_{index}' for index in range(3)]
        self.nodes.append(self.onnx.helper.make_node(
            'Split', [whole, self.integers(width, width, width)], names, axis=-1))
        return names

    def conv(self, image, inputs, outputs, kernel, stride, pad, size, groups=1):
        fan_in = inputs // groups * kernel * kernel
        weight = self.weight(outputs, inputs // groups, kernel, kernel, spread=fan_in ** -0.5)
        size = tuple((extent + 2 * pad - kernel) // stride + 1 for extent in size)
        return self.node('Conv', image, weight, self.weight(outputs), group=groups,
                         kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4), size

    def norm(self, tokens, width):
        gain, bias = self.weight(width, spread=0.2, centre=1.0), self.weight(width)
        if self.style.opset >= 17:
            return self.node('LayerNormalization', tokens, gain, bias, axis=-1, epsilon=1e-6)
        centred = self.node('Sub', tokens, self.node('ReduceMean', tokens, axes=[-1]))
        square = self.node('Pow', centred, self.constant(2.0))
        variance = self.node('Add', self.node('ReduceMean', square, axes=[-1]),
                             self.constant(1e-6))
        scaled = self.node('Mul', self.node('Div', centred, self.node('Sqrt', variance)), gain)
        return self.node('Add', scaled, bias)

    def gelu(self, tensor):
        if self.spoil == 'tanh':
            return self.node('Mul', tensor, self.node('Tanh', tensor))
        scaled = self.node('Div', tensor, self.constant(math.sqrt(2.0)))
        gate = self.node('Add', self.node('Erf', scaled), self.constant(1.0))
        if self.style.gate == 'early half':
            return self.node('Mul', tensor, self.node('Mul', self.constant(0.5), gate))
        return self.node('Mul', self.node('Mul', tensor, gate), self.constant(0.5))

    def heads(self, tensor, size, heads, each, order):
        split = self.reshape(tensor, 1, size[0] * size[1], heads, each)
        return self.node('Transpose', split, perm=list(order))

    def tokens(self, image, width, size):
        flat = self.reshape(image, 1, width, size[0] * size[1])
        return self.node('Transpose', flat, perm=[0, 2, 1])

    def image(self, tokens, width, size):
        if self.style.merged:
            tokens = self.reshape(tokens, 1, size[0] * size[1], width)
        turned = self.node('Transpose', tokens, perm=[0, 2, 1])
        return self.reshape(turned, 1, width, *size)

    def reshape(self, tensor, *sizes):
        return self.node('Reshape', tensor, self.shape(*sizes))

    def shape(self, *sizes):
        """Return a shape; a dynamic one is put together at run time, as exporters do."""
        if not self.style.dynamic:
            return self.integers(*sizes)
        whole = self.node('Shape', 'pixel_values')
        batch = self.node('Unsqueeze', self.node(
            'Gather', whole, self.constant(0, np.int64)), self.integers(0))
        return self.node('Concat', batch, self.integers(*sizes[1:]), axis=0)

    def node(self, op, *inputs, **attributes):
        name = f'/{op}_{len(self.nodes)}'
        self.nodes.append(self.onnx.helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def integers(self, *values):
        return self.constant(list(values), np.int64)

    def constant(self, value, dtype=np.float32):
        tensor = self.from_array(np.asarray(value, dtype))
        return self.node('Constant', value=tensor)

    def weight(self, *shape, spread=0.1, centre=0.0):
        name = f'weight{len(self.weights)}'
        values = self.random.normal(centre, spread, shape).astype(np.float32)
        self.weights.append(self.from_array(values, name))
        return name
