# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Keep the few worst frames of an evaluation as small pictures, for people to look at."""

import heapq
from typing import List, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from segformer_ros.common import arrays
from segformer_ros.evaluation.metrics.confusion import OTHER
from segformer_ros.segmentation.images.compressed import encode_jpeg
from segformer_ros.segmentation.images.compressed import encode_png
from segformer_ros.segmentation.images.palette import colorize

# Wide enough for a phone's full width at twice the density of a desktop.
WIDTH = 480
QUALITY = 85

# Said, but nothing of the truth's classes.
OTHER_COLOR = (255, 255, 255)


class WorstFrame(NamedTuple):
    """
    One frame as encoded pictures of at most :data:`WIDTH` pixels.

    ``score`` is what it was chosen by, lowest first. ``image`` is a JPEG; ``truth`` and
    ``prediction`` are PNGs in class colours, ``truth`` None without labels.
    """

    score: float
    source: str
    position: int
    name: str
    image: bytes
    truth: Optional[bytes]
    prediction: bytes


class WorstFrames:
    """
    The frames of the lowest score.

    :param room: how many to keep; 0 keeps none
    :param palette: (256, 3) RGB by true class; what is ignored is black
    """

    def __init__(self, room: int, palette: arrays.UInt8) -> None:
        self._room = room
        self._truth_palette = palette
        self._prediction_palette = palette.copy()
        self._prediction_palette[OTHER] = OTHER_COLOR
        # Largest score on top of the heap: the next one to go. Ties: the later frame goes.
        self._heap: List[Tuple[float, int, WorstFrame]] = []

    def offer(self, score: float, source: str, position: int, name: str,
              image: arrays.UInt8, truth: Optional[arrays.UInt8],
              prediction: arrays.UInt8) -> None:
        """
        Take a frame if it is among the worst so far; pictures are only made then.

        :param score: the lower, the worse
        :param image: (H, W, 3) RGB
        :param truth: (H, W) true classes, or None
        :param prediction: (H, W) predicted classes
        """
        key = (-score, -position)
        if not self._room or (len(self._heap) == self._room and key <= self._heap[0][:2]):
            return
        frame = WorstFrame(
            score, source, position, name, encode_jpeg(_small(image, cv2.INTER_AREA),
                                                       QUALITY).tobytes(),
            None if truth is None else _picture(truth, self._truth_palette),
            _picture(prediction, self._prediction_palette))
        entry = (key[0], key[1], frame)
        if len(self._heap) == self._room:
            heapq.heapreplace(self._heap, entry)
        else:
            heapq.heappush(self._heap, entry)

    def frames(self) -> List[WorstFrame]:
        """Return what was kept, the worst first."""
        return [entry[2] for entry in sorted(self._heap, key=lambda entry: (
            -entry[0], -entry[1]))]


def worst_of(groups: 'List[List[WorstFrame]]', room: int) -> List[WorstFrame]:
    """
    Return the worst frames of several sources; of equal ones the earlier source's.

    :param groups: by source
    :param room: how many to return
    """
    merged = [frame for group in groups for frame in group]
    return sorted(merged, key=lambda frame: frame.score)[:room]


def _picture(classes: arrays.UInt8, palette: arrays.UInt8) -> bytes:
    return encode_png(colorize(_small(classes, cv2.INTER_NEAREST), palette)).tobytes()


def _small(picture: arrays.UInt8, interpolation: int) -> arrays.UInt8:
    height, width = picture.shape[:2]
    if width <= WIDTH:
        return picture
    return np.asarray(cv2.resize(picture, (WIDTH, max(1, round(height * WIDTH / width))),
                                 interpolation=interpolation), np.uint8)
