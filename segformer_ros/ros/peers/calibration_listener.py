# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Listen to a robot that is driven, for a calibration of its cameras."""

import functools
from typing import Any, Dict, List, Optional, Sequence, Tuple

from nav_msgs.msg import Odometry
import numpy as np
from rclpy import qos
from segformer_ros.calibration.motion_log import MotionLog
from segformer_ros.common import arrays
from segformer_ros.common.time import stamp_to_seconds
from segformer_ros.costmap.geometry import transforms
from segformer_ros.ros.io import transforms as ros_transforms
from segformer_ros.ros.peers.standalone_node import StandaloneNode
from sensor_msgs import msg as sensor_msgs
from tf2_msgs.msg import TFMessage

MOST_IMAGES = 300
"""Of one camera that are kept: 280 MB of 640 x 480 pixels."""
# Between two images that are kept: shorter than any step that a calibration takes.
_LEAST_WAY, _LEAST_TURN = 0.03, 0.02
_ODOMETRY_QOS = qos.QoSProfile(depth=100, reliability=qos.ReliabilityPolicy.BEST_EFFORT)


class CalibrationListener(StandaloneNode):
    """
    A node that keeps the images of a drive, and what is said about it.

    :param log: gets transforms, odometry and CameraInfo
    :param cameras: image topic and that of its CameraInfo; ``/compressed`` at the end of the
        former makes it CompressedImage
    :param odometry: topic of nav_msgs/Odometry, empty for transforms
    """

    def __init__(self, log: MotionLog, cameras: Sequence[Tuple[str, str]],
                 odometry: str = '') -> None:
        super().__init__('calibrate_mount', args=None)
        self.log = log
        self.images: Dict[str, List[Tuple[float, str, Any]]] = {
            image: [] for image, _ in cameras}
        self._last: Dict[str, Optional[arrays.Float64]] = dict.fromkeys(self.images)
        node = self._node
        node.create_subscription(TFMessage, '/tf', functools.partial(
            log.add_transforms, static=False), ros_transforms.DYNAMIC_QOS)
        for profile in (ros_transforms.STATIC_QOS, ros_transforms.VOLATILE_QOS):
            node.create_subscription(TFMessage, '/tf_static', functools.partial(
                log.add_transforms, static=True), profile)
        if odometry:
            node.create_subscription(Odometry, odometry, log.add_odometry, _ODOMETRY_QOS)
        for image, info in cameras:
            node.create_subscription(
                sensor_msgs.CompressedImage if image.endswith('/compressed') else
                sensor_msgs.Image, image,
                functools.partial(self._on_image, image), qos.qos_profile_sensor_data)
            node.create_subscription(
                sensor_msgs.CameraInfo, info, functools.partial(self._on_info, info),
                qos.qos_profile_sensor_data)

    @property
    def kept(self) -> int:
        """Return how many images of the camera with the fewest are kept."""
        return min(len(images) for images in self.images.values())

    def _on_info(self, topic: str, message: sensor_msgs.CameraInfo) -> None:
        self.log.camera_infos[topic] = message

    def _on_image(self, topic: str, message: Any) -> None:
        pose = self.log.newest_pose()
        last = self._last[topic]
        if pose is None or len(self.images[topic]) >= MOST_IMAGES:
            return
        if last is not None:
            moved = transforms.inverse(last).dot(pose)
            if np.linalg.norm(moved[:2, 3]) < _LEAST_WAY and \
                    abs(np.arctan2(moved[1, 0], moved[0, 0])) < _LEAST_TURN:
                return
        self._last[topic] = pose
        self.images[topic].append((stamp_to_seconds(message.header.stamp),
                                   message.header.frame_id, message))
