# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Boundary IoU: how well the outlines agree, where plain IoU only sees areas.

Definition: B. Cheng, R. Girshick, P. Dollar, A. C. Berg, A. Kirillov, Boundary IoU: Improving
Object-Centric Image Segmentation Evaluation, CVPR 2021: the IoU of the two bands of pixels that
lie inside a mask and within a distance of its contour. The image's border is a contour, as in
the authors' own code, and distances are counted in 8-connected steps, as by its erosions.
"""


import cv2
import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.confusion import IGNORED
from segformer_ros.evaluation.metrics.confusion import ratio

# Width of the band as a share of the image's diagonal; the paper's value.
BAND_SHARE = 0.02


class BoundaryCounts:
    """
    Pixels of the outlines' bands by class, pooled over frames.

    :param num_classes: 1..254
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.intersection: arrays.Int64 = np.zeros(num_classes, np.int64)
        self.union: arrays.Int64 = np.zeros(num_classes, np.int64)

    def add(self, truth: arrays.UInt8, prediction: arrays.UInt8) -> None:
        """
        Count one pair of masks.

        Ignored pixels are cut out of both masks before the outlines are drawn, so that void
        neither makes an outline in one mask alone nor counts itself.

        :param truth: (H, W) uint8 class ids; values from num_classes on are ignored
        :param prediction: (H, W) uint8 class ids; values from num_classes on match no class
        :raises InvalidInputError: the shapes differ
        """
        if truth.shape != prediction.shape:
            raise InvalidInputError('Truth and prediction differ in size',
                                    got=prediction.shape, expected=truth.shape)
        labelled = truth < self.num_classes
        # "Nothing of the class set" must differ from void, or the two would share no outline.
        inside = np.minimum(prediction, np.uint8(self.num_classes))
        prediction = np.where(labelled, inside, np.uint8(IGNORED))
        truth = np.where(labelled, truth, np.uint8(IGNORED))
        width = band_width(truth.shape[0], truth.shape[1])
        in_truth = outline_band(truth, width)
        in_prediction = outline_band(prediction, width)
        both = in_truth & in_prediction & (truth == prediction)
        intersection = self._count(truth[both])
        self.intersection += intersection
        self.union += (self._count(truth[in_truth]) + self._count(prediction[in_prediction])
                       - intersection)

    def merge(self, other: 'BoundaryCounts') -> None:
        """Add the counts of other frames."""
        self.intersection += other.intersection
        self.union += other.union

    def iou(self) -> arrays.Float64:
        """Return the boundary IoU of each class, (N,), NaN for classes that never occur."""
        return ratio(self.intersection, self.union)

    def _count(self, classes: arrays.UInt8) -> arrays.Int64:
        counts: arrays.Int64 = np.bincount(
            classes, minlength=256)[:self.num_classes].astype(np.int64)
        return counts


def band_width(height: int, width: int) -> int:
    """
    Return the band's width in pixels for an image size, at least 1.

    :param height: pixels
    :param width: pixels
    """
    return max(1, round(BAND_SHARE * float(np.hypot(height, width))))


def outline_band(mask: arrays.UInt8, width: int) -> arrays.Bool:
    """
    Find the pixels near the outline of whatever class they have.

    A pixel is near when a pixel of another class, or the outside of the image, lies within
    ``width`` steps of an 8-connected path. That holds exactly where the local minimum or maximum
    differs from the pixel, so that two filters serve all classes.

    :param mask: (H, W) uint8 class ids
    :param width: 1 or more pixels
    :return: (H, W) bool
    """
    kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    lowest = cv2.erode(mask, kernel, borderType=cv2.BORDER_REPLICATE)
    highest = cv2.dilate(mask, kernel, borderType=cv2.BORDER_REPLICATE)
    band: arrays.Bool = (lowest != mask) | (highest != mask)
    band[:width] = True
    band[-width:] = True
    band[:, :width] = True
    band[:, -width:] = True
    return band
