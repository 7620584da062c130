# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From a camera image to the network's input."""

from typing import Optional

import cv2
import numpy as np
from PIL import Image

from segformer_ros.common import arrays
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.kernels import Kernels
from segformer_ros.segmentation.pillow_resize import resize_axis

_BILINEAR = 2
"""``Image.BILINEAR`` of all versions, which later ones define where type checkers miss it."""
RESIZES = ('pillow', 'opencv')


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
        # Where the network normalises, the resized image is its input.
        self._small = self._tensor[0] if spec.input_dtype == 'uint8' \
            and spec.input_layout == 'nhwc' else np.empty((height, width, 3), np.uint8)

    def run(self, image: arrays.UInt8, resize: str) -> arrays.Array:
        """
        Return the network's input for one image.

        :param image: (H, W, 3) RGB; pixels of a row must be contiguous
        :param resize: ``pillow``, bit for bit the antialiased BILINEAR of Pillow up to 12, with
            which the checkpoint was trained; or ``opencv``, plain bilinear, faster
        :return: of the specification's shape and dtype; valid until the next call
        """
        self._resize(image, resize)
        if self._is_bgr:
            cv2.cvtColor(self._small, cv2.COLOR_RGB2BGR, self._small)
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
        if self._half is None:
            return self._tensor
        self._half[...] = self._tensor
        return self._half

    def _resize(self, image: arrays.UInt8, resize: str) -> None:
        height, width, _ = self._small.shape
        if image.shape == self._small.shape:
            self._small[...] = image
        elif resize == 'opencv':
            cv2.resize(image, (width, height), self._small, interpolation=cv2.INTER_LINEAR)
        elif self._kernels is not None:
            self._kernels.resize_antialiased(image, resize_axis(image.shape[0], height),
                                             resize_axis(image.shape[1], width), self._small,
                                             self._threads)
        else:
            # Two steps fix the order of the axes: from version 13 on Pillow starts with the
            # rows of upright images, and rounds some values otherwise.
            columns_first = Image.fromarray(image).resize((width, image.shape[0]), _BILINEAR)
            self._small[...] = np.asarray(columns_first.resize((width, height), _BILINEAR))
