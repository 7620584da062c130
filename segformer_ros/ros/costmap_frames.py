# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The way of one mask into the costmap: its pose and depth, its numbers, its clouds."""

from typing import NamedTuple
from typing import Optional
from typing import TYPE_CHECKING

from segformer_ros.costmap.frame import Frame
from segformer_ros.costmap.frame import FrameResult
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.points import moved_cloud
from segformer_ros.costmap.poses import CameraPose
from segformer_ros.costmap.poses import inverse
from segformer_ros.costmap.settings import OVERHEAD
from segformer_ros.ros.camera_poses import CameraPoses
from segformer_ros.ros.costmap_camera import CostmapCamera
from segformer_ros.ros.costmap_camera import MaskFrame
from segformer_ros.ros.costmap_parameters import CostmapParameters
from segformer_ros.ros.transforms import NANOSECONDS
from std_msgs.msg import Header

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


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
               pipeline: CostmapPipeline) -> Frame:
    """
    Return a mask as the costmap room takes it.

    :raises InvalidInputError: CameraInfo is missing or cannot be used
    """
    return Frame(message.mask, message.confidence, camera.model_for(message, pipeline), view.pose,
                 message.stamp_ns / NANOSECONDS, view.depth)


def publish(camera: CostmapCamera, message: MaskFrame, frame: Frame, result: FrameResult,
            parameters: CostmapParameters) -> None:
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
