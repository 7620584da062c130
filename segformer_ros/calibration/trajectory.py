# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the robot was at any time of a drive, by its odometry."""

from typing import Any, Sequence

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import errors
from segformer_ros.common import install


def import_scipy() -> Any:
    """
    Return scipy with its modules ``optimize``, ``sparse`` and ``spatial.transform``.

    :raises ConfigurationError: scipy is not installed
    """
    try:
        import scipy
        import scipy.optimize
        import scipy.sparse
        import scipy.spatial.transform
    except ImportError as error:
        raise errors.ConfigurationError(
            'scipy cannot be imported', got=error,
            remedy='"sudo apt install python3-scipy", or: '
            + install.with_extra('calibration')) from error
    return scipy


class Trajectory:
    """
    Poses of the ground frame in the odometry's frame, interpolated and never extrapolated.

    :param stamps: seconds, any order; of equal ones the last counts
    :param odom_from_ground: a (4, 4) pose for each
    :raises InvalidInputError: fewer than two different stamps
    :raises ConfigurationError: scipy is not installed
    """

    def __init__(self, stamps: Sequence[float],
                 odom_from_ground: Sequence[arrays.Float64]) -> None:
        by_stamp = dict(zip(stamps, odom_from_ground))
        if len(by_stamp) < 2:
            raise errors.InvalidInputError('No odometry for a drive', got=f'{len(by_stamp)} poses',
                                           expected='two or more', remedy='Check the frames or '
                                           'the topic of the odometry.')
        self.stamps: arrays.Float64 = np.array(sorted(by_stamp))
        self.poses: arrays.Float64 = np.array([by_stamp[stamp] for stamp in self.stamps])
        rotation = import_scipy().spatial.transform
        self._slerp = rotation.Slerp(self.stamps,
                                     rotation.Rotation.from_matrix(self.poses[:, :3, :3]))

    def covers(self, stamp: float, margin: float = 0.0) -> bool:
        """
        Return whether poses around a stamp are known.

        :param stamp: seconds
        :param margin: seconds to both sides
        """
        return bool(self.stamps[0] <= stamp - margin and stamp + margin <= self.stamps[-1])

    def at(self, stamps: 'arrays.ArrayLike') -> arrays.Float64:
        """
        Return odom_from_ground at some times.

        :param stamps: (N,) seconds
        :return: (N, 4, 4)
        :raises TransformError: a time outside the drive
        """
        times = np.array(stamps, np.float64)
        if times.size and not (self.covers(times.min()) and self.covers(times.max())):
            raise errors.TransformError(
                'No odometry at that time', got=f'{times.min():.3f} .. {times.max():.3f} s',
                expected=f'a time within {self.stamps[0]:.3f} .. {self.stamps[-1]:.3f} s')
        result = np.zeros((times.size, 4, 4))
        result[:, 3, 3] = 1.0
        for axis in range(3):
            result[:, axis, 3] = np.interp(times, self.stamps, self.poses[:, axis, 3])
        result[:, :3, :3] = self._slerp(times).as_matrix()
        return result
