# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""With the shipped profile of Fast DDS images reach another process, best effort or not."""

import os
import subprocess
import sys

from rclpy.qos import qos_profile_sensor_data
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import Image
from support.ros_graph import Peer
from support.ros_graph import TIMEOUT
from support.ros_graph import wait_until

IMAGES, EARLY = 40, 30
"""How many must arrive, and how many may be sent before the subscriber knows the camera."""
CAMERA = '''
import array
import time

import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node('camera')
publisher = node.create_publisher(Image, 'image', qos_profile_sensor_data)
deadline = time.monotonic() + 60.0
while not publisher.get_subscription_count():
    assert time.monotonic() < deadline, 'nobody subscribes'
    time.sleep(0.02)
image = Image(height=480, width=640, encoding='rgb8', step=1920,
              data=array.array('B', bytes(640 * 480 * 3)))
for number in range({images}):
    image.header.stamp.sec = number
    publisher.publish(image)
    time.sleep(1.0 / 15.0)
# What was published last is still on its way.
time.sleep(1.0)
node.destroy_node()
rclpy.shutdown()
'''


def test_no_best_effort_image_of_640_x_480_is_lost_between_processes(domain):
    # Depth enough that a busy test process is no reason to lose one.
    qos = QoSProfile(depth=EARLY + IMAGES, reliability=ReliabilityPolicy.BEST_EFFORT)
    assert qos_profile_sensor_data.reliability == ReliabilityPolicy.BEST_EFFORT
    with Peer(domain) as peer:
        images = peer.subscribe(Image, 'image', qos)
        camera = subprocess.Popen(
            [sys.executable, '-c', CAMERA.replace('{images}', str(EARLY + IMAGES))],
            env=dict(os.environ, ROS_DOMAIN_ID=str(domain)))
        try:
            wait_until(lambda: camera.poll() is not None, 'the camera to end', 2 * TIMEOUT)
        finally:
            camera.kill()
            camera.wait()
        assert camera.returncode == 0
        stamps = [image.header.stamp.sec for image in images.messages]
    assert len(stamps) >= IMAGES
    assert stamps == list(range(EARLY + IMAGES))[-len(stamps):]
