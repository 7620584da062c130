# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the costmap keeps of one camera: its model, depth images, clouds and figures."""

import collections
import threading
import time
from typing import Any, NamedTuple, Optional, Tuple

import numpy as np
from rclpy.node import Node
from segformer_ros.calibration.verdict import MountVerdict
from segformer_ros.calibration.watch import WatchedFrame
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap import pipeline as costmap_pipeline
from segformer_ros.costmap.geometry import camera_model
from segformer_ros.costmap.geometry import registration
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.points import moved_cloud
from segformer_ros.costmap.projection.depth_image import decode_compressed_depth
from segformer_ros.costmap.projection.depth_image import depth_of_image
from segformer_ros.costmap.projection.ego_mask import ego_mask_from
from segformer_ros.costmap.settings import NADIR
from segformer_ros.model.classes import UNLABELED
from segformer_ros.ros.costmap.camera_poses import CameraPoses
from segformer_ros.ros.costmap.mount_watcher import MountWatcher
from segformer_ros.ros.costmap.outputs import CloudOutputs
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.logging import Throttle
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.parameters.costmap import CostmapParameters
from segformer_ros.ros.parameters.node import CameraParameters
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from std_msgs.msg import Header

DEPTH_KEPT = 10
"""Depth images that wait for their colour image; a third of a second at 30 Hz."""
_CHECK_SIZE = (640, 480)
# Seconds; a pair of images takes some hundredths.
_STOP_TIMEOUT = 2.0


class PublishedMask(NamedTuple):
    """
    One published mask on its way into the costmap.

    ``header`` is that of the image; ``info`` the newest CameraInfo, None where there was none.
    ``arrived``: seconds of ``time.monotonic``. A mask of an older ``session`` than the server's
    came before the cameras were stopped. ``image`` (H, W, 3) uint8 RGB, None where nothing wants
    it.
    """

    header: Header
    mask: arrays.UInt8
    confidence: Optional[arrays.UInt8]
    info: Optional[CameraInfo]
    arrived: float
    session: int
    image: Optional[arrays.UInt8] = None

    @property
    def stamp_ns(self) -> int:
        """Return the stamp in nanoseconds."""
        return stamp_to_nanoseconds(self.header.stamp)


class DepthInput:
    """
    Subscribes to depth and keeps the newest images.

    :param node: owns the subscription
    :param camera: with ``depth_transport`` raw or compressed
    """

    def __init__(self, node: Node, camera: CameraParameters) -> None:
        self._node = node
        self._compressed = camera.depth_transport == 'compressed'
        self._lock = threading.Lock()
        self._kept: 'collections.OrderedDict[int, Any]' = collections.OrderedDict()
        name = topics.input_name(camera.name, topics.DEPTH_IN, camera.depth_topic)
        topic = topics.DEPTH_IN
        if self._compressed:
            # As image_transport: who remaps depth means depth/compressedDepth too.
            topic = topics.DEPTH_IN_COMPRESSED
            name = topics.transported_name(node.resolve_topic_name(name), topic)
        self._name = node.resolve_topic_name(name)
        self._subscription = endpoints.subscribe(
            node, CompressedImage if self._compressed else Image, name, self._on_depth,
            topic.profile())

    def at(self, stamp_ns: int) -> Any:
        """
        Return the depth message of a moment.

        :param stamp_ns: nanoseconds, of the colour image
        :raises TransformError: there is none, or not yet
        """
        message = self._nearest(stamp_ns)
        if message is None:
            raise TransformError('No depth image for the image',
                                 expected=f'one within {1e-6 * registration.DEPTH_SLOP_NS:.0f} ms '
                                 f'on {self._name}',
                                 remedy='Remap depth or set depth_topic to the registered depth '
                                 'of the driver, or set depth_transport: none.')
        return message

    def decode(self, message: Any) -> arrays.Float32:
        """
        Return a depth message as (H, W) float32 metres.

        :raises InvalidInputError: it cannot be read
        """
        if self._compressed:
            return decode_compressed_depth(bytes(message.data), message.format)
        return depth_of_image(message)

    def destroy(self) -> None:
        """Take no more images."""
        self._node.destroy_subscription(self._subscription)

    def _nearest(self, stamp_ns: int) -> Optional[Any]:
        with self._lock:
            nearest = registration.nearest_stamp(self._kept, stamp_ns)
            return None if nearest is None else self._kept[nearest]

    def _on_depth(self, message: Any) -> None:
        with self._lock:
            self._kept[stamp_to_nanoseconds(message.header.stamp)] = message
            while len(self._kept) > DEPTH_KEPT:
                self._kept.popitem(last=False)


class CostmapCamera:
    """
    One camera of the costmap.

    :param node: owns publishers and subscriptions
    :param parameters: of this camera when it was configured
    :param costmap: of the node then
    :raises ConfigurationError: ``self_mask`` cannot be used
    """

    def __init__(self, node: Node, parameters: CameraParameters,
                 costmap: CostmapParameters) -> None:
        if parameters.self_mask:
            ego_mask_from(parameters.self_mask, _CHECK_SIZE)
        self.parameters = parameters
        self.statistics = CameraStatistics(time.monotonic())
        self._log = Throttle(node.get_logger(), time.monotonic)
        self.cloud_frame = ''
        """Of the newest clouds; empty before the first."""
        self.depth_refusal = ''
        """Why the newest depth image was not used; empty where it was, or where there is none."""
        self.topic = node.resolve_topic_name(topics.input_name(
            parameters.name, topics.IMAGE, parameters.image_topic))
        self._rectified = parameters.rectified == 'yes' or (
            parameters.rectified == 'auto' and camera_model.is_rectified(self.topic))
        self._model: Optional[camera_model.CameraModel] = None
        self._model_key: Optional[Tuple[Any, ...]] = None
        self._depth: Optional[DepthInput] = None
        if parameters.depth_transport != 'none':
            self._depth = DepthInput(node, parameters)
        self._info_topic = node.resolve_topic_name(
            topics.input_name(parameters.name, topics.CAMERA_INFO_IN,
                              parameters.camera_info_topic))
        self.outputs = CloudOutputs(node, parameters.name)
        self._ego: Optional[arrays.UInt8] = None
        self.watcher: Optional[MountWatcher] = None
        if costmap.mount_watch_enabled and costmap.settings.projection.mode != NADIR:
            self.watcher = MountWatcher(
                parameters.name, node.get_logger().warning, MountVerdict(
                    costmap.settings.projection.max_range, costmap.settings.grid.resolution,
                    costmap.mount_watch_apply))
            self.watcher.start()

    def locate(self, message: PublishedMask, poses: CameraPoses, parameters: CostmapParameters,
               is_last: bool) -> Tuple[CameraPose, Optional[arrays.Float32]]:
        """
        Return the pose and the depth image of a mask; no depth where none is used.

        :param is_last: whether nothing is waited for any more
        :raises TransformError: one of them is missing; it may still come
        :raises InvalidInputError: the depth image cannot be read, or lies elsewhere
        """
        pose = poses.pose_of(self.parameters, message.header.frame_id, message.stamp_ns,
                             parameters, is_last)
        if self._depth is None:
            return pose, None
        depth_message = self._depth.at(message.stamp_ns)
        poses.check_same_place(message.header.frame_id, depth_message.header.frame_id,
                               message.stamp_ns)
        return pose, self._depth.decode(depth_message)

    @property
    def has_depth(self) -> bool:
        """Return whether depth images come with the images."""
        return self._depth is not None

    @property
    def needs_images(self) -> bool:
        """Return whether images are of use beside their masks."""
        return self._depth is not None or self.watcher is not None

    def watch_mount(self, message: PublishedMask, pose: CameraPose,
                    model: camera_model.CameraModel, is_ground: arrays.Bool) -> None:
        """
        Leave an image for the watch on the mount, where there is one.

        :param pose: without the watch's own correction
        :param is_ground: (256,) whether a label is ground
        """
        if self.watcher is None or message.image is None:
            return
        mask = message.mask
        if self._ego is not None and self._ego.shape == mask.shape:
            mask = np.where(self._ego > 0, np.uint8(UNLABELED), mask)
        self.watcher.offer(WatchedFrame(message.stamp_ns / NANOSECONDS, message.image, mask, pose),
                           model, is_ground)

    def make_view(self, message: PublishedMask, pose: CameraPose,
                  depth: Optional[arrays.Float32],
                  pipeline: costmap_pipeline.CostmapPipeline) -> costmap_pipeline.CameraView:
        """
        Return a mask as the pipeline takes it.

        :param pipeline: learns the ego mask of a new size
        :raises InvalidInputError: CameraInfo is missing or cannot be used
        """
        if self.watcher is not None:
            pose = self.watcher.corrected(pose)
        return costmap_pipeline.CameraView(
            message.mask, message.confidence, self._model_for(message, pipeline), pose,
            message.stamp_ns / NANOSECONDS, depth)

    def publish(self, message: PublishedMask, pose: CameraPose,
                result: costmap_pipeline.FrameResult, parameters: CostmapParameters) -> None:
        """Publish the clouds of one mask with the stamp of its image."""
        self.cloud_frame = parameters.ground_frame
        if parameters.settings.projection.mode == NADIR:
            # Straight below a drone is not a frame of TF; its camera is one.
            camera_from_ground = inverse(pose.ground_from_camera)
            result = result._replace(
                obstacle_points=moved_cloud(result.obstacle_points, camera_from_ground),
                ground_points=moved_cloud(result.ground_points, camera_from_ground))
            self.cloud_frame = message.header.frame_id
        self.outputs.publish_clouds(
            Header(stamp=message.header.stamp, frame_id=self.cloud_frame), result)

    def record_used(self, message: PublishedMask, started: float,
                    timings: costmap_pipeline.StageTimings) -> None:
        """
        Count a mask that is in the grid now.

        :param started: seconds of ``time.monotonic``: when pose and depth were there
        """
        now = time.monotonic()
        height, width = message.mask.shape
        self.statistics.record_served(now, '', (width, height), {
            'waiting for the pose': started - message.arrived, 'projecting': timings.project,
            'fusing': timings.fuse, 'mask to clouds': now - message.arrived})

    def record_depth(self, refusal: str) -> None:
        """
        Record whether the depth image of a mask was used, and log why not.

        :param refusal: the reason, or nothing
        """
        self.depth_refusal = refusal
        if refusal:
            name = self.parameters.name
            self._log.warning('depth', '{}Depth is left out, and nothing is cleared: {}'.format(
                name + ': ' if name else '', refusal))

    def record_failed(self, kind: str, text: str) -> None:
        """
        Count a mask that is not in the grid, and log why.

        :param kind: of the fault; the log has one line of each kind in a while
        """
        self.statistics.record_error(text.splitlines()[0], rejected=False)
        name = self.parameters.name
        self._log.error(kind, '{}Not in the costmap: {}'.format(name + ': ' if name else '', text))

    def destroy(self) -> None:
        """Destroy publishers and subscriptions; no other thread uses them any more."""
        if self._depth is not None:
            self._depth.destroy()
        if self.watcher is not None:
            self.watcher.stop(_STOP_TIMEOUT)
        self.outputs.destroy()

    def _model_for(self, message: PublishedMask,
                   pipeline: costmap_pipeline.CostmapPipeline) -> camera_model.CameraModel:
        if message.info is None:
            raise InvalidInputError(
                'No CameraInfo was received', expected=f'a message on {self._info_topic}',
                remedy='Remap camera_info or set camera_info_topic to the topic of the driver; '
                'set costmap: false where masks are enough.')
        height, width = message.mask.shape
        key = (camera_model.calibration_of(message.info), width, height)
        if self._model is None or key != self._model_key:
            self._model = camera_model.CameraModel(key[0], (width, height), self._rectified)
            self._model_key = key
            if self.parameters.self_mask:
                self._ego = ego_mask_from(self.parameters.self_mask, (width, height))
                pipeline.set_ego_mask(self.parameters.name, self._ego)
        return self._model
