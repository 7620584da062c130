# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What the pipeline takes of one camera: its masks with their model, pose and depth image.

The live node and the evaluation of recordings both go this way, so that their grids are equal.
"""

import collections
import threading
from typing import Any, Dict, NamedTuple, Optional, Tuple

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.table_cache import held_bytes
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap.geometry import camera_model
from segformer_ros.costmap.geometry import camera_poses
from segformer_ros.costmap.geometry import registration
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.projection.depth_image import depth_of_message
from segformer_ros.costmap.projection.ego_mask import ego_mask_from

DEPTH_KEPT = 10
"""Depth images that wait for their colour image; a third of a second at 30 Hz."""
MEAN_BYTES = 1 << 24
"""That each of them may take on the mean; 1080p has 8 MB in metres."""


class DepthImages:
    """
    Keeps the newest messages of a depth camera; every method may be called from any thread.

    :param topic: for errors
    :param kept: messages, of MEAN_BYTES each on the mean
    """

    def __init__(self, topic: str, kept: int = DEPTH_KEPT) -> None:
        self._topic = topic
        self._most = kept
        self._lock = threading.Lock()
        self._kept: 'collections.OrderedDict[int, Any]' = collections.OrderedDict()
        self._sizes: Dict[int, int] = {}

    def add(self, message: Any) -> None:
        """Take a message with the fields of Image or CompressedImage."""
        stamp = stamp_to_nanoseconds(message.header.stamp)
        with self._lock:
            self._kept[stamp] = message
            self._sizes[stamp] = held_bytes(message)
            while len(self._kept) > self._most or (
                    len(self._kept) > 1 and sum(self._sizes.values()) > self._most * MEAN_BYTES):
                del self._sizes[self._kept.popitem(last=False)[0]]

    def at(self, stamp_ns: int, is_last: bool = True) -> Any:
        """
        Return the depth message of a moment: the nearest one within 20 ms.

        :param stamp_ns: nanoseconds, of the colour image
        :param is_last: take one before the moment though a nearer one may still come
        :raises TransformError: there is none, or not yet
        """
        with self._lock:
            nearest = registration.nearest_stamp(self._kept, stamp_ns)
            may_come = nearest is not None and max(self._kept) < stamp_ns
            if nearest is not None and (is_last or not may_come):
                return self._kept[nearest]
        raise TransformError('No depth image for the image',
                             expected=f'one within {1e-6 * registration.DEPTH_SLOP_NS:.0f} ms '
                             f'on {self._topic}',
                             remedy='Remap depth or set depth_topic to the registered depth '
                             'of the driver, or set depth_transport: none.')


class Located(NamedTuple):
    """
    What belongs to one image: where it was taken, and its depth.

    ``frames``: those that the pose is between; one may stand in for another. ``depth`` (H, W)
    float32, None where none is used.
    """

    frames: camera_poses.Frames
    pose: CameraPose
    depth: Optional[arrays.Float32]


class CameraInput:
    """
    Makes the views of one camera.

    :param name: of the camera
    :param mount: how it is mounted; without a height transforms tell
    :param is_rectified: whether P of CameraInfo counts
    :param ego_mask: path or polygon, as ``self_mask`` of the node; empty for none
    :param depth: its depth images, None for flat ground
    :param info_topic: of its CameraInfo, for errors
    """

    def __init__(self, name: str, mount: camera_poses.Mount, is_rectified: bool, ego_mask: str,
                 depth: Optional[DepthImages], info_topic: str) -> None:
        self.name = name
        self._mount = mount
        self._is_rectified = is_rectified
        self._ego_mask = ego_mask
        self._depth = depth
        self._info_topic = info_topic
        self._model: Optional[camera_model.CameraModel] = None
        self._model_key: Optional[Tuple[Any, ...]] = None

    def locate(self, frame_id: str, stamp_ns: int, poses: camera_poses.CameraPoses,
               frames: camera_poses.Frames, is_last: bool = True) -> Located:
        """
        Return the pose and the depth image of an image.

        :param frame_id: of the image
        :param stamp_ns: of the image, nanoseconds
        :param is_last: nothing more is waited for
        :raises TransformError: one of them is missing; it may still come
        :raises InvalidInputError: the depth image cannot be read, or lies elsewhere
        """
        frames = poses.with_known_ground(self._mount, frames)
        pose = poses.pose_of(self._mount, frame_id, stamp_ns, frames, is_last)
        if self._depth is None:
            return Located(frames, pose, None)
        message = self._depth.at(stamp_ns, is_last)
        poses.check_same_place(frame_id, message.header.frame_id, stamp_ns)
        return Located(frames, pose, depth_of_message(message))

    def view(self, mask: arrays.UInt8, confidence: Optional[arrays.UInt8], info: Optional[Any],
             stamp_ns: int, located: Located, pipeline: CostmapPipeline) -> CameraView:
        """
        Return a mask as the pipeline takes it.

        :param mask: (H, W) class ids
        :param confidence: (H, W) or None
        :param info: CameraInfo, None where there was none
        :param pipeline: learns the ego mask of a new size
        :raises InvalidInputError: CameraInfo is missing or cannot be used
        """
        height, width = mask.shape
        return CameraView(mask, confidence, self._model_for(info, (width, height), pipeline),
                          located.pose, stamp_ns / NANOSECONDS, located.depth)

    def _model_for(self, info: Optional[Any], size_wh: Tuple[int, int],
                   pipeline: CostmapPipeline) -> camera_model.CameraModel:
        if info is None:
            raise InvalidInputError(
                'No CameraInfo was received', expected=f'a message on {self._info_topic}',
                remedy='Remap camera_info or set camera_info_topic to the topic of the driver; '
                'set costmap: false where masks are enough.')
        key = (camera_model.calibration_of(info),) + size_wh
        if self._model is None or key != self._model_key:
            self._model = camera_model.CameraModel(key[0], size_wh, self._is_rectified)
            self._model_key = key
            if self._ego_mask:
                pipeline.set_ego_mask(self.name, ego_mask_from(self._ego_mask, size_wh))
        return self._model


def is_rectified(choice: str, topic: str) -> bool:
    """
    Return whether images are rectified.

    :param choice: ``rectified`` of the node: yes, no, or auto
    :param topic: of the images
    """
    return choice == 'yes' or (choice == 'auto' and camera_model.is_rectified(topic))
