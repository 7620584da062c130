# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap of a configured node: masks in, clouds and grids out, in a thread of its own."""

import threading
import time
import traceback
from typing import Any, Callable, Dict, List, Optional

import numpy as np
from rclpy.node import Node
from rclpy.subscription import Subscription
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.cost_table import UNKNOWN
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_grouping
from segformer_ros.ros.costmap import camera as costmap_camera
from segformer_ros.ros.costmap.camera_poses import CameraPoses
from segformer_ros.ros.costmap.camera_poses import RangeReading
from segformer_ros.ros.costmap.diagnostics import costmap_status
from segformer_ros.ros.costmap.diagnostics import CostmapState
from segformer_ros.ros.costmap.outputs import GridOutputs
from segformer_ros.ros.costmap.thread import CostmapThread
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.clock import NodeClock
from segformer_ros.ros.io.logging import Throttle
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.io.status import NodeState
from segformer_ros.ros.io.status import Status
from segformer_ros.ros.io.transforms import make_transforms
from segformer_ros.ros.parameters.costmap import RANGE
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.segmentation.segmenter import Segmentation
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Range
from std_msgs.msg import Header
from std_srvs.srv import Trigger

STOP_TIMEOUT = 5.0
"""Seconds that one frame may take before the costmap's thread is given up."""
LEAST_TICKS = 5
"""Grids before a rate can be told."""


class CostmapServer:
    """
    Turn the masks of all cameras into one grid and the clouds of each.

    :param node: owns publishers and subscriptions
    :param parameters: at configure
    :param classes: of the network
    :param poses: of its cameras
    :raises ConfigurationError: the cost profile, the groups or a self mask cannot be used
    """

    def __init__(self, node: Node, parameters: NodeParameters, classes: ClassTable,
                 poses: CameraPoses) -> None:
        self._node = node
        self._classes = classes
        self._parameters = parameters
        self._costs = load_cost_table(parameters.costmap.cost_profile, classes)
        self._groups = load_grouping(parameters.costmap.groups, classes)
        self._log = Throttle(node.get_logger(), time.monotonic)
        self._poses = poses
        # Held while the grid is used and while publishing: once stop has it, nothing goes out.
        self._lock = threading.Lock()
        self._open = False
        self._session = 0
        self._jumps = 0
        self._clock = NodeClock(node)
        self._pipeline = CostmapPipeline(parameters.costmap.settings, self._costs)
        self._cameras: Dict[str, costmap_camera.CostmapCamera] = {}
        self._outputs = GridOutputs(node)
        self._worker: 'CostmapThread[costmap_camera.MaskFrame]' = CostmapThread(
            [camera.name for camera in parameters.cameras], self._attempt, self._tick)
        try:
            for camera in parameters.cameras:
                self._cameras[camera.name] = costmap_camera.CostmapCamera(node, camera)
        except SegformerRosError:
            self._destroy_outputs()
            raise
        self._ticks = CameraStatistics(time.monotonic())
        self._set_pace()
        self._worker.start()

    def start(self) -> None:
        """Publish the names of the groups and let grids and clouds out."""
        with self._lock:
            self._open = True
            now = time.monotonic()
            self._ticks = CameraStatistics(now)
            for camera in self._cameras.values():
                camera.statistics.record_activated(now)
            self._publish_label_infos()
        self._worker.resume()

    def rest(self) -> None:
        """
        Say that no obstacle is seen: masks are switched off.

        The grid goes on, and fades.
        """
        self._worker.forget()
        with self._lock:
            self._session += 1
            if not self._open:
                return
            for camera in self._cameras.values():
                # Of now: Nav2 drops a cloud whose stamp has left its transforms' ten seconds.
                camera.outputs.publish_nothing_seen(Header(
                    stamp=self._clock.stamp(),
                    frame_id=camera.cloud_frame or self._parameters.costmap.ground_frame))

    def stop(self) -> None:
        """Say that nothing is seen and nothing is known; then nothing more goes out."""
        self.rest()
        self._worker.pause()
        with self._lock:
            if self._open:
                self._pipeline.clear()
                self._publish_grid(with_masks=True)
                self._open = False

    def destroy(self) -> None:
        """Stop and give everything back."""
        self.stop()
        if not self._worker.stop(STOP_TIMEOUT):
            self._node.get_logger().error(
                f'The costmap has not answered for {STOP_TIMEOUT:.0f} s; its thread '
                'is left behind.')
        self._destroy_outputs()

    def offer(self, name: str, header: Header, segmentation: Segmentation,
              info: Optional[CameraInfo]) -> None:
        """Take a published mask; returns at once."""
        frame = costmap_camera.MaskFrame(header, segmentation.mask, segmentation.confidence, info,
                          time.monotonic(), self._session)
        statistics = self._cameras[name].statistics
        clock = self._clock.seconds()
        statistics.record_arrival(frame.arrived, frame.stamp_ns,
                                clock - frame.stamp_ns / NANOSECONDS if clock else None)
        if self._worker.offer(name, frame):
            statistics.record_drop()

    def examine(self, parameters: NodeParameters) -> None:
        """
        Check a change of parameters.

        :raises ConfigurationError: the cost profile cannot be used
        """
        if parameters.costmap.cost_profile != self._parameters.costmap.cost_profile:
            load_cost_table(parameters.costmap.cost_profile, self._classes)

    def apply(self, parameters: NodeParameters) -> None:
        """Use changed parameters, which were examined, from the next frame on."""
        with self._lock:
            before, self._parameters = self._parameters, parameters
            if parameters.costmap.cost_profile != before.costmap.cost_profile:
                self._costs = load_cost_table(parameters.costmap.cost_profile, self._classes)
                self._pipeline.costs = self._costs
            if parameters.costmap.settings != before.costmap.settings:
                self._pipeline.apply(parameters.costmap.settings)
            if parameters.threshold != before.threshold and self._open:
                self._publish_label_infos()
        self._set_pace()

    def clear(self) -> None:
        """Forget every cell; the empty grid goes out at once."""
        with self._lock:
            self._pipeline.clear()
            if self._open:
                self._publish_grid(with_masks=True)

    def state(self) -> CostmapState:
        """Return the figures of this moment, for diagnostics."""
        now = time.monotonic()
        with self._lock:
            clock = self._clock.seconds()
            values = self._pipeline.occupancy(clock).values
            oldest = self._pipeline.oldest_age(clock)
            ticks = self._ticks.report(now)
        return CostmapState(
            reports={name: camera.statistics.report(now)
                     for name, camera in self._cameras.items()},
            grid_rate=ticks.output_rate if ticks.published >= LEAST_TICKS else None,
            known=float(np.mean(values != UNKNOWN)),
            oldest=oldest, jumps=self._jumps, transforms=self._poses.source,
            profile=self._costs.name)

    def _attempt(self, name: str, message: costmap_camera.MaskFrame, is_last: bool) -> bool:
        camera = self._cameras[name]
        parameters = self._parameters
        started = time.monotonic()
        try:
            # Before the pose: where clocks disagree, that is why there is none.
            self._pipeline.check_stamp(message.stamp_ns / NANOSECONDS,
                                       self._clock.seconds() or None)
            try:
                view = costmap_camera.find_view(camera, message, self._poses, parameters.costmap)
            except TransformError:
                if is_last:
                    raise
                return False
            with self._lock:
                self._take_in(camera, message, view, started)
        except SegformerRosError as error:
            camera.report(error.problem, str(error))
        except Exception as error:  # a fault of ours; the next mask may be of use, so go on
            name = type(error).__name__
            camera.report(name, f'{name}: {error}\n{traceback.format_exc()}')
        return True

    def _take_in(self, camera: costmap_camera.CostmapCamera, message: costmap_camera.MaskFrame,
                 view: costmap_camera.View, started: float) -> None:
        if not self._open or message.session != self._session:
            camera.statistics.record_drop()
            return
        parameters = self._parameters.costmap
        frame = costmap_camera.make_frame(camera, message, view, self._pipeline)
        name = camera.parameters.name
        # First, so that a clock and its stamps that go back together count as one jump.
        clock_went_back = self._watch_clock()
        result = self._pipeline.process(name, frame, self._clock.seconds() or None,
                                        parameters.has_odometry)
        if result.cleared and not clock_went_back:
            self._record_jump(f'Stamps of {camera.topic} went back')
        costmap_camera.publish(camera, message, frame, result, parameters)
        if camera.outputs.bundle_wanted():
            camera.outputs.publish_bundle(message.header, self._pipeline.categories(
                name, frame, self._groups.lookup))
        camera.record_used(message, started, result.timings)

    def _tick(self) -> None:
        try:
            with self._lock:
                if self._open:
                    self._publish_grid()
        except Exception:  # the next grid may succeed, and Nav2 needs one
            self._log.error('grid', f'No grid: {traceback.format_exc()}')

    def _publish_grid(self, with_masks: bool = False) -> None:
        parameters = self._parameters.costmap
        self._watch_clock()
        now, moment = self._clock.seconds(), time.monotonic()
        self._outputs.publish(
            Header(stamp=self._clock.stamp(), frame_id=parameters.odom_frame),
            self._pipeline.occupancy(now), parameters,
            lambda: self._pipeline.landing_site(now), moment, with_masks)
        self._ticks.record_served(moment, '', (0, 0), {})

    def _watch_clock(self) -> bool:
        went_back = self._clock.went_back(self._parameters.costmap.settings.time.jump_back)
        if went_back:
            self._poses.clear()
            self._record_jump('The clock went back')
        return went_back

    def _publish_label_infos(self) -> None:
        for camera in self._cameras.values():
            camera.outputs.publish_label_info(self._clock.stamp(), self._groups.table,
                                              self._parameters.threshold)

    def _record_jump(self, what: str) -> None:
        self._jumps += 1
        self._log.info('jump', f'{what}: the costmap is cleared.')

    def _set_pace(self) -> None:
        costmap = self._parameters.costmap
        self._worker.set_pace(costmap.costmap_rate, costmap.transform_tolerance)

    def _destroy_outputs(self) -> None:
        for camera in self._cameras.values():
            camera.destroy()
        self._cameras = {}
        self._outputs.destroy()


OfferMask = Callable[[str, Header, Segmentation, Optional[CameraInfo]], None]


class CostmapHost:
    """
    Owns the costmap stage through the node's life, with the service that clears it.

    :param node: owns everything of it
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._stage: Optional[CostmapServer] = None
        self._poses: Optional[CameraPoses] = None
        self._subscriptions: List[Subscription] = []
        self._trouble = ''
        node.create_service(Trigger, topics.CLEAR_SERVICE, self._on_clear)

    def configure(self, parameters: NodeParameters, classes: ClassTable) -> Optional[OfferMask]:
        """
        Make the costmap that the parameters ask for.

        :param classes: of the network
        :return: takes each published mask; None where there is no costmap
        """
        self._trouble = ''
        if not parameters.costmap.costmap:
            return None
        poses = CameraPoses(make_transforms(self._node))
        try:
            self._stage = CostmapServer(self._node, parameters, classes, poses)
        except SegformerRosError as error:
            poses.destroy()
            self._trouble = str(error)
            self._node.get_logger().error(
                f'No costmap, masks alone: {error} Set costmap: false where that is meant.')
            return None
        self._poses = poses
        if parameters.costmap.height_source == RANGE:
            self._subscriptions = [self._node.create_subscription(
                Range, topics.RANGE_IN.name, self._on_range, topics.RANGE_IN.profile())]
        self._tell_mounts(parameters)
        return self._stage.offer

    def start(self) -> None:
        """Let grids and clouds out."""
        if self._stage is not None:
            self._stage.start()

    def rest(self) -> None:
        """Say that no obstacle is seen; the grid goes on and fades."""
        if self._stage is not None:
            self._stage.rest()

    def stop(self) -> None:
        """Say that nothing is seen or known; nothing more goes out."""
        if self._stage is not None:
            self._stage.stop()

    def release(self) -> None:
        """Stop and give everything back."""
        if self._stage is not None:
            self._stage.destroy()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        if self._poses is not None:
            self._poses.destroy()
        self._stage, self._poses, self._subscriptions, self._trouble = None, None, [], ''

    def examine(self, parameters: NodeParameters) -> None:
        """
        Check a change of parameters.

        :raises SegformerRosError: it cannot be used
        """
        if self._stage is not None:
            self._stage.examine(parameters)

    def apply(self, parameters: NodeParameters) -> None:
        """Use parameters that were examined."""
        if self._stage is not None:
            self._stage.apply(parameters)

    def status(self, state: NodeState, parameters: NodeParameters) -> Status:
        """Return the costmap's entry of diagnostics."""
        found = None if self._stage is None else self._stage.state()
        return costmap_status(found, self._trouble, state, parameters)

    def _tell_mounts(self, parameters: NodeParameters) -> None:
        for camera in parameters.cameras:
            if camera.mount_height > 0.0:
                self._node.get_logger().info(
                    '{}mount from parameters, {} m high; TF of the camera is not used.'.format(
                        camera.name + ': ' if camera.name else '', camera.mount_height))
        if not parameters.costmap.has_odometry:
            self._node.get_logger().info(
                f'No odometry: each image stands for itself in {parameters.costmap.odom_frame}.')

    def _on_range(self, message: Range) -> None:
        stamp = message.header.stamp
        if self._poses is not None:
            self._poses.add_range(RangeReading(
                message.range, message.header.frame_id, stamp.sec * 10 ** 9 + stamp.nanosec,
                (message.min_range, message.max_range)))

    def _on_clear(self, request: Any, response: Any) -> Any:
        if self._stage is None:
            response.success = False
            response.message = self._trouble or 'There is no costmap: not configured, or off.'
            return response
        self._stage.clear()
        response.success = True
        response.message = 'cleared'
        self._node.get_logger().info('The costmap is cleared on request.')
        return response
