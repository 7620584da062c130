# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From logits to class ids and confidence at the size of the image."""

from typing import Optional
from typing import Tuple
from typing import TYPE_CHECKING

import cv2
import numpy as np

from segformer_ros.errors import BackendError
from segformer_ros.model.classes import UNLABELED

if TYPE_CHECKING:
    import numpy.typing as npt

METHODS = ('exact', 'fast')


def segment_logits(logits: 'npt.NDArray[np.float32]',
                   logsumexp: Optional['npt.NDArray[np.float32]'],
                   size_wh: Tuple[int, int], method: str, threshold: float,
                   with_confidence: bool) -> Tuple['npt.NDArray[np.uint8]',
                                                   Optional['npt.NDArray[np.uint8]']]:
    """
    Return mask and confidence.

    :param logits: (C, h, w)
    :param logsumexp: (h, w) over the classes, or None to compute it
    :param size_wh: of the mask
    """
    if not np.isfinite(logits).all():
        raise BackendError('The network returned values that are not finite')
    winner, best = _argmax(logits, size_wh, method)
    if not with_confidence and threshold <= 0.0:
        return winner, None
    if logsumexp is None:
        peak = logits.max(axis=0)
        logsumexp = peak + np.log(np.exp(logits - peak).sum(axis=0))
    probability = np.exp(best - cv2.resize(logsumexp, size_wh, interpolation=cv2.INTER_LINEAR))
    confidence = np.clip(np.rint(probability * 255.0), 0, 255).astype(np.uint8)
    if threshold > 0.0:
        winner[probability < threshold] = UNLABELED
    return winner, confidence if with_confidence else None


def _argmax(logits: 'npt.NDArray[np.float32]', size_wh: Tuple[int, int], method: str) -> Tuple[
        'npt.NDArray[np.uint8]', 'npt.NDArray[np.float32]']:
    width, height = size_wh
    if method == 'fast':
        small = logits.argmax(axis=0).astype(np.uint8)
        winner = cv2.resize(small, size_wh, interpolation=cv2.INTER_NEAREST)
        best = cv2.resize(logits.max(axis=0), size_wh, interpolation=cv2.INTER_LINEAR)
        return winner, best
    best = np.full((height, width), -np.inf, np.float32)
    winner = np.zeros((height, width), np.uint8)
    for class_id, plane in enumerate(logits):
        value = cv2.resize(np.ascontiguousarray(plane), size_wh, interpolation=cv2.INTER_LINEAR)
        better = value > best
        best[better] = value[better]
        winner[better] = class_id
    return winner, best
