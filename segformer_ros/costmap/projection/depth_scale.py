# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Depth of unknown scale and shift made metric by the ground, one image at a time.

Networks that estimate depth from one picture give it up to a scale and a shift, of depth itself
(``scaled``) or of its inverse (``inverse``). Where the labels say ground, the plane gives the
true depth d, and the value v of the network has to satisfy ``a v + b = d`` or
``a v + b = 1 / d``. Both are fitted to relative errors, so near and far ground count alike.

What is left is smooth, since such networks bend whole parts of a picture. It is taken from the
ground around each pixel and faded out where no ground is near.
"""

from typing import NamedTuple, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import PlaneSamples
from segformer_ros.costmap.settings import INVERSE

PROBLEM = 'Scale of the depth image is not determined'
"""The problem of every :class:`UnscaledDepthError`."""
# Samples of ground that a fit needs; 1 % of a picture.
_LEAST_SAMPLES = 200
# Far ground over near ground: below it scale and shift cannot be told apart.
_LEAST_SPREAD = 1.6
# Relative errors. Beyond the first a sample is no ground on the plane, and three quarters have to
# be within; the second is the largest usual error (the median).
_INLIER, _LEAST_INLIERS, _LARGEST_MEDIAN = 0.15, 0.7, 0.06
# Pairs of samples tried for the first guess, samples that judge it, rounds that refine it.
_PAIRS, _JUDGES, _ROUNDS = 96, 800, 8
# Bins of log depth in which samples weigh alike in sum: near ground fills most of a picture.
_BINS = 8
# Widths of the smoothing, in pictures; and the weight at which a correction is halved.
_COARSE, _FINE, _SHRINK = 0.2, 0.05, 0.05
# Samples that one stands for while they are smoothed: wide kernels are slow.
_THINNED = 4
# Metres; what an inverse depth near zero says is only: far.
_FARTHEST = 200.0


class UnscaledDepthError(InvalidInputError):
    """The ground in view does not determine the scale of a depth image; the image is of use."""


class ScaledDepth(NamedTuple):
    """
    A depth image in metres.

    ``depth`` (H, W) float32, NaN or inf where it says nothing; ``scale`` and ``shift`` turn values
    into metres, or one over metres; ``error`` is the median relative error on the ground before
    the local correction.
    """

    depth: arrays.Float32
    scale: float
    shift: float
    error: float


class DepthScaler:
    """
    Makes the depth images of one camera metric.

    :param kind: SCALED or INVERSE of the settings
    :param max_range: metres; ground beyond twice that is not used
    """

    def __init__(self, kind: str, max_range: float) -> None:
        self._is_inverse = kind == INVERSE
        self._samples = PlaneSamples(2.0 * max_range)

    def to_meters(self, view: LabelledView, costs: cost_table.CostTable) -> ScaledDepth:
        """
        Return the depth image of a view in metres.

        :param view: with the values of the network as depth
        :param costs: tells which labels are ground
        :raises UnscaledDepthError: the ground in view determines no scale, or another one
        :raises InvalidInputError: depth and mask differ in size
        """
        values = view.flat_depth()
        self._samples.look(view)
        pixels, plane = self._samples.pixels, self._samples.depth
        sampled = values[pixels].astype(np.float64)
        chosen = ((costs.kinds[view.labels[pixels]] == cost_table.GROUND)
                  & np.isfinite(sampled) & np.isfinite(plane))
        known, wanted = sampled[chosen], plane[chosen]
        if not self._is_inverse:
            # Zero is what drivers write for nothing; an inverse of zero is far away.
            chosen[chosen] &= known != 0.0
            known, wanted = sampled[chosen], plane[chosen]
        _check_ground(wanted)
        scale, shift = _fit(known, 1.0 / wanted if self._is_inverse else wanted)
        if scale <= 0.0:
            raise UnscaledDepthError(
                PROBLEM, got=f"values that {'grow' if self._is_inverse else 'shrink'} with "
                             'distance',
                expected=f"{'inverse' if self._is_inverse else 'plain'} depth",
                remedy=f"Set depth.kind: {'scaled or metric' if self._is_inverse else 'inverse'}.")
        depth = self._metric(values, scale, shift)
        with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
            ratio = plane / depth[pixels]
            ratio[~chosen] = np.nan
            off = np.abs(ratio[chosen] - 1.0)
        error = _check_fit(off)
        field = _local_ratio(ratio)
        width, height = view.camera.size_wh
        with np.errstate(invalid='ignore'):
            corrected = depth.reshape(height, width)
            corrected *= cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
        return ScaledDepth(corrected, scale, shift, error)

    def _metric(self, values: arrays.Float32, scale: float, shift: float) -> arrays.Float32:
        # In place: a picture's worth of memory costs as much as a pass over it.
        metric = np.float32(scale) * values
        metric += np.float32(shift)
        with np.errstate(invalid='ignore', divide='ignore'):
            if self._is_inverse:
                is_near = metric > 1.0 / _FARTHEST
                np.divide(np.float32(1.0), metric, out=metric)
                np.copyto(metric, np.float32(np.inf), where=~is_near)
            else:
                np.copyto(metric, np.float32(np.nan), where=~((metric > 0.0) & (values != 0.0)))
        return metric


def _check_ground(wanted: arrays.Float64) -> None:
    if len(wanted) < _LEAST_SAMPLES:
        raise UnscaledDepthError(
            PROBLEM, got=f'{len(wanted)} samples labelled as ground within range',
            expected=f'{_LEAST_SAMPLES} or more',
            remedy='It needs ground in view, and a network that names it.')
    near, far = np.percentile(wanted, (5.0, 95.0)).tolist()
    if far < _LEAST_SPREAD * near:
        raise UnscaledDepthError(
            PROBLEM, got=f'ground from {near:.2f} to {far:.2f} m alone',
            expected=f'far ground {_LEAST_SPREAD} times as far as near ground',
            remedy='Scale and shift need near and far ground: tilt the camera up, or keep off.')


def _check_fit(off: arrays.Float64) -> float:
    inliers = float(np.mean(off < _INLIER))
    if inliers < _LEAST_INLIERS:
        raise UnscaledDepthError(
            PROBLEM, got=f'{100.0 * inliers:.0f} % of the ground labels on one plane',
            expected=f'{100.0 * _LEAST_INLIERS:.0f} % or more',
            remedy='Check depth.kind, the mount, and the labels of the ground.')
    error = float(np.median(off))
    if error > _LARGEST_MEDIAN:
        raise UnscaledDepthError(
            PROBLEM, got=f'a usual error of {100.0 * error:.0f} % on the ground',
            expected=f'{100.0 * _LARGEST_MEDIAN:.0f} % or less',
            remedy='Check depth.kind and the mount, or take a better depth network.')
    return error


def _fit(values: arrays.Float64, target: arrays.Float64) -> Tuple[float, float]:
    """
    Return scale and shift of ``scale * values + shift = target``, by relative errors.

    The best of some pairs of samples begins; Tukey's weights refine it. Nothing is random from
    call to call.
    """
    random = np.random.RandomState(0)
    order = np.argsort(target, kind='mergesort')
    third = len(order) // 3
    first = order[random.randint(0, third, _PAIRS)]
    second = order[random.randint(len(order) - third, len(order), _PAIRS)]
    weights = _even_weights(target)
    apart = values[second] - values[first]
    usable = apart != 0.0
    if not usable.any():
        raise UnscaledDepthError(
            PROBLEM, got='one value all over the ground', expected='values that change with it',
            remedy='Check the topic of the depth image.')
    first, second, apart = first[usable], second[usable], apart[usable]
    scales = (target[second] - target[first]) / apart
    shifts = target[first] - scales * values[first]
    judges = np.linspace(0, len(order) - 1, min(_JUDGES, len(order))).astype(np.intp)
    judges = order[judges]
    x, y = values / target, 1.0 / target
    off = np.stack([scales, shifts], axis=1).dot(np.stack([x[judges], y[judges]]))
    best = int(_bisquare(off, _INLIER).dot(weights[judges]).argmax())
    scale, shift = float(scales[best]), float(shifts[best])
    for _ in range(_ROUNDS):
        share = scale * x
        share += shift * y
        share = _bisquare(share, 1.5 * _INLIER)
        share *= share
        share *= weights
        # Weighted normal equations of value / target and 1 / target against 1.
        of_x, of_y = share * x, share * y
        sx, sy = share.dot(x), share.dot(y)
        xx, xy, yy = of_x.dot(x), of_x.dot(y), of_y.dot(y)
        det = xx * yy - xy * xy
        if det <= 1e-12 * xx * yy:
            break
        scale, shift = float((sx * yy - sy * xy) / det), float((sy * xx - sx * xy) / det)
    return scale, shift


def _bisquare(ratios: arrays.Float64, width: float) -> arrays.Float64:
    """Return 1 - ((ratio - 1) / width)^2 where that is above 0, else 0, in place."""
    ratios -= 1.0
    ratios /= width
    ratios *= ratios
    np.subtract(1.0, ratios, out=ratios)
    return np.maximum(ratios, 0.0, out=ratios)


def _even_weights(target: arrays.Float64) -> arrays.Float64:
    """Return weights with which every range of depth counts alike."""
    logs = np.log(target)
    low, high = float(logs.min()), float(logs.max())
    bins = np.minimum(((logs - low) / max(high - low, 1e-9) * _BINS).astype(np.intp), _BINS - 1)
    number = np.bincount(bins, minlength=_BINS)
    # A bin of few samples must not be led by one of them.
    return 1.0 / np.maximum(number, 0.02 * len(target))[bins]


def _local_ratio(ratio: arrays.Float64) -> arrays.Float32:
    """
    Return the smooth factor by which depth is off around each sample, 1 where nothing tells.

    :param ratio: (rows, columns) true over found depth on the ground, NaN elsewhere
    """
    with np.errstate(invalid='ignore'):
        known = np.abs(ratio - 1.0) < _INLIER
    weight = known.astype(np.float32)
    field: arrays.Float32 = np.ones(ratio.shape, np.float32)
    for share in (_COARSE, _FINE):
        left = np.where(known, ratio / field - 1.0, 0.0).astype(np.float32)
        sigma = share * ratio.shape[1]
        near, total = (_smooth(image, sigma) for image in (weight, left * weight))
        field *= 1.0 + total / (near + np.float32(_SHRINK))
    return field


def _smooth(image: arrays.Float32, sigma: float) -> arrays.Float32:
    """Return an image smoothed by a Gaussian, with nothing beyond its border."""
    rows, columns = image.shape
    small = cv2.resize(image, (max(1, columns // _THINNED), max(1, rows // _THINNED)),
                       interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / _THINNED, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR),
                      np.float32)
