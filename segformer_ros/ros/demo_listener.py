# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Hear what the simulated camera and the node publish, frame by frame."""

import time
from typing import Any
from typing import Dict
from typing import List

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from segformer_ros.evaluation.demo_report import DemoFrame
from segformer_ros.ros import simulated_camera_node
from segformer_ros.ros import topics
from segformer_ros.ros.recorder import Channel
from segformer_ros.ros.recorder import Recorder
from segformer_ros.segmentation.image_decoding import image_to_rgb
from sensor_msgs.msg import Image

CAMERA = '/camera/'
NODE = '/segformer/'


class DemoListener:
    """A node of its own that gathers each image with its truth and the node's outputs."""

    def __init__(self) -> None:
        self._context = Context()
        self._ready: List[DemoFrame] = []

    def __enter__(self) -> 'DemoListener':
        """Join the graph."""
        rclpy.init(context=self._context)
        self._node = Node('demo_listener', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        # The image last: once the camera knows of that subscription it knows of the truth's.
        self._recorder = Recorder(self._node, {
            'mask': Channel(topics.MASK, NODE + topics.MASK.name, Image),
            'overlay': Channel(topics.OVERLAY, NODE + topics.OVERLAY.name, Image),
            'labels': _camera_channel(simulated_camera_node.LABELS),
            'image': _camera_channel(simulated_camera_node.IMAGE),
        }, self._on_set)
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def node_is_ready(self) -> bool:
        """Tell whether the node publishes masks, which it does once it is configured."""
        return self._node.count_publishers(NODE + topics.MASK.name) > 0

    def wait(self, timeout: float) -> List[DemoFrame]:
        """
        Return the frames that became complete, at the latest after the timeout.

        :param timeout: seconds
        """
        deadline = time.monotonic() + timeout
        while not self._ready and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=deadline - time.monotonic())
        frames, self._ready = self._ready, []
        return frames

    def _on_set(self, messages: Dict[str, Any]) -> None:
        image = messages['image']
        stamp = image.header.stamp.sec + 1e-9 * image.header.stamp.nanosec
        now = self._node.get_clock().now().nanoseconds * 1e-9
        self._ready.append(DemoFrame(
            stamp=stamp, latency=now - stamp,
            image=image_to_rgb(image), truth=_mono8(messages['labels']),
            mask=_mono8(messages['mask']), overlay=image_to_rgb(messages['overlay'])))


def _camera_channel(topic: topics.Topic) -> Channel:
    return Channel(topic, CAMERA + topic.name, Image)


def _mono8(message: Any) -> Any:
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)
