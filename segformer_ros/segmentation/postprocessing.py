# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From logits to class ids and confidence at the size of the image."""

import array
import math
import sys
from typing import Any, List, Mapping, Optional, Tuple, TYPE_CHECKING

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError
from segformer_ros.common.machine import FastProcessors
from segformer_ros.model import spec as model_spec
from segformer_ros.model.classes import UNLABELED
from segformer_ros.segmentation import exact_argmax
from segformer_ros.segmentation.kernels import Kernels

if TYPE_CHECKING:
    MaskAndConfidence = Tuple[arrays.UInt8, Optional[arrays.UInt8]]

METHODS = ('exact', 'fast')
MOST_KEPT = 8
"""Masks and confidences of past frames; what others hold for longer is theirs alone."""
# The smallest normal float32: its logarithm is finite on every processor.
_LEAST_PROBABILITY = np.finfo(np.float32).tiny
# Above what float16 rounds, below what logits do.
_PROBABILITY_SLACK = 1e-2


class Postprocessor:
    """
    Turn the outputs of one network into masks; owns its working memory.

    :param spec: of the network
    :param kernels: compiled ones, or None for numpy and OpenCV
    :param threads: of compiled kernels, four at most; no session may run beside them
    """

    def __init__(self, spec: model_spec.ModelSpec, kernels: Optional[Kernels],
                 threads: int = 1) -> None:
        self._spec = spec
        self._kernels = kernels
        self._threads = threads
        self._processors = FastProcessors(threads)
        self._buffers = PixelBuffers()
        width, height = spec.output_size_wh
        self._nhwc = spec.output_layout == 'nhwc'
        self._class_axis = 2 if self._nhwc else 0
        self._is_label = not spec.has_confidence
        self._is_probability = spec.output_kind in (
            model_spec.PROBABILITIES, model_spec.BINARY_PROBABILITIES)
        # The log-sum-exp of the logarithms of probabilities; those of a sigmoid need none either.
        self._zeros = np.zeros((height, width), np.float32)
        if kernels is None:
            self._scratch = np.empty((height, width, spec.num_classes), np.float32)
            self._transposed = np.empty_like(self._scratch)

    def run(self, outputs: Mapping[str, arrays.Array], size_wh: Tuple[int, int],
            method: str, threshold: float, with_confidence: bool) -> 'MaskAndConfidence':
        """
        Return mask and confidence.

        ``exact`` gives the argmax over the bilinearly upsampled logits. ``fast`` gives every
        pixel the argmax of its nearest grid point, and the confidence of an interpolated one:
        an approximation.

        :param outputs: of the network, by name, as the specification has them
        :param size_wh: of the mask
        :param method: one of ``METHODS``
        :param threshold: confidence 0..1 below which a pixel becomes UNLABELED; 0 turns it off
        :param with_confidence: False saves its computation, unless the threshold needs it
        :return: (H, W) class ids and (H, W) confidence 0..255 or None, the caller's to keep
        :raises BackendError: an output is not finite, or not what the specification says
        """
        values = outputs[self._spec.output_name][0]
        if self._is_label:
            return self._from_labels(values, size_wh), None
        logits = self._as_logits(values.astype(np.float32, copy=False))
        log_threshold = math.log(threshold) if threshold > 0.0 else -math.inf
        needs_logsumexp = with_confidence or threshold > 0.0
        given = None
        if needs_logsumexp and self._spec.logsumexp_name:
            given = np.ascontiguousarray(outputs[self._spec.logsumexp_name][0], np.float32)
            if not np.isfinite(given).all():
                raise exact_argmax.not_finite_error()
        elif needs_logsumexp and self._is_probability:
            given = self._zeros
        width, height = self._spec.output_size_wh
        rows = exact_argmax.upsampling_axis(height, size_wh[1])
        cols = exact_argmax.upsampling_axis(width, size_wh[0])
        if self._kernels is not None and method == 'exact':
            mask = self._buffers.take(size_wh[::-1])
            confidence = self._buffers.take(size_wh[::-1]) if with_confidence else None
            with self._processors:
                self._kernels.exact_mask(logits, self._nhwc, rows, cols, log_threshold, mask,
                                         confidence, given, self._threads)
            return mask, confidence
        if self._kernels is None and not self._nhwc:
            logits = self._transpose(logits)
        grid = self._argmax(logits, needs_logsumexp and given is None)
        if given is not None:
            grid = grid._replace(logsumexp=given)
        if method == 'fast':
            mask = grid.labels.take(cols.nearest, axis=1).take(rows.nearest, axis=0)
            log_confidence = exact_argmax.grid_log_confidence(grid, rows, cols)
        else:
            mask, log_confidence = exact_argmax.upsampled_argmax(logits, grid, rows, cols)
        if log_confidence is None:
            return mask, None
        if threshold > 0.0:
            np.copyto(mask, UNLABELED, where=log_confidence < np.float32(log_threshold))
        if not with_confidence:
            return mask, None
        # The conversion rounds to nearest and saturates: rounding lets some rise above 0.
        return mask, cv2.convertScaleAbs(  # type: ignore[return-value]
            cv2.exp(log_confidence), alpha=255.0)

    def _as_logits(self, values: arrays.Float32) -> arrays.Float32:
        """Return logits of every class, of which the softmax is the network's confidence."""
        kind = self._spec.output_kind
        # NaN passes: it is told as such.
        if self._is_probability and (values.min() < -_PROBABILITY_SLACK
                                     or values.max() > 1.0 + _PROBABILITY_SLACK):
            raise BackendError(
                'The network returned no probabilities',
                got=f'values from {values.min():.3g} to {values.max():.3g}', expected='0 to 1',
                remedy=f'Correct output_kind, which is {kind}, in the specification.')
        if kind in model_spec.BINARY:
            rest = np.float32(1.0) - values if self._is_probability else np.zeros_like(values)
            values = np.concatenate([values, rest], axis=self._class_axis)
        if self._is_probability:
            values = np.log(np.maximum(values, _LEAST_PROBABILITY))
        return values

    def _from_labels(self, values: arrays.Array,
                     size_wh: Tuple[int, int]) -> arrays.UInt8:
        width, height = self._spec.output_size_wh
        labels = values.reshape(height, width)
        wrong = ((labels < 0) | (labels >= self._spec.num_classes)) & (labels != UNLABELED)
        if wrong.any():
            raise BackendError(
                'The network returned labels without a class', got=int(labels[wrong][0]),
                expected=f'0 to {self._spec.num_classes - 1}, or {UNLABELED} for none',
                remedy='Correct num_classes and classes in the specification.')
        rows = exact_argmax.upsampling_axis(height, size_wh[1])
        cols = exact_argmax.upsampling_axis(width, size_wh[0])
        return labels.astype(np.uint8).take(cols.nearest, axis=1).take(rows.nearest, axis=0)

    def _argmax(self, logits: arrays.Float32,
                with_logsumexp: bool) -> exact_argmax.GridArgmax:
        if self._kernels is not None:
            return self._kernels.grid_argmax(logits, self._nhwc, with_logsumexp)
        return exact_argmax.grid_argmax(logits, self._scratch if with_logsumexp else None)

    def _transpose(self, logits: arrays.Float32) -> arrays.Float32:
        # OpenCV's blocked transposition takes half the time of numpy's copy.
        classes = logits.shape[0]
        cv2.transpose(logits.reshape(classes, -1), self._transposed.reshape(-1, classes))
        return self._transposed


class PixelBuffers:
    """
    Hand out arrays that stand in the bytes of a message, which is filled without a copy.

    rclpy takes an ``array.array`` as it is. Memory that nobody refers to any more is handed out
    again: new one costs a page fault for each page. Calls must come from one thread at a time.
    """

    def __init__(self) -> None:
        self._kept: List['array.array[int]'] = []

    def take(self, shape: Tuple[int, int]) -> arrays.UInt8:
        """
        Return an array, the caller's to keep, of any content.

        :param shape: (H, W), both above 0
        """
        size = shape[0] * shape[1]
        for index, each in enumerate(map(len, self._kept)):
            if each == size and _references(self._kept, index) == _UNUSED:
                # The newest is last: those that a camera of another size left go first.
                self._kept.append(self._kept.pop(index))
                break
        else:
            self._kept.append(array.array('B', bytes(size)))
            del self._kept[:-MOST_KEPT]
        return np.frombuffer(self._kept[-1], np.uint8).reshape(shape)


def bytes_of(values: arrays.Array) -> 'Optional[array.array[int]]':
    """Return the ``array.array`` of which an array is all bytes in order; None if it is not."""
    base: Any = values
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    if isinstance(base, array.array) and base.typecode == 'B' and values.flags.c_contiguous \
            and base.buffer_info() == (values.ctypes.data, values.nbytes):
        return base
    return None


def _references(kept: List[Any], index: int) -> int:
    return sys.getrefcount(kept[index])


# Of what nothing but the list refers to: this way of counting adds to that.
_UNUSED = _references([array.array('B')], 0)
