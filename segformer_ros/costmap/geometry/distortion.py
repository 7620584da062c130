# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The distortion models of CameraInfo, forwards and backwards.

Formulas: OpenCV "Camera Calibration and 3D Reconstruction" (plumb_bob and rational_polynomial
after Brown, 1966) and "Fisheye camera model" (equidistant, after Kannala and Brandt, 2006).
Distortion polynomials are fitted inside the image only. Farther out they may turn back, so that
a point beside the picture would land in it. Both models are therefore cut where the radial
function stops growing.
"""

import abc
import difflib
import logging
from typing import Any, List, NamedTuple, Sequence, Set, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError

# Tangent of 87 degrees: a perspective lens sees nothing beyond it.
_WIDEST_TANGENT = 19.0
LARGEST = 1e9
"""Coefficients from it on are of no lens, and products of them overflow the search for roots."""
# Enough that Newton's method starts within 1e-3 of the root at every radius.
_TABLE_LENGTH = 4096
_NEWTON_STEPS = 8
# In normalised coordinates: a hundredth of a pixel at a focal length of 1000 pixels.
_RESIDUAL = 1e-5
# CameraInfo writes plumb_bob; some drivers leave the name empty where there is no distortion.
_POLYNOMIAL_LENGTHS = {
    'none': (0,), 'plumb_bob': (0, 4, 5), 'rational_polynomial': (8, 12, 14),
    # The shape of the lens alone, as Kalibr says it: four coefficients may be radtan or equi.
    'pinhole': (0, 5, 8, 12, 14),
    # Every length that OpenCV's own functions take means one thing there.
    'opencv': (0, 4, 5, 8, 12, 14), 'thin_prism': (12,)}
_EQUIDISTANT = 'equidistant'
# As sensor_msgs, Kalibr, OpenCV, COLMAP, DepthAI and drivers spell them, in small letters with
# _ between words.
_SPELLINGS = {
    '': 'none', 'no_distortion': 'none', 'undistorted': 'none', 'perspective': 'pinhole',
    'plumbbob': 'plumb_bob', 'radtan': 'plumb_bob', 'rad_tan': 'plumb_bob',
    'radtan5': 'plumb_bob', 'radial_tangential': 'plumb_bob', 'radialtangential': 'plumb_bob',
    'brown_conrady': 'plumb_bob', 'brownconrady': 'plumb_bob',
    'rational': 'rational_polynomial', 'rationalpolynomial': 'rational_polynomial',
    'radtan8': 'rational_polynomial', 'full_opencv': 'rational_polynomial',
    'thinprism': 'thin_prism',
    'equi': _EQUIDISTANT, 'equidist': _EQUIDISTANT, 'fisheye': _EQUIDISTANT,
    'opencv_fisheye': _EQUIDISTANT, 'kannala_brandt': _EQUIDISTANT,
    'kannalabrandt': _EQUIDISTANT, 'kannala_brandt4': _EQUIDISTANT,
    'kannalabrandt4': _EQUIDISTANT, 'kb4': _EQUIDISTANT}
# Without distortion these still are no pinhole: their radius does not grow as the tangent.
_BENT = ('fish', 'omni', 'equi', 'theta', 'kan', 'kb', 'spher', 'stereo', 'ortho', 'cylind',
         'panor', 'mei', 'ucm', 'cata', 'fov', 'atan', 'ocam', 'scara', 'wide')
_TOLD_AT_MOST = 16
"""Names that are logged, since strangers choose them."""
_told: Set[str] = set()


class Distortion(abc.ABC):
    """Maps directions to normalised, distorted image coordinates and back."""

    @abc.abstractmethod
    def distort(self, x: arrays.Array, y: arrays.Array, z: arrays.Array
                ) -> Tuple[arrays.Array, arrays.Array]:
        """
        Return where points of the optical frame are seen.

        :param x: to the right; any shape and unit, floating point
        :param y: down
        :param z: forward
        :return: distorted x and y at focal length 1, same shape and dtype; NaN where the lens
            does not see the point
        """

    @abc.abstractmethod
    def undistort(self, x: arrays.Float64, y: arrays.Float64) -> arrays.Float64:
        """
        Return the directions that are seen at image coordinates.

        :param x: distorted x at focal length 1, any shape
        :param y: distorted y, same shape
        :return: (..., 3) unit vectors in the optical frame; NaN where the lens has no such ray
        """


class Polynomial(NamedTuple):
    """
    The numbers of a polynomial distortion.

    ``over`` and ``under`` (4,) are polynomials in r^2, highest power first, whose quotient is the
    radial gain; ``tangential`` is p1 p2, ``prism`` s1 s2 s3 s4; ``limit`` the largest r^2 seen.
    """

    over: Tuple[float, ...]
    under: Tuple[float, ...]
    tangential: Tuple[float, float]
    prism: Tuple[float, ...]
    limit: float


class PolynomialDistortion(Distortion):
    """
    No distortion, plumb_bob and rational_polynomial.

    :param coefficients: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4]]], as in OpenCV
    """

    def __init__(self, coefficients: Sequence[float]) -> None:
        d = np.zeros(12)
        d[:len(coefficients)] = coefficients
        # Plain floats: a numpy scalar would turn float32 arrays into float64.
        k1, k2, self._p1, self._p2, k3, k4, k5, k6 = d[:8].tolist()
        self._prism = d[8:]
        self._plain = not d.any()
        # Polynomials in s = r^2, highest power first, as numpy's polynomial functions want.
        self._over = np.array([k3, k2, k1, 1.0])
        self._under = np.array([k6, k5, k4, 1.0])
        self.largest_tangent = self._monotone_limit()
        radii = np.linspace(0.0, self.largest_tangent, _TABLE_LENGTH)
        self._radii = radii
        self._distorted_radii = radii * self._gain(radii * radii)

    @property
    def polynomial(self) -> Polynomial:
        """Return the numbers that :meth:`distort` computes with."""
        return Polynomial(tuple(self._over.tolist()), tuple(self._under.tolist()),
                          (self._p1, self._p2), tuple(self._prism.tolist()),
                          self.largest_tangent * self.largest_tangent)

    def _gain(self, s: Any) -> Any:
        return np.polyval(self._over, s) / np.polyval(self._under, s)

    def _monotone_limit(self) -> float:
        # d/dr of r N(s)/M(s) is zero where N M + 2 s (N' M - N M') is; M = 0 is a pole.
        over, under = np.poly1d(self._over), np.poly1d(self._under)
        slope = over * under + np.poly1d([2.0, 0.0]) * (
            over.deriv() * under - over * under.deriv())
        return min(_smallest_root(slope.coeffs), _smallest_root(under.coeffs), _WIDEST_TANGENT)

    def distort(self, x: arrays.Array, y: arrays.Array, z: arrays.Array
                ) -> Tuple[arrays.Array, arrays.Array]:
        """Return distorted coordinates; see :class:`Distortion`."""
        inverse = 1.0 / np.where(z > 0.0, z, np.array(np.nan, z.dtype))
        x = x * inverse
        y = y * inverse
        s = x * x + y * y
        limit = self.largest_tangent * self.largest_tangent
        outside = s > limit
        if outside.any():
            x[outside] = np.nan
        if self._plain:
            return x, y
        return self._apply(x, y, s)

    def _apply(self, x: Any, y: Any, s: Any) -> Tuple[Any, Any]:
        gain = _horner(self._over, s)
        if self._under[:3].any():
            gain = gain / _horner(self._under, s)
        if not (self._p1 or self._p2):
            xd, yd = x * gain, y * gain
        else:
            # x gain + 2 p1 x y + p2 (s + 2 x x), and likewise for y: what is common taken out.
            common = gain + (2.0 * self._p1) * y + (2.0 * self._p2) * x
            xd, yd = x * common + self._p2 * s, y * common + self._p1 * s
        if self._prism.any():
            s1, s2, s3, s4 = self._prism.tolist()
            xd = xd + (s1 + s2 * s) * s
            yd = yd + (s3 + s4 * s) * s
        return xd, yd

    def undistort(self, x: arrays.Float64, y: arrays.Float64) -> arrays.Float64:
        """Return unit rays; see :class:`Distortion`."""
        radius = np.hypot(x, y)
        undistorted = np.interp(radius, self._distorted_radii, self._radii)
        scale = np.divide(undistorted, radius, out=np.ones_like(radius), where=radius > 0.0)
        u, v = x * scale, y * scale
        for _ in range(0 if self._plain else _NEWTON_STEPS):
            u, v = self._newton(u, v, x, y)
        s = u * u + v * v
        xd, yd = self._apply(u, v, s)
        seen = (np.hypot(xd - x, yd - y) < _RESIDUAL) & (s <= self.largest_tangent ** 2)
        rays = np.stack([u, v, np.ones_like(u)], axis=-1)
        rays[~seen] = np.nan
        return rays / np.sqrt(np.sum(rays * rays, axis=-1, keepdims=True))

    def _newton(self, u: Any, v: Any, x: Any, y: Any) -> Tuple[Any, Any]:
        s = u * u + v * v
        gain = self._gain(s)
        under = np.polyval(self._under, s)
        slope = (np.polyval(np.polyder(self._over), s)
                 - gain * np.polyval(np.polyder(self._under), s)) / under
        s1, s2, s3, s4 = self._prism
        prism_x, prism_y = s1 + 2.0 * s2 * s, s3 + 2.0 * s4 * s
        p1, p2 = self._p1, self._p2
        across = 2.0 * (u * v * slope + p1 * u + p2 * v)
        xx = gain + 2.0 * u * u * slope + 2.0 * p1 * v + 6.0 * p2 * u + 2.0 * prism_x * u
        xy = across + 2.0 * prism_x * v
        yx = across + 2.0 * prism_y * u
        yy = gain + 2.0 * v * v * slope + 6.0 * p1 * v + 2.0 * p2 * u + 2.0 * prism_y * v
        xd, yd = self._apply(u, v, s)
        off_x, off_y = xd - x, yd - y
        determinant = xx * yy - xy * yx
        # At the edge of the monotone part the matrix is singular: such rays are cut afterwards.
        determinant = np.where(np.abs(determinant) < 1e-12, 1e-12, determinant)
        return (u - (yy * off_x - xy * off_y) / determinant,
                v - (xx * off_y - yx * off_x) / determinant)


class EquidistantDistortion(Distortion):
    """
    The fisheye model: the distorted radius is a polynomial of the angle to the axis.

    :param coefficients: k1 k2 k3 k4
    """

    def __init__(self, coefficients: Sequence[float]) -> None:
        k1, k2, k3, k4 = coefficients
        self._gain = np.array([k4, k3, k2, k1, 1.0])
        slope = np.array([9.0 * k4, 7.0 * k3, 5.0 * k2, 3.0 * k1, 1.0])
        self.largest_angle = min(_smallest_root(slope), float(np.pi))
        self._angles = np.linspace(0.0, self.largest_angle, _TABLE_LENGTH)
        self._radii = self._angles * np.polyval(self._gain, self._angles ** 2)
        self._slope = slope

    def distort(self, x: arrays.Array, y: arrays.Array, z: arrays.Array
                ) -> Tuple[arrays.Array, arrays.Array]:
        """Return distorted coordinates; see :class:`Distortion`."""
        across = np.hypot(x, y)
        angle = np.arctan2(across, z)
        # Straight behind has no direction in the image.
        angle[(angle > self.largest_angle) | ((across == 0.0) & (z <= 0.0))] = np.nan
        radius = angle * _horner(self._gain, angle * angle)
        scale = np.divide(radius, across, out=np.zeros_like(across), where=across > 0.0)
        scale[np.isnan(angle)] = np.nan
        return x * scale, y * scale

    def undistort(self, x: arrays.Float64, y: arrays.Float64) -> arrays.Float64:
        """Return unit rays; see :class:`Distortion`."""
        radius = np.hypot(x, y)
        angle = np.interp(radius, self._radii, self._angles)
        for _ in range(_NEWTON_STEPS):
            s = angle * angle
            slope = np.polyval(self._slope, s)
            off = angle * np.polyval(self._gain, s) - radius
            angle = angle - off / np.where(np.abs(slope) < 1e-9, 1e-9, slope)
        angle[(radius > self._radii[-1]) | (angle > self.largest_angle)] = np.nan
        scale = np.divide(np.sin(angle), radius, out=np.ones_like(radius), where=radius > 0.0)
        return np.stack([x * scale, y * scale, np.cos(angle)], axis=-1)


def make_distortion(distortion_model: str, coefficients: Sequence[float]) -> Distortion:
    """
    Return the distortion that a CameraInfo describes.

    :param distortion_model: CameraInfo.distortion_model
        in any usual spelling
    :param coefficients: CameraInfo.d; zeros behind the model's own coefficients do not count.
        With zeros alone, an unknown model is none
    :raises InvalidInputError: unknown model, wrong number of coefficients, one that is not
        finite or not below ``LARGEST``, or a tilted sensor (the last two of 14)
    """
    values = [float(value) for value in coefficients]
    if not np.all(np.abs(values) < LARGEST):
        raise InvalidInputError('Distortion coefficients are not finite, or beyond any lens',
                                got=values, expected=f'numbers below {LARGEST:.0e}',
                                remedy='Calibrate the camera again.')
    plain = '_'.join(distortion_model.lower().replace('-', ' ').replace('_', ' ').split())
    model = _SPELLINGS.get(plain, plain)
    # In errors by its plain spelling: of those that are usual there are a few, of all any number.
    if model == _EQUIDISTANT:
        return EquidistantDistortion(_padded(plain, values, (4,)))
    if model not in _POLYNOMIAL_LENGTHS:
        near = _near(plain)
        # A misspelt fisheye is one, too.
        if any(values) or any(part in plain for part in _BENT) \
                or _SPELLINGS.get(near, near) == _EQUIDISTANT:
            raise _unknown(distortion_model, near)
        _tell_once(distortion_model)
        model = 'none'
    # No distortion, however many zeros say so.
    values = _padded(plain, values, _POLYNOMIAL_LENGTHS[model]) if any(values) else []
    if any(values[12:]):
        raise InvalidInputError('A tilted sensor is not supported', got=f'tau {values[12:]}',
                                remedy='Use the rectified image.')
    return PolynomialDistortion(values[:12])


def _unknown(distortion_model: str, near: str) -> InvalidInputError:
    meant = f'Did you mean {near!r}? ' if near else ''
    return InvalidInputError(
        'Unknown distortion model in CameraInfo', got=repr(distortion_model[:40]),
        expected='plumb_bob, rational_polynomial, equidistant or none',
        remedy=meant + 'Calibrate with one of them, or use the rectified image.')


def _near(plain: str) -> str:
    """Return the known name that is nearest, or nothing."""
    # The inverse of a model is another one, however much its name looks like it.
    if plain.startswith('inverse'):
        return ''
    found = difflib.get_close_matches(plain, [*_POLYNOMIAL_LENGTHS, *_SPELLINGS, _EQUIDISTANT], 1,
                                      0.75)
    return found[0] if found else ''


def _tell_once(distortion_model: str) -> None:
    if distortion_model in _told or len(_told) >= _TOLD_AT_MOST:
        return
    _told.add(distortion_model)
    logging.getLogger(__name__).warning(
        'Unknown distortion model %r in CameraInfo is taken for none: its coefficients are all '
        'zero.', distortion_model[:40])


def _padded(model: str, values: List[float], lengths: Tuple[int, ...]) -> List[float]:
    """Return the coefficients without zeros behind those that the model has."""
    if len(values) in lengths:
        return values
    for length in lengths:
        if length < len(values) and not any(values[length:]):
            return values[:length]
    raise InvalidInputError(
        f'Wrong number of distortion coefficients for {model!r}', got=len(values),
        expected=' or '.join(str(length) for length in lengths),
        remedy='Correct D or distortion_model in the CameraInfo publisher.')


def _smallest_root(polynomial: arrays.Float64) -> float:
    """Return the least r > 0 at which a polynomial in r^2 is zero, or inf."""
    # Coefficients next to nothing would overflow the companion matrix; so far from the axis
    # that they matter, no lens sees.
    roots = np.atleast_1d(np.roots(np.where(np.abs(polynomial) < 1e-12, 0.0, polynomial)))
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 1e-9)]
    return float(np.sqrt(real.min())) if len(real) else float(np.inf)


def _horner(polynomial: arrays.Float64, s: Any) -> Any:
    # Plain floats keep float32 arrays float32; leading zeros cost nothing.
    terms = [float(term) for term in polynomial]
    while len(terms) > 1 and terms[0] == 0.0:
        terms.pop(0)
    total: Any = terms[0]
    for term in terms[1:]:
        total = total * s + term
    return total if len(terms) > 1 else np.full_like(s, terms[0])
