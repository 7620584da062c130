# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where a camera was when it took an image: from transforms, its mount, a range finder."""

import collections
import threading
import time
from typing import Any, Callable, Deque, NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap.geometry import registration
from segformer_ros.costmap.geometry import transforms as geometry_transforms
from segformer_ros.costmap.geometry.transform_buffer import LONGEST_NAME
from segformer_ros.costmap.geometry.transform_buffer import Transforms

TF, RANGE = 'tf', 'range'
"""Sources of the height in a nadir view."""
STAND_INS = {'base_footprint': 'base_link'}
"""What the default of ``ground_frame`` gives way to on robots that have only the latter."""
Tip = Callable[[geometry_transforms.CameraPose, int, Callable[[str], arrays.Float64], bool],
               geometry_transforms.CameraPose]
"""
From a pose, a stamp in nanoseconds, the pose of a frame in the ground's at that stamp, and
whether nothing is waited for, to the pose on a body that is tipped.
"""
RANGE_MAX_AGE = 1.0
"""Seconds between a range and an image beyond which the range says nothing about it."""
RANGE_READINGS = 256
"""Readings that are kept: more than a second of any range finder in use."""


class Mount(NamedTuple):
    """
    How a camera sits on a robot, as the parameters ``mount.*`` say it; height 0: transforms tell.

    ``height`` of the lens above the ground, ``x`` ahead and ``y`` left of the ground frame's
    origin in metres; ``pitch`` downwards, ``roll`` right side down and ``yaw`` to the left in
    radians.
    """

    height: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    yaw: float = 0.0
    x: float = 0.0
    y: float = 0.0

    def matrix(self) -> arrays.Float64:
        """Return ground_from_camera (4, 4)."""
        return geometry_transforms.mount_pose(self.height, self.pitch, self.roll, self.x, self.y,
                                              self.yaw)


class Frames(NamedTuple):
    """
    Between which frames poses are looked for; the parameters of these names tell more.

    ``transform_tolerance``: seconds that an image may wait, 0 where nothing is waited for.
    ``is_nadir``: the cameras look down, from ``height_source``.
    """

    odom_frame: str = 'odom'
    ground_frame: str = 'base_footprint'
    transform_tolerance: float = 0.0
    height_source: str = TF
    is_nadir: bool = False

    @property
    def has_odometry(self) -> bool:
        """Return whether images are joined by the robot's motion."""
        return self.odom_frame != self.ground_frame


class RangeReading(NamedTuple):
    """
    One sensor_msgs/Range: metres along the beam, its frame and stamp.

    ``limits``: what the sensor can measure, metres; (0, 0) where the driver does not say.
    """

    distance: float
    frame_id: str
    stamp_ns: int
    limits: Tuple[float, float] = (0.0, 0.0)


def range_reading(message: Any) -> RangeReading:
    """
    Return a message as a reading.

    :param message: with the fields of sensor_msgs/Range
    """
    # One longer than frames are is unknown, however much of it is kept.
    return RangeReading(message.range, message.header.frame_id[:LONGEST_NAME + 1],
                        stamp_to_nanoseconds(message.header.stamp),
                        (message.min_range, message.max_range))


class CameraPoses:
    """
    Finds the pose of a camera at the stamp of an image, without waiting.

    :param transforms: of the robot; destroyed with this
    :param tell: takes a sentence for the log when another frame is taken for the ground
    :param range_topic: resolved name, for errors
    :param tip: that tips the body as an IMU says, where one is used
    """

    def __init__(self, transforms: Transforms, tell: Callable[[str], None] = lambda text: None,
                 range_topic: str = 'range', tip: Optional[Tip] = None) -> None:
        self._transforms = transforms
        self._tell = tell
        self._range_topic = range_topic
        self._tip = tip
        self._lock = threading.Lock()
        self._missing_since: Optional[float] = None
        self._stands_in = False
        self._ranges: Deque[RangeReading] = collections.deque(maxlen=RANGE_READINGS)

    @property
    def source(self) -> str:
        """Return where transforms come from."""
        return self._transforms.source

    def clear(self) -> None:
        """Forget what moves: time went back."""
        self._transforms.clear()
        self._missing_since = None
        with self._lock:
            self._ranges.clear()

    def destroy(self) -> None:
        """Take no more messages."""
        self._transforms.destroy()

    def add_range(self, reading: RangeReading) -> None:
        """Take the newest reading of the range finder that looks down."""
        with self._lock:
            self._ranges.append(reading)

    def ground_frame(self, frames: Frames) -> str:
        """Return the frame that was taken for the ground last."""
        name = frames.ground_frame
        return STAND_INS.get(name, name) if self._stands_in else name

    def with_known_ground(self, mount: Mount, frames: Frames) -> Frames:
        """
        Return the frames with the frame that stands in for ``ground_frame`` where one has to.

        The frame that was asked for gets half of ``transform_tolerance`` to come, and is taken
        whenever it comes later.
        """
        name = frames.ground_frame
        other = STAND_INS.get(name)
        if other is None or other == frames.odom_frame or not frames.has_odometry or (
                frames.is_nadir and mount.height <= 0.0):
            return frames
        if self._transforms.knows(name):
            self._missing_since = None
            if self._stands_in:
                self._stands_in = False
                self._tell(f'Frame {name} has come and is the ground from now on, instead of '
                           f'{other}.')
            return frames
        if not self._transforms.knows(other):
            return frames
        now = time.monotonic()
        if self._missing_since is None:
            self._missing_since = now
        if now - self._missing_since < frames.transform_tolerance / 2.0:
            return frames
        if not self._stands_in:
            self._stands_in = True
            self._tell(f'No transform names {name}, so z = 0 of {other} counts as the ground. '
                       f'Where {other} is not on the ground, publish {name} or set ground_frame.')
        return frames._replace(ground_frame=other)

    def pose_of(self, mount: Mount, frame_id: str, stamp_ns: int, frames: Frames,
                is_last: bool = True) -> geometry_transforms.CameraPose:
        """
        Return the pose of one image.

        :param frame_id: of the image's header
        :param is_last: do not wait for an IMU that may still come
        :raises TransformError: a transform is not known, or not yet
        :raises InvalidInputError: an image without a frame, or a range finder without an echo
        """
        mounted = mount.height > 0.0
        if not frame_id and not mounted:
            raise InvalidInputError('Image has no frame_id', expected="the camera's optical frame",
                                    remedy='Set it in the camera driver, or set mount.height.')
        ground_from_camera = mount.matrix() if mounted else None
        if frames.is_nadir:
            return self._nadir(ground_from_camera, frame_id, stamp_ns, frames)
        if ground_from_camera is None:
            ground_from_camera = self._lookup('ground_frame', frames.ground_frame, frame_id,
                                              stamp_ns, frames)
        pose = geometry_transforms.CameraPose(self._odometry(stamp_ns, frames),
                                              ground_from_camera)
        return pose if self._tip is None else self._tip(
            pose, stamp_ns, lambda frame: self._lookup(
                'ground_frame', frames.ground_frame, frame, stamp_ns, frames,
                'frame_id of the IMU'), is_last)

    def ground_from_sensor(self, frame_id: str, stamp_ns: int,
                           pose: geometry_transforms.CameraPose, frames: Frames
                           ) -> arrays.Float64:
        """
        Return where a lidar measured, (4, 4), in the ground frame of an image's moment.

        :param frame_id: of the lidar
        :param stamp_ns: of its cloud, nanoseconds
        :param pose: of the image
        :raises TransformError: not known, or not yet
        """
        odom_from_sensor = self._lookup('odom_frame', frames.odom_frame, frame_id, stamp_ns,
                                        frames, 'frame_id of the point cloud')
        return geometry_transforms.inverse(pose.odom_from_ground).dot(odom_from_sensor)

    def check_same_place(self, image_frame: str, depth_frame: str, stamp_ns: int) -> None:
        """
        Check that depth is measured where the image is taken.

        A frame of another name is the same place if TF says so.

        :param image_frame: frame_id of the image
        :param depth_frame: frame_id of its depth image
        :raises InvalidInputError: another place, an unnamed one, or one that TF does not know
        """
        registration.check_registered(
            image_frame, depth_frame,
            lambda: self._transforms.lookup(image_frame, depth_frame, stamp_ns))

    def _odometry(self, stamp_ns: int, frames: Frames) -> arrays.Float64:
        if not frames.has_odometry:
            return np.eye(4)
        return self._lookup('odom_frame', frames.odom_frame, frames.ground_frame,
                            stamp_ns, frames, 'ground_frame')

    def _lookup(self, parameter: str, target: str, source: str, stamp_ns: int, frames: Frames,
                source_name: str = 'frame_id of the images') -> arrays.Float64:
        """
        Return target_from_source (4, 4).

        :param parameter: that names ``target``
        :param source_name: what names ``source``
        :raises TransformError: with the parameters that may be wrong
        """
        try:
            return self._transforms.lookup(target, source, stamp_ns)
        except TransformError as error:
            waited = frames.transform_tolerance
            raise TransformError(
                error.problem, error.got, error.expected,
                (f'{error.remedy or ""} Asked for {source!r} ({source_name}) in {target!r} '
                 f'({parameter})' + (f' and waited {waited:g} s (transform_tolerance)' * (
                     waited > 0.0)) + ': set these frames to those of the robot' + (
                         ', or wait longer where the transform comes late' * (waited > 0.0))
                 + '.').strip()) from error

    def _nadir(self, ground_from_camera: Optional[arrays.Float64], frame_id: str, stamp_ns: int,
               frames: Frames) -> geometry_transforms.CameraPose:
        if ground_from_camera is not None:
            odom_from_camera = self._odometry(stamp_ns, frames).dot(ground_from_camera)
        else:
            odom_from_camera = self._lookup('odom_frame', frames.odom_frame, frame_id,
                                            stamp_ns, frames)
        height = float(odom_from_camera[2, 3])
        if frames.height_source == RANGE:
            height = self._height(odom_from_camera, stamp_ns, frames)
        return geometry_transforms.pose_above_ground(odom_from_camera, height)

    def _height(self, odom_from_camera: arrays.Float64, stamp_ns: int, frames: Frames
                ) -> float:
        reading = self._range_at(stamp_ns)
        if reading is None:
            raise TransformError('No range was received',
                                 expected=f'a message on {self._range_topic}',
                                 remedy='Remap range to the topic of the range finder, or set '
                                 'height_source: tf.')
        age = (stamp_ns - reading.stamp_ns) / NANOSECONDS
        if abs(age) > RANGE_MAX_AGE:
            raise TransformError('Range and image are too far apart', got=f'{age:.3f} s',
                                 expected=f'at most {RANGE_MAX_AGE} s')
        odom_from_sensor = self._lookup(
            'odom_frame', frames.odom_frame, reading.frame_id, reading.stamp_ns, frames,
            'frame_id of the range')
        # The camera may sit above or below the range finder.
        return geometry_transforms.height_from_range(
            reading.distance, odom_from_sensor,
            reading.limits) + float(odom_from_camera[2, 3] - odom_from_sensor[2, 3])

    def _range_at(self, stamp_ns: int) -> Optional[RangeReading]:
        with self._lock:
            readings = sorted(self._ranges, key=lambda reading: reading.stamp_ns)
        # The last one before the image: where its pose is known, so is that of the sensor.
        before = [reading for reading in readings if reading.stamp_ns <= stamp_ns]
        return before[-1] if before else readings[0] if readings else None
