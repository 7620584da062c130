# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Cameras and a listener in one node, for latencies and losses of the segformer node."""

import functools
import threading
import time
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters
from rclpy.qos import qos_profile_sensor_data
from segformer_ros.common import arrays
from segformer_ros.common import time as ros_time
from segformer_ros.common.errors import BackendError
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.images import byte_array
from segformer_ros.ros.io.status import entries_of
from segformer_ros.ros.peers.standalone_node import StandaloneNode
from sensor_msgs.msg import Image
from std_msgs.msg import Header

NODE = '/segformer'
SPIN_S = 0.05
# How long after the last image its mask may come before it counts as lost.
DRAIN_S = 1.5
ASK_EVERY_S = 0.25
FRESH_DIAGNOSTICS_S = 30.0


class Arrival(NamedTuple):
    """A mask: its camera, its stamp and its arrival, seconds of one clock."""

    camera: str
    stamp: float
    received: float


class Drive(NamedTuple):
    """
    What was sent, and what came beside masks.

    ``sent`` counts images; ``answers`` are the seconds that each answer to ``get_parameters``
    took; ``last`` holds camera and stamp of each camera's last image, which no newer one
    supersedes however long it waits.
    """

    sent: int
    answers: List[float]
    last: List[Tuple[str, float]]


class Traffic(StandaloneNode):
    """
    Sends images and gathers masks, diagnostics and answers.

    :param cameras: names, one empty name for a camera without one
    :param image: (H, W, 3) BGR, contiguous, that every camera sends
    """

    def __init__(self, cameras: Sequence[str], image: arrays.UInt8) -> None:
        super().__init__('benchmark')
        self._cameras = list(cameras)
        height, width = image.shape[:2]
        self._image = Image(
            header=Header(frame_id='camera'), height=height, width=width, encoding='bgr8',
            step=3 * width, is_bigendian=0, data=byte_array(image))
        self._arrivals: List[Arrival] = []
        self._entries: Dict[str, Tuple[int, str, Dict[str, str]]] = {}
        self._heard = 0.0
        self._stopping = False
        self._images = {name: self._node.create_publisher(
            Image, '/' + topics.input_name(name, topics.IMAGE), qos_profile_sensor_data)
            for name in self._cameras}
        for name in self._cameras:
            self._node.create_subscription(
                Image, f'{NODE}/{topics.input_name(name, topics.MASK)}',
                functools.partial(self._on_mask, name), topics.MASK.profile())
        self._node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS.name,
                                       self._on_diagnostics, topics.DIAGNOSTICS.profile())
        self._client = self._node.create_client(GetParameters, NODE + '/get_parameters')
        # In a thread of its own, so that images leave on time whatever comes in.
        self._thread = threading.Thread(target=self._spin, name='benchmark', daemon=True)
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        """Leave the graph."""
        self._stopping = True
        self._thread.join()
        super().__exit__(*exception)

    def node_is_ready(self) -> bool:
        """Return whether the node subscribes to the images and offers its service."""
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
        stamp = self._image.header.stamp
        stamp.sec, stamp.nanosec = ros_time.nanoseconds_to_stamp(
            int(time.time() * ros_time.NANOSECONDS))
        self._images[camera].publish(self._image)
        return ros_time.stamp_to_seconds(stamp)

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
        entry = f'camera {camera}' if camera else 'camera'
        while time.monotonic() < asked + FRESH_DIAGNOSTICS_S:
            if entry in self._entries and self._heard >= asked:
                return self._entries[entry][2]
            time.sleep(SPIN_S)
        raise BackendError('The node publishes no diagnostics of a camera', got=f'no {entry!r}',
                           expected=f'one on /diagnostics within {FRESH_DIAGNOSTICS_S:.0f} s')

    def _ask(self, answers: List[float]) -> None:
        asked = time.monotonic()
        future = self._client.call_async(GetParameters.Request(names=['threshold']))
        future.add_done_callback(lambda _: answers.append(time.monotonic() - asked))

    def _spin(self) -> None:
        while not self._stopping:
            self._executor.spin_once(timeout_sec=SPIN_S)

    def _on_mask(self, camera: str, mask: Any) -> None:
        stamp = ros_time.stamp_to_seconds(mask.header.stamp)
        self._arrivals.append(Arrival(camera, stamp, time.time()))

    def _on_diagnostics(self, message: Any) -> None:
        entries = entries_of(message, NODE)
        if entries:
            self._entries.update(entries)
            self._heard = time.monotonic()
