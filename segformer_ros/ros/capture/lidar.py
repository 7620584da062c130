# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The lidar that the costmap is compared with: clouds in, frames with their clouds out."""

import threading
from typing import Callable, List, Set, Tuple

import numpy as np
from rclpy.node import Node
from segformer_ros.capture import lidar
from segformer_ros.capture.frame import CandidateFrame
from segformer_ros.capture.frame import MeasuredView
from segformer_ros.common import errors
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap.geometry.camera_poses import CameraPoses
from segformer_ros.costmap.geometry.camera_poses import Frames
from segformer_ros.costmap.point_cloud import points_of_cloud
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io import topics
from sensor_msgs.msg import PointCloud2


class LidarInput:
    """
    Subscribes to a lidar, and joins its clouds with frames that are in the costmap.

    :param node: owns the subscription
    :param topic: of sensor_msgs/PointCloud2
    :param leave: takes each frame with its cloud, and returns at once
    """

    def __init__(self, node: Node, topic: str, leave: Callable[[CandidateFrame], None]) -> None:
        self._node = node
        self._name = node.resolve_topic_name(topic)
        self._leave = leave
        self._matcher: 'lidar.CloudMatcher[PointCloud2, CandidateFrame]' = lidar.CloudMatcher()
        self._lock = threading.Lock()
        self._told: Set[str] = set()
        self._fault = ''
        self.is_lost = False
        """Whether it was not known where the newest cloud was taken: then none is waited for."""
        self._received = self._compared = self._useless = 0
        self._subscription = endpoints.subscribe(node, PointCloud2, topic, self._on_cloud,
                                                 topics.LIDAR_IN.profile())

    def offer(self, frame: CandidateFrame) -> CandidateFrame:
        """Return a frame with its cloud, as it is where that has not come: it may wait for it."""
        cloud = self._matcher.add_view(frame.camera, frame.stamp_ns, frame)
        return frame if cloud is None else frame._replace(cloud=cloud)

    def read(self, cloud: PointCloud2, measured: MeasuredView, poses: CameraPoses, frames: Frames
             ) -> MeasuredView:
        """
        Return what is measured of a frame with the points of its cloud.

        :raises TransformError: it is not known where the cloud was taken, or not yet
        :raises InvalidInputError: it cannot be read
        """
        matrix = poses.ground_from_sensor(cloud.header.frame_id,
                                          stamp_to_nanoseconds(cloud.header.stamp),
                                          measured.view.pose, frames)
        points = points_of_cloud(cloud, lidar.MOST_POINTS)
        with np.errstate(invalid='ignore', over='ignore'):
            points = points.dot(matrix[:3, :3].T) + matrix[:3, 3]
        with self._lock:
            self._compared += 1
            self._fault = ''
            self.is_lost = False
        return measured._replace(points=points[np.isfinite(points).all(axis=1)])

    def record_fault(self, error: errors.SegformerRosError) -> None:
        """Count a cloud of no use; log the first one of each kind."""
        with self._lock:
            self._useless += 1
            self._fault = str(error)
            self.is_lost = isinstance(error, errors.TransformError)
            is_new = error.problem not in self._told
            self._told.add(error.problem)
        if is_new:
            self._node.get_logger().warning(
                f'A cloud on {self._name} is not compared with the costmap: {error} Further ones '
                'are counted in diagnostics.')

    def figures(self) -> List[Tuple[str, str]]:
        """Return what diagnostics tell."""
        with self._lock:
            found = [('lidar', f'{self._name}: {self._received} clouds, {self._compared} '
                               f'compared, {self._useless} of no use')]
            return found + [('last fault of the lidar', self._fault)] * bool(self._fault)

    def clear(self) -> None:
        """Forget clouds and frames that wait."""
        self._matcher.clear()

    def destroy(self) -> None:
        """Take no more clouds."""
        self._node.destroy_subscription(self._subscription)
        self.clear()

    def _on_cloud(self, message: PointCloud2) -> None:
        size = len(message.data)
        with self._lock:
            self._received += 1
        if size > lidar.MOST_BYTES:
            self.record_fault(errors.InvalidInputError(
                'Point cloud is too large', got=f'{size} bytes',
                expected=f'at most {lidar.MOST_BYTES}', remedy='Name a thinned one.'))
            return
        if len(message.fields) > lidar.MOST_FIELDS:
            self.record_fault(errors.InvalidInputError(
                'Point cloud has too many fields', got=f'{len(message.fields)} fields',
                expected=f'at most {lidar.MOST_FIELDS}', remedy='Name a plainer one.'))
            return
        for frame in self._matcher.add_cloud(stamp_to_nanoseconds(message.header.stamp), message,
                                             size):
            self._leave(frame._replace(cloud=message))
