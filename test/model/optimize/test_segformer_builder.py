# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Folded weights compute what the layers computed one after another."""

import numpy as np
import pytest

from segformer_ros.model.optimize import segformer_builder
from segformer_ros.model.optimize import segformer_layers as layers
from support.oracles import upsample


def random_linear(random, inputs, outputs):
    return layers.Linear(random.normal(size=(inputs, outputs)).astype(np.float32),
                         random.normal(size=outputs).astype(np.float32))


@pytest.mark.parametrize('widths, decoder', [((4, 6, 10), 8), ((3, 5, 7, 9), 5)])
def test_folded_head_equals_projecting_upsampling_joining_and_fusing(widths, decoder):
    random = np.random.RandomState(4)
    sizes = [(12 >> index, 16 >> index) for index in range(len(widths))]
    images = [random.normal(size=(width,) + size) for width, size in zip(widths, sizes)]
    head = layers.Head(tuple(random_linear(random, width, decoder) for width in widths),
                       random_linear(random, decoder * len(widths), decoder),
                       random_linear(random, decoder, 3))
    joined = np.concatenate([
        upsample(project(image, layer.weight) + layer.bias[:, None, None], (16, 12))
        for image, layer in zip(images, head.projections)])
    expected = project(joined, head.fuse.weight) + head.fuse.bias[:, None, None]
    folded = segformer_builder.fold_head(head)
    got = sum(upsample(project(image, weight), (16, 12))
              for image, weight in zip(images, folded.weights)) + folded.bias[:, None, None]
    np.testing.assert_allclose(got, expected, atol=2e-5)
    assert folded.classifier is head.classifier


def test_with_a_relu_after_the_projections_only_the_fusing_convolution_moves():
    random = np.random.RandomState(5)
    widths, decoder, sizes = (4, 6, 10), 8, [(12, 16), (6, 8), (3, 4)]
    images = [random.normal(size=(width,) + size) for width, size in zip(widths, sizes)]
    head = layers.Head(tuple(random_linear(random, width, decoder) for width in widths),
                       random_linear(random, decoder * len(widths), decoder),
                       random_linear(random, decoder, 3), rectified=True)
    rectified = [np.maximum(project(image, layer.weight) + layer.bias[:, None, None], 0.0)
                 for image, layer in zip(images, head.projections)]
    joined = np.concatenate([upsample(image, (16, 12)) for image in rectified])
    expected = project(joined, head.fuse.weight) + head.fuse.bias[:, None, None]
    folded = segformer_builder.fold_head(head)
    got = sum(upsample(project(image, weight), (16, 12))
              for image, weight in zip(rectified, folded.weights)) + folded.bias[:, None, None]
    np.testing.assert_allclose(got, expected, atol=2e-5)


def project(image, weight):
    return np.einsum('chw,cd->dhw', image, weight.astype(np.float64))


def test_input_scale_moves_into_the_first_convolution():
    random = np.random.RandomState(1)
    layer = layers.Convolution(random.normal(size=(5, 3, 7, 7)).astype(np.float32),
                               np.zeros(5, np.float32), (4, 4), (3, 3, 3, 3), 1)
    patch, factors = random.normal(size=(3, 7, 7)), (0.5, 0.25, 3.0)
    folded = segformer_builder.fold_input_scale(layer, factors)
    expected = np.tensordot(layer.weight, patch * np.reshape(factors, (3, 1, 1)), 3)
    np.testing.assert_allclose(np.tensordot(folded.weight, patch, 3), expected, rtol=1e-5)
    assert folded.strides == layer.strides and folded.pads == layer.pads


def test_attention_scale_moves_into_the_queries():
    random = np.random.RandomState(2)
    query, key, value, output = (random_linear(random, 8, 8) for _ in range(4))
    tokens = random.normal(size=(5, 8))
    folded = segformer_builder.fold_attention_scale(
        layers.Attention(query, key, value, output, None, 2, 0.3))
    np.testing.assert_allclose(tokens @ folded.query.weight + folded.query.bias,
                               0.3 * (tokens @ query.weight + query.bias), rtol=1e-5)
    assert folded.scale == 1.0
    assert folded.key is key
