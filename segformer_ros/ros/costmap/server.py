# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap of a node: masks in, clouds and grids out, in a thread of its own."""

import threading
import time
import traceback
from typing import Any, Callable, Dict, NamedTuple, Optional

import numpy as np
from rclpy.node import Node
from rclpy.subscription import Subscription
from segformer_ros.capture.frame import MeasuredView
from segformer_ros.common import arrays
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.camera_input import Located
from segformer_ros.costmap.geometry import camera_poses
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.model import classes as model_classes
from segformer_ros.ros.costmap import camera as costmap_camera
from segformer_ros.ros.costmap import diagnostics as costmap_diagnostics
from segformer_ros.ros.costmap.imu import ImuTilt
from segformer_ros.ros.costmap.outputs import GridOutputs
from segformer_ros.ros.costmap.tables import load_tables
from segformer_ros.ros.costmap.tables import Tables
from segformer_ros.ros.costmap.thread import CostmapThread
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.clock import NO_TIME
from segformer_ros.ros.io.clock import NodeClock
from segformer_ros.ros.io.logging import Throttle
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.io.status import NodeState
from segformer_ros.ros.io.status import Status
from segformer_ros.ros.io.transforms import make_transforms
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.segmentation.images.decoding import Picture
from segformer_ros.segmentation.segmenter import Segmentation
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Range
from std_msgs.msg import Header
from std_srvs.srv import Trigger

STOP_TIMEOUT = 5.0
"""Seconds that one frame may take before the costmap's thread is given up."""
LEAST_TICKS = 5
"""Grids before a rate can be told."""

OfferMask = Callable[[str, Header, Picture, Segmentation, Optional[CameraInfo]], None]
OfferView = Callable[[str, costmap_camera.PublishedMask, MeasuredView], None]


class _Setup(NamedTuple):
    """What one configure makes and release gives back."""

    classes: model_classes.ClassTable
    groups: model_classes.Grouping
    pipeline: CostmapPipeline
    cameras: Dict[str, costmap_camera.CostmapCamera]
    poses: camera_poses.CameraPoses
    outputs: GridOutputs
    thread: 'CostmapThread[costmap_camera.PublishedMask]'
    range_input: Optional[Subscription]
    imu: Optional[ImuTilt]


class CostmapServer:
    """
    Turn the masks of all cameras into one grid and the clouds of each, and clear it on request.

    It lasts as long as the node; there is a costmap from :meth:`configure` to :meth:`release`,
    where the parameters ask for one and it can be made.

    :param node: owns publishers, subscriptions and the service
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._log = Throttle(node.get_logger(), time.monotonic)
        # Held while the grid is used and while publishing: once stop has it, nothing goes out.
        self._lock = threading.Lock()
        self._setup: Optional[_Setup] = None
        self._parameters: NodeParameters
        self._trouble = ''
        self._open = False
        self._session = 0
        self._jumps = 0
        self._clock = NodeClock(node)
        self._clock_fault = ''
        self._ticks = CameraStatistics(time.monotonic())
        # Takes each view that has a depth image, and returns at once.
        self.on_view: Optional[OfferView] = None
        # Whether it takes all others too, each with the grid that holds it.
        self.wants_grid = False
        node.create_service(Trigger, topics.CLEAR_SERVICE, self._on_clear)

    @property
    def on_mask(self) -> Optional[OfferMask]:
        """Return what takes each published mask, None where there is no costmap."""
        return None if self._setup is None else self._offer

    def configure(self, parameters: NodeParameters, classes: model_classes.ClassTable) -> bool:
        """
        Make the costmap that the parameters ask for.

        :param classes: of the network
        :return: whether there is one now
        """
        self._trouble = ''
        if not parameters.costmap.costmap:
            return False
        cameras: Dict[str, costmap_camera.CostmapCamera] = {}
        try:
            groups, costs = load_tables(parameters, classes)
            pipeline = CostmapPipeline(parameters.costmap.settings, costs)
            for camera in parameters.cameras:
                cameras[camera.name] = costmap_camera.CostmapCamera(
                    self._node, camera, parameters.costmap)
        except SegformerRosError as error:
            self._destroy(cameras, None, None)
            self._trouble = str(error)
            self._node.get_logger().error(
                f'No costmap, masks alone: {error} Set costmap: false where that is meant.')
            return False
        range_input, imu = None, None
        try:
            if parameters.costmap.height_source == camera_poses.RANGE:
                range_input = endpoints.subscribe(
                    self._node, Range, topics.RANGE_IN.name, self._on_range,
                    topics.RANGE_IN.profile())
            if parameters.costmap.imu_topic:
                imu = ImuTilt(self._node, parameters.costmap.imu_topic,
                              parameters.costmap.imu_slope_time)
        except Exception:
            self._destroy(cameras, range_input, None)
            raise
        self._parameters = parameters
        self._jumps = 0
        # A new one: what the clock did before does not count.
        self._clock = NodeClock(self._node)
        self._setup = _Setup(
            classes, groups, pipeline, cameras,
            camera_poses.CameraPoses(
                make_transforms(self._node), self._node.get_logger().warning,
                self._node.resolve_topic_name(topics.RANGE_IN.name),
                None if imu is None else imu.tip),
            GridOutputs(self._node), CostmapThread(list(cameras), self._attempt, self._tick),
            range_input, imu)
        self._set_pace(self._setup)
        self._setup.thread.start()
        for note in costmap_diagnostics.notes(parameters):
            self._node.get_logger().info(note)
        return True

    def exchange(self, parameters: NodeParameters, classes: model_classes.ClassTable,
                 tables: Tables) -> str:
        """
        Read masks by other classes from now on; those on their way are left out.

        The grid keeps what it holds: costs, and no classes. Where there was no costmap, since it
        could not be made for the classes before, it is made now.

        :return: what whoever asked for the exchange should know, or nothing
        """
        setup = self._setup
        self._trouble = tables.trouble
        if tables.trouble:
            return f'The costmap stays off: {tables.trouble} Name what fits in ' \
                'next_cost_profile, and load the network again'
        if tables.groups is None or tables.costs is None:
            return ''
        if setup is None:
            if not self.configure(parameters, classes):
                return f'The costmap stays off: {self._trouble}'
            return 'The costmap, which was off, is on'
        setup.thread.forget()
        with self._lock:
            self._session += 1
            setup.pipeline.costs = tables.costs
            self._setup = setup = setup._replace(classes=classes, groups=tables.groups)
            if self._open:
                self._publish_label_infos(setup)
        return ''

    @property
    def groups(self) -> Optional[model_classes.Grouping]:
        """Return the groups of classes, None where there is no costmap."""
        return None if self._setup is None else self._setup.groups

    @property
    def poses(self) -> Optional[camera_poses.CameraPoses]:
        """Return what finds poses, None where there is no costmap."""
        return None if self._setup is None else self._setup.poses

    def pose_of(self, name: str, frame_id: str, stamp_ns: int,
                is_last: bool) -> Optional[arrays.Float64]:
        """
        Return where a camera took an image: odom_frame from its optical frame, (4, 4).

        :param is_last: whether nobody will ask again
        :return: None where there is no costmap, which reads the transforms
        :raises TransformError: a transform is not known, or not yet
        :raises InvalidInputError: an image without a frame, or a range finder without an echo
        """
        setup = self._setup
        if setup is None:
            return None
        frames = self._parameters.costmap.frames
        pose = setup.poses.pose_of(
            setup.cameras[name].parameters.mount, frame_id, stamp_ns,
            frames._replace(ground_frame=setup.poses.ground_frame(frames)), is_last)
        pose = setup.cameras[name].corrected_pose(pose)
        return np.asarray(pose.odom_from_ground.dot(pose.ground_from_camera), np.float64)

    def start(self) -> None:
        """Publish the names of the groups and let grids and clouds out."""
        setup = self._setup
        if setup is None:
            return
        with self._lock:
            self._open = True
            now = time.monotonic()
            self._ticks = CameraStatistics(now)
            for camera in setup.cameras.values():
                camera.statistics.record_activated(now)
            self._publish_label_infos(setup)
        setup.thread.resume()

    def rest(self) -> None:
        """
        Say that no obstacle is seen: masks are switched off.

        The grid goes on, and fades.
        """
        setup = self._setup
        if setup is None:
            return
        setup.thread.forget()
        with self._lock:
            self._session += 1
            if not self._open:
                return
            for camera in setup.cameras.values():
                # Of now: Nav2 drops a cloud whose stamp has left its transforms' ten seconds.
                camera.outputs.publish_nothing_seen(Header(
                    stamp=self._clock.stamp(),
                    frame_id=camera.cloud_frame
                    or setup.poses.ground_frame(self._parameters.costmap.frames)))

    def stop(self) -> None:
        """Say that nothing is seen and nothing is known; then nothing more goes out."""
        self.rest()
        setup = self._setup
        if setup is None:
            return
        setup.thread.pause()
        with self._lock:
            if self._open:
                setup.pipeline.clear()
                self._publish_grid(setup, with_masks=True)
                self._open = False

    def release(self) -> None:
        """Stop and give everything back."""
        self.stop()
        setup, self._setup, self._trouble = self._setup, None, ''
        if setup is None:
            return
        if not setup.thread.stop(STOP_TIMEOUT):
            self._node.get_logger().error(
                f'The costmap has not answered for {STOP_TIMEOUT:.0f} s; its thread '
                'is left behind.')
        self._destroy(setup.cameras, setup.range_input, setup.imu)
        setup.outputs.destroy()
        setup.poses.destroy()

    def _destroy(self, cameras: Dict[str, costmap_camera.CostmapCamera],
                 range_input: Optional[Subscription], imu: Optional[ImuTilt]) -> None:
        if range_input is not None:
            self._node.destroy_subscription(range_input)
        if imu is not None:
            imu.destroy()
        for camera in cameras.values():
            camera.destroy()

    def examine(self, parameters: NodeParameters) -> None:
        """
        Check a change of parameters.

        :raises ConfigurationError: the cost profile cannot be used
        """
        profile = parameters.costmap.cost_profile
        if self._setup is not None and profile != self._parameters.costmap.cost_profile:
            cost_table.load_cost_table(profile, self._setup.classes)

    def apply(self, parameters: NodeParameters) -> None:
        """Use changed parameters, which were examined, from the next mask on."""
        setup = self._setup
        if setup is None:
            return
        with self._lock:
            before, self._parameters = self._parameters, parameters
            if parameters.costmap.cost_profile != before.costmap.cost_profile:
                setup.pipeline.costs = cost_table.load_cost_table(
                    parameters.costmap.cost_profile, setup.classes)
            if parameters.costmap.settings != before.costmap.settings:
                setup.pipeline.apply(parameters.costmap.settings)
                for camera in setup.cameras.values():
                    camera.measure_by(parameters.costmap.settings)
            if parameters.threshold != before.threshold and self._open:
                self._publish_label_infos(setup)
        self._set_pace(setup)

    def status(self, state: NodeState, parameters: NodeParameters) -> Status:
        """Return the costmap's entry of diagnostics."""
        found = None if self._setup is None else self._state(self._setup)
        return costmap_diagnostics.costmap_status(found, self._trouble, state, parameters)

    def _state(self, setup: _Setup) -> costmap_diagnostics.CostmapState:
        now = time.monotonic()
        with self._lock:
            clock, standing = self._clock.seconds(), self._clock.standing()
            values = setup.pipeline.occupancy(clock, standing).values
            oldest = setup.pipeline.oldest_age(clock, standing)
            ticks = self._ticks.report(now)
        watchers = [camera.watcher for camera in setup.cameras.values()
                    if camera.watcher is not None]
        return costmap_diagnostics.CostmapState(
            reports={name: camera.statistics.report(now)
                     for name, camera in setup.cameras.items()},
            grid_rate=ticks.output_rate if ticks.published >= LEAST_TICKS else None,
            known=float(np.mean(values != cost_table.UNKNOWN)),
            oldest=oldest, jumps=self._jumps, transforms=setup.poses.source,
            profile=setup.pipeline.costs.name,
            ground_frame=setup.poses.ground_frame(self._parameters.costmap.frames),
            clock_fault=self._clock.fault(),
            imu_fault='' if setup.imu is None else setup.imu.fault,
            imu=() if setup.imu is None else tuple(setup.imu.figures()),
            mount_faults=tuple(fault for watcher in watchers for fault in [watcher.fault()]
                               if fault),
            mounts=tuple(figure for watcher in watchers for figure in watcher.figures()),
            depth_refusals={name: camera.depth_refusal
                            for name, camera in setup.cameras.items() if camera.depth_refusal})

    def _offer(self, name: str, header: Header, picture: Picture, segmentation: Segmentation,
               info: Optional[CameraInfo]) -> None:
        """Take a published mask; return at once."""
        setup = self._setup
        if setup is None:
            return
        camera = setup.cameras[name]
        message = costmap_camera.PublishedMask(
            header, segmentation.mask, segmentation.confidence, info, time.monotonic(),
            self._session, picture.rgb if self.wants_grid or camera.needs_images else None)
        clock = self._clock.seconds()
        camera.statistics.record_arrival(message.arrived, message.stamp_ns,
                                         clock - message.stamp_ns / NANOSECONDS if clock else None)
        if setup.thread.offer(name, message):
            camera.statistics.record_drop()

    def _attempt(self, name: str, message: costmap_camera.PublishedMask, is_last: bool) -> bool:
        setup = self._setup
        if setup is None:
            return True
        camera = setup.cameras[name]
        started = time.monotonic()
        if not self._clock.seconds():
            # Stamps cannot be compared, and what is fused now would never fade. The tick logs it.
            camera.statistics.record_error(NO_TIME, rejected=False)
            return True
        try:
            # Before the pose: where clocks disagree, that is why there is none.
            setup.pipeline.check_stamp(message.stamp_ns / NANOSECONDS, self._clock.seconds())
            try:
                located = camera.input.locate(
                    message.header.frame_id, message.stamp_ns, setup.poses,
                    self._parameters.costmap.frames, is_last)
            except TransformError:
                if is_last:
                    raise
                return False
            with self._lock:
                if not self._open or message.session != self._session:
                    camera.statistics.record_drop()
                    return True
                corrected = camera.corrected(located)
                view = camera.input.view(message.mask, message.confidence, message.info,
                                         message.stamp_ns, corrected, setup.pipeline)
                self._process(setup, camera, message, view, corrected, started)
            camera.watch_mount(message, located, view.camera,
                               setup.pipeline.costs.kinds == cost_table.GROUND)
        except SegformerRosError as error:
            camera.record_failed(error.problem, str(error))
        except Exception as error:  # a fault of ours; the next mask may be of use, so go on
            kind = type(error).__name__
            camera.record_failed(kind, f'{kind}: {error}\n{traceback.format_exc()}')
        return True

    def _process(self, setup: _Setup, camera: costmap_camera.CostmapCamera,
                 message: costmap_camera.PublishedMask, view: CameraView,
                 located: Located, started: float) -> None:
        name = camera.parameters.name
        # First, so that a clock and its stamps that go back together count as one jump.
        clock_went_back = self._check_clock(setup)
        result = setup.pipeline.process(name, view, self._clock.seconds(),
                                        located.frames.has_odometry)
        if result.cleared and not clock_went_back:
            self._record_jump(f'Stamps of {camera.topic} went back')
        camera.publish(message, located, result)
        if camera.outputs.bundle_wanted():
            camera.outputs.publish_bundle(message.header, setup.pipeline.semantic_layer(
                name, view, setup.groups.lookup))
        if camera.has_depth and message.image is not None and \
                camera.outputs.labelled_points_wanted():
            points = setup.pipeline.labelled_points(name, view, message.image)
            if points is not None:
                camera.outputs.publish_labelled_points(message.header, points)
        camera.record_depth(result.depth_refusal)
        camera.record_used(message, started, result.timings)
        on_view = self.on_view
        if on_view is not None and (view.depth is not None or self.wants_grid):
            on_view(name, message, camera.measured(view, setup.pipeline, setup.pipeline.occupancy(
                self._clock.seconds(), self._clock.standing()) if self.wants_grid else None))

    def _tick(self) -> None:
        try:
            with self._lock:
                if self._open and self._setup is not None:
                    self._publish_grid(self._setup)
        except Exception:  # the next grid may succeed, and Nav2 needs one
            self._log.error('grid', f'No grid: {traceback.format_exc()}')

    def _publish_grid(self, setup: _Setup, with_masks: bool = False) -> None:
        parameters = self._parameters.costmap
        self._check_clock(setup)
        self._tell_clock_fault()
        now, standing = self._clock.seconds(), self._clock.standing()
        moment = time.monotonic()
        setup.outputs.publish(
            Header(stamp=self._clock.stamp(), frame_id=parameters.odom_frame),
            setup.pipeline.occupancy(now, standing), parameters,
            lambda: setup.pipeline.landing_site(now, standing), moment, with_masks)
        self._ticks.record_served(moment, '', (0, 0), {})

    def _check_clock(self, setup: _Setup) -> bool:
        went_back = self._clock.went_back(self._parameters.costmap.settings.time.jump_back)
        if went_back:
            setup.poses.clear()
            if setup.imu is not None:
                setup.imu.clear()
            for camera in setup.cameras.values():
                if camera.watcher is not None:
                    camera.watcher.forget()
            self._record_jump('The clock went back')
        return went_back

    def _tell_clock_fault(self) -> None:
        # One line when it begins and one when it ends, though it may last for hours.
        fault = self._clock.fault()
        if fault and not self._clock_fault:
            self._node.get_logger().warning(f'The costmap fades to unknown: {fault}.')
        elif self._clock_fault and not fault:
            self._node.get_logger().info('/clock runs: the costmap is shown.')
        self._clock_fault = fault

    def _record_jump(self, what: str) -> None:
        self._jumps += 1
        self._log.info('jump', f'{what}: the costmap is cleared.')

    def _publish_label_infos(self, setup: _Setup) -> None:
        for camera in setup.cameras.values():
            camera.outputs.publish_label_info(self._clock.stamp(), setup.groups.table,
                                              self._parameters.threshold)

    def _set_pace(self, setup: _Setup) -> None:
        costmap = self._parameters.costmap
        setup.thread.set_pace(costmap.costmap_rate, costmap.transform_tolerance)

    def _on_range(self, message: Range) -> None:
        if self._setup is not None:
            self._setup.poses.add_range(camera_poses.range_reading(message))

    def _on_clear(self, request: Any, response: Any) -> Any:
        setup = self._setup
        if setup is None:
            response.success = False
            response.message = self._trouble or 'There is no costmap: not configured, or off.'
            return response
        with self._lock:
            setup.pipeline.clear()
            if self._open:
                self._publish_grid(setup, with_masks=True)
        response.success = True
        response.message = 'cleared'
        self._node.get_logger().info('The costmap is cleared on request.')
        return response
