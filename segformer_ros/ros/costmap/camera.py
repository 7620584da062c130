# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the costmap keeps of one camera: its model, its depth, its clouds, its figures."""

import time
from typing import Any, NamedTuple, Optional, Tuple, TYPE_CHECKING

from rclpy.node import Node
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap import pipeline as costmap_pipeline
from segformer_ros.costmap.geometry import camera_model
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.points import moved_cloud
from segformer_ros.costmap.projection.ego_mask import ego_mask_from
from segformer_ros.costmap.settings import NADIR
from segformer_ros.ros.costmap.camera_poses import CameraPoses
from segformer_ros.ros.costmap.depth_input import DepthInput
from segformer_ros.ros.costmap.outputs import CloudOutputs
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.logging import Throttle
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.io.transforms import NANOSECONDS
from segformer_ros.ros.parameters.costmap import CostmapParameters
from segformer_ros.ros.parameters.node import CameraParameters
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_CHECK_SIZE = (640, 480)


class PublishedMask(NamedTuple):
    """
    One published mask on its way into the costmap.

    ``header`` is that of the image; ``info`` the newest CameraInfo, None where there was none.
    ``arrived``: seconds of ``time.monotonic``. A mask of an older ``session`` than the server's
    came before the cameras were stopped.
    """

    header: Header
    mask: 'npt.NDArray[np.uint8]'
    confidence: 'Optional[npt.NDArray[np.uint8]]'
    info: Optional[CameraInfo]
    arrived: float
    session: int

    @property
    def stamp_ns(self) -> int:
        """Return the stamp in nanoseconds."""
        return int(self.header.stamp.sec * 10 ** 9 + self.header.stamp.nanosec)


class CostmapCamera:
    """
    One camera of the costmap.

    :param node: owns publishers and subscriptions
    :param parameters: of this camera when it was configured
    :raises ConfigurationError: ``self_mask`` cannot be used
    """

    def __init__(self, node: Node, parameters: CameraParameters) -> None:
        if parameters.self_mask:
            ego_mask_from(parameters.self_mask, _CHECK_SIZE)
        self.parameters = parameters
        self.statistics = CameraStatistics(time.monotonic())
        self._log = Throttle(node.get_logger(), time.monotonic)
        self.cloud_frame = ''
        """Of the newest clouds; empty before the first."""
        self.topic = node.resolve_topic_name(topics.input_name(parameters.name, topics.IMAGE))
        self._rectified = parameters.rectified == 'yes' or (
            parameters.rectified == 'auto' and camera_model.is_rectified(self.topic))
        self._model: Optional[camera_model.CameraModel] = None
        self._model_key: Optional[Tuple[Any, ...]] = None
        self._depth: Optional[DepthInput] = None
        if parameters.depth_transport != 'none':
            self._depth = DepthInput(node, parameters)
        self.outputs = CloudOutputs(node, parameters.name)

    def locate(self, message: PublishedMask, poses: CameraPoses, parameters: CostmapParameters
               ) -> 'Tuple[CameraPose, Optional[npt.NDArray[np.float32]]]':
        """
        Return the pose and the depth image of a mask; no depth where none is used.

        :raises TransformError: one of them is missing; it may still come
        :raises InvalidInputError: the depth image cannot be read
        """
        pose = poses.pose_of(self.parameters, message.header.frame_id, message.stamp_ns,
                             parameters)
        return pose, None if self._depth is None else self._depth.at(message.stamp_ns)

    def make_view(self, message: PublishedMask, pose: CameraPose,
                  depth: 'Optional[npt.NDArray[np.float32]]',
                  pipeline: costmap_pipeline.CostmapPipeline) -> costmap_pipeline.CameraView:
        """
        Return a mask as the pipeline takes it.

        :param pipeline: learns the ego mask of a new size
        :raises InvalidInputError: CameraInfo is missing or cannot be used
        """
        return costmap_pipeline.CameraView(
            message.mask, message.confidence, self._model_for(message, pipeline), pose,
            message.stamp_ns / NANOSECONDS, depth)

    def publish(self, message: PublishedMask, pose: CameraPose,
                result: costmap_pipeline.FrameResult, parameters: CostmapParameters) -> None:
        """Publish the clouds of one mask with the stamp of its image."""
        self.cloud_frame = parameters.ground_frame
        if parameters.settings.projection.mode == NADIR:
            # Straight below a drone is no frame of TF; its camera is one.
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
        self.outputs.destroy()

    def _model_for(self, message: PublishedMask,
                   pipeline: costmap_pipeline.CostmapPipeline) -> camera_model.CameraModel:
        if message.info is None:
            raise InvalidInputError(
                'No CameraInfo was received', expected=
                f'a message on {topics.input_name(self.parameters.name, topics.CAMERA_INFO_IN)}',
                remedy='Check the topic name; set costmap: false where masks are enough.')
        height, width = message.mask.shape
        key = (camera_model.calibration_of(message.info), width, height)
        if self._model is None or key != self._model_key:
            self._model = camera_model.CameraModel(key[0], (width, height), self._rectified)
            self._model_key = key
            if self.parameters.self_mask:
                pipeline.set_ego_mask(self.parameters.name, ego_mask_from(
                    self.parameters.self_mask, (width, height)))
        return self._model
