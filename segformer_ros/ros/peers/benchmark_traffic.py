# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Cameras and a listener in one: what goes into the node and what comes out, with times."""

import array
import functools
import threading
import time
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from segformer_ros.common.errors import BackendError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import nanoseconds_to_stamp
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.ros.io import topics
from sensor_msgs.msg import Image

NODE = '/segformer/'
SPIN_S = 0.05
# How long after the last image its mask may come before it counts as lost.
DRAIN_S = 1.5
ASK_EVERY_S = 0.25
FRESH_DIAGNOSTICS_S = 30.0


class Arrival(NamedTuple):
    """A mask: of which camera, the stamp it carries, when it came; seconds, one clock."""

    camera: str
    stamp: float
    received: float


class Drive(NamedTuple):
    """
    What was sent, and what was heard beside masks.

    ``sent`` counts images; ``answers`` are the seconds that each answer to ``get_parameters``
    took; ``last`` holds camera and stamp of each camera's last image, which no newer one
    supersedes however long it waits.
    """

    sent: int
    answers: List[float]
    last: List[Tuple[str, float]]


class Traffic:
    """
    A node of its own that sends images and gathers masks, diagnostics and answers.

    :param cameras: names, one empty name for a camera without one
    :param size_wh: of the images
    """

    def __init__(self, cameras: Sequence[str], size_wh: Tuple[int, int]) -> None:
        self._cameras = list(cameras)
        self._size_wh = size_wh
        self._context = Context()
        self._arrivals: List[Arrival] = []
        self._values: Dict[str, Dict[str, str]] = {}
        self._heard = 0.0
        self._stopping = False

    def __enter__(self) -> 'Traffic':
        """Join the graph."""
        rclpy.init(context=self._context)
        self._node = Node('benchmark', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._images = {name: self._node.create_publisher(
            Image, '/' + topics.input_name(name, topics.IMAGE), qos_profile_sensor_data)
            for name in self._cameras}
        for name in self._cameras:
            self._node.create_subscription(
                Image, NODE + topics.input_name(name, topics.MASK),
                functools.partial(self._on_mask, name), topics.MASK.profile())
        self._node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS.name,
                                       self._on_diagnostics, topics.DIAGNOSTICS.profile())
        self._client = self._node.create_client(GetParameters, NODE + 'get_parameters')
        # In a thread of its own, so that images leave on time whatever comes in.
        self._thread = threading.Thread(target=self._spin, name='benchmark', daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the graph."""
        self._stopping = True
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def node_is_ready(self) -> bool:
        """Tell whether the node takes images and its answers can be heard."""
        return all(publisher.get_subscription_count() for publisher in self._images.values()) \
            and self._client.service_is_ready()

    def arrivals(self) -> List[Arrival]:
        """Return the masks that came since the last call."""
        taken, self._arrivals = self._arrivals, []
        return taken

    def send(self, camera: str) -> float:
        """
        Send one image, stamped now.

        :return: its stamp, seconds, as the mask's will read
        """
        image = self._image
        image.header.stamp.sec, image.header.stamp.nanosec = nanoseconds_to_stamp(
            int(time.time() * NANOSECONDS))
        self._images[camera].publish(image)
        return _seconds(image.header.stamp)

    def drive(self, rate: float, seconds: float, staggered: bool) -> Drive:
        """
        Send images of every camera at a steady rate and ask for a parameter meanwhile.

        :param rate: of each camera, Hz
        :param staggered: spread the cameras over the period, or let them send at once
        """
        period = 1.0 / rate
        shift = period / len(self._cameras) if staggered else 0.0
        started = time.monotonic()
        due = sorted((number * period + index * shift, name)
                     for number in range(int(seconds * rate))
                     for index, name in enumerate(self._cameras))
        answers: List[float] = []
        last: Dict[str, float] = {}
        next_question = ASK_EVERY_S
        for moment, name in due:
            time.sleep(max(0.0, started + moment - time.monotonic()))
            last[name] = self.send(name)
            if moment >= next_question:
                self._ask(answers)
                next_question += ASK_EVERY_S
        time.sleep(DRAIN_S)
        return Drive(len(due), answers, list(last.items()))

    def camera_values(self, camera: str) -> Dict[str, str]:
        """
        Return the node's diagnostics of a camera, not older than this call.

        :raises BackendError: none came
        """
        asked = time.monotonic()
        ending = f'camera {camera}' if camera else 'camera'
        while time.monotonic() < asked + FRESH_DIAGNOSTICS_S:
            found = [values for name, values in self._values.items() if name.endswith(ending)]
            if found and self._heard >= asked:
                return found[0]
            time.sleep(SPIN_S)
        raise BackendError('The node tells nothing about a camera', got=f'no entry {ending!r}',
                           expected=f'one on /diagnostics within {FRESH_DIAGNOSTICS_S:.0f} s')

    def prepare(self, pixels: bytes) -> None:
        """Make the image that every camera sends; bgr8, of the size given."""
        width, height = self._size_wh
        self._image = Image(height=height, width=width, encoding='bgr8', step=3 * width,
                            is_bigendian=0, data=array.array('B', pixels))
        self._image.header.frame_id = 'camera'

    def _ask(self, answers: List[float]) -> None:
        asked = time.monotonic()
        future = self._client.call_async(GetParameters.Request(names=['threshold']))
        future.add_done_callback(lambda _: answers.append(time.monotonic() - asked))

    def _spin(self) -> None:
        while not self._stopping:
            self._executor.spin_once(timeout_sec=SPIN_S)

    def _on_mask(self, camera: str, mask: Any) -> None:
        self._arrivals.append(Arrival(camera, _seconds(mask.header.stamp), time.time()))

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            self._values[status.name] = {entry.key: entry.value for entry in status.values}
        self._heard = time.monotonic()


def _seconds(stamp: Any) -> float:
    return stamp_to_nanoseconds(stamp) / NANOSECONDS
