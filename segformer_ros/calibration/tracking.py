# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Corners of the ground, followed from one image to the next."""

from typing import Callable, NamedTuple, Optional, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays

# Of pyramidal Lucas-Kanade: pixels, levels above the image.
_WINDOW = (21, 21)
_LEVELS = 3
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 0.005)
# Pixels between a corner and where it comes out after being tracked there and back.
_MOST_RETURN_ERROR = 0.4
# Of the strongest corner, which a floor with one bright seam would set too high.
_QUALITY = 0.003
# A window may hold no more than a little of what is not ground.
_MARGIN = 7

Predict = Callable[[arrays.Float64], arrays.Float64]
"""From (N, 2) pixels of the first image to where they are expected in the second."""


class Tracks(NamedTuple):
    """
    Points of the ground in two images.

    ``first`` and ``second`` (N, 2) float64 pixels; ``corners`` that were looked for; ``ground``:
    share of the first image that is ground.
    """

    first: arrays.Float64
    second: arrays.Float64
    corners: int
    ground: float


def inner_ground(ground: arrays.Bool) -> arrays.UInt8:
    """
    Return ground without its border, where windows would straddle what stands on it.

    :param ground: (H, W)
    :return: (H, W) 255 for ground, else 0
    """
    kernel = np.ones((2 * _MARGIN + 1, 2 * _MARGIN + 1), np.uint8)
    return np.asarray(cv2.erode(ground.astype(np.uint8) * 255, kernel), np.uint8)


def find_corners(grey: arrays.UInt8, inner: arrays.UInt8, most: int) -> arrays.Float64:
    """
    Return corners of the ground, spread over the image.

    :param grey: (H, W)
    :param inner: (H, W), of :func:`inner_ground`
    :param most: how many
    :return: (N, 2) pixels
    """
    distance = max(4.0, np.sqrt((inner > 0).sum() / (2.0 * most)))
    found = cv2.goodFeaturesToTrack(grey, most, _QUALITY, distance, mask=inner, blockSize=7)
    # None where there is not one, whatever the stub of OpenCV says.
    return np.zeros((0, 2)) if not np.any(found) else np.asarray(
        found, np.float64).reshape(-1, 2)


def follow(first: arrays.UInt8, second: arrays.UInt8, corners: arrays.Float64,
           expected: arrays.Float64) -> 'tuple[arrays.Float64, arrays.Bool]':
    """
    Return where corners are in another image, and which of them were followed there and back.

    :param first: (H, W) grey
    :param second: (H, W) grey
    :param corners: (N, 2) pixels of the first image
    :param expected: (N, 2) pixels of the second image to begin at
    """
    if not len(corners):
        return expected, np.zeros(0, np.bool_)
    start = corners.astype(np.float32).reshape(-1, 1, 2)
    guess = expected.astype(np.float32).reshape(-1, 1, 2)
    there, seen, _ = cv2.calcOpticalFlowPyrLK(
        first, second, start, guess.copy(), winSize=_WINDOW, maxLevel=_LEVELS, criteria=_STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW)
    back, seen_again, _ = cv2.calcOpticalFlowPyrLK(
        second, first, there, start + (there - guess), winSize=_WINDOW, maxLevel=_LEVELS,
        criteria=_STOP, flags=cv2.OPTFLOW_USE_INITIAL_FLOW)
    error = np.abs(back - start).reshape(-1, 2).max(axis=1)
    good = (seen.ravel() > 0) & (seen_again.ravel() > 0) & (error < _MOST_RETURN_ERROR)
    return there.reshape(-1, 2).astype(np.float64), good


def track(first: arrays.UInt8, second: arrays.UInt8, first_ground: arrays.Bool,
          second_ground: arrays.Bool, predict: Predict, most: int,
          to_second: Optional[arrays.Float32] = None) -> Tracks:
    """
    Follow corners of the ground between two images of one size.

    :param first: (H, W) grey
    :param second: (H, W) grey
    :param first_ground: (H, W), where the first image shows ground
    :param second_ground: (H, W) likewise
    :param predict: where the search begins
    :param most: corners
    :param to_second: (H, W, 2) where each pixel of the first image is expected in the second.
        The second image is then seen as from the place of the first, so that near ground, which
        grows from image to image, is compared at one scale. None compares them as they are
    """
    height, width = first.shape
    corners = find_corners(first, inner_ground(first_ground), most)
    expected = predict(corners) if len(corners) else corners
    inside = _inside(expected, width, height)
    corners, expected = corners[inside], expected[inside]
    looked_for = len(corners)
    if to_second is None:
        found, good = follow(first, second, corners, expected)
    else:
        # Black beyond the second image would reach far into the pyramid's small images, and most
        # corners were lost.
        seen = cv2.remap(second, to_second[..., 0], to_second[..., 1], cv2.INTER_CUBIC,
                         borderMode=cv2.BORDER_REPLICATE)
        found, good = follow(first, np.asarray(seen, np.uint8), corners, corners)
        found = predict(found) if len(found) else found
    good &= _inside(found, width, height)
    place = np.rint(np.where(good[:, None], found, 0.0)).astype(int)
    good &= inner_ground(second_ground)[place[:, 1], place[:, 0]] > 0
    return Tracks(corners[good], found[good], looked_for, float(first_ground.mean()))


def whole_image(size_wh: Tuple[int, int], predict: Predict, every: int) -> arrays.Float32:
    """
    Return where each pixel of an image is expected, (H, W, 2).

    :param every: computed for one in so many pixels each way, and interpolated
    """
    width, height = size_wh
    coarse_wh = (max(2, width // every), max(2, height // every))
    # Edges keep their places, as in cv2.resize.
    u = (np.arange(coarse_wh[0]) + 0.5) * width / coarse_wh[0] - 0.5
    v = (np.arange(coarse_wh[1]) + 0.5) * height / coarse_wh[1] - 0.5
    columns, rows = np.meshgrid(u, v)
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)
    coarse = predict(pixels).reshape(coarse_wh[1], coarse_wh[0], 2).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR),
                      np.float32)


def _inside(pixels: arrays.Float64, width: int, height: int) -> arrays.Bool:
    # Half a window from the edge: beyond it Lucas-Kanade sees a repeated border.
    margin = _WINDOW[0] // 2
    return np.asarray((pixels[:, 0] >= margin) & (pixels[:, 0] < width - margin)
                      & (pixels[:, 1] >= margin) & (pixels[:, 1] < height - margin))
