# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where a camera was when it took an image: from transforms, its mount, a range finder."""

import collections
import threading
from typing import Deque, NamedTuple, Optional, Tuple, TYPE_CHECKING

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.costmap.geometry import transforms as geometry_transforms
from segformer_ros.costmap.settings import NADIR
from segformer_ros.ros.io.transforms import Transforms
from segformer_ros.ros.parameters.costmap import CostmapParameters
from segformer_ros.ros.parameters.costmap import RANGE
from segformer_ros.ros.parameters.node import CameraParameters

if TYPE_CHECKING:
    Matrix = arrays.Float64

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
    """

    def __init__(self, transforms: Transforms) -> None:
        self._transforms = transforms
        self._lock = threading.Lock()
        self._ranges: Deque[RangeReading] = collections.deque(maxlen=RANGE_READINGS)

    @property
    def source(self) -> str:
        """Return where transforms come from."""
        return self._transforms.source

    def clear(self) -> None:
        """Forget what moves: time went back."""
        self._transforms.clear()
        with self._lock:
            self._ranges.clear()

    def destroy(self) -> None:
        """Take no more messages."""
        self._transforms.destroy()

    def add_range(self, reading: RangeReading) -> None:
        """Take the newest reading of the range finder that looks down."""
        with self._lock:
            self._ranges.append(reading)

    def pose_of(self, camera: CameraParameters, frame_id: str, stamp_ns: int,
                parameters: CostmapParameters) -> geometry_transforms.CameraPose:
        """
        Return the pose of one image.

        :param frame_id: of the image's header
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
            ground_from_camera = self._transforms.lookup(
                parameters.ground_frame, frame_id, stamp_ns)
        return geometry_transforms.CameraPose(self._odometry(stamp_ns, parameters),
                                              ground_from_camera)

    def _odometry(self, stamp_ns: int, parameters: CostmapParameters) -> 'Matrix':
        if not parameters.has_odometry:
            return np.eye(4)
        return self._transforms.lookup(parameters.odom_frame, parameters.ground_frame, stamp_ns)

    def _nadir(self, ground_from_camera: 'Optional[Matrix]', frame_id: str, stamp_ns: int,
               parameters: CostmapParameters) -> geometry_transforms.CameraPose:
        if ground_from_camera is not None:
            odom_from_camera = self._odometry(stamp_ns, parameters).dot(ground_from_camera)
        else:
            odom_from_camera = self._transforms.lookup(parameters.odom_frame, frame_id, stamp_ns)
        height = float(odom_from_camera[2, 3])
        if parameters.height_source == RANGE:
            height = self._height(odom_from_camera, stamp_ns, parameters)
        return geometry_transforms.pose_above_ground(odom_from_camera, height)

    def _height(self, odom_from_camera: 'Matrix', stamp_ns: int,
                parameters: CostmapParameters) -> float:
        reading = self._range_at(stamp_ns)
        if reading is None:
            raise TransformError('No range was received', expected='a message on the topic range',
                                 remedy='Check the topic name, or set height_source: tf.')
        age = (stamp_ns - reading.stamp_ns) / NANOSECONDS
        if abs(age) > RANGE_MAX_AGE:
            raise TransformError('Range and image are too far apart', got=f'{age:.3f} s',
                                 expected=f'at most {RANGE_MAX_AGE} s')
        odom_from_sensor = self._transforms.lookup(
            parameters.odom_frame, reading.frame_id, reading.stamp_ns)
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
