# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Observe a ROS graph for some seconds, without judging it."""

import itertools
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.node import NodeNameNonExistentError
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer
from segformer_ros.ros.doctor import topic_counter
from segformer_ros.ros.io import image_types
from segformer_ros.ros.io.status import entries_of
from segformer_ros.ros.io.topics import type_name_of
from segformer_ros.ros.peers.standalone_node import StandaloneNode
from sensor_msgs import msg as sensor_msgs
from tf2_msgs.msg import TFMessage

DISCOVERY = 5.0
"""Seconds within which a node on a busy machine is found; more than DDS needs."""
ANSWER = 5.0
"""Seconds that a service may take."""
ASKED = 2
IMAGE, COMPRESSED, CAMERA_INFO = (sensor_msgs.Image, image_types.RAW), (
    sensor_msgs.CompressedImage, image_types.ENCODED), (
        sensor_msgs.CameraInfo, type_name_of(sensor_msgs.CameraInfo))
"""Types with their names."""
TRANSFORMS = type_name_of(TFMessage)
TF, TF_STATIC, CLOCK, DIAGNOSTICS = '/tf', '/tf_static', '/clock', '/diagnostics'
HISTORY = 2.0
"""Seconds that latched messages may take."""
PARAMETERS = ('model', 'model_spec', 'backend', 'engine_cache', 'use_sim_time', 'cameras',
              'costmap', 'odom_frame', 'ground_frame', 'projection.robot_radius')
MONITOR = 'collision_monitor'
"""Nav2's node that stops a robot, in the namespace of the node or in none."""
DEPTH_TRANSPORT = 'depth_transport'
"""Parameter of each camera that says whether, and how, the node reads its depth."""


class Endpoint(NamedTuple):
    """A publisher or a subscription, as the graph has it."""

    node: str
    type_name: str
    reliable: bool
    latched: bool


class SubscriptionObservation(NamedTuple):
    """One topic with both its ends; the node itself may have two subscriptions of it."""

    topic: str
    subscriptions: Tuple[Endpoint, ...]
    publishers: Tuple[Endpoint, ...]


class CameraObservation(NamedTuple):
    """The inputs of one camera."""

    image: topic_counter.TopicObservation
    info: topic_counter.TopicObservation


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
    subscriptions: Tuple[SubscriptionObservation, ...] = ()
    """The node's own."""
    others: Tuple[str, ...] = ()
    """Full names of further nodes of this kind."""
    published: Tuple[SubscriptionObservation, ...] = ()
    """What the node publishes, and who listens to it."""
    namesakes: int = 1
    """Nodes of the node's name, itself counted."""
    clock_times: Optional[int] = None
    """Different times that came on /clock; None where the node does not use them."""
    transform_topics: Tuple[str, ...] = (TF, TF_STATIC)


class GraphObserver(StandaloneNode):
    """
    A node that listens.

    :param node_name: full name of the segformer node to observe
    :param takes_another: where it does not run, the only one of this kind is observed
    """

    def __init__(self, node_name: str, takes_another: bool = False) -> None:
        super().__init__('segformer_doctor', args=[], start_parameter_services=False,
                         enable_rosout=False)
        self._target = '/' + node_name.strip('/')
        self._takes_another = takes_another
        self._buffer = TransformBuffer()
        self._transforms = 0
        self._times: Set[int] = set()
        self._faults: Dict[str, None] = {}
        self._raw: List[str] = []
        self._compressed: List[str] = []
        self._packets: List[str] = []
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
        others = [name for name in self._of_this_kind() if name != self._target]
        if not running and self._takes_another and len(others) == 1:
            self._target, running = others.pop(), True
        answers, state, parameters = False, '', {}  # type: bool, str, Dict[str, Any]
        if running:
            answers, state, parameters = self._ask()
        counters = [(self._counter(image_topic), self._counter(info_topic, CAMERA_INFO))
                    for image_topic, info_topic in
                    self._inputs(running, parameters, image, camera_info)]
        transform_topics = self._own_topics(running, TRANSFORMS) or (TF, TF_STATIC)
        for topic in transform_topics:
            if topic.endswith(TF_STATIC):
                for qos in (QoSProfile(depth=100), topic_counter.LATCHED):
                    self._node.create_subscription(TFMessage, topic, self._on_static, qos)
            else:
                self._node.create_subscription(TFMessage, topic, self._on_dynamic,
                                               topic_counter.BEST_EFFORT)
        diagnostics = self._own_topics(running, type_name_of(DiagnosticArray), True)
        for topic in diagnostics or (DIAGNOSTICS,):
            self._node.create_subscription(DiagnosticArray, topic, self._on_diagnostics, 10)
        simulated = bool(parameters.get('use_sim_time'))
        if simulated:
            self._node.create_subscription(Clock, CLOCK, self._on_clock, topic_counter.BEST_EFFORT)
        self.spin(seconds)
        asked = [info for _, info in counters if info.ask_for_history()]
        self.spin_until(lambda: all(each.received for each in asked), HISTORY)
        # Last: by now every node is discovered.
        stop_polygons = self._stop_polygons()
        names = self._node_names()
        return GraphObservation(
            self._target, running, answers, state, parameters,
            tuple(CameraObservation(image_counter.observation(), info_counter.observation())
                  for image_counter, info_counter in counters),
            self._diagnostics, self._buffer, self._transforms, tuple(self._faults),
            self._node.count_publishers(CLOCK), stop_polygons,
            self._subscriptions() if running else (),
            tuple(others), self._published() if running else (), names.count(self._target),
            len(self._times) if simulated else None, transform_topics)

    def _node_names(self) -> List[str]:
        return [f"{space.rstrip('/')}/{name}"
                for name, space in self._node.get_node_names_and_namespaces()]

    def _sees_target(self) -> bool:
        return self._target in self._node_names()

    def _of_this_kind(self) -> List[str]:
        """Return the nodes that offer what only this package's node does, whatever their name."""
        services = {name for name, _ in self._node.get_service_names_and_types()}
        return sorted({name for name in self._node_names()
                       if {f'{name}/enable', f'{name}/change_state'} <= services})

    def _own_topics(self, running: bool, type_name: str, published: bool = False
                    ) -> Tuple[str, ...]:
        """Return the topics of a type that the node reads, or publishes."""
        found = self._names_and_types(published) if running else []
        return tuple(sorted(topic for topic, types in found
                            if not type_name or type_name in types))

    def _names_and_types(self, published: bool) -> List[Tuple[str, List[str]]]:
        space, _, name = self._target.rpartition('/')
        ask = self._node.get_publisher_names_and_types_by_node if published \
            else self._node.get_subscriber_names_and_types_by_node
        try:
            return list(ask(name, space or '/'))
        except NodeNameNonExistentError:
            return []  # it ended meanwhile

    def _subscriptions(self) -> Tuple[SubscriptionObservation, ...]:
        return tuple(SubscriptionObservation(
            topic, self._of_target(self._node.get_subscriptions_info_by_topic(topic)),
            tuple(map(_endpoint, self._node.get_publishers_info_by_topic(topic))))
            for topic in self._own_topics(True, ''))

    def _published(self) -> Tuple[SubscriptionObservation, ...]:
        own = self._node.get_fully_qualified_name()
        return tuple(SubscriptionObservation(
            topic, tuple(each for each in map(
                _endpoint, self._node.get_subscriptions_info_by_topic(topic))
                if each.node != own),
            self._of_target(self._node.get_publishers_info_by_topic(topic)))
            for topic in self._own_topics(True, '', True))

    def _of_target(self, infos: Sequence[Any]) -> Tuple[Endpoint, ...]:
        return tuple(each for each in map(_endpoint, infos) if each.node == self._target)

    def _sees(self, node: str) -> bool:
        return node in self._node_names()

    def _stop_polygons(self) -> Dict[str, Any]:
        spaces = (self._target.rpartition('/')[0], '')
        monitor = next(filter(self._sees, (f'{space}/{MONITOR}' for space in spaces)), None)
        if monitor is None:
            return {}
        names = (self._parameters(['polygons'], monitor) or {}).get('polygons') or []
        values = self._parameters([f'{name}.{field}' for name in names
                                   for field in ('action_type', 'points')], monitor) or {}
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
            for _ in range(ASKED):
                # Again: an answer is lost where the server does not know its reader yet.
                future = client.call_async(request)
                if self.spin_until(future.done, ANSWER / ASKED):
                    return future.result()
            return None
        finally:
            self._node.destroy_client(client)

    def _inputs(self, running: bool, parameters: Dict[str, Any], image: str,
                camera_info: str) -> List[Tuple[str, str]]:
        if not running:
            return [(image, camera_info)]
        by_type: Dict[str, List[str]] = {}
        for topic, types in sorted(self._names_and_types(published=False)):
            for type_name in types:
                by_type.setdefault(type_name, []).append(topic)
        # The costmap alone reads depth.
        transports = [value for name, value in parameters.items()
                      if name.endswith(DEPTH_TRANSPORT)] if parameters.get('costmap') else []
        self._raw = by_type.get(IMAGE[1], [])
        self._compressed = by_type.get(COMPRESSED[1], [])
        self._packets = by_type.get(image_types.PACKET, [])
        images = \
            pictures(self._raw, transports.count('raw')) + \
            pictures(self._compressed,
                     transports.count('compressed')) + self._packets
        infos = by_type.get(CAMERA_INFO[1], [])
        # Inactive nodes read nothing.
        return [(topic, _beside(topic, infos) or camera_info) for topic in images or [image]]

    def _counter(self, topic: str,
                 kind: Optional[Tuple[Any, str]] = None) -> topic_counter.TopicCounter:
        name = self._node.resolve_topic_name(topic)
        packet = image_types.packet_type() if name in self._packets else None
        if kind is None and packet is not None:
            kind = packet, image_types.PACKET
        if kind is None:
            kind = COMPRESSED if name in self._compressed or (
                name.endswith('/compressed') and name not in self._raw) else IMAGE
        return topic_counter.TopicCounter(self._node, name, *kind)

    def _on_clock(self, message: Clock) -> None:
        self._times.add(stamp_to_nanoseconds(message.clock))

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


def _endpoint(info: Any) -> Endpoint:
    profile = info.qos_profile
    return Endpoint(f"{info.node_namespace.rstrip('/')}/{info.node_name}",
                    info.topic_type, profile.reliability == ReliabilityPolicy.RELIABLE,
                    profile.durability == DurabilityPolicy.TRANSIENT_LOCAL)


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
