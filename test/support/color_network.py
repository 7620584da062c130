# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network that runs anywhere and whose right answer is plain: the nearest of some colours."""

import os

import numpy as np
from segformer_ros.model.spec import ModelSpec
from support import onnx_writer as w

COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
"""The classes: red, green, blue, white."""
STRIDE = 4
"""Input pixels a logit, along each axis."""


def color_spec(size=64, **changes):
    """Return the specification of the network below; unnormalised RGB in 0..1."""
    return ModelSpec(
        'colors', 'ade20k', len(COLORS), input_size_wh=(size, size), mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0), output_size_wh=(size // STRIDE, size // STRIDE))._replace(**changes)


def write_color_network(path, size=64, dynamic=False, scale=1.0):
    """
    Write an ONNX file: means of 4 x 4 pixels, then -scale |x - color|^2 up to a constant.

    :param dynamic: leave batch, height and width open, as common exporters do
    :param scale: infinity makes every logit NaN
    :return: the path
    """
    colors = np.array(COLORS, np.float64) / 255.0
    with np.errstate(invalid='ignore'):
        weights = (2.0 * scale * colors).astype(np.float32)
    bias = (-scale * (colors ** 2).sum(axis=1)).astype(np.float32)
    shapes = ((1, 3, size, size), (1, len(COLORS), size // STRIDE, size // STRIDE))
    if dynamic:
        shapes = (('batch', 3, 'height', 'width'), ('batch', 'labels', 'rows', 'cols'))
    content = w.model(w.graph(
        [w.node('AveragePool', ['pixel_values'], ['means'],
                attributes=[('kernel_shape', [STRIDE] * 2), ('strides', [STRIDE] * 2)]),
         w.node('Conv', ['means', 'weights', 'bias'], ['logits'])],
        [w.value_info('pixel_values', shapes[0])], [w.value_info('logits', shapes[1])],
        [w.tensor('weights', weights.shape + (1, 1), weights.tobytes()),
         w.tensor('bias', bias.shape, bias.tobytes())]))
    with open(str(path), 'wb') as stream:
        stream.write(content)
    return os.fspath(path)


def color_logits(tensor, scale=1.0):
    """Compute in float64 what the network returns for an input tensor (1, 3, H, W)."""
    _, channels, height, width = tensor.shape
    blocks = tensor.astype(np.float64).reshape(
        channels, height // STRIDE, STRIDE, width // STRIDE, STRIDE).mean(axis=(2, 4))
    colors = np.array(COLORS, np.float64) / 255.0
    return (2.0 * scale * np.tensordot(colors, blocks, axes=(1, 0))
            - scale * (colors ** 2).sum(axis=1)[:, np.newaxis, np.newaxis])[np.newaxis]
