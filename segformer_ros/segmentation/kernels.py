# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The functions of ``kernels.c`` for numpy arrays.

ctypes needs neither Python headers nor a package, and lets go of the GIL during a call.
"""

import ctypes
from typing import Any, Optional, Tuple, TYPE_CHECKING

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.segmentation import exact_argmax

if TYPE_CHECKING:
    from segformer_ros.segmentation.pillow_resize import ResizeAxis

# As in kernels.c; 1 is that memory is short.
_NOT_FINITE = 2


class _Axis(ctypes.Structure):
    """``Axis`` of kernels.c."""

    _fields_ = [('lower', ctypes.c_void_p), ('upper', ctypes.c_void_p),
                ('weight', ctypes.c_void_p), ('cell_start', ctypes.c_void_p),
                ('cells', ctypes.c_int32), ('grid', ctypes.c_int32), ('pixels', ctypes.c_int32)]


class _Filter(ctypes.Structure):
    """``Filter`` of kernels.c."""

    _fields_ = [('first', ctypes.c_void_p), ('taps', ctypes.c_void_p),
                ('weight', ctypes.c_void_p), ('most', ctypes.c_int32),
                ('in_size', ctypes.c_int32), ('out_size', ctypes.c_int32)]


class Kernels:
    """
    A loaded library with the functions of ``kernels.c``.

    Arrays must be C-contiguous and of the stated dtypes; nothing is checked here.
    """

    def __init__(self, library: Any) -> None:
        pointer, integer, long_integer = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
        axis, kernel = ctypes.POINTER(_Axis), ctypes.POINTER(_Filter)
        library.grid_statistics.argtypes = [
            pointer, long_integer, integer, integer, pointer, pointer, pointer]
        library.exact_mask.argtypes = [
            pointer, integer, integer, pointer, integer, axis, axis, ctypes.c_float, pointer,
            pointer, integer]
        library.resize_antialiased.argtypes = [
            pointer, long_integer, kernel, kernel, pointer, integer]
        library.normalize_to_planes.argtypes = [pointer, long_integer, pointer, pointer]
        library.normalize_to_planes.restype = None
        self._library = library

    def grid_argmax(self, logits: arrays.Float32, nhwc: bool,
                    with_logsumexp: bool) -> exact_argmax.GridArgmax:
        """
        Return the argmax, and the log-sum-exp if wanted.

        :param logits: (h, w, C) if ``nhwc``, else (C, h, w)
        :raises BackendError: a logit is not finite
        """
        height, width, classes = _shape(logits, nhwc)
        labels = np.empty((height, width), np.uint8)
        max_logit = np.empty((height, width), np.float32)
        logsumexp = np.empty((height, width), np.float32) if with_logsumexp else None
        if self._library.grid_statistics(
                _address(logits), height * width, classes, nhwc, _address(labels),
                _address(max_logit), _address(logsumexp)):
            raise exact_argmax.not_finite_error()
        return exact_argmax.GridArgmax(labels, max_logit, logsumexp)

    def exact_mask(
            self, logits: arrays.Float32, nhwc: bool, rows: exact_argmax.UpsamplingAxis,
            cols: exact_argmax.UpsamplingAxis, log_threshold: float, with_confidence: bool,
            logsumexp: Optional[arrays.Float32] = None, threads: int = 1,
    ) -> Tuple[arrays.UInt8, Optional[arrays.UInt8]]:
        """
        Return mask and confidence, (H, W) each: the argmax of the upsampled logits.

        :param logits: (h, w, C) if ``nhwc``, else (C, h, w)
        :param log_threshold: logarithm of the threshold; minus infinity turns it off
        :param logsumexp: (h, w) of the logits, if the network gives it
        :param threads: that share the work, four at most
        :raises BackendError: a logit is not finite
        """
        height, width, classes = _shape(logits, nhwc)
        mask = np.empty((len(rows.lower), len(cols.lower)), np.uint8)
        confidence = np.empty_like(mask) if with_confidence else None
        status = self._library.exact_mask(
            _address(logits), classes, nhwc, _address(logsumexp),
            with_confidence or log_threshold > -np.inf, _axis(rows, height), _axis(cols, width),
            log_threshold, _address(mask), _address(confidence), threads)
        if status == _NOT_FINITE:
            raise exact_argmax.not_finite_error()
        if status:
            raise MemoryError(
                f'no memory for the mask of {mask.shape[1]} x {mask.shape[0]} pixels')
        return mask, confidence

    def resize_antialiased(self, image: arrays.UInt8, rows: 'ResizeAxis',
                           cols: 'ResizeAxis', result: arrays.UInt8,
                           threads: int = 1) -> None:
        """
        Resize as Pillow's BILINEAR does.

        :param image: (H, W, 3) RGB, rows may be padded
        :param result: (h, w, 3), overwritten
        :param threads: that share the work, four at most
        """
        if self._library.resize_antialiased(
                image.ctypes.data, image.strides[0], _filter(rows, image.shape[0]),
                _filter(cols, image.shape[1]), _address(result), threads):
            raise MemoryError(f'no memory to resize {image.shape[1]} x {image.shape[0]} pixels')

    def normalize_to_planes(self, pixels: arrays.UInt8,
                            table: arrays.Float32,
                            planes: arrays.Float32) -> None:
        """
        Look every value up in the table of its channel.

        :param pixels: (h, w, 3)
        :param table: (3, 256)
        :param planes: (3, h, w), overwritten
        """
        self._library.normalize_to_planes(_address(pixels), pixels.shape[0] * pixels.shape[1],
                                          _address(table), _address(planes))


def _shape(logits: arrays.Float32, nhwc: bool) -> Tuple[int, int, int]:
    first, second, third = logits.shape
    return (first, second, third) if nhwc else (second, third, first)


def _address(array: Optional[arrays.Array]) -> Optional[int]:
    return None if array is None else array.ctypes.data


def _axis(axis: exact_argmax.UpsamplingAxis, grid_size: int) -> _Axis:
    return _Axis(_address(axis.lower), _address(axis.upper), _address(axis.weight),
                 _address(axis.cell_start), len(axis.cell_start) - 1, grid_size,
                 len(axis.lower))


def _filter(axis: 'ResizeAxis', in_size: int) -> _Filter:
    return _Filter(_address(axis.first), _address(axis.taps), _address(axis.weight),
                   axis.weight.shape[1], in_size, len(axis.first))
