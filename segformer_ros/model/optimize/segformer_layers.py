# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A SegFormer as layers and weights, whatever graph it was read from."""

from typing import NamedTuple, Optional, Tuple

from segformer_ros.common import arrays


class Linear(NamedTuple):
    """``y = x @ weight + bias`` over channels; weight (in, out), bias (out,), float32."""

    weight: arrays.Float32
    bias: arrays.Float32


class Norm(NamedTuple):
    """Layer normalisation over channels; gain and bias (channels,), float32."""

    gain: arrays.Float32
    bias: arrays.Float32
    epsilon: float


class Convolution(NamedTuple):
    """
    A 2-D convolution; weight (out, in / groups, kh, kw), bias (out,), float32.

    ``strides`` is (vertical, horizontal), ``pads`` (top, left, bottom, right), all in pixels.
    """

    weight: arrays.Float32
    bias: arrays.Float32
    strides: Tuple[int, int]
    pads: Tuple[int, int, int, int]
    groups: int

    def output_size(self, size_hw: Tuple[int, int]) -> Tuple[int, int]:
        """Return the (height, width) that an input of this (height, width) gives."""
        height, width = (
            (size_hw[axis] + self.pads[axis] + self.pads[axis + 2]
             - self.weight.shape[axis + 2]) // self.strides[axis] + 1 for axis in (0, 1))
        return height, width


class Reduction(NamedTuple):
    """What shortens keys and values: a strided convolution, then a normalisation."""

    convolution: Convolution
    norm: Norm


class Attention(NamedTuple):
    """
    Efficient self-attention (Xie et al., SegFormer, NeurIPS 2021, section 3.1).

    ``scale`` multiplies the scores before the softmax: 1 / sqrt(channels / heads).
    """

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    reduction: Optional[Reduction]
    heads: int
    scale: float


class Block(NamedTuple):
    """One transformer block: attention, then Mix-FFN, each with its residual."""

    attention_norm: Norm
    attention: Attention
    mlp_norm: Norm
    expand: Linear
    depthwise: Convolution
    contract: Linear


class Stage(NamedTuple):
    """Overlapping patch embedding, blocks, closing normalisation."""

    embedding: Convolution
    embedding_norm: Norm
    blocks: Tuple[Block, ...]
    norm: Norm


class Head(NamedTuple):
    """
    The all-MLP decode head.

    ``projections`` has one entry a stage, in stage order. ``fuse`` takes their concatenation
    in the same order. Batch normalisations after them are already folded in.
    ``rectified``: a ReLU follows each projection, as in mmsegmentation.
    """

    projections: Tuple[Linear, ...]
    fuse: Linear
    classifier: Linear
    rectified: bool = False


class Segformer(NamedTuple):
    """A whole network, from normalised RGB to logits at the first stage's size."""

    stages: Tuple[Stage, ...]
    head: Head

    @property
    def num_classes(self) -> int:
        """Return the number of logits of a pixel."""
        return int(self.head.classifier.bias.shape[0])

    def stage_sizes(self, input_hw: Tuple[int, int]) -> Tuple[Tuple[int, int], ...]:
        """Return the (height, width) of each stage for an input of this (height, width)."""
        sizes = []
        size_hw = input_hw
        for stage in self.stages:
            size_hw = stage.embedding.output_size(size_hw)
            sizes.append(size_hw)
        return tuple(sizes)

    def describe(self) -> str:
        """Return its outline for logs: ``stages 2+2+2+2, widths 32+64+160+256, ...``."""
        return 'blocks {}, widths {}, heads {}, {} classes'.format(
            '+'.join(str(len(stage.blocks)) for stage in self.stages),
            '+'.join(str(stage.norm.gain.shape[0]) for stage in self.stages),
            '+'.join(str(stage.blocks[0].attention.heads) for stage in self.stages),
            self.num_classes)
