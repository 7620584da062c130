# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Counts of what was there against what was said: the base of most figures."""

from typing import Any, Dict, List, NamedTuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError

# Label value that is left out of every figure: void, or outside the class set.
IGNORED = 255

# Prediction value that is wrong wherever the truth has a class: nothing of the class set.
OTHER = 255


class ClassCounts(NamedTuple):
    """
    Pixels of each class over the labelled pixels of one or many frames.

    ``truth`` holds the pixels that are the class, ``predicted`` those called so, and
    ``intersection`` those that are both; all of shape (N,) int64.
    """

    truth: arrays.Int64
    predicted: arrays.Int64
    intersection: arrays.Int64

    def to_sparse(self) -> Dict[str, List[int]]:
        """Return ``{class id: [truth, predicted, intersection]}`` of the classes that occur."""
        occurring = np.flatnonzero(self.truth + self.predicted)
        return {str(i): [int(self.truth[i]), int(self.predicted[i]), int(self.intersection[i])]
                for i in occurring}


def class_counts_from_sparse(sparse: Dict[str, List[int]], num_classes: int) -> ClassCounts:
    """
    Undo :meth:`ClassCounts.to_sparse`.

    :raises InvalidInputError: a class id outside 0..num_classes - 1
    """
    counts = np.zeros((3, num_classes), np.int64)
    for key, values in sparse.items():
        if not 0 <= int(key) < num_classes:
            raise InvalidInputError('Class id outside the class set', got=key,
                                    expected=f'0..{num_classes - 1}')
        counts[:, int(key)] = values
    return ClassCounts(counts[0], counts[1], counts[2])


class ConfusionMatrix:
    """
    Pixels by true class (rows) and predicted class (columns).

    The last column counts labelled pixels whose prediction is outside the class set
    (:data:`OTHER`, an unmapped class, or below the confidence threshold): wrong for every class.
    Pixels whose truth is outside the class set (:data:`IGNORED`) are left out.

    :param num_classes: 1..255
    """

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes <= 255:
            raise InvalidInputError('Cannot count this number of classes', got=num_classes,
                                    expected='1..255')
        self.num_classes = num_classes
        self.counts: arrays.Int64 = np.zeros(
            (num_classes, num_classes + 1), np.int64)

    def add(self, truth: arrays.UInt8, prediction: arrays.UInt8) -> None:
        """
        Count one pair of masks.

        :param truth: class ids, uint8, any shape; values from num_classes on are ignored
        :param prediction: class ids, uint8, same shape; values from num_classes on are wrong
        :raises InvalidInputError: the shapes differ
        """
        if truth.shape != prediction.shape:
            raise InvalidInputError('Truth and prediction differ in size',
                                    got=prediction.shape, expected=truth.shape)
        columns = self.num_classes + 1
        labelled = truth < self.num_classes
        cells = truth[labelled].astype(np.intp) * columns
        cells += np.minimum(prediction[labelled], self.num_classes)
        self.counts += np.bincount(
            cells, minlength=self.counts.size).reshape(self.counts.shape)

    def merge(self, other: 'ConfusionMatrix') -> None:
        """
        Add another matrix of the same classes to this one.

        :raises InvalidInputError: the numbers of classes differ
        """
        if other.num_classes != self.num_classes:
            raise InvalidInputError('Cannot add confusion matrices', got=other.num_classes,
                                    expected=f'{self.num_classes} classes')
        self.counts += other.counts

    def class_counts(self) -> ClassCounts:
        """Return the pixels of each class."""
        inside = self.counts[:, :self.num_classes]
        return ClassCounts(truth=self.counts.sum(axis=1), predicted=inside.sum(axis=0),
                           intersection=np.diagonal(inside).copy())

    def to_rows(self) -> List[Any]:
        """Return the counts as nested lists, for JSON."""
        rows: List[Any] = self.counts.tolist()
        return rows


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
    iou: arrays.Float64
    accuracy: arrays.Float64
    precision: arrays.Float64


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


def ratio(part: arrays.ArrayLike, whole: arrays.ArrayLike) -> arrays.Float64:
    """
    Divide, with NaN where the whole is zero.

    :param part: numbers of any shape
    :param whole: numbers of the same shape
    :return: float64 of that shape
    """
    part = np.asarray(part, np.float64)
    whole = np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)


def mean_of_known(values: arrays.Float64) -> float:
    """
    Average what is not NaN.

    :param values: any shape
    :return: the mean, or NaN where nothing is known
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')
