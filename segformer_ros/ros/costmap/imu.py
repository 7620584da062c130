# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The robot's IMU: poses of cameras on a body that tips, where TF has neither roll nor pitch."""

import math
import threading
import time
from typing import Callable, List, Optional, Tuple

import numpy as np
from rclpy.node import Node
from segformer_ros.common import arrays
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.text import plain
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_seconds
from segformer_ros.costmap.geometry import lift
from segformer_ros.costmap.geometry import tilt
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.logging import Throttle
from sensor_msgs.msg import Imu

# Seconds without a message after which no image waits for one.
_SILENCE = 0.5
# Seconds between two images over which the way is not looked at: cameras beside each other.
_LEAST_PIECE = 0.02
# Radians by which TF has to tip something before it counts: odometry in the plane has 0.
_CARRIED = math.radians(0.3)
# Of a quaternion that nobody has set.
_UNSET = 0.1

Lookup = Callable[[str], arrays.Float64]
"""From a frame to ground_from_frame (4, 4) at the image's stamp; raises TransformError."""


class ImuTilt:
    """
    Tips the poses of cameras as an IMU says.

    :param node: owns the subscription
    :param topic: of sensor_msgs/Imu
    :param slope_time: of :class:`tilt.TiltBuffer`
    """

    def __init__(self, node: Node, topic: str, slope_time: float) -> None:
        self._node = node
        self._name = node.resolve_topic_name(topic)
        self._log = Throttle(node.get_logger(), time.monotonic)
        self._lock = threading.Lock()
        self._buffer = tilt.TiltBuffer(slope_time)
        self._lift = lift.Lift()
        self._frame = ''
        self._arrived = -math.inf
        self._forget()
        self._subscription = endpoints.subscribe(node, Imu, topic, self._on_imu,
                                                 topics.IMU_IN.profile())

    def _forget(self) -> None:
        self._fault = ''
        self._rejected = 0
        self._carried = ''
        self._resting: Optional[arrays.Float64] = None
        self._angles: Optional[Tuple[float, float]] = None
        self._lift.forget()

    @property
    def fault(self) -> str:
        """Return why the newest image was taken as on a body that is not tipped, or nothing."""
        with self._lock:
            return self._fault

    def figures(self) -> List[Tuple[str, str]]:
        """Return what diagnostics tell."""
        with self._lock:
            angles = 'unknown' if self._angles is None else 'roll {:.2f}, pitch {:.2f}'.format(
                *(math.degrees(angle) for angle in self._angles))
            used = self._carried or ('not used: ' + self._fault if self._fault else self._name)
            height = 'unknown' if self._angles is None else f'{self._lift.meters:.3f}'
            return [('IMU', used), ('tilt of the body [deg]', angles),
                    ('lift of the body [m]', height),
                    ('IMU samples of no use', str(self._rejected))]

    def clear(self) -> None:
        """Forget all samples: time went back."""
        with self._lock:
            self._buffer.clear()
            self._forget()

    def destroy(self) -> None:
        """Take no more messages."""
        self._node.destroy_subscription(self._subscription)

    def tip(self, pose: CameraPose, stamp_ns: int, lookup: Lookup, is_last: bool) -> CameraPose:
        """
        Return the pose on the body as it is tipped, or as it is where the IMU cannot tell.

        :param pose: by TF or by the mount
        :param lookup: of the frame of the IMU
        :param is_last: do not wait for samples that may still come
        :raises TransformError: a sample after the image may still come
        """
        stamp = stamp_ns / NANOSECONDS
        with self._lock:
            frame, newest = self._frame, self._buffer.newest
            # Of no use for long, or silent: nothing is waited for.
            if not is_last and newest < stamp < newest + _SILENCE and \
                    time.monotonic() - self._arrived < _SILENCE:
                raise TransformError('IMU is not there yet')
        try:
            result = self._tipped(pose, stamp, frame, lookup)
            fault = ''
        except SegformerRosError as error:
            result, fault = pose, str(error)
        with self._lock:
            self._fault = fault
            if fault:
                self._angles = None
        if fault:
            self._log.warning('imu', f'The IMU on {self._name} is not used, and the ground is '
                              f'taken to be level with the robot: {fault}')
        return result

    def _tipped(self, pose: CameraPose, stamp: float, frame: str, lookup: Lookup) -> CameraPose:
        if self._arrived == -math.inf:
            raise TransformError('No message of the IMU was received',
                                 expected=f'one on {self._name}',
                                 remedy='Set imu.topic to the topic of its driver.')
        ground_from_sensor = lookup(frame)[:3, :3]
        with self._lock:
            self._carried = self._carried or self._carries(pose, ground_from_sensor)
            if self._carried:
                self._angles = None
                return pose
            rotation = self._buffer.tilt_at(stamp, ground_from_sensor)
            self._angles = (math.atan2(rotation[2, 1], rotation[2, 2]),
                            math.asin(max(-1.0, min(1.0, -float(rotation[2, 0])))))
            meters = self._lift_at(pose, stamp, ground_from_sensor)
        return lift.lifted(tilt.tipped(pose, rotation), meters)

    def _lift_at(self, pose: CameraPose, stamp: float, ground_from_sensor: arrays.Float64
                 ) -> float:
        """Return how far wheels lift the body at a time, metres, after the way driven."""
        begin = self._lift.stamp
        if stamp < begin + _LEAST_PIECE:
            return self._lift.meters
        mean: Optional[arrays.Float64] = None
        if begin > -math.inf:
            try:
                mean = self._buffer.mean_tilt(begin, stamp, ground_from_sensor)
            except TransformError:
                # Nothing is known of this piece of the way: the lift begins anew.
                pass
        return self._lift.move(stamp, pose.odom_from_ground, mean)

    def _carries(self, pose: CameraPose, ground_from_sensor: arrays.Float64) -> str:
        """Return how TF tells roll or pitch, or nothing; it is told once."""
        up = np.array([0.0, 0.0, 1.0])
        resting = ground_from_sensor[2].copy()
        if self._resting is None:
            self._resting = resting
        reason = ''
        if tilt.angle_between(pose.odom_from_ground[:3, 2], up) > _CARRIED:
            reason = 'not used: odometry has roll or pitch'
        elif tilt.angle_between(self._resting, resting) > _CARRIED:
            reason = f'not used: TF moves {plain(self._frame)} in roll or pitch'
        if reason:
            self._node.get_logger().warning(
                f'The IMU on {self._name} is {reason}. Applied as well, it would count twice; '
                'leave imu.topic empty on this robot.')
        return reason

    def _on_imu(self, message: Imu) -> None:
        sample = sample_of(message)
        with self._lock:
            self._arrived = time.monotonic()
            if message.header.frame_id != self._frame:
                self._frame = message.header.frame_id
                self._buffer.clear()
                self._lift.forget()
                self._resting = None
            try:
                self._buffer.add(sample)
                return
            except SegformerRosError as error:
                self._rejected += 1
                problem, text = error.problem, str(error)
        self._log.warning(problem, f'Message on {self._name} ignored: {text}')


def sample_of(message: Imu) -> tilt.ImuSample:
    """Return a message as plain numbers; what REP-145 marks as not measured is None."""
    q, rate, force = (message.orientation, message.angular_velocity, message.linear_acceleration)
    quaternion = (q.x, q.y, q.z, q.w)
    turning = None if message.angular_velocity_covariance[0] == -1.0 else (
        rate.x, rate.y, rate.z)
    pushed = None if message.linear_acceleration_covariance[0] == -1.0 else (
        force.x, force.y, force.z)
    # Zeros in ROS 1; in ROS 2 no turn at all, to which the rest of the message has more to say.
    unset = max(abs(part) for part in quaternion) < _UNSET or (
        quaternion == (0.0, 0.0, 0.0, 1.0) and turning is not None
        and pushed not in (None, (0.0, 0.0, 0.0)))
    has_orientation = message.orientation_covariance[0] != -1.0 and not unset
    return tilt.ImuSample(stamp_to_seconds(message.header.stamp),
                          quaternion if has_orientation else None, turning, pushed)
