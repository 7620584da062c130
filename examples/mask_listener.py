#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A ROS node that reads the masks of the node segformer, and the names of their classes.

    python3 examples/mask_listener.py --ros-args -p mask:=/segformer/mask
"""

import signal
import threading

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.qos import qos_profile_sensor_data
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo


class MaskListener(Node):
    """Print what is in each mask."""

    def __init__(self):
        super().__init__('mask_listener')
        mask = self.declare_parameter('mask', '/segformer/mask').value
        label_info = self.declare_parameter('label_info', '/segformer/label_info').value
        self._names = {}
        # Published once and kept for whoever comes later.
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(LabelInfo, label_info, self._on_label_info, latched)
        self.create_subscription(Image, mask, self._on_mask, qos_profile_sensor_data)

    def _on_label_info(self, message):
        self._names = {row.class_id: row.class_name for row in message.class_map}
        self.get_logger().info(f'{len(self._names)} classes')

    def _on_mask(self, message):
        # mono8, one class id a pixel; 255 where the node is not sure enough.
        mask = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)
        ids, pixels = np.unique(mask, return_counts=True)
        seen = ', '.join(f'{self._names.get(int(class_id), class_id)} {count / mask.size:.0%}'
                         for class_id, count in zip(ids, pixels))
        stamp = message.header.stamp
        self.get_logger().info(f'{stamp.sec}.{stamp.nanosec:09}: {seen}')


def main():
    """Run the node until it is stopped."""
    # rclpy's own handlers end its context while a callback may be using it: an error, or a hang.
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = MaskListener()
    try:
        while not stop.is_set():
            rclpy.spin_once(node, timeout_sec=0.5)
    finally:
        node.destroy_node()
        rclpy.shutdown()


if __name__ == '__main__':
    main()
