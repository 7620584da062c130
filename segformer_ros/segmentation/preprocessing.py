# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From a camera image to the network's input."""

from typing import Any
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from segformer_ros.errors import ConfigurationError
from segformer_ros.model.spec import ModelSpec

if TYPE_CHECKING:
    import numpy.typing as npt

RESIZES = ('pillow', 'opencv')


class Preprocessor:
    """
    Resize and normalise images for one network; owns the buffers it fills.

    :param spec: of the network
    :param resize: ``pillow`` for the antialiased filter that the checkpoint was trained with,
        ``opencv`` for the faster plain bilinear one
    """

    def __init__(self, spec: ModelSpec, resize: str) -> None:
        if resize not in RESIZES:
            raise ConfigurationError('Unknown resize', got=repr(resize),
                                     expected=' or '.join(RESIZES))
        self._spec = spec
        self._resize = resize
        levels = np.arange(256, dtype=np.float64)[:, np.newaxis] / 255.0
        self._lut = ((levels - spec.mean) / spec.std).astype(np.float32)
        self._buffer = np.empty(
            tuple(spec.input_tensor().shape), dtype=spec.input_dtype)  # type: ignore[arg-type]

    def run(self, image: 'npt.NDArray[np.uint8]') -> 'npt.NDArray[Any]':
        """
        Return the network's input for one image.

        :param image: (H, W, 3) RGB
        :return: of the specification's shape and dtype; valid until the next call
        """
        size_wh = self._spec.input_size_wh
        if self._resize == 'opencv':
            small = cv2.resize(image, size_wh, interpolation=cv2.INTER_LINEAR)
        else:
            small = np.asarray(Image.fromarray(image).resize(size_wh, Image.BILINEAR))
        if self._spec.input_dtype == 'uint8':
            pixels = small
        else:
            pixels = np.stack([self._lut[:, c][small[:, :, c]] for c in range(3)], axis=2)
        self._buffer[0] = pixels.transpose(2, 0, 1) if self._spec.input_layout == 'nchw' \
            else pixels
        return self._buffer
