# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Small networks that end in a softmax, a sigmoid, an argmax or nothing (needs onnx)."""

import os

import numpy as np
import pytest

SIZE, STRIDE = 64, 4
GRID = SIZE // STRIDE


def weights_of(channels):
    """Return (channels, 3) weights and (channels,) biases; logits span some -8 to 8."""
    random = np.random.RandomState(channels)
    return random.normal(0.0, 9.0, (channels, 3)), random.normal(0.0, 2.0, channels)


def logits_of(image, channels):
    """Compute in float64 the logits (channels, h, w) of an image (64, 64, 3) uint8."""
    weights, bias = weights_of(channels)
    means = (image.astype(np.float64) / 255.0).reshape(GRID, STRIDE, GRID, STRIDE, 3).mean((1, 3))
    return np.moveaxis(means.dot(weights.T) + bias, 2, 0)


def write_network(folder, channels, tail=(), output=None, spec='', opset=13, classes=None):
    """
    Write ``net.onnx``, ``net.yaml`` and the class table of it.

    :param tail: operator and attributes of each step after the logits
    :param output: element type (by onnx's name) and shape of the output
    :param spec: further lines of the specification
    :param classes: their number, by default one a channel
    :return: path of the ONNX file
    """
    onnx = pytest.importorskip('onnx')
    helper, numbers = onnx.helper, onnx.numpy_helper
    weights, bias = weights_of(channels)
    constants = {'weights': weights[:, :, None, None], 'bias': bias}
    nodes = [helper.make_node('AveragePool', ['pixel_values'], ['small'],
                              kernel_shape=[STRIDE] * 2, strides=[STRIDE] * 2),
             helper.make_node('Conv', ['small', 'weights', 'bias'], ['t0'])]
    for number, (op, attributes) in enumerate(tail):
        nodes.append(helper.make_node(op, [f't{number}'], [f't{number + 1}'], **attributes))
    nodes[-1].output[0] = 'logits'
    kind, shape = output or ('FLOAT', [1, channels, GRID, GRID])
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, 'net', [tensor('pixel_values', onnx.TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [tensor('logits', getattr(onnx.TensorProto, kind), shape)],
        [numbers.from_array(value.astype(np.float32), key) for key, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=7)
    path = os.path.join(str(folder), 'net.onnx')
    onnx.save(model, path)
    count = classes or channels
    with open(os.path.join(str(folder), 'table.yaml'), 'w', encoding='utf-8') as stream:
        stream.write('name: table\nclasses:\n' + ''.join(
            f'- {{name: c{each}, color: [{each}, 1, 2]}}\n' for each in range(count)))
    with open(os.path.join(str(folder), 'net.yaml'), 'w', encoding='utf-8') as stream:
        stream.write(f'name: net\nclasses: table.yaml\nnum_classes: {count}\n'
                     f'mean: [0, 0, 0]\nstd: [1, 1, 1]\ninput_size_wh: [{SIZE}, {SIZE}]\n'
                     f'output_size_wh: [{GRID}, {GRID}]\n{spec}')
    return path


def picture(seed=0):
    """Return a picture (64, 64, 3) with large patches of colour."""
    random = np.random.RandomState(seed)
    return np.kron(random.randint(0, 256, (4, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
