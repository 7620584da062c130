# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the logits say at their own grid points, before any interpolation."""

from typing import NamedTuple
from typing import Optional
from typing import TYPE_CHECKING

import cv2
import numpy as np

from segformer_ros.errors import BackendError

if TYPE_CHECKING:
    import numpy.typing as npt


class GridWinners(NamedTuple):
    """The winning class of every grid point, (h, w) each."""

    labels: 'npt.NDArray[np.uint8]'
    """class ids; of equal logits the lower id"""
    peak: 'npt.NDArray[np.float32]'
    """their logits"""
    logsumexp: Optional['npt.NDArray[np.float32]']
    """over the classes, or None when not asked for"""


def grid_winners(logits: 'npt.NDArray[np.float32]',
                 scratch: Optional['npt.NDArray[np.float32]']) -> GridWinners:
    """
    Return winners, and the log-sum-exp if there is room to compute it.

    :param logits: (h, w, C) C-contiguous
    :param scratch: overwritten, of the same shape; None: no log-sum-exp
    :raises BackendError: a logit is not finite
    """
    # Minimum and maximum pass NaN on, and meet every infinity.
    if not np.isfinite([logits.min(), logits.max()]).all():
        raise not_finite_error()
    labels = logits.argmax(axis=2)
    classes = logits.shape[2]
    first = np.arange(labels.size).reshape(labels.shape) * classes
    peak = logits.reshape(-1)[first + labels]
    logsumexp = None
    if scratch is not None:
        np.subtract(logits, peak[:, :, np.newaxis], out=scratch)
        flat = scratch.reshape(-1, classes)
        cv2.exp(flat, flat)
        logsumexp = peak + np.log(scratch.sum(axis=2))
    return GridWinners(labels.astype(np.uint8), peak, logsumexp)


def not_finite_error() -> BackendError:
    """Return what is raised instead of a mask made from NaN or infinity."""
    return BackendError(
        'The network returned values that are not finite', got='NaN or infinity in the logits',
        expected='finite logits',
        remedy='If this stays, the model file is damaged or its precision is too low '
               '(FP16 overflows in some SegFormer engines).')
