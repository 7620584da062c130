# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Listen to what the simulated camera and the node publish, image by image."""

import collections
import functools
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Tuple

from nav_msgs.msg import OccupancyGrid
import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import Parameter
from segformer_ros.common import arrays
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.evaluation.demo.report import DemoFrame
from segformer_ros.evaluation.demo.truth import HeardGrid
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.transforms import BufferedTransforms
from segformer_ros.ros.peers import simulated_camera as simulated_camera_node
from segformer_ros.ros.peers.standalone_node import StandaloneNode
from segformer_ros.segmentation.images.decoding import image_to_rgb
from sensor_msgs import msg as sensor_msgs
from std_srvs.srv import Trigger

CAMERA = '/camera/'
NODE = '/segformer/'
ODOM, BASE = 'odom', 'base_link'
"""Frames of the simulated robot."""
ANSWER_TIMEOUT = 10.0
"""Seconds until the node answers a service."""


class Channel(NamedTuple):
    """One topic to record under its absolute name; the topic's own QoS is used."""

    topic: topics.Topic
    name: str
    message_type: Any


class Recorder:
    """
    Sets of messages with one stamp.

    A set is handed over as soon as every channel has contributed. Of incomplete sets only the
    newest are kept: a frame that the node superseded never completes.

    :param node: subscriptions are made on it, in the order of the channels
    :param channels: by the key that the message has in its set
    :param on_set: called with each complete set, in order of completion
    :param keep: incomplete sets
    """

    def __init__(self, node: Node, channels: Mapping[str, Channel],
                 on_set: Callable[[Dict[str, Any]], None], keep: int = 16) -> None:
        self._keys = tuple(channels)
        self._on_set = on_set
        self._keep = keep
        self._sets: 'collections.OrderedDict[int, Dict[str, Any]]' = collections.OrderedDict()
        self.counts: Dict[str, int] = dict.fromkeys(channels, 0)
        """Messages received by key."""
        for key, channel in channels.items():
            node.create_subscription(channel.message_type, channel.name,
                                     functools.partial(self.add, key),
                                     channel.topic._replace(depth=10).profile())

    def add(self, key: str, message: Any) -> None:
        """Take one message of a channel."""
        self.counts[key] += 1
        stamp_ns = stamp_to_nanoseconds(message.header.stamp)
        messages = self._sets.setdefault(stamp_ns, {})
        messages[key] = message
        if len(messages) == len(self._keys):
            del self._sets[stamp_ns]
            self._on_set(messages)
        while len(self._sets) > self._keep:
            self._sets.popitem(last=False)


class HeardFrame(NamedTuple):
    """An image with the node's outputs, and the first costmap that it is part of."""

    frame: DemoFrame
    grid: HeardGrid


class DemoListener(StandaloneNode):
    """Gathers each image with its ground truth and the node's outputs."""

    def __init__(self) -> None:
        super().__init__('demo_listener')
        self._ready: List[HeardFrame] = []
        self._forget()
        self._transforms = BufferedTransforms(self._node)
        for topic, message_type, receive in (
                (topics.OBSTACLE_POINTS, sensor_msgs.PointCloud2, self._on_cloud),
                (topics.COSTMAP, OccupancyGrid, self._on_grid)):
            self._node.create_subscription(message_type, NODE + topic.name, receive,
                                           topic.profile())
        self._node.create_subscription(
            sensor_msgs.CameraInfo, CAMERA + simulated_camera_node.CAMERA_INFO.name,
            self._on_camera_info,
            simulated_camera_node.CAMERA_INFO._replace(depth=10).profile())
        self._clear = self._node.create_client(
            Trigger, NODE + topics.CLEAR_SERVICE.replace('~/', ''))
        self._set = self._node.create_client(SetParametersAtomically,
                                             NODE + 'set_parameters_atomically')
        # The image last: once the camera knows of that subscription it knows of all.
        self._recorder = Recorder(self._node, {
            'mask': Channel(topics.MASK, NODE + topics.MASK.name, sensor_msgs.Image),
            'overlay': Channel(topics.OVERLAY, NODE + topics.OVERLAY.name, sensor_msgs.Image),
            'labels': _camera_channel(simulated_camera_node.LABELS),
            'image': _camera_channel(simulated_camera_node.IMAGE),
        }, self._on_set)

    def node_is_ready(self) -> bool:
        """Return whether the node publishes masks, which it does once it is configured."""
        return self._node.count_publishers(NODE + topics.MASK.name) > 0

    def begin(self, cost_profile: str) -> None:
        """
        Give the node the costs of another world and an empty costmap.

        :raises SegformerRosError: it refuses, or does not answer
        """
        self._forget()
        change = SetParametersAtomically.Request(parameters=[
            Parameter('cost_profile', value=cost_profile).to_parameter_msg()])
        result = self._call(self._set, change).result
        if not result.successful:
            raise SegformerRosError('The node refuses its costs', got=result.reason)
        answer = self._call(self._clear, Trigger.Request())
        if not answer.success:
            raise SegformerRosError('The node has no costmap', got=answer.message)

    def wait(self, timeout: float) -> List[HeardFrame]:
        """
        Return the frames that became complete, at the latest after the timeout.

        :param timeout: seconds
        """
        self.spin_until(lambda: self._ready, timeout)
        frames, self._ready = self._ready, []
        return frames

    def _forget(self) -> None:
        self._images: List[int] = []
        self._in_grid: Dict[int, int] = {}
        self._complete: Dict[int, DemoFrame] = {}

    def _call(self, client: Client, request: Any) -> Any:
        future = client.call_async(request)
        if not self.spin_until(future.done, ANSWER_TIMEOUT):
            raise SegformerRosError(f'The node does not answer on {client.srv_name}',
                                    expected=f'within {ANSWER_TIMEOUT:.0f} s')
        return future.result()

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _on_camera_info(self, message: sensor_msgs.CameraInfo) -> None:
        self._images.append(stamp_to_nanoseconds(message.header.stamp))

    def _on_cloud(self, message: sensor_msgs.PointCloud2) -> None:
        # Clouds go out once their image is in the grid.
        self._in_grid[stamp_to_nanoseconds(message.header.stamp)] = self._now_ns()

    def _on_set(self, messages: Dict[str, Any]) -> None:
        image = messages['image']
        stamp = stamp_to_nanoseconds(image.header.stamp)
        self._complete[stamp] = DemoFrame(
            stamp=stamp / NANOSECONDS, latency=(self._now_ns() - stamp) / NANOSECONDS,
            image=image_to_rgb(image), truth=_mono8(messages['labels']),
            mask=_mono8(messages['mask']), overlay=image_to_rgb(messages['overlay']))

    def _on_grid(self, message: OccupancyGrid) -> None:
        published = stamp_to_nanoseconds(message.header.stamp)
        for stamp in sorted(self._complete):
            if self._in_grid.get(stamp, published) < published and stamp in self._images:
                self._ready.append(HeardFrame(self._complete.pop(stamp), HeardGrid(
                    *_grid(message), odom_from_base=self._transforms.lookup(ODOM, BASE, stamp),
                    image=self._images.index(stamp))))


def _camera_channel(topic: topics.Topic) -> Channel:
    return Channel(topic, CAMERA + topic.name, sensor_msgs.Image)


def _grid(message: OccupancyGrid) -> Tuple[arrays.Int8, GridGeometry]:
    info = message.info
    values = np.array(message.data, np.int8).reshape(info.height, info.width)
    return values, GridGeometry(info.origin.position.x, info.origin.position.y, info.resolution,
                                info.width, info.height)


def _mono8(message: Any) -> Any:
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)
