# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Observe a ROS graph for some seconds, without judging it."""

import itertools
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import deserialize_message
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer
from segformer_ros.ros.io.status import entries_of
from segformer_ros.ros.peers.standalone_node import StandaloneNode
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

DISCOVERY = 5.0
"""Seconds within which a node on a busy machine is found; more than DDS needs."""
ANSWER = 5.0
"""Seconds that a service may take."""
PARAMETERS = ('model', 'model_spec', 'backend', 'engine_cache', 'use_sim_time', 'cameras',
              'costmap', 'odom_frame', 'ground_frame', 'projection.robot_radius')
MONITOR = '/collision_monitor'
"""Nav2's node that stops a robot, by the name that its launch files give it."""
DEPTH_TRANSPORT = 'depth_transport'
"""Parameter of each camera that says whether, and how, the node reads its depth."""
BEST_EFFORT = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
# Latched publishers give what they sent before; one that is volatile matches too, with best
# effort and volatile only, so there are two subscriptions.
LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class TopicObservation(NamedTuple):
    """One topic: who publishes it, how, and what came while it was observed."""

    name: str
    wanted_type: str
    publishers: Tuple[Tuple[str, str, str], ...]
    """Node, type, and reliability with durability of each."""
    received: int
    rate: float
    newest: Optional[Any]
    age: Optional[float]
    """Seconds from the newest message's stamp to its arrival."""


class CameraObservation(NamedTuple):
    """The inputs of one camera."""

    image: TopicObservation
    info: TopicObservation


class GraphObservation(NamedTuple):
    """What was seen; ``state`` and ``parameters`` are empty without a running node."""

    node: str
    running: bool
    answers: bool
    state: str
    parameters: Dict[str, Any]
    cameras: Tuple[CameraObservation, ...]
    diagnostics: Dict[str, Tuple[int, str, Dict[str, str]]]
    """Level, message and values of the node's own entries."""
    transform_buffer: TransformBuffer
    transforms: int
    transform_faults: Tuple[str, ...]
    clocks: int
    """Publishers of /clock."""
    stop_polygons: Dict[str, Any]
    """Of Nav2's collision monitor: what its parameter ``points`` holds, by the polygon's name."""


class _Counter:
    """Counts a topic's messages without decoding them; that would cost more than the node."""

    def __init__(self, node: Node, name: str, message_type: Any, type_name: str) -> None:
        self._node = node
        self._name = name
        self._type = message_type
        self._type_name = type_name
        self._arrivals: List[float] = []
        self._newest: Optional[bytes] = None
        self._clock = 0
        node.create_subscription(message_type, name, self._on_message, BEST_EFFORT, raw=True)

    def _on_message(self, message: bytes) -> None:
        self._arrivals.append(time.monotonic())
        self._newest = message
        self._clock = self._node.get_clock().now().nanoseconds

    def observation(self) -> TopicObservation:
        newest = None if self._newest is None else deserialize_message(self._newest, self._type)
        times = self._arrivals
        rate = (len(times) - 1) / (times[-1] - times[0]) \
            if len(times) > 1 and times[-1] > times[0] else 0.0
        publishers = tuple(
            (info.node_name, info.topic_type, '{}, {}'.format(
                info.qos_profile.reliability.name.lower().replace('_', ' '),
                info.qos_profile.durability.name.lower().replace('_', ' ')))
            for info in self._node.get_publishers_info_by_topic(self._name))
        age = None
        if newest is not None and self._clock:
            age = (self._clock - stamp_to_nanoseconds(newest.header.stamp)) / NANOSECONDS
        return TopicObservation(self._name, self._type_name, publishers, len(times), rate,
                                newest, age)


class GraphObserver(StandaloneNode):
    """
    A node that listens.

    :param node_name: full name of the segformer node to observe
    """

    def __init__(self, node_name: str) -> None:
        super().__init__('segformer_doctor', args=[], start_parameter_services=False,
                         enable_rosout=False)
        self._target = '/' + node_name.strip('/')
        self._buffer = TransformBuffer()
        self._transforms = 0
        self._faults: Dict[str, None] = {}
        self._parents: Dict[str, str] = {}
        self._diagnostics: Dict[str, Tuple[int, str, Dict[str, str]]] = {}

    def observe(self, seconds: float, image: str, camera_info: str) -> GraphObservation:
        """
        Listen and return what was there.

        :param seconds: how long messages are counted
        :param image: topic of the images, used where no active node says which one it reads
        :param camera_info: likewise
        """
        running = self.spin_until(self._sees_target, DISCOVERY)
        answers, state, parameters = False, '', {}  # type: bool, str, Dict[str, Any]
        if running:
            answers, state, parameters = self._ask()
        stop_polygons = self._stop_polygons()
        counters = [(self._counter(image_topic), self._counter(info_topic))
                    for image_topic, info_topic in
                    self._inputs(running, parameters, image, camera_info)]
        for qos in (QoSProfile(depth=100), LATCHED):
            self._node.create_subscription(TFMessage, '/tf_static', self._on_static, qos)
        self._node.create_subscription(TFMessage, '/tf', self._on_dynamic, BEST_EFFORT)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.spin(seconds)
        return GraphObservation(
            self._target, running, answers, state, parameters,
            tuple(CameraObservation(image_counter.observation(), info_counter.observation())
                  for image_counter, info_counter in counters),
            self._diagnostics, self._buffer, self._transforms, tuple(self._faults),
            self._node.count_publishers('/clock'), stop_polygons)

    def _sees_target(self) -> bool:
        return self._sees(self._target)

    def _sees(self, node: str) -> bool:
        names = self._node.get_node_names_and_namespaces()
        return node in ['{}/{}'.format(space.rstrip('/'), name) for name, space in names]

    def _stop_polygons(self) -> Dict[str, Any]:
        if not self._sees(MONITOR):
            return {}
        names = (self._parameters(['polygons'], MONITOR) or {}).get('polygons') or []
        values = self._parameters([f'{name}.{field}' for name in names
                                   for field in ('action_type', 'points')], MONITOR) or {}
        return {name: values.get(f'{name}.points') for name in names
                if values.get(f'{name}.action_type') == 'stop'}

    def _ask(self) -> Tuple[bool, str, Dict[str, Any]]:
        state = self._call(GetState, 'get_state', GetState.Request())
        values = self._parameters(list(PARAMETERS))
        if state is None or values is None:
            return False, '', {}
        values.update(self._parameters([
            f'{camera}.{DEPTH_TRANSPORT}' if camera else DEPTH_TRANSPORT
            for camera in values.get('cameras') or ['']]) or {})
        return True, str(state.current_state.label), values

    def _parameters(self, names: List[str], node: str = '') -> Optional[Dict[str, Any]]:
        answer = self._call(GetParameters, 'get_parameters', GetParameters.Request(names=names),
                            node)
        if answer is None:
            return None
        return {name: parameter_value_to_python(value)
                for name, value in zip(names, answer.values)}

    def _call(self, service_type: Any, name: str, request: Any, node: str = '') -> Any:
        client = self._node.create_client(service_type, f'{node or self._target}/{name}')
        try:
            if not self.spin_until(client.service_is_ready, ANSWER):
                return None
            future = client.call_async(request)
            return future.result() if self.spin_until(future.done, ANSWER) else None
        finally:
            self._node.destroy_client(client)

    def _inputs(self, running: bool, parameters: Dict[str, Any], image: str,
                camera_info: str) -> List[Tuple[str, str]]:
        if not running:
            return [(image, camera_info)]
        space, _, name = self._target.rpartition('/')
        read = self._node.get_subscriber_names_and_types_by_node(name, space or '/')
        by_type: Dict[str, List[str]] = {}
        for topic, types in sorted(read):
            for type_name in types:
                by_type.setdefault(type_name, []).append(topic)
        # The costmap alone reads depth.
        transports = [value for name, value in parameters.items()
                      if name.endswith(DEPTH_TRANSPORT)] if parameters.get('costmap') else []
        images = \
            pictures(by_type.get('sensor_msgs/msg/Image', []), transports.count('raw')) + \
            pictures(by_type.get('sensor_msgs/msg/CompressedImage', []),
                     transports.count('compressed'))
        infos = by_type.get('sensor_msgs/msg/CameraInfo', [])
        # Inactive nodes read nothing.
        return [(topic, _beside(topic, infos) or camera_info) for topic in images or [image]]

    def _counter(self, topic: str) -> _Counter:
        name = self._node.resolve_topic_name(topic)
        if name.endswith('camera_info'):
            return _Counter(self._node, name, CameraInfo, 'sensor_msgs/msg/CameraInfo')
        if name.endswith('/compressed'):
            return _Counter(self._node, name, CompressedImage, 'sensor_msgs/msg/CompressedImage')
        return _Counter(self._node, name, Image, 'sensor_msgs/msg/Image')

    def _on_dynamic(self, message: TFMessage) -> None:
        self._insert(message, False)

    def _on_static(self, message: TFMessage) -> None:
        self._insert(message, True)

    def _insert(self, message: TFMessage, static: bool) -> None:
        for each in message.transforms:
            self._transforms += 1
            before = self._parents.setdefault(each.child_frame_id, each.header.frame_id)
            if before != each.header.frame_id:
                self._faults[f'Frame {each.child_frame_id} has two parents, {before} and '
                             f'{each.header.frame_id}.'] = None
            try:
                self._buffer.insert_message(each, static)
            except SegformerRosError as error:
                self._faults[str(error)] = None

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._diagnostics.update(entries_of(message, self._target))


def pictures(topics: Sequence[str], depths: int) -> List[str]:
    """
    Return those of some image topics that are not depth images.

    :param depths: how many depth images the node reads: those whose names say depth most often
    """
    named = sorted((topic for topic in topics if any(_depth_words(topic))), key=_depth_words,
                   reverse=True)
    return [topic for topic in topics if topic not in named[:depths]]


def _depth_words(topic: str) -> Tuple[int, int]:
    # Words, since aligned_depth_to_color is depth, and oak_depthai the name of a driver; all of
    # them, since the colour image of a depth_camera has the word in its namespace, too.
    parts = topic.lower().split('/')
    words = [word for part in parts for word in part.split('_')]
    return (words.count('depth') + words.count('compresseddepth'), parts.count('depth'))


def _beside(image: str, infos: List[str]) -> Optional[str]:
    """Return the CameraInfo topic whose name begins most like that of an image."""
    def common(info: str) -> int:
        return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1],
                                                  zip(image, info)))
    return max(infos, key=common, default=None)
