# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Poses as TransformStamped, and the two TF topics, without tf2_ros."""

from typing import Any
from typing import Sequence
from typing import TYPE_CHECKING

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion
from geometry_msgs.msg import Transform
from geometry_msgs.msg import TransformStamped
from geometry_msgs.msg import Vector3
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from segformer_ros.costmap.poses import quaternion_of
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# What tf2_ros uses: broadcaster depth 100; static broadcaster latched.
DYNAMIC_QOS = QoSProfile(depth=100)
STATIC_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class TransformPublisher:
    """Publishes /tf and /tf_static."""

    def __init__(self, node: Node) -> None:
        self._dynamic = node.create_publisher(TFMessage, '/tf', DYNAMIC_QOS)
        self._static = node.create_publisher(TFMessage, '/tf_static', STATIC_QOS)

    def send(self, transforms: Sequence[TransformStamped]) -> None:
        """Publish transforms that hold at their stamps."""
        self._dynamic.publish(TFMessage(transforms=list(transforms)))

    def send_static(self, transforms: Sequence[TransformStamped]) -> None:
        """Publish all transforms that always hold; a second call replaces them."""
        self._static.publish(TFMessage(transforms=list(transforms)))


def transform_message(stamp: Time, parent: str, child: str,
                      parent_from_child: 'npt.NDArray[np.float64]') -> TransformStamped:
    """
    Return a pose as a message.

    :param parent_from_child: (4, 4), metres
    """
    x, y, z = (float(value) for value in parent_from_child[:3, 3])
    quaternion: Any = quaternion_of(parent_from_child[:3, :3])
    qx, qy, qz, qw = (float(value) for value in quaternion)
    return TransformStamped(
        header=Header(stamp=stamp, frame_id=parent), child_frame_id=child,
        transform=Transform(translation=Vector3(x=x, y=y, z=z),
                            rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)))
