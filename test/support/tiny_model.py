# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Small ONNX networks with SegFormer's contract whose right answer is known by heart."""

import os

import numpy as np
import pytest

SIZE = 64
"""Of the input; logits have a quarter of it."""
COLORS = {'red': (255, 0, 0), 'green': (0, 255, 0), 'blue': (0, 0, 255), 'white': (255,) * 3}
"""The classes, in order of their ids: a pixel belongs to the nearest colour."""
RED, GREEN, BLUE, WHITE = range(4)


def write_color_model(folder, name='colors', classes=4, work=0, white_above=False):
    """
    Write ``name.onnx`` and ``name.yaml``: each pixel gets the class of the nearest colour.

    :param classes: outputs of the network; other than four fits no specification
    :param work: further matrix products of 2 GFLOP each, for a network that takes its time
    :param white_above: the upper half of what the network sees is white, whatever it shows
    :return: path of the ONNX file
    """
    onnx = pytest.importorskip('onnx')
    helper, numbers = onnx.helper, onnx.numpy_helper
    # Nearest colour: largest c.x - |c|^2 / 2, an affine function of the pixel x.
    colors = np.array(list(COLORS.values()), np.float64) / 255.0
    weights = np.tile(20.0 * colors, (classes // 4 + 1, 1))[:classes]
    bias = np.tile(-10.0 * (colors ** 2).sum(axis=1), classes // 4 + 1)[:classes]
    above = np.zeros((1, classes, SIZE // 4, SIZE // 4))
    above[:, WHITE, :SIZE // 8] = 1000.0 if white_above else 0.0
    constants = {'weights': weights[:, :, None, None], 'bias': bias, 'above': above}
    nodes = [
        helper.make_node('AveragePool', ['pixel_values'], ['small'], kernel_shape=[4, 4],
                         strides=[4, 4]),
        helper.make_node('Conv', ['small', 'weights', 'bias'], ['nearest']),
        helper.make_node('Add', ['nearest', 'above'], ['plain' if work else 'logits'])]
    if work:
        constants.update(square=np.eye(1024), nothing=np.zeros(1))
        # Depends on the input, so that no optimiser computes it once for all.
        nodes += [helper.make_node('ReduceMean', ['small'], ['seed'], keepdims=0),
                  helper.make_node('Add', ['square', 'seed'], ['work0'])]
        nodes += [helper.make_node('MatMul', [f'work{step}', 'square'], [f'work{step + 1}'])
                  for step in range(work)]
        nodes += [helper.make_node('ReduceMean', [f'work{work}'], ['worked'], keepdims=0),
                  helper.make_node('Mul', ['worked', 'nothing'], ['zero']),
                  helper.make_node('Add', ['plain', 'zero'], ['logits'])]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, name,
        [tensor('pixel_values', onnx.TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [tensor('logits', onnx.TensorProto.FLOAT, [1, classes, SIZE // 4, SIZE // 4])],
        [numbers.from_array(value.astype(np.float32), key) for key, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=7)
    path = os.path.join(str(folder), name + '.onnx')
    onnx.save(model, path)
    write_color_spec(folder, name)
    return path


def write_color_spec(folder, name, size=SIZE):
    """Write ``name.yaml`` and the class table that it names; ``size`` of the input."""
    table = os.path.join(str(folder), 'colors_classes.yaml')
    with open(table, 'w', encoding='utf-8') as stream:
        stream.write('name: colors\nclasses:\n')
        for color, rgb in COLORS.items():
            stream.write(f'- {{name: {color}, color: {list(rgb)}}}\n')
    with open(os.path.join(str(folder), name + '.yaml'), 'w', encoding='utf-8') as stream:
        stream.write(
            f'name: {name}\nclasses: {table}\nnum_classes: {len(COLORS)}\n'
            'mean: [0, 0, 0]\nstd: [1, 1, 1]\n'
            f'input_size_wh: [{size}, {size}]\noutput_size_wh: [{size // 4}, {size // 4}]\n')


def write_color_costs(folder):
    """
    Write a cost profile and a grouping of the colours.

    White ground is free and green ground costs 50; red stands up, blue is ignored.

    :return: parameters of the node that name them
    """
    costs = os.path.join(str(folder), 'colors_costs.yaml')
    with open(costs, 'w', encoding='utf-8') as stream:
        stream.write('name: colors\ncosts: {white: 0, green: 50, red: lethal, blue: ignore}\n')
    groups = os.path.join(str(folder), 'colors_groups.yaml')
    with open(groups, 'w', encoding='utf-8') as stream:
        stream.write('name: colors\ngroups:\n'
                     '- {name: free, color: [0, 200, 0], members: [white]}\n'
                     '- {name: caution, color: [200, 200, 0], members: [green]}\n'
                     '- {name: obstacle, color: [200, 0, 0], members: [red]}\n'
                     'unlabeled: [blue]\n')
    return {'cost_profile': costs, 'category_groups': groups}


def color_image(names, height=48, width=64):
    """Return (H, W, 3) RGB with one vertical stripe for each colour name."""
    image = np.empty((height, width, 3), np.uint8)
    for stripe, name in zip(np.array_split(np.arange(width), len(names)), names):
        image[:, stripe] = COLORS[name]
    return image
