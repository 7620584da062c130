# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Figures of merit from pixel counts.

Definitions: J. Long, E. Shelhamer, T. Darrell, Fully Convolutional Networks for Semantic
Segmentation, CVPR 2015, section 5 (pixel accuracy, mean accuracy, mean IU, frequency weighted IU).
Counts are pooled over all frames first, as in the Cityscapes and ADE20K evaluations; a mean of
per-frame figures is another number. A figure without any pixel to stand on is NaN.
"""

from typing import NamedTuple
from typing import TYPE_CHECKING

import numpy as np

from segformer_ros.evaluation.confusion import ClassCounts

if TYPE_CHECKING:
    import numpy.typing as npt


class Scores(NamedTuple):
    """
    How well two masks agree; every figure in 0..1 or NaN.

    ``mean_iou`` averages the classes that are in the truth or in the prediction: a class that was
    seen where there is none counts with 0, as in mmsegmentation and in scikit-learn's macro
    Jaccard score. ``mean_accuracy`` averages the classes of the truth.
    ``iou``, ``accuracy`` (recall) and ``precision`` have shape (N,).
    """

    pixel_accuracy: float
    mean_iou: float
    mean_accuracy: float
    frequency_weighted_iou: float
    iou: 'npt.NDArray[np.float64]'
    accuracy: 'npt.NDArray[np.float64]'
    precision: 'npt.NDArray[np.float64]'


def score(counts: ClassCounts) -> Scores:
    """
    Compute every figure of one set of counts.

    :param counts: arrays of shape (N,)
    :return: the figures
    """
    union = counts.truth + counts.predicted - counts.intersection
    iou = ratio(counts.intersection, union)
    accuracy = ratio(counts.intersection, counts.truth)
    labelled = counts.truth.sum()
    # A class without a true pixel has weight 0, whatever its IoU.
    weighted = np.where(counts.truth > 0, iou, 0.0) * counts.truth
    return Scores(
        pixel_accuracy=float(ratio(counts.intersection.sum(), labelled)),
        mean_iou=mean_of_known(iou),
        mean_accuracy=mean_of_known(accuracy),
        frequency_weighted_iou=float(ratio(weighted.sum(), labelled)),
        iou=iou,
        accuracy=accuracy,
        precision=ratio(counts.intersection, counts.predicted))


def ratio(part: 'npt.ArrayLike', whole: 'npt.ArrayLike') -> 'npt.NDArray[np.float64]':
    """
    Divide, with NaN where the whole is zero.

    :param part: numbers of any shape
    :param whole: numbers of the same shape
    :return: float64 of that shape
    """
    part = np.asarray(part, np.float64)
    whole = np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)


def mean_of_known(values: 'npt.NDArray[np.float64]') -> float:
    """
    Average what is not NaN.

    :param values: any shape
    :return: the mean, or NaN where nothing is known
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')
