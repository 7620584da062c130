# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The registered depth image of one camera, found by the stamp of its colour image."""

import collections
import threading
from typing import Any, Optional, TYPE_CHECKING

from rclpy.node import Node
from segformer_ros.common.errors import TransformError
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap.projection.depth_image import decode_compressed_depth
from segformer_ros.costmap.projection.depth_image import depth_of_image
from segformer_ros.ros.io import topics
from segformer_ros.ros.parameters.node import CameraParameters
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

KEPT = 10
"""Depth images that wait for their colour image; a third of a second at 30 Hz."""
SLOP_NS = 20000000
"""Nanoseconds between the stamps of one shot; drivers that register depth give equal ones."""


class DepthInput:
    """
    Subscribes to depth and keeps the newest images.

    :param node: owns the subscription
    :param camera: with ``depth_transport`` raw or compressed
    """

    def __init__(self, node: Node, camera: CameraParameters) -> None:
        self._node = node
        self._compressed = camera.depth_transport == 'compressed'
        self._lock = threading.Lock()
        self._kept: 'collections.OrderedDict[int, Any]' = collections.OrderedDict()
        name = topics.input_name(camera.name, topics.DEPTH_IN)
        topic = topics.DEPTH_IN
        if self._compressed:
            # As image_transport: who remaps depth means depth/compressedDepth too.
            topic = topics.DEPTH_IN_COMPRESSED
            name = node.resolve_topic_name(name) + topic.name[len(topics.DEPTH_IN.name):]
        self._name = name
        self._subscription = node.create_subscription(
            CompressedImage if self._compressed else Image, name, self._on_depth,
            topic.profile())

    def at(self, stamp_ns: int) -> 'npt.NDArray[np.float32]':
        """
        Return the depth image of a moment, (H, W) float32 metres.

        :param stamp_ns: nanoseconds, of the colour image
        :raises TransformError: there is none, or not yet
        :raises InvalidInputError: it cannot be read
        """
        message = self._nearest(stamp_ns)
        if message is None:
            raise TransformError('No depth image for the image',
                                 expected=f'one within {SLOP_NS / 1e6:.0f} ms on {self._name}',
                                 remedy='Check the topic, or set depth_transport: none.')
        if self._compressed:
            return decode_compressed_depth(bytes(message.data), message.format)
        return depth_of_image(message)

    def destroy(self) -> None:
        """Take no more images."""
        self._node.destroy_subscription(self._subscription)

    def _nearest(self, stamp_ns: int) -> Optional[Any]:
        with self._lock:
            if not self._kept:
                return None
            nearest = min(self._kept, key=lambda kept: abs(kept - stamp_ns))
            return self._kept[nearest] if abs(nearest - stamp_ns) <= SLOP_NS else None

    def _on_depth(self, message: Any) -> None:
        stamp = message.header.stamp
        with self._lock:
            self._kept[stamp_to_nanoseconds(stamp)] = message
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
