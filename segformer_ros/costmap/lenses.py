# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which lens a CameraInfo describes."""

from typing import Sequence
from typing import Tuple

import numpy as np

from segformer_ros.costmap.distortion import EquidistantLens
from segformer_ros.costmap.distortion import Lens
from segformer_ros.costmap.distortion import PolynomialLens
from segformer_ros.errors import InvalidInputError

# CameraInfo writes plumb_bob; some drivers leave the name empty where there is no distortion.
_POLYNOMIAL_LENGTHS = {
    'none': (0,), '': (0,), 'plumb_bob': (0, 4, 5), 'rational_polynomial': (8, 12, 14)}
_EQUIDISTANT_NAMES = ('equidistant', 'fisheye')


def lens_of(distortion_model: str, coefficients: Sequence[float]) -> Lens:
    """
    Return the lens that a CameraInfo describes.

    :param distortion_model: CameraInfo.distortion_model
    :param coefficients: CameraInfo.d
    :raises InvalidInputError: unknown model, wrong number of coefficients, one that is not
        finite, or a tilted sensor (the last two of 14)
    """
    values = [float(value) for value in coefficients]
    if not np.all(np.isfinite(values)):
        raise InvalidInputError('Distortion coefficients are not finite', got=values,
                                remedy='Calibrate the camera again.')
    if distortion_model in _EQUIDISTANT_NAMES:
        _check_length(distortion_model, values, (4,))
        return EquidistantLens(values)
    if distortion_model not in _POLYNOMIAL_LENGTHS:
        raise InvalidInputError(
            'Unknown distortion model in CameraInfo', got=repr(distortion_model),
            expected='plumb_bob, rational_polynomial, equidistant or none',
            remedy='Calibrate with one of them, or use the rectified image.')
    if distortion_model in ('none', '') and not any(values):
        values = []
    _check_length(distortion_model, values, _POLYNOMIAL_LENGTHS[distortion_model])
    if any(values[12:]):
        raise InvalidInputError(
            'A tilted sensor is not supported', got='tau {}'.format(values[12:]),
            remedy='Use the rectified image.')
    return PolynomialLens(values[:12])


def _check_length(model: str, values: Sequence[float], lengths: Tuple[int, ...]) -> None:
    if len(values) not in lengths:
        raise InvalidInputError(
            'Wrong number of distortion coefficients for {!r}'.format(model), got=len(values),
            expected=' or '.join(str(length) for length in lengths),
            remedy='Correct D in the CameraInfo publisher.')
