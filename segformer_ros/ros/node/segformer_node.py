# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node: transitions, parameters, the enable service, diagnostics."""

import os
import traceback
from typing import Any, Callable, Dict, List, Optional, Sequence, Set

import cv2
from rclpy import lifecycle
from segformer_ros.capture.frame import NetworkIdentity
from segformer_ros.common.allocator import keep_freed_memory
from segformer_ros.common.allocator import return_freed_memory
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.inference.onnxrt.backend import CPU_PROVIDER
from segformer_ros.ros.capture.server import CaptureServer
from segformer_ros.ros.costmap.server import CostmapServer
from segformer_ros.ros.costmap.tables import load_next_tables
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io import image_types
from segformer_ros.ros.io import remaps
from segformer_ros.ros.io import shared_memory
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.clock import create_steady_timer
from segformer_ros.ros.io.label_info import label_info_type
from segformer_ros.ros.io.label_info import MISSING as LABEL_INFO_MISSING
from segformer_ros.ros.io.logging import LogBridge
from segformer_ros.ros.io.publishers import DiagnosticsPublisher
from segformer_ros.ros.io.status import NodeState
from segformer_ros.ros.io.status import Status
from segformer_ros.ros.node import diagnostics
from segformer_ros.ros.node import live_segmenter
from segformer_ros.ros.node import supervisor
from segformer_ros.ros.node.camera import Camera
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.lifecycle import answer_impossible_transitions
from segformer_ros.ros.node.lifecycle import start_by_itself
from segformer_ros.ros.node.model_switch import ActiveNode
from segformer_ros.ros.node.model_switch import ModelSwitch
from segformer_ros.ros.node.model_validation import Candidate
from segformer_ros.ros.node.neighbours import Neighbours
from segformer_ros.ros.node.outputs import Outputs
from segformer_ros.ros.parameters.declaration import ReloadableNode
from segformer_ros.ros.parameters.inputs import unread_inputs
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.ros.parameters.server import ParameterServer
from std_srvs.srv import SetBool

CONFIDENCE_MISSING = 'confidence: the network returns labels alone'
CHECK_PERIOD = 0.5
"""Seconds between two looks whether the backend still answers."""
LOOK_PERIOD = 5.0
"""Seconds between two looks at the other nodes; they come and go slowly."""
STOP_TIMEOUT = 30.0
"""Seconds that a frame in work may take before the inference thread is given up."""


class SegformerNode(ReloadableNode, lifecycle.LifecycleNode):
    """
    Camera images in, semantic masks out.

    :param is_stopping: asked while configure waits; where true it fails instead of waiting on
    :param command_line: of the process; what it remaps in vain is told
    :param options: of rclpy's ``Node``
    :raises ConfigurationError: a parameter given at start cannot be used
    """

    def __init__(self, is_stopping: Callable[[], bool] = lambda: False,
                 command_line: Sequence[str] = (), **options: Any) -> None:
        super().__init__('segformer', **options)
        self._is_stopping = is_stopping
        self._remap_rules = remaps.rules_of(command_line)
        self._told_idle: Set[str] = set()
        # Its pool would take the cores from a session that runs beside.
        cv2.setNumThreads(1)
        self._log_bridge = LogBridge(self.get_logger())
        self._settings = ParameterServer(self, self._on_parameters)
        self._supervisor: Optional[supervisor.Supervisor] = None
        self._abandoned = supervisor.AbandonedThreads()
        if self._settings.current.keep_memory and not keep_freed_memory():
            self.get_logger().info('This C library has no settings for keep_memory.')
        self._cameras: Dict[str, Camera] = {}
        self._enabled = True
        self._trouble = ''
        self._has_confidence = True
        self._missing = ''
        if label_info_type() is None:
            self._missing = LABEL_INFO_MISSING
            self.get_logger().warning(f'Not published: {self._missing}.')
        trouble = shared_memory.shared_memory_trouble(os.environ)
        if trouble:
            self.get_logger().warning(f'{trouble}. {shared_memory.REMEDY}')
        self.create_service(SetBool, topics.ENABLE_SERVICE, self._on_enable)
        self._costmap = CostmapServer(self)
        self._capture = CaptureServer(self, lambda: self._settings.current, self._is_serving,
                                      self._costmap)
        self._model: Optional[live_segmenter.Model] = None
        self._switch = ModelSwitch(self, self._settings, self._serving, self._abandoned)
        self._settings.examine = self._examine
        answer_impossible_transitions(self, self._settings.current.autostart)
        create_steady_timer(self, CHECK_PERIOD, self._on_check)
        self._neighbours = Neighbours(self)
        create_steady_timer(self, LOOK_PERIOD, self._on_look)
        self._diagnostics = DiagnosticsPublisher(self, self._statuses)
        if self._settings.current.autostart:
            start_by_itself(self, self._abandoned, is_stopping)
        else:
            self.get_logger().info(
                'autostart is false: waits for a lifecycle manager, or for "ros2 lifecycle set '
                f'{self.get_fully_qualified_name()} configure" and activate.')

    @property
    def lifecycle_state(self) -> str:
        """Return the label of the lifecycle state, such as ``active``."""
        return str(self._state_machine.current_state[1])

    @property
    def is_unrecoverable(self) -> bool:
        """Return whether only another process can help: too many threads are abandoned."""
        return self._abandoned.is_unrecoverable

    @property
    def leaves_threads(self) -> bool:
        """Return whether threads hang that nothing but the end of the process ends."""
        return bool(self._abandoned)

    def close(self) -> None:
        """Shut down in an orderly way from any state, while publishing still works."""
        if self.lifecycle_state in ('unconfigured', 'inactive', 'active'):
            self.trigger_shutdown()
        else:
            self._release()
        self._diagnostics.destroy()
        self._log_bridge.remove()

    def on_configure(self, state: lifecycle.State) -> lifecycle.TransitionCallbackReturn:
        """
        Load the network, open the backend, create the publishers.

        :return: FAILURE where model or backend cannot be used; the node stays unconfigured
        """
        try:
            return self._attempt('configure', self._configure)
        except SegformerRosError as error:
            self._trouble = f'Cannot configure: {error}'
            if self._is_stopping():
                self.get_logger().info(self._trouble)  # nobody's fault
            else:
                self.get_logger().error(self._trouble)
            self._release()
            return lifecycle.TransitionCallbackReturn.FAILURE

    def on_activate(self, state: lifecycle.State) -> lifecycle.TransitionCallbackReturn:
        """
        Publish the class names and take images.

        :return: FAILURE where a subscription cannot be made as asked for
        """
        try:
            return self._attempt('activate', self._start)
        except SegformerRosError as error:
            self._trouble = f'Cannot activate: {error}'
            self.get_logger().error(self._trouble)
            self._stop()
            return lifecycle.TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: lifecycle.State) -> lifecycle.TransitionCallbackReturn:
        """Take no images, publish nothing; the backend stays open."""
        return self._attempt('deactivate', self._stop)

    def on_cleanup(self, state: lifecycle.State) -> lifecycle.TransitionCallbackReturn:
        """Close the backend and destroy what configure made."""
        return self._attempt('cleanup', self._release)

    def on_shutdown(self, state: lifecycle.State) -> lifecycle.TransitionCallbackReturn:
        """Finish the frame in work, then release everything."""
        return self._attempt('shutdown', self._release)

    def on_error(self, state: lifecycle.State) -> lifecycle.TransitionCallbackReturn:
        """Release everything after a fault; the node can be configured again."""
        self._release()
        return lifecycle.TransitionCallbackReturn.SUCCESS

    def _attempt(self, name: str,
                 transition: Callable[[], None]) -> lifecycle.TransitionCallbackReturn:
        self._trouble = ''
        try:
            transition()
        except SegformerRosError:
            raise  # what the user can put right: the caller's business
        except Exception as error:
            # rclpy turns an exception into ERROR without a word, so it is told here.
            self._trouble = f'Fault in {name}: {type(error).__name__}: {error}'
            self.get_logger().fatal(f'{self._trouble}\n{traceback.format_exc()}')
            return lifecycle.TransitionCallbackReturn.ERROR
        return lifecycle.TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        parameters = self._settings.current
        for camera in parameters.cameras:
            # What is not installed is told before a backend is opened, which may take minutes.
            image_types.message_type_of(camera.image_transport)
        model = self._model = live_segmenter.find_model(parameters, self._is_stopping)
        self._settings.locked = True
        supervised = self._supervisor = supervisor.Supervisor(
            self._settings,
            self._make_successor,
            self._on_lost, self._on_trouble, self._abandoned)
        supervised.start(self._is_stopping)
        # Of what serves: where the labels' own network can be cut, it has a confidence.
        has_confidence = supervised.thread.live.has_confidence
        live_segmenter.check_confidence(parameters, has_confidence)
        self._has_confidence = has_confidence
        if not has_confidence:
            self.get_logger().warning(
                f'Not published: {CONFIDENCE_MISSING}. The costmap takes every pixel as sure.')
        self._warn_of_idle_remaps(parameters)
        self._costmap.configure(parameters, model.classes)
        self._capture.configure(self._network(model))
        self._cameras = {
            camera.name: Camera(self, camera.name, self._settings,
                                Outputs(self, camera.name, model.classes, self._has_confidence),
                                supervised.offer, self._costmap.on_mask, self._capture)
            for camera in parameters.cameras}

    def _network(self, model: live_segmenter.Model) -> NetworkIdentity:
        # Of the file as it was named, not of one that was made from it for another size.
        path = model.path if model.source is None else model.source[0]
        return NetworkIdentity(model.spec.name, path, model.classes, self._costmap.groups)

    def _is_serving(self) -> bool:
        return self._enabled and self.lifecycle_state == 'active'

    def _make_successor(self, fallback: bool,
                        predecessor: Optional[InferenceThread]) -> InferenceThread:
        parameters = self._settings.current
        if fallback:
            # What runs on every machine: a provider that was named may be what failed.
            parameters = parameters._replace(backend='onnxruntime',
                                             execution_provider=CPU_PROVIDER)
        model = self._model or live_segmenter.find_model(parameters)
        return self._make_thread(model, parameters, predecessor)

    def _make_thread(self, model: live_segmenter.Model, parameters: NodeParameters,
                     predecessor: Optional[InferenceThread] = None) -> InferenceThread:
        live = live_segmenter.LiveSegmenter(live_segmenter.make_selector(parameters, model),
                                            parameters.threads)
        return InferenceThread([camera.name for camera in parameters.cameras], live,
                               parameters.max_rate, predecessor)

    def _serving(self) -> Optional[ActiveNode]:
        """Return what may be exchanged for another network, None where nothing serves."""
        if self._supervisor is None or self._model is None or not self._is_serving():
            return None
        return ActiveNode(
            self._model, self._supervisor, list(self._cameras.values()), self._make_thread,
            lambda parameters, model: load_next_tables(
                parameters, model.classes, self._costmap.on_mask is not None),
            self._take_over)

    def _take_over(self, candidate: Candidate, parameters: NodeParameters) -> str:
        self._model = candidate.model
        self._has_confidence = candidate.thread.live.has_confidence
        for camera in self._cameras.values():
            camera.replace_classes(candidate.model.classes, self._has_confidence)
        was_on = self._costmap.on_mask is not None
        # It makes publishers where there was no costmap, as a transition does: in this thread.
        note = self._costmap.exchange(parameters, candidate.model.classes, candidate.tables)
        if not was_on and self.lifecycle_state == 'active':
            self._costmap.start()
        for camera in self._cameras.values():
            camera.on_mask = self._costmap.on_mask
        self._capture.exchange(self._network(candidate.model))
        return note

    def _on_lost(self, name: str, why: str) -> None:
        if name in self._cameras:
            self._cameras[name].statistics.record_error(why, rejected=False)

    def _on_trouble(self, text: str) -> None:
        self.get_logger().error(text)
        # At once: a new backend may serve before the next entry is due.
        self._diagnostics.publish()

    def _on_check(self) -> None:
        if self._supervisor is not None:
            self._supervisor.check()
        for camera in self._cameras.values():
            camera.check()
        self._capture.check()

    def _warn_of_idle_remaps(self, parameters: NodeParameters) -> None:
        # Whoever remaps image has a topic in mind, and would wait for its masks in vain.
        for name, why in sorted(unread_inputs(parameters).items()):
            resolved = self.resolve_topic_name(name)
            if resolved != self.resolve_topic_name(name, only_expand=True):
                self.get_logger().warning(f'Remapping {name} to {resolved} does nothing: {why}')
        for camera in parameters.cameras:
            if camera.depth_topic and camera.depth_transport == 'none':
                self.get_logger().warning(
                    f'depth_topic {camera.depth_topic} does nothing: set depth_transport: raw or '
                    'compressed.')

    def _log_inputs(self) -> None:
        names = sorted({f'{each.topic_name} ({topics.type_name_of(each.msg_type)})'
                        for each in self.subscriptions})
        self.get_logger().info(f"Listens to {', '.join(names)}.")

    def _on_look(self) -> None:
        self._neighbours.look(self._settings.current.costmap.costmap)

    def _start(self) -> None:
        self._costmap.start()
        self._start_cameras()
        self._log_inputs()

    def _stop(self) -> None:
        self._stop_cameras()
        self._costmap.stop()

    def _start_cameras(self) -> None:
        # Switched off by ~/enable they stay off until that is taken back.
        if self._enabled:
            for camera in self._cameras.values():
                camera.start()
            self._warn_of_idle_names()

    def _warn_of_idle_names(self) -> None:
        # Not before: subscriptions are made as the node gets active.
        names = topics.all_names([camera.name for camera in self._settings.current.cameras])
        for text in endpoints.idle_overrides(self) + remaps.idle_rules(
                self, self._remap_rules, names):
            if text not in self._told_idle:
                self._told_idle.add(text)
                self.get_logger().warning(text)

    def _stop_cameras(self) -> None:
        for camera in self._cameras.values():
            camera.stop()
        if self._supervisor is not None:
            for name in self._supervisor.thread.clear():
                self._cameras[name].statistics.record_drop()

    def _release(self) -> None:
        self._switch.cancel()
        self._capture.release()
        self._stop()
        if self._supervisor is not None and not self._supervisor.stop(STOP_TIMEOUT):
            # The cameras are stopped, so it cannot publish through what is destroyed now.
            self.get_logger().error(
                f'The backend has not answered for {STOP_TIMEOUT:.0f} s; its thread is '
                'abandoned.')
        self._abandoned.prune()
        if self._supervisor is not None and self._abandoned:
            self.get_logger().warning(
                f'Abandoned threads, which hang: {len(self._abandoned)}; with '
                f'{supervisor.MAX_ABANDONED} the process ends.')
        self._supervisor = None
        self._model = None
        for camera in self._cameras.values():
            camera.destroy()
        self._cameras = {}
        self._costmap.release()
        self._settings.locked = False
        self._has_confidence = True
        return_freed_memory()

    def _examine(self, parameters: NodeParameters) -> None:
        live_segmenter.check_confidence(parameters, self._has_confidence)
        self._costmap.examine(parameters)
        self._capture.examine(parameters)

    def _on_parameters(self, before: NodeParameters, now: NodeParameters) -> None:
        if self._supervisor is not None:
            self._supervisor.thread.set_max_rate(now.max_rate)
        self._costmap.apply(now)
        self._capture.apply(before, now)
        if before.threshold != now.threshold:
            for camera in self._cameras.values():
                camera.publish_label_info()

    def _on_enable(self, request: Any, response: Any) -> Any:
        self._enabled = request.data
        if not self._enabled:
            self._stop_cameras()
            self._costmap.rest()
        elif self.lifecycle_state == 'active':
            self._start_cameras()
        response.success = True
        response.message = 'enabled' if self._enabled else 'disabled'
        self.get_logger().info(f'Masks are {response.message}.')
        return response

    def _statuses(self) -> List[Status]:
        time_source = 'simulated' if self.get_parameter('use_sim_time').value else 'system'
        missing = [self._missing] if self._missing else []
        if not self._has_confidence:
            missing.append(CONFIDENCE_MISSING)
        state = NodeState(self.lifecycle_state, self._enabled, self._trouble, '; '.join(missing),
                          time_source, self._neighbours.trouble)
        serving = watchdog = None
        if self._supervisor is not None:
            serving, watchdog = self._supervisor.thread.live.serving, self._supervisor.state
        return [
            diagnostics.node_status(state), diagnostics.backend_status(serving),
            diagnostics.watchdog_status(watchdog),
            *(camera.status(state) for camera in self._cameras.values()),
            self._costmap.status(state, self._settings.current),
            self._capture.status(self._has_confidence)]
