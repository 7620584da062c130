# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Transforms of a live robot: tf2_ros where it is installed, else a buffer of our own."""

import threading
import time
from typing import Any, Callable, Dict, Optional

from rclpy import qos
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.time import Time
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_seconds
from segformer_ros.costmap.geometry import transform_buffer
from segformer_ros.costmap.geometry.transforms import components_of
from segformer_ros.costmap.geometry.transforms import pose_matrix
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io.logging import Throttle
from tf2_msgs.msg import TFMessage

# What tf2_ros's listener uses: every broadcaster's last static message, and 100 moving ones.
DYNAMIC_QOS = qos.QoSProfile(depth=100)
STATIC_QOS = qos.QoSProfile(depth=100, durability=qos.DurabilityPolicy.TRANSIENT_LOCAL)
# Best effort and volatile match any publisher.
VOLATILE_QOS = qos.QoSProfile(depth=100, reliability=qos.ReliabilityPolicy.BEST_EFFORT)


def subscribe_to_volatile_static(node: Node, callback: Callable[[TFMessage], None]
                                 ) -> Subscription:
    """Subscribe to those publishers of /tf_static that do not latch, as they should."""
    return endpoints.subscribe(node, TFMessage, '/tf_static', callback, VOLATILE_QOS, 'volatile')


class BufferedTransforms(transform_buffer.Transforms):
    """
    /tf and /tf_static in a buffer of our own.

    :param node: owns the subscriptions
    """

    source = '/tf and /tf_static, read by the node itself, since tf2_ros is not installed'

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._buffer = transform_buffer.TransformBuffer()
        self._newest: Dict[str, float] = {}
        self._log = Throttle(node.get_logger(), time.monotonic)
        self._subscriptions = [
            endpoints.subscribe(node, TFMessage, '/tf', self._on_dynamic, DYNAMIC_QOS),
            endpoints.subscribe(node, TFMessage, '/tf_static', self._on_static, STATIC_QOS,
                                is_paired=True),
            subscribe_to_volatile_static(node, self._on_static)]

    def lookup(self, target: str, source: str, stamp_ns: int) -> arrays.Float64:
        """Return target_from_source (4, 4) without waiting."""
        with self._lock:
            return self._buffer.lookup(target, source, stamp_ns / NANOSECONDS)

    def knows(self, frame: str) -> bool:
        """Return whether any transform names a frame."""
        with self._lock:
            return self._buffer.knows(frame)

    def clear(self) -> None:
        """Forget everything but static transforms."""
        with self._lock:
            self._buffer.clear()
            self._newest.clear()

    def destroy(self) -> None:
        """Take no more messages."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _on_dynamic(self, message: TFMessage) -> None:
        self._insert(message, static=False)

    def _on_static(self, message: TFMessage) -> None:
        self._insert(message, static=True)

    def _insert(self, message: TFMessage, static: bool) -> None:
        for entry in message.transforms:
            # As the buffer names it: any number of slashes may stand before it.
            child = entry.child_frame_id.lstrip('/')
            stamp = stamp_to_seconds(entry.header.stamp)
            with self._lock:
                # Older than anything that is kept: time was reset, and the buffer would drop
                # each new transform as too old.
                if not static and stamp < self._newest.get(child, stamp) - \
                        self._buffer.cache_time:
                    self._buffer.clear()
                    self._newest.clear()
                try:
                    self._buffer.insert_message(entry, static)
                except InvalidInputError as error:
                    self._log.warning(error.problem, f'Transform ignored: {error}')
                    continue
                if not static:
                    self._newest[child] = max(stamp, self._newest.get(child, stamp))
                    if len(self._newest) > transform_buffer.MOST_FRAMES:
                        self._newest = {each: seconds for each, seconds in self._newest.items()
                                        if each in self._buffer}


class Tf2Transforms(transform_buffer.Transforms):
    """
    tf2_ros's own buffer and listener.

    :param node: owns the subscriptions
    :param tf2_ros: the module
    """

    source = 'tf2_ros'

    def __init__(self, node: Node, tf2_ros: Any) -> None:
        self._failures = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener: Optional[Any] = tf2_ros.TransformListener(self._buffer, node,
                                                                  spin_thread=False)
        self._node = node
        self._volatile = subscribe_to_volatile_static(node, self._on_volatile_static)

    def lookup(self, target: str, source: str, stamp_ns: int) -> arrays.Float64:
        """Return target_from_source (4, 4) without waiting."""
        try:
            found = self._buffer.lookup_transform(target.lstrip('/'), source.lstrip('/'),
                                                  Time(nanoseconds=stamp_ns))
        except self._failures as error:
            raise TransformError('No transform', got=f'{source!r} in {target!r}',
                                 remedy=f'tf2 says: {error}') from error
        return pose_matrix(*components_of(found.transform))

    def knows(self, frame: str) -> bool:
        """Return whether any transform names a frame."""
        # tf2 knows every frame in itself, at any time, and no other.
        frame = frame.lstrip('/')
        return bool(self._buffer.can_transform(frame, frame, Time()))

    def clear(self) -> None:
        """Forget everything but static transforms."""
        self._buffer.clear()

    def destroy(self) -> None:
        """Take no more messages."""
        if self._listener is not None:
            self._listener.unregister()
            self._listener = None
            self._node.destroy_subscription(self._volatile)

    def _on_volatile_static(self, message: TFMessage) -> None:
        for entry in message.transforms:
            self._buffer.set_transform_static(entry, self._node.get_name())


def make_transforms(node: Node) -> transform_buffer.Transforms:
    """Return the best source of transforms that is installed."""
    try:
        import tf2_ros
    except ImportError:
        return BufferedTransforms(node)
    return Tf2Transforms(node, tf2_ros)
