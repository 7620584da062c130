# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A camera as CameraInfo describes it: from directions to pixels and back.

Pixel (0, 0) has its centre at (0, 0), as in OpenCV and ROS. Whatever makes an image smaller
(region of interest, binning, resizing for the network) keeps its left edge at -0.5, so sizes are
converted between pixel edges: ``u' + 0.5 = (u + 0.5 - offset) * scale``. For binning that is
half a binned pixel minus half a full one away from image_geometry, which scales the centres.
"""

from typing import Any, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.geometry import distortion

_CALIBRATE = 'Calibrate the camera (ros2 run camera_calibration cameracalibrator).'
MOST_NUMBERS = 64
"""Of one field of CameraInfo; OpenCV's longest lens model has 14."""
LONGEST_MODEL = 100
"""Characters of ``distortion_model``; the longest names have some twenty."""


class Calibration(NamedTuple):
    """
    The fields of a CameraInfo, as plain numbers in the message's own meaning.

    ``width`` and ``height`` are the full sensor's, pixels; ``k`` and ``r`` hold 9, ``p`` 12
    numbers by rows; the region of interest is in full pixels, all zero for the whole sensor;
    binning 0 means 1.
    """

    width: int
    height: int
    distortion_model: str
    d: Tuple[float, ...]
    k: Tuple[float, ...]
    r: Tuple[float, ...] = ()
    p: Tuple[float, ...] = ()
    binning_x: int = 0
    binning_y: int = 0
    roi_x: int = 0
    roi_y: int = 0
    roi_width: int = 0
    roi_height: int = 0


class CameraModel:
    """
    Rays and pixels of a mask. Immutable; make a new one when CameraInfo or a size changes.

    :param calibration: CameraInfo as numbers
    :param mask_size_wh: width and height of the mask; the image's size if None. A mask may be
        a scaled image, not a cropped one
    :param rectified: the image was rectified (topic ``image_rect``): P counts, not K and D
    :raises InvalidInputError: uncalibrated or damaged CameraInfo, or a size that does not fit;
        the text names the field
    """

    def __init__(self, calibration: Calibration, mask_size_wh: Optional[Tuple[int, int]] = None,
                 rectified: bool = False) -> None:
        self.calibration = calibration
        self.rectified = rectified
        image_wh = _image_size(calibration)
        self.size_wh = image_wh if mask_size_wh is None else mask_size_wh
        _check_same_shape(image_wh, self.size_wh)
        if rectified:
            fx, fy, cx, cy = _intrinsics('P', calibration.p, 12, 4)
            self._distortion: distortion.Distortion = distortion.PolynomialDistortion(())
            self._rotation = np.eye(3)
        else:
            fx, fy, cx, cy = _intrinsics('K', calibration.k, 9, 3)
            self._distortion = distortion.make_distortion(calibration.distortion_model,
                                                          calibration.d)
            self._rotation = _rectification(calibration.r)
        self.fx, self.cx = _scaled(fx, cx, calibration.roi_x, calibration.binning_x,
                                   self.size_wh[0] / float(image_wh[0]))
        self.fy, self.cy = _scaled(fy, cy, calibration.roi_y, calibration.binning_y,
                                   self.size_wh[1] / float(image_wh[1]))
        self._rays: Optional[arrays.Float32] = None

    @property
    def polynomial(self) -> Optional[distortion.Polynomial]:
        """Return the numbers of the distortion, None where it is not a polynomial."""
        lens = self._distortion
        return lens.polynomial if isinstance(lens, distortion.PolynomialDistortion) else None

    @property
    def lens_turn(self) -> Optional[arrays.Float64]:
        """Return the (3, 3) rotation from the optical frame to the lens, None for none."""
        if self.rectified or np.array_equal(self._rotation, np.eye(3)):
            return None
        return self._rotation.T

    def project(self, x: arrays.Array, y: arrays.Array, z: arrays.Array
                ) -> Tuple[arrays.Array, arrays.Array]:
        """
        Return the pixel coordinates of points in the optical frame.

        :param x: to the right, metres; any shape, float32 or float64
        :param y: down
        :param z: forward
        :return: u and v in mask pixels, same shape and dtype; NaN where the lens does not see
            the point. They may lie outside the mask
        """
        turn = self.lens_turn
        if turn is not None:
            x, y, z = (row[0] * x + row[1] * y + row[2] * z for row in turn.tolist())
        xd, yd = self._distortion.distort(x, y, z)
        return xd * self.fx + self.cx, yd * self.fy + self.cy

    def unproject(self, u: arrays.ArrayLike, v: arrays.ArrayLike) -> arrays.Float64:
        """
        Return the directions seen at pixel coordinates.

        :param u: columns in mask pixels, any shape; fractions allowed
        :param v: rows, same shape
        :return: (..., 3) unit vectors in the optical frame; NaN where the lens has no ray
        """
        x = (np.asarray(u, np.float64) - self.cx) / self.fx
        y = (np.asarray(v, np.float64) - self.cy) / self.fy
        return self._distortion.undistort(x, y).dot(self._rotation.T)

    def rays(self) -> arrays.Float32:
        """
        Return the direction of every mask pixel's centre, computed once.

        :return: (H, W, 3) unit vectors in the optical frame, read-only; NaN where the lens has
            no ray (beyond the monotone part of its distortion)
        """
        if self._rays is None:
            width, height = self.size_wh
            u, v = np.meshgrid(np.arange(width), np.arange(height))
            self._rays = self.unproject(u, v).astype(np.float32)
            self._rays.setflags(write=False)
        return self._rays


def _image_size(calibration: Calibration) -> Tuple[int, int]:
    c = calibration
    if c.width <= 0 or c.height <= 0:
        raise InvalidInputError('CameraInfo has no size', got=f'{c.width} x {c.height}',
                                expected='width and height above 0',
                                remedy='Fill them in the CameraInfo publisher.')
    width, height = c.roi_width or c.width, c.roi_height or c.height
    if min(c.roi_x, c.roi_y) < 0 or c.roi_x + width > c.width or c.roi_y + height > c.height:
        raise InvalidInputError('Region of interest lies outside the sensor',
                                got=f'{width} x {height} at ({c.roi_x}, {c.roi_y})',
                                expected=f'inside {c.width} x {c.height}',
                                remedy='Correct roi in the CameraInfo publisher.')
    if min(c.binning_x, c.binning_y) < 0 or c.binning_x > width or c.binning_y > height:
        raise InvalidInputError('Impossible binning in CameraInfo',
                                got=f'{c.binning_x} x {c.binning_y}',
                                expected='0 or more, at most the image size')
    return width // (c.binning_x or 1), height // (c.binning_y or 1)


def _check_same_shape(image_wh: Tuple[int, int], mask_wh: Tuple[int, int]) -> None:
    # One pixel of rounding in either direction is what resizing does.
    width, height = image_wh
    across = abs(mask_wh[0] * height / float(width) - mask_wh[1])
    down = abs(mask_wh[1] * width / float(height) - mask_wh[0])
    if min(mask_wh) < 1 or min(across, down) > 1.0:
        raise InvalidInputError(
            'Image and CameraInfo disagree about the size',
            got='a mask of {} x {}'.format(*mask_wh),
            expected=f'the shape of CameraInfo, {width} x {height}',
            remedy='Publish the CameraInfo of this stream; cropping belongs in its roi.')


def _intrinsics(name: str, values: Sequence[float], length: int, stride: int
                ) -> Tuple[float, float, float, float]:
    if len(values) != length:
        raise InvalidInputError(f'{name} of CameraInfo has a wrong length',
                                got=len(values), expected=length)
    if not any(values):
        raise InvalidInputError('Camera is not calibrated', got=f'{name} all zero in CameraInfo',
                                expected='focal lengths and principal point', remedy=_CALIBRATE)
    fx, fy, cx, cy = values[0], values[stride + 1], values[2], values[stride + 2]
    if not np.all(np.isfinite(values)) or fx <= 0.0 or fy <= 0.0:
        raise InvalidInputError(f'{name} of CameraInfo cannot be used',
                                got=f'fx {fx}, fy {fy}, cx {cx}, cy {cy}',
                                expected='finite numbers and focal lengths above 0',
                                remedy=_CALIBRATE)
    return float(fx), float(fy), float(cx), float(cy)


def _rectification(values: Sequence[float]) -> arrays.Float64:
    # Uncalibrated drivers leave R all zero; for one camera it is the identity anyway.
    if not any(values):
        return np.eye(3)
    matrix = np.array(values, np.float64)
    if matrix.shape != (9,) or not np.allclose(
            matrix.reshape(3, 3).dot(matrix.reshape(3, 3).T), np.eye(3), atol=1e-3):
        raise InvalidInputError('R of CameraInfo is not a rotation', got=list(values),
                                expected='a 3 x 3 rotation by rows', remedy=_CALIBRATE)
    return matrix.reshape(3, 3)


def _scaled(focal: float, center: float, offset: int, binning: int, scale: float
            ) -> Tuple[float, float]:
    scale = scale / (binning or 1)
    return focal * scale, (center + 0.5 - offset) * scale - 0.5


def scaled_calibration(calibration: Calibration, mask_wh: Tuple[int, int]) -> Calibration:
    """
    Return the calibration of a mask's own pixels.

    Region of interest, binning and size are worked into K and P, so that a reader needs none of
    them. Of a mask that is as large as the sensor nothing changes.

    :param mask_wh: width and height; a scaled image, not a cropped one
    :raises InvalidInputError: a size that does not fit
    """
    c = calibration
    image_wh = _image_size(c)
    _check_same_shape(image_wh, mask_wh)
    if mask_wh == image_wh == (c.width, c.height):
        return c
    k, p = list(c.k), list(c.p)
    for axis, (offset, binning) in enumerate(((c.roi_x, c.binning_x), (c.roi_y, c.binning_y))):
        scale = mask_wh[axis] / float(image_wh[axis])
        for values, stride in ((k, 3), (p, 4)):
            # All zero where the camera is not calibrated: that is to stay so.
            if len(values) != 3 * stride or not any(values):
                continue
            row = axis * stride
            values[row + axis], values[row + 2] = _scaled(
                values[row + axis], values[row + 2], offset, binning, scale)
            for skew_or_baseline in ({1, 3} - {axis}) & set(range(stride)):
                values[row + skew_or_baseline] *= scale / (binning or 1)
    return c._replace(width=mask_wh[0], height=mask_wh[1], k=tuple(k), p=tuple(p), binning_x=0,
                      binning_y=0, roi_x=0, roi_y=0, roi_width=0, roi_height=0)


# image_pipeline's names of rectified topics.
_RECTIFIED = ('image_rect', 'image_rect_color')


def calibration_of(info: Any) -> Calibration:
    """
    Return a CameraInfo message as numbers.

    :param info: any object with the fields of ``sensor_msgs/CameraInfo``, of ROS 2, or of ROS 1
        with its capital letters
    :raises InvalidInputError: more numbers in a field than any lens has, or too long a name
    """
    if len(info.distortion_model) > LONGEST_MODEL:
        # Before it is compared with the names that are known, with each image.
        raise InvalidInputError('distortion_model of CameraInfo is too long',
                                got=f'{len(info.distortion_model)} characters',
                                expected=f'at most {LONGEST_MODEL}',
                                remedy='Correct it in the CameraInfo publisher.')

    def numbers(name: str) -> Tuple[float, ...]:
        values = getattr(info, name) if hasattr(info, name) else getattr(info, name.upper())
        # Before they are copied, with each image: D has no length of its own.
        if len(values) > MOST_NUMBERS:
            raise InvalidInputError(f'{name.upper()} of CameraInfo has a wrong length',
                                    got=len(values), expected=f'at most {MOST_NUMBERS}',
                                    remedy='Calibrate the camera again.')
        return tuple(float(value) for value in values)

    return Calibration(int(info.width), int(info.height), str(info.distortion_model), numbers('d'),
                       numbers('k'), numbers('r'), numbers('p'), int(info.binning_x),
                       int(info.binning_y), int(info.roi.x_offset), int(info.roi.y_offset),
                       int(info.roi.width), int(info.roi.height))


def is_rectified(topic: str) -> bool:
    """
    Return whether a topic carries rectified images by the names that image_pipeline uses.

    :param topic: of the images, with or without ``/compressed``
    """
    if topic.endswith('/compressed'):
        topic = topic[:-len('/compressed')]
    return topic.rsplit('/', 1)[-1] in _RECTIFIED
