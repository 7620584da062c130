# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
SegFormer in PyTorch, small.

The topology is that of Xie et al., "SegFormer: Simple and Efficient Design for Semantic
Segmentation with Transformers" (2021): overlapping patch embeddings, efficient self-attention
with sequence reduction, Mix-FFN, an all-MLP head. Only the widths are smaller than B0's.
"""

from typing import List, NamedTuple, Sequence, Tuple

import torch
from torch import nn
from torch.nn import functional


class Widths(NamedTuple):
    """
    Size of the network.

    ``channels``, ``heads``, ``reductions`` and ``depths`` count per stage; ``expansion`` is
    the Mix-FFN's, ``decoder`` the head's width, ``drop_path`` the rate of the last block.
    """

    channels: Tuple[int, ...] = (16, 32, 80, 160)
    heads: Tuple[int, ...] = (1, 2, 5, 5)
    reductions: Tuple[int, ...] = (8, 4, 2, 1)
    depths: Tuple[int, ...] = (2, 2, 2, 2)
    expansion: int = 3
    decoder: int = 80
    drop_path: float = 0.05


SMALL = Widths()


def _sizes(x: torch.Tensor) -> Tuple[int, ...]:
    # Whole numbers, so that an exported graph holds constants instead of shape arithmetic.
    return tuple(int(size) for size in x.shape)


def _tokens(x: torch.Tensor) -> torch.Tensor:
    n, channels, height, width = _sizes(x)
    return x.reshape(n, channels, height * width).transpose(1, 2)


class PatchEmbedding(nn.Module):
    """Overlapping patches: a strided convolution and a LayerNorm; returns tokens."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, int, int]:
        """Turn (N, C, H, W) into tokens (N, H' W', C') and their grid."""
        x = self.project(x)
        height, width = _sizes(x)[2:]
        return self.norm(_tokens(x)), height, width


class Attention(nn.Module):
    """Self-attention whose keys and values come from a coarser grid."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self.reduction = reduction
        if reduction > 1:
            self.reduce = nn.Conv2d(channels, channels, reduction, reduction)
            self.norm = nn.LayerNorm(channels)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        n, length, channels = _sizes(x)
        return x.reshape(n, length, self.heads, channels // self.heads).transpose(1, 2)

    def forward(self, x: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Attend over tokens (N, L, C) of a height x width grid."""
        n, length, channels = _sizes(x)
        coarse = x
        if self.reduction > 1:
            coarse = x.transpose(1, 2).reshape(n, channels, height, width)
            coarse = self.norm(_tokens(self.reduce(coarse)))
        query, key, value = (self._split(self.query(x)), self._split(self.key(coarse)),
                             self._split(self.value(coarse)))
        weights = torch.softmax(query @ key.transpose(-2, -1) * self.scale, dim=-1)
        mixed = (weights @ value).transpose(1, 2).reshape(n, length, channels)
        return self.out(mixed)


class MixFeedForward(nn.Module):
    """Two linear layers with a depthwise 3 x 3 convolution between: positions for free."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, 1, 1, groups=hidden)
        self.shrink = nn.Linear(hidden, channels)

    def forward(self, x: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Transform tokens (N, L, C) of a height x width grid."""
        x = self.expand(x)
        n, _, hidden = _sizes(x)
        x = self.depthwise(x.transpose(1, 2).reshape(n, hidden, height, width))
        x = functional.gelu(_tokens(x))
        return self.shrink(x)


class Block(nn.Module):
    """Attention and Mix-FFN, each normalised before and added to its input."""

    def __init__(self, channels: int, heads: int, reduction: int, expansion: int,
                 drop: float) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(channels)
        self.attention = Attention(channels, heads, reduction)
        self.norm_2 = nn.LayerNorm(channels)
        self.feed_forward = MixFeedForward(channels, channels * expansion)
        self.drop = drop

    def _keep(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.drop == 0.0:
            return x
        mask = torch.rand(x.shape[0], 1, 1, device=x.device) >= self.drop
        return x * mask.to(x.dtype) / (1.0 - self.drop)

    def forward(self, x: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Transform tokens (N, L, C) of a height x width grid."""
        x = x + self._keep(self.attention(self.norm_1(x), height, width))
        return x + self._keep(self.feed_forward(self.norm_2(x), height, width))


class Stage(nn.Module):
    """Patch embedding, blocks, LayerNorm: one level of the pyramid."""

    def __init__(self, inputs: int, widths: Widths, level: int, drops: Sequence[float]) -> None:
        super().__init__()
        channels = widths.channels[level]
        kernel, stride = (7, 4) if level == 0 else (3, 2)
        self.embed = PatchEmbedding(inputs, channels, kernel, stride)
        self.blocks = nn.ModuleList([
            Block(channels, widths.heads[level], widths.reductions[level], widths.expansion,
                  drop) for drop in drops])
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn (N, C, H, W) into (N, C', H', W')."""
        tokens, height, width = self.embed(x)
        for block in self.blocks:
            tokens = block(tokens, height, width)
        n, _, channels = _sizes(tokens)
        return self.norm(tokens).transpose(1, 2).reshape(n, channels, height, width)


class SegFormer(nn.Module):
    """
    The network: ``pixel_values`` (N, 3, H, W), ImageNet-normalised, to logits at a quarter.

    :param classes: number of outputs
    :param widths: its size
    """

    def __init__(self, classes: int, widths: Widths = SMALL) -> None:
        super().__init__()
        total = sum(widths.depths)
        drops = [widths.drop_path * index / max(1, total - 1) for index in range(total)]
        stages: List[nn.Module] = []
        inputs = 3
        for level, depth in enumerate(widths.depths):
            stages.append(Stage(inputs, widths, level, drops[:depth]))
            drops = drops[depth:]
            inputs = widths.channels[level]
        self.stages = nn.ModuleList(stages)
        self.linears = nn.ModuleList([
            nn.Linear(channels, widths.decoder) for channels in widths.channels])
        self.fuse = nn.Conv2d(widths.decoder * len(widths.channels), widths.decoder, 1, bias=False)
        self.fuse_norm = nn.BatchNorm2d(widths.decoder)
        self.classify = nn.Conv2d(widths.decoder, classes, 1)
        self.apply(self._initialise)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d):
            fan = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, 0.0, (2.0 / (fan // module.groups)) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return logits (N, classes, H / 4, W / 4)."""
        levels = []
        x = pixel_values
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        size = _sizes(levels[0])[2:]
        same = []
        for level, linear in zip(levels, self.linears):
            n, _, height, width = _sizes(level)
            y = linear(_tokens(level))
            y = y.transpose(1, 2).reshape(n, linear.out_features, height, width)
            if (height, width) != size:
                y = functional.interpolate(y, size=size, mode='bilinear', align_corners=False)
            same.append(y)
        # The paper's code stacks the coarsest level first.
        fused = torch.relu(self.fuse_norm(self.fuse(torch.cat(same[::-1], dim=1))))
        return self.classify(fused)
