# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Poses as TransformStamped, and the two TF topics, without tf2_ros."""

from typing import Sequence, Tuple

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion
from geometry_msgs.msg import Transform
from geometry_msgs.msg import TransformStamped
from geometry_msgs.msg import Vector3
import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from segformer_ros.common import arrays
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

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

    def wait_for_readers(self, timeout: Duration) -> bool:
        """Return whether every reader has acknowledged everything within the time."""
        dynamic = self._dynamic.wait_for_all_acked(timeout)
        return bool(self._static.wait_for_all_acked(timeout) and dynamic)


def transform_message(stamp: Time, parent: str, child: str,
                      parent_from_child: arrays.Float64) -> TransformStamped:
    """
    Return a pose as a message.

    :param parent_from_child: (4, 4), metres
    """
    x, y, z = (float(value) for value in parent_from_child[:3, 3])
    qx, qy, qz, qw = quaternion_of(parent_from_child[:3, :3])
    return TransformStamped(
        header=Header(stamp=stamp, frame_id=parent), child_frame_id=child,
        transform=Transform(translation=Vector3(x=x, y=y, z=z),
                            rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)))


def quaternion_of(rotation: arrays.Float64) -> Tuple[float, float, float, float]:
    """
    Return a rotation matrix as a unit quaternion x, y, z, w with w >= 0.

    The largest of the four components is found first and the others follow from it, which is
    exact to rounding for every rotation (S. W. Shepperd, Journal of Guidance and Control 1(3),
    1978).

    :param rotation: (3, 3)
    """
    r = rotation
    trace = float(np.trace(r))
    # Four times the squares of x, y, z, w.
    squares = np.array([1.0 + 2.0 * r[0, 0] - trace, 1.0 + 2.0 * r[1, 1] - trace,
                        1.0 + 2.0 * r[2, 2] - trace, 1.0 + trace])
    largest = int(np.argmax(squares))
    x, y, z, w = {
        0: (squares[0], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]),
        1: (r[0, 1] + r[1, 0], squares[1], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]),
        2: (r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], squares[2], r[1, 0] - r[0, 1]),
        3: (r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], squares[3]),
    }[largest]
    scale = (1.0 if w >= 0.0 else -1.0) * 0.5 / float(np.sqrt(squares[largest]))
    return float(x * scale), float(y * scale), float(z * scale), float(w * scale)
