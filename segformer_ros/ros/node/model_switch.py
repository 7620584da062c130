# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The service ``~/load_model``: another network takes over between two frames, or is refused."""

import threading
from typing import Any, Callable, List, NamedTuple, Optional

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.text import plain
from segformer_ros.model.weights import catalogue
from segformer_ros.ros.costmap.tables import Tables
from segformer_ros.ros.io import topics
from segformer_ros.ros.node import live_segmenter
from segformer_ros.ros.node.camera import Camera
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.model_validation import Candidate
from segformer_ros.ros.node.model_validation import ModelValidation
from segformer_ros.ros.node.supervisor import AbandonedThreads
from segformer_ros.ros.node.supervisor import Supervisor
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.ros.parameters.server import ParameterServer
from std_srvs.srv import Trigger

DRAIN_TIMEOUT = 10.0
"""Seconds that the frame in work may take before its thread is given up."""
NEXT = {'model': 'next_model', 'model_spec': 'next_model_spec',
        'cost_profile': 'next_cost_profile', 'category_groups': 'next_category_groups'}
"""Parameters that are exchanged, and those that say for what."""


class ActiveNode(NamedTuple):
    """
    What serves while the node is active.

    ``make_thread`` returns an inference thread for a model and parameters, not started.
    ``load_tables`` raises where the costs do not fit the classes. ``take_over`` is called
    between the last frame of one network and the first of the other, and returns what there is
    to say of it.
    """

    model: live_segmenter.Model
    supervisor: Supervisor
    cameras: List[Camera]
    make_thread: Callable[[live_segmenter.Model, NodeParameters], InferenceThread]
    load_tables: Callable[[NodeParameters, live_segmenter.Model], Tables]
    take_over: Callable[[Candidate, NodeParameters], str]


class ModelSwitch:
    """
    Load another network on request.

    The other network is opened beside the one that serves, which needs memory for both. It gets
    frames that were served, in a thread of its own. Where it passes, the frame in work is
    finished, names and costs change, and the waiting and all later frames are the other's.

    :param node: owns the service
    :param settings: its parameters
    :param serving: returns what serves, None where nothing does
    :param abandoned: takes threads that hang
    """

    def __init__(self, node: Node, settings: ParameterServer,
                 serving: Callable[[], Optional[ActiveNode]], abandoned: AbandonedThreads) -> None:
        self._node = node
        self._settings = settings
        self._serving = serving
        self._abandoned = abandoned
        self._validation: Optional[ModelValidation] = None
        self._draining: Optional[InferenceThread] = None
        # Of its own, or nothing else of the node would run while a request waits.
        node.create_service(Trigger, topics.LOAD_MODEL_SERVICE, self._on_request,
                            callback_group=ReentrantCallbackGroup())

    def cancel(self) -> None:
        """Give up what is being loaded; called before what serves is stopped."""
        validation, self._validation = self._validation, None
        draining, self._draining = self._draining, None
        if validation is not None:
            validation.close()
            self._leave(validation.hanging)
        if draining is not None and not draining.stop(DRAIN_TIMEOUT):
            self._leave(draining)

    async def _on_request(self, request: Any, response: Any) -> Any:
        try:
            response.message = await self._load()
            response.success = True
            self._node.get_logger().info(response.message)
        except Exception as error:  # the network that serves goes on whatever it was
            response.success = False
            response.message = plain(error)
            self._node.get_logger().error(f'The network is not exchanged: {response.message}')
        return response

    async def _load(self) -> str:
        if self._validation is not None:
            raise BackendError('Another network is being loaded', remedy='Wait for its answer.')
        serving = self._serving()
        if serving is None:
            raise BackendError(
                'Nothing to compare another network with', got='a node that makes no masks',
                expected='an active one, with masks enabled',
                remedy='Activate it; or set the parameter model while it is unconfigured.')
        parameters = self._wanted()
        done = Future()
        validation = self._validation = ModelValidation(
            lambda: self._make(serving, parameters),
            lambda candidate: live_segmenter.check_confidence(
                self._settings.current, candidate.thread.live.has_confidence),
            list(serving.model.classes.names), parameters.open_timeout,
            lambda: self._finish(done))
        for camera in serving.cameras:
            camera.on_served = validation.offer
        validation.start()
        try:
            await done
        finally:
            for camera in serving.cameras:
                camera.on_served = None
        if self._validation is not validation:
            raise BackendError('The network was not loaded', got='a node that stopped meanwhile')
        if validation.error is not None or validation.candidate is None:
            self._validation = None
            self._leave(validation.hanging)
            raise validation.error or BackendError('The network was not loaded')
        return await self._exchange(serving, validation, validation.candidate, parameters)

    async def _exchange(self, serving: ActiveNode, validation: ModelValidation,
                        candidate: Candidate, parameters: NodeParameters) -> str:
        before = self._draining = serving.supervisor.hand_over(candidate.thread)
        drained = Future()
        threading.Thread(target=lambda: self._drain(before, drained), daemon=True,
                         name='network drain').start()
        await drained
        if self._validation is not validation:
            raise BackendError('The network was not loaded', got='a node that stopped meanwhile')
        self._validation = self._draining = None
        if not drained.result():
            for camera in before.abandon():
                self._node.get_logger().error(
                    f'{camera}: A frame is lost with the network before, which hangs.')
            self._leave(before)
        try:
            note = serving.take_over(candidate, parameters)
            self._settings.put({
                'model': parameters.model, 'model_spec': parameters.model_spec,
                'cost_profile': parameters.costmap.cost_profile,
                'category_groups': parameters.costmap.category_groups,
                **dict.fromkeys(NEXT.values(), '')})
        finally:
            # It has taken over, whatever the parameters say: masks go on.
            candidate.thread.resume()
        return f'{candidate.model.path} serves: {validation.summary}.' + (
            f' {note}.' if note else '')

    def _leave(self, thread: Optional[InferenceThread]) -> None:
        if thread is not None:
            self._abandoned.add(thread)

    def _wanted(self) -> NodeParameters:
        current = self._settings.current
        if not current.next_model:
            raise ConfigurationError(
                'No network is named', got='an empty parameter next_model',
                expected=f"one of {', '.join(catalogue.model_names())}, or the path of an ONNX "
                         'file',
                remedy='Set it first: ros2 param set '
                       f'{self._node.get_fully_qualified_name()} next_model ...')
        costmap = current.costmap
        return current._replace(
            model=current.next_model, model_spec=current.next_model_spec,
            costmap=costmap._replace(
                cost_profile=current.next_cost_profile or costmap.cost_profile,
                category_groups=current.next_category_groups or (
                    '' if current.next_cost_profile else costmap.category_groups)))

    def _make(self, serving: ActiveNode, parameters: NodeParameters) -> Candidate:
        # Without a validation nobody waits for it any more.
        model = live_segmenter.find_model(parameters, lambda: self._validation is None)
        tables = serving.load_tables(parameters, model)
        return Candidate(model, tables, serving.make_thread(model, parameters))

    def _drain(self, thread: InferenceThread, drained: Future) -> None:
        drained.set_result(thread.wait_until_drained(DRAIN_TIMEOUT))
        self._wake()

    def _finish(self, done: Future) -> None:
        done.set_result(None)
        self._wake()

    def _wake(self) -> None:
        # The executor looks at waiting requests when something comes; this is something.
        executor = self._node.executor
        if executor is not None:
            executor.wake()
