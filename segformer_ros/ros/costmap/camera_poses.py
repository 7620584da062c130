# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where a camera was when it took an image: from transforms, its mount, a range finder."""

import collections
import threading
import time
from typing import Callable, Deque, NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.costmap.geometry import registration
from segformer_ros.costmap.geometry import transforms as geometry_transforms
from segformer_ros.costmap.settings import NADIR
from segformer_ros.ros.costmap.imu import ImuTilt
from segformer_ros.ros.io.transforms import Transforms
from segformer_ros.ros.parameters import costmap as parameters_costmap
from segformer_ros.ros.parameters.node import CameraParameters

RANGE_MAX_AGE = 1.0
"""Seconds between a range and an image beyond which the range says nothing about it."""
RANGE_READINGS = 256
"""Readings that are kept: more than a second of any range finder in use."""


class RangeReading(NamedTuple):
    """
    One sensor_msgs/Range: metres along the beam, its frame and stamp.

    ``limits``: what the sensor can measure, metres; (0, 0) where the driver does not say.
    """

    distance: float
    frame_id: str
    stamp_ns: int
    limits: Tuple[float, float] = (0.0, 0.0)


class CameraPoses:
    """
    Finds the pose of a camera at the stamp of an image, without waiting.

    :param transforms: of the robot; destroyed with this
    :param tell: takes a sentence for the log when another frame is taken for the ground
    :param range_topic: resolved name, for errors
    :param imu: that tips the body, where one is used; destroyed with this
    """

    def __init__(self, transforms: Transforms, tell: Callable[[str], None] = lambda text: None,
                 range_topic: str = 'range', imu: Optional[ImuTilt] = None) -> None:
        self._transforms = transforms
        self._tell = tell
        self._range_topic = range_topic
        self.imu = imu
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
        if self.imu is not None:
            self.imu.clear()
        self._missing_since = None
        with self._lock:
            self._ranges.clear()

    def destroy(self) -> None:
        """Take no more messages."""
        self._transforms.destroy()
        if self.imu is not None:
            self.imu.destroy()

    def add_range(self, reading: RangeReading) -> None:
        """Take the newest reading of the range finder that looks down."""
        with self._lock:
            self._ranges.append(reading)

    def ground_frame(self, parameters: parameters_costmap.CostmapParameters) -> str:
        """Return the frame that was taken for the ground last."""
        name = parameters.ground_frame
        return parameters_costmap.STAND_INS.get(name, name) if self._stands_in else name

    def with_known_ground(self, camera: CameraParameters,
                          parameters: parameters_costmap.CostmapParameters
                          ) -> parameters_costmap.CostmapParameters:
        """
        Return the parameters with the frame that stands in for ``ground_frame`` where one has to.

        The frame that was asked for gets half of ``transform_tolerance`` to come, and is taken
        whenever it comes later.
        """
        name = parameters.ground_frame
        other = parameters_costmap.STAND_INS.get(name)
        if other is None or other == parameters.odom_frame or not parameters.has_odometry or (
                parameters.settings.projection.mode == NADIR and camera.mount_height <= 0.0):
            return parameters
        if self._transforms.knows(name):
            self._missing_since = None
            if self._stands_in:
                self._stands_in = False
                self._tell(f'Frame {name} has come and is the ground from now on, instead of '
                           f'{other}.')
            return parameters
        if not self._transforms.knows(other):
            return parameters
        now = time.monotonic()
        if self._missing_since is None:
            self._missing_since = now
        if now - self._missing_since < parameters.transform_tolerance / 2.0:
            return parameters
        if not self._stands_in:
            self._stands_in = True
            self._tell(f'No transform names {name}, so z = 0 of {other} counts as the ground. '
                       f'Where {other} is not on the ground, publish {name} or set ground_frame.')
        return parameters._replace(ground_frame=other)

    def pose_of(self, camera: CameraParameters, frame_id: str, stamp_ns: int,
                parameters: parameters_costmap.CostmapParameters, is_last: bool = True
                ) -> geometry_transforms.CameraPose:
        """
        Return the pose of one image.

        :param frame_id: of the image's header
        :param is_last: do not wait for an IMU that may still come
        :raises TransformError: a transform is not known, or not yet
        :raises InvalidInputError: an image without a frame, or a range finder without an echo
        """
        mounted = camera.mount_height > 0.0
        if not frame_id and not mounted:
            raise InvalidInputError('Image has no frame_id', expected="the camera's optical frame",
                                    remedy='Set it in the camera driver, or set mount.height.')
        ground_from_camera = None if not mounted else geometry_transforms.mount_pose(
            camera.mount_height, camera.mount_pitch, camera.mount_roll, camera.mount_x,
            camera.mount_y, camera.mount_yaw)
        if parameters.settings.projection.mode == NADIR:
            return self._nadir(ground_from_camera, frame_id, stamp_ns, parameters)
        if ground_from_camera is None:
            ground_from_camera = self._lookup('ground_frame', parameters.ground_frame, frame_id,
                                              stamp_ns, parameters)
        pose = geometry_transforms.CameraPose(self._odometry(stamp_ns, parameters),
                                              ground_from_camera)
        if self.imu is None:
            return pose
        return self.imu.tip(pose, stamp_ns, lambda frame: self._lookup(
            'ground_frame', parameters.ground_frame, frame, stamp_ns, parameters,
            'frame_id of the IMU'), is_last)

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

    def _odometry(self, stamp_ns: int,
                  parameters: parameters_costmap.CostmapParameters) -> arrays.Float64:
        if not parameters.has_odometry:
            return np.eye(4)
        return self._lookup('odom_frame', parameters.odom_frame, parameters.ground_frame,
                            stamp_ns, parameters, 'ground_frame')

    def _lookup(self, parameter: str, target: str, source: str, stamp_ns: int,
                parameters: parameters_costmap.CostmapParameters,
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
            raise TransformError(
                error.problem, error.got, error.expected,
                f'{error.remedy or ""} Asked for {source!r} ({source_name}) in {target!r} '
                f'({parameter}) and waited {parameters.transform_tolerance:g} s '
                '(transform_tolerance): set these frames to those of the robot, or wait longer '
                'where the transform comes late.'.strip()) from error

    def _nadir(self, ground_from_camera: Optional[arrays.Float64], frame_id: str, stamp_ns: int,
               parameters: parameters_costmap.CostmapParameters
               ) -> geometry_transforms.CameraPose:
        if ground_from_camera is not None:
            odom_from_camera = self._odometry(stamp_ns, parameters).dot(ground_from_camera)
        else:
            odom_from_camera = self._lookup('odom_frame', parameters.odom_frame, frame_id,
                                            stamp_ns, parameters)
        height = float(odom_from_camera[2, 3])
        if parameters.height_source == parameters_costmap.RANGE:
            height = self._height(odom_from_camera, stamp_ns, parameters)
        return geometry_transforms.pose_above_ground(odom_from_camera, height)

    def _height(self, odom_from_camera: arrays.Float64, stamp_ns: int,
                parameters: parameters_costmap.CostmapParameters) -> float:
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
            'odom_frame', parameters.odom_frame, reading.frame_id, reading.stamp_ns, parameters,
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
