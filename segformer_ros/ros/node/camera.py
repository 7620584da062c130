# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One camera: its subscriptions, and the way of one frame from message to mask."""

import threading
import time
import traceback
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from rclpy.node import Node
from rclpy.subscription import Subscription
from segformer_ros.common import errors
from segformer_ros.ros.costmap.server import OfferMask
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.logging import Throttle
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.io.status import NodeState
from segformer_ros.ros.io.status import Status
from segformer_ros.ros.node.cv_bridge_decoder import CvBridgeDecoder
from segformer_ros.ros.node.diagnostics import camera_status
from segformer_ros.ros.node.inference_thread import FrameTask
from segformer_ros.ros.node.outputs import Outputs
from segformer_ros.ros.node.scheduler import Frame
from segformer_ros.ros.parameters.node import CameraParameters
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.segmentation.images.compressed import compressed_to_rgb
from segformer_ros.segmentation.images.decoding import image_to_rgb
from segformer_ros.segmentation.segmenter import SegmenterSettings
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

NANOSECONDS = 1000000000


class Camera:
    """
    The input and output of one camera.

    Subscription callbacks run in the executor's thread and only pass messages on;
    :meth:`serve` runs in the inference thread.

    :param node: owns subscriptions and publishers
    :param parameters: of this camera when it was configured
    :param outputs: its publishers
    :param offer: takes the newest frame, tells whether an older one made way
    :param on_mask: takes each published mask and returns at once, for the costmap
    """

    def __init__(self, node: Node, parameters: CameraParameters, outputs: Outputs,
                 offer: Callable[[str, Frame], bool],
                 on_mask: Optional[OfferMask] = None) -> None:
        self.name = parameters.name
        self.statistics = CameraStatistics(time.monotonic())
        self._node = node
        self._outputs = outputs
        self._offer = offer
        self._on_mask = on_mask
        self._compressed = parameters.image_transport == 'compressed'
        self._subscriptions: List[Subscription] = []
        self._camera_info: Optional[CameraInfo] = None
        self._bridge = CvBridgeDecoder()
        self._log = Throttle(node.get_logger(), time.monotonic)
        # Held while publishing: once stop has it, nothing more goes out.
        self._gate = threading.Lock()
        self._open = False

    def start(self, threshold: float) -> None:
        """Publish the class names, take images and let results out."""
        self.statistics.record_activated(time.monotonic())
        with self._gate:
            self._open = True
            self._outputs.publish_label_info(threshold)
        if not self._subscriptions:
            self._subscribe()

    def stop(self) -> None:
        """Take no more images; when this returns no further result goes out."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        with self._gate:
            self._open = False

    def destroy(self) -> None:
        """Destroy what is left; the inference thread has ended."""
        self.stop()
        self._outputs.destroy()

    def publish_label_info(self, threshold: float) -> None:
        """Publish the class names again, for a changed threshold."""
        with self._gate:
            if self._open:
                self._outputs.publish_label_info(threshold)

    def serve(self, frame: Frame, turn: FrameTask, parameters: NodeParameters) -> Iterator[None]:
        """
        Make and publish the results of one frame; report instead where that fails.

        :return: the steps, as ``overlap`` takes them; nothing is done before the first
        """
        try:
            yield from self._serve(frame, turn, parameters)
        except errors.InvalidInputError as error:
            if not turn.claim():
                return
            kind = f'{error.problem} ({self._encoding(frame.message)})'
            self._report(kind, f'Image rejected: {error}', rejected=True)
        except errors.SegformerRosError as error:
            if not turn.claim():
                return
            turn.note(False)
            self._report(error.problem, f'No mask: {error}', rejected=False)
        except Exception as error:  # a fault of ours; the next frame may succeed, so go on
            if not turn.claim():
                return
            turn.note(False)
            name = type(error).__name__
            self._report(name, f'No mask: {name}: {error}\n{traceback.format_exc()}',
                         rejected=False)

    def facts(self) -> Dict[str, str]:
        """Return what diagnostics show beside the statistics."""
        return {'topic': self._node.resolve_topic_name(self._image_topic()),
                'bayer and yuv by': self._bridge.status}

    def _serve(self, frame: Frame, turn: FrameTask, parameters: NodeParameters) -> Iterator[None]:
        segmenter = turn.segmenter()
        started = time.monotonic()
        message = frame.message
        image = compressed_to_rgb(message) if self._compressed else \
            image_to_rgb(message, self._bridge.to_rgb)
        converted = time.monotonic()
        settings = SegmenterSettings(parameters.resize, parameters.postprocess,
                                     parameters.threshold)
        if segmenter.settings != settings:
            segmenter.settings = settings
        own = next(each for each in parameters.cameras if each.name == self.name)
        # The costmap weighs what it sees by confidence.
        wanted = self._on_mask is not None or self._outputs.wanted(topics.CONFIDENCE)
        try:
            prepared = segmenter.prepare(image, own.rotate, wanted)
            yield
            refused: Optional[errors.BackendError] = None
            try:
                segmenter.begin(prepared)
            except errors.BackendError as error:
                # To recover closes the backend, whose results the frame before still reads.
                refused = error
            yield
            if refused is not None:
                raise refused
            segmenter.end()
            yield
            segmentation = segmenter.finish(prepared)
        except errors.BackendError as error:
            segmenter = turn.recover(segmenter, error)
            segmenter.settings = settings
            segmentation = segmenter.segment(image, own.rotate, wanted)
        segmented = time.monotonic()
        with self._gate:
            # The backend was given up meanwhile: another one serves newer frames.
            if not turn.claim():
                return
            turn.note(True)
            if not self._open:
                self.statistics.record_drop()
                return
            self._outputs.publish(message.header, image, segmentation, self._camera_info,
                                  parameters)
            if self._on_mask is not None:
                self._on_mask(self.name, message.header, segmentation, self._camera_info)
        done = time.monotonic()
        timings = segmentation.timings
        self.statistics.record_served(done, self._encoding(message), _size_wh(image), {
            'waiting': started - frame.arrived, 'converting': converted - started,
            'preprocessing': timings.preprocess, 'network': timings.infer,
            'postprocessing': timings.postprocess, 'publishing': done - segmented,
            'total': done - frame.arrived})

    def _subscribe(self) -> None:
        image, image_type = (topics.IMAGE_COMPRESSED, CompressedImage) if self._compressed else \
            (topics.IMAGE, Image)
        self._subscriptions = [
            self._node.create_subscription(
                image_type, self._image_topic(), self._on_image, image.profile()),
            self._node.create_subscription(
                CameraInfo, topics.input_name(self.name, topics.CAMERA_INFO_IN),
                self._on_camera_info, topics.CAMERA_INFO_IN.profile())]

    def _on_image(self, message: Any) -> None:
        now = time.monotonic()
        stamp = message.header.stamp.sec * NANOSECONDS + message.header.stamp.nanosec
        if self.statistics.record_arrival(now, stamp, self._age(stamp)):
            self._log.info(
                'stamp',
                f'Stamps of {self._image_topic()} went back: a bag started over, or time was '
                'reset.')
        if self._offer(self.name, Frame(message, now)):
            self.statistics.record_drop()

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._camera_info = message

    def _age(self, stamp: int) -> Optional[float]:
        now = self._node.get_clock().now().nanoseconds
        # No clock message yet (use_sim_time), or a driver that does not stamp.
        if now == 0 or stamp == 0:
            return None
        return (now - stamp) / NANOSECONDS

    def _image_topic(self) -> str:
        if not self._compressed:
            return topics.input_name(self.name, topics.IMAGE)
        # As image_transport: who remaps image means image/compressed too.
        base = self._node.resolve_topic_name(topics.input_name(self.name, topics.IMAGE))
        return base + topics.IMAGE_COMPRESSED.name[len(topics.IMAGE.name):]

    def _encoding(self, message: Any) -> str:
        return str(message.format if self._compressed else message.encoding)

    def _report(self, kind: str, text: str, rejected: bool) -> None:
        self.statistics.record_error(text.splitlines()[0], rejected)
        self._log.error(kind, f'{self.name}: {text}' if self.name else text)


def _size_wh(image: Any) -> Tuple[int, int]:
    return image.shape[1], image.shape[0]


class CameraSet:
    """
    Do to every camera what the node is asked to do.

    :param cameras: each name once
    """

    def __init__(self, cameras: Iterable[Camera] = ()) -> None:
        self._by_name = {camera.name: camera for camera in cameras}

    def start(self, threshold: float) -> None:
        """Publish the class names, take images and let results out."""
        for camera in self._by_name.values():
            camera.start(threshold)

    def stop(self) -> None:
        """Take no more images; when this returns no further result goes out."""
        for camera in self._by_name.values():
            camera.stop()

    def destroy(self) -> None:
        """Destroy publishers and subscriptions; the inference thread has ended."""
        for camera in self._by_name.values():
            camera.destroy()

    def serve(self, name: str, frame: Frame, turn: FrameTask, parameters: NodeParameters
              ) -> Iterator[None]:
        """Return the steps that make the results of one frame; see :meth:`Camera.serve`."""
        return self._by_name[name].serve(frame, turn, parameters)

    def publish_label_info(self, threshold: float) -> None:
        """Publish the class names again, for a changed threshold."""
        for camera in self._by_name.values():
            camera.publish_label_info(threshold)

    def record_lost(self, name: str, why: str) -> None:
        """Count a frame that a backend took with it."""
        if name in self._by_name:
            self._by_name[name].statistics.record_error(why, rejected=False)

    def record_forgotten(self, names: Iterable[str]) -> None:
        """Count frames that waited and are not wanted any more."""
        for name in names:
            self._by_name[name].statistics.record_drop()

    def statuses(self, state: NodeState, parameters: NodeParameters) -> List[Status]:
        """Return the entry of each camera."""
        now = time.monotonic()
        return [camera_status(camera.name, camera.statistics.report(now), state, parameters,
                              camera.facts()) for camera in self._by_name.values()]
