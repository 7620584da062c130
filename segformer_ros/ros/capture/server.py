# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Capture in a node: frames in, records of those that are worth it out, and a service."""

import threading
import time
import traceback
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from segformer_ros.capture import frame as frames
from segformer_ros.capture.blur import blurred_classes
from segformer_ros.capture.recorder import CaptureRecorder
from segformer_ros.capture.recorder import FrameContext
from segformer_ros.common import arrays
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.text import plain
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.ros.capture import diagnostics
from segformer_ros.ros.capture.lidar import LidarInput
from segformer_ros.ros.capture.messages import camera_info_entry
from segformer_ros.ros.capture.messages import pose_entry
from segformer_ros.ros.capture.thread import CaptureThread
from segformer_ros.ros.costmap.camera import PublishedMask
from segformer_ros.ros.costmap.server import CostmapServer
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.logging import Throttle
from segformer_ros.ros.io.status import Status
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.segmentation.segmenter import Segmentation
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from std_srvs.srv import Trigger

ANSWER_TIMEOUT = 10.0
"""Seconds that ~/capture waits for a frame of each camera."""
STOP_TIMEOUT = 5.0
"""Seconds that a frame in work may take before the thread is given up."""
BEGUN_BEFORE = 2
"""Frames that may be in work when the confidence becomes of use."""
RETRY = 0.01
"""Seconds between two looks for a pose that has not come yet."""


class _Request:
    """A call of ~/capture that waits; ``waiting`` holds the cameras of which no frame came."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self.waiting = set(cameras)
        self.asked = time.monotonic()
        self.kept: List[str] = []
        self.faults: List[str] = []
        self.done = Future()


class _Setup(NamedTuple):
    cameras: Sequence[str]
    recorder: CaptureRecorder
    thread: CaptureThread


class CaptureServer:
    """
    Keep frames of all cameras that are worth labelling, and others on request.

    It lasts as long as the node; frames are taken from :meth:`configure` to :meth:`release`.

    :param node: owns the service
    :param parameters: returns those of the moment
    :param is_serving: returns whether masks are to be expected
    :param costmap: knows poses
    """

    def __init__(self, node: Node, parameters: Callable[[], NodeParameters],
                 is_serving: Callable[[], bool], costmap: CostmapServer) -> None:
        self._node = node
        self._parameters = parameters
        self._is_serving = is_serving
        self._costmap = costmap
        self._log = Throttle(node.get_logger(), time.monotonic)
        self._lock = threading.Lock()
        self._requests: List[_Request] = []
        self._enabled = False
        self.is_wanted = False
        """Whether the next frame, and its confidence, may be of use; most of the time none is."""
        self._setup: Optional[_Setup] = None
        self._network: frames.NetworkIdentity
        self._lidar: Optional[LidarInput] = None
        self._busy = 0
        self._half: Dict[str, int] = {}
        self._in_trouble = False
        # Of its own, or nothing else of the node would run while a request waits.
        node.create_service(Trigger, topics.CAPTURE_SERVICE, self._on_request,
                            callback_group=ReentrantCallbackGroup())

    def configure(self, network: frames.NetworkIdentity) -> None:
        """Take frames from now on."""
        parameters = self._parameters()
        self._network = network
        self._busy = 0
        recorder = CaptureRecorder(parameters.capture.recorder_settings(), self._surroundings)
        self._setup = _Setup([camera.name for camera in parameters.cameras], recorder,
                             CaptureThread(self._handle, recorder.close))
        self._setup.thread.start()
        self._enabled = parameters.capture.enabled
        self._look()
        self._costmap.on_view = self._offer_view
        self._follow_lidar(parameters)
        self._tell_folder(parameters)
        try:
            if parameters.capture.blur:
                blurred_classes(parameters.capture.blur_classes, network)
        except SegformerRosError as error:
            self._node.get_logger().error(f'No frames are captured: {error}')

    def exchange(self, network: frames.NetworkIdentity) -> None:
        """Take frames of another network, whose masks come next."""
        self._network = network
        self._follow_lidar(self._parameters())

    def release(self) -> None:
        """Take no more frames; finish the one in work."""
        setup, self._setup = self._setup, None
        self._costmap.on_view = None
        self._leave_lidar()
        with self._lock:
            requests, self._requests = self._requests, []
        self._look()
        for request in requests:
            request.faults.append('the node was stopped meanwhile')
            self._finish(request)
        if setup is None:
            return
        if not setup.thread.stop(STOP_TIMEOUT):
            self._node.get_logger().error(
                f'The folder of captured frames has not answered for {STOP_TIMEOUT:.0f} s; its '
                'thread is left behind.')

    def examine(self, parameters: NodeParameters) -> None:
        """
        Check a change of parameters.

        :raises ConfigurationError: classes are to be blurred that the network does not have
        """
        now, before = parameters.capture, self._parameters().capture
        # What does not change is no reason to refuse what does, such as another network.
        if self._setup is not None and now.blur and (now.blur, now.blur_classes) != (
                before.blur, before.blur_classes):
            blurred_classes(now.blur_classes, self._network)

    def apply(self, before: NodeParameters, now: NodeParameters) -> None:
        """Use changed parameters, which were examined, from the next frame on."""
        setup = self._setup
        if setup is None or before.capture == now.capture:
            return
        self._enabled = now.capture.enabled
        self._look()
        setup.recorder.settings = now.capture.recorder_settings()
        setup.recorder.forget_trouble()
        self._follow_lidar(now)
        if (before.capture.enabled, before.capture.folder) != (
                now.capture.enabled, now.capture.folder):
            self._tell_folder(now)

    def _look(self) -> None:
        self.is_wanted = self._setup is not None and (self._enabled or bool(self._requests))

    def offer(self, name: str, header: Header, image: arrays.UInt8, segmentation: Segmentation,
              info: Optional[CameraInfo], rotate: int) -> None:
        """Take a frame whose mask was published; return at once."""
        asked = self._is_asked(name)
        if self._setup is not None and not self._is_half(name, segmentation) and (
                asked or self._parameters().capture.enabled):
            self._leave(frames.CandidateFrame(
                name, header.frame_id, stamp_to_nanoseconds(header.stamp), image,
                segmentation.mask, segmentation.confidence, rotate, self._network, info,
                asked=asked))

    def _is_half(self, name: str, segmentation: Segmentation) -> bool:
        """Return whether a frame was begun before anybody wanted its confidence."""
        if segmentation.confidence is not None or not self.is_wanted:
            self._half[name] = 0
            return False
        # Later ones have none because the network gives none.
        self._half[name] = self._half.get(name, 0) + 1
        return self._half[name] <= BEGUN_BEFORE

    def check(self) -> None:
        """Answer requests that wait for too long."""
        late = time.monotonic() - ANSWER_TIMEOUT
        with self._lock:
            overdue = [each for each in self._requests if each.asked < late]
            self._requests = [each for each in self._requests if each.asked >= late]
        self._look()
        for request in overdue:
            request.faults += [
                '{}no frame within {:.0f} s'.format(name + ': ' if name else '', ANSWER_TIMEOUT)
                for name in sorted(request.waiting)]
            self._finish(request)

    def status(self, has_confidence: bool) -> Status:
        """Return capture's entry of diagnostics."""
        parameters, setup = self._parameters(), self._setup
        if setup is None:
            return diagnostics.capture_status(None, parameters.capture)
        blind = []
        if not has_confidence:
            blind.append('unsure: the network returns labels alone')
        if not parameters.costmap.costmap or all(
                camera.depth_transport == 'none' for camera in parameters.cameras):
            blind.append('depth: no camera has a depth image, or there is no costmap')
        lidar = self._lidar
        if parameters.capture.lidar_topic and _lidar_fault(parameters):
            blind.append('lidar: ' + _lidar_fault(parameters))
        return diagnostics.capture_status(diagnostics.CaptureState(
            setup.recorder.state, setup.recorder.settings.folder, self._busy, blind,
            () if lidar is None else lidar.figures()), parameters.capture)

    def _offer_view(self, name: str, message: PublishedMask,
                    measured: frames.MeasuredView) -> None:
        """Take a frame that is in the costmap, with its depth or its cloud; return at once."""
        parameters, lidar = self._parameters(), self._lidar
        if self._setup is None or message.image is None or not parameters.capture.enabled:
            return
        rotate = next(each.rotate for each in parameters.cameras if each.name == name)
        frame = frames.CandidateFrame(
            name, message.header.frame_id, message.stamp_ns, message.image, message.mask,
            message.confidence, rotate, self._network, message.info, measured)
        if lidar is not None:
            frame = lidar.offer(frame)
        if frame.cloud is not None or (
                measured.view.depth is not None and parameters.capture.depth_share > 0.0):
            self._leave(frame)

    def _follow_lidar(self, parameters: NodeParameters) -> None:
        """Read the lidar while it is of use, and only then."""
        capture = parameters.capture
        if not capture.enabled or not capture.lidar_topic or capture.lidar_share <= 0.0 \
                or self._costmap.poses is None or _lidar_fault(parameters):
            self._leave_lidar()
        elif self._lidar is None:
            try:
                self._lidar = LidarInput(self._node, capture.lidar_topic, self._leave)
                self._costmap.wants_grid = True
            except SegformerRosError as error:
                self._node.get_logger().error(f'No lidar is read: {error}')

    def _leave_lidar(self) -> None:
        self._costmap.wants_grid = False
        lidar, self._lidar = self._lidar, None
        if lidar is not None:
            lidar.destroy()

    def _with_points(self, frame: frames.CandidateFrame) -> frames.CandidateFrame:
        """Return a frame with the points of its cloud, without them where it cannot be read."""
        measured, lidar = frame.measured, self._lidar
        if measured is None or lidar is None or frame.cloud is None:
            return frame
        poses = self._costmap.poses
        if poses is None:
            return frame
        costmap = self._parameters().costmap
        give_up_at = time.monotonic() + costmap.transform_tolerance * (not lidar.is_lost)
        while True:
            try:
                return frame._replace(measured=lidar.read(frame.cloud, measured, poses,
                                                          costmap.frames))
            except TransformError as error:
                if time.monotonic() < give_up_at and self._setup is not None:
                    time.sleep(RETRY)
                    continue
                lidar.record_fault(error)
            except SegformerRosError as error:
                lidar.record_fault(error)
            return frame

    def _leave(self, frame: frames.CandidateFrame) -> None:
        setup = self._setup
        if setup is not None and not setup.thread.offer(frame):
            self._busy += 1

    def _is_asked(self, name: str) -> bool:
        with self._lock:
            return any(name in request.waiting for request in self._requests)

    def _handle(self, frame: frames.CandidateFrame) -> None:
        setup = self._setup
        if setup is None:
            return
        # The frame before may have been the answer already.
        frame = frame._replace(asked=frame.asked and self._is_asked(frame.camera))
        fault = identity = ''
        try:
            identity = setup.recorder.handle(self._with_points(frame))
        except SegformerRosError as error:
            fault = str(error)
        except Exception as error:  # a fault of ours; the next frame may be kept, so go on
            fault = f'{type(error).__name__}: {plain(error)}'
            setup.recorder.record_fault(fault)
            self._log.error(type(error).__name__, f'Not captured: {traceback.format_exc()}')
        self._tell_trouble(fault, bool(identity))
        if frame.asked:
            self._answer(frame.camera, identity, fault)

    def _tell_trouble(self, fault: str, kept: bool) -> None:
        if fault:
            self._in_trouble = True
            self._log.warning('capture', f'Not captured: {fault}')
        elif kept and self._in_trouble:
            self._in_trouble = False
            self._log.info('capture goes on', 'Frames are captured again.')

    def _surroundings(self, frame: frames.CandidateFrame) -> FrameContext:
        height, width = frame.mask.shape
        info = frame.info if isinstance(frame.info, CameraInfo) else None
        return FrameContext(camera_info_entry(info, (width, height), frame.rotate),
                            self._pose(frame))

    def _pose(self, frame: frames.CandidateFrame) -> Optional[Dict[str, Any]]:
        parameters = self._parameters().costmap
        if frame.measured is not None:
            pose = frame.measured.view.pose
            return pose_entry(parameters.odom_frame, frame.frame_id,
                              pose.odom_from_ground.dot(pose.ground_from_camera))
        give_up_at = time.monotonic() + parameters.transform_tolerance
        while True:
            try:
                is_last = time.monotonic() >= give_up_at
                matrix = self._costmap.pose_of(frame.camera, frame.frame_id, frame.stamp_ns,
                                               is_last)
            except TransformError:
                # Often the transform at an image's stamp comes after the image.
                if is_last or self._setup is None:
                    return None
                time.sleep(RETRY)
            except SegformerRosError:
                return None  # no frame_id, no echo; the costmap's diagnostics say so
            else:
                return None if matrix is None else pose_entry(parameters.odom_frame,
                                                              frame.frame_id, matrix)

    def _answer(self, camera: str, identity: str, fault: str) -> None:
        with self._lock:
            served = [each for each in self._requests if camera in each.waiting]
            for request in served:
                request.waiting.discard(camera)
                if identity:
                    request.kept.append(identity)
                else:
                    request.faults.append((camera + ': ' if camera else '') + fault)
            done = [each for each in served if not each.waiting]
            self._requests = [each for each in self._requests if each.waiting]
        self._look()
        for request in done:
            self._finish(request)

    def _finish(self, request: _Request) -> None:
        request.done.set_result(None)
        # The executor looks at waiting requests when something comes; this is something.
        executor = self._node.executor
        if executor is not None:
            executor.wake()

    async def _on_request(self, request: Any, response: Any) -> Any:
        setup = self._setup
        if setup is None or not self._is_serving():
            response.success = False
            response.message = ('There is no frame to keep: the node makes no masks. Activate it, '
                                'and enable masks (~/enable).')
            return response
        waiting = _Request(setup.cameras)
        with self._lock:
            self._requests.append(waiting)
        self._look()
        await waiting.done
        response.success = not waiting.faults
        parts = [f'{identity} in {setup.recorder.settings.folder}' for identity in waiting.kept]
        response.message = '; '.join(parts + waiting.faults)
        return response

    def _tell_folder(self, parameters: NodeParameters) -> None:
        if parameters.capture.enabled:
            self._node.get_logger().info(
                'Frames of the cameras are kept in '
                f'{parameters.capture.recorder_settings().folder}.')


def _lidar_fault(parameters: NodeParameters) -> str:
    """Return why a lidar cannot be compared with the costmap, or nothing."""
    costmap = parameters.costmap
    if not costmap.costmap:
        return 'there is no costmap'
    # TF has the lidar on a body that stands upright.
    return 'imu.topic tips the body under the camera alone' if costmap.imu_topic else ''
