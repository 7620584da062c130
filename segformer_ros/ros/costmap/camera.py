# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the costmap keeps of one camera: its model, its depth, its clouds, its figures."""

import time
from typing import Any, NamedTuple, Optional, Tuple, TYPE_CHECKING

from rclpy.node import Node
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.costmap import pipeline as costmap_pipeline
from segformer_ros.costmap.geometry import camera_model
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.points import moved_cloud
from segformer_ros.costmap.projection.ego_mask import ego_mask_from
from segformer_ros.costmap.settings import OVERHEAD
from segformer_ros.ros.costmap.camera_poses import CameraPoses
from segformer_ros.ros.costmap.depth_input import DepthInput
from segformer_ros.ros.costmap.outputs import CloudOutputs
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.logging import Throttle
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.parameters.costmap import CostmapParameters
from segformer_ros.ros.parameters.node import CameraParameters
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

TRIAL_SIZE = (640, 480)


class MaskFrame(NamedTuple):
    """
    One published mask on its way into the costmap.

    ``header`` is that of the image; ``info`` the newest CameraInfo, None where there was none.
    ``arrived``: seconds of ``time.monotonic``. A frame of an older ``session`` than the stage's
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
            ego_mask_from(parameters.self_mask, TRIAL_SIZE)
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

    def model_for(self, frame: MaskFrame,
                  pipeline: costmap_pipeline.CostmapPipeline) -> camera_model.CameraModel:
        """
        Return the camera's model at the size of a mask; the same one while nothing changes.

        :param pipeline: learns the self mask of a new size
        :raises InvalidInputError: no CameraInfo, or one that cannot be used
        """
        if frame.info is None:
            raise InvalidInputError(
                'No CameraInfo was received', expected=
                f'a message on {topics.input_name(self.parameters.name, topics.CAMERA_INFO_IN)}',
                remedy='Check the topic name; set costmap: false where masks are enough.')
        height, width = frame.mask.shape
        key = (camera_model.calibration_of(frame.info), width, height)
        if self._model is None or key != self._model_key:
            self._model = camera_model.CameraModel(key[0], (width, height), self._rectified)
            self._model_key = key
            if self.parameters.self_mask:
                pipeline.set_ego_mask(self.parameters.name, ego_mask_from(
                    self.parameters.self_mask, (width, height)))
        return self._model

    def record_used(self, frame: MaskFrame, started: float,
                  timings: costmap_pipeline.StageTimings) -> None:
        """
        Count a mask that is in the grid.

        :param started: seconds of ``time.monotonic``: when pose and depth were there
        """
        now = time.monotonic()
        height, width = frame.mask.shape
        self.statistics.record_served(now, '', (width, height), {
            'waiting for the pose': started - frame.arrived, 'projecting': timings.project,
            'fusing': timings.fuse, 'mask to clouds': now - frame.arrived})

    def report(self, kind: str, text: str) -> None:
        """Count a mask that is not, and say why."""
        self.statistics.record_error(text.splitlines()[0], rejected=False)
        name = self.parameters.name
        self._log.error(kind, '{}Not in the costmap: {}'.format(name + ': ' if name else '', text))

    def depth_at(self, stamp_ns: int) -> 'Optional[npt.NDArray[np.float32]]':
        """
        Return the depth image of a moment; None where none is used.

        :raises TransformError: it has not come
        :raises InvalidInputError: it cannot be read
        """
        return None if self._depth is None else self._depth.at(stamp_ns)

    def destroy(self) -> None:
        """Destroy publishers and subscriptions; no other thread uses them any more."""
        if self._depth is not None:
            self._depth.destroy()
        self.outputs.destroy()


class View(NamedTuple):
    """What a mask may have to wait for: where the camera was, and the depth image, if any."""

    pose: CameraPose
    depth: 'Optional[npt.NDArray[np.float32]]'


def find_view(camera: CostmapCamera, message: MaskFrame, poses: CameraPoses,
              parameters: CostmapParameters) -> View:
    """
    Return pose and depth of a mask.

    :raises TransformError: one of them is missing; it may still come
    """
    pose = poses.pose_of(camera.parameters, message.header.frame_id, message.stamp_ns, parameters)
    return View(pose, camera.depth_at(message.stamp_ns))


def make_frame(camera: CostmapCamera, message: MaskFrame, view: View,
               pipeline: costmap_pipeline.CostmapPipeline) -> costmap_pipeline.Frame:
    """
    Return a mask as the costmap room takes it.

    :raises InvalidInputError: CameraInfo is missing or cannot be used
    """
    return costmap_pipeline.Frame(message.mask, message.confidence,
                                  camera.model_for(message, pipeline), view.pose,
                                  message.stamp_ns / NANOSECONDS, view.depth)


def publish(camera: CostmapCamera, message: MaskFrame, frame: costmap_pipeline.Frame,
            result: costmap_pipeline.FrameResult, parameters: CostmapParameters) -> None:
    """Publish the clouds of one frame with the stamp of its image."""
    frame_id = parameters.ground_frame
    if parameters.settings.projection.mode == OVERHEAD:
        # Straight below a drone is no frame of TF; its camera is one.
        camera_from_ground = inverse(frame.pose.ground_from_camera)
        result = result._replace(
            obstacle_points=moved_cloud(result.obstacle_points, camera_from_ground),
            ground_points=moved_cloud(result.ground_points, camera_from_ground))
        frame_id = message.header.frame_id
    header = Header(stamp=message.header.stamp, frame_id=frame_id)
    camera.outputs.publish_clouds(header, result)
    camera.cloud_frame = frame_id
