# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Steer the simulated robot by the node's costmap, and watch it."""

import math
from typing import Any, Callable, Dict, List, Optional, Tuple

from geometry_msgs.msg import Twist
from nav_msgs.msg import OccupancyGrid
from nav_msgs.msg import Odometry
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.common.time import stamp_to_seconds
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.evaluation.drive.judge import Sample
from segformer_ros.evaluation.drive.navigator import Navigator
from segformer_ros.ros.io import topics
from segformer_ros.ros.peers import simulated_camera
from segformer_ros.ros.peers import simulated_robot
from segformer_ros.ros.peers.standalone_node import StandaloneNode
from segformer_ros.segmentation.images.decoding import image_to_rgb
from segformer_ros.simulation.robot.robot import Pose2D
from sensor_msgs.msg import Image
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Bool

CAMERA = '/camera/'
NODE = '/segformer/'


class DriveListener(StandaloneNode):
    """
    The planner of the closed loop as a node; each odometry message is one control cycle.

    :param navigator: gives the commands
    :param on_sample: called with each true pose
    """

    def __init__(self, navigator: Navigator, on_sample: Callable[[Sample], None]) -> None:
        super().__init__('drive')
        self._navigator = navigator
        self._on_sample = on_sample
        self.now = 0.0
        """Simulated time of the newest odometry, seconds."""
        self.robot: Optional[Pose2D] = None
        """By the odometry."""
        self.truth: Optional[Sample] = None
        self.latencies: List[float] = []
        """Seconds from an image's stamp to its clouds."""
        self.pictures: Dict[str, Tuple[int, arrays.UInt8]] = {}
        """The newest image and overlay, with their stamps."""
        self._images: Dict[int, Any] = {}
        self._contact = False
        self._commands = self._node.create_publisher(Twist, CAMERA + 'cmd_vel', 1)
        subscribe = self._node.create_subscription
        for topic, kind, receive in (
                (topics.GROUND_POINTS, PointCloud2, self._on_cloud),
                (topics.COSTMAP, OccupancyGrid, self._on_grid),
                (topics.OVERLAY, Image, self._on_overlay)):
            subscribe(kind, NODE + topic.name, receive, topic.profile())
        for topic, kind, receive in (
                (simulated_robot.ODOMETRY, Odometry, self._on_odometry),
                (simulated_robot.TRUE_POSE, Odometry, self._on_true_pose),
                (simulated_robot.CONTACT, Bool, self._on_contact),
                (simulated_camera.IMAGE, Image, self._on_image)):
            subscribe(kind, CAMERA + topic.name, receive, topic.profile())

    def node_is_ready(self) -> bool:
        """Return whether the node publishes masks, which it does once it is configured."""
        return self._node.count_publishers(NODE + topics.MASK.name) > 0

    def wait(self, timeout: float) -> None:
        """Run callbacks for some time, seconds."""
        self.spin(timeout)

    def _on_odometry(self, message: Odometry) -> None:
        self.now = stamp_to_seconds(message.header.stamp)
        self.robot = _pose(message)
        speed, turn = self._navigator.command(self.robot, self.now)
        command = Twist()
        command.linear.x, command.angular.z = float(speed), float(turn)
        self._commands.publish(command)

    def _on_true_pose(self, message: Odometry) -> None:
        x, y, yaw = _pose(message)
        twist = message.twist.twist
        self.truth = Sample(stamp_to_seconds(message.header.stamp), x, y, yaw, twist.linear.x,
                            twist.angular.z, self._contact)
        self._on_sample(self.truth)

    def _on_contact(self, message: Bool) -> None:
        self._contact = bool(message.data)

    def _on_cloud(self, message: PointCloud2) -> None:
        self._navigator.on_cloud(self.now)
        self.latencies.append(max(0.0, self.now - stamp_to_seconds(message.header.stamp)))

    def _on_grid(self, message: OccupancyGrid) -> None:
        if self.robot is None:
            return
        info = message.info
        values = np.array(message.data, np.int8).reshape(info.height, info.width)
        self._navigator.on_grid(
            nav2_rules.Grid(values, info.origin.position.x, info.origin.position.y,
                            info.resolution), self.robot)

    def _on_image(self, message: Image) -> None:
        self._images[stamp_to_nanoseconds(message.header.stamp)] = message
        while len(self._images) > 8:
            del self._images[min(self._images)]

    def _on_overlay(self, message: Image) -> None:
        stamp = stamp_to_nanoseconds(message.header.stamp)
        if stamp in self._images:
            self.pictures = {'image': (stamp, image_to_rgb(self._images[stamp])),
                             'overlay': (stamp, image_to_rgb(message))}


def _pose(message: Odometry) -> Pose2D:
    pose = message.pose.pose
    return Pose2D(pose.position.x, pose.position.y,
                  2.0 * math.atan2(pose.orientation.z, pose.orientation.w))
