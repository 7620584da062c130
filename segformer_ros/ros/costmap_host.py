# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node's costmap, or why it has none: masks are never held back by it."""

from typing import Any
from typing import Callable
from typing import List
from typing import Optional

from rclpy.node import Node
from rclpy.subscription import Subscription
from segformer_ros.errors import SegformerRosError
from segformer_ros.model.classes import ClassTable
from segformer_ros.ros import topics
from segformer_ros.ros.camera_poses import CameraPoses
from segformer_ros.ros.camera_poses import RangeReading
from segformer_ros.ros.costmap_diagnostics import costmap_status
from segformer_ros.ros.costmap_parameters import RANGE
from segformer_ros.ros.costmap_stage import CostmapStage
from segformer_ros.ros.diagnostics import NodeState
from segformer_ros.ros.diagnostics import Status
from segformer_ros.ros.parameters import NodeParameters
from segformer_ros.ros.transforms import make_transforms
from segformer_ros.segmentation.segmenter import Segmentation
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Range
from std_msgs.msg import Header
from std_srvs.srv import Trigger

OfferMask = Callable[[str, Header, Segmentation, Optional[CameraInfo]], None]


class CostmapHost:
    """
    Owns the costmap stage through the node's life, with the service that clears it.

    :param node: owns everything of it
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._stage: Optional[CostmapStage] = None
        self._poses: Optional[CameraPoses] = None
        self._subscriptions: List[Subscription] = []
        self._trouble = ''
        node.create_service(Trigger, topics.CLEAR_SERVICE, self._on_clear)

    def configure(self, parameters: NodeParameters, classes: ClassTable) -> Optional[OfferMask]:
        """
        Make the costmap that the parameters ask for.

        :param classes: of the network
        :return: takes each published mask; None where there is no costmap
        """
        self._trouble = ''
        if not parameters.costmap.costmap:
            return None
        poses = CameraPoses(make_transforms(self._node))
        try:
            self._stage = CostmapStage(self._node, parameters, classes, poses)
        except SegformerRosError as error:
            poses.destroy()
            self._trouble = str(error)
            self._node.get_logger().error(
                'No costmap, masks alone: {} Set costmap: false where that is meant.'.format(
                    error))
            return None
        self._poses = poses
        if parameters.costmap.height_source == RANGE:
            self._subscriptions = [self._node.create_subscription(
                Range, topics.RANGE_IN.name, self._on_range, topics.RANGE_IN.profile())]
        self._tell_mounts(parameters)
        return self._stage.offer

    def start(self) -> None:
        """Let grids and clouds out."""
        if self._stage is not None:
            self._stage.start()

    def rest(self) -> None:
        """Say that no obstacle is seen; the grid goes on and fades."""
        if self._stage is not None:
            self._stage.rest()

    def stop(self) -> None:
        """Say that nothing is seen or known; nothing more goes out."""
        if self._stage is not None:
            self._stage.stop()

    def release(self) -> None:
        """Stop and give everything back."""
        if self._stage is not None:
            self._stage.destroy()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        if self._poses is not None:
            self._poses.destroy()
        self._stage, self._poses, self._subscriptions, self._trouble = None, None, [], ''

    def examine(self, parameters: NodeParameters) -> None:
        """
        Check a change of parameters.

        :raises SegformerRosError: it cannot be used
        """
        if self._stage is not None:
            self._stage.examine(parameters)

    def apply(self, parameters: NodeParameters) -> None:
        """Use parameters that were examined."""
        if self._stage is not None:
            self._stage.apply(parameters)

    def status(self, state: NodeState, parameters: NodeParameters) -> Status:
        """Return the costmap's entry of diagnostics."""
        found = None if self._stage is None else self._stage.state()
        return costmap_status(found, self._trouble, state, parameters)

    def _tell_mounts(self, parameters: NodeParameters) -> None:
        for camera in parameters.cameras:
            if camera.mount_height > 0.0:
                self._node.get_logger().info(
                    '{}mount from parameters, {} m high; TF of the camera is not used.'.format(
                        camera.name + ': ' if camera.name else '', camera.mount_height))
        if not parameters.costmap.has_odometry:
            self._node.get_logger().info('No odometry: each image stands for itself in {}.'.format(
                parameters.costmap.odom_frame))

    def _on_range(self, message: Range) -> None:
        stamp = message.header.stamp
        if self._poses is not None:
            self._poses.add_range(RangeReading(
                message.range, message.header.frame_id, stamp.sec * 10 ** 9 + stamp.nanosec,
                (message.min_range, message.max_range)))

    def _on_clear(self, request: Any, response: Any) -> Any:
        if self._stage is None:
            response.success = False
            response.message = self._trouble or 'There is no costmap: not configured, or off.'
            return response
        self._stage.clear()
        response.success = True
        response.message = 'cleared'
        self._node.get_logger().info('The costmap is cleared on request.')
        return response
