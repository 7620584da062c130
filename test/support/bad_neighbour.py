# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Processes that a node must live with: ``python -m support.bad_neighbour ROLE``.

``images TOPIC`` publishes images of 6 MB as fast as it can; ``flood`` publishes on topics that
nobody needs; ``reader TOPIC`` subscribes reliably (its test stops it with SIGSTOP).
"""

import sys

import rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import UInt8MultiArray

BYTES = 2000 * 1000 * 3


def main(role, *topics):
    """Do it until the process is ended."""
    rclpy.init()
    node = rclpy.create_node('neighbour_' + role)
    if role == 'images':
        publisher = node.create_publisher(Image, topics[0], QoSProfile(depth=2))
        message = Image(height=2000, width=1000, encoding='rgb8', step=3000,
                        data=bytes(BYTES))
        message.header.frame_id = 'neighbour'
        while True:
            message.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(message)
            print('sent', flush=True)
    elif role == 'flood':
        publishers = [node.create_publisher(UInt8MultiArray, f'/noise_{number}', 10)
                      for number in range(20)]
        for number in range(20):
            node.create_subscription(UInt8MultiArray, f'/noise_{number}',
                                     lambda message: None, 10)
        small, large = UInt8MultiArray(data=bytes(64)), UInt8MultiArray(data=bytes(200000))
        print('sent', flush=True)
        while True:
            for publisher in publishers:
                publisher.publish(small)
            publishers[0].publish(large)
            rclpy.spin_once(node, timeout_sec=0.0)
    else:
        for topic in topics:
            node.create_subscription(Image, topic, lambda message: None, QoSProfile(depth=10))
        print('sent', flush=True)
        rclpy.spin(node)


if __name__ == '__main__':
    main(*sys.argv[1:])
