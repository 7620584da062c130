# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Pictures of masks for people."""


import cv2
import numpy as np

from segformer_ros.common import arrays
from segformer_ros.model.classes import UNLABELED


def colorize(mask: arrays.UInt8,
             palette: arrays.UInt8) -> arrays.UInt8:
    """
    Return the mask in colours.

    :param mask: (H, W) class ids
    :param palette: (256, 3) RGB by class id, from ``ClassTable.palette``
    :return: (H, W, 3) RGB; UNLABELED has the palette's colour, black
    """
    return cv2.applyColorMap(mask, palette[:, np.newaxis])  # type: ignore[return-value]


def overlay(image: arrays.UInt8, mask: arrays.UInt8,
            palette: arrays.UInt8, alpha: float) -> arrays.UInt8:
    """
    Return the image with the mask's colours laid over it.

    UNLABELED pixels stay as they are in the image: nothing is known there, and a dark veil
    would look like a class.

    :param image: (H, W, 3) RGB
    :param mask: (H, W) class ids
    :param palette: (256, 3) RGB by class id, from ``ClassTable.palette``
    :param alpha: 0 (image only) to 1 (colours only)
    :return: (H, W, 3) RGB
    """
    blended = cv2.addWeighted(colorize(mask, palette), alpha, image, 1.0 - alpha, 0.0)
    unlabeled = (mask == UNLABELED).view(np.uint8)
    cv2.copyTo(image, unlabeled, blended)
    return blended  # type: ignore[return-value]
