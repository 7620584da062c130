# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where a camera sees its own robot: those pixels are unknown, never an obstacle."""

import os
from typing import Sequence, Tuple

import cv2
import numpy as np
from PIL import Image
from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.image_header import PILLOW_ERRORS


def load_ego_mask(path: str, size_wh: Tuple[int, int]) -> arrays.UInt8:
    """
    Read a ego mask from a PNG.

    :param path: picture of the camera's view; every pixel that is not black is the robot
    :param size_wh: size of the mask; the picture is scaled to it
    :return: (H, W) uint8, 255 on the robot, 0 elsewhere
    :raises ConfigurationError: unreadable, or all of the picture is robot
    """
    try:
        with Image.open(path) as picture:
            grey = np.array(picture.convert('L'))
    except PILLOW_ERRORS as error:
        raise ConfigurationError('Ego mask cannot be read', got=f'{path} ({error})',
                                 expected='a PNG') from error
    body = np.where(grey > 0, np.uint8(255), np.uint8(0))
    scaled = cv2.resize(body, size_wh, interpolation=cv2.INTER_NEAREST)
    return _checked(np.asarray(scaled, np.uint8), path)


def polygon_ego_mask(corners: Sequence[float], size_wh: Tuple[int, int]
                     ) -> arrays.UInt8:
    """
    Draw a ego mask from a polygon.

    :param corners: u0, v0, u1, v1, ... as shares of width and height, 0..1, so that they hold
        for every image size
    :param size_wh: size of the mask
    :return: (H, W) uint8, 255 on the robot, 0 elsewhere
    :raises ConfigurationError: fewer than three corners, an odd count, outside 0..1, or the
        polygon covers everything
    """
    values = np.array(corners, np.float64)
    if values.ndim != 1 or len(values) < 6 or len(values) % 2:
        raise ConfigurationError('Ego mask polygon is incomplete', got=list(corners),
                                 expected='u, v pairs of three corners or more')
    # Comparing this way round refuses NaN too.
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ConfigurationError('Ego mask polygon leaves the image', got=list(corners),
                                 expected='shares of width and height, 0..1')
    body = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    points = np.rint(values.reshape(-1, 2) * (np.array(size_wh) - 1)).astype(np.int32)
    cv2.fillPoly(body, [points], 255)
    return _checked(body, 'polygon')


def ego_mask_from(text: str, size_wh: Tuple[int, int]) -> arrays.UInt8:
    """
    Return the ego mask that a parameter names.

    :param text: path of a PNG, or the corners of a polygon as numbers with blanks between them
    :param size_wh: size of the mask
    :return: (H, W) uint8, 255 on the robot, 0 elsewhere
    :raises ConfigurationError: as :func:`load_ego_mask` and :func:`polygon_ego_mask`
    """
    try:
        corners = [float(word) for word in text.split()]
    except ValueError:
        if '\0' in text:
            raise ConfigurationError('Ego mask is neither a path nor a polygon',
                                     got=repr(text[:80]), expected='no byte of zero') from None
        return load_ego_mask(os.path.expanduser(text), size_wh)
    return polygon_ego_mask(corners, size_wh)


def _checked(body: arrays.UInt8, source: str) -> arrays.UInt8:
    if body.all():
        raise ConfigurationError('Ego mask covers the whole image', got=source,
                                 expected='some pixels beside the robot',
                                 remedy='Paint the robot white and everything else black.')
    return body
