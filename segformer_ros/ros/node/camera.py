# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One camera: its subscriptions, and the way of one frame from message to mask."""

import threading
import time
import traceback
from typing import Any, Callable, NamedTuple, Optional

from rclpy.node import Node
from rclpy.subscription import Subscription
from segformer_ros.common import arrays
from segformer_ros.common import errors
from segformer_ros.common import time as stamps
from segformer_ros.common.text import plain
from segformer_ros.model.classes import ClassTable
from segformer_ros.ros.capture.server import CaptureServer
from segformer_ros.ros.costmap.server import OfferMask
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io import image_types
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.latched import LatchedSubscription
from segformer_ros.ros.io.logging import Throttle
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.io.status import NodeState
from segformer_ros.ros.io.status import Status
from segformer_ros.ros.node.cv_bridge_decoder import CvBridgeDecoder
from segformer_ros.ros.node.diagnostics import camera_status
from segformer_ros.ros.node.input_watch import InputWatch
from segformer_ros.ros.node.live_segmenter import check_confidence
from segformer_ros.ros.node.outputs import Outputs
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.ros.parameters.server import ParameterServer
from segformer_ros.segmentation import segmenter as segmentation_api
from segformer_ros.segmentation.images import decoding
from segformer_ros.segmentation.images.compressed import compressed_to_picture
from segformer_ros.segmentation.images.video import VideoDecoder
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header


class ServedFrame(NamedTuple):
    """A frame and the mask that was published of it."""

    camera: str
    image: arrays.UInt8
    rotate: int
    settings: segmentation_api.SegmenterSettings
    mask: arrays.UInt8


class FrameJob:
    """
    One image on its way to a mask; made when it comes, used in the inference thread.

    :param camera: that received it
    :param message: Image or CompressedImage
    :param arrived: seconds of ``time.monotonic``
    """

    def __init__(self, camera: 'Camera', message: Any, arrived: float) -> None:
        self.arrived = arrived
        self.message = message
        self._camera = camera
        self._started = self._converted = arrived

    def prepare(self, segmenter: segmentation_api.Segmenter) -> segmentation_api.Prepared:
        """
        Decode the image and make the network's input of it.

        :raises InvalidInputError: the message is not an image that can be used
        """
        self._started = time.monotonic()
        self._parameters = self._camera.settings.current
        self._picture = self._camera.decode(self.message)
        self._converted = time.monotonic()
        self._rotate = rotate_of(self._parameters, self._camera.name)
        self._with_confidence = self._camera.needs_confidence
        self._set_up(segmenter)
        return segmenter.prepare(self._picture, self._rotate, self._with_confidence)

    def segment(self, segmenter: segmentation_api.Segmenter) -> segmentation_api.Segmentation:
        """Return the result of another segmenter, after the first one failed."""
        self._set_up(segmenter)
        return segmenter.segment(self._picture, self._rotate, self._with_confidence)

    def publish(self, segmentation: segmentation_api.Segmentation) -> None:
        """Publish the results, unless the camera was stopped meanwhile."""
        camera = self._camera
        segmented = time.monotonic()
        if not camera.publish(self.message.header, self._picture, segmentation, self._parameters):
            return
        done = time.monotonic()
        height, width = self._picture.samples.shape[:2]
        timings = segmentation.timings
        camera.statistics.record_served(done, camera.encoding_of(self.message), (width, height), {
            'waiting': self._started - self.arrived,
            'converting': self._converted - self._started,
            'preprocessing': timings.preprocess, 'network': timings.infer,
            'postprocessing': timings.postprocess, 'publishing': done - segmented,
            'total': done - self.arrived})

    def fail(self, error: Exception) -> None:
        """Report why there is no mask of this image; called while the error is handled."""
        if isinstance(error, errors.InvalidInputError):
            encoding = self._camera.encoding_of(self.message)
            # What strangers may invent is one kind, whatever its name.
            kind = f'{error.problem} ({encoding if encoding in decoding.ENCODINGS else "other"})'
            self._camera.report(kind, f'Image rejected: {error}', rejected=True)
        elif isinstance(error, errors.SegformerRosError):
            self._camera.report(error.problem, f'No mask: {error}', rejected=False)
        else:  # a fault of ours; the next frame may succeed, so go on
            name = type(error).__name__
            trace = plain(traceback.format_exc(), LONGEST_TRACE)
            self._camera.report(name, f'No mask: {name}: {plain(error)}\n{trace}',
                                rejected=False)

    def _set_up(self, segmenter: segmentation_api.Segmenter) -> None:
        # Another backend may run the file as it is, of which the labels come alone.
        check_confidence(self._parameters, segmenter.has_confidence)
        settings = settings_of(self._parameters)
        if segmenter.settings != settings:
            segmenter.settings = settings


def rotate_of(parameters: NodeParameters, camera: str) -> int:
    """Return the degrees by which a camera's images are turned."""
    return next(each.rotate for each in parameters.cameras if each.name == camera)


def settings_of(parameters: NodeParameters) -> segmentation_api.SegmenterSettings:
    """Return the settings of the segmenter."""
    return segmentation_api.SegmenterSettings(
        parameters.resize, parameters.postprocess, parameters.threshold)


IMAGE_INPUTS = {'raw': topics.IMAGE, 'compressed': topics.IMAGE_COMPRESSED,
                'ffmpeg': topics.IMAGE_PACKETS}
"""By the value of ``image_transport``."""
LONGEST_TRACE = 6000
"""Characters."""
LONGEST_ENCODING = 60
"""Characters; compressedDepth's formats are the longest."""


class Camera:
    """
    The input and output of one camera.

    Subscription callbacks run in the executor's thread and only pass messages on; what a
    :class:`FrameJob` calls runs in the inference thread.

    :param node: owns subscriptions and publishers
    :param name: empty for the only one
    :param settings: parameters of the node
    :param outputs: its publishers
    :param offer: takes the newest frame, tells whether an older one made way
    :param on_mask: takes each published mask and returns at once, for the costmap
    :param capture: takes each frame and returns at once
    """

    def __init__(self, node: Node, name: str, settings: ParameterServer, outputs: Outputs,
                 offer: Callable[[str, FrameJob], bool],
                 on_mask: Optional[OfferMask] = None,
                 capture: Optional[CaptureServer] = None) -> None:
        self.name = name
        self.settings = settings
        self.statistics = CameraStatistics(time.monotonic())
        self._node = node
        self._outputs = outputs
        self._offer = offer
        self.on_mask = on_mask
        self._capture = capture
        self.on_served: Optional[Callable[[ServedFrame], None]] = None
        """Is given what was published, while another network is checked on it."""
        parameters = next(each for each in settings.current.cameras if each.name == name)
        self._transport = parameters.image_transport
        self._type = image_types.message_type_of(self._transport)
        self._input = IMAGE_INPUTS[self._transport]
        self._topic = node.resolve_topic_name(
            topics.input_name(name, topics.IMAGE, parameters.image_topic))
        if self._input != topics.IMAGE:
            # As image_transport: who remaps image means image/compressed too.
            self._topic = topics.transported_name(self._topic, self._input)
        self._info_topic = topics.input_name(name, topics.CAMERA_INFO_IN,
                                             parameters.camera_info_topic)
        self._watch = InputWatch(node, name, self._topic, self._input.type_name,
                                 bool(parameters.image_topic))
        self._images: Optional[Subscription] = None
        self._infos: Optional[LatchedSubscription] = None
        self._camera_info: Optional[CameraInfo] = None
        self._bridge = CvBridgeDecoder()
        self._video = VideoDecoder()
        self._log = Throttle(node.get_logger(), time.monotonic)
        # Held while publishing: once stop has it, nothing more goes out.
        self._gate = threading.Lock()
        self._open = False

    def start(self) -> None:
        """Publish the class names, take images and let results out."""
        self.statistics.record_activated(time.monotonic())
        with self._gate:
            self._open = True
            self._outputs.publish_label_info(self.settings.current.threshold)
        if self._images is None:
            self._subscribe()
            self._watch.begin(time.monotonic(), self.statistics.received)

    def check(self) -> None:
        """Warn where images are expected and stay away; look who publishes CameraInfo."""
        if self._infos is not None:
            self._infos.look()
        if self._images is not None:
            self._watch.check(time.monotonic(), self.settings.current.error_after,
                              self.statistics.received)

    def stop(self) -> None:
        """Take no more images; when this returns no further result goes out."""
        if self._images is not None:
            self._node.destroy_subscription(self._images)
        if self._infos is not None:
            self._infos.destroy()
        self._images = self._infos = None
        with self._gate:
            self._open = False

    def destroy(self) -> None:
        """Destroy what is left; the inference thread has ended."""
        self.stop()
        self._outputs.destroy()

    def replace_classes(self, classes: ClassTable, has_confidence: bool) -> None:
        """Publish the class names of another network, whose frames come next."""
        with self._gate:
            self._outputs.replace_classes(classes, has_confidence)
            if self._open:
                self._outputs.publish_label_info(self.settings.current.threshold)

    def publish_label_info(self) -> None:
        """Publish the class names again, for a changed threshold."""
        with self._gate:
            if self._open:
                self._outputs.publish_label_info(self.settings.current.threshold)

    def status(self, state: NodeState) -> Status:
        """Return the entry of diagnostics."""
        return camera_status(
            self.name, self.statistics.report(time.monotonic()), state, self.settings.current,
            {'topic': self._topic,
             'bayer and yuv by': self._bridge.status}, self._watch.reason)

    @property
    def needs_confidence(self) -> bool:
        """Return whether anybody uses the confidence; the costmap weighs what it sees by it."""
        return self._outputs.has_confidence and (
            self.on_mask is not None or self._outputs.is_wanted(topics.CONFIDENCE)
            or (self._capture is not None and self._capture.is_wanted))

    def decode(self, message: Any) -> decoding.Picture:
        """
        Return the picture of a message.

        :raises InvalidInputError: it cannot be used
        """
        if self._input == topics.IMAGE:
            return decoding.image_to_picture(message, self._bridge.to_rgb)
        if self._input == topics.IMAGE_PACKETS or self._video.takes(message):
            return decoding.Picture(self._video.decode(message))
        return compressed_to_picture(message)

    def encoding_of(self, message: Any) -> str:
        """Return how a message says that its picture is encoded; a stranger's text, but cut."""
        said: str = message.format if self._input == topics.IMAGE_COMPRESSED else message.encoding
        return said[:LONGEST_ENCODING]

    def publish(self, header: Header, picture: decoding.Picture,
                segmentation: segmentation_api.Segmentation, parameters: NodeParameters) -> bool:
        """
        Publish the results of one image.

        :return: whether the camera was not stopped meanwhile
        """
        with self._gate:
            if not self._open:
                self.statistics.record_drop()
                return False
            trouble = self._outputs.publish(header, picture, segmentation, self._camera_info,
                                            parameters)
            if trouble:
                self._log.error('camera_info', f'{self.name}: ' * bool(self.name)
                                + f'Not published: ~/camera_info: {trouble}')
            if self.on_mask is not None:
                self.on_mask(self.name, header, picture, segmentation, self._camera_info)
        if self._capture is not None and self._capture.is_wanted:
            self._capture.offer(self.name, header, picture.rgb, segmentation,
                                self._camera_info, rotate_of(parameters, self.name))
        on_served = self.on_served
        if on_served is not None:
            on_served(ServedFrame(
                self.name, picture.rgb, rotate_of(parameters, self.name), settings_of(parameters),
                segmentation.mask))
        return True

    def report(self, kind: str, text: str, rejected: bool) -> None:
        """
        Count an image without a mask, and log why.

        :param kind: of the line in the log, for the throttle
        :param rejected: whether the image is to blame
        """
        self.statistics.record_error(text, rejected)
        self._log.error(kind, f'{self.name}: {text}' if self.name else text)

    def _subscribe(self) -> None:
        self._images = endpoints.subscribe(self._node, self._type, self._topic, self._on_image,
                                           self._input.profile())
        self._infos = LatchedSubscription(
            self._node, CameraInfo, self._info_topic, self._on_camera_info,
            topics.CAMERA_INFO_IN, topics.CAMERA_INFO_LATCHED)

    def _on_image(self, message: Any) -> None:
        now = time.monotonic()
        if self._input != topics.IMAGE:
            # Also those whose frames make way: a picture of a video needs all before it.
            self._video.add(message)
        stamp = stamps.stamp_to_nanoseconds(message.header.stamp)
        if self.statistics.record_arrival(now, stamp, self._age(stamp)):
            self._log.info(
                'stamp',
                f'Stamps of {self._topic} went back: a bag started over, or time was reset.')
        if self.statistics.frozen:
            self._log.error('frozen', f'{self._topic}: {self.statistics.frozen}.')
        if self._offer(self.name, FrameJob(self, message, now)):
            self.statistics.record_drop()

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._camera_info = message

    def _age(self, stamp: int) -> Optional[float]:
        now = self._node.get_clock().now().nanoseconds
        # No clock message yet (use_sim_time), or a driver that does not stamp.
        if now == 0 or stamp == 0:
            return None
        return (now - stamp) / stamps.NANOSECONDS
