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
ORDERS = {None: 0, 'COLOR_BGR2RGB': 1, 'COLOR_RGBA2RGB': 2, 'COLOR_BGRA2RGB': 3,
          'COLOR_GRAY2RGB': 4}
"""Of the channels of a pixel, by OpenCV's name of the conversion to RGB; as in kernels.c."""


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
            pointer, long_integer, integer, kernel, kernel, pointer, pointer, integer]
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
            cols: exact_argmax.UpsamplingAxis, log_threshold: float, mask: arrays.UInt8,
            confidence: Optional[arrays.UInt8] = None,
            logsumexp: Optional[arrays.Float32] = None, threads: int = 1) -> None:
        """
        Fill mask and confidence: the argmax of the upsampled logits.

        :param logits: (h, w, C) if ``nhwc``, else (C, h, w)
        :param log_threshold: logarithm of the threshold; minus infinity turns it off
        :param mask: (H, W), overwritten
        :param confidence: (H, W), overwritten; None where it is not wanted
        :param logsumexp: (h, w) of the logits, if the network gives it
        :param threads: that share the work, four at most
        :raises BackendError: a logit is not finite
        """
        height, width, classes = _shape(logits, nhwc)
        status = self._library.exact_mask(
            _address(logits), classes, nhwc, _address(logsumexp),
            confidence is not None or log_threshold > -np.inf, _axis(rows, height),
            _axis(cols, width), log_threshold, _address(mask), _address(confidence), threads)
        if status == _NOT_FINITE:
            raise exact_argmax.not_finite_error()
        if status:
            raise MemoryError(
                f'no memory for the mask of {mask.shape[1]} x {mask.shape[0]} pixels')

    def resize_antialiased(self, image: arrays.UInt8, to_rgb: Optional[str], rows: 'ResizeAxis',
                           cols: 'ResizeAxis', result: arrays.Array,
                           table: Optional[arrays.Float32] = None, threads: int = 1) -> None:
        """
        Convert to RGB, resize as Pillow's BILINEAR does and normalise, in one pass.

        :param image: (H, W) or (H, W, channels), rows may be padded
        :param to_rgb: what makes RGB of it, a key of ``ORDERS``
        :param result: (h, w, 3) uint8, or with a table (3, h, w) float32; overwritten
        :param table: (3, 256) where every value is looked up in the table of its channel
        :param threads: that share the work, four at most
        """
        if self._library.resize_antialiased(
                image.ctypes.data, image.strides[0], ORDERS[to_rgb],
                _filter(rows, image.shape[0]), _filter(cols, image.shape[1]), _address(table),
                _address(result), threads):
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
