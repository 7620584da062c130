# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the costmap keeps of one camera: its model, depth images, clouds and figures."""

import time
from typing import NamedTuple, Optional

import numpy as np
from rclpy.node import Node
from segformer_ros.calibration.verdict import MountVerdict
from segformer_ros.calibration.watch import WatchedFrame
from segformer_ros.capture.frame import MeasuredView
from segformer_ros.common import arrays
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap import camera_input
from segformer_ros.costmap import pipeline as costmap_pipeline
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.points import moved_cloud
from segformer_ros.costmap.projection.ego_mask import ego_mask_from
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.model.classes import UNLABELED
from segformer_ros.ros.costmap.mount_watcher import MountWatcher
from segformer_ros.ros.costmap.outputs import CloudOutputs
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.logging import Throttle
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.parameters.costmap import CostmapParameters
from segformer_ros.ros.parameters.node import CameraParameters
from sensor_msgs import msg as sensor_msgs
from std_msgs.msg import Header

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
    info: Optional[sensor_msgs.CameraInfo]
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
        compressed = camera.depth_transport == 'compressed'
        name = topics.input_name(camera.name, topics.DEPTH_IN, camera.depth_topic)
        topic = topics.DEPTH_IN
        if compressed:
            # As image_transport: who remaps depth means depth/compressedDepth too.
            topic = topics.DEPTH_IN_COMPRESSED
            name = topics.transported_name(node.resolve_topic_name(name), topic)
        self.images = camera_input.DepthImages(node.resolve_topic_name(name))
        self._subscription = endpoints.subscribe(
            node, sensor_msgs.CompressedImage if compressed else sensor_msgs.Image, name,
            self.images.add,
            topic.profile())

    def destroy(self) -> None:
        """Take no more images."""
        self._node.destroy_subscription(self._subscription)


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
        self._depth: Optional[DepthInput] = None
        if parameters.depth_transport != 'none':
            self._depth = DepthInput(node, parameters)
        self.input = camera_input.CameraInput(
            parameters.name, parameters.mount,
            camera_input.is_rectified(parameters.rectified, self.topic),
            parameters.self_mask, None if self._depth is None else self._depth.images,
            node.resolve_topic_name(topics.input_name(
                parameters.name, topics.CAMERA_INFO_IN, parameters.camera_info_topic)))
        self.outputs = CloudOutputs(node, parameters.name)
        self._ego: Optional[arrays.UInt8] = None
        self.watcher: Optional[MountWatcher] = None
        if costmap.mount_watch_enabled and not costmap.frames.is_nadir:
            self.watcher = MountWatcher(
                parameters.name, node.get_logger().warning, MountVerdict(
                    costmap.settings.projection.max_range, costmap.settings.grid.resolution,
                    costmap.mount_watch_apply))
            self.watcher.start()

    @property
    def has_depth(self) -> bool:
        """Return whether depth images come with the images."""
        return self._depth is not None

    @property
    def needs_images(self) -> bool:
        """Return whether images are of use beside their masks."""
        return self._depth is not None or self.watcher is not None

    def corrected(self, located: camera_input.Located) -> camera_input.Located:
        """Return what belongs to an image with the pose that the watch on the mount corrects."""
        return located._replace(pose=self.corrected_pose(located.pose))

    def corrected_pose(self, pose: CameraPose) -> CameraPose:
        """Return a pose as the watch on the mount corrects it."""
        return pose if self.watcher is None else self.watcher.corrected(pose)

    def measure_by(self, settings: CostmapSettings) -> None:
        """Use changed settings for the watch on the mount."""
        if self.watcher is not None:
            self.watcher.measure_by(settings.projection.max_range, settings.grid.resolution)

    def measured(self, view: costmap_pipeline.CameraView,
                 pipeline: costmap_pipeline.CostmapPipeline,
                 grid: Optional[costmap_pipeline.Occupancy]) -> MeasuredView:
        """
        Return what is measured of a view that is in the costmap.

        :param grid: with it, None where nothing is compared with it
        """
        settings = pipeline.settings
        return MeasuredView(view, pipeline.costs, settings.depth, settings.projection.max_range,
                            pipeline.ego_mask(self.parameters.name), grid)

    def watch_mount(self, message: PublishedMask, located: camera_input.Located,
                    model: CameraModel, is_ground: arrays.Bool) -> None:
        """
        Leave an image for the watch on the mount, where there is one.

        :param located: without the watch's own correction
        :param is_ground: (256,) whether a label is ground
        """
        if self.watcher is None or message.image is None:
            return
        mask = message.mask
        if self.parameters.self_mask:
            if self._ego is None or self._ego.shape != mask.shape:
                self._ego = ego_mask_from(self.parameters.self_mask, model.size_wh)
            mask = np.where(self._ego > 0, np.uint8(UNLABELED), mask)
        self.watcher.offer(WatchedFrame(message.stamp_ns / NANOSECONDS, message.image, mask,
                                        located.pose), model, is_ground)

    def publish(self, message: PublishedMask, located: camera_input.Located,
                result: costmap_pipeline.FrameResult) -> None:
        """Publish the clouds of one mask with the stamp of its image."""
        self.cloud_frame = located.frames.ground_frame
        if located.frames.is_nadir:
            # Straight below a drone is not a frame of TF; its camera is one.
            camera_from_ground = inverse(located.pose.ground_from_camera)
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
            self._log.warning('depth', f"{name + ': ' if name else ''}Depth is left out, and "
                                       f'nothing is cleared: {refusal}')

    def record_failed(self, kind: str, text: str) -> None:
        """
        Count a mask that is not in the grid, and log why.

        :param kind: of the fault; the log has one line of each kind in a while
        """
        self.statistics.record_error(text, rejected=False)
        name = self.parameters.name
        self._log.error(kind, f"{name + ': ' if name else ''}Not in the costmap: {text}")

    def destroy(self) -> None:
        """Destroy publishers and subscriptions; no other thread uses them any more."""
        if self._depth is not None:
            self._depth.destroy()
        if self.watcher is not None:
            self.watcher.stop(_STOP_TIMEOUT)
        self.outputs.destroy()
