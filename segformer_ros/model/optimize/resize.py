# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A network at another input size than its file has.

A file whose height and width are open runs at any size as it is. One of a fixed size is written
anew where its layers are those of a SegFormer, which knows no position; others are refused.
"""

from typing import NamedTuple, Optional, Tuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.optimize.optimize import native_spec
from segformer_ros.model.optimize.optimize import UNCHANGED
from segformer_ros.model.optimize.target import ONNXRUNTIME_PORTABLE
from segformer_ros.model.optimize.worker import optimize_in_child
from segformer_ros.model.spec import LARGEST_SIDE
from segformer_ros.model.spec import ModelSpec

SMALLEST, LARGEST = 32, LARGEST_SIDE
"""Pixels of a side: four halvings of SegFormer, and what a specification may say."""


class SizedModel(NamedTuple):
    """
    A network at the size that was asked for.

    ``path`` and ``spec`` can be run as they are. Graphs for other runtimes are made from the
    file ``source_path``, by ``source_spec``.
    """

    path: str
    spec: ModelSpec
    source_path: str
    source_spec: ModelSpec


def at_size(onnx_path: str, spec: ModelSpec,
            size_wh: Optional[Tuple[int, int]] = None) -> SizedModel:
    """
    Return a network at another input size.

    Where the file is written anew this takes seconds, once; the outcome is cached with the
    other graphs.

    :param onnx_path: the network as it was exported
    :param spec: of that file
    :param size_wh: (width, height) in pixels; None keeps the specification's
    :raises ConfigurationError: no size that the network can have
    :raises ModelError: the network has a fixed size, and the reason why it keeps it
    """
    if size_wh is None or size_wh == spec.input_size_wh:
        return SizedModel(onnx_path, spec, onnx_path, spec)
    wanted = resized_spec(spec, size_wh)
    if native_spec(read_onnx_header(onnx_path), wanted).input_size_wh == wanted.input_size_wh:
        return SizedModel(onnx_path, wanted, onnx_path, wanted)
    # Of standard operations: whatever runs the file could run this too.
    made = optimize_in_child(onnx_path, wanted, ONNXRUNTIME_PORTABLE)
    if made.changes == UNCHANGED:
        raise ModelError(
            'The network cannot be had at this input size', got='{} x {}: {}'.format(
                *size_wh, made.detail), expected='{} x {}'.format(*spec.input_size_wh),
            remedy='Leave input_size at its default, or export the network for that size, or '
                   'with open height and width.')
    return SizedModel(made.path, made.spec, onnx_path, wanted)


def resized_spec(spec: ModelSpec, size_wh: Tuple[int, int]) -> ModelSpec:
    """
    Return the specification of the same network at another input size.

    :raises ConfigurationError: a side is out of bounds, or no multiple of what an output pixel
        covers
    """
    sides = []
    for size, old_input, old_output in zip(size_wh, spec.input_size_wh, spec.output_size_wh):
        stride = max(1, round(old_input / old_output))
        if not SMALLEST <= size <= LARGEST or size % stride:
            raise ConfigurationError(
                'Wrong input size', got='{} x {}'.format(*size_wh),
                expected=f'sides from {SMALLEST} to {LARGEST} that are multiples of {stride}')
        sides.append(size // stride)
    return spec._replace(input_size_wh=(size_wh[0], size_wh[1]),
                         output_size_wh=(sides[0], sides[1]))
