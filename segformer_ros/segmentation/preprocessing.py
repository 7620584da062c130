# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From a camera image to the network's input."""

from typing import Optional

import cv2
import numpy as np
from PIL import Image

from segformer_ros.common import arrays
from segformer_ros.common.machine import FastProcessors
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.kernels import Kernels
from segformer_ros.segmentation.pillow_resize import resize_axis

_BILINEAR = 2
"""``Image.BILINEAR`` of all versions, which later ones define where type checkers miss it."""
RESIZES = ('pillow', 'opencv')
# Blue first, for networks that want it so: what makes BGR of the samples.
_TURNED = {None: 'COLOR_BGR2RGB', 'COLOR_BGR2RGB': None, 'COLOR_RGBA2RGB': 'COLOR_BGRA2RGB',
           'COLOR_BGRA2RGB': 'COLOR_RGBA2RGB', 'COLOR_GRAY2RGB': 'COLOR_GRAY2RGB'}


class Preprocessor:
    """
    Resize and normalise images for one network; owns the buffers it fills.

    :param spec: of the network
    :param kernels: compiled ones, or None for Pillow and OpenCV
    :param threads: of compiled kernels, four at most; no session may run beside them
    """

    def __init__(self, spec: ModelSpec, kernels: Optional[Kernels], threads: int = 1) -> None:
        self._spec = spec
        self._kernels = kernels
        self._threads = threads
        self._processors = FastProcessors(threads)
        levels = np.arange(256, dtype=np.float64) / 255.0
        self._is_bgr = spec.color_order == 'bgr'
        order = -1 if self._is_bgr else 1
        self._table = np.stack([(levels - mean) / std for mean, std in zip(
            spec.mean[::order], spec.std[::order])]).astype(np.float32)
        width, height = spec.input_size_wh
        shape = (1, height, width, 3) if spec.input_layout == 'nhwc' else (1, 3, height, width)
        # Neither the kernels nor OpenCV write float16.
        is_half = spec.input_dtype == 'float16'
        self._tensor = np.empty(shape, 'float32' if is_half else spec.input_dtype)
        self._half = np.empty(shape, np.float16) if is_half else None
        self._has_planes = self._tensor.dtype == np.float32 and spec.input_layout == 'nchw'
        # Where the network normalises, the resized image is its input.
        self._small = self._tensor[0] if spec.input_dtype == 'uint8' \
            and spec.input_layout == 'nhwc' else np.empty((height, width, 3), np.uint8)

    def run(self, image: arrays.UInt8, resize: str,
            to_rgb: Optional[str] = None) -> arrays.Array:
        """
        Return the network's input for one image.

        :param image: (H, W, 3) RGB, or samples of which ``to_rgb`` makes that; pixels of a row
            must be contiguous
        :param resize: ``pillow``, bit for bit the antialiased BILINEAR of Pillow up to 12, with
            which the checkpoint was trained; or ``opencv``, plain bilinear, faster
        :param to_rgb: name of OpenCV's conversion, None where the image is RGB
        :return: of the specification's shape and dtype; valid until the next call
        """
        if self._is_bgr:
            to_rgb = _TURNED[to_rgb]
        if self._kernels is not None and self._is_one_pass(image, resize):
            self._resize_in_one_pass(self._kernels, image, to_rgb)
            if self._has_planes:
                return self._result()
        else:
            self._resize(image, to_rgb, resize)
        if self._tensor.dtype == np.uint8:
            if self._spec.input_layout == 'nchw':
                self._tensor[0] = self._small.transpose(2, 0, 1)
        elif self._spec.input_layout == 'nhwc':
            # OpenCV looks every channel up in its own table.
            cv2.LUT(self._small, self._table.T[np.newaxis].copy(), self._tensor[0])
        elif self._kernels is not None:
            self._kernels.normalize_to_planes(self._small, self._table, self._tensor)
        else:
            for channel, table in enumerate(self._table):
                cv2.LUT(self._small[:, :, channel].copy(), table, self._tensor[0, channel])
        return self._result()

    def intermediate_bytes(self, image: arrays.UInt8, resize: str,
                           to_rgb: Optional[str]) -> int:
        """
        Return the size of the arrays that :meth:`run` fills on the way to its result.

        Each is written and read once. Parameters are those of ``run``.
        """
        if self._is_bgr:
            to_rgb = _TURNED[to_rgb]
        is_one_pass = self._is_one_pass(image, resize)
        small, own_small = self._small.nbytes, not np.shares_memory(self._small, self._tensor)
        found = small if own_small and not (is_one_pass and self._has_planes) else 0
        if self._half is not None:
            found += self._tensor.nbytes
        if is_one_pass or image.shape[:2] == self._small.shape[:2]:
            return found
        rgb = 0 if to_rgb is None else image.shape[0] * image.shape[1] * 3
        if resize == 'opencv':
            return found + (small if to_rgb is not None and _has_three(image) else rgb)
        # The picture in RGB, and the one of which the columns alone are resized.
        return found + rgb + image.shape[0] * self._small.shape[1] * 3

    def _is_one_pass(self, image: arrays.UInt8, resize: str) -> bool:
        return self._kernels is not None and resize == 'pillow' \
            and image.shape[:2] != self._small.shape[:2]

    def _result(self) -> arrays.Array:
        if self._half is None:
            return self._tensor
        self._half[...] = self._tensor
        return self._half

    def _resize_in_one_pass(self, kernels: Kernels, image: arrays.UInt8,
                            to_rgb: Optional[str]) -> None:
        """Write the resized image to where the network reads it, or planes for the network."""
        height, width, _ = self._small.shape
        rows, cols = resize_axis(image.shape[0], height), resize_axis(image.shape[1], width)
        with self._processors:
            kernels.resize_antialiased(
                image, to_rgb, rows, cols, self._tensor if self._has_planes else self._small,
                self._table if self._has_planes else None, self._threads)

    def _resize(self, image: arrays.UInt8, to_rgb: Optional[str], resize: str) -> None:
        height, width, _ = self._small.shape
        if image.shape[:2] == (height, width):
            _convert(image, to_rgb, self._small)
            return
        if to_rgb is not None and resize == 'opencv' and _has_three(image):
            # Fewer are turned. On ARM64 OpenCV rounds one and four channels otherwise than three.
            resized: arrays.UInt8 = cv2.resize(  # type: ignore[assignment]
                image, (width, height), interpolation=cv2.INTER_LINEAR)
            _convert(resized, to_rgb, self._small)
            return
        if to_rgb is not None:
            image = cv2.cvtColor(  # type: ignore[assignment]
                image, getattr(cv2, to_rgb))
        if resize == 'opencv':
            cv2.resize(image, (width, height), self._small, interpolation=cv2.INTER_LINEAR)
        else:
            # Two steps fix the order of the axes: from version 13 on Pillow starts with the
            # rows of upright images, and rounds some values otherwise.
            columns_first = Image.fromarray(image).resize((width, image.shape[0]), _BILINEAR)
            self._small[...] = np.asarray(columns_first.resize((width, height), _BILINEAR))


def _has_three(image: arrays.UInt8) -> bool:
    return image.ndim == 3 and image.shape[2] == 3


def _convert(samples: arrays.UInt8, to_rgb: Optional[str], target: arrays.UInt8) -> None:
    if to_rgb is None:
        target[...] = samples
    else:
        cv2.cvtColor(samples, getattr(cv2, to_rgb), target)
