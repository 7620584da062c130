# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Listen to images, masks, the clock and the node's diagnostics during a replay."""

import struct
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.evaluation.replay.timing import ReplayEvents
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.status import entries_of
from segformer_ros.ros.peers.bag_player import CLOCK
from segformer_ros.ros.peers.standalone_node import StandaloneNode
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

# Deep enough for the moment that writing a mask takes.
DEPTH = 20
# A serialised message starts with four bytes for the order of the others, then has the stamp.
STAMP_AT = 4

OnMask = Callable[[int, Any], None]
"""Takes the stamp in nanoseconds and the (H, W) mask."""


class ReplayListener(StandaloneNode):
    """
    A node beside the one that is measured; it does not deserialise images.

    :param node: absolute name of the measured node, such as ``/segformer``
    :param camera: name of its camera, empty for the only one
    :param image_topic: that is played
    :param is_compressed: CompressedImage messages
    :param on_mask: called with every mask; None where they are not wanted
    """

    def __init__(self, node: str, camera: str, image_topic: str, is_compressed: bool,
                 on_mask: Optional[OnMask] = None) -> None:
        super().__init__('replay_evaluation', args=[])
        self._name = node
        self._camera = camera
        self._mask_callback = on_mask
        self._images: List[Tuple[int, float]] = []
        self._masks: List[Tuple[int, float]] = []
        self._clock: List[Tuple[int, float]] = []
        self._status: Dict[str, Tuple[int, str, Dict[str, str]]] = {}
        self.diagnostics_heard = 0.0
        """When diagnostics of the node came last, ``time.monotonic``."""
        self._node.create_subscription(
            Image, f'{node}/{topics.input_name(camera, topics.MASK)}', self._on_mask,
            topics.MASK._replace(depth=DEPTH).profile(), raw=True)
        best_effort = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._node.create_subscription(
            CompressedImage if is_compressed else Image, image_topic, self._on_image,
            best_effort, raw=True)
        self._node.create_subscription(Clock, CLOCK, self._on_clock, best_effort)
        self._node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS.name,
                                       self._on_diagnostics, topics.DIAGNOSTICS.profile())

    @property
    def masks(self) -> int:
        """Return how many masks came."""
        return len(self._masks)

    def events(self) -> ReplayEvents:
        """Return everything that was heard."""
        return ReplayEvents(list(self._images), list(self._masks), list(self._clock))

    def status(self, entry: str) -> Tuple[int, str, Dict[str, str]]:
        """
        Return level, message and values of one of the node's diagnostics.

        :param entry: ``node``, ``backend`` or ``camera``; that of the camera listened to
        :return: level -1 while it was not heard
        """
        name = f'{entry} {self._camera}' if entry == 'camera' and self._camera else entry
        return self._status.get(name, (-1, '', {}))

    def _on_image(self, data: bytes) -> None:
        self._images.append((stamp_of(data), time.monotonic()))

    def _on_mask(self, data: bytes) -> None:
        stamp_ns = stamp_of(data)
        self._masks.append((stamp_ns, time.monotonic()))
        if self._mask_callback is not None:
            message = deserialize_message(data, Image)
            self._mask_callback(stamp_ns, np.frombuffer(message.data, np.uint8).reshape(
                message.height, message.step)[:, :message.width])

    def _on_clock(self, message: Clock) -> None:
        self._clock.append((stamp_to_nanoseconds(message.clock), time.monotonic()))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        entries = entries_of(message, self._name)
        if entries:
            self._status.update(entries)
            self.diagnostics_heard = time.monotonic()


def stamp_of(data: bytes) -> int:
    """
    Return the stamp of a serialised message that starts with a header, in nanoseconds.

    :param data: CDR, with its four bytes of encapsulation; the second is 1 for little-endian
    """
    order = '<' if data[1] & 1 else '>'
    seconds, nanoseconds = struct.unpack_from(order + 'iI', data, STAMP_AT)
    return int(seconds) * NANOSECONDS + int(nanoseconds)
