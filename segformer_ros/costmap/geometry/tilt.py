# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
How far a robot's body is tipped against the ground, by an IMU.

An IMU knows the way up and not the ground. What of a tilt is the body's (a brake, a kerb, a short
ramp) and what the ground's (a long ramp, and whatever the IMU itself is off) is told by how long
it lasts: the median of some seconds is the ground's.
"""

import bisect
import math
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.geometry import transforms

Vector = Tuple[float, float, float]

MOST_GAP = 0.1
"""Seconds between two samples over which is interpolated: IMUs give 50 to 1000 a second."""
LEAST_TIME = 1.0
"""Seconds of samples before the first tilt."""
MOST_TILT = math.radians(30.0)
"""Beyond it the frame of the IMU is wrong, or the robot has fallen over."""
DEAD_BAND = math.radians(0.05)
"""Less than a cell at 5 m from any camera above 0.3 m, and a fixed mount's tables stay in use."""
# Seconds that a mask may come after its image.
_LATE = 10.0
# Radians per second that no body on wheels turns at, and radians that noise may add.
_MOST_RATE, _NOISE = 5.0, math.radians(1.0)
# Stamps that go back by more seconds are a clock that was set; by fewer, samples out of order.
_JUMP_BACK = 0.5
# Of the complementary filter: seconds in which the accelerometer pulls; the share of gravity that
# its length may differ by; radians at which the pull of a brake or a bend is cut off.
_FILTER_TIME, _GRAVITY, _MOST_G_ERROR, _MOST_PULL = 10.0, 9.80665, 0.15, 0.02
_MOST_BIAS = math.radians(3.0)
# Of each kind: at 1 kHz with the longest slope_time.
_MOST_SAMPLES = 80000
_MOST_OF_MEDIAN = 400


class ImuSample(NamedTuple):
    """
    One message of an IMU in its own frame; None for what it does not measure.

    ``stamp`` seconds; ``orientation`` world_from_sensor as x, y, z, w; ``turn_rate`` radians per
    second; ``acceleration`` metres per second squared, which is +9.8 upwards at rest (REP-145).
    """

    stamp: float
    orientation: Optional[Sequence[float]] = None
    turn_rate: Optional[Vector] = None
    acceleration: Optional[Vector] = None


class TiltBuffer:
    """
    The way up of the last seconds in the frame of an IMU, and the body's tilt that follows.

    Where a sample has no orientation, gyroscope and accelerometer give the way up by a
    complementary filter (Mahony, Hamel and Pflimlin, IEEE Transactions on Automatic Control
    53(5), 2008). Not thread-safe.

    :param slope_time: seconds over whose median the ground's own slope is taken; 0 takes the
        ground for level
    """

    def __init__(self, slope_time: float) -> None:
        self.slope_time = slope_time
        self._filter = _UpFilter()
        self._stamps: List[float] = []
        self._ups: List[arrays.Float64] = []

    @property
    def newest(self) -> float:
        """Return the stamp of the newest sample, seconds; -inf where there is none."""
        return self._stamps[-1] if self._stamps else -math.inf

    def clear(self) -> None:
        """Forget all samples."""
        self._filter.restart()
        self._stamps, self._ups = [], []

    def add(self, sample: ImuSample) -> None:
        """
        Take in a sample.

        :raises InvalidInputError: it cannot be used, or contradicts those before, which are then
            forgotten
        """
        self._check(sample)
        back = self.newest - sample.stamp
        if back > _JUMP_BACK:
            self.clear()
            raise InvalidInputError('Stamps of the IMU went back', got=f'{back:.3f} s')
        if back >= 0.0:
            raise InvalidInputError('IMU sample is out of order', got=f'{back:.3f} s back',
                                    expected='ascending stamps')
        if sample.orientation is not None:
            up: Optional[arrays.Float64] = transforms.rotation_of(
                transforms.unit_quaternion(sample.orientation))[2]
        else:
            up = self._filter.update(sample)
        if up is None:
            return
        jumped = self._stamps and -back <= MOST_GAP and angle_between(
            self._ups[-1], up) > _NOISE - back * _MOST_RATE
        if jumped:
            turned = math.degrees(angle_between(self._ups[-1], up))
            self.clear()
            raise InvalidInputError('Orientation of the IMU jumps',
                                    got=f'{turned:.1f} degrees in {-back:.3f} s')
        self._stamps.append(sample.stamp)
        self._ups.append(up)
        old = max(bisect.bisect_left(self._stamps, sample.stamp - _LATE - self.slope_time),
                  len(self._stamps) - _MOST_SAMPLES)
        if old > 0:
            del self._stamps[:old], self._ups[:old]

    def up_at(self, stamp: float) -> arrays.Float64:
        """
        Return the way up at a time in the frame of the IMU, a unit vector (3,).

        :param stamp: seconds
        :raises TransformError: no samples on both sides of it, or too far apart
        """
        place = bisect.bisect_left(self._stamps, stamp)
        if place < len(self._stamps) and self._stamps[place] == stamp:
            return self._ups[place]
        if not self._stamps:
            raise TransformError('No IMU sample that can be used was received')
        if place == len(self._stamps):
            raise TransformError('IMU is late', got=f'its newest sample {stamp - self.newest:.3f} '
                                 's before the image', remedy='Check its driver and its clock.')
        if place == 0:
            raise TransformError('Image is older than all IMU samples',
                                 got=f'{self._stamps[0] - stamp:.3f} s',
                                 remedy='Right after the start this ends by itself.')
        before, after = self._stamps[place - 1], self._stamps[place]
        if after - before > MOST_GAP:
            raise TransformError('Gap in the IMU samples', got=f'{after - before:.3f} s',
                                 expected=f'at most {MOST_GAP:g} s')
        share = (stamp - before) / (after - before)
        # A chord is the arc here.
        up = (1.0 - share) * self._ups[place - 1] + share * self._ups[place]
        return up / float(np.sqrt(up.dot(up)))

    def tilt_at(self, stamp: float, ground_from_sensor: arrays.Float64) -> arrays.Float64:
        """
        Return the rotation that turns what is measured in the body to the ground, (3, 3).

        :param stamp: seconds
        :param ground_from_sensor: (3, 3) of a body that is not tipped
        :raises TransformError: the samples do not reach there
        :raises InvalidInputError: a tilt beyond :data:`MOST_TILT`
        """
        up = ground_from_sensor.dot(self.up_at(stamp))
        if angle_between(up, _UP) > MOST_TILT:
            raise InvalidInputError(
                'IMU says that the robot lies on its side',
                got=f'{math.degrees(angle_between(up, _UP)):.0f} degrees',
                expected=f'at most {math.degrees(MOST_TILT):.0f}',
                remedy="Check the transform of the IMU's frame.")
        ground = self._lasting_up(stamp, ground_from_sensor)
        return rotation_between(up, ground)

    def mean_tilt(self, begin: float, stamp: float, ground_from_sensor: arrays.Float64
                  ) -> arrays.Float64:
        """
        Return the mean rotation of the samples in a span, as :meth:`tilt_at` does of a moment.

        :param begin: seconds; the span is ``begin`` < t <= ``stamp``
        :raises TransformError: the samples do not reach there, or the span holds none
        """
        first, last = (bisect.bisect_right(self._stamps, time) for time in (begin, stamp))
        if first == last:
            raise TransformError('No IMU sample between two images',
                                 got=f'none in {stamp - begin:.3f} s')
        up = ground_from_sensor.dot(np.mean(np.array(self._ups[first:last]), axis=0))
        return rotation_between(up / float(np.sqrt(up.dot(up))),
                                self._lasting_up(stamp, ground_from_sensor))

    def _lasting_up(self, stamp: float, ground_from_sensor: arrays.Float64) -> arrays.Float64:
        """Return the way up of the ground itself in the frame of a body that is not tipped."""
        if self.slope_time <= 0.0:
            return _UP
        first = bisect.bisect_left(self._stamps, stamp - self.slope_time)
        last = bisect.bisect_right(self._stamps, stamp)
        passed = stamp - self._stamps[first]
        if passed < min(LEAST_TIME, 0.5 * self.slope_time):
            raise TransformError('IMU has too few samples before the image',
                                 got=f'{passed:.2f} s', expected=f'{LEAST_TIME:g} s',
                                 remedy='Right after the start this ends by itself.')
        # Some hundred samples tell the median as well as thousands.
        some = self._ups[first:last:1 + (last - first) // _MOST_OF_MEDIAN]
        ground = ground_from_sensor.dot(np.median(np.array(some), axis=0))
        return np.asarray(ground / float(np.sqrt(ground.dot(ground))), np.float64)

    def _check(self, sample: ImuSample) -> None:
        parts = [part for part in sample[1:] if part is not None]
        if not math.isfinite(sample.stamp) or not all(
                math.isfinite(number) for part in parts for number in part):
            raise InvalidInputError('IMU sample is not finite')
        if sample.orientation is None and (sample.turn_rate is None
                                           or sample.acceleration is None):
            raise InvalidInputError(
                'IMU measures neither orientation nor both turn rate and acceleration',
                remedy='Its covariances begin with -1 (REP-145), or its quaternion is 0. Take '
                'another topic of its driver.')


class _UpFilter:
    """Gyroscope and accelerometer to the way up; None until both have been heard for a second."""

    def __init__(self) -> None:
        self._bias = np.zeros(3)
        self.restart()

    def restart(self) -> None:
        """Begin again; what is known of the gyroscope's bias stays."""
        self._up: Optional[arrays.Float64] = None
        self._first: List[Tuple[float, arrays.Float64, arrays.Float64]] = []
        self._last = -math.inf
        self._rate = np.zeros(3)

    def update(self, sample: ImuSample) -> Optional[arrays.Float64]:
        rate, force = np.array(sample.turn_rate), np.array(sample.acceleration)
        passed, self._last = sample.stamp - self._last, sample.stamp
        if passed > MOST_GAP:
            self._up, self._first = None, []
        if self._up is None:
            return self._begin(sample.stamp, rate, force)
        mean, self._rate = 0.5 * (self._rate + rate), rate
        length = float(np.sqrt(force.dot(force)))
        turned = mean - self._bias
        if abs(length / _GRAVITY - 1.0) < _MOST_G_ERROR:
            pull = _cross(force / length, self._up)
            size = float(np.sqrt(pull.dot(pull)))
            if size > _MOST_PULL:
                pull *= _MOST_PULL / size
            turned = turned + pull / _FILTER_TIME
            # A quarter of the square: critically damped.
            self._bias = np.clip(self._bias - pull * passed / (2.0 * _FILTER_TIME) ** 2,
                                 -_MOST_BIAS, _MOST_BIAS)
        self._up = turned_by(self._up, -turned * passed)
        return self._up

    def _begin(self, stamp: float, rate: arrays.Float64, force: arrays.Float64
               ) -> Optional[arrays.Float64]:
        self._first.append((stamp, rate, force))
        if stamp - self._first[0][0] < LEAST_TIME:
            return None
        force = np.mean([each for _, _, each in self._first], axis=0)
        length = float(np.sqrt(force.dot(force)))
        mean = np.mean([each for _, each, _ in self._first], axis=0)
        self._first = []
        if abs(length / _GRAVITY - 1.0) > _MOST_G_ERROR:
            raise InvalidInputError(
                'Acceleration of the IMU is not that of gravity', got=f'{length:.2f} m/s^2',
                expected=f'about {_GRAVITY:.1f}', remedy='REP-145 wants gravity in it, in m/s^2.')
        self._up = force / length
        self._rate = rate
        # A body does not go on tipping for a second; turns about the way up change nothing.
        level = mean - self._up * float(self._up.dot(mean))
        if float(np.abs(level).max()) < _MOST_BIAS:
            self._bias = level
        return self._up


_UP = np.array([0.0, 0.0, 1.0])
_UP.setflags(write=False)


def angle_between(first: arrays.Float64, second: arrays.Float64) -> float:
    """Return the angle between two unit vectors (3,), radians."""
    across = _cross(first, second)
    return math.atan2(float(np.sqrt(across.dot(across))), float(first.dot(second)))


def rotation_between(first: arrays.Float64, second: arrays.Float64) -> arrays.Float64:
    """
    Return the shortest rotation from one unit vector to another, (3, 3).

    :param first: (3,); not opposite to ``second``
    """
    x, y, z = _cross(first, second).tolist()
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + skew + skew.dot(skew) / (1.0 + float(first.dot(second)))


def _cross(first: arrays.Float64, second: arrays.Float64) -> arrays.Float64:
    # A tenth of the time of numpy's own; an IMU sends up to 1000 samples a second.
    ax, ay, az = first.tolist()
    bx, by, bz = second.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def turned_by(vector: arrays.Float64, rotation: arrays.Float64) -> arrays.Float64:
    """
    Return a unit vector turned about an axis (Rodrigues).

    :param rotation: (3,) axis times radians
    """
    angle = float(np.sqrt(rotation.dot(rotation)))
    if angle < 1e-12:
        return vector
    axis = rotation / angle
    result = (math.cos(angle) * vector + math.sin(angle) * _cross(axis, vector)
              + (1.0 - math.cos(angle)) * float(axis.dot(vector)) * axis)
    return np.asarray(result / np.sqrt(result.dot(result)), np.float64)


def tipped(pose: transforms.CameraPose, tilt: arrays.Float64) -> transforms.CameraPose:
    """
    Return the pose of a camera on a body that is tipped about the origin of the ground frame.

    :param pose: of a body that is not
    :param tilt: (3, 3), of :meth:`TiltBuffer.tilt_at`; one within :data:`DEAD_BAND` changes
        nothing
    """
    if angle_between(tilt[:, 2], _UP) < DEAD_BAND:
        return pose
    turn = np.eye(4)
    turn[:3, :3] = tilt
    return pose._replace(ground_from_camera=turn.dot(pose.ground_from_camera))
